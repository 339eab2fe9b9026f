"""Means over one Gaussian number and over a pair of correlated ones."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from kanlib import _check
from kanlib._errors import DidNotConverge
from kanlib.theory._activation import Activation, check_elementwise
from kanlib.theory._polar import Kinks, Polar, flat_values
from kanlib.theory._rule import ORDER, REACHES, Rule, lobatto, on_panels, too_fast

# Grids of two numbers, as (cuts of each panel, nodes), until two in turn agree.
FINENESS = ((1, 10), (1, 16), (2, 16), (4, 16), (8, 16))
# Kinks that are looked at, for each function.
MOST_KINKS = 8


def gaussian_mean(f: Activation, variance: float, *, tolerance: float = 1e-12) -> float:
    """Return E f(z) for z ~ N(0, K).

    Args:
        f: Elementwise on float64 tensors.
        variance: K ≥ 0; 0 gives f(0).
        tolerance: Largest error, as a multiple of E |f(z)|.

    Raises:
        ValueError: "variance must be" finite and non-negative; "tolerance must be"
            positive; "f is not elementwise"; "f(z) has" NaN or infinite values where
            the density still counts; "f(z) grows too fast" for a mean to exist in
            floating point.
        TypeError: "f(z) has dtype" float32 for a float64 z.
        DidNotConverge: the halving ended before the panels agreed, as for f = 1/|z| or
            an f that computes in float32 inside.

    Notes:
        Gauss-Lobatto on panels that are split at 0 and halved where a panel and its
        halves differ. A kink or a jump at 0 costs nothing; one elsewhere costs about 40
        rounds on a few panels (milliseconds) and no accuracy.

    Example:
        >>> round(gaussian_mean(torch.relu, 2.0) ** 2 * torch.pi, 12)
        1.0
    """
    owner = "gaussian_mean"
    _check.is_non_negative(owner, "variance", variance)
    _check.is_positive(owner, "tolerance", tolerance)
    check_elementwise(owner, f, "f")
    if variance == 0:
        return float(f(torch.zeros(1, dtype=torch.float64))[0])
    rule = Rule(owner, lambda z: f(z)[None], float(variance), tolerance=tolerance)
    return float(rule(variance)[0])


def gaussian_mean_pair(
    f: Activation,
    g: Activation,
    covariance: Float[Tensor, "*batch 2 2"],
    *,
    tolerance: float = 1e-10,
) -> Float[Tensor, "*batch"]:
    """Return E f(z₁) g(z₂) for (z₁, z₂) ~ N(0, covariance).

    Args:
        f: Elementwise on float64 tensors.
        g: The same.
        covariance: Positive semidefinite; correlations ±1 and zero variances too.
        tolerance: Largest error, as a multiple of E |f(z₁) g(z₂)|.

    Shape:
        covariance (..., 2, 2), result (...), float64.

    Raises:
        ValueError: "covariance has shape" not (..., 2, 2), "covariance is not"
            symmetric positive semidefinite, "covariance has" NaN or infinities;
            "tolerance must be" positive; "f is not elementwise", "g is not
            elementwise"; "f(z₁) g(z₂) has" NaN or infinite values.
        TypeError: "f(z) has dtype" float32 for a float64 z.
        DidNotConverge: doubling the panels ended before two results agreed.

    Notes:
        In polar coordinates, z₁ = s₁ r cos φ and z₂ = s₂ r cos(φ − θ) with cos θ the
        correlation: kinks at 0 are rays there, and panels end at them, so no
        correlation is hard. Kinks elsewhere are found first and panels end at them
        too. About 1 ms a covariance, 10 ms with kinks elsewhere or variances near 100.

    Example:
        >>> pair = torch.tensor([[1.0, 0.5], [0.5, 1.0]], dtype=torch.float64)
        >>> mean = gaussian_mean_pair(torch.sin, torch.sin, pair)
        >>> round(float(mean) / (math.exp(-1) * math.sinh(0.5)), 10)
        1.0
    """
    owner = "gaussian_mean_pair"
    _check.is_positive(owner, "tolerance", tolerance)
    check_elementwise(owner, f, "f")
    check_elementwise(owner, g, "g")
    wide = _checked(owner, covariance)
    flat = wide.reshape(-1, 2, 2)
    if not len(flat):
        return torch.zeros(wide.shape[:-2], dtype=torch.float64)
    largest = float(flat.diagonal(dim1=1, dim2=2).max())
    kinks = _kinks(owner, "f", f, largest), _kinks(owner, "g", g, largest)
    for reach in REACHES:
        means, counts = _agreed(owner, f, g, flat, reach, kinks, tolerance)
        if not counts:
            return means.reshape(wide.shape[:-2])
    raise ValueError(too_fast(owner, "f(z₁) g(z₂)", largest))


def _checked(owner: str, covariance: Tensor) -> Tensor:
    """Return the covariance as float64; ValueError unless positive semidefinite."""
    _check.is_floating(owner, "covariance", covariance)
    if covariance.ndim < 2 or covariance.shape[-2:] != (2, 2):
        raise ValueError(
            f"{owner}: covariance has shape {tuple(covariance.shape)}; expected "
            f"(..., 2, 2), because f and g take one number each."
        )
    _check.is_finite(owner, "covariance", covariance)
    wide = covariance.detach().to(torch.float64)
    a, b, c, d = wide.flatten(-2).unbind(-1)
    # Rounding of a covariance that was itself computed is no reason to refuse it.
    scale = 1e-8 * (a * d).abs()
    fine = ((b - c) ** 2 <= 1e-8 * scale) & (a >= 0) & (d >= 0)
    fine &= b**2 <= a * d + scale
    if not bool(fine.all()):
        first = wide[~fine][0].tolist()
        raise ValueError(
            f"{owner}: covariance is not symmetric positive semidefinite: {first}; "
            f"expected K₁₂ = K₂₁, K₁₁ ≥ 0, K₂₂ ≥ 0 and K₁₂² ≤ K₁₁ K₂₂."
        )
    return wide


def _kinks(owner: str, name: str, f: Activation, variance: float) -> tuple[float, ...]:
    """Return where f has kinks or jumps other than at 0, as far as they count."""
    if variance == 0:
        return ()
    # No kink should sit between two first panels, where it would not be seen.
    low = min(variance, 16.0) * 0.7390851**2
    rule = Rule(owner, lambda z: f(z)[None], low, variance, name=name)
    spans: list[tuple[float, float]] = []
    for left, right in sorted(rule.narrow):
        if spans and left <= spans[-1][1] + 1e-12 * abs(left):
            spans[-1] = spans[-1][0], right
        else:
            spans.append((left, right))
    return tuple(_sharpened(f, *span) for span in spans[:MOST_KINKS])


def _sharpened(f: Activation, left: float, right: float) -> float:
    """Return where in a span f kinks: halved to the side that is worse integrated."""
    for _ in range(52):
        edges = torch.linspace(left, right, 5, dtype=torch.float64)
        coarse = _integrals(f, edges[::2])
        fine = _integrals(f, edges)
        worse = (coarse - fine.view(2, 2).sum(1)).abs()
        if float(worse.max()) <= 4e-16 * float(fine.abs().sum()):
            break
        middle = float(edges[2])
        left, right = (left, middle) if worse[0] > worse[1] else (middle, right)
    return (left + right) / 2


def _integrals(f: Activation, edges: Tensor) -> Tensor:
    """Return ∫ f dz over each panel."""
    nodes, weights = on_panels(edges[:-1], edges[1:], lobatto(ORDER))
    return (flat_values(f, nodes) * weights).sum(1)


def _agreed(
    owner: str,
    f: Activation,
    g: Activation,
    flat: Tensor,
    reach: float,
    kinks: Kinks,
    tolerance: float,
) -> tuple[Tensor, bool]:
    """Return E f g (B,) by finer and finer grids, and whether the tails still count."""
    result = torch.zeros(len(flat), dtype=torch.float64)
    waiting = torch.arange(len(flat))
    counts = False
    before = torch.full_like(result, math.nan)
    for parts, order in FINENESS:
        grid = Polar(flat[waiting], reach, kinks, parts, order)
        means, sizes, tails = grid.means(owner, f, g)
        counts |= bool((tails > tolerance * sizes).any())
        result[waiting] = means
        # False for NaN, so the first grid never ends it.
        agree = (means - before).abs() <= tolerance * sizes
        if bool(agree.all()):
            return result, counts
        gap = float(((means - before).abs() / sizes)[~agree].max())
        waiting, before = waiting[~agree], means[~agree]
    raise DidNotConverge(
        owner,
        residual=gap,
        wanted=tolerance,
        iterations=len(FINENESS),
        hint="Does f or g oscillate? Allow a larger tolerance.",
    )
