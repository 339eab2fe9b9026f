"""Quadrature over one Gaussian number: panels that are halved until they agree."""

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from kanlib._errors import DidNotConverge

ORDER = 17
# Standard deviations that are integrated: the first, unless the tails still count.
REACHES = (9.0, 12.0, 18.0, 26.0, 37.0)
ROUNDS = 64
# Panels that need more halvings than this are called narrow.
KINK_ROUNDS = 6
MOST_PANELS = 10_000
# Means below this, far in the tails of all densities, need no relative accuracy.
SMALLEST = 1e-250
# Panels at first: never wider than this, nor than a share of the distance to 0.
WIDEST, SHARE = 4.0, 1 / 32


class Rule:
    """Nodes and weights for E f_m(z), z ~ N(0, K), for every K in [low, high].

    The functions are evaluated once, when the panels are found; a mean is then one
    product.

    Args:
        owner: Whose name errors carry; `name` is the function's.
        functions: z (N,) -> f(z) (M, N).
        low: Least variance, positive.
        high: Largest variance; None is low.
        tolerance: Largest error, as a multiple of E |f_m|, for each m and K.

    Attributes:
        nodes: (N,).
        values: f_m at the nodes times the weights, (M, N).
        reach: Standard deviations that are integrated, to each side.
        narrow: The panels (left, right) that had to be halved often: those at kinks and
            jumps, not at 0, narrower and narrower.
    """

    def __init__(
        self,
        owner: str,
        functions: Callable[[Tensor], Tensor],
        low: float,
        high: float | None = None,
        *,
        tolerance: float = 1e-12,
        name: str = "f",
    ) -> None:
        self.owner, self.name, self.functions = owner, name, functions
        self.tolerance = tolerance
        self.low, self.high = low, low if high is None else high
        octaves = math.ceil(math.log2(self.high / low))
        steps = torch.linspace(0, 1, octaves + 1, dtype=torch.float64)
        self.variances = low * (self.high / low) ** steps
        for self.reach in REACHES:
            end = self.reach * math.sqrt(self.high)
            sizes = self._build(end)
            tails = self._values(torch.tensor([-end, end], dtype=torch.float64)).abs()
            density = torch.exp(-(end**2) / (2 * self.variances))
            if bool((tails.amax(1)[:, None] * density <= tolerance * sizes.T).all()):
                return
        raise ValueError(too_fast(owner, f"{name}(z)", self.high))

    def __call__(self, variance: float | Tensor) -> Float[Tensor, "M ..."]:
        """Return E f_m(z) for one K (M,) or for several (M, k), within [low, high]."""
        wide = torch.as_tensor(variance, dtype=torch.float64)
        flat = wide.reshape(-1, 1)
        density = torch.exp(-(self.nodes**2) / (2 * flat))
        means = self.values @ density.T / torch.sqrt(2 * math.pi * flat[:, 0])
        return means.reshape(-1, *wide.shape)

    def _values(self, z: Tensor) -> Tensor:
        """Return f(z) (M, N) as float64, refusing NaN and infinities."""
        values = self.functions(z.clone()).detach().to(torch.float64)
        bad = ~torch.isfinite(values).all(0)
        if bool(bad.any()):
            where = float(z[bad].abs().min())
            raise ValueError(
                f"{self.owner}: {self.name}(z) has NaN or infinite values, first at "
                f"|z| = {where:.4g}, where N(0, {self.high:g}) still counts; expected "
                f"finite values and slopes. If the formula overflows or divides 0 by 0 "
                f"there (torch.where hides that from the value, not from the slope), "
                f"rewrite it; else keep the variance smaller."
            )
        return values

    def _panels(self, left: Tensor, right: Tensor) -> tuple[Tensor, ...]:
        """Return nodes (P, 17), weighted values (M, P, 17), ∫ f and ∫ |f| (P, k, M)."""
        nodes, weights = on_panels(left, right, lobatto(ORDER))
        # At 0 each panel sees its own side: an activation may kink there.
        inside = torch.sign(left + right) * (right - left) * 1e-12
        nodes = torch.where(nodes == 0, inside[:, None], nodes)
        values = self._values(nodes.flatten()).unflatten(-1, nodes.shape)
        weighted = values * weights
        scale = 2 * self.variances[:, None]
        density = torch.exp(-(nodes[:, None] ** 2) / scale)
        density = density / torch.sqrt(math.pi * scale)
        rows = weighted.permute(1, 2, 0)
        return nodes, weighted, density @ rows, density @ rows.abs()

    def _build(self, end: float) -> Tensor:
        """Find the panels of [-end, end]; return E |f| (k, M)."""
        edges = first_panels(math.sqrt(self.low), end)
        left = torch.cat([-edges[1:], edges[:-1]])
        right = torch.cat([-edges[:-1], edges[1:]])
        _, _, before, sizes = self._panels(left, right)
        total = sizes.sum(0)
        nodes_kept, values_kept, self.narrow = [], [], []
        for count in range(ROUNDS):
            middle = (left + right) / 2
            left, right = torch.cat([left, middle]), torch.cat([middle, right])
            nodes, weighted, integrals, sizes = self._panels(left, right)
            first, second = integrals.chunk(2)
            error = (before - first - second).abs()
            total = torch.maximum(total, sizes.sum(0))
            allowed = self.tolerance / 8 * total.clamp(min=SMALLEST)
            done = (error <= allowed).flatten(1).all(1)
            # No number is left between the ends: a jump sits here.
            done |= (right - left).view(2, -1).amax(0) <= 4e-16 * middle.abs()
            if count >= KINK_ROUNDS:
                ends = left.chunk(2)[0], right.chunk(2)[1]
                self.narrow += torch.stack(ends, 1)[done].tolist()
            both = done.repeat(2)
            nodes_kept.append(nodes[both].flatten())
            values_kept.append(weighted[:, both].flatten(1))
            if bool(both.all()):
                self.nodes = torch.cat(nodes_kept)
                self.values = torch.cat(values_kept, -1)
                return total
            left, right, before = left[~both], right[~both], integrals[~both]
            if len(left) > MOST_PANELS:
                break
        raise DidNotConverge(
            self.owner,
            residual=float((error / total.clamp(min=SMALLEST))[~done].max()),
            wanted=self.tolerance,
            iterations=count + 1,
            hint=f"Is {self.name} singular, does it oscillate too fast for "
            f"N(0, {self.high:g}), or does it compute in float32 inside?",
        )


