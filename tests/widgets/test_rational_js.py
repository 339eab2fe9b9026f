"""rational.js against kanlib's operation, its gain, and closed forms."""

import math

import pytest
import torch

from kanlib.layers import Rational, gain, rational_fit
from kanlib.ops import group_rational

FILE = "rational.js"
SETS = [
    ([0.0, 1, 0, 0, 0, 0], [0.0, 0, 0, 0]),
    ([0.3, -1.2, 0.5, 0.7, -0.1, 0.2], [0.4, -0.3, 0.9, -0.2]),
    ([-1.0, 0.5, 0.0, 2.0, 0.3, -0.4], [-2.0, 0.0, 0.6, 1.0]),
]


@pytest.mark.parametrize("form", ["A", "B"])
@pytest.mark.parametrize(("a", "b"), SETS)
def test_the_function_is_that_of_python_also_at_zero(javascript, a, b, form):
    xs = [-4.0, -1.5, -0.2, 0.0, 0.2, 1.5, 4.0]
    got = javascript(FILE, *(["rational", x, a, b, form] for x in xs))
    coefficients = (torch.tensor([row], dtype=torch.float64) for row in (a, b))
    x = torch.tensor(xs, dtype=torch.float64)[:, None]
    expected = group_rational(x, *coefficients, form=form)[:, 0]
    torch.testing.assert_close(torch.tensor(got, dtype=torch.float64), expected)


@pytest.mark.parametrize("form", ["A", "B"])
@pytest.mark.parametrize(("a", "b"), SETS)
def test_the_second_moment_is_an_integral(javascript, a, b, form):
    spreads = [0.25, 1.0]
    got = javascript(FILE, *(["secondMoment", a, b, form, v] for v in spreads))
    f = Rational(tuple(a), tuple(b), form)
    z = torch.linspace(-10, 10, 100_001, dtype=torch.float64)
    density = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    expected = [torch.trapezoid(f(v**0.5 * z) ** 2 * density, z) for v in spreads]
    # Inside form B bends lie where no step of Simpson's rule ends.
    rel = 2e-3 if form == "B" else 1e-6
    assert got == pytest.approx([e.item() for e in expected], rel=rel)


def test_moments_of_powers_are_exact(javascript):
    units = [[float(i == r) for i in range(6)] for r in range(6)]
    got = javascript(FILE, *(["secondMoment", a, [0.0] * 4, "A"] for a in units))
    moments = [math.prod(range(1, 2 * r, 2)) for r in range(6)]  # 1, 1, 3, 15, ...
    assert got == pytest.approx(moments, rel=1e-9)


def test_variances_stay_with_the_own_gain_and_follow_the_recursion_else(javascript):
    f = rational_fit(torch.nn.functional.gelu)
    given = [list(f.numerator), list(f.denominator), "A"]
    own, he, small = javascript(
        FILE,
        ["variances", *given, None],
        ["variances", *given, 2],
        ["variances", [0.0, 1, 0, 0, 0, 0], [0.0] * 4, "A", 0.25, 4],
    )
    assert own == pytest.approx([1.0] * 13, abs=1e-9)
    by_hand = [1.0]
    for _ in range(12):
        by_hand.append(2 / gain(lambda x, v=by_hand[-1]: f(v**0.5 * x)))
    assert he == pytest.approx(by_hand, rel=1e-4)
    assert small == pytest.approx([1, 0.25, 0.25**2, 0.25**3, 0.25**4], rel=1e-9)


def test_variances_that_explode_end_at_a_number(javascript):
    quintic = [[0.0, 0, 0, 0, 0, 2.0], [0.0] * 4, "B", 2.0]
    (got,) = javascript(FILE, ["variances", *quintic])
    assert got[-1] == 1e12


def test_the_gap_counts_only_what_lies_inside(javascript):
    xs, ys, zs = [-4, -3, 0, 3, 3.5], [9, 1, 2, 3, 9], [0, 1.5, 2, 2, 0]
    assert javascript(FILE, ["largestGap", xs, ys, zs]) == [1]
