"""What matplotlib's artists hold: curves with their abscissas.

Artists in other coordinates than the data's are decoration and give nothing.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

# matplotlib's own labels of what its user gave none.
UNLABELLED = re.compile(r"_(child|container|nolegend)\w*")
BAND = {"PolyCollection", "FillBetweenPolyCollection"}
UNREADABLE = {"PathPatch", "StepPatch", "Wedge"}


@dataclass(frozen=True)
class Curve:
    """Columns over one abscissa; the heads of unlabelled ones are that of the axis."""

    x: Sequence[Any]
    columns: Mapping[str, Sequence[Any]]
    name: str
    labelled: bool = False

    @property
    def places(self) -> tuple[Any, ...]:
        """Equal for curves that share their abscissas."""
        return tuple("nan" if x != x else x for x in self.x)


def x_name(panel: Any) -> str:
    """The name of an axes' abscissa."""
    return str(panel.get_xlabel() or "x")


def y_name(panel: Any) -> str:
    """The name of an axes' ordinate."""
    return str(panel.get_ylabel() or "y")


def curves(panel: Any) -> Iterator[Curve]:
    """Everything of an axes that has one abscissa."""
    from matplotlib.container import BarContainer, ErrorbarContainer, StemContainer

    parts: set[int] = set()
    for container in panel.containers:
        if isinstance(container, BarContainer):
            yield from _bars(panel, container)
        elif isinstance(container, ErrorbarContainer):
            _, caps, bars = container.lines
            yield from _errorbars(panel, container)
            parts |= {id(artist) for artist in (container.lines[0], *caps, *bars)}
        elif isinstance(container, StemContainer):
            parts |= {id(container.stemlines), id(container.baseline)}
    lines = [line for line in panel.lines if line.get_visible()]
    for line in lines:
        if id(line) not in parts and line.get_transform() == panel.transData:
            yield from _line(panel, line)
    yield from _guides(panel, lines)
    for patch in panel.patches:
        if patch.get_visible():
            yield from _patch(panel, patch)
    for collection in panel.collections:
        if collection.get_visible() and id(collection) not in parts:
            yield from _collection(panel, collection)


def _curve(
    panel: Any, artist: Any, x: Any, columns: dict[str, Any], upright: bool = True
) -> Curve:
    """Name the columns after the artist's label, or else after the axis."""
    names = (x_name(panel), y_name(panel))
    where, what = names if upright else names[::-1]
    named = label_of(artist)
    values = {f"{named or what}{e}": values_of(column) for e, column in columns.items()}
    return Curve(values_of(x), values, where, bool(named))


def label_of(artist: Any) -> str:
    """The label that an artist was given, without the mark that hides it in legends."""
    label = str(artist.get_label())
    return "" if UNLABELLED.fullmatch(label) else label.lstrip("_")


def values_of(column: Any) -> list[Any]:
    """Plain numbers; dates and names as text."""
    flat: Any = np.ma.asarray(column).ravel()
    if flat.dtype.kind not in "biuf":
        return [str(value) for value in flat.tolist()]
    if flat.dtype.kind == "f":
        flat = flat.filled(np.nan)
    return list(flat.tolist())


def _line(panel: Any, line: Any) -> Iterator[Curve]:
    x, y = (np.ma.asarray(values) for values in line.get_data(orig=True))
    if x.size != y.size:  # matplotlib repeats the shorter one
        x, y = line.get_data(orig=False)
    if x.size:
        yield _curve(panel, line, x, {"": y})


def _guides(panel: Any, lines: Sequence[Any]) -> Iterator[Curve]:
    """Lines across the whole axes: their places are all there is to say."""
    upright, level = (
        panel.get_xaxis_transform("grid"),
        panel.get_yaxis_transform("grid"),
    )
    for name, transform, side in (
        (f"vertical lines at {x_name(panel)}", upright, 0),
        (f"horizontal lines at {y_name(panel)}", level, 1),
    ):
        found = [line for line in lines if line.get_transform() == transform]
        places = [values_of(line.get_data(orig=False)[side])[0] for line in found]
        labels = [label_of(line) for line in found]
        if found:
            yield Curve(places, {"meaning": labels} if any(labels) else {}, name, True)


