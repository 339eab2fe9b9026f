"""Every family through every law, and each against its own formula."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kanlib.bases import (
    BSpline,
    Chebyshev,
    Fourier,
    GaussianRBF,
    ReLUBump,
    Wavelet,
    fit_coefficients,
)
from kanlib.testing import BASIS_LAWS

ROWS = BSpline([BSpline.uniform(3, 2).knots, (0, 0, 0, 0.4, 0.5, 1, 1, 2)], 2)
BASES = [
    *(
        BSpline.uniform(g, d, (-1, 2))
        for g, d in [(1, 0), (4, 0), (3, 1), (1, 3), (5, 3)]
    ),
    BSpline((0, 0, 0, 0, 0.3, 0.3, 0.5, 1, 1, 1, 1), 3),
    BSpline.uniform(12, 5, (0.0, 1e-2)),
    ROWS,
    *(GaussianRBF.uniform(size, (-2, 2)) for size in (2, 8)),
    GaussianRBF((-1.0, -0.7, 0.1, 3.0), 0.9),
    *(Chebyshev.uniform(size) for size in (1, 2, 12)),
    Chebyshev.uniform(5, (3.0, 3.5)),
    *(Fourier.uniform(size) for size in (1, 2, 9)),
    Fourier(8, (0.0, 10.0), stretch=1.0),
    *(Wavelet.uniform(size, (-2, 2)) for size in (2, 8)),
    *(ReLUBump.uniform(g, d) for g, d in [(1, 0), (5, 3)]),
    *(ReLUBump(4, 2, (0.0, 3.0), power) for power in (1, 3)),
]
ONE_OF_EACH = [
    BSpline.uniform(5),
    ROWS,
    GaussianRBF.uniform(8),
    Chebyshev.uniform(8),
    Fourier.uniform(8),
    Wavelet.uniform(8),
    ReLUBump.uniform(5),
]


def one_name(basis):
    return type(basis).__name__


def some_points(basis, dtype=torch.float64):
    low, high = basis.domain
    x = torch.linspace(low + 1e-3, high - 2e-3, 14, dtype=dtype)
    return x.reshape(7, 2)


@pytest.mark.parametrize("law", BASIS_LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("basis", BASES, ids=str)
def test_obeys(basis, law):
    law(basis)


@pytest.mark.parametrize("basis", [*ONE_OF_EACH, ReLUBump(3, 1, (0.0, 1.0), power=3)])
def test_derivatives_of_any_order_follow_from_autograd(basis):
    x = some_points(basis).requires_grad_()
    weights = torch.cos(torch.arange(basis.size, dtype=torch.float64))
    for n in range(7):
        values = basis(x, derivative=n) @ weights
        slope = basis(x, derivative=n + 1) @ weights
        if values.requires_grad:
            (found,) = torch.autograd.grad(values.sum(), x, materialize_grads=True)
        else:
            found = torch.zeros_like(x)
        scale = max(1.0, slope.abs().max().item())
        assert (found - slope).abs().max() < 1e-11 * scale


@pytest.mark.parametrize("basis", ONE_OF_EACH, ids=one_name)
def test_exports(basis):
    class Wrapped(torch.nn.Module):
        def forward(self, x):
            return basis(x), basis(x, derivative=1)

    x = some_points(basis, torch.float32)
    program = torch.export.export(Wrapped(), (x,), strict=False).module()
    other = x.flip(0).contiguous()
    for found, expected in zip(program(other), Wrapped()(other), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("basis", ONE_OF_EACH, ids=one_name)
def test_half_precision_is_evaluated_in_float32(basis, dtype):
    x = some_points(basis, dtype)
    for n in (0, 1):
        found = basis(x, derivative=n)
        assert torch.equal(found, basis(x.float(), derivative=n).to(dtype))


@pytest.mark.parametrize("basis", ONE_OF_EACH, ids=one_name)
def test_stays_on_the_device_of_x(basis):
    value = basis(torch.empty(3, 2, device="meta"), derivative=1)
    assert value.device.type == "meta"
    assert value.shape == (3, 2, basis.size)


@pytest.mark.parametrize(
    "make",
    [GaussianRBF.uniform, Chebyshev.uniform, Fourier.uniform, Wavelet.uniform],
    ids=lambda make: make.__self__.__name__,
)
def test_uniform_takes_size_and_domain(make):
    basis = make(7, (-0.5, 2))
    assert basis.size == 7
    assert basis.domain == (-0.5, 2.0)
    assert basis.smoothness == math.inf
    assert make(7).domain == (-1.0, 1.0)


def test_gaussians_are_their_formula_and_end_in_zero():
    basis = GaussianRBF((-1.0, 0.0, 2.0), 0.7)
    x = torch.linspace(-3, 3, 50, dtype=torch.float64)
    u = (x[:, None] - torch.tensor(basis.centers, dtype=torch.float64)) / 0.7
    value = torch.exp(-u.square())
    assert (basis(x) - value).abs().max() < 1e-15
    assert (basis(x, derivative=1) + 2 * u * value / 0.7).abs().max() < 1e-14
    far = torch.tensor([-math.inf, -1e200, 1e200, math.inf], dtype=torch.float64)
    for n in range(4):
        assert torch.equal(basis(far, derivative=n), torch.zeros(4, 3).double())


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(1, 12), st.integers(0, 4), st.floats(-2, 2))
def test_chebyshev_equals_numpy_inside_and_outside(size, n, u):
    basis = Chebyshev.uniform(size, (-3.0, 5.0))
    found = basis(torch.tensor(1 + 4 * u, dtype=torch.float64), derivative=n)
    for k in range(size):
        series = np.polynomial.Chebyshev.basis(k, domain=[-3, 5]).deriv(n)
        expected = series(1 + 4 * u)
        assert abs(found[k].item() - expected) < 1e-10 * max(1, abs(expected))


def test_chebyshev_is_a_cosine_in_disguise():
    theta = torch.linspace(0, math.pi, 40, dtype=torch.float64)
    waves = torch.cos(theta[:, None] * torch.arange(9))
    assert (Chebyshev.uniform(9)(theta.cos()) - waves).abs().max() < 1e-13


@pytest.mark.parametrize("stretch", [1.0, 2.0, 2.5])
def test_fourier_is_its_formula_and_repeats(stretch):
    basis = Fourier(6, (1.0, 4.0), stretch)
    x = torch.linspace(-2, 7, 50, dtype=torch.float64)
    theta = 2 * math.pi * (x - 2.5) / (3 * stretch)
    waves = [theta.cos() * 0 + 1, theta.sin(), theta.cos(), (2 * theta).sin()]
    waves = torch.stack([*waves, (2 * theta).cos(), (3 * theta).sin()], -1)
    assert (basis(x) - waves).abs().max() < 1e-14
    assert (basis(x + 3 * stretch) - basis(x)).abs().max() < 1e-13
    four = -((2 * math.pi / (3 * stretch)) ** 2)
    assert (basis(x, derivative=2)[:, 1] - four * theta.sin()).abs().max() < 1e-13


def test_fourier_meets_a_ramp_without_a_jump_only_when_stretched():
    x = torch.linspace(-1, 1, 200, dtype=torch.float64)
    free = fit_coefficients(Fourier.uniform(9), x, x).residual
    tied = fit_coefficients(Fourier(9, stretch=1.0), x, x).residual
    assert free < 1e-3 < 0.1 < tied


def test_wavelets_have_peak_one_and_two_vanishing_moments():
    basis = Wavelet((0.0, 1.0), 0.3)
    assert torch.equal(basis(torch.tensor([0.0, 1.0])).diagonal(), torch.ones(2))
    x = torch.linspace(-6, 7, 20001, dtype=torch.float64)
    u = (x - 1) / 0.3
    assert (basis(x)[:, 1] - (1 - u**2) * torch.exp(-(u**2) / 2)).abs().max() < 1e-14
    assert torch.trapezoid(basis(x), x, dim=0).abs().max() < 1e-12
    assert torch.trapezoid(x[:, None] * basis(x), x, dim=0).abs().max() < 1e-12
    assert torch.equal(basis(torch.tensor([math.inf])), torch.zeros(1, 2))


@pytest.mark.parametrize(("intervals", "degree"), [(1, 0), (5, 3), (7, 2)])
def test_bumps_are_two_ramps_multiplied_and_squared(intervals, degree):
    basis = ReLUBump.uniform(intervals, degree, (0.0, 1.0))
    x = torch.linspace(-1.5, 2.5, 301, dtype=torch.float64)
    start = (torch.arange(basis.size, dtype=torch.float64) - degree) / intervals
    end = start + (degree + 1) / intervals
    r = 4 * intervals**2 / (degree + 1) ** 2
    ramps = torch.relu(x[:, None] - start) * torch.relu(end - x[:, None])
    assert (basis(x) - (r * ramps) ** 2).abs().max() < 1e-13
    assert torch.equal((basis(x) > 0) | (ramps < 1e-12), torch.ones_like(ramps) > 0)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(1, 12), st.integers(0, 5), st.integers(1, 4), st.floats(-5, 5))
def test_bumps_have_peak_one_in_the_middle_of_their_support(g, d, power, a):
    basis = ReLUBump(g, d, (a, a + 3), power)
    edges = torch.tensor(basis.breakpoints, dtype=torch.float64)
    middles = (edges[: basis.size] + edges[d + 1 :]) / 2
    assert (basis(middles).diagonal() - 1).abs().max() < 1e-12
    assert basis(middles).max() <= 1
    assert basis(edges[: basis.size]).diagonal().abs().max() < 1e-12**power
    assert basis.smoothness == power - 1


NAN = math.nan
BAD = [
    (lambda: GaussianRBF((0.0,), 1.0), "centers must be 2 or more finite, increasing"),
    (lambda: GaussianRBF((0.0, 0.0), 1.0), "centers must be 2 or more"),
    (lambda: GaussianRBF((0.0, NAN), 1.0), "centers must be 2 or more"),
    (lambda: GaussianRBF((0.0, math.inf), 1.0), "centers must be 2 or more"),
    (lambda: GaussianRBF((0.0, 1.0), 0.0), "width must be finite and above 0"),
    (lambda: GaussianRBF.uniform(1), "size must be at least 2"),
    (lambda: GaussianRBF.uniform(3, (1.0, 0.0)), "domain must be two finite"),
    (lambda: Wavelet((1.0, 0.0), 1.0), "centers must be 2 or more"),
    (lambda: Wavelet((0.0, 1.0), NAN), "scale must be finite and above 0"),
    (lambda: Wavelet.uniform(0), "size must be at least 2"),
    (lambda: Chebyshev.uniform(0), "size must be at least 1"),
    (lambda: Chebyshev.uniform(3, (0.0, NAN)), "domain must be two finite"),
    (lambda: Chebyshev.uniform(3, (0.0, 1.0, 2.0)), "domain must be two finite"),
    (lambda: Fourier.uniform(0), "size must be at least 1"),
    (lambda: Fourier(3, (2.0, 2.0)), "domain must be two finite"),
    (lambda: Fourier(3, stretch=0.5), "stretch must be finite and at least 1"),
    (lambda: Fourier(3, stretch=NAN), "stretch must be finite and at least 1"),
    (lambda: ReLUBump.uniform(0), "intervals must be at least 1"),
    (lambda: ReLUBump.uniform(3, -1), "degree must be at least 0"),
    (lambda: ReLUBump(3, power=0), "power must be at least 1"),
    (lambda: ReLUBump.uniform(3, 3, (1.0, 0.0)), "domain must be two finite"),
]


@pytest.mark.parametrize(("call", "words"), BAD)
def test_bad_numbers_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("basis", ONE_OF_EACH, ids=one_name)
def test_prints_as_one_short_line_whatever_its_size(basis):
    large = type(basis).uniform(40)
    assert len(str(large)) < 80
    assert "40" in str(large)
    assert str(large).startswith(one_name(basis))


def test_numbers_of_any_kind_make_equal_values():
    plain = GaussianRBF((0.0, 1.0), 2.0), Wavelet((0.0, 1.0), 2.0)
    centers, two = torch.tensor([0.0, 1.0]), np.float32(2)
    other = GaussianRBF(centers, torch.tensor(2.0)), Wavelet(centers, two)
    assert other == plain
    assert list(map(repr, other)) == list(map(repr, plain))
    assert repr(Fourier(3, [0, 1], np.int64(2))) == repr(Fourier(3, (0.0, 1.0), 2.0))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: GaussianRBF(0.5, 1.0), "GaussianRBF: centers is 0.5; expected a seq"),
        (lambda: GaussianRBF((0.0, 1.0), "1"), "GaussianRBF: width is a str; expected"),
        (lambda: Wavelet(("a", "b"), 1.0), "Wavelet: centers is .*; expected a seq"),
        (lambda: Wavelet((0.0, 1.0), None), "Wavelet: scale is a NoneType; expected"),
        (lambda: Chebyshev(3, None), "Chebyshev: domain is None; expected a sequence"),
        (lambda: Fourier(3, stretch="2"), "Fourier: stretch is a str; expected a real"),
        (lambda: ReLUBump.uniform(3, 3, 1.0), "ReLUBump: domain is 1.0; expected a se"),
        (lambda: BSpline.uniform(3, 3, 1.0), "BSpline.uniform: domain is 1.0; expect"),
    ],
)
def test_what_is_no_number_is_refused(call, words):
    with pytest.raises(TypeError, match=words):
        call()


@pytest.mark.parametrize("family", [GaussianRBF, Chebyshev, Fourier, Wavelet])
def test_a_fractional_size_is_refused(family):
    with pytest.raises(TypeError, match="size is a float"):
        family.uniform(2.5)


@pytest.mark.parametrize("basis", ONE_OF_EACH, ids=one_name)
def test_what_is_no_tensor_is_refused(basis):
    with pytest.raises(TypeError, match=f"{one_name(basis)}: x is a float"):
        basis(0.5)
    with pytest.raises(TypeError, match=f"{one_name(basis)}: x has dtype complex"):
        basis(torch.zeros(2, dtype=torch.complex64))
    with pytest.raises(TypeError, match="derivative is a float"):
        basis(torch.zeros(2), derivative=1.0)
