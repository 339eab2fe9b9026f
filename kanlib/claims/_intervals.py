"""Confidence intervals from a handful of runs, exact and without SciPy."""

import math
from collections.abc import Sequence


def student_quantile(freedom: int, confidence: float = 0.95) -> float:
    """The t with P(|T| <= t) = confidence, for Student's T with whole `freedom`.

    The two-sided probability is a finite trigonometric sum for whole degrees of
    freedom; it is inverted by bisection in the angle, to 1e-13 relative.

    Args:
        freedom: degrees of freedom, at least 1.
        confidence: two-sided probability, above 0 and below 1.

    Returns:
        The quantile.

    Example:
        >>> round(student_quantile(4), 4)
        2.7764
    """
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        if _two_sided(middle, freedom) < confidence:
            low = middle
        else:
            high = middle
    return math.sqrt(freedom) * math.tan((low + high) / 2)


def _two_sided(angle: float, freedom: int) -> float:
    """P(|T| <= sqrt(freedom) tan(angle)) as a finite sum."""
    # the integral of cos^(freedom - 1), reduced by parts two powers at a time
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = 0.0
    for power in range(odd, freedom - 1, 2):  # the sum stops at cos^(freedom - 2)
        total += term
        term *= cosine * cosine * (power + 1) / (power + 2)
    return (angle + sine * total) * 2 / math.pi if odd else sine * total


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean -+ t s / sqrt(n): Student's 95 % interval; needs at least 2 values."""
    count = len(values)
    mean = math.fsum(values) / count
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    half = student_quantile(count - 1) * math.sqrt(variance / count)
    return mean - half, mean + half


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """The narrowest pair of mirrored order statistics that covers the median to 90 %.

    The pair (k-th smallest, k-th largest) misses the median of any continuous law with
    probability 2 P(Binomial(n, 1/2) < k), whatever the law; 5 values give 93.75 %.
    """
    ordered, count = sorted(values), len(values)
    missed, rank = 0, 0
    while True:
        missed += math.comb(count, rank)
        if 2 * missed > 0.1 * 2**count:
            break
        rank += 1
    return ordered[rank - 1], ordered[count - rank]
