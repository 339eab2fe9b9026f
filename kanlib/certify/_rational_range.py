"""The range of rational functions on intervals, by Bernstein coefficients."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from kanlib.certify._box import Box
from kanlib.certify._outward import Nearest, Rounding, down, gamma, up

CELLS = 8
"""Parts into which an interval is cut, on each side of 0."""


def rational(
    rounding: Rounding,
    where: str,
    x: Box,
    numerator: Tensor,
    denominator: Tensor,
    form: str,
) -> Box:
    """Return a box around P/Q, from Bernstein coefficients on parts of each interval.

    With P = Σ p_k B_k and Q = Σ q_k B_k, all q_k > 0, P/Q is a mean of the p_k/q_k with
    the weights q_k B_k/Q, hence between the least and the largest of them. In form A
    all q_k ≥ 1 on a part that has 0 not in its inside. In form B, Q = 1 + |R|: where
    all r_k have one sign, q_k = 1 + |r_k|, else Q is from 1 to 1 + max|r_k|. The
    overestimate falls with the square of the parts' length: `CELLS` of them a side.

    Outward. Horner's rule for P errs by γ_{2m+2}(u) Σ|a_i||x|ⁱ, Q alike, so that P/Q
    errs by γ (M_P + |P/Q| M_Q)/Q; the Bernstein coefficients are sums of the same terms
    in float64.
    """
    a, b = rounding.cast(numerator), rounding.cast(denominator)
    groups = len(b)
    shape = (groups, x.lower.shape[-1] // groups)
    low, high = x.lower.unflatten(-1, shape), x.upper.unflatten(-1, shape)
    degree = max(a.shape[-1] - 1, b.shape[-1])
    p = F.pad(a, (0, degree + 1 - a.shape[-1])).expand(groups, -1).unsqueeze(1)
    r = F.pad(b.abs() if form == "A" else b, (1, degree - b.shape[-1])).unsqueeze(1)
    steps = torch.linspace(0, 1, CELLS + 1, dtype=low.dtype, device=low.device)
    lower = torch.full_like(low, math.inf)
    upper = torch.full_like(low, -math.inf)
    powers = torch.arange(degree + 1, device=low.device)
    for sign in (1.0, -1.0):
        first, second = (low, high) if sign > 0 else (-high, -low)
        here = second >= 0
        first, second = first.clamp(min=0), second.clamp(min=0)
        edges = first.unsqueeze(-1) + (second - first).unsqueeze(-1) * steps
        edges = torch.cat([edges[..., :-1], second.unsqueeze(-1)], -1)
        flip = torch.where(powers % 2 == 1, sign, 1.0).to(low.dtype)
        q = r if form == "A" else r * flip
        near, far = _rational_cells(p * flip, q, edges, (form, where), rounding)
        lower = torch.where(here, torch.minimum(lower, near), lower)
        upper = torch.where(here, torch.maximum(upper, far), upper)
    nothing = 0 * (low + high)
    return rounding.widened(
        (lower + nothing).flatten(-2), (upper + nothing).flatten(-2), 4
    )


def _rational_cells(
    p: Tensor, r: Tensor, edges: Tensor, how: tuple[str, str], rounding: Rounding
) -> tuple[Tensor, Tensor]:
    """Return the least and largest quotient over all cells between the edges ≥ 0."""
    form, where = how
    a, h = edges[..., :-1], edges.diff(dim=-1)
    ps, rs = _bernstein(p, a, h), _bernstein(r, a, h)
    if form == "A":
        least, qs = 1 + rs[..., 0], 1 + rs
        ratios = ps / qs
        low, high = ratios.amin(-1), ratios.amax(-1)
    else:
        single = (rs >= 0).all(-1) | (rs <= 0).all(-1)
        qs = 1 + rs.abs()
        ratios = ps / qs
        top, bottom, wide = ps.amax(-1), ps.amin(-1), qs.amax(-1)
        low = torch.where(single, ratios.amin(-1), torch.minimum(bottom, bottom / wide))
        high = torch.where(single, ratios.amax(-1), torch.maximum(top, top / wide))
        least = torch.where(single, qs.amin(-1), 1.0)
    if not isinstance(rounding, Nearest):
        terms = 4 * p.shape[-1] + 8
        error = 2 * gamma(terms, rounding.u) + 4 * gamma(4 * terms, rounding.w)
        powers = torch.arange(p.shape[-1], device=edges.device)
        reach = edges[..., 1:].unsqueeze(-1) ** powers
        of_p = (reach * p.abs().unsqueeze(-2)).sum(-1)
        of_q = 1 + (reach * r.abs().unsqueeze(-2)).sum(-1)
        if of_p.numel():
            # Powers above 1 may overflow on the way, though their quotient does not.
            way = of_p.amax() + of_q.amax() + p.abs().sum() + r.abs().sum()
            rounding.within(float(way), where)
        size = torch.maximum(low.abs(), high.abs())
        lost = 2 * error * (of_p + size * of_q) / (least * (1 - error))
        low, high = down(low - lost), up(high + lost)
    return low.amin(-1), high.amax(-1)


def _bernstein(c: Tensor, a: Tensor, h: Tensor) -> Tensor:
    """Return the Bernstein coefficients of Σ c_i xⁱ on [a, a + h], last axis k."""
    n = c.shape[-1] - 1
    taylor = []
    for j in range(n + 1):
        value = torch.zeros_like(a)
        for i in range(n, j - 1, -1):
            value = value * a + math.comb(i, j) * c[..., i].unsqueeze(-1)
        taylor.append(value * h**j)
    share = [
        [math.comb(k, j) / math.comb(n, j) for j in range(n + 1)] for k in range(n + 1)
    ]
    return torch.stack(taylor, -1) @ a.new_tensor(share).T
