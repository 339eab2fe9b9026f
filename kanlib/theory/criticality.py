"""Which initialization keeps norms and angles alive at depth, and how deep to go."""

import math
from dataclasses import replace
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from kanlib import _check
from kanlib.theory._activation import (
    Activation,
    check_elementwise,
    derivative,
    slopes_if_scale_invariant,
)
from kanlib.theory._rule import Rule
from kanlib.theory._zero_point import (
    NOISE,
    ZERO,
    at_zero,
    slope_moments,
    zero_point,
)
from kanlib.theory.critical_point import (
    Criticality,
    Exponents,
    NoCriticalPoint,
    Universality,
)

PER_DECADE = 20


def criticality(
    activation: Activation,
    *,
    outputs: int = 1,
    search: tuple[float, float] = (1e-6, 1e3),
) -> Criticality:
    """Return (C_b, C_W) and K* with K* = C_b + C_W ⟨σ²⟩, C_W ⟨σ²⟩' = C_W ⟨σ'²⟩ = 1.

    Then neither the size of a signal nor the angle between two grows or dies
    exponentially with depth. What is left is a power law, in one of these classes, with
    a± the slopes of σ at ±0, A₂ = (a₊² + a₋²)/2 and A₄ = (a₊⁴ + a₋⁴)/2:

    - "scale invariant", σ(z) = a± z: C_W = 1/A₂, every K stays, ν = 3A₄/A₂² − 1. Both
      exponents are 0, for nearby inputs; at a finite angle θ a kink makes θ ~ 1/ℓ.
    - "zero fixed point", σ(0) = 0: C_W = 1/A₂, C_b = 0. If the first term of
      C_W ⟨σ²⟩/K = 1 + α K^q + … has α < 0, and C_W ⟨σ'²⟩ = 1 + β K^q + …, then
      K ~ ℓ^(−1/q), χ∥ ≈ 1 − (1 + 1/q)/ℓ, χ⊥ ≈ 1 − (β/αq)/ℓ and
      ν = (3A₄/A₂² − 1)/3. Smooth σ: q = 1, ν = 2/3. A kink of σ or of σ' at 0 makes
      q = 1/2, unless a σ'' balances. Exactly linear pieces around 0: q = ∞, both
      exponents 0, K falls like 1/log ℓ. No Taylor series (z + z |z|^½): q is measured
      at the least K of the search, to a few percent.
    - "unstable zero fixed point": the same with α > 0. Small K grows, so this point is
      never the answer, but it is in `others`.
    - "half-stable", K* > 0: the map touches the diagonal, K' − K ≈ C_W ⟨σ²⟩'' x²/2 for
      x = K − K*, so it attracts from one side, with x ~ 1/ℓ, norm 0 and
      angle = 2χ⊥'/χ∥'. ν = C_W² (⟨σ⁴⟩ − ⟨σ²⟩²)/K*² for networks that start at K*; one
      that arrives from its side has ν/5 in the end, beyond ℓ ~ 1/(χ∥' |x|).
    - "neutral", K* > 0 with ⟨σ²⟩'' = 0: the map is K' = K to second order.
    - "critical line", σσ'' = 0 everywhere, as for z -> max(z − 1, 0) and softshrink:
      every K with C_b ≥ 0 is half-stable with its own C_b and C_W. The one nearest to
      K* = 1 is returned.

    Args:
        activation: σ, elementwise.
        outputs: n_L ≥ 1, for `aspect_ratio` and `depth`.
        search: Where a K* > 0 is looked for.

    Returns:
        The critical point of least K* that is not an unstable zero.

    Raises:
        NoCriticalPoint: There is none with K* in the range and C_b ≥ 0.
        ValueError: "activation is not elementwise", "activation(z) has" NaN or
            infinite values or "grows too fast" in the range, "activation jumps", or
            its gradient is not its slope; "search must be" 0 < a < b; "outputs must
            be" at least 1.
        TypeError: "activation(z) has dtype" float32 for a float64 z.
        DidNotConverge: The integrals do not settle.

    Notes:
        Two lines of algebra, χ∥ = C_W ⟨zσσ'⟩/K and heat equations, keep second
        derivatives out at K* > 0, so kinks anywhere are fine. About 0.1 s. C_b, C_W are
        right to about 1e-10, K* to about 1e-8 where χ∥ − χ⊥ is as flat as for SWISH.

    Example:
        >>> point = criticality(torch.nn.functional.gelu)
        >>> point
        Criticality(half-stable from above: C_b=0.172922, C_W=1.98306, K*=3.56155, \
growth=4.904, aspect_ratio=0.03546 for 1 output(s), 1 other(s))
        >>> round(point.depth(width=512))
        18

    Reference:
        [roberts2022principles], arXiv:2106.10165 (from memory; the classes are derived
        in the chapter). q ≠ 1 and one-sided slopes are ours.
    """
    owner = "criticality"
    _check.is_integer(owner, "outputs", outputs, 1)
    _check.is_interval(owner, "search", search)
    _check.is_positive(owner, "search", search[0])
    check_elementwise(owner, activation)
    low, high = map(float, search)
    slopes = slopes_if_scale_invariant(activation, 12 * math.sqrt(high))
    if slopes is not None and any(slopes):
        mean, spread = slope_moments(*slopes)
        flat = Exponents(0.0, 0.0)
        kind: Universality = "scale invariant"
        return Criticality(0.0, 1 / mean, 1.0, kind, flat, 3 * spread - 1, outputs)
    rule = Rule(owner, _integrands(activation), low, high, name="activation")
    grid = _grid(low, high)
    _check_slope(owner, rule, grid)
    excess = _excess(rule, grid)
    found: list[Criticality] = []
    refused: list[float] = []
    zero = zero_point(activation, rule, grid, outputs)
    if zero is not None:
        found.append(zero)
    for root in _roots(rule, grid, excess):
        point = _point_at(rule, root, outputs)
        if point is None:
            refused.append(root)
        else:
            found.append(point)
    if not found and not bool(excess.any()):
        found = _line(rule, grid, outputs)
    stable = [p for p in found if p.universality != "unstable zero fixed point"]
    if not stable:
        message = _why_none(activation, rule, grid, refused, found)
        raise NoCriticalPoint(message, tuple(found))
    others = tuple(point for point in found if point is not stable[0])
    return replace(stable[0], others=others)


