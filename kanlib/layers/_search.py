"""The search behind `snap`: fit y ≈ c F(a x + b) + d for one function F."""

import math

import torch
from torch import Tensor

from kanlib.layers._arguments import Function


def best_fit(
    function: Function, x: Tensor, y: Tensor, noise: float
) -> tuple[tuple[float, float, float, float], float] | None:
    """(a, b, c, d) and the unexplained share of the variance; None if never finite."""
    middle, half = (x.max() + x.min()) / 2, (x.max() - x.min()) / 2
    line = torch.linspace(-10, 10, 41, dtype=x.dtype, device=x.device)
    a, b = torch.cartesian_prod(line, line).unbind(1)
    misfit = _project(function(a[:, None] * ((x - middle) / half) + b[:, None]), y)[2]
    # Half of the starts have a small b, the simplest among equals of a periodic F.
    small = torch.where(b.abs() <= 2, misfit, math.inf)
    starts = torch.cat([m.topk(4, largest=False).indices for m in (misfit, small)])
    starts = starts[misfit[starts].isfinite()]
    if not len(starts):
        return None
    a = a[starts] / half
    b = b[starts] - a * middle
    both = torch.ones(len(a), 2, dtype=torch.bool, device=x.device)
    a, b, misfit = _refine(function, x, y, a, b, both)
    near = misfit <= 1.01 * misfit.min() + 1e-12
    best = torch.where(near, a.abs() + b.abs(), math.inf).argmin()
    a, b, misfit = _simplify(function, x, y, a[best], b[best], misfit[best], noise)
    value = function(a * x + b)
    c, d, _ = _project(value, y)
    return (float(a), float(b), float(c), float(d)), float(misfit)


def _simplify(
    function: Function,
    x: Tensor,
    y: Tensor,
    a: Tensor,
    b: Tensor,
    misfit: Tensor,
    noise: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Take the first simpler (a, b) with a misfit within the noise, or 1 % of ours."""
    one, zero, shift = a.new_ones(()), a.new_zeros(()), b / a.abs().clamp(min=1e-300)
    trials = [
        (one, zero, (False, False)),
        (-one, zero, (False, False)),
        (a.abs(), zero, (True, False)),
        (-a.abs(), zero, (True, False)),
        (one, shift, (False, True)),
        (one, -shift, (False, True)),
        (-one, shift, (False, True)),
        (a.abs(), b * a.sign(), (True, True)),
    ]
    firsts, seconds, free = zip(*trials, strict=True)
    mask = torch.tensor(free, device=x.device)
    new_a, new_b, new_misfit = _refine(
        function, x, y, torch.stack(firsts), torch.stack(seconds), mask
    )
    allowed = (1.01 * misfit).clamp(min=noise)
    good = torch.nonzero(new_misfit <= allowed).flatten()
    if not len(good):
        return a, b, misfit
    return new_a[good[0]], new_b[good[0]], new_misfit[good[0]]


def _project(value: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Regress y on c · value + d along the last axis: c, d, unexplained share."""
    centered = value - value.mean(-1, keepdim=True)
    target = y - y.mean()
    power = centered.square().sum(-1)
    # A value that is constant but for rounding explains nothing.
    varies = power > 1e-24 * value.square().sum(-1)
    c = torch.where(varies, (centered @ target) / torch.where(varies, power, 1), 0.0)
    rest = (target - c.unsqueeze(-1) * centered).square().sum(-1)
    total = target.square().sum()
    if total <= 1e-24 * y.square().sum():  # y is constant: so is every perfect fit
        c, misfit = torch.zeros_like(c), torch.zeros_like(rest)
    else:
        misfit = rest / total
    d = y.mean() - c * value.mean(-1)
    finite = value.isfinite().all(-1) & misfit.isfinite()
    return c, d, torch.where(finite, misfit, math.inf)


def _refine(
    function: Function, x: Tensor, y: Tensor, a: Tensor, b: Tensor, free: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Levenberg–Marquardt in (a, b), many starts at once; c and d are projected out."""
    point = torch.stack([a, b], -1)  # (starts, 2)
    misfit = _misfit(function, x, y, point)
    damping = torch.full_like(misfit, 1e-3)
    idle = 0  # rounds in a row in which no start gained a thousandth
    for _ in range(60):
        jacobian, residual = _linearized(function, x, y, point)
        jacobian = jacobian * free.unsqueeze(1)
        normal = jacobian.mT @ jacobian
        slope = (jacobian.mT @ residual.unsqueeze(-1)).squeeze(-1)
        # A fixed constant has a zero row; 1 on its diagonal keeps the system regular.
        scale = torch.diagonal(normal, dim1=1, dim2=2)
        scale = torch.where(scale > 0, scale, 1) * (1 + damping.unsqueeze(-1))
        off = normal[:, 0, 1]
        determinant = scale[:, 0] * scale[:, 1] - off.square()
        step = torch.stack(
            [
                scale[:, 1] * slope[:, 0] - off * slope[:, 1],
                scale[:, 0] * slope[:, 1] - off * slope[:, 0],
            ],
            -1,
        ) / determinant.unsqueeze(-1)
        trial = point + step
        reached = _misfit(function, x, y, trial)
        better = reached < misfit
        idle = 0 if bool((reached < 0.999 * misfit - 1e-14).any()) else idle + 1
        if idle == 6:
            break
        point = torch.where(better.unsqueeze(-1), trial, point)
        misfit = torch.where(better, reached, misfit)
        damping = torch.where(better, damping / 5, damping * 5)
    return point[:, 0], point[:, 1], misfit


def _misfit(function: Function, x: Tensor, y: Tensor, point: Tensor) -> Tensor:
    return _project(function(point[:, :1] * x + point[:, 1:]), y)[2]


def _linearized(
    function: Function, x: Tensor, y: Tensor, point: Tensor
) -> tuple[Tensor, Tensor]:
    """Derivative of c F in (a, b), orthogonal to F and 1, and the present residual."""
    u = point[:, :1] * x + point[:, 1:]
    with torch.enable_grad():
        value = function(u.requires_grad_())
        (slope,) = torch.autograd.grad(value.sum(), u)
    value = value.detach()
    c, d, _ = _project(value, y)
    # A root has an infinite slope at 0; that point then does not steer the search.
    slope = torch.where(slope.isfinite(), c.unsqueeze(-1) * slope, 0.0)
    jacobian = torch.stack([slope * x, slope], -1)  # (starts, points, 2)
    jacobian = jacobian - jacobian.mean(1, keepdim=True)
    centered = value - value.mean(-1, keepdim=True)
    power = centered.square().sum(-1, keepdim=True).clamp(min=1e-300)
    direction = (centered / power.sqrt()).unsqueeze(-1)
    jacobian = jacobian - direction * (direction.mT @ jacobian)
    return jacobian, y - c.unsqueeze(-1) * value - d.unsqueeze(-1)
