"""`group_rational` in plain PyTorch: what the compiled loops and kernels must equal."""

import torch
from torch import Tensor


def rational(x: Tensor, a: Tensor, b: Tensor, form: str) -> Tensor:
    """Return P/Q of x (..., D), one row of `b` for each of its groups of columns.

    The arithmetic is that of the coefficients' dtype; the result is rounded once to
    the dtype of x.
    """
    groups = len(b)
    z = x.to(b.dtype).unflatten(-1, (groups, x.shape[-1] // groups))
    a, b = a.unsqueeze(1), b.unsqueeze(1)  # (g, 1, ·), to go with z (..., g, D / g)
    if form == "A":
        inner = _without_constant(magnitude(z), magnitude(b))
    else:
        inner = magnitude(_without_constant(z, b))
    p = _horner(z, a)
    if a.shape[-1] == 1 and b.shape[-1] == 0:
        p = p + 0 * z  # a constant: still of x's shape, still NaN for NaN
    return (p / (1 + inner)).flatten(-2).to(x.dtype)


def magnitude(t: Tensor) -> Tensor:
    """Return |t| with the derivative 1 at 0, where that of `abs` is 0.

    With `abs` a denominator that starts at 0 would never move.
    """
    return torch.where(t < 0, -t, t)


def _horner(z: Tensor, a: Tensor) -> Tensor:
    """Return Σ_{i≥0} a_i z^i."""
    total = a[..., -1]
    for i in reversed(range(a.shape[-1] - 1)):
        total = total * z + a[..., i]
    return total


def _without_constant(z: Tensor, b: Tensor) -> Tensor:
    """Return Σ_{j≥1} b_j z^j."""
    # An empty sum stays connected to b, so that its gradient is empty and not missing.
    return _horner(z, b) * z if b.shape[-1] else b.sum(-1)
