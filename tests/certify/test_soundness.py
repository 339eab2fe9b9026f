"""No bound of `interval_bounds` is ever violated: thousands of networks, attacked.

The networks come from a seeded generator: every supported layer, 1 to 6 of them, widths
1 to 64, weights of scales 1e-3 to 30, radii 1e-6 to 10, half of them float32, one in
four with convolutions or residual blocks. Each is attacked by random points, corners,
and by following gradients to corners. Bounds are the outward ones, which allow no
tolerance at all; those to nearest must agree with them up to rounding. The same attack
has to find planted errors.
"""

import operator
import random
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from kanlib.bases import BSpline
from kanlib.certify import _extrema, _modules, _rules, _spline_range, interval_bounds
from kanlib.certify._box import Box
from kanlib.certify._outward import Nearest, Outward
from kanlib.layers import (
    GRKAN,
    GroupRational,
    GroupSort,
    Householder,
    KANLayer,
    MaxMin,
    ParallelResidual,
    ResidualTower,
)

BATCHES, EACH = 20, 150

ACTIVATIONS: list[Callable[[], nn.Module]] = [
    nn.ReLU,
    lambda: nn.LeakyReLU(0.1),
    lambda: nn.LeakyReLU(-0.3),
    nn.ELU,
    nn.GELU,
    lambda: nn.GELU("tanh"),
    nn.SiLU,
    nn.Mish,
    nn.Tanh,
    nn.Sigmoid,
    nn.Softplus,
    lambda: nn.Softplus(3.0, 1.0),
    nn.Hardtanh,
    nn.ReLU6,
]


class Wave(nn.Module):
    """A forward of its own, for `torch.fx`."""

    def __init__(self, function, alone):
        super().__init__()
        self.function, self.alone = function, alone

    def forward(self, x):
        y = self.function(x) * 0.7
        if self.alone:
            return 3 - y
        return y - torch.cat([x[..., :1], 0.5 * x[..., 1:]], -1)


