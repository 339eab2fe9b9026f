"""Numbers that prose quotes: what is recorded, shown and refused."""

import math

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient

from kanlib.claims import NUMBER_MIME, Number, number


def test_a_number_keeps_name_value_text_and_tolerance() -> None:
    made = number("test-error", 0.03214, ".1e", tolerance=0.5, unit="RMSE")
    assert made == Number("test-error", 0.03214, "3.2e-02 RMSE", 0.5)
    assert str(made) == repr(made) == "test-error = 3.2e-02 RMSE"
    bundle = made.bundle()
    assert bundle[NUMBER_MIME] == {
        "name": "test-error",
        "value": 0.03214,
        "text": "3.2e-02 RMSE",
        "tolerance": 0.5,
    }
    assert bundle["text/plain"] == str(made)
    assert 'id="number-test-error"' in bundle["text/html"]


@pytest.mark.parametrize(
    ("value", "format", "text"),
    [
        (1.128, ".2f", "1.13"),
        (3, "d", "3"),
        (5.0, "d", "5"),
        (torch.tensor(0.5), ".0%", "50%"),
        (torch.tensor([0.25], requires_grad=True), ".2f", "0.25"),
        (np.float32(2.0), ".1f", "2.0"),
        (-0.25, "+.2f", "-0.25"),
        (12345.6, ",.0f", "12,346"),
    ],
)
def test_real_numbers_of_any_kind(value: object, format: str, text: str) -> None:
    assert number("n", value, format).text == text


def test_html_is_escaped() -> None:
    assert "&lt;" in number("n", 1.0, ".0f", unit="<s>").bundle()["text/html"]


@pytest.mark.parametrize(
    "name", ["", "A", "a b", "a.b", "1a", "a-", "a_b", "kan.a", None, "é"]
)
def test_a_name_is_an_address(name: object) -> None:
    with pytest.raises(ValueError, match=r"^number: name is .*CHAPTER\.NAME"):
        number(name, 1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [math.nan, math.inf, torch.tensor(math.nan)])
def test_a_number_is_finite(value: object) -> None:
    with pytest.raises(ValueError, match=r"^number n: value is .*finite"):
        number("n", value)


@pytest.mark.parametrize("value", ["1", None, 1j, torch.tensor(1j), object()])
def test_a_number_is_real(value: object) -> None:
    with pytest.raises(TypeError, match=r"^number n: "):
        number("n", value)


@pytest.mark.parametrize("value", [[], torch.ones(2), torch.ones(1, 1), [1.0, 2.0]])
def test_a_number_is_one(value: object) -> None:
    with pytest.raises(ValueError, match=r"^number n: "):
        number("n", value)


@pytest.mark.parametrize(("value", "format"), [(1.5, "d"), (1.0, "x"), (1.0, "?")])
def test_a_format_that_does_not_fit_is_named(value: float, format: str) -> None:
    with pytest.raises(ValueError, match=r"^number n: format is '.'; expected one"):
        number("n", value, format)


@pytest.mark.parametrize("tolerance", [-0.1, math.nan, math.inf])
def test_tolerance_is_a_share(tolerance: float) -> None:
    with pytest.raises(ValueError, match="tolerance must be finite and at least 0"):
        number("n", 1.0, tolerance=tolerance)


def test_a_cell_shows_each_number_once() -> None:
    code = "from kanlib.claims import number\n_ = number('a', 1)\nnumber('b', 2)"
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(made, kernel_name="python3").execute()
    shown = [output.data[NUMBER_MIME]["name"] for output in made.cells[0].outputs]
    assert shown == ["a", "b"]
