"""The range of a Householder activation on a box, exact in every coordinate."""

import torch
from torch import Tensor

from kanlib.certify._box import Box, box
from kanlib.certify._outward import Nearest, Rounding, down, gamma, up


def householder(rounding: Rounding, where: str, x: Box, direction: Tensor) -> Box:
    """Return the smallest box around y = z − 2 v min(vᵀz, 0), group by group, ‖v‖ = 1.

    For v_i > 0, y_i = max(z_i, z_i − 2 v_i vᵀz) is convex. Its maximum over the box is
    the larger one of the maxima of both affine functions. Its minimum is, by minimax,
    max over λ in [0, 1] of min_z (z_i − 2 λ v_i vᵀz), concave and piecewise linear in λ
    with its only kink where the coefficient 1 − 2 λ v_i² of z_i vanishes: the best λ is
    0, 1 or that. For v_i < 0 the same with signs changed.

    Outward. An evaluation normalizes v (relative error γ_{d+4}), sums d products and
    combines: γ_{2d+12}(u) (m_i + 4 |v_i| Σ|v_k| m_k) bounds its error, a wrong side of
    the hyperplane included, for there both sides differ by 2 |v_i| times the error of
    vᵀz. The ends, in float64, have the same bound with w, three times over.
    """
    v = rounding.cast(direction)
    v = v / torch.linalg.vector_norm(v, dim=1, keepdim=True)
    low, high = x.lower.unflatten(-1, v.shape), x.upper.unflatten(-1, v.shape)
    center, radius = (low + high) / 2, (high - low) / 2
    along = (center * v).sum(-1, keepdim=True)
    reach = (radius * v.abs()).sum(-1, keepdim=True)
    others = reach - v.abs() * radius
    kink = (0.5 / (v * v).clamp(min=0.5)).clamp(max=1.0)

    def row(share: Tensor | float) -> tuple[Tensor, Tensor]:
        middle = center - 2 * share * v * along
        width = (1 - 2 * share * v * v).abs() * radius
        width = width + 2 * share * v.abs() * others.clamp(min=0)
        return middle - width, middle + width

    (l0, u0), (l1, u1), (lk, uk) = row(0.0), row(1.0), row(kink)
    convex = v > 0
    lower = torch.where(
        convex, torch.maximum(torch.maximum(l0, l1), lk), torch.minimum(l0, l1)
    )
    upper = torch.where(
        convex, torch.maximum(u0, u1), torch.minimum(torch.minimum(u0, u1), uk)
    )
    if isinstance(rounding, Nearest):
        return box(lower.flatten(-2), upper.flatten(-2))
    size = torch.maximum(-low, high)
    n = 2 * v.shape[1] + 12
    bound = size + 4 * v.abs() * (size * v.abs()).sum(-1, keepdim=True)
    if bound.numel():
        rounding.within(float(bound.amax()) * v.shape[1], where)
    slack = (gamma(n, rounding.u) + 4 * gamma(n, rounding.w)) * bound
    slack = 2 * slack + 8 * n * rounding.least
    lower, upper = down(lower - slack), up(upper + slack)
    return box(lower.flatten(-2), upper.flatten(-2))