def _grid(low: float, high: float) -> Float[Tensor, " variances"]:
    """Return variances from `low` to `high`, evenly in their logarithm."""
    count = math.ceil(PER_DECADE * math.log10(high / low)) + 2
    shares = torch.linspace(0, 1, count, dtype=torch.float64)
    return (low * (high / low) ** shares).clamp(low, high)


def _integrands(activation: Activation) -> Activation:
    """Return z -> σ², σ⁴, zσσ', σ'², z³σσ', z²σ'², zσ, σ', stacked."""
    slope = derivative(activation)

    def functions(z: Tensor) -> Tensor:
        first, second = activation(z.clone()), slope(z)
        along, across = z * first * second, second**2
        return torch.stack([
            first**2, first**4, along, across, z**2 * along, z**2 * across,
            z * first, second,
        ])  # fmt: skip

    return functions


def _check_slope(owner: str, rule: Rule, grid: Tensor) -> None:
    """Raise ValueError unless ⟨zσ⟩ = K ⟨σ'⟩: no jumps, and autograd tells the truth."""
    square, *_, left, slope = rule(grid)
    right = grid * slope
    gap = (left - right).abs() / torch.sqrt(grid * square).clamp(min=1e-150)
    worst = int(gap.argmax())
    if gap[worst] > 1e-6:
        raise ValueError(
            f"{owner}: activation jumps, or its gradient is not its slope: ⟨zσ⟩ = "
            f"{float(left[worst]):.4g} but K⟨σ'⟩ = {float(right[worst]):.4g} at K = "
            f"{float(grid[worst]):.3g}; expected them equal. At a jump χ⊥ is infinite, "
            f"so nothing is critical."
        )


