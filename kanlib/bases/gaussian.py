"""Gaussian bumps on a grid, the edges of radial-basis KANs."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from kanlib import _check
from kanlib.bases._basis import prepared, spread


@dataclass(frozen=True)
class GaussianRBF:
    """φ_k(x) = e^{−u²}, u = (x − c_k)/h, with centers c_k and width h.

    Analytic, positive, and close to a cubic B-spline when h is about the spacing of the
    centers. The sum is nearly constant inside the domain and falls at its ends;
    outside, all functions go to 0.

    Args:
        centers: c_1 < c_2 < …, at least two; the domain is [c_1, c_K].
        width: h > 0.

    Raises:
        TypeError: "centers is" or "width is" not numbers.
        ValueError: "centers must be" finite, increasing, two or more; "width must be"
            above 0.

    Notes:
        φ_k⁽ⁿ⁾ = (−1/h)ⁿ H_n(u) e^{−u²} to any order, H_n the Hermite polynomials. With
        h much above the spacing, a least-squares fit is ill-conditioned.

    Example:
        >>> basis = GaussianRBF.uniform(3, domain=(0.0, 1.0))
        >>> basis
        GaussianRBF(centers=(0.0, 0.5, 1.0), width=0.5)
        >>> basis(torch.tensor(0.5))
        tensor([0.3679, 1.0000, 0.3679])

    Reference:
        [li2024kolmogorov], arXiv 2405.06721: grid [−2, 2], h equal to the spacing.
    """

    centers: tuple[float, ...]
    width: float

    def __post_init__(self) -> None:
        _check.is_increasing("GaussianRBF", "centers", self.centers, at_least=2)
        _check.is_positive("GaussianRBF", "width", self.width)
        object.__setattr__(self, "centers", tuple(float(c) for c in self.centers))
        object.__setattr__(self, "width", float(self.width))

    @classmethod
    def uniform(
        cls, size: int, domain: tuple[float, float] = (-1.0, 1.0)
    ) -> "GaussianRBF":
        """K = `size` equally spaced centers from a to b, as wide as their spacing.

        Raises:
            ValueError: "size must be" at least 2; "domain must be".
        """
        centers, spacing = spread("GaussianRBF.uniform", size, domain)
        return cls(centers, spacing)

    @property
    def size(self) -> int:
        """The number K of centers."""
        return len(self.centers)

    @property
    def domain(self) -> tuple[float, float]:
        """[c_1, c_K]."""
        return self.centers[0], self.centers[-1]

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
        wide = prepared("GaussianRBF", x, derivative)
        u = (wide - wide.new_tensor(self.centers)) / self.width
        value = gaussian_derivative(u, derivative) / self.width**derivative
        return value.to(x.dtype)

    def __str__(self) -> str:
        """Return one short line, whatever the number of centers."""
        low, high = self.domain
        return f"GaussianRBF of {self.size} functions, domain [{low:g}, {high:g}]"


def gaussian_derivative(u: Tensor, n: int) -> Tensor:
    """Return the n-th derivative of g = e^{−u²}: g_{n+1} = −2 (u g_n + n g_{n−1})."""
    # Beyond 30, e^{−u²} is 0 in every dtype; so infinite u gives 0 and not ∞ · 0.
    u = u.clamp(-30, 30)
    before, value = torch.zeros_like(u), torch.exp(-u.square())
    for order in range(n):
        before, value = value, -2 * (u * value + order * before)
    return value
