"""Exact ranges [min f, max f] over [l, u] of functions that are not monotone.

Every range is attained: its ends are values of f at an end of the interval or at a
critical point in it, so that nothing is lost but rounding. NaN gives NaN.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

Function = Callable[[Tensor], Tensor]
Range = tuple[Tensor, Tensor]


class Dip(NamedTuple):
    """Where a function that falls, then rises, has its minimum, and its value there."""

    place: float
    value: float


# Each derivative has one zero: f' has the sign of an h with h' > 0 wherever h could
# vanish, that is for x < 0 (s = sigmoid, t = tanh of the inner cubic, E = eˣ):
# SiLU: h = 1 + x (1 − s), h' = (1 − s)(1 − x s).
# GELU: h = Φ + x φ, h' = φ (2 − x²) on (−√2, 0); before −√2, h falls from 0, is < 0.
# GELU by tanh: h = 1 + x (1 − t) g', h' = (1 − t)(g' + x g'') − x (1 − t²) g'², where
# g' > 0 and x g'' ≥ 0.
# Mish: h = (E + 2)(E² + 2E + 2) + 4x (E + 1), h' ≥ 4 + 4x E ≥ 4 − 4/e.
# Near the minimum the error of `place`, 1e-16, changes the value by 1e-32.
SILU = Dip(-1.2784645427610737, -0.2784645427610738)
GELU = Dip(-0.7517915246935645, -0.16997120747990366)
GELU_TANH = Dip(-0.7524614220710163, -0.17004075057125406)
MISH = Dip(-1.1924312145154952, -0.30884341301725043)


def dip_range(f: Function, lower: Tensor, upper: Tensor, dip: Dip) -> Range:
    """Return the range of a function that falls up to `dip.place` and rises from it."""
    left, right = f(lower), f(upper)
    least = torch.minimum(left, right)
    inside = (lower <= dip.place) & (dip.place <= upper)
    return torch.where(inside, dip.value, least), torch.maximum(left, right)


def vee_range(f: Function, lower: Tensor, upper: Tensor) -> Range:
    """Return the range of a function with f(0) = 0 that is monotone on either side."""
    left, right = f(lower), f(upper)
    inside = (lower <= 0) & (upper >= 0)
    low, high = torch.minimum(left, right), torch.maximum(left, right)
    return (
        torch.where(inside, low.clamp(max=0), low),
        torch.where(inside, high.clamp(min=0), high),
    )


def abs_range(lower: Tensor, upper: Tensor) -> Range:
    """Return the range of |x|."""
    return torch.maximum(lower, -upper).clamp(min=0), torch.maximum(-lower, upper)


def wave_range(f: Function, lower: Tensor, upper: Tensor, peak: float) -> Range:
    """Return the range of a wave of period 2π, ±1 high, with a maximum at `peak`.

    An extremum counts as inside if it is less than the rounding error of its place
    outside: that can add no more than the square of this error to the range.
    """
    low, high = f(lower), f(upper)
    top = torch.where(_meets(lower, upper, peak), 1.0, torch.maximum(low, high))
    bottom = _meets(lower, upper, peak + math.pi)
    return torch.where(bottom, -1.0, torch.minimum(low, high)), top


def _meets(lower: Tensor, upper: Tensor, place: float) -> Tensor:
    """Whether place + 2πk, for some integer k, lies in [lower, upper]."""
    a, b = (lower - place) / (2 * math.pi), (upper - place) / (2 * math.pi)
    margin = 8 * torch.finfo(a.dtype).eps * (1 + torch.maximum(a.abs(), b.abs()))
    return torch.ceil(a - margin) <= b + margin
