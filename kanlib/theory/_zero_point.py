"""The critical point at K* = 0, from what an activation does on both sides of 0."""

import math

import torch
from torch import Tensor

from kanlib.theory._activation import Activation, sided_slopes, sided_taylor
from kanlib.theory._rule import Rule
from kanlib.theory.critical_point import Criticality, Exponents, Universality

# Differences of the two susceptibilities below this are rounding.
NOISE = 1e-11
# Values and slopes at 0 below this are rounding.
ZERO = 1e-12
# The Taylor series at 0 is searched for a term that moves K up to K^(1 + 6/2).
TERMS = 6


def zero_point(
    activation: Activation, rule: Rule, grid: Tensor, outputs: int
) -> Criticality | None:
    """Return the critical point with K* = 0, if σ(0) = 0 and there are slopes."""
    if abs(at_zero(activation)) > ZERO:
        return None
    mean, spread = slope_moments(*sided_slopes(activation))
    if not ZERO**2 < mean < math.inf:
        return None
    term = _first_term(activation, mean)
    if term is None:
        term = _measured_term(rule, grid, 1 / mean)
    power, norm, angle = term
    kind: Universality = "zero fixed point" if norm < 0 else "unstable zero fixed point"
    exponents = Exponents(0.0, 0.0)
    if power < math.inf:
        exponents = Exponents(1 / power, angle / (norm * power))
    growth = (3 * spread - 1) / 3
    return Criticality(0.0, 1 / mean, 0.0, kind, exponents, growth, outputs)


def _first_term(
    activation: Activation, mean: float
) -> tuple[float, float, float] | None:
    """Return q, α, β with C_W ⟨σ²⟩/K = 1 + αK^q + …, C_W ⟨σ'²⟩ = 1 + βK^q + ….

    From Taylor coefficients on both sides of 0, as E |z|^p θ(z) = K^(p/2) E |ξ|^p / 2.
    β is infinite where χ⊥ moves at a lower order. None if no term is found.
    """
    earlier = 0.0
    for m in range(1, TERMS + 1):
        try:
            series = sided_taylor(activation, m + 1)
        except RuntimeError:  # torch lacks this derivative of an operation
            return None
        steep = series[:, 1:] * torch.arange(1, m + 2)
        along = _half_moment(m + 2) * _square_term(series, m + 2) / mean
        across = _half_moment(m) * _square_term(steep, m) / mean
        if math.isnan(along + across):
            return None
        if abs(along) > NOISE:
            return m / 2, along, math.copysign(math.inf, earlier) if earlier else across
        earlier = earlier or (across if abs(across) > NOISE else 0.0)
    return None


def _square_term(series: Tensor, power: int) -> float:
    """Return the coefficient of x^power in the squared series of both sides, summed.

    A coefficient beyond the series meets one that is 0, here σ(0).
    """
    terms = range(max(0, power + 1 - series.shape[1]), min(power + 1, series.shape[1]))
    return float(sum((series[:, k] * series[:, power - k]).sum() for k in terms))


def _half_moment(power: int) -> float:
    """Return E |ξ|^p / 2 for ξ ~ N(0, 1), the share of each side."""
    return 2 ** (power / 2) * math.gamma((power + 1) / 2) / (2 * math.sqrt(math.pi))


def _measured_term(
    rule: Rule, grid: Tensor, weight_variance: float
) -> tuple[float, float, float]:
    """Return q, αK^q, βK^q as the integrals at the least K have it; q = ∞ if flat."""
    square, _, _, across, *_ = rule(grid) * weight_variance
    norm, angle = square / grid - 1, across - 1
    certain = torch.nonzero(norm.abs() > 1e-9)[:, 0].tolist()
    if not certain:
        return math.inf, -1.0, 0.0
    first = certain[0]
    if first > 0:
        return math.inf, float(norm[first]), 0.0
    ratio, step = float(norm[1] / norm[0]), float(grid[1] / grid[0])
    if ratio <= 1:  # it does not follow a power there
        return math.inf, float(norm[0]), 0.0
    return math.log(ratio) / math.log(step), float(norm[0]), float(angle[0])


def at_zero(activation: Activation) -> float:
    """Return σ(0)."""
    with torch.no_grad():
        return float(activation(torch.zeros(1, dtype=torch.float64))[0])


def slope_moments(right: float, left: float) -> tuple[float, float]:
    """Return A₂ and A₄/A₂² of the slopes on both sides of 0."""
    mean = (right**2 + left**2) / 2
    if mean == 0:
        return 0.0, math.nan
    return mean, (right**4 + left**4) / (2 * mean**2)
