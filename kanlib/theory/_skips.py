"""What skip connections add to the vertices of a finite network."""

import math

import torch

from kanlib.theory._activation import Activation
from kanlib.theory._rule import first_panels, legendre, on_panels

# Hermite polynomials that are followed along skip connections.
HERMITE = 64


class SkipVertices:
    """The vertices that only skip connections make: u_p = n E h₂(z_i) h_p(z_j), p ≠ 2.

    With h_p the Hermite polynomials of z/√K, normalized. One neuron is a part of the
    mean in which the next layer's variance consists; its own past, through γ, then
    correlates with that variance in every power p. Mehler's formula turns h_p of the
    next layer into ρ^p h_p, ρ = γ √(K/K'), so nothing but row 2 ever fills.
    """

    def __init__(self, owner: str, activation: Activation) -> None:
        self.owner, self.activation = owner, activation
        end = 2 * math.sqrt(HERMITE) + 6  # past the last zero of h_p, and e^-18
        edges = first_panels(0.16, 8 * end) / 8
        nodes, weights = on_panels(edges[:-1], edges[1:], legendre(16))
        x = torch.cat([-nodes.flatten(), nodes.flatten()])
        density = torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
        rows = [torch.ones_like(x), x]
        for p in range(2, HERMITE + 1):
            rows.append((x * rows[-1] - math.sqrt(p - 1) * rows[-2]) / math.sqrt(p))
        self.nodes = x
        self.weights = torch.stack(rows) * (weights.flatten().repeat(2) * density)
        self.powers = torch.arange(HERMITE + 1, dtype=torch.float64)
        self.vertices = torch.zeros_like(self.powers)

    def step(
        self, K: float, following: float, chi: float, C: float, residual: float
    ) -> tuple[float, float]:
        """Move one layer; return what is added to V and to G⁽¹⁾ of the next layer."""
        f = self.activation(math.sqrt(K) * self.nodes).detach() ** 2
        if not bool(torch.isfinite(f).all()):
            raise ValueError(
                f"{self.owner}: activation(z)² has NaN or infinite values for |z| up "
                f"to {float(self.nodes.max()) * math.sqrt(K):.4g}; expected finite "
                f"ones. "
                f"With residual connections all moments of N(0, {K:g}) count."
            )
        f = self.weights @ f
        p, u = self.powers, self.vertices
        to_vertex = 2 * math.sqrt(2) * C * chi * K * float(f @ u)
        to_correction = C * float((f * torch.sqrt(p * (p - 1) / 2))[2:] @ u[:-2])
        source = chi * K * u + C * f / math.sqrt(2)
        self.vertices = (residual * math.sqrt(K / following)) ** p * source / following
        self.vertices[0] = self.vertices[2] = 0.0
        return to_vertex, to_correction

    def odd(self, K: float) -> float:
        """Return U of the layer with covariance K."""
        return math.sqrt(2 * K**3) * float(self.vertices[1])
