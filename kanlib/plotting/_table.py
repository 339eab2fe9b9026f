"""The folded tables under a figure: the numbers in it, thinned where they are many."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from torch import Tensor

ROWS = 100
"""A table shows at most so many rows."""

CELLS = 1000
"""All tables of a figure show at most so many numbers."""


@dataclass(frozen=True)
class Table:
    """Columns of equal length with their heads.

    The columns of a `grid` are samples like its rows, all but the first, and are
    thinned as rows are. `scale` is the magnitude of what the columns are parts of: a
    tolerance is a share of it, where a column alone is smaller. In a `log` table, drawn
    on a logarithmic axis, small numbers mean as much as large ones: there a tolerance
    is a share of each number.
    """

    heads: tuple[str, ...]
    columns: tuple[Sequence[Any], ...]
    caption: str = ""
    grid: bool = False
    scale: float = 0.0
    log: bool = False

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.columns[0])

    def cells(self, limit: int) -> int:
        """How many cells are shown with at most `limit` rows."""
        wide = len(self.columns)
        return min(self.rows, limit) * (min(wide, limit + 1) if self.grid else wide)


def folded(tables: Sequence[Table], tolerance: float | None) -> str:
    """The HTML of all tables of a figure; ValueError if they are too wide to show."""
    limit = _limit(tables)
    if tolerance is None:
        kept, said = "none", " (varies from run to run)"
    else:
        kept, said = f"{tolerance:g}", ""
    return (
        f'<details class="kl-data"><summary>show data{said}</summary>'
        '<div class="tex2jax_process" tabindex="0" role="group" '
        'aria-label="The data of the figure">'
        + "".join(_html(table, limit, kept) for table in tables)
        + "</div></details>"
    )


def _limit(tables: Sequence[Table]) -> int:
    """The most rows a table with which all tables together are short enough."""
    for limit in range(ROWS, 1, -1):
        if sum(table.cells(limit) for table in tables) <= CELLS:
            return limit
    columns = sum(len(table.columns) for table in tables)
    raise ValueError(
        f"figure: the tables of its data have {columns} columns; expected at most "
        f"{CELLS // 2}, because a reader shall find a number in them. Pass the columns "
        "that matter as data={name: values}."
    )


def _html(table: Table, limit: int, tolerance: str) -> str:
    rows = _even(table.rows, limit)
    wide = len(table.columns)
    shown = [0, *(1 + k for k in _even(wide - 1, limit))] if table.grid else range(wide)
    notes = [table.caption] if table.caption else []
    if len(rows) < table.rows:
        notes.append(f"{len(rows)} of {table.rows} rows")
    if len(shown) < wide:
        notes.append(f"{len(shown) - 1} of {wide - 1} columns")
    caption = f"<caption>{escape('; '.join(notes))}</caption>" if notes else ""
    head = "".join(f'<th scope="col">{escape(table.heads[k])}</th>' for k in shown)
    columns = [[text(table.columns[k][row]) for row in rows] for k in shown]
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in zip(*columns, strict=True)
    )
    scale = f' data-scale="{table.scale:.4g}"' if table.scale else ""
    log = " data-log" if table.log else ""
    return (
        f'<table data-tolerance="{tolerance}"{scale}{log}>{caption}'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _even(count: int, limit: int) -> list[int]:
    """At most `limit` of 0, 1, ..., count - 1: each n-th one, and the last."""
    step = max(1, -(-(count - 1) // (limit - 1)))
    picked = list(range(0, count, step))
    return picked if (count - 1) % step == 0 else [*picked, count - 1]


def text(value: Any) -> str:
    """A cell: numbers that are no integers have four significant digits."""
    if isinstance(value, Tensor | np.generic):
        value = value.item()
    return f"{value:.4g}" if isinstance(value, float | complex) else str(value)


def given(data: Mapping[str, Any]) -> Table:
    """The table of the columns that an author passed."""
    if not data:
        raise ValueError("figure: data is empty; expected columns, or None.")
    columns = {str(name): _column(name, values) for name, values in data.items()}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(
            f"figure: the columns of data have lengths {lengths}; expected one length "
            "for all, because each row of the table is one point."
        )
    if not max(lengths.values()):
        raise ValueError("figure: the columns of data are empty; expected numbers.")
    return Table(tuple(columns), tuple(columns.values()))


def _column(name: str, values: Any) -> list[Any]:
    if not isinstance(values, Iterable) or isinstance(values, str):
        raise TypeError(
            f"figure: column {name} of data is a {type(values).__name__}; expected a "
            "sequence."
        )
    if isinstance(values, Tensor):
        values = values.detach().cpu()
    if isinstance(values, Tensor | np.ndarray):
        if values.ndim != 1:
            raise ValueError(
                f"figure: column {name} of data has shape {tuple(values.shape)}; "
                "expected one axis, because each row of the table is one point."
            )
        values = values.tolist()
    return list(values)
