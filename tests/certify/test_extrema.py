"""Ranges over intervals: what a fine grid finds is inside, and reaches the ends."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import grad, vmap

from kanlib.bases import BSpline
from kanlib.certify import _extrema, interval_bounds
from kanlib.certify._spline_range import FOURTH
from kanlib.layers import GroupRational, Householder, KANLayer

FUNCTIONS = {
    "gelu": (nn.GELU(), _extrema.GELU),
    "gelu by tanh": (nn.GELU("tanh"), _extrema.GELU_TANH),
    "silu": (nn.SiLU(), _extrema.SILU),
    "mish": (nn.Mish(), _extrema.MISH),
}
finite = st.floats(-8, 8)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_minimum_is_where_it_is_said_to_be(name):
    f, dip = FUNCTIONS[name]
    place = torch.tensor(dip.place, dtype=torch.float64)
    assert abs(float(grad(f)(place))) < 1e-15
    assert float(f(place)) == pytest.approx(dip.value, rel=1e-15)
    x = torch.linspace(-40, 40, 400001, dtype=torch.float64)
    slope = vmap(grad(f))(x)
    assert (slope[x < dip.place - 1e-3] <= 0).all()
    assert (slope[x > dip.place + 1e-3] > 0).all()


class Apply(nn.Module):
    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, x):
        return self.f(x)


CASES = [f for f, _ in FUNCTIONS.values()] + [
    Apply(torch.sin),
    Apply(torch.cos),
    Apply(torch.abs),
    Apply(torch.square),
    nn.LeakyReLU(-0.4),
    nn.Softplus(2.0, 3.0),
]


@pytest.mark.parametrize("f", CASES, ids=lambda f: str(getattr(f, "f", f))[:24])
@given(ends=st.tuples(finite, finite))
@settings(max_examples=25, deadline=None)
def test_ranges_are_exact(f, ends):
    lower, upper = (torch.tensor([end], dtype=torch.float64) for end in sorted(ends))
    low, high = interval_bounds(f, lower, upper)
    y = f(torch.lerp(lower, upper, torch.linspace(0, 1, 20001, dtype=torch.float64)))
    assert y.amin() >= low - 1e-13
    assert y.amax() <= high + 1e-13
    if isinstance(f, nn.Softplus):  # a grid has no point just before its jump
        return
    # A kink between two points of the grid is missed by the grid.
    assert y.amin() - low < 1e-3
    assert high - y.amax() < 1e-3


def test_far_waves_are_whole_where_floats_are_sparse():
    f = Apply(torch.sin)
    for dtype, far in ((torch.float32, 3e8), (torch.float64, 1e17)):
        x = torch.tensor([far], dtype=dtype)
        lower, upper = interval_bounds(f, x, torch.nextafter(x, 2 * x))
        assert float(lower) == -1.0
        assert float(upper) == 1.0


@pytest.mark.parametrize("f", FOURTH, ids=lambda f: f.__name__)
def test_fourth_derivatives_are_bounded(f):
    g = f
    for _ in range(4):
        g = grad(g)
    x = torch.linspace(-40, 40, 200001, dtype=torch.float64)
    assert vmap(g)(x).abs().max() <= FOURTH[f]


def edge_layer(seed, degree, base, knots=None):
    generator = torch.Generator().manual_seed(seed)
    basis = BSpline.uniform(4, degree) if knots is None else BSpline(knots, degree)
    layer = KANLayer(1, 3, basis, base=base, generator=generator)
    return layer.double().requires_grad_(False)


@pytest.mark.parametrize("base", ["silu", "tanh", "identity", None])
@pytest.mark.parametrize("degree", [0, 1, 2, 3])
@given(seed=st.integers(0, 10**6), ends=st.tuples(*[st.floats(-3, 3)] * 2))
@settings(max_examples=12, deadline=None)
def test_an_edge_has_its_exact_range(degree, base, seed, ends):
    layer = edge_layer(seed, degree, base)
    lower, upper = (torch.tensor([end], dtype=torch.float64) for end in sorted(ends))
    low, high = interval_bounds(layer, lower, upper)
    t = torch.linspace(0, 1, 20001, dtype=torch.float64)[:, None]
    y = layer(torch.lerp(lower, upper, t))
    assert (y.amin(0) >= low - 1e-12).all()
    assert (y.amax(0) <= high + 1e-12).all()
    # What the base's interpolant misses, and at jumps the value on their other side.
    if degree:
        assert (y.amin(0) - low <= 4e-3).all()
        assert (high - y.amax(0) <= 4e-3).all()


def test_repeated_knots_and_masks():
    layer = edge_layer(3, 3, "silu", (-1, -1, -1, -1, 0, 0, 0.5, 1, 1, 1, 1))
    layer.mask[1] = False
    x = torch.tensor([-1.5]).double(), torch.tensor([1.2]).double()
    low, high = interval_bounds(layer, *x)
    y = layer(torch.linspace(-1.5, 1.2, 50001, dtype=torch.float64)[:, None])
    assert (y.amin(0) >= low).all()
    assert (y.amax(0) <= high).all()
    assert low[1] == high[1] == 0
    assert ((high - low)[[0, 2]] <= (y.amax(0) - y.amin(0))[[0, 2]] * 1.02 + 1e-3).all()
    with pytest.raises(NotImplementedError, match="jumps"):
        interval_bounds(layer, *x, rounding="outward")


@pytest.mark.parametrize("form", ["A", "B"])
@given(seed=st.integers(0, 10**6), ends=st.tuples(finite, finite))
@settings(max_examples=25, deadline=None)
def test_a_rational_function_has_nearly_its_range(form, seed, ends):
    f = GroupRational(1, groups=1, form=form).double().requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    f.numerator.normal_(generator=generator)
    f.denominator.normal_(generator=generator)
    lower, upper = (torch.tensor([end], dtype=torch.float64) for end in sorted(ends))
    low, high = interval_bounds(f, lower, upper)
    t = torch.linspace(0, 1, 20001, dtype=torch.float64)[:, None]
    y = f(torch.lerp(lower, upper, t))
    assert (y.amin(0) >= low - 1e-11).all()
    assert (y.amax(0) <= high + 1e-11).all()


def test_a_rational_function_gets_exact_as_the_box_shrinks():
    f = GroupRational(1, groups=1).double().requires_grad_(False)
    f.numerator.copy_(torch.tensor([[1.0, -2, 0.5, 1, 0, 0.2]]))
    f.denominator.copy_(torch.tensor([[0.5, 0.1, 1, 0.3]]))
    over, t = [], torch.linspace(-1, 1, 4001, dtype=torch.float64)[:, None]
    for radius in (0.4, 0.2, 0.1, 0.025):
        x = torch.tensor([0.6], dtype=torch.float64)
        low, high = interval_bounds(f, x - radius, x + radius)
        y = f(x + radius * t)
        over.append(float((high - low) / (y.amax() - y.amin())) - 1)
    assert over[0] < 2e-3
    assert over[-1] < 1e-12


@pytest.mark.parametrize("size", [1, 2, 3])
@given(seed=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_householder_has_its_exact_range(size, seed):
    generator = torch.Generator().manual_seed(seed)
    layer = Householder(size, size, generator=generator).double().requires_grad_(False)
    center = torch.randn(size, generator=generator).double() * 0.5
    radius = torch.rand(size, generator=generator).double()
    low, high = interval_bounds(layer, center - radius, center + radius)
    axes = [torch.linspace(-1, 1, 41, dtype=torch.float64)] * size
    grid = torch.cartesian_prod(*axes).view(-1, size)
    y = layer(center + radius * grid)
    assert (y.amin(0) >= low - 1e-12).all()
    assert (y.amax(0) <= high + 1e-12).all()
    assert ((high - low) <= (y.amax(0) - y.amin(0)) + 0.1 * radius.max()).all()


def test_nan_stays_nan():
    nan = torch.full((2,), math.nan)
    for low, high in (
        _extrema.dip_range(F.silu, nan, nan, _extrema.SILU),
        _extrema.vee_range(torch.abs, nan, nan),
        _extrema.abs_range(nan, nan),
        _extrema.wave_range(torch.sin, nan, nan, 0.0),
    ):
        assert low.isnan().all()
        assert high.isnan().all()
