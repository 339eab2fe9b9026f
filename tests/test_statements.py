"""Both sides of a statement: what holds, what does not, and what a page shows of it."""

import json
import math
from typing import Any

import hypothesis.strategies as st
import nbformat
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from nbclient import NotebookClient

from kanlib.claims import (
    CHECK_MIME,
    Check,
    Comparison,
    at_most,
    equal,
    evaluate,
    not_checkable,
)
from kanlib.claims._statement import check_badge, check_html, side_text

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6)


def double(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


# --- equal -------------------------------------------------------------------------


@given(NUMBERS, st.floats(-1e3, 1e3))
@settings(max_examples=25, deadline=None)
def test_equal_measures_the_largest_difference(
    values: list[float], shift: float
) -> None:
    left = double(*values)
    expected = np.abs(left.numpy() - (left.numpy() + shift)).max()
    found = equal(left, left + shift, atol=1e9)
    assert found == Comparison("equal", expected, 1e9)


def test_equal_broadcasts_numbers_dtypes_and_strides() -> None:
    grid = torch.arange(12.0).reshape(3, 4).T
    assert equal(grid, grid.double(), atol=1e-15).gap == 0
    assert equal(grid > -1, 1, atol=1e-15).gap == 0
    assert equal(grid, grid[:, :1] + torch.tensor([0, 4, 8]), atol=1e-15).gap == 0
    assert equal(2, 2.5, atol=1).gap == 0.5
    assert equal(np.float64(2), torch.tensor(2.0, requires_grad=True), atol=1).gap == 0


def test_equal_says_where_and_what() -> None:
    with pytest.raises(AssertionError) as caught:
        equal(double(1, 2, 3), double(1, 2.5, 3.25), atol=1e-3)
    assert str(caught.value) == (
        "equal: the largest difference is 5.00e-01 at index (1,), not below 0.001: "
        "left is 2, right is 2.5."
    )
    with pytest.raises(AssertionError, match=r"is 1\.00e\+00, not below"):
        equal(1, 2, atol=1e-3)


def test_equal_needs_less_than_the_bound() -> None:
    with pytest.raises(AssertionError, match=r"not below 0\.5"):
        equal(0, 0.5, atol=0.5)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_equal_takes_what_is_not_finite_only_on_both_sides(value: float) -> None:
    assert equal(double(1, value), double(1, value), atol=1e-9).gap == 0
    for other in (0.0, -value if math.isinf(value) else 1.0):
        with pytest.raises(AssertionError, match=r"is inf at index \(1,\)"):
            equal(double(1, value), double(1, other), atol=1e9)


# --- at_most -----------------------------------------------------------------------


def test_at_most_measures_the_largest_share() -> None:
    found = at_most(double(1, -5, 3), double(2, 5, 4))
    assert found == Comparison("at most", 0.75, 1.0)
    assert at_most(-1, double(1, 2)).gap == 0
    assert at_most(double(0, 1), double(0, 1)) == Comparison("at most", 1.0, 1.0)
    assert at_most(1, math.inf).gap == 0


def test_at_most_allows_its_slack_and_no_more() -> None:
    assert at_most(1.05, 1.0, slack=0.1) == Comparison("at most", 1.05, 1.1)
    with pytest.raises(AssertionError) as caught:
        at_most(double(1, 6), double(2, 5), slack=0.1)
    assert str(caught.value) == (
        "at_most: left exceeds right by more than 0.1 of it at index (1,): left is 6, "
        "right is 5."
    )


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, 0),
        (1.0000001, 1),
        (math.nan, 1),
        (1, math.nan),
        (math.inf, math.inf),
        (math.inf, 1),
    ],
)
def test_at_most_fails(left: float, right: float) -> None:
    with pytest.raises(AssertionError, match="at_most: left exceeds right: left is"):
        at_most(left, right)


@given(NUMBERS, NUMBERS)
@settings(max_examples=25, deadline=None)
def test_at_most_decides_as_the_comparison_does(
    left: list[float], right: list[float]
) -> None:
    pairs = list(zip(left, map(abs, right), strict=False))
    first, second = (double(*side) for side in zip(*pairs, strict=True))
    if all(a <= b for a, b in pairs):
        assert 0 <= at_most(first, second).gap <= 1
    else:
        with pytest.raises(AssertionError, match="left exceeds right"):
            at_most(first, second)


# --- bad input ---------------------------------------------------------------------


@pytest.mark.parametrize("compare", [equal, at_most])
def test_sides_that_cannot_be_compared_are_refused(compare: Any) -> None:
    more = {"atol": 1.0} if compare is equal else {}
    name = compare.__name__
    with pytest.raises(ValueError, match=rf"{name}: left and right have shapes \(2,\)"):
        compare(torch.ones(2), torch.ones(3), **more)
    with pytest.raises(ValueError, match=f"{name}: left and right are empty"):
        compare(torch.ones(0, 3), torch.ones(3), **more)
    with pytest.raises(TypeError, match=f"{name}: right is a str; expected a real"):
        compare(1, "1", **more)
    with pytest.raises(TypeError, match=f"{name}: left has dtype torch.complex64"):
        compare(torch.ones(2, dtype=torch.complex64), 1, **more)


@pytest.mark.parametrize("atol", [0, -1, math.nan, math.inf])
def test_equal_needs_a_bound(atol: float) -> None:
    with pytest.raises(ValueError, match="equal: atol must be finite and above 0"):
        equal(1, 1, atol=atol)