def _bars(panel: Any, container: Any) -> Iterator[Curve]:
    upright = container.orientation != "horizontal"
    boxes = [patch for patch in container.patches if patch.get_visible()]
    if not boxes:
        return
    corners = np.array([(b.get_x(), b.get_y()) for b in boxes], float)
    sizes = np.array([(b.get_width(), b.get_height()) for b in boxes], float)
    across, along = (0, 1) if upright else (1, 0)
    places = corners[:, across] + sizes[:, across] / 2
    columns = {"": corners[:, along] + sizes[:, along]}
    if corners[:, along].any():
        columns[" from"] = corners[:, along]
    curve = _curve(panel, container, places, columns, upright)
    axis = panel.xaxis if upright else panel.yaxis
    yield replace(curve, x=named(axis, places))


def named(axis: Any, places: Any) -> list[Any]:
    """The names that an axis gives to these places, or else the numbers."""
    from matplotlib.category import StrCategoryFormatter
    from matplotlib.ticker import FixedLocator

    formatter = axis.get_major_formatter()
    if isinstance(formatter, StrCategoryFormatter):
        return [str(name) for name in formatter.format_ticks(places)]
    if isinstance(axis.get_major_locator(), FixedLocator):
        ticks = axis.get_majorticklocs()
        names = formatter.format_ticks(ticks)
        found = [np.flatnonzero(np.isclose(ticks, place)) for place in places]
        if all(at.size and names[at[0]] for at in found):
            return [names[at[0]] for at in found]
    return values_of(places)


def _errorbars(panel: Any, container: Any) -> Iterator[Curve]:
    line, _, bars = container.lines
    sides = [0] * bool(container.has_xerr) + [1] * bool(container.has_yerr)
    ends = [np.array([p.vertices for p in one.get_paths()]) for one in bars]
    if line is None:
        x, y = ends[0].mean(axis=1).T
    else:
        x, y = (np.asarray(values, float) for values in line.get_data(orig=False))
    columns = {"": y}
    for side, segments in zip(sides, ends, strict=True):
        if len(segments) != len(x):
            raise ValueError(unreadable("error bars of some points only"))
        prefix = "" if side else f" {x_name(panel)}"
        columns[f"{prefix} low"] = segments[:, :, side].min(axis=1)
        columns[f"{prefix} high"] = segments[:, :, side].max(axis=1)
    yield _curve(panel, container, x, columns)


def _patch(panel: Any, patch: Any) -> Iterator[Curve]:
    if patch.get_data_transform() != panel.transData:
        return
    name = type(patch).__name__
    if name == "Polygon":
        x, y = patch.get_xy().T
        yield _curve(panel, patch, x, {"": y})
    elif name in UNREADABLE:
        raise ValueError(unreadable(f"a {name}"))


def _collection(panel: Any, collection: Any) -> Iterator[Curve]:
    from matplotlib.collections import LineCollection, PathCollection, QuadMesh

    if isinstance(collection, QuadMesh):
        return
    paths = collection.get_paths()
    if isinstance(collection, PathCollection):
        if collection.get_offset_transform() != panel.transData:
            return
        x, y = np.ma.asarray(collection.get_offsets()).T
        columns = {"": y}
        if collection.get_array() is not None:
            columns[", color"] = collection.get_array()
        yield _curve(panel, collection, x, columns)
    elif type(collection).__name__ in BAND and collection.get_array() is None:
        corners = np.concatenate([path.vertices for path in paths])
        x = np.unique(corners[:, 0])
        heights = [corners[corners[:, 0] == one, 1] for one in x]
        low, high = ([fold(h) for h in heights] for fold in (min, max))
        yield _curve(panel, collection, x, {" low": low, " high": high})
    elif isinstance(collection, LineCollection) and all(len(p) == 2 for p in paths):
        if collection.get_transform() == panel.transData and len(paths):
            ends = np.array([path.vertices for path in paths])
            (x, y), (x_end, y_end) = ends[:, 0].T, ends[:, 1].T
            to_x, to_y = f", to {x_name(panel)}", f", to {y_name(panel)}"
            yield _curve(panel, collection, x, {"": y, to_x: x_end, to_y: y_end})
    else:
        raise ValueError(unreadable(f"a {type(collection).__name__}"))


def unreadable(what: str) -> str:
    return (
        f"figure: {what} cannot be read back from the drawing; expected its numbers, "
        "because every figure shows its data. Pass them as data={name: values}."
    )