def _excess(rule: Rule, variances: Tensor) -> Float[Tensor, " variances"]:
    """Return χ∥/χ⊥ − 1 for each K; 0 where it is rounding, or χ⊥ is 0."""
    square, _, along, across, *_ = rule(variances)
    known = across > 1e-200
    across = across.clamp(min=1e-200)
    excess = along / (variances * across) - 1
    noise = NOISE + 1e-12 * torch.sqrt(square / (variances * across))
    return torch.where(known & (excess.abs() > noise), excess, 0.0)


def _roots(rule: Rule, grid: Tensor, excess: Tensor) -> list[float]:
    """Return each K where χ∥/χ⊥ − 1 changes its sign, to the last digit."""
    certain = torch.nonzero(excess)[:, 0].tolist()
    roots = []
    for i, j in pairwise(certain):
        if excess[i] * excess[j] > 0:
            continue
        left, right = float(grid[i]), float(grid[j])
        rising = bool(excess[j] > 0)
        for _ in range(60):
            middle = math.sqrt(left * right)
            _, _, along, across, *_ = rule(middle).tolist()
            if (along / middle > across) == rising:
                right = middle
            else:
                left = middle
        roots.append((left + right) / 2)
    return roots


def _point_at(rule: Rule, K: float, outputs: int) -> Criticality | None:
    """Return the critical point with χ∥ = χ⊥ at K* = K; None if C_b would be < 0."""
    square, fourth, along, across, along2, across2, *_ = rule(K).tolist()
    C_W = 1 / across
    C_b = K - C_W * square
    if C_b < -1e-9 * K:
        return None
    bend = C_W * (along2 - 3 * K * along) / (2 * K**3)
    turn = C_W * (across2 - K * across) / (2 * K**2)
    growth = C_W**2 * (fourth - square**2) / K**2
    neutral = abs(bend) * K <= 1e-9
    return Criticality(
        max(C_b, 0.0),
        C_W,
        K,
        "neutral" if neutral else "half-stable",
        Exponents(0.0, 0.0 if neutral else 2 * turn / bend),
        growth,
        outputs,
        None if neutral else "above" if bend < 0 else "below",
    )


def _line(rule: Rule, grid: Tensor, outputs: int) -> list[Criticality]:
    """Return the point nearest to K* = 1 if χ∥ = χ⊥ at every K."""
    square, _, _, across, *_ = rule(grid)
    fine = grid[(across > ZERO) & (square <= grid * across)]
    if not len(fine):
        return []
    nearest = float(fine[fine.log().abs().argmin()])
    if float(fine[0]) < 1 < float(fine[-1]):
        nearest = 1.0
    point = _point_at(rule, nearest, outputs)
    return [] if point is None else [replace(point, universality="critical line")]


def _why_none(
    activation: Activation,
    rule: Rule,
    grid: Tensor,
    refused: list[float],
    unstable: list[Criticality],
) -> str:
    """Say what was looked at, and what speaks against each candidate."""
    low, high = float(grid[0]), float(grid[-1])
    excess = _excess(rule, grid)
    text = f"criticality: no critical point with K* in [{low:g}, {high:g}]: "
    if refused:
        listed = ", ".join(f"{root:.6g}" for root in refused)
        text += f"χ∥ = χ⊥ at K = {listed}, but it takes a negative C_b there; "
    elif float(rule(grid)[3].max()) < ZERO:
        text += "the slope of the activation is 0 there; "
    elif not bool(excess.any()):
        text += "χ∥ = χ⊥ all over it, but always with a negative C_b; "
    else:
        sign = "<" if float(excess.sum()) < 0 else ">"
        least, most = float(excess.min()) + 1, float(excess.max()) + 1
        text += f"χ∥ {sign} χ⊥ all over it (their ratio is {least:.4g} to {most:.4g}); "
    value = at_zero(activation)
    if unstable:
        text += (
            f"K* = 0 with C_W = {unstable[0].weight_variance:.6g} repels (see .others)"
        )
    elif abs(value) > ZERO:
        text += f"and K* = 0 takes an activation with σ(0) = 0, not {value:.4g}"
    else:
        text += "and K* = 0 takes slopes at 0 that are finite and not both 0"
    return text + ". Search a wider range, or subtract a constant from the activation."
