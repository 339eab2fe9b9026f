"""The range of every edge of a `KANLayer`: a spline and its base on an interval."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from kanlib.bases import BSpline
from kanlib.certify import _extrema
from kanlib.certify._box import Box, box, unsupported
from kanlib.certify._outward import Nearest, Rounding, down, gamma, up
from kanlib.layers._arguments import identity

# A bound on the fourth derivative, what the cubic Hermite interpolant misses; tested.
FOURTH: dict[Any, float] = {F.silu: 0.51, torch.tanh: 4.1, identity: 0.0}


def kan_layer(rounding: Rounding, where: str, x: Box, layer: Any) -> Box:
    """Return the box of Σ_i [w b(x_i) + s_i(x_i)] from the exact range of every edge.

    On each knot interval that the box meets, the spline is one cubic; the base b gets
    its cubic Hermite interpolant there, whose error is at most h⁴ max|b⁗|/384 with h
    the length of the common part. The extrema of the sum of both are at the ends or at
    the two roots of its derivative. Beyond the knots only w b is left.

    Outward. Rounded knots, and x − t_j, change each quotient of the recursion by
    ε = 8 u (1 + T/Δ) at most, T the largest |knot| and Δ the smallest knot interval;
    after d ≤ 3 convex combinations a spline errs by 8 d ε max|c| (also where rounding
    takes the neighboring piece, for the quotients then leave [0, 1] by ε at most). The
    sum of I (K + 2) products adds γ(u) Σ (max|c| + |w| |b|). Roots of the derivative
    in float64 are off by √w in the worst case of a double root, where the value
    changes by its cube: 64 w times the size of the cubic covers that. Splines that jump
    inside or at the end of their knots are refused.
    """
    basis, base = layer.basis, layer.base
    if not isinstance(basis, BSpline) or basis.degree > 3:
        unsupported(where, str(basis), "only B-splines of degree 3 or less have a rule")
    if base is not None and base not in FOURTH:
        name = getattr(base, "__name__", type(base).__name__)
        unsupported(where, f"base={name}", "only silu, tanh and identity have a rule")
    kind = rounding.cast(x.lower).dtype
    c, w = _edge_weights(layer, rounding)
    knots = torch.tensor(basis.rows, dtype=torch.float64, device=x.lower.device)
    low, high = x.lower.unsqueeze(-2), x.upper.unsqueeze(-2)  # (..., 1, I)
    found: list[tuple[Tensor, Tensor]] = []
    f = base or torch.zeros_like
    for j in range(knots.shape[1] - 1):
        left, right = knots[:, j].to(kind), knots[:, j + 1].to(kind)
        here = (low <= right) & (high >= left) & (left < right)
        if not bool(here.any()):
            continue
        middle = (knots[:, j] + knots[:, j + 1]) / 2
        points = middle.expand(layer.in_features)
        cubic = []
        for n in range(4):
            phi = basis(points, n) / math.factorial(n)  # (I, K)
            cubic.append((c * phi.to(kind)).sum(-1))
        a = torch.minimum(torch.maximum(low, left), right)
        b = torch.maximum(torch.minimum(high, right), left)
        at, slope, missed = _hermite(f, a, b, FOURTH.get(base, 0.0))
        ends = _cubic_range(cubic, a, b, middle.to(kind), w, at, slope, missed)
        found.append(_where(here, ends))
    for a, b, here in (
        (low, torch.minimum(high, knots[:, 0].to(kind)), low < knots[:, 0].to(kind)),
        (torch.maximum(low, knots[:, -1].to(kind)), high, high > knots[:, -1].to(kind)),
    ):
        if bool(here.any()):
            p, q = _base_range(f, a, b)
            ends = torch.minimum(w * p, w * q), torch.maximum(w * p, w * q)
            found.append(_where(here, ends))
    # No interval meets a box of NaN, and there is none in an empty batch.
    lower = (low + w).new_full((*low.shape[:-2], *w.shape), math.inf)
    upper = -lower
    for p, q in found:
        lower, upper = torch.minimum(lower, p), torch.maximum(upper, q)
    lower, upper = _known(lower, low, high), _known(upper, low, high)
    if isinstance(rounding, Nearest):
        return box(lower.sum(-1), upper.sum(-1))
    return _widened_edges(rounding, where, x, layer, (lower, upper), (c, w), knots)


def _widened_edges(
    rounding: Any,
    where: str,
    x: Box,
    layer: Any,
    ends: tuple[Tensor, Tensor],
    weights: tuple[Tensor, Tensor],
    knots: Tensor,
) -> Box:
    c, w = weights
    degree, smooth = layer.basis.degree, layer.basis.smoothness
    outer = max(max(row.count(row[0]), row.count(row[-1])) for row in layer.basis.rows)
    if smooth < 0 or degree < 1 or outer > degree:
        unsupported(where, "a spline that jumps", "rounding may take it over the jump")
    steps = knots.diff(dim=1)
    apart = float(steps[steps > 0].amin())
    eps = 8 * (1 + float(knots.abs().amax()) / apart)
    terms = layer.in_features * (layer.basis.size + 4) + 8
    largest = c.abs().amax(-1)
    based = x.size.unsqueeze(-2) + 1.0
    each = largest + w.abs() * based
    unit = rounding.u + 8 * rounding.w
    if each.numel():
        rounding.within(float(each.sum(-1).amax()), where)
    slack = 8 * max(degree, 1) * eps * unit * largest
    slack = slack + 32 * unit * w.abs() * based + 256 * rounding.w * each
    total = gamma(terms, rounding.u) + 2 * gamma(terms, rounding.w)
    lost = (slack + total * each).sum(-1) * 2 + 8 * terms * rounding.least
    lower, upper = ends
    return rounding.widened(down(lower.sum(-1) - lost), up(upper.sum(-1) + lost), 1)


def _edge_weights(layer: Any, rounding: Rounding) -> tuple[Tensor, Tensor]:
    """Return c (O, I, K) and w (O, I) in the dtype of the computation."""
    mask = layer.mask
    c = rounding.cast(layer.coefficients)
    if layer.mixing is None:
        c = c * mask.unsqueeze(-1)
    else:
        c = c.repeat_interleave(layer.in_features // layer.functions, dim=0)
        c = c * (rounding.cast(layer.mixing) * mask).unsqueeze(-1)
    if layer.base_weight is None:
        return c, c.new_zeros(mask.shape)
    return c, rounding.cast(layer.base_weight) * mask


def _where(here: Tensor, ends: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return (
        torch.where(here, ends[0], math.inf),
        torch.where(here, ends[1], -math.inf),
    )


def _known(end: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """NaN where the interval is NaN: it met no cell then."""
    return end + 0 * (low + high)


def _hermite(
    f: Callable[[Tensor], Tensor], a: Tensor, b: Tensor, fourth: float
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], Tensor]:
    """Return values and slopes of f at a and b, and what their cubic may miss."""
    values = f(a), f(b)
    slopes = _slope(f, a), _slope(f, b)
    return values, slopes, (b - a) ** 4 * (fourth / 384)


def _slope(f: Any, x: Tensor) -> Tensor:
    if f is F.silu:
        s = torch.sigmoid(x)
        return s * (1 + x * (1 - s))
    if f is torch.tanh:
        return 1 - torch.tanh(x) ** 2
    return torch.ones_like(x) if f is identity else torch.zeros_like(x)


def _base_range(f: Any, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    if f is F.silu:
        return _extrema.dip_range(f, a, b, _extrema.SILU)
    return f(a), f(b)


def _cubic_range(
    cubic: list[Tensor],
    a: Tensor,
    b: Tensor,
    middle: Tensor,
    w: Tensor,
    at: tuple[Tensor, Tensor],
    slope: tuple[Tensor, Tensor],
    missed: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return the range of spline + w · Hermite cubic over [a, b], s = (x − a) / h."""
    h, e = b - a, a - middle
    q0, q1, q2, q3 = cubic
    # The spline's cubic in s, by a shift and a scaling, plus the base's.
    d0, d1 = h * slope[0], h * slope[1]
    rise = at[1] - at[0]
    p0 = q0 + e * (q1 + e * (q2 + e * q3)) + w * at[0]
    p1 = h * (q1 + e * (2 * q2 + 3 * e * q3)) + w * d0
    p2 = h * h * (q2 + 3 * e * q3) + w * (3 * rise - 2 * d0 - d1)
    p3 = h**3 * q3 + w * (d0 + d1 - 2 * rise)
    p4 = q0 + (e + h) * (q1 + (e + h) * (q2 + (e + h) * q3)) + w * at[1]
    lower, upper = torch.minimum(p0, p4), torch.maximum(p0, p4)
    with torch.no_grad():
        root = (p2 * p2 - 3 * p3 * p1).clamp(min=0).sqrt()
        z = -(p2 + torch.where(p2 < 0, -root, root))
        places = z / (3 * p3), p1 / z
    for s in places:
        # The place is fixed: at a critical point it adds nothing to the derivative.
        inside = (s > 0) & (s < 1)
        t = torch.where(inside, s, 0.0)
        value = p0 + t * (p1 + t * (p2 + t * p3))
        lower = torch.where(inside, torch.minimum(lower, value), lower)
        upper = torch.where(inside, torch.maximum(upper, value), upper)
    error = w.abs() * missed
    return lower - error, upper + error
