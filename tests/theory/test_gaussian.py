import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from kanlib._errors import DidNotConverge
from kanlib.theory import derivative, gaussian_mean, gaussian_mean_pair

VARIANCES = [1e-6, 0.3, 1.0, 14.0, 1e3]


def covariance(a: float, d: float, correlation: float) -> torch.Tensor:
    b = correlation * math.sqrt(a * d)
    return torch.tensor([[a, b], [b, d]], dtype=torch.float64)


@pytest.mark.parametrize("variance", VARIANCES)
@pytest.mark.parametrize("power", [0, 2, 4, 8])
def test_moments(variance: float, power: int) -> None:
    expected = math.prod(range(1, power, 2)) * variance ** (power / 2)
    assert gaussian_mean(lambda z: z**power, variance) == pytest.approx(
        expected, rel=1e-12
    )


@pytest.mark.parametrize("variance", VARIANCES)
def test_closed_forms(variance: float) -> None:
    K = variance
    cases = [
        (torch.relu, math.sqrt(K / (2 * math.pi))),
        (lambda z: torch.sin(z) ** 2, (1 - math.exp(-2 * K)) / 2),
        (lambda z: torch.erf(z) ** 2, 2 / math.pi * math.asin(2 * K / (1 + 2 * K))),
        # a jump and a kink away from 0
        (lambda z: (z.abs() < 1).double(), math.erf(1 / math.sqrt(2 * K))),
        (lambda z: (z > 0).double(), 0.5),
        (
            lambda z: torch.relu(z.abs() - 2),
            math.sqrt(2 * K / math.pi) * math.exp(-2 / K)
            - 2 * math.erfc(2 / math.sqrt(2 * K)),
        ),
    ]
    for f, expected in cases:
        # The last case subtracts nearly equal numbers, for small K.
        assert gaussian_mean(f, K) == pytest.approx(expected, rel=3e-12, abs=1e-15)


def test_tails_that_count_are_followed() -> None:
    # E exp(z) = exp(K/2) has its mass at z = K: 14 standard deviations at K = 200.
    for K in (1.0, 100.0, 200.0):
        assert gaussian_mean(torch.exp, K) == pytest.approx(math.exp(K / 2), rel=1e-11)


@given(st.floats(-8, 8), st.floats(-2, 2), st.floats(-2, 2))
@settings(max_examples=25, deadline=None)
def test_mean_is_linear_and_even(log_variance: float, a: float, b: float) -> None:
    K = math.exp(log_variance)
    both = gaussian_mean(lambda z: a * F.gelu(z) + b * torch.tanh(z) ** 2, K)
    apart = a * gaussian_mean(F.gelu, K) + b * gaussian_mean(
        lambda z: torch.tanh(z) ** 2, K
    )
    assert both == pytest.approx(apart, rel=1e-10, abs=1e-11)
    assert gaussian_mean(lambda z: F.gelu(-z), K) == pytest.approx(
        gaussian_mean(F.gelu, K), rel=1e-12
    )


def test_zero_variance_is_the_value_at_zero() -> None:
    assert gaussian_mean(torch.cos, 0.0) == 1
    assert gaussian_mean(lambda z: z.abs(), 0) == 0


@pytest.mark.parametrize(
    ("f", "variance", "message"),
    [
        (torch.tanh, -1.0, "variance must be"),
        (torch.tanh, math.nan, "variance must be"),
        (torch.exp, 1e4, r"f\(z\) has NaN or infinite"),
        (lambda z: torch.where(z > 50, z - z / 0, z), 1e3, r"f\(z\) has NaN or inf"),
        (derivative(lambda z: torch.where(z < 100, z, z.exp().exp())), 90.0, "has NaN"),
        (lambda z: torch.exp(z**2 / 2 - z.abs().sqrt()), 1.0, "grows too fast"),
        (lambda z: z.cumsum(0), 1.0, "f is not elementwise"),
    ],
)
def test_means_that_do_not_exist_are_refused(f, variance, message) -> None:
    with pytest.raises(ValueError, match=message):
        gaussian_mean(f, variance)


