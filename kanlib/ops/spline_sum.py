"""The sum over all edges of a B-spline layer, as one operation."""

from collections.abc import Sequence
from math import prod

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from kanlib import _check
from kanlib.ops._dispatch import (
    Backend,
    choose,
    needs_gradient,
    numba_refusals,
    transform_refusals,
)
from kanlib.ops.bspline import bspline_basis

OPERATION = "spline_sum"
KNOTS_NEED_GRADIENT = "the knots need a gradient; only the reference has it"


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
            numba at first use), "cuda" (kernels of this package, through CuPy), or
            "auto": the first that can take this call.

    Shape:
        x (..., I), knots (K + d + 1,) or (I, K + d + 1), result (..., O).

    Returns:
        The sums in x's dtype, differentiable in x, c and w to every order; gradients
        of every order run compiled where the call itself does. A half x takes c and w
        in float32 or in its own dtype; it is computed in float32 and rounded once, also
        under autocast.

    Raises:
        TypeError: "x has dtype" not floating; arguments differ in dtype or device;
            "knots has dtype" not real, or another device.
        ValueError: "coefficients has shape", "base_weight has shape", "x has shape",
            "knots has shape", "degree must be", "backend is".
        KernelUnavailable: the backend asked for by name cannot take this call; lists
            every reason.

    Notes:
        The first "cpu" call of a machine's user compiles: 2 to 4 s, with gradients 1 to
        2 s more; a later process loads the result from a cache, in 1 to 2 s, most of it
        to import numba. Nothing of this happens before the first such call.
        "cpu" keeps x, c and w for backward, nothing as wide as the basis: features are
        formed anew for a chunk of rows at a time. Time does not grow with K from about
        10 functions on, because only the d + 1 active ones are visited. Results differ
        from the reference by rounding: relative to Σ|c|, below 1e-12 in float64 and
        1e-5 in float32, more for derivatives, fine grids and domains far from 0, where
        x − t_j loses digits. Where x is NaN or infinite both give the same; a weight or
        cotangent that is NaN or infinite may reach only the points, or the functions,
        that are active together, where the reference spreads it by 0 · NaN.
        c is reordered at each call. Stored in the loops' own order it would not be, but
        `torch.optim.LBFGS` refuses gradients that are not contiguous.

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
    dtype = x.dtype
    if dtype not in (torch.float32, torch.float64):
        x = x.float()  # half precision is for memory: all sums are float32 at least
    if coefficients.dtype != x.dtype:
        coefficients = coefficients.to(x.dtype)
        base_weight = None if base_weight is None else base_weight.to(x.dtype)
    refusals = {
        "cuda": lambda: _cuda_refusals(x, knots, degree, backend == "cuda"),
        "cpu": lambda: _cpu_refusals(x, knots),
    }
    chosen = choose(OPERATION, backend, refusals)
    if chosen == "reference":
        y = _reference(x, coefficients, base_weight, knots, degree)
    else:
        if chosen == "cpu":
            from kanlib.ops import _spline_cpu  # noqa: F401
        else:
            from kanlib.ops import _spline_cuda  # noqa: F401
        y = _compiled(x, coefficients, base_weight, knots, degree)
    return y if y.dtype == dtype else y.to(dtype)


def _compiled(
    x: Tensor, c: Tensor, base_weight: Tensor | None, knots: Tensor, degree: int
) -> Tensor:
    from kanlib.ops import _spline_autograd

    weight = c.permute(2, 1, 0)
    if base_weight is not None:
        weight = torch.cat([weight, base_weight.T.unsqueeze(0)])
    rows = knots.detach().double()
    y = _spline_autograd.spline_sum(
        x if x.ndim == 2 else x.reshape(prod(x.shape[:-1]), x.shape[-1]),
        weight,
        None,
        rows if rows.ndim == 2 else rows.unsqueeze(0),
        degree,
        0,
        base_weight is not None,
    )
    return y if x.ndim == 2 else y.reshape(*x.shape[:-1], c.shape[0])


def _reference(
    x: Tensor, c: Tensor, base_weight: Tensor | None, knots: Tensor, degree: int
) -> Tensor:
    device = x.device.type
    if device != "meta" and torch.is_autocast_enabled(device):
        # Its matrix products would be in half precision, which knots cannot afford.
        with torch.autocast(device, enabled=False):
            return _reference(x, c, base_weight, knots, degree)
    phi = bspline_basis(x, knots.to(x), degree)
    y = F.linear(phi.flatten(-2), c.flatten(1))
    return y if base_weight is None else y + F.linear(F.silu(x), base_weight)


def _cuda_refusals(x: Tensor, knots: Tensor, degree: int, named: bool) -> Sequence[str]:
    """Why the CUDA kernels cannot take this call."""
    found = transform_refusals()
    if needs_gradient(knots):
        found.append(KNOTS_NEED_GRADIENT)
    if not (named or x.is_cuda):
        # Asking the driver takes longer than a small call: not for "auto" on a CPU.
        return [*found, f"x is on {x.device}; expected a CUDA device"]
    from kanlib.ops import _spline_cuda

    # Both may name a transform that is under way.
    return list(dict.fromkeys([*found, *_spline_cuda.refusals(x, knots, degree)]))


def _cpu_refusals(x: Tensor, knots: Tensor) -> Sequence[str]:
    """Why the compiled loops cannot take this call."""
    found = numba_refusals() + transform_refusals()
    if x.device.type != "cpu":
        found.append(f"x is on {x.device}; expected the CPU")
    if needs_gradient(knots):
        found.append(KNOTS_NEED_GRADIENT)
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
    if coefficients.ndim != 3 or not coefficients.shape[2]:
        raise ValueError(
            f"{OPERATION}: coefficients has shape {tuple(coefficients.shape)}; "
            "expected (O, I, K), one number for each output, input and function, and "
            "one function at least."
        )
    _, inputs, size = coefficients.shape
    because = "coefficients has them"
    _check.last_axis(OPERATION, "x", x, inputs, f"{because} for {inputs} inputs")
    _check.is_tensor(OPERATION, "knots", knots)
    if knots.is_complex() or knots.device != x.device:
        raise TypeError(
            f"{OPERATION}: knots has dtype {knots.dtype} and device {knots.device}; "
            f"expected real numbers on {x.device}, because x is there."
        )
    count = size + degree + 1
    if tuple(knots.shape) not in ((count,), (inputs, count)):
        raise ValueError(
            f"{OPERATION}: knots has shape {tuple(knots.shape)}; expected ({count},) "
            f"or ({inputs}, {count}), because there are {size} functions of degree "
            f"{degree} and {inputs} inputs."
        )
    given = {"coefficients": coefficients}
    if base_weight is not None:
        _check.is_tensor(OPERATION, "base_weight", base_weight)
        edges = tuple(coefficients.shape[:2])
        _check.has_shape(OPERATION, "base_weight", base_weight, edges, because)
        given["base_weight"] = base_weight
    half = x.dtype not in (torch.float32, torch.float64)
    if (
        half and coefficients.dtype == torch.float32
    ):  # welcome with half x, for precision
        x = x.new_empty(0, dtype=torch.float32)
    _check.same_kind(OPERATION, x=x, **given)
