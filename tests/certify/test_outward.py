"""Outward rounding: its constants against what PyTorch computes, in any order."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from kanlib.bases import BSpline
from kanlib.certify import interval_bounds
from kanlib.certify._outward import Outward, down, gamma, unit, up
from kanlib.layers import GRKAN, KAN, GroupRational, Householder

ELEMENTARY = {
    "tanh": (torch.tanh, False),
    "sigmoid": (torch.sigmoid, False),
    "softplus": (F.softplus, False),
    "silu": (F.silu, True),
    "mish": (F.mish, True),
    "gelu": (F.gelu, True),
    "gelu by tanh": (lambda x: F.gelu(x, approximate="tanh"), True),
    "elu": (F.elu, None),
    "sin": (torch.sin, None),
    "cos": (torch.cos, None),
}
"""Function, and what is beside |f| in its error: |x|, 1 (None) or nothing."""


def normal(*shape, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype)


@pytest.mark.parametrize("name", ELEMENTARY)
def test_float32_functions_err_less_than_half_of_what_is_assumed(name):
    f, beside = ELEMENTARY[name]
    far = 1e4 if name in ("sin", "cos") else 100.0
    x = torch.cat([torch.linspace(-far, far, 200001), normal(200001, seed=1) * 5])
    # Lengths that fill the vectors of a processor, and those that do not.
    for part in (x, x[:3], x[7:12], x[::7]):
        exact = f(part.double())
        assumed = exact.abs() + {True: part.double().abs(), None: 1.0}.get(beside, 0.0)
        assumed = assumed * unit(torch.float32) + torch.finfo(torch.float32).tiny
        error = (f(part).double() - exact).abs() / assumed
        half = 4 if name in ("sin", "cos") else 8
        assert error.max() <= half, f"{name}: {error.max():.1f} of {2 * half} assumed"


@pytest.mark.parametrize("name", ELEMENTARY)
def test_float64_functions_agree_with_many_digits(name):
    mpmath = pytest.importorskip("mpmath")
    f, beside = ELEMENTARY[name]
    exact = {
        "tanh": mpmath.tanh,
        "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
        "softplus": lambda x: x if x > 20 else mpmath.log1p(mpmath.exp(x)),
        "silu": lambda x: x / (1 + mpmath.exp(-x)),
        "mish": lambda x: x * mpmath.tanh(mpmath.log1p(mpmath.exp(x))),
        "gelu": lambda x: x / 2 * mpmath.erfc(-x / mpmath.sqrt(2)),
        "gelu by tanh": lambda x: (
            x
            / 2
            * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (x + 0.044715 * x**3)))
        ),
        "elu": lambda x: x if x > 0 else mpmath.expm1(x),
        "sin": mpmath.sin,
        "cos": mpmath.cos,
    }[name]
    x = torch.cat([torch.linspace(-30, 30, 301), normal(100)]).double()
    with mpmath.workdps(40):
        for point, value in zip(x.tolist(), f(x).tolist(), strict=True):
            true = exact(mpmath.mpf(point))
            assumed = abs(true) + {True: abs(point), None: 1}.get(beside, 0)
            assert abs(value - true) <= 4 * unit(torch.float64) * assumed


def sums(weight, bias, x, generator):
    """W x + b in float32 in many orders: shuffled, in blocks, forward, by a tree."""
    terms = torch.cat([weight * x, bias[:, None]], 1)
    for _ in range(10):
        order = torch.randperm(terms.shape[1], generator=generator)
        moved = terms[:, order]
        total = torch.zeros(len(weight))
        for column in moved.T:
            total = total + column
        yield total
        tree = moved
        while tree.shape[1] > 1:
            tree = F.pad(tree, (0, tree.shape[1] % 2))
            tree = tree[:, ::2] + tree[:, 1::2]
        yield tree[:, 0]
    signs, _ = terms.sort(dim=1)  # all negative ones first: the worst cancellation
    total = torch.zeros(len(weight))
    for column in signs.T:
        total = total + column
    yield total
    yield F.linear(x, weight, bias)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e15])
def test_sums_in_any_order_are_inside_where_rounding_is_all(scale):
    layer = nn.Linear(300, 20)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        layer.weight.normal_(0, scale, generator=generator)
        # Nearly all cancels, and the box is a point: the width is rounding alone.
        layer.weight[:, 150:] = -layer.weight[:, :150]
        layer.bias.normal_(0, scale, generator=generator)
        x = torch.randn(150, generator=generator).repeat(2)
        x[150:] += 1e-6
        lower, upper = interval_bounds(layer, x, x, rounding="outward")
        values = torch.stack(list(sums(layer.weight, layer.bias, x, generator)))
    assert (values >= lower).all()
    assert (values <= upper).all()
    spread = values.amax(0) - values.amin(0)
    assert (spread > 0).any()
    # Not absurdly wide: γ_n is a worst case, random roundings add like √n.
    assert ((upper - lower) < 400 * spread.amax()).all()


NETWORKS = {
    "relu": lambda: nn.Sequential(nn.Linear(6, 40), nn.ReLU(), nn.Linear(40, 5)),
    "gelu": lambda: nn.Sequential(nn.Linear(6, 40), nn.GELU(), nn.Linear(40, 5)),
    "kan": lambda: KAN([6, 8, 5], BSpline.uniform(6)),
    "fine kan": lambda: KAN([6, 5], BSpline.uniform(50, 3, (99.0, 101.0))),
    "quadratic kan": lambda: KAN([6, 5], BSpline.uniform(4, 2), base="tanh"),
    "rational": lambda: GroupRational(6, groups=2),
    "rational B": lambda: GroupRational(6, groups=2, form="B"),
    "grkan": lambda: GRKAN(6, 5, groups=2),
    "householder": lambda: nn.Sequential(nn.Linear(6, 6), Householder(6, 3)),
    "norm": lambda: nn.Sequential(nn.BatchNorm1d(6), nn.SiLU()),
}


@pytest.mark.parametrize("kind", ["point", "tiny", "wide"])
@pytest.mark.parametrize("name", NETWORKS)
def test_float32_evaluation_is_inside(name, kind):
    module = NETWORKS[name]().eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(1)
    for parameter in module.parameters():
        parameter.normal_(generator=generator)
    x = torch.randn(200, 6, generator=generator)
    if name == "fine kan":
        x = 100 + 0.5 * x
    radius = {"point": 0.0, "tiny": 1e-6, "wide": 0.3}[kind]
    lower, upper = interval_bounds(module, x - radius, x + radius, rounding="outward")
    part = torch.rand(30, *x.shape, generator=generator)
    points = torch.lerp(x - radius, x + radius, part)
    points = torch.maximum(torch.minimum(points, x + radius), x - radius)
    # In one batch, one by one, and on threads' other blocks.
    y = torch.stack([module(rows) for rows in points])
    one = module(points[0, :1])
    assert (y >= lower).all()
    assert (y <= upper).all()
    assert (one >= lower[:1]).all()
    assert (one <= upper[:1]).all()


def test_the_float64_value_is_inside_too():
    module = NETWORKS["relu"]().requires_grad_(False)
    x = normal(100, 6)
    lower, upper = interval_bounds(module, x, x, rounding="outward")
    y = module.double()(x.double())
    assert (y >= lower).all()
    assert (y <= upper).all()


def test_leaving_rounds_outward():
    x = torch.tensor([1.0, 1.0 + 2**-30, -1.0 - 2**-30, 1e-50, -1e-50, 0.0]).double()
    x[1] = 1.0 + 2**-30
    x[2] = -1.0 - 2**-30
    x[3], x[4] = 1e-50, -1e-50
    rounding = Outward(torch.float32)
    lower, upper = rounding.leave(rounding.enter(x, x))
    assert lower.dtype == upper.dtype == torch.float32
    assert (lower.double() <= x).all()
    assert (upper.double() >= x).all()
    assert lower[0] == upper[0] == 1
    assert torch.equal(torch.nextafter(lower[1:5], upper[1:5]), upper[1:5])


def test_constants_and_neighbors():
    u = unit(torch.float32)
    assert u == 2**-24
    assert gamma(10, u) >= 10 * u / (1 - 10 * u) > 10 * u
    assert gamma(2**24, u) == math.inf
    x = torch.tensor([0.0, 1.0, -1.0], dtype=torch.float64)
    assert (down(x) < x).all()
    assert (up(x) > x).all()
    assert torch.equal(up(down(x)), x)


def test_outward_bounds_have_no_gradient():
    module, x = NETWORKS["relu"](), normal(2, 6)
    lower, _ = interval_bounds(module, x, x, rounding="outward")
    assert not lower.requires_grad


@pytest.mark.parametrize(
    ("module", "far"),
    [
        (GroupRational(1, groups=1), 1e9),  # x⁵ overflows, P/Q does not
        (nn.AvgPool1d(4), 2e38),
        (Householder(2), 2e38),
        (nn.Linear(2, 1), 3e38),
        (nn.Sequential(nn.Linear(2, 2), nn.Tanh()), 3e38),
    ],
)
def test_what_may_overflow_on_the_way_is_refused(module, far):
    if isinstance(module, GroupRational):
        torch.nn.init.ones_(module.numerator)
    x = torch.full((3, 4 if isinstance(module, nn.AvgPool1d) else 2), far)
    x = x[:, :1] if isinstance(module, GroupRational) else x
    with pytest.raises(ValueError, match=r"may reach .*overflows"):
        interval_bounds(module, x, x, rounding="outward")
