"""Chebyshev polynomials, the edges of polynomial KANs."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from kanlib import _check
from kanlib.bases._basis import prepared


@dataclass(frozen=True)
class Chebyshev:
    """φ_k(x) = T_{k−1}(u), u = (2x − a − b)/(b − a), T_m(cos θ) = cos mθ.

    All polynomials of degree below K. On [a, b] no value exceeds 1; outside, T_m grows
    like (2|u|)^m/2 without bound, so keep inputs in the domain: normalize them first,
    or compose with tanh, as Chebyshev KANs do.

    Args:
        size: K ≥ 1.
        domain: (a, b).

    Raises:
        ValueError: "size must be"; "domain must be".

    Notes:
        By T_{m+1} = 2u T_m − T_{m−1} and its n-th derivative, T_{m+1}⁽ⁿ⁾ = 2u T_m⁽ⁿ⁾
        + 2n T_m⁽ⁿ⁻¹⁾ − T_{m−1}⁽ⁿ⁾, to any order: O(points · K · n). Far outside, where
        a value overflows to ±∞, those of higher degree are ±∞ or NaN.

    Example:
        >>> Chebyshev.uniform(4)(torch.tensor([0.5, 1.0]))
        tensor([[ 1.0000,  0.5000, -0.5000, -1.0000],
                [ 1.0000,  1.0000,  1.0000,  1.0000]])

    Reference:
        [ss2024chebyshev], arXiv 2405.07200: there on tanh x.
    """

    size: int
    domain: tuple[float, float] = (-1.0, 1.0)

    def __post_init__(self) -> None:
        _check.is_integer("Chebyshev", "size", self.size, 1)
        _check.is_interval("Chebyshev", "domain", self.domain)
        object.__setattr__(self, "domain", tuple(float(end) for end in self.domain))

    @classmethod
    def uniform(
        cls, size: int, domain: tuple[float, float] = (-1.0, 1.0)
    ) -> "Chebyshev":
        """Return `Chebyshev(size, domain)`, under the name that every family has."""
        return cls(size, domain)

    @property
    def smoothness(self) -> float:
        """Infinite."""
        return math.inf

    def __call__(
        self, x: Float[Tensor, "*batch"], derivative: int = 0
    ) -> Float[Tensor, "*batch K"]:
        """Return φ_k⁽ⁿ⁾(x) for all k.

        Raises:
            TypeError: "x has dtype" not floating.
            ValueError: "derivative must be" non-negative.
        """
        low, high = self.domain
        wide = prepared("Chebyshev", x, derivative).squeeze(-1)
        u = (2 * wide - (low + high)) / (high - low)
        lower = [torch.zeros_like(u)] * self.size  # T_m⁽ⁿ⁻¹⁾ for all m
        for n in range(derivative + 1):
            # T_0 = u⁰ is written with u, so that NaN stays NaN.
            columns = [torch.where(u.isnan(), u, float(n == 0))]
            for m in range(self.size - 1):
                grow = (2 if m else 1) * (u * columns[m] + n * lower[m])
                columns.append(grow - columns[m - 1] if m else grow)
            lower = columns
        value = torch.stack(lower, -1) * (2 / (high - low)) ** derivative
        return value.to(x.dtype)
