"""Sines and cosines, the edges of Fourier KANs."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from kanlib import _check
from kanlib.bases._basis import prepared


@dataclass(frozen=True)
class Fourier:
    """φ = 1, sin θ, cos θ, sin 2θ, cos 2θ, …, θ = 2π (x − (a + b)/2)/(s (b − a)).

    The period is s times the domain. With s = 1 every sum has equal values at a and b;
    an edge function rarely does, so the default is s = 2: half of the period is left
    free, and any smooth function on [a, b] is approximated without a jump. Outside the
    domain everything repeats.

    Args:
        size: K ≥ 1; odd for whole pairs, an even size lacks the last cosine.
        domain: (a, b).
        stretch: s ≥ 1, the period in units of b − a.

    Raises:
        ValueError: "size must be"; "domain must be"; "stretch must be" at least 1.

    Notes:
        The n-th derivative turns each pair by n quarters and scales it, to any order.
        For s > 1 many functions are nearly dependent on [a, b]: a fit may have a rank
        below K, and `fit_coefficients` takes the coefficients of least norm.

    Example:
        >>> basis = Fourier.uniform(3, domain=(0.0, 1.0))
        >>> basis(torch.tensor([0.5, 1.0])).round(decimals=4).abs()
        tensor([[1., 0., 1.],
                [1., 1., 0.]])

    Reference:
        [xu2024fourierkan], arXiv 2406.01034; the free half period: [huybrechs2010].
    """

    size: int
    domain: tuple[float, float] = (-1.0, 1.0)
    stretch: float = 2.0

    def __post_init__(self) -> None:
        _check.is_integer("Fourier", "size", self.size, 1)
        _check.is_interval("Fourier", "domain", self.domain)
        _check.is_number("Fourier", "stretch", self.stretch)
        if not (math.isfinite(self.stretch) and self.stretch >= 1):
            raise ValueError(
                f"Fourier: stretch must be finite and at least 1, got {self.stretch}."
            )
        object.__setattr__(self, "domain", tuple(float(end) for end in self.domain))
        object.__setattr__(self, "stretch", float(self.stretch))

    @classmethod
    def uniform(cls, size: int, domain: tuple[float, float] = (-1.0, 1.0)) -> "Fourier":
        """Return `Fourier(size, domain)`, with a period of twice the domain."""
        return cls(size, domain)

    @property
    def smoothness(self) -> float:
        """Infinite."""
        return math.inf

    def __call__(
        self, x: Float[Tensor, "*batch"], derivative: int = 0
    ) -> Float[Tensor, "*batch K"]:
        """Return φ_k⁽ⁿ⁾(x) for all k; NaN for infinite x.

        Raises:
            TypeError: "x has dtype" not floating.
            ValueError: "derivative must be" non-negative.
        """
        low, high = self.domain
        wide = prepared("Fourier", x, derivative)
        waves = torch.arange(self.size // 2 + 1, device=x.device)
        frequency = waves.to(wide.dtype) * (2 * math.pi / (self.stretch * (high - low)))
        angle = (wide - (low + high) / 2) * frequency
        sine, cosine = torch.sin(angle), torch.cos(angle)
        for _ in range(derivative):
            sine, cosine = frequency * cosine, -frequency * sine
        # sin 0θ, cos 0θ, sin θ, cos θ, …; the first of them is not in the family.
        pairs = torch.stack([sine, cosine], -1).flatten(-2)
        return pairs[..., 1 : self.size + 1].to(x.dtype)
