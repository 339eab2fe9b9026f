"""What is known of a critical initialization: where it is, and how networks drift."""

from dataclasses import dataclass
from typing import Literal

from kanlib import _check

Universality = Literal[
    "scale invariant",
    "zero fixed point",
    "unstable zero fixed point",
    "half-stable",
    "neutral",
    "critical line",
]


class NoCriticalPoint(ValueError):
    """No initialization is critical; `others` has critical points that repel."""

    def __init__(self, message: str, others: "tuple[Criticality, ...]" = ()) -> None:
        super().__init__(message)
        self.others = others


@dataclass(frozen=True)
class Exponents:
    """K ~ ℓ^−norm, and χ⊥ ≈ 1 − angle/ℓ: the distance² of two inputs ~ ℓ^−angle."""

    norm: float
    angle: float

    def __repr__(self) -> str:
        return f"Exponents(norm={self.norm:.6g}, angle={self.angle:.6g})"


@dataclass(frozen=True)
class Criticality:
    """A point (C_b, C_W) where χ∥(K*) = χ⊥(K*) = 1 at a fixed point K*.

    Args:
        bias_variance: C_b.
        weight_variance: C_W; weights are drawn with the variance C_W/n.
        fixed_point: K*. In the scale-invariant class every K is one; it says 1 there.
        universality: See `criticality`.
        exponents: See `criticality`.
        growth: ν, with V/(n K²) = ν L/n at depth L and width n.
        outputs: n_L, of which the best aspect ratio depends.
        side: From which side a half-stable K* attracts, "above" or "below", else None.
        others: Further critical points of the same activation.
    """

    bias_variance: float
    weight_variance: float
    fixed_point: float
    universality: Universality
    exponents: Exponents
    growth: float
    outputs: int = 1
    side: Literal["above", "below"] | None = None
    others: "tuple[Criticality, ...]" = ()

    @property
    def aspect_ratio(self) -> float:
        """r* = 4/((20 + 3 n_L) ν), the depth per width that is best."""
        return 4 / ((20 + 3 * self.outputs) * self.growth)

    def depth(self, width: float) -> float:
        """Return r*·width, the depth at which finite width helps most."""
        _check.is_positive("Criticality", "width", width)
        return self.aspect_ratio * width

    def __repr__(self) -> str:
        side = f" from {self.side}" if self.side else ""
        moves = f"{self.exponents}, " if self.exponents.norm else ""
        also = f", {len(self.others)} other(s)" if self.others else ""
        return (
            f"Criticality({self.universality}{side}: C_b={self.bias_variance:.6g}, "
            f"C_W={self.weight_variance:.6g}, K*={self.fixed_point:.6g}, {moves}"
            f"growth={self.growth:.4g}, aspect_ratio={self.aspect_ratio:.4g} for "
            f"{self.outputs} output(s){also})"
        )
