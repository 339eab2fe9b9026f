import json
import math

import ipywidgets
import numpy as np
import pytest
import torch
import traitlets

from kanlib.widgets import Panel, Sweep
from kanlib.widgets._packed import unpack
from kanlib.widgets.sweep import _text

X = torch.linspace(0, 1, 11)
Y = torch.stack([torch.stack([a * X**k for k in (1, 2, 3)]) for a in (1.0, 2.5)])
PARAMETERS = {"a": [1, 2.5], "k": torch.tensor([1, 2, 3])}


@pytest.fixture
def sweep():
    return Sweep(
        PARAMETERS,
        Panel("a x^k", X, Y),
        readouts={"at 1": [[1] * 3, [2.5] * 3], "area": Y.mean(-1)},
        start={"k": 2},
        alt="a power of x, times a",
    )


def test_the_choice_is_observed_assigned_and_linked(sweep):
    assert sweep.selected == {"a": 1, "k": 2}
    seen = []
    sweep.observe(lambda change: seen.append(change.new), "selected")
    sweep.selected = sweep.selected | {"a": 2.5}
    slider = ipywidgets.IntSlider(1, 1, 3)
    traitlets.dlink((sweep, "selected"), (slider, "value"), lambda chosen: chosen["k"])
    sweep.set_state({"selected": {"a": 2.5, "k": 3}})  # as the browser sends it
    assert seen == [{"a": 2.5, "k": 2}, {"a": 2.5, "k": 3}]
    assert slider.value == 3
    sweep.selected = {"a": np.float32(2.5), "k": np.int64(1)}
    assert json.dumps(sweep.selected) == '{"a": 2.5, "k": 1}'


@pytest.mark.parametrize(
    ("selected", "message"),
    [
        ({"k": 2}, "selected has k; expected a, k"),
        ({}, "selected has nothing"),
        ({"a": 1, "k": 2, "b": 0}, "selected has a, k, b"),
        ({"a": 1, "k": 4}, "selected sets k to 4; expected one of 1, 2, 3"),
    ],
)
def test_a_choice_that_is_not_there_is_refused(sweep, selected, message):
    with pytest.raises(traitlets.TraitError, match=f"Sweep: {message}"):
        sweep.selected = selected
    assert sweep.selected == {"a": 1, "k": 2}
    with pytest.raises(ValueError, match="selected sets k to 9"):
        Sweep(PARAMETERS, Panel("t", X, Y), alt="a power", start={"k": 9})


def test_the_page_carries_one_row_a_choice_in_the_order_of_the_arrays(sweep):
    (panel,) = sweep._panels
    rows = unpack(panel["y"]).reshape(-1, 11)
    for i, a in enumerate((1, 2.5)):
        for j, k in enumerate((1, 2, 3)):
            row = sweep._row({"a": a, "k": k})
            np.testing.assert_allclose(rows[row], Y[i, j], atol=2.5 * 8e-6)
            said = [readout["texts"][row] for readout in sweep._readouts]
            assert said == [_text(a), _text(Y[i, j].mean().item())]


def test_one_parameter_may_be_texts():
    sweep = Sweep({"branch": ["SiLU", "none"]}, Panel("t", X, Y[:, 0]), alt="branches")
    assert sweep.selected == {"branch": "SiLU"}
    assert repr(sweep) == "Sweep: 2 choices of branch"
    assert sweep.still().alt == "branches"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.2391e-5, "1.24·10⁻⁵"),
        (-0.5, "−0.5"),
        (2000, "2000"),
        (1234567.0, "1.23·10⁶"),
        (math.nan, "nan"),
        ("–", "–"),
    ],
)
def test_numbers_are_written_as_in_print(value, text):
    assert _text(value) == text


@pytest.mark.parametrize(
    ("parameters", "options", "error", "message"),
    [
        ([1, 2], {}, TypeError, "parameters is a list; expected a dict"),
        ({}, {}, ValueError, "parameters has 0 entries; expected 1 to 3"),
        ({name: [1] for name in "abcd"}, {}, ValueError, "parameters has 4 entries"),
        ({"a": [], "k": [1]}, {}, ValueError, "parameters has no values for 'a'"),
        ({"a": "xy", "k": [1]}, {}, ValueError, "parameters has no values for 'a'"),
        ({"a": [1, 1.0], "k": [1]}, {}, ValueError, "parameters has a value twice"),
        ({"a": [math.nan], "k": [1]}, {}, TypeError, "parameters has the value nan"),
        ({"a": [None], "k": [1]}, {}, TypeError, "parameters has the value None"),
        (
            {"a": [1], "k": [1, 2]},
            {},
            ValueError,
            r"panel 't': y has shape \(2, 3, 11\); expected \(1, 2, 11\)",
        ),
        (
            PARAMETERS,
            {"readouts": {"error": [1, 2]}},
            ValueError,
            r"readout 'error' has shape \(2,\); expected \(2, 3\)",
        ),
        (
            PARAMETERS,
            {"readouts": {"error": [[None] * 3] * 2}},
            TypeError,
            "readouts has a NoneType",
        ),
        (PARAMETERS, {"start": {"b": 1}}, ValueError, "selected has a, k, b"),
    ],
)
def test_bad_arguments_are_named(parameters, options, error, message):
    with pytest.raises(error, match=f"Sweep: {message}"):
        Sweep(parameters, Panel("t", X, Y), alt="a power", **options)


def test_a_sweep_stays_below_the_limit_of_a_page():
    many = {"a": range(20), "b": range(20)}
    with pytest.raises(
        ValueError, match=r"takes 1,0\d\d,\d{3} bytes.* one in 3 of the"
    ):
        Sweep(many, Panel("t", range(1000), torch.rand(20, 20, 1000)), alt="too much")
