"""The sum over all edges of a B-spline layer, as one operation."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from kanlib import _check
from kanlib.ops._dispatch import Backend, choose, numba_refusals, transform_refusals
from kanlib.ops.bspline import bspline_basis

OPERATION = "spline_sum"


def spline_sum(
    x: Float[Tensor, "*batch I"],
    coefficients: Float[Tensor, "O I K"],
    base_weight: Float[Tensor, "O I"] | None,
    knots: Float[Tensor, "*inputs knots"],
    degree: int,
    *,
    backend: Backend = "auto",
) -> Float[Tensor, "*batch O"]:
    """Return y_o = Σ_i [ w[o,i] silu(x_i) + Σ_k c[o,i,k] B_k(x_i) ].

    Args:
        x: Points; the last axis is the input axis.
        coefficients: c.
        base_weight: w, or None for splines alone.
        knots: Shared, or one row per input, as `bspline_basis` takes them.
        degree: d ≥ 0.
        backend: "reference" (plain PyTorch, defines the result), "cpu" (compiled by
            numba at first use), or "auto": the first that can take this call.

    Shape:
        x (..., I), knots (K + d + 1,) or (I, K + d + 1), result (..., O).

    Returns:
        The sums in x's dtype, differentiable in x, c and w to every order; gradients
        of every order run compiled where the call itself does.

    Raises:
        TypeError: "x has dtype" not floating; arguments differ in dtype or device.
        ValueError: "coefficients has shape", "base_weight has shape", "x has shape",
            "knots has shape", "degree must be", "backend is".
        KernelUnavailable: `backend="cpu"` cannot take this call; lists every reason.

    Notes:
        "cpu" keeps x, c and w for backward, nothing as wide as the basis: features are
        formed anew for a chunk of rows at a time. Time does not grow with K from about
        14 functions on, because only the d + 1 active ones are visited. Results differ
        from the reference by rounding: relative to Σ|c|, below 1e-12 in float64 and
        1e-5 in float32, more for derivatives on fine grids, where x − t_j loses digits.

    Example:
        >>> knots = torch.arange(-3.0, 9.0)
        >>> c, w = torch.ones(1, 2, 8), torch.zeros(1, 2)
        >>> y = spline_sum(torch.tensor([0.5, 2.0]), c, w, knots, 3)
        >>> round(y.item(), 4)  # two sums of all functions, each of them 1
        2.0

    Reference:
        [liu2024kan] eq. (2.10) (place from memory), arXiv:2404.19756.
    """
    _check_arguments(x, coefficients, base_weight, knots, degree)
    chosen = choose(OPERATION, backend, {"cpu": lambda: _cpu_refusals(x, knots)})
    if chosen == "reference":
        return _reference(x, coefficients, base_weight, knots, degree)
    from kanlib.ops import _spline_cpu  # noqa: F401
    from kanlib.ops._spline_autograd import Sum

    parts = [coefficients.permute(2, 1, 0)]
    if base_weight is not None:
        parts.append(base_weight.T.unsqueeze(0))
    rows = torch.atleast_2d(knots.detach().double())
    y = Sum.apply(
        x.reshape(-1, x.shape[-1]),
        torch.cat(parts),
        None,
        rows,
        degree,
        0,
        base_weight is not None,
    )
    return y.reshape(*x.shape[:-1], coefficients.shape[0])


def _reference(
    x: Tensor, coefficients: Tensor, base_weight: Tensor | None, knots: Tensor, d: int
) -> Tensor:
    phi = bspline_basis(x, knots.to(x.dtype), d)
    y = F.linear(phi.flatten(-2), coefficients.flatten(1))
    return y if base_weight is None else y + F.linear(F.silu(x), base_weight)


def _cpu_refusals(x: Tensor, knots: Tensor) -> Sequence[str]:
    """Why the compiled loops cannot take this call."""
    found = numba_refusals() + transform_refusals()
    if x.device.type != "cpu":
        found.append(f"x is on {x.device}; expected the CPU")
    if x.dtype not in (torch.float32, torch.float64):
        found.append(f"x has dtype {x.dtype}; expected float32 or float64")
    if knots.requires_grad:
        found.append("the knots need a gradient; only the reference has it")
    return found


def _check_arguments(
    x: Tensor,
    coefficients: Tensor,
    base_weight: Tensor | None,
    knots: Tensor,
    degree: int,
) -> None:
    _check.is_floating(OPERATION, "x", x)
    _check.is_integer(OPERATION, "degree", degree, 0)
    _check.is_tensor(OPERATION, "coefficients", coefficients)
    if coefficients.ndim != 3:
        raise ValueError(
            f"{OPERATION}: coefficients has shape {tuple(coefficients.shape)}; "
            "expected (O, I, K), one number for each output, input and function."
        )
    _, inputs, size = coefficients.shape
    because = "coefficients has them"
    _check.last_axis(OPERATION, "x", x, inputs, f"{because} for {inputs} inputs")
    count = size + degree + 1
    if tuple(knots.shape) not in ((count,), (inputs, count)):
        raise ValueError(
            f"{OPERATION}: knots has shape {tuple(knots.shape)}; expected ({count},) "
            f"or ({inputs}, {count}), because there are {size} functions of degree "
            f"{degree} and {inputs} inputs."
        )
    if base_weight is None:
        _check.same_kind(OPERATION, x=x, coefficients=coefficients)
    else:
        edges = tuple(coefficients.shape[:2])
        _check.has_shape(OPERATION, "base_weight", base_weight, edges, because)
        _check.same_kind(
            OPERATION, x=x, coefficients=coefficients, base_weight=base_weight
        )
