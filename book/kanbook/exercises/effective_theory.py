"""Properties for the three exercises of the chapter on effective theory."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from kanbook.exercises import Exercise, Property
from kanlib.theory import gaussian_mean

Answer = Callable[..., Any]
VARIANCES = (0.05, 0.7, 1.0, 3.5)


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# 1. derive: all means of the sine


def _four(answer: Answer, K: float) -> list[float]:
    """Return the answer's four numbers at K."""
    result = answer(K)
    many = len(result) if isinstance(result, tuple | list) else type(result).__name__
    assert many == 4, f"For K = {K} expected four numbers, got {many}."
    numbers = [float(value) for value in result]
    assert all(map(math.isfinite, numbers)), f"For K = {K} a number is not finite."
    return numbers


def _returns_four(answer: Answer) -> None:
    _four(answer, 1.0)


def _mean_matches(
    which: int, name: str, wanted: Callable[[float], float]
) -> Callable[[Answer], None]:
    def test(answer: Answer) -> None:
        for K in VARIANCES:
            gap = abs(_four(answer, K)[which] - wanted(K))
            assert gap <= 1e-9, f"For {name} at K = {K} the answer is off by {gap:.1e}."

    return test


def _square(K: float) -> float:
    return gaussian_mean(lambda z: torch.sin(z) ** 2, K)


def _spread(K: float) -> float:
    return gaussian_mean(lambda z: torch.sin(z) ** 4, K) - _square(K) ** 2


def _parallel(K: float) -> float:
    moment = gaussian_mean(lambda z: torch.sin(z) ** 2 * (z**2 - K), K)
    return moment / (2 * K**2)


def _perpendicular(K: float) -> float:
    return gaussian_mean(lambda z: torch.cos(z) ** 2, K)


# 2. code: the metric of several inputs, without weights


def _matrix() -> Tensor:
    return torch.tensor([[1.0, 0.4, -0.3], [0.4, 0.8, 0.1], [-0.3, 0.1, 1.2]]).double()


def _metrics(answer: Answer, start: Tensor, L: int, n: int, networks: int) -> Tensor:
    """Return the answer for a linear network with C_b = 0.1 and C_W = 0.9."""
    found = answer(lambda z: z, start.clone(), L, 0.1, 0.9, n, networks, _seeded(n))
    shape = (L, networks, *start.shape)
    got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
    assert got == shape, (
        f"For {len(start)} inputs, {L} layers and {networks} networks expected a "
        f"tensor of shape {shape}, got {got}."
    )
    return found


def _has_layers(answer: Answer) -> None:
    for size in (1, 3):
        _metrics(answer, _matrix()[:size, :size], 4, 5, 7)


def _starts_fixed(answer: Answer) -> None:
    gap = (_metrics(answer, _matrix(), 2, 5, 7)[0] - _matrix()).abs().max().item()
    assert gap < 1e-12, f"The metric of layer 1 differs from `start` by {gap:.1e}."


def _is_covariance(answer: Answer) -> None:
    found = _metrics(answer, _matrix(), 4, 5, 50)
    gap = (found - found.mT).abs().max().item()
    assert gap < 1e-12, f"For 3 inputs a metric is off its transpose by {gap:.1e}."
    least = torch.linalg.eigvalsh(found.double()).min().item()
    assert least > -1e-9, f"For 3 inputs a metric has the eigenvalue {least:.1e}."


def _mean_of_layer(answer: Answer) -> None:
    found = _metrics(answer, _matrix(), 3, 16, 4000).double()
    wanted = _matrix()
    for layer in (1, 2):
        wanted = 0.1 + 0.9 * wanted
        gap = (found[layer].mean(0) - wanted).abs().max().item()
        assert gap < 0.06, (
            f"For a linear network the mean metric of layer {layer + 1} over 4000 "
            f"networks of width 16 is off by {gap:.2f}."
        )


