"""Grids in the plane for means over two correlated Gaussian numbers."""

import math

import torch
from torch import Tensor

from kanlib.theory._activation import Activation
from kanlib.theory._rule import first_panels, legendre, on_panels

Kinks = tuple[tuple[float, ...], tuple[float, ...]]
# Nodes that are evaluated at once.
CHUNK = 2_000_000


class Polar:
    """A grid in the plane for each of B covariances.

    Args:
        flat: (B, 2, 2).
        reach: Where the grid ends.
        kinks: Those of f and of g.
        parts: Into how many panels each panel is cut.
        order: Nodes of a panel in each direction.
    """

    def __init__(
        self, flat: Tensor, reach: float, kinks: Kinks, parts: int, order: int
    ) -> None:
        a, b, d = flat[:, 0, 0], flat[:, 0, 1], flat[:, 1, 1]
        theta = torch.atan2(torch.sqrt((a * d - b**2).clamp(min=0)), b)
        self.theta = torch.where(a * d == 0, math.pi / 2, theta)
        self.scales = torch.sqrt(a), torch.sqrt(d)
        self.reach, self.kinks, self.parts, self.order = reach, kinks, parts, order
        largest = max(1.0, float(torch.maximum(*self.scales).max()))
        self.radii = first_panels(1.0, reach * largest) / largest
        # Finer towards the rays, where f or g passes 0 within an angle of 1/s.
        levels = 2 + math.ceil(math.log2(largest))
        ends = 0.5 ** torch.arange(levels, 0, -1, dtype=torch.float64)
        graded = torch.cat([ends.new_zeros(1), ends, 1 - ends[:-1].flip(0)])
        edges = _cut(_cut(self._rays(), graded), _even(parts))
        nodes, weights = on_panels(edges[:, :-1], edges[:, 1:], legendre(order))
        self.angles, self.weights = nodes.flatten(1), weights.flatten(1)

    def _rays(self) -> Tensor:
        """Return the angles (B, E), increasing, at which the integrand may kink."""
        first, turn = math.pi / 2, 2 * math.pi
        rays = [torch.full_like(self.theta, first + k * math.pi) for k in range(3)]
        rays += [self.theta + first, self.theta + first + math.pi]
        for c in self.kinks[0]:
            for e in self.kinks[1]:
                # Where a kink of f crosses one of g.
                rise = e * self.scales[0] - c * self.scales[1] * torch.cos(self.theta)
                crossing = torch.atan2(rise, c * self.scales[1] * torch.sin(self.theta))
                for ray in (crossing, crossing + math.pi):
                    rays.append((ray - first) % turn + first)
        return torch.stack(rays, 1).sort(1).values

    def _radial(self, chunk: slice) -> tuple[Tensor, Tensor]:
        """Return nodes and weights (B, angles, R), or (1, 1, R), of r dr e^(-r²/2)/2π.

        Panels end where f or g has a kink on the way out.
        """
        edges = self.radii[None, None]
        if any(self.kinks):
            phi, theta = self.angles[chunk], self.theta[chunk, None]
            met = []
            for s, turned, kinks in zip(
                self.scales, (phi, phi - theta), self.kinks, strict=True
            ):
                outward = s[chunk, None] * torch.cos(turned)
                met += [kink / outward for kink in kinks]
            at = torch.stack(met, -1)
            at = torch.where((at > 0) & (at < self.reach), at, self.reach)
            edges = torch.cat([edges.expand(*phi.shape, -1), at], -1).sort(-1).values
        edges = _cut(edges, _even(self.parts))
        r, weights = on_panels(edges[..., :-1], edges[..., 1:], legendre(self.order))
        weights = weights * r * torch.exp(-(r**2) / 2) / (2 * math.pi)
        return r.flatten(-2), weights.flatten(-2)

    def means(self, owner: str, f: Activation, g: Activation) -> tuple[Tensor, ...]:
        """Return E f g, E |f g| and the largest density times |f g| at the rim (B,)."""
        radial = (len(self.radii) + sum(map(len, self.kinks))) * self.parts * self.order
        size = max(1, CHUNK // (self.angles.shape[1] * radial))
        rim_radius = torch.full((1, 1, 1), self.reach, dtype=torch.float64)
        rows = []
        for start in range(0, len(self.theta), size):
            chunk = slice(start, start + size)
            r, r_weights = self._radial(chunk)
            product = self._product(f, g, chunk, r)
            rim = self._product(f, g, chunk, rim_radius)
            if not bool(torch.isfinite(product).all() and torch.isfinite(rim).all()):
                raise ValueError(
                    f"{owner}: f(z₁) g(z₂) has NaN or infinite values within "
                    f"{self.reach:.0f} standard deviations, where the density still "
                    f"counts; expected finite values. Keep the variances smaller."
                )
            weights = self.weights[chunk]
            mean, size_ = (
                ((part * r_weights).sum(2) * weights).sum(1)
                for part in (product, product.abs())
            )
            tail = rim.abs().amax((1, 2)) * math.exp(-(self.reach**2) / 2)
            rows.append(torch.stack([mean, size_, tail]))
        return tuple(torch.cat(rows, 1))

    def _product(self, f: Activation, g: Activation, chunk: slice, r: Tensor) -> Tensor:
        """Return f(z₁) g(z₂) at (B, angles, R)."""
        phi, theta = self.angles[chunk, :, None], self.theta[chunk, None, None]
        first, second = (s[chunk, None, None] for s in self.scales)
        return flat_values(f, first * r * torch.cos(phi)) * flat_values(
            g, second * r * torch.cos(phi - theta)
        )


def flat_values(f: Activation, z: Tensor) -> Tensor:
    """Return f(z) for z of any shape, f seeing one axis."""
    return f(z.flatten()).detach().to(torch.float64).view(z.shape)


def _even(parts: int) -> Tensor:
    """Return 0, 1/n, …, (n − 1)/n."""
    return torch.arange(parts, dtype=torch.float64) / parts


def _cut(edges: Tensor, shares: Tensor) -> Tensor:
    """Cut each interval between neighboring edges (..., E) at these shares of it."""
    inner = edges[..., :-1, None] + edges.diff(dim=-1)[..., None] * shares
    return torch.cat([inner.flatten(-2), edges[..., -1:]], -1)