class Skip(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return x + self.inner(x)


def activation(draw, width):
    kind = draw.randrange(20)
    if kind == 0:
        return GroupSort(draw.choice([s for s in (1, 2, 4) if width % s == 0]))
    if kind == 1 and width % 2 == 0:
        return MaxMin()
    if kind == 2:
        return Householder(width, draw.choice([s for s in (1, 2, 4) if not width % s]))
    if kind == 3:
        return GroupRational(width, groups=1, form=draw.choice("AB"))
    if kind == 4:
        function = draw.choice([torch.sin, torch.cos, torch.abs, torch.square])
        return Wave(function, draw.random() < 0.5)
    return draw.choice(ACTIVATIONS)()


def layer(draw, width):
    """One layer, and the width after it."""
    kind = draw.random()
    if kind < 0.06 and width <= 16:
        after = draw.randint(1, 8)
        basis = BSpline.uniform(draw.randint(1, 6), draw.randint(1, 3), (-2.0, 2.0))
        base = draw.choice(["silu", "tanh", "identity", None])
        return KANLayer(width, after, basis, base=base), after
    if kind < 0.1:
        after = draw.randint(1, 8)
        return GRKAN(width, after, groups=1, form=draw.choice("AB")), after
    if kind < 0.15:
        return nn.BatchNorm1d(width), width
    after = int(2 ** draw.uniform(0, 6))
    parts = [nn.Linear(width, after, bias=draw.random() < 0.8)]
    return nn.Sequential(*parts, activation(draw, after)), after


def dense(draw):
    width = first = int(2 ** draw.uniform(0, 6))
    parts = []
    for _ in range(draw.randint(1, 6)):
        part, width = layer(draw, width)
        parts.append(part)
    return nn.Sequential(*parts), (first,)


def residual(draw):
    width = int(2 ** draw.uniform(0, 5))
    blocks = [
        nn.Sequential(nn.Linear(width, width), activation(draw, width))
        for _ in range(draw.randint(1, 3))
    ]
    kind = draw.choice([ResidualTower, ParallelResidual, Skip])
    if kind is Skip:
        return nn.Sequential(*map(Skip, blocks)), (width,)
    scale = draw.choice([0.5, -1.3, nn.Parameter(torch.tensor(0.3))])
    return kind(blocks, scale), (width,)


def convolutional(draw):
    channels, after, side = draw.randint(1, 3), draw.randint(1, 4), draw.randint(5, 8)
    groups = draw.choice([1, channels])
    after *= groups
    pool = draw.choice(
        [
            nn.Identity(),
            nn.MaxPool2d(2, padding=1),
            nn.AvgPool2d(2, 1, padding=1, count_include_pad=draw.random() < 0.5),
            nn.AdaptiveAvgPool2d(2),
        ]
    )
    body = nn.Sequential(
        nn.Conv2d(
            channels,
            after,
            draw.randint(1, 3),
            stride=draw.randint(1, 2),
            padding=draw.randint(0, 2),
            dilation=draw.randint(1, 2),
            groups=groups,
        ),
        nn.BatchNorm2d(after),
        draw.choice(ACTIVATIONS)(),
        pool,
        nn.Flatten(),
    )
    shape = (channels, side, side)
    with torch.no_grad():
        width = body.eval()(torch.zeros(1, *shape)).shape[1]
    return nn.Sequential(body, nn.Linear(width, draw.randint(1, 5))), shape


def network(seed):
    """One network, the corners of its boxes and a generator."""
    draw = random.Random(seed)
    generator = torch.Generator().manual_seed(seed)
    make = draw.choice([*[dense] * 6, residual, convolutional])
    module, shape = make(draw)
    scale = 10 ** draw.uniform(-3, 1.48)
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, GroupRational):
                part.numerator.normal_(generator=generator)
                part.denominator.normal_(generator=generator)
            elif isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.running_mean.normal_(generator=generator)
                part.running_var.uniform_(0.01, 2, generator=generator)
                part.weight.normal_(generator=generator)
                part.bias.normal_(generator=generator)
            elif isinstance(part, nn.Linear | nn.Conv2d):
                size = part.weight[0].numel() ** -0.5 * scale
                part.weight.normal_(0, size, generator=generator)
                if part.bias is not None:
                    part.bias.normal_(0, scale, generator=generator)
            elif isinstance(part, KANLayer):
                part.coefficients.normal_(0, scale, generator=generator)
            elif isinstance(part, Householder):
                part.direction.normal_(generator=generator)
    dtype = draw.choice([torch.float32, torch.float64])
    module = module.to(dtype).eval().requires_grad_(False)
    center = torch.randn(2, *shape, generator=generator, dtype=dtype)
    radius = 10 ** draw.uniform(-6, 1)
    radius = radius * torch.rand(2, *shape, generator=generator, dtype=dtype)
    return module, center - radius, center + radius, generator