def _spread_of_layer(answer: Answer) -> None:
    start, n = _matrix(), 16
    found = _metrics(answer, start, 2, n, 4000)[1].double()
    # A Wishart matrix: n Var S_ab = C_W² (K_aa K_bb + K_ab²).
    wanted = 0.81 * (torch.outer(start.diagonal(), start.diagonal()) + start**2)
    gap = (n * found.var(0) / wanted - 1).abs().max().item()
    assert gap < 0.2, (
        f"For a linear network of width 16 the variance of a metric's entry in layer 2 "
        f"is off by {gap:.0%}. Is the metric a mean over n neurons?"
    )


def _takes_equal_inputs(answer: Answer) -> None:
    start = torch.ones(2, 2, dtype=torch.float64)
    found = _metrics(answer, start, 3, 8, 20)
    gap = (found - found[..., :1, :1]).abs().max().item()
    assert gap < 1e-6, (
        f"For two equal inputs, start = [[1, 1], [1, 1]], the four entries of a metric "
        f"should be equal; they differ by {gap:.1e}."
    )


# 3. break: a zero fixed point that repels


def _values(answer: Answer, z: Tensor) -> Tensor:
    found = answer(z)
    same = isinstance(found, Tensor) and found.shape == z.shape
    assert same, f"For a tensor z of shape {tuple(z.shape)} expected one like it."
    return found


def _is_bounded(answer: Answer) -> None:
    z = torch.linspace(-50, 50, 20_001, dtype=torch.float64)
    largest = _values(answer, z).abs().max().item()
    assert largest <= 10, f"Between -50 and 50 the largest magnitude is {largest:.3g}."


def _is_smooth(answer: Answer) -> None:
    z = torch.linspace(-5, 5, 4001, dtype=torch.float64)
    third = _values(answer, z).diff(n=3) / (z[1] - z[0]) ** 3
    jump = third.diff().abs().max().item()
    assert jump < 5, (
        f"Between -5 and 5 the third derivative jumps by {jump:.3g} within 0.0025."
    )


def _passes_origin(answer: Answer) -> None:
    z = torch.tensor([-1e-4, 0.0, 1e-4], dtype=torch.float64)
    left, middle, right = _values(answer, z).tolist()
    slope = (right - left) / 2e-4
    assert abs(middle) < 1e-12, f"At z = 0 its value is {middle:.3g}."
    assert abs(slope - 1) < 1e-6, f"At z = 0 its slope is {slope:.6f}."


def _grows(answer: Answer) -> None:
    K = 0.05
    for _ in range(20):
        K = gaussian_mean(lambda z: _values(answer, z) ** 2, K, tolerance=1e-8)
    assert K > 0.1, f"From K = 0.05 the signal has K = {K:.3g} after twenty layers."


EXERCISES = (
    Exercise(
        1,
        "derive",
        ("K",),
        (
            Property("four numbers", _returns_four),
            Property("g is the mean of the square", _mean_matches(0, "g", _square)),
            Property(
                "the second is the variance of the square",
                _mean_matches(1, "the variance of the square", _spread),
            ),
            Property(
                "the third is the derivative of g",
                _mean_matches(2, "the parallel susceptibility", _parallel),
            ),
            Property(
                "the fourth is the mean square of the slope",
                _mean_matches(3, "the perpendicular susceptibility", _perpendicular),
            ),
        ),
    ),
    Exercise(
        2,
        "code",
        ("sigma", "start", "L", "C_b", "C_W", "n", "networks", "generator"),
        (
            Property("one matrix a layer and a network", _has_layers),
            Property("layer 1 is not random", _starts_fixed),
            Property("each metric is a covariance", _is_covariance),
            Property("its mean follows the recursion", _mean_of_layer),
            Property("its spread is that of n neurons", _spread_of_layer),
            Property("inputs may coincide", _takes_equal_inputs),
        ),
    ),
    Exercise(
        3,
        "break",
        ("z",),
        (
            Property("its magnitude is at most 10", _is_bounded),
            Property("it is smooth", _is_smooth),
            Property("it passes the origin with slope 1", _passes_origin),
            Property("a small signal grows", _grows),
        ),
    ),
)
