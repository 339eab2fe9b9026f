"""Gradients of every order for `group_rational`.

The value and its gradient are compiled. The gradient's own derivatives, of every order,
are those of the reference's gradient, which is plain PyTorch.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.func import vjp

from kanlib.ops import _rational_ops  # noqa: F401
from kanlib.ops._autograd import Dims, apply, leading, signed
from kanlib.ops._rational_reference import rational


class Rational(Function):
    """F(x) of (rows, D)."""

    @staticmethod
    @signed
    def forward(x, a, b, form):  # type: ignore[no-untyped-def]
        """Run the compiled loops or kernels of the device."""
        return torch.ops.kanlib.group_rational(
            x.contiguous(), a.contiguous(), b.contiguous(), form
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep x and the coefficients, and nothing else of x's size."""
        x, a, b, ctx.form = inputs
        ctx.save_for_backward(x, a, b)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        """Return gradients that can be differentiated again."""
        x, a, b = ctx.saved_tensors
        return *apply(Gradient, g, x, a, b, ctx.form), None

    @staticmethod
    def vmap(info: Any, dims: Dims, x, a, b, form):  # type: ignore[no-untyped-def]
        """Make a batch of points more rows, and one of coefficients more groups."""
        size, columns = info.batch_size, None
        if dims[1] is None and dims[2] is None:
            x = x.movedim(dims[0], 0)
            return Rational.apply(x.flatten(0, 1), a, b, form).reshape(x.shape), 0
        x, columns = _beside(x, dims[0], size)
        a, b = _more_groups(a, b, dims[1:], size)
        return _apart(Rational.apply(x, a, b, form), size, columns), 0


class Gradient(Function):
    """Σ g ∂F/∂x of (rows, D), and Σ g ∂F/∂a, Σ g ∂F/∂b over all rows."""

    @staticmethod
    @signed
    def forward(g, x, a, b, form):  # type: ignore[no-untyped-def]
        """Run the compiled loops or kernels of the device."""
        return torch.ops.kanlib.group_rational_backward(
            g.contiguous(), x.contiguous(), a.contiguous(), b.contiguous(), form
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep the arguments."""
        *tensors, ctx.form = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, *v: Tensor) -> Any:
        """Differentiate the gradient of the reference."""

        def gradient(g: Tensor, x: Tensor, a: Tensor, b: Tensor) -> Any:
            return vjp(lambda x, a, b: rational(x, a, b, ctx.form), x, a, b)[1](g)

        return *vjp(gradient, *ctx.saved_tensors)[1](v), None

    @staticmethod
    def vmap(info: Any, dims: Dims, g, x, a, b, form):  # type: ignore[no-untyped-def]
        """Make the batch more groups, so that each entry has sums of its own."""
        size, shared = info.batch_size, len(a) == 1 if dims[2] is None else None
        if shared is None:
            shared = a.movedim(dims[2], 0).shape[1] == 1
        g, columns = _beside(g, dims[0], size)
        x, _ = _beside(x, dims[1], size)
        groups = leading(b, dims[3], size).shape[1]
        a, b = _more_groups(a, b, dims[2:], size)
        of_x, of_a, of_b = Gradient.apply(g, x, a, b, form)
        # The groups of one entry are counted above: -1 is ambiguous if there is none.
        of_a, of_b = (t.unflatten(0, (size, groups)) for t in (of_a, of_b))
        if shared:
            of_a = of_a.sum(1, keepdim=True)
        return (_apart(of_x, size, columns), of_a, of_b), (0, 0, 0)


def _beside(x: Tensor, dim: int | None, size: int) -> tuple[Tensor, int]:
    """Lay a batch of (rows, D) side by side: (rows, batch · D), and D."""
    x = leading(x, dim, size).movedim(0, 1)
    return x.flatten(1), x.shape[2]


def _apart(y: Tensor, size: int, columns: int) -> Tensor:
    return y.reshape(len(y), size, columns).movedim(1, 0)


def _more_groups(a: Tensor, b: Tensor, dims: Dims, size: int) -> tuple[Tensor, Tensor]:
    """Give every entry of the batch its own groups."""
    a, b = leading(a, dims[0], size), leading(b, dims[1], size)
    a = a.expand(size, b.shape[1], a.shape[2])
    return a.flatten(0, 1), b.flatten(0, 1)
