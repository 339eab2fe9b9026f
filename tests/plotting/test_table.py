"""The folded tables: four digits, thinned evenly, and refused where they are wrong."""

import html
import math
import re
from typing import Any

import numpy as np
import pytest
import torch

from kanlib.plotting import figure
from kanlib.plotting._table import CELLS, ROWS, Table, folded, text


def shown(data: dict[str, Any], **options: Any) -> str:
    return figure(
        lambda axes: axes.plot([0, 1]), alt="A line.", data=data, size=(1, 1), **options
    ).table


def cells(table: str) -> list[str]:
    found = re.findall(r"<t[hd](?: [^>]*)?>(.*?)</t[hd]>", table)
    return [html.unescape(cell) for cell in found]


def test_the_table_is_folded_and_plain() -> None:
    table = shown(
        {
            "G": [5, 10],
            "error": torch.tensor([0.0123456, math.nan]),
            "<name>": np.array(["a", "b&"]),
        }
    )
    assert table.startswith('<details class="kl-data"><summary>show data</summary>')
    head, *rows = ["G", "error", "<name>"], ["5", "0.01235", "a"], ["10", "nan", "b&"]
    assert cells(table) == [*head, *rows[0], *rows[1]]
    assert '<th scope="col">&lt;name&gt;</th>' in table
    assert "<caption>" not in table


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (123456, "123456"),
        (np.int64(123456), "123456"),
        (123456.0, "1.235e+05"),
        (np.float32(0.1), "0.1"),
        (torch.tensor(1 / 3), "0.3333"),
        (-1e-7, "-1e-07"),
        (math.inf, "inf"),
        (True, "True"),
        ("sin", "sin"),
        (1 + 0.33333j, "1+0.3333j"),
    ],
)
def test_numbers_have_four_digits(value: Any, said: str) -> None:
    assert text(value) == said


@pytest.mark.parametrize(
    ("tolerance", "attribute", "summary"),
    [
        (1e-3, "0.001", "show data"),
        (0, "0", "show data"),
        (None, "none", "show data (varies from run to run)"),
    ],
)
def test_the_tolerance_is_said(
    tolerance: float | None, attribute: str, summary: str
) -> None:
    table = shown({"seconds": [0.5]}, tolerance=tolerance)
    assert f'<table data-tolerance="{attribute}">' in table
    assert f"<summary>{summary}</summary>" in table


def test_many_rows_are_thinned_evenly_and_it_is_said() -> None:
    table = shown({"x": range(1000), "y": range(1000)})
    x = [int(cell) for cell in cells(table)[2::2]]
    steps = np.diff(x)
    assert (x[0], x[-1]) == (0, 999)
    assert len(x) <= ROWS
    assert len(set(steps[:-1])) == 1
    assert 0 < steps[-1] <= steps[0]
    assert f"<caption>{len(x)} of 1000 rows</caption>" in table


@pytest.mark.parametrize(("columns", "rows"), [(1, 100), (12, 1000), (499, 3), (30, 2)])
def test_a_figure_has_a_bounded_number_of_cells(columns: int, rows: int) -> None:
    table = shown({str(k): range(rows) for k in range(columns)})
    assert table.count("<td>") <= CELLS
    assert table.count("<tr>") - 1 >= min(rows, 2)


def test_tables_share_the_bound_and_short_ones_stay_whole() -> None:
    short = Table(("G",), ([3, 5],))
    long = [Table(("x", "y"), (range(500), range(500))) for _ in range(20)]
    table = folded([short, *long], 1e-3)
    assert CELLS / 2 < table.count("<td>") <= CELLS
    assert table.count("of 500 rows") == 20
    assert "of 2 rows" not in table


def test_a_grid_is_thinned_both_ways() -> None:
    values = np.add.outer(np.arange(200), np.arange(300))
    columns = (range(200), *values.T)
    heads = ("y", *map(str, range(300)))
    table = folded([Table(heads, columns, "sum", grid=True)], 1e-3)
    rows = [cells(row) for row in re.findall(r"<tr>.*?</tr>", table)]
    assert table.count("<td>") <= CELLS
    assert rows[0][1] == rows[1][0] == "0"
    assert (rows[0][-1], rows[-1][0]) == ("299", "199")
    for row in rows[1:]:
        for head, cell in zip(rows[0][1:], row[1:], strict=True):
            assert int(cell) == int(row[0]) + int(head)
    said = f"sum; {len(rows) - 1} of 200 rows; {len(rows[0]) - 1} of 300 columns"
    assert f"<caption>{said}</caption>" in table


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (
            {"a": [1], "b": [1, 2]},
            ValueError,
            "the columns of data have lengths {'a': 1,",
        ),
        ({}, ValueError, "data is empty"),
        ({"a": []}, ValueError, "the columns of data are empty"),
        ({"a": 3}, TypeError, "column a of data is a int"),
        ({"a": "text"}, TypeError, "column a of data is a str"),
        ({"a": np.ones((2, 3))}, ValueError, r"column a of data has shape \(2, 3\)"),
        ({"a": torch.tensor(1.0)}, ValueError, r"column a of data has shape \(\)"),
        (
            {str(k): [1, 2] for k in range(501)},
            ValueError,
            "the tables of its data have 501 columns; expected at most 500",
        ),
    ],
)
def test_bad_data(data: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=f"figure: {message}"):
        shown(data)


def test_a_column_may_need_gradients() -> None:
    assert cells(shown({"x": torch.ones(1, requires_grad=True)})) == ["x", "1"]
