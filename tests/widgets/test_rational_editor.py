import math

import ipywidgets
import pytest
import torch
import traitlets

from kanlib.layers import Rational, gain, rational_fit
from kanlib.widgets import RationalEditor

GELU = torch.nn.functional.gelu
LINE = Rational((0.0, 1.0), (), "A")


@pytest.fixture(scope="module")
def presets():
    fitted = rational_fit(GELU, form="B")
    return {"GELU": (fitted, GELU), "identity": (LINE, lambda x: x)}


@pytest.fixture
def editor(presets):
    return RationalEditor(presets)


def test_it_starts_as_the_first_preset_and_pads_missing_coefficients(editor, presets):
    assert editor.function == Rational(*astuple(presets["GELU"][0]))
    line = RationalEditor(presets, start="identity")
    assert (line.numerator, line.denominator) == ([0, 1, 0, 0, 0, 0], [0, 0, 0, 0])
    assert line.gain == pytest.approx(1, abs=1e-9)


def astuple(f):
    return f.numerator, f.denominator, f.form


def test_gain_and_variances_follow_the_coefficients(editor, presets):
    assert editor.gain == pytest.approx(gain(presets["GELU"][0]), rel=1e-4)
    assert editor.variances == pytest.approx([1.0] * 13, abs=1e-9)
    editor.form = "A"
    assert editor.variances == pytest.approx([1.0] * 13, abs=1e-9)
    editor.weights = "the activation's gain"
    assert editor.variances[1] == pytest.approx(gain(GELU) / editor.gain, rel=1e-9)
    editor.numerator = [0, 1, 0, 0, 0, 0]
    editor.denominator = [0, 0, 0, 0]
    for weights, factor in zip(editor.WEIGHTS[2:], (2, 0.1024), strict=True):
        editor.weights = weights
        expected = [factor**layer for layer in range(13)]
        assert editor.variances == pytest.approx(expected, rel=1e-9)


def test_a_function_that_is_zero_and_one_that_explodes_have_numbers(editor):
    editor.weights = "He's 2"
    editor.numerator = [0.0] * 6
    assert editor.gain == math.inf
    assert editor.variances[1:] == [0.0] * 12
    editor.numerator, editor.denominator = [0, 0, 0, 0, 0, 2], [0] * 4
    assert editor.variances[-1] == 1e12


def test_it_composes_with_ipywidgets(editor):
    choice = ipywidgets.Dropdown(options=["A", "B"], value="B")
    ipywidgets.link((choice, "value"), (editor, "form"))
    choice.value = "A"
    assert editor.form == "A"


def test_repr_still_and_bundle(editor):
    assert repr(editor) == "RationalEditor: GELU, form B, weights by this curve's gain"
    data, _ = editor._repr_mimebundle_()
    assert {"image/png", "text/plain"} <= set(data)
    assert data["text/plain"].startswith("Figure: A rational function")


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        (([],), TypeError, "presets is a list; expected a dict"),
        (({},), ValueError, "presets is empty"),
        (({"f": LINE},), TypeError, "preset 'f' is a Rational; expected a pair"),
        (
            ({"f": (Rational((0.0,) * 7, (), "A"), GELU)},),
            ValueError,
            "preset 'f' has 7 coefficients in its numerator; expected at most 6",
        ),
    ],
)
def test_bad_presets(arguments, kind, text):
    with pytest.raises(kind, match=f"RationalEditor: {text}"):
        RationalEditor(*arguments)


def test_bad_words_and_values(editor, presets):
    for name in ("start", "weights"):
        with pytest.raises(ValueError, match=f"RationalEditor: {name} is 'nothing'"):
            RationalEditor(presets, **{name: "nothing"})
    for name, value in (
        ("target", "nothing"),
        ("form", "C"),
        ("weights", "3"),
        ("numerator", [1.0]),
        ("denominator", [math.nan] * 4),
    ):
        with pytest.raises(traitlets.TraitError):
            setattr(editor, name, value)