def points(module, lower, upper, generator, random_points=12):
    """Points of the box (N, 2, ...): random ones, corners, where gradients lead."""
    shape = (random_points, *lower.shape)
    part = torch.rand(shape, generator=generator, dtype=lower.dtype)
    part[random_points // 2 :] = part[random_points // 2 :].round()
    x = torch.lerp(lower, upper, part)
    x = torch.cat([x, lower[None], upper[None]])
    # From the first points on, along the gradient of each row's sums with random signs.
    start = x[:4].clone().requires_grad_(True)
    for _ in range(3):
        y = module(start.flatten(0, 1)).flatten(1)
        signs = torch.randn(y.shape, generator=generator, dtype=y.dtype)
        (g,) = torch.autograd.grad((y * signs).sum(), start)
        found = torch.where(g > 0, upper, torch.where(g < 0, lower, start.detach()))
        x = torch.cat([x, found, torch.lerp(start.detach(), found, 0.5)])
        start = found.clone().requires_grad_(True)
    return torch.maximum(torch.minimum(x, upper), lower)


def excess(module, lower, upper, generator, bounds, **kwargs) -> float:
    """How far the worst point found lies outside; at most 0 if no bound is violated."""
    low, high = bounds
    x = points(module, lower, upper, generator, **kwargs)
    with torch.no_grad():
        y = module(x.flatten(0, 1)).unflatten(0, x.shape[:2])
    assert not y.isnan().any()
    return float(torch.maximum((low - y).amax(), (y - high).amax()))


def violation(seed: int, planted: bool = False) -> float:
    """Attack the outward bounds of one network; −1 where they are refused."""
    module, lower, upper, generator = network(seed)
    try:
        outward = interval_bounds(module, lower, upper, rounding="outward")
    except ValueError as error:
        assert "may reach" in str(error), (seed, module)  # noqa: PT017
        return -1.0
    worst = excess(module, lower, upper, generator, outward)
    assert worst <= 0 or planted, f"seed {seed}: {worst:.3e} outside\n{module}"
    if not planted:
        nearest = interval_bounds(module, lower, upper)
        low, high = (end.double() for end in outward)
        slack = 1e-3 * (high - low) + 1e-300
        # To nearest is inside outward, up to its own rounding.
        assert (nearest[0] >= low - slack).all(), f"seed {seed}"
        assert (nearest[1] <= high + slack).all(), f"seed {seed}"
    return worst


@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_bound_is_violated(batch):
    found = [violation(seed) for seed in range(batch * EACH, (batch + 1) * EACH)]
    refused = found.count(-1.0)
    assert refused < EACH // 10


def _sign_flipped(monkeypatch):
    """|W| with one entry of the wrong sign."""
    affine = Outward.affine

    def wrong(self, given, image, weight, bias, terms, where):
        def flipped(t, w, b):
            if (w >= 0).all() and w.numel() > 1 and not torch.equal(w, weight):
                w = w.clone()
                w.view(-1)[0] *= -1
            return image(t, w, b)

        return affine(self, given, flipped, weight, bias, terms, where)

    monkeypatch.setattr(Outward, "affine", wrong)


def _minimum_missed(monkeypatch):
    def ends_only(f, lower, upper, dip):
        return torch.minimum(f(lower), f(upper)), torch.maximum(f(lower), f(upper))

    monkeypatch.setattr(_extrema, "dip_range", ends_only)


def _root_missed(monkeypatch):
    """A spline's extremum between the ends of a piece."""

    def ends_only(cubic, a, b, middle, w, at, slope, missed):
        def value(x, base):
            s = x - middle
            return sum(q * s**n for n, q in enumerate(cubic)) + w * base

        p, q = value(a, at[0]), value(b, at[1])
        return torch.minimum(p, q), torch.maximum(p, q)

    monkeypatch.setattr(_spline_range, "_cubic_range", ends_only)


def _crest_missed(monkeypatch):
    def ends_only(f, lower, upper, peak):
        return torch.minimum(f(lower), f(upper)), torch.maximum(f(lower), f(upper))

    monkeypatch.setattr(_extrema, "wave_range", ends_only)


def _radius_dropped(monkeypatch):
    """The skip connection as if it were a point."""
    add = _rules.add

    def wrong(rounding, where, a, b, *, alpha=1):
        if isinstance(a, Box) and isinstance(b, Box):
            middle = (a.lower + a.upper) / 2
            a = Box(middle, middle, [])
        return add(rounding, where, a, b, alpha=alpha)

    monkeypatch.setattr(_rules, "add", wrong)
    for function in (operator.add, torch.add):
        monkeypatch.setitem(_rules.SEVERAL, function, wrong)


def _jump_missed(monkeypatch):
    monkeypatch.setitem(_modules.MODULES, nn.Softplus, _modules.MODULES[nn.ReLU])


def _scale_negative(monkeypatch):
    """A batch norm with both ends kept in order, whatever the sign of its scale."""

    def wrong(rounding, where, x, mean, variance, weight, bias, *rest):
        def f(t):
            rest = (part.double() for part in (mean, variance, weight, bias))
            return F.batch_norm(t, *rest)

        return rounding.widened(f(x.lower), f(x.upper), 16)

    monkeypatch.setattr(_rules, "batch_norm", wrong)


def _not_widened(monkeypatch):
    """Exact images, without the error of the evaluation in float32."""
    affine = Nearest.affine

    def exact(self, given, image, weight, bias, terms, where):
        bias = None if bias is None else bias.double()
        return affine(self, given, image, weight.double(), bias, terms, where)

    monkeypatch.setattr(Outward, "affine", exact)


@pytest.mark.parametrize(
    "plant",
    [
        _sign_flipped,
        _minimum_missed,
        _root_missed,
        _crest_missed,
        _radius_dropped,
        _jump_missed,
        _scale_negative,
        _not_widened,
    ],
)
def test_the_attack_finds_planted_errors(plant, monkeypatch):
    plant(monkeypatch)
    found = (violation(seed, planted=True) > 0 for seed in range(600))
    assert any(found), "not one network of 600 shows the error"
