"""The numbers of a drawing, read from matplotlib's axes.

Curves of one axes that share their abscissas share one table. What holds data that
cannot be read back raises, so that no table is silently incomplete.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from kanlib.plotting._artists import Curve, curves, y_name
from kanlib.plotting._grids import grids
from kanlib.plotting._table import Table

COLORBAR = "<colorbar>"


def tables(drawn: Any) -> list[Table]:
    """The tables of a figure, axes by axes.

    Raises:
        ValueError: something drawn cannot be read back, or nothing was drawn.
    """
    panels = [
        panel
        for outer in drawn.axes
        for panel in (outer, *outer.child_axes)
        if panel.get_visible() and panel.get_label() != COLORBAR
    ]
    found: list[Table] = []
    for number, panel in enumerate(panels, 1):
        title = _title(panel) or f"panel {number}"
        found += _panel(panel, title if len(panels) > 1 else "")
    if not found:
        raise ValueError(
            "figure: no number can be read from the drawing; expected curves, points, "
            "bars or an image, because every figure shows its data. Pass them as "
            "data={name: values}."
        )
    return found


def _title(panel: Any) -> str:
    titles = [panel.get_title(loc=place) for place in ("left", "center", "right")]
    return " ".join(filter(None, titles)).replace("\n", " ")


def _panel(panel: Any, title: str) -> Iterator[Table]:
    groups: dict[tuple[Any, ...], list[Curve]] = {}
    drawn = list(curves(panel))
    single = [one for one in drawn if len(one.x) == 1 and len(one.columns) == 1]
    for curve in drawn:
        alone = len(single) > 1 and any(curve is one for one in single)
        key = (curve.name, "points") if alone else (curve.name, *curve.places)
        groups.setdefault(key, []).append(curve)
    y = y_name(panel)
    for key, group in groups.items():
        alone = key[1:] == ("points",)
        table = _points(panel, group) if alone else _shared(group)
        hidden = y != "y" and not any(y in head for head in table.heads)
        caption = ", ".join(filter(None, [title, y if hidden else ""]))
        log = panel.get_yscale() == "log"
        yield Table(table.heads, table.columns, caption, log=log)
    yield from (Table(t.heads, t.columns, title, grid=True) for t in grids(panel))


def _shared(group: Sequence[Curve]) -> Table:
    """One table of curves with the same abscissas."""
    heads: list[str] = [group[0].name]
    columns: list[Sequence[Any]] = [group[0].x]
    several = sum(not curve.labelled for curve in group) > 1
    number = 0
    for curve in group:
        number += not curve.labelled
        for name, values in curve.columns.items():
            count = f" ({number})" if several and not curve.labelled else ""
            heads.append(f"{name}{count}")
            columns.append(values)
    return Table(_distinct(heads), tuple(columns))


def _points(panel: Any, group: Sequence[Curve]) -> Table:
    """One table of points that were drawn one by one."""
    values = [
        (name, column[0]) for one in group for name, column in one.columns.items()
    ]
    heads = [group[0].name, y_name(panel)]
    columns = [[one.x[0] for one in group], [value for _, value in values]]
    if any(one.labelled for one in group):
        names = zip(group, values, strict=True)
        heads.append("name")
        columns.append([name if one.labelled else "" for one, (name, _) in names])
    return Table(tuple(heads), tuple(columns))


def _distinct(heads: Sequence[str]) -> tuple[str, ...]:
    """Number the heads that repeat."""
    seen: dict[str, int] = {}
    made = []
    for head in heads:
        seen[head] = seen.get(head, 0) + 1
        made.append(head if seen[head] == 1 else f"{head} ({seen[head]})")
    return tuple(made)