def test_tolerance() -> None:
    with pytest.raises(ValueError, match="tolerance must be"):
        gaussian_mean(torch.tanh, 1.0, tolerance=0.0)

    # Single precision inside: fine up to its rounding, an error beyond.
    def rough(z):
        return torch.tanh(z.float()).double() ** 2

    exact = gaussian_mean(lambda z: torch.tanh(z) ** 2, 1.0)
    assert gaussian_mean(rough, 1.0, tolerance=1e-4) == pytest.approx(exact, rel=1e-6)
    with pytest.raises(DidNotConverge, match="float32 inside"):
        gaussian_mean(rough, 1.0)
    with pytest.raises(DidNotConverge, match="singular"):
        gaussian_mean(lambda z: 1 / z.abs(), 1.0)


CORRELATIONS = [-1.0, -0.999999, -0.4, 0.0, 0.7, 0.9999, 1 - 1e-12, 1.0]


@pytest.mark.parametrize("correlation", CORRELATIONS)
@pytest.mark.parametrize(("a", "d"), [(1.0, 1.0), (0.2, 3.0), (1e-4, 200.0)])
def test_pairs_have_their_closed_forms(a: float, d: float, correlation: float) -> None:
    matrix = covariance(a, d, correlation)
    b = float(matrix[0, 1])
    det = max(0.0, a * d - b * b)
    theta = math.atan2(math.sqrt(det), b)
    scale = math.sqrt(a * d)
    cases = [
        # arc-cosine kernels of order 1 and 0
        (
            torch.relu,
            scale
            * (math.sin(theta) + (math.pi - theta) * math.cos(theta))
            / 2
            / math.pi,
        ),
        (lambda z: (z > 0).double(), (math.pi - theta) / (2 * math.pi)),
        (torch.sign, 1 - 2 * theta / math.pi),
        (
            torch.erf,
            2 / math.pi * math.asin(2 * b / math.sqrt((1 + 2 * a) * (1 + 2 * d))),
        ),
        (lambda z: z**2, a * d + 2 * b * b),
    ]
    for f, expected in cases:
        mean = float(gaussian_mean_pair(f, f, matrix))
        assert mean == pytest.approx(expected, rel=1e-9, abs=1e-10 * scale + 1e-12)


def test_pair_of_oscillating_functions() -> None:
    matrix = covariance(2.0, 3.0, 0.6)
    b = float(matrix[0, 1])
    expected = math.exp(-2.5) * math.sinh(b)
    assert float(gaussian_mean_pair(torch.sin, torch.sin, matrix)) == pytest.approx(
        expected, rel=1e-9
    )
    # E sin z₁ cos z₂ = 0, E cos z₁ cos z₂ = e^(−5/2) cosh b, E z₁ sin z₂ = b e^(−3/2)
    mixed = gaussian_mean_pair(torch.sin, torch.cos, matrix)
    assert float(mixed) == pytest.approx(0, abs=1e-11)
    even = gaussian_mean_pair(torch.cos, torch.cos, matrix)
    assert float(even) == pytest.approx(math.exp(-2.5) * math.cosh(b), rel=1e-9)
    line = gaussian_mean_pair(lambda z: z, torch.sin, matrix)
    assert float(line) == pytest.approx(b * math.exp(-1.5), rel=1e-9)


@pytest.mark.parametrize("correlation", [-0.8, 0.3, 0.99])
def test_pair_with_kinks_away_from_zero(correlation: float) -> None:
    # Price: d/db E f(z₁) f(z₂) = E f'(z₁) f'(z₂), and f' of hardtanh is a box, whose
    # mean over a line of z₁ is a difference of normal distribution functions.
    step = 1e-3
    means = gaussian_mean_pair(
        F.hardtanh,
        F.hardtanh,
        torch.stack([covariance(1.5, 0.9, correlation + k * step) for k in (-1, 1)]),
    )
    slope = float(means[1] - means[0]) / (2 * step * math.sqrt(1.5 * 0.9))
    a, d = 1.5, 0.9
    ratio = correlation * math.sqrt(d / a)
    spread = math.sqrt(d * (1 - correlation**2) * 2)

    def inner(z):
        share = torch.erf((1 - ratio * z) / spread) + torch.erf(
            (1 + ratio * z) / spread
        )
        return (z.abs() < 1) * share / 2

    assert slope == pytest.approx(gaussian_mean(inner, a), rel=2e-4)
    box = gaussian_mean_pair(
        derivative(F.hardtanh), derivative(F.hardtanh), covariance(a, d, correlation)
    )
    assert float(box) == pytest.approx(gaussian_mean(inner, a), rel=1e-9)


