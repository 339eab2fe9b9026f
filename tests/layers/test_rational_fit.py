"""Fits and gains against exact values and the accuracy that the chapters quote."""

import math

import pytest
import torch
import torch.nn.functional as F

from kanlib.layers import Rational, gain, rational_fit

# The largest errors on [-3, 3] that chapters quote, form by form.
TARGETS = [
    (F.silu, "A", 1.2e-6),
    (F.silu, "B", 1.2e-6),
    (F.gelu, "A", 3.7e-3),
    (F.gelu, "B", 9.3e-4),
    (torch.tanh, "A", 2e-6),
    (torch.tanh, "B", 3.5e-6),
    (torch.sigmoid, "A", 5e-9),
    (torch.sigmoid, "B", 5e-9),
]


@pytest.mark.parametrize(("f", "form", "error"), TARGETS)
def test_fits_are_as_good_as_chapters_say(f, form, error):
    fit = rational_fit(f, form=form)
    x = torch.linspace(-3, 3, 1001, dtype=torch.float64)
    assert fit.form == form
    assert (len(fit.numerator), len(fit.denominator)) == (6, 4)
    found = float((fit(x) - f(x)).abs().max())
    assert found <= fit.max_error * 1.001
    assert fit.max_error < error
    assert fit == rational_fit(f, form=form)


@pytest.mark.parametrize("form", ["A", "B"])
@pytest.mark.parametrize(
    ("m", "n", "interval"),
    [(2, 2, (-3.0, 3.0)), (3, 1, (0.0, 40.0)), (2, 0, (-1.0, 0.5)), (0, 2, (-3, 3))],
)
def test_a_rational_function_is_found_again(form, m, n, interval):
    exact = Rational((1.0, -0.5, 0.25, 0.1)[: m + 1], (0.0, 0.75)[2 - n :], form)
    fit = rational_fit(
        exact, numerator_degree=m, denominator_degree=n, form=form, interval=interval
    )
    assert fit.max_error < 1e-9


def test_a_fit_improves_with_its_degrees():
    errors = [
        rational_fit(torch.tanh, numerator_degree=m, denominator_degree=n).max_error
        for m, n in [(0, 0), (1, 0), (1, 1), (3, 2), (5, 4)]
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0] / 1e5


@pytest.mark.parametrize("form", ["A", "B"])
def test_there_is_no_pole_anywhere(form):
    x = torch.linspace(-50, 50, 2001, dtype=torch.float64)
    fit = rational_fit(torch.tanh, form=form)
    denominator = Rational((1.0,), fit.denominator, form)
    assert float(denominator(x).max()) <= 1
    assert float(denominator(x).min()) > 0


def test_a_value_prints_compares_and_is_a_function_of_any_shape_and_kind():
    fit = Rational((0, 1), (2,), "A", 0.5)
    assert repr(fit) == (
        "Rational(numerator=(0.0, 1.0), denominator=(2.0,), form='A', max_error=0.5)"
    )
    assert hash(fit) == hash(Rational((0.0, 1.0), (2.0,), "A", 0.5))
    for shape in ((), (0,), (3,), (2, 3, 4)):
        assert fit(torch.ones(shape)).shape == shape
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        assert fit(torch.ones(3, dtype=dtype)).dtype == dtype
    assert float(fit(torch.tensor(-2.0))) == pytest.approx(-0.4)


# ∫ of the square against the normal density, in closed form.
GAINS = [
    (F.gelu, 1 / (1 / 3 + 1 / (2 * math.pi * math.sqrt(3)))),
    (torch.relu, 2.0),
    (lambda x: x, 1.0),
    (torch.exp, math.exp(-2)),
    (torch.sin, 2 / (1 - math.exp(-2))),
    (lambda x: torch.special.ndtr(x), 3.0),
    (lambda x: torch.full_like(x, 0.5), 4.0),
]


@pytest.mark.parametrize(("f", "exact"), GAINS)
def test_gains_are_exact(f, exact):
    assert gain(f) == pytest.approx(exact, rel=1e-10)


def test_gains_that_chapters_quote():
    assert gain(F.gelu) == pytest.approx(2.351716, abs=1e-6)
    assert gain(F.silu) == pytest.approx(2.810761, abs=1e-6)
    # Kinks elsewhere cost accuracy, but not all of it.
    assert gain(lambda x: F.relu(x - 0.3)) == pytest.approx(
        1 / ((1 + 0.09) * 0.3820885778 - 0.3 * 0.3813878154), rel=1e-4
    )
    assert gain(rational_fit(F.silu)) == pytest.approx(gain(F.silu), rel=1e-3)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"f": 3}, TypeError, "f is a int"),
        ({"f": lambda x: 1.0}, TypeError, r"f\(x\) is a float"),
        ({"f": lambda x: x.sum()}, ValueError, r"f\(x\) has shape \(\)"),
        ({"f": torch.log}, ValueError, r"f\(x\) has \d+ entries that are NaN"),
        ({"form": "C"}, ValueError, "form is 'C'"),
        ({"interval": (1.0, -1.0)}, ValueError, "interval must be"),
        ({"interval": 3.0}, TypeError, "interval is"),
        ({"numerator_degree": -1}, ValueError, "numerator_degree must be"),
        ({"denominator_degree": 1.5}, TypeError, "denominator_degree is a float"),
    ],
)
def test_bad_arguments_are_errors_that_name_them(change, error, says):
    given = {"f": torch.tanh} | change
    with pytest.raises(error, match=says):
        rational_fit(given.pop("f"), **given)


def test_bad_values_and_bad_functions_are_errors():
    for numerator, denominator, form, says in (
        ((), (), "A", "numerator must be 1 or more finite numbers"),
        ((1.0, math.nan), (), "A", "numerator must be"),
        ((1.0,), (math.inf,), "A", "denominator must be"),
        ((1.0,), (), "D", "form is 'D'"),
    ):
        with pytest.raises(ValueError, match=says):
            Rational(numerator, denominator, form)
    with pytest.raises(TypeError, match="numerator is 1"):
        Rational(1.0, (), "A")
    with pytest.raises(TypeError, match="x has dtype int64"):
        Rational((1.0,), (), "A")(torch.tensor([1]))
    for f, error, says in (
        (None, TypeError, "f is a NoneType"),
        (lambda x: 2, TypeError, r"f\(x\) is a int"),
        (lambda x: x[:3], ValueError, r"f\(x\) has shape \(3,\)"),
        (torch.sqrt, ValueError, "entries that are NaN"),
        (torch.zeros_like, ValueError, "f is 0"),
    ):
        with pytest.raises(error, match=says):
            gain(f)
