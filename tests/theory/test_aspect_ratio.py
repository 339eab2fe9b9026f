"""Information in a mixture of Gaussians: polynomials, moments and a quadrature."""

import math
from fractions import Fraction
from itertools import product

import pytest
import torch

from kanlib.theory import (
    criticality,
    mutual_information,
    negentropy,
    optimal_aspect_ratio,
    optimal_variance,
)


def moment(m: int, k: int) -> Fraction:
    """E u^k of a chi-square u with m degrees of freedom."""
    return Fraction(math.prod(m + 2 * i for i in range(k)))


def power_mean(m: int, power: int) -> Fraction:
    """E L₂(u/2)^power, L₂ = [u² - 2(m+2)u + m(m+2)]/8, multiplied out."""
    polynomial = [Fraction(m * (m + 2), 8), Fraction(-2 * (m + 2), 8), Fraction(1, 8)]
    power_of = [Fraction(1)]
    for _ in range(power):
        raised = [Fraction(0)] * (len(power_of) + 2)
        for i, a in enumerate(power_of):
            for j, b in enumerate(polynomial):
                raised[i + j] += a * b
        power_of = raised
    return sum((c * moment(m, k) for k, c in enumerate(power_of)), Fraction(0))


@pytest.mark.parametrize("m", range(1, 15))
def test_negentropy_is_that_of_the_moments(m: int) -> None:
    assert power_mean(m, 1) == 0
    square, cube = negentropy(m)
    assert square == power_mean(m, 2) / 2
    assert cube == -power_mean(m, 3) / 6


def test_optimal_variance_depends_on_the_sum_alone() -> None:
    for first, second in product(range(1, 12), repeat=2):
        total = first + second
        square, cube = mutual_information(first, second)
        assert square == Fraction(first * second, 8)
        assert cube == -Fraction(first * second * (20 + 3 * total), 48)
        best = optimal_variance(first, second)
        assert best == Fraction(4, 20 + 3 * total)
        # The derivative of a·v² + b·v³ vanishes there and falls.
        assert 2 * square * best + 3 * cube * best**2 == 0
        assert 2 * square + 6 * cube * best < 0


@pytest.mark.parametrize("m", [1, 2, 5])
def test_negentropy_is_the_divergence_of_a_mixture(m: int) -> None:
    """A metric of two values, G(1 ± √v) equally often or skewed: KL by quadrature."""
    radius = torch.linspace(0, 14, 20_001, dtype=torch.float64)
    u = radius**2
    density = 2 * radius ** (m - 1) * torch.exp(-u / 2) / 2 ** (m / 2)
    density = density / math.gamma(m / 2)

    def divergence(v: float, odds: float) -> float:
        """KL(p‖q) when δ is √(v·odds) with probability 1/(1+odds), else -√(v/odds)."""
        high, low = math.sqrt(v * odds), -math.sqrt(v / odds)
        ratio = sum(
            weight * torch.exp(-m / 2 * math.log1p(delta) + u / 2 * delta / (1 + delta))
            for weight, delta in ((1 / (1 + odds), high), (odds / (1 + odds), low))
        )
        term = ratio * ratio.log() - ratio + 1
        return float(torch.trapezoid(density * term, radius))

    square, cube = map(float, negentropy(m))
    # With third cumulant v^(3/2)·(√odds - 1/√odds) made O(v²), as in a network.
    for v, tilt in ((1e-3, 0.0), (1e-3, 2.0)):
        odds = math.exp(2 * math.asinh(tilt * math.sqrt(v) / 2))
        third = (divergence(v, odds) - square * v**2) / v**3
        assert third == pytest.approx(cube, rel=0.05)


def test_optimal_aspect_ratio() -> None:
    assert optimal_aspect_ratio(2, growth=2 / 3) == pytest.approx(4 / 26 * 1.5)
    assert optimal_aspect_ratio(10, growth=5.0) == pytest.approx(4 / 250)
    assert optimal_aspect_ratio(7, 1.0) == pytest.approx(float(optimal_variance(3, 4)))
    point = criticality(torch.relu, outputs=10)
    assert point.aspect_ratio == pytest.approx(optimal_aspect_ratio(10, point.growth))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: negentropy(0), ValueError, "outputs must be at least 1"),
        (lambda: negentropy(1.5), TypeError, "outputs is a float"),
        (lambda: mutual_information(0, 3), ValueError, "first must be at least 1"),
        (lambda: optimal_variance(3, 0), ValueError, "second must be at least 1"),
        (lambda: optimal_aspect_ratio(0, 5.0), ValueError, "outputs must be at least"),
        (lambda: optimal_aspect_ratio(3, 0.0), ValueError, "growth must be finite and"),
        (lambda: optimal_aspect_ratio(3, math.nan), ValueError, "growth must be"),
    ],
)
def test_bad_input(call, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
