"""Compact bumps made of two ramps, the edges of ReLU-KANs."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from kanlib import _check
from kanlib.bases._basis import prepared


@dataclass(frozen=True)
class ReLUBump:
    """φ_m(x) = [r ReLU(x − s_m) ReLU(e_m − x)]^p, with peak exactly 1.

    With h = (b − a)/G: s_m = a + (m − d) h, e_m = s_m + (d + 1) h, m = 0 … G + d − 1.
    The two ramps meet in the middle, where their product is ((d + 1) h/2)²; hence
    r = 4/((d + 1) h)². In w = 2(x − s_m)/(e_m − s_m) − 1 this is (1 − w²)₊^p.

    Supports, size and domain are those of `BSpline.uniform(G, d, domain)`, but the
    bumps do not sum to 1, do not reproduce polynomials, and have p − 1 continuous
    derivatives.

    Args:
        intervals: G ≥ 1.
        degree: d ≥ 0; each bump covers d + 1 intervals.
        domain: (a, b).
        power: p ≥ 1; the paper has 2.

    Raises:
        ValueError: "intervals must be", "degree must be", "power must be" integers;
            "domain must be" a < b.

    Notes:
        φ⁽ⁿ⁾ to any order: (1 − w²)^q P(w) is differentiated as a product, and P is a
        polynomial with whole coefficients. Where a derivative jumps (n ≥ p, at s_m and
        e_m) it is 0.

    Example:
        >>> basis = ReLUBump.uniform(1, degree=1, domain=(0.0, 1.0))
        >>> basis(torch.tensor([0.0, 0.5, 1.0]))
        tensor([[1.0000, 0.0000],
                [0.5625, 0.5625],
                [0.0000, 1.0000]])

    Reference:
        [qiu2024relukan], arXiv 2406.02075.
    """

    intervals: int
    degree: int = 3
    domain: tuple[float, float] = (-1.0, 1.0)
    power: int = 2

    def __post_init__(self) -> None:
        _check.is_integer("ReLUBump", "intervals", self.intervals, 1)
        _check.is_integer("ReLUBump", "degree", self.degree, 0)
        _check.is_interval("ReLUBump", "domain", self.domain)
        _check.is_integer("ReLUBump", "power", self.power, 1)
        object.__setattr__(self, "domain", tuple(float(end) for end in self.domain))

    @classmethod
    def uniform(
        cls, intervals: int, degree: int = 3, domain: tuple[float, float] = (-1.0, 1.0)
    ) -> "ReLUBump":
        """Return `ReLUBump(intervals, degree, domain)`, with the paper's power 2."""
        return cls(intervals, degree, domain)

    @property
    def size(self) -> int:
        """K = G + d."""
        return self.intervals + self.degree

    @property
    def smoothness(self) -> float:
        """Return p − 1."""
        return self.power - 1

    @property
    def breakpoints(self) -> tuple[float, ...]:
        """Where bumps begin and end: a + j h for j = −d … G + d."""
        low, high = self.domain
        step = (high - low) / self.intervals
        steps = range(-self.degree, self.intervals + self.degree + 1)
        return tuple(low + j * step for j in steps)

    def __call__(
        self, x: Float[Tensor, "*batch"], derivative: int = 0
    ) -> Float[Tensor, "*batch K"]:
        """Return φ_m⁽ⁿ⁾(x) for all m; 0 outside the bumps.

        Raises:
            TypeError: "x has dtype" not floating.
            ValueError: "derivative must be" non-negative.
        """
        low, high = self.domain
        wide = prepared("ReLUBump", x, derivative)
        half = (self.degree + 1) * (high - low) / (2 * self.intervals)
        first = low + (high - low) * (1 - self.degree) / (2 * self.intervals)
        bumps = torch.arange(self.size, device=x.device).to(wide.dtype)
        middle = first + bumps * ((high - low) / self.intervals)
        w = ((wide - middle) / half).clamp(-1, 1)
        value = _bump_derivative(w, self.power, derivative) / half**derivative
        return value.to(x.dtype)


def _bump_derivative(w: Tensor, power: int, n: int) -> Tensor:
    """Return the n-th derivative of (1 − w²)^p for |w| < 1, and 0 at ±1."""
    # P's coefficients, constant first: a plain list, which torch.compile can trace.
    shape, left = [1.0], power
    for _ in range(n):
        slope = [k * c for k, c in enumerate(shape)][1:]
        if not left:
            shape = slope or [0.0]
            continue
        # ((1 − w²)^q P)' = (1 − w²)^{q−1} ((1 − w²) P' − 2 q w P)
        grown = [0.0] * (len(shape) + 1)
        for k, c in enumerate(slope):
            grown[k] += c
            grown[k + 2] -= c
        for k, c in enumerate(shape):
            grown[k + 1] -= 2 * left * c
        shape, left = grown, left - 1
    value = 0 * w
    for coefficient in reversed(shape):
        value = value * w + coefficient
    if left:
        return torch.relu((1 - w) * (1 + w)) ** left * value
    return value * (w.abs() < 1)
