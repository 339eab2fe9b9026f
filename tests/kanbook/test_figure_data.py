"""The data of figures survive their way through HTML, and what moved is named."""

import math
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kanbook.figure_data import Table, moved, tables_of

from kanlib.plotting import _table

names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
values = st.one_of(names, st.integers(), st.floats(), st.booleans())


@st.composite
def shown(draw: st.DrawFn) -> _table.Table:
    """A table of up to five columns that no thinning touches."""
    width, rows = draw(st.integers(1, 5)), draw(st.integers(1, 9))
    column = st.lists(values, min_size=rows, max_size=rows)
    return _table.Table(
        tuple(draw(st.lists(names, min_size=width, max_size=width))),
        tuple(draw(st.lists(column, min_size=width, max_size=width))),
        draw(names),
        scale=draw(st.sampled_from([0.0, 2.5])),
        log=draw(st.booleans()),
    )


@settings(max_examples=25)
@given(
    st.lists(shown(), min_size=1, max_size=3), st.sampled_from([None, 0.0, 1e-3, 0.5])
)
def test_tables_come_back_from_html(
    made: list[_table.Table], tolerance: float | None
) -> None:
    html = f"<p>{_table.folded(made, tolerance)}</p><table><td>no data</td></table>"
    (found,) = tables_of(html)
    for one, back in zip(made, found, strict=True):
        rows = zip(*one.columns, strict=True)
        texts = tuple(tuple(_table.text(cell) for cell in row) for row in rows)
        expected = Table(one.caption, one.heads, texts, tolerance, one.scale, one.log)
        assert back == expected


@settings(max_examples=25)
@given(st.lists(shown(), min_size=1, max_size=3), st.sampled_from([None, 0.0, 1e-3]))
def test_a_figure_agrees_with_itself(
    made: list[_table.Table], tolerance: float | None
) -> None:
    outputs = [{"data": {"text/html": _table.folded(made, tolerance)}}]
    assert moved(outputs, outputs) == []


def output(
    tolerance: float | None = 1e-3,
    scale: float = 0.0,
    log: bool = False,
    **columns: Any,
) -> Any:
    heads, cells = tuple(columns), tuple(columns.values())
    table = _table.Table(heads, cells, scale=scale, log=log)
    return {"data": {"text/html": _table.folded([table], tolerance)}}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ({"e": [1.0, 2.0]}, {"e": [1.002, 2.0]}, None),
        (
            {"e": [1.0, 2.0]},
            {"e": [1.003, 2.0]},
            "the figure: column 'e', row 1: 1 became 1.003; the tolerance is 0.001 of "
            "2, the largest magnitude of the column",
        ),
        # one unit of the last digit that is shown
        ({"e": [1.0]}, {"e": [1.001]}, None),
        ({"e": [-4.0, 0.0]}, {"e": [-4.0, 0.004]}, None),
        ({"e": [-4.0, 0.0]}, {"e": [-4.0, 0.005]}, "column 'e', row 2: 0 became 0.005"),
        ({"e": [1.0] * 9}, {"e": [2.0] * 9}, r"\(and 8 more rows\)"),
        ({"e": [1.0, 2.0]}, {"e": [1.5, 9.0]}, "row 2: 2 became 9"),
        ({"e": [math.nan]}, {"e": [math.nan]}, None),
        ({"e": [math.inf]}, {"e": [math.inf]}, None),
        ({"e": [math.inf]}, {"e": [-math.inf]}, "inf became -inf"),
        ({"e": [1.0]}, {"e": [math.nan]}, "row 1: 1 became nan"),
        ({"e": [math.nan, 5]}, {"e": [1.0, 5]}, "row 1: nan became 1"),
        (
            {"n": ["a", "b"]},
            {"n": ["a", "c"]},
            "row 2: b became c; texts must be equal",
        ),
        ({"n": ["a"]}, {"n": [1.0]}, "row 1: a became 1; texts must be equal"),
        ({"e": [1.0]}, {"e": [1.0, 2.0]}, r"1 rows \(no caption\) became 2 rows"),
        ({"e": [1.0]}, {"f": [1.0]}, "the columns 'e' became 'f'"),
        ({"e": [1.0]}, {"e": [1.0], "f": [1.0]}, "the columns 'e' became 'e', 'f'"),
        (
            {"e": [1.0]},
            {"e": [1.0], "tolerance": 0.5},
            "the tolerance 0.001 became 0.5",
        ),
        ({"e": [1.0]}, {"e": [1.0], "tolerance": None}, "tolerance 0.001 became none"),
        (
            {"e": [1.0], "tolerance": None},
            {"e": [7.0, 8.0], "tolerance": None},
            None,
        ),
        (
            {"e": [1.0], "tolerance": None},
            {"f": [1.0], "tolerance": None},
            "the columns 'e' became 'f'",
        ),
        ({"e": [0.01], "scale": 10.0}, {"e": [0.015], "scale": 11.0}, None),
        # on a logarithmic axis a small number counts as much as a large one
        ({"e": [1.0, 1e-6]}, {"e": [1.0, 2e-6]}, None),
        (
            {"e": [1.0, 1e-6], "log": True},
            {"e": [1.0, 1.01e-6], "log": True},
            "column 'e', row 2: 1e-06 became 1.01e-06; the tolerance is 0.001 of the "
            "number itself, on a logarithmic axis",
        ),
        (
            {"e": [1.0, 1e-6], "log": True, "tolerance": 0.1},
            {"e": [1.05, 1.05e-6], "log": True, "tolerance": 0.1},
            None,
        ),
        ({"e": [0.0], "log": True}, {"e": [1e-9], "log": True}, "0 became 1e-09"),
        (
            {"e": [0.01], "scale": 10.0},
            {"e": [0.05], "scale": 10.0},
            "the tolerance is 0.001 of 10, the largest magnitude of the layer",
        ),
    ],
)
def test_what_moved_is_named(old: dict, new: dict, problem: str | None) -> None:
    found = moved([output(**old)], [output(**new)])
    if problem is None:
        assert found == []
    else:
        (said,) = found
        assert re.search(problem, said), said


def test_figures_and_tables_are_counted() -> None:
    one, two = output(e=[1.0]), output(e=[2.0])
    assert moved([one], []) == ["1 figures with data became 0"]
    assert moved([], [{"data": {"text/plain": "no figure"}}, {"name": "stdout"}]) == []
    (said,) = moved([one, one], [one, two])
    assert said.startswith("figure 2: column 'e', row 1")
    pair = [_table.Table(("a",), ([1],)), _table.Table(("b",), ([2.0],), "below")]
    html = _table.folded(pair, 1e-3)
    old = {"data": {"text/html": html.splitlines(keepends=True)}}
    new = {"data": {"text/html": html.replace("<td>2", "<td>3")}}
    (said,) = moved([old], [new])
    assert said.startswith("the figure, table 2: column 'b', row 1: 2 became 3;")
    (said,) = moved([old], [output(a=[1])])
    assert said == "the figure: 2 tables became 1"