def test_at_most_needs_a_right_side_that_is_not_negative() -> None:
    with pytest.raises(ValueError, match="at_most: right falls to -2; expected at lea"):
        at_most(-3, double(1, -2))
    with pytest.raises(ValueError, match="at_most: slack must be finite"):
        at_most(1, 1, slack=-0.1)


GOOD = Comparison("equal", 0.0, 1.0)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: evaluate("", {"a": GOOD}), ValueError, "evaluate: statement is ''"),
        (lambda: evaluate("a b", {"a": GOOD}), ValueError, "expected the label of"),
        (lambda: evaluate("one", {}), ValueError, "sides of one are {}; expected a"),
        (
            lambda: evaluate("one", {"": GOOD}),
            ValueError,
            "expected a mapping of names",
        ),
        (lambda: evaluate("one", [GOOD]), ValueError, "expected a mapping of names"),
        (lambda: evaluate("one", {"a": True}), TypeError, "side 'a' of one is a bool"),
        (lambda: not_checkable("one", because=" "), ValueError, "because of one is em"),
        (lambda: not_checkable("<b>", because="b"), ValueError, "statement is '<b>'"),
    ],
)
def test_a_check_that_says_nothing_is_refused(
    call: Any, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        call()


# --- the record and what is shown of it ---------------------------------------------


def both(gap: float = 3.3e-16, share: float = 0.926) -> Check:
    sides = {
        "sum of $x_1 < 2$": Comparison("equal", gap, 1e-13),
        "rate": Comparison("at most", share, 1.0),
    }
    return evaluate("kan-bspline", sides)


def test_the_record_is_plain_data() -> None:
    record = both().to_dict()
    assert json.loads(json.dumps(record)) == record
    assert record == {
        "statement": "kan-bspline",
        "checkable": True,
        "because": "",
        "sides": [
            {
                "name": "sum of $x_1 < 2$",
                "kind": "equal",
                "gap": 3.3e-16,
                "bound": 1e-13,
            },
            {"name": "rate", "kind": "at most", "gap": 0.926, "bound": 1.0},
        ],
    }
    assert not_checkable("one", because="it is a limit. ").to_dict() == {
        "statement": "one",
        "checkable": False,
        "because": "it is a limit",
        "sides": [],
    }


def test_the_text_is_the_same_whatever_was_measured() -> None:
    assert str(both()) == str(both(gap=5e-14, share=0.1))
    assert str(both()).splitlines() == [
        "check of kan-bspline: holds",
        "  sum of $x_1 < 2$: both sides equal, largest difference below 1e-13",
        "  rate: left side at most the right side",
    ]
    loose = evaluate("one", {"a": at_most(1, 1, slack=0.01)})
    assert "left side at most 1.01 times the right side" in str(loose)


def test_a_check_keeps_what_it_was_given() -> None:
    sides = {"a": GOOD}
    check = evaluate("one", sides)
    sides["b"] = GOOD
    assert list(check.sides) == ["a"]
    assert check == evaluate("one", {"a": GOOD})
    assert hash(check) == hash(evaluate("one", {"a": GOOD}))


@pytest.mark.parametrize(
    ("sides", "badge"),
    [
        ([("equal", 3.3e-16)], "checked to 4e-16"),
        ([("equal", 1e-13)], "checked to 1e-13"),
        ([("equal", 0.0)], "checked exactly"),
        ([("equal", 0.0), ("equal", 0.021)], "checked to 0.03"),
        ([("at most", 0.926)], "holds, 0.93 of the bound"),
        ([("at most", 0.9991), ("at most", 0.5)], "holds, 0.9991 of the bound"),
        ([("at most", 0.0031)], "holds, 0.0031 of the bound"),
        (
            [("at most", 0.2), ("equal", 2e-15), ("equal", 9.9e-16)],
            "checked to 2e-15, 0.20 of the bound",
        ),
        ([], "not checkable here"),
    ],
)
def test_the_badge_tells_of_the_worst_side(
    sides: list[tuple[str, float]], badge: str
) -> None:
    listed = [{"name": "a", "kind": kind, "gap": gap} for kind, gap in sides]
    assert check_badge({"checkable": bool(sides), "sides": listed}) == badge


def test_side_text_names_the_bound() -> None:
    first, second = both().to_dict()["sides"]
    assert side_text(first) == "largest difference 3.3e-16, allowed 1e-13"
    assert side_text(second) == "left side at most 0.93 of the right side"
    assert side_text(second | {"bound": 1.01}).endswith("right side, allowed 1.01")


def test_the_card_is_anchored_and_escaped() -> None:
    html = both()._repr_html_()
    assert 'id="check-kan-bspline"' in html
    assert "tex2jax_process" in html
    assert "sum of $x_1 &lt; 2$:" in html
    assert '<span class="kl-check__number">3.3e-16</span>' in html
    html = check_html(not_checkable("one", because="a < b").to_dict())
    assert "because a &lt; b" in html


def test_a_check_is_displayed_as_the_last_expression() -> None:
    source = (
        "from kanlib.claims import equal, evaluate, not_checkable\n"
        "evaluate('one', {'sum': equal(1 + 1, 2, atol=1e-15)})"
    )
    cells = [source, "not_checkable('two', because='it is a limit')"]
    notebook = nbformat.v4.new_notebook(
        cells=list(map(nbformat.v4.new_code_cell, cells))
    )
    NotebookClient(notebook, timeout=60).execute()
    for cell, name in zip(notebook.cells, ("one", "two"), strict=True):
        (shown,) = cell.outputs
        assert set(shown.data) == {CHECK_MIME, "text/html", "text/plain"}
        assert shown.data[CHECK_MIME]["statement"] == name
        assert shown.data["text/plain"].startswith(f"check of {name}: ")
