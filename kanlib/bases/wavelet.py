"""Mexican-hat wavelets, the edges of wavelet KANs."""

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from kanlib import _check
from kanlib.bases._basis import prepared, spread
from kanlib.bases.gaussian import gaussian_derivative


@dataclass(frozen=True)
class Wavelet:
    """φ_k(x) = ψ((x − τ_k)/s), ψ(u) = (1 − u²) e^{−u²/2}, with peak 1.

    ψ is minus the second derivative of a Gaussian, the Mexican hat. Its integral and
    first moment are 0, so each function answers to curvature at the scale s; constants
    and lines are met only approximately.

    Args:
        centers: τ_1 < τ_2 < …, at least two; the domain is [τ_1, τ_K].
        scale: s > 0.

    Raises:
        TypeError: "centers is" or "scale is" not numbers.
        ValueError: "centers must be" finite, increasing, two or more; "scale must be"
            above 0.

    Notes:
        φ_k⁽ⁿ⁾ = −(√2 s)⁻ⁿ g_{n+2}(u/√2)/2 to any order, g_n the n-th derivative of
        e^{−v²}.

    Example:
        >>> import torch
        >>> basis = Wavelet.uniform(3, domain=(0.0, 1.0))
        >>> basis
        Wavelet(centers=(0.0, 0.5, 1.0), scale=0.75)
        >>> basis(torch.tensor(0.5))
        tensor([0.4449, 1.0000, 0.4449])

    Reference:
        [bozorgasl2024wavkan], arXiv 2405.12832; there scale and center are learned.
    """

    centers: tuple[float, ...]
    scale: float

    def __post_init__(self) -> None:
        _check.is_increasing("Wavelet", "centers", self.centers, at_least=2)
        _check.is_positive("Wavelet", "scale", self.scale)
        object.__setattr__(self, "centers", tuple(float(c) for c in self.centers))
        object.__setattr__(self, "scale", float(self.scale))

    @classmethod
    def uniform(cls, size: int, domain: tuple[float, float] = (-1.0, 1.0)) -> "Wavelet":
        """K = `size` equally spaced centers from a to b, s = 1.5 of their spacings.

        Narrower hats leave constants and lines farther off; wider ones are nearly
        dependent (at K = 8 the condition number is 160, at s = 2 spacings 4700).

        Raises:
            ValueError: "size must be" at least 2; "domain must be".
        """
        centers, spacing = spread("Wavelet.uniform", size, domain)
        return cls(centers, 1.5 * spacing)

    @property
    def size(self) -> int:
        """The number K of centers."""
        return len(self.centers)

    @property
    def domain(self) -> tuple[float, float]:
        """[τ_1, τ_K]."""
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
        wide = prepared("Wavelet", x, derivative)
        root = math.sqrt(2) * self.scale
        v = (wide - wide.new_tensor(self.centers)) / root
        value = gaussian_derivative(v, derivative + 2) / (-2 * root**derivative)
        return value.to(x.dtype)

    def __str__(self) -> str:
        """Return one short line, whatever the number of centers."""
        low, high = self.domain
        return f"Wavelet of {self.size} functions, domain [{low:g}, {high:g}]"