def test_equal_inputs_are_one_input() -> None:
    for f in (F.gelu, F.hardtanh, torch.relu):
        both = float(gaussian_mean_pair(f, f, covariance(2.0, 2.0, 1.0)))
        assert both == pytest.approx(gaussian_mean(lambda z, f=f: f(z) ** 2, 2.0))


def test_variance_zero_in_a_pair() -> None:
    matrix = torch.tensor([[0.0, 0.0], [0.0, 2.0]], dtype=torch.float64)
    mean = gaussian_mean_pair(torch.cos, torch.cos, matrix)
    assert float(mean) == pytest.approx(math.exp(-1))
    nothing = gaussian_mean_pair(torch.cos, torch.cos, torch.zeros_like(matrix))
    assert float(nothing) == pytest.approx(1)


def test_pairs_in_batches() -> None:
    grid = [[covariance(1.0, 2.0, c / 4) for c in (-2, 0, 3)] for _ in range(2)]
    batch = torch.stack([torch.stack(row) for row in grid])
    means = gaussian_mean_pair(torch.tanh, F.gelu, batch)
    assert means.shape == (2, 3)
    alone = gaussian_mean_pair(torch.tanh, F.gelu, batch[1, 2])
    assert float(means[1, 2]) == pytest.approx(float(alone), rel=1e-10)
    assert gaussian_mean_pair(torch.tanh, F.gelu, batch[:, :0]).shape == (2, 0)
    # swapping the functions is swapping the inputs
    swapped = gaussian_mean_pair(F.gelu, torch.tanh, batch.flip(-1, -2))
    torch.testing.assert_close(means, swapped, rtol=1e-10, atol=1e-12)
    single = gaussian_mean_pair(torch.tanh, F.gelu, batch[1, 2].float())
    assert single.dtype == torch.float64
    assert float(single) == pytest.approx(float(alone), rel=1e-5)


@pytest.mark.parametrize(
    ("matrix", "error", "message"),
    [
        ([[1.0, 2.0], [2.0, 1.0]], ValueError, "not symmetric positive semidefinite"),
        ([[1.0, 0.2], [0.1, 1.0]], ValueError, "not symmetric positive semidefinite"),
        ([[-1.0, 0.0], [0.0, 1.0]], ValueError, "not symmetric positive semidefinite"),
        ([[math.nan, 0.0], [0.0, 1.0]], ValueError, "NaN or infinite"),
        ([1.0, 2.0], ValueError, "covariance has shape"),
        ([[1, 0], [0, 1]], TypeError, "covariance has dtype"),
    ],
)
def test_bad_covariance_is_refused(matrix, error, message) -> None:
    with pytest.raises(error, match=message):
        gaussian_mean_pair(torch.tanh, torch.tanh, torch.tensor(matrix))


def test_bad_pair_of_functions_is_refused() -> None:
    matrix = covariance(1.0, 1.0, 0.5)
    with pytest.raises(ValueError, match="g is not elementwise"):
        gaussian_mean_pair(torch.tanh, lambda z: z.cumsum(0), matrix)
    with pytest.raises(ValueError, match=r"f\(z\) has NaN"):
        gaussian_mean_pair(torch.log, torch.tanh, matrix)
    with pytest.raises(ValueError, match="NaN or infinite"):
        gaussian_mean_pair(lambda z: torch.exp(z**2), torch.tanh, 9e3 * matrix)