def too_fast(owner: str, name: str, variance: float) -> str:
    """Return the message for a function whose tails never stop to count."""
    return (
        f"{owner}: {name} grows too fast: at {REACHES[-1]:.0f} standard deviations of "
        f"N(0, {variance:g}) it still counts; expected a finite mean. Keep the "
        f"variance smaller."
    )


@cache
def legendre(order: int) -> tuple[Tensor, Tensor]:
    """Return the nodes and weights of Gauss-Legendre on [-1, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    return torch.from_numpy(nodes), torch.from_numpy(weights)


@cache
def lobatto(order: int) -> tuple[Tensor, Tensor]:
    """Return the nodes and weights of Gauss-Lobatto, which has both ends of [-1, 1].

    No kink hides between an end and the first node, as it can from Gauss-Legendre.
    """
    polynomial = np.polynomial.Legendre.basis(order - 1)
    slope, bend = polynomial.deriv(), polynomial.deriv(2)
    inner = slope.roots().real
    inner -= slope(inner) / bend(inner)
    nodes = np.concatenate([[-1.0], (inner - inner[::-1]) / 2, [1.0]])
    weights = 2 / (order * (order - 1) * polynomial(nodes) ** 2)
    return torch.from_numpy(nodes), torch.from_numpy(weights)


def on_panels(
    left: Tensor, right: Tensor, rule: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Return nodes and weights (..., P, N) of a rule on panels with ends (..., P)."""
    points, weights = rule
    half = (right - left)[..., None] / 2
    return (left + right)[..., None] / 2 + half * points, half * weights


def first_panels(start: float, end: float) -> Tensor:
    """Return edges from 0 to `end` for a first try, finer towards 0."""
    edges = [0.0, min(start, WIDEST)]
    while edges[-1] < end:
        edges.append(edges[-1] + min(edges[-1], max(WIDEST, SHARE * edges[-1])))
    edges[-1] = end
    return torch.tensor(edges, dtype=torch.float64)
