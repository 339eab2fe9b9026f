"""Gradients of every order for `spline_sum`.

Three functions that differentiate into each other; kanlib.ops._spline_ops says what
they compute. Forward mode is left to the reference. There is no `jvp` rule, because
torch.compile refuses functions that have one: a backward that runs in forward mode, for
a graph that was made outside of it, raises NotImplementedError.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from kanlib.ops._autograd import Dims, apply, leading, signed


def spline_sum(*arguments: Any) -> Tensor:
    """Return the sum, differentiable."""
    y: Tensor = apply(Sum, *arguments)
    return y


def spline_pull(*arguments: Any) -> Tensor:
    """Return the pull, differentiable."""
    h: Tensor = apply(Pull, *arguments)
    return h


def spline_push(*arguments: Any) -> Tensor:
    """Return the push, differentiable."""
    pushed: Tensor = apply(Push, *arguments)
    return pushed


class Sum(Function):
    """y[r, o] = Σ s Φ⁽ⁿ⁾ C; ∂/∂x = s · pull(n + 1), ∂/∂C = push(n), ∂/∂s = pull(n)."""

    @staticmethod
    @signed
    def forward(x, weight, scale, knots, degree, n, base):  # type: ignore[no-untyped-def]
        """Run the compiled loops."""
        return torch.ops.kanlib.spline_sum(x, weight, scale, knots, degree, n, base)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep the arguments, and nothing that is as wide as the features."""
        *tensors, degree, n, base = inputs
        ctx.options = degree, n, base
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        """Return gradients that can be differentiated again."""
        x, weight, scale, knots = ctx.saved_tensors
        degree, n, base = ctx.options
        of_x = of_weight = of_scale = None
        if ctx.needs_input_grad[0]:
            of_x = _scaled(spline_pull(x, weight, g, knots, degree, n + 1, base), scale)
        if ctx.needs_input_grad[1]:
            of_weight = spline_push(x, scale, g, knots, degree, n, base)
        if scale is not None and ctx.needs_input_grad[2]:
            of_scale = spline_pull(x, weight, g, knots, degree, n, base)
        return of_x, of_weight, of_scale, None, None, None, None

    @staticmethod
    def vmap(info: Any, dims: Dims, x, weight, scale, knots, *options):  # type: ignore[no-untyped-def]
        """Fold a batch of rows into the rows; other batches go one by one."""
        if dims[1] is not None or dims[3] is not None:
            given = (x, weight, scale, knots, *options)
            return _one_by_one(spline_sum, info, dims, given)
        size = info.batch_size
        x, scale = (leading(t, d, size) for t, d in ((x, dims[0]), (scale, dims[2])))
        flat = None if scale is None else scale.flatten(0, 1)
        y = spline_sum(x.flatten(0, 1), weight, flat, knots, *options)
        return y.reshape(size, x.shape[1], y.shape[1]), 0


class Pull(Function):
    """h[r, i] = Σ g Φ⁽ⁿ⁾ C; cotangent v: v · pull(n + 1), push(n; v), sum(n; v)."""

    @staticmethod
    @signed
    def forward(x, weight, g, knots, degree, n, base):  # type: ignore[no-untyped-def]
        """Run the compiled loops."""
        return torch.ops.kanlib.spline_pull(x, weight, g, knots, degree, n, base)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep the arguments."""
        *tensors, degree, n, base = inputs
        ctx.options = degree, n, base
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, v: Tensor) -> Any:
        """Return gradients that can be differentiated again."""
        x, weight, g, knots = ctx.saved_tensors
        degree, n, base = ctx.options
        of_x = of_weight = of_g = None
        if ctx.needs_input_grad[0]:
            of_x = v * spline_pull(x, weight, g, knots, degree, n + 1, base)
        if ctx.needs_input_grad[1]:
            of_weight = spline_push(x, v, g, knots, degree, n, base)
        if ctx.needs_input_grad[2]:
            of_g = spline_sum(x, weight, v, knots, degree, n, base)
        return of_x, of_weight, of_g, None, None, None, None

    @staticmethod
    def vmap(info: Any, dims: Dims, x, weight, g, knots, *options):  # type: ignore[no-untyped-def]
        """Fold a batch of rows into the rows; other batches go one by one."""
        if dims[1] is not None or dims[3] is not None:
            arguments = (x, weight, g, knots, *options)
            return _one_by_one(spline_pull, info, dims, arguments)
        size = info.batch_size
        x, g = (leading(t, d, size) for t, d in ((x, dims[0]), (g, dims[2])))
        h = spline_pull(x.flatten(0, 1), weight, g.flatten(0, 1), knots, *options)
        return h.reshape(x.shape), 0


class Push(Function):
    """P[f, i, o] = Σ_r s Φ⁽ⁿ⁾ g; cotangent U: s · pull(n + 1), pull(n), sum(n)."""

    @staticmethod
    @signed
    def forward(x, scale, g, knots, degree, n, base):  # type: ignore[no-untyped-def]
        """Run the compiled loops."""
        return torch.ops.kanlib.spline_push(x, scale, g, knots, degree, n, base)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep the arguments."""
        *tensors, degree, n, base = inputs
        ctx.options = degree, n, base
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Any:
        """Return gradients that can be differentiated again."""
        x, scale, g, knots = ctx.saved_tensors
        degree, n, base = ctx.options
        of_x = of_scale = of_g = None
        if ctx.needs_input_grad[0]:
            of_x = _scaled(spline_pull(x, u, g, knots, degree, n + 1, base), scale)
        if scale is not None and ctx.needs_input_grad[1]:
            of_scale = spline_pull(x, u, g, knots, degree, n, base)
        if ctx.needs_input_grad[2]:
            of_g = spline_sum(x, u, scale, knots, degree, n, base)
        return of_x, of_scale, of_g, None, None, None, None

    @staticmethod
    def vmap(info: Any, dims: Dims, *arguments):  # type: ignore[no-untyped-def]
        """One by one: each result sums over rows of its own."""
        return _one_by_one(spline_push, info, dims, arguments)


def _scaled(h: Tensor, scale: Tensor | None) -> Tensor:
    return h if scale is None else scale * h


def _one_by_one(
    function: Callable[..., Tensor], info: Any, dims: Dims, arguments: tuple[Any, ...]
) -> tuple[Tensor, int]:
    def entry(pick: Callable[[Any, int], Any]) -> Tensor:
        pairs = zip(arguments, dims, strict=True)
        return function(*(v if dim is None else pick(v, dim) for v, dim in pairs))

    results = [
        entry(lambda value, dim, number=number: value.select(dim, number))  # type: ignore[misc]
        for number in range(info.batch_size)
    ]
    if not results:  # an empty batch has the shape of an entry all the same
        return entry(lambda value, dim: value.sum(dim)).unsqueeze(0)[:0], 0
    return torch.stack(results), 0
