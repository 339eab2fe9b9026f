"""The tables of numbers under figures: reading them, and comparing two executions."""

import math
from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from typing import Any, NamedTuple


class Table(NamedTuple):
    """A table under a figure; without a tolerance its numbers are not compared.

    The tolerance is a share of a column's largest magnitude, or of `scale` if larger;
    in a `log` table, a share of each number.
    """

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    tolerance: float | None
    scale: float = 0.0
    log: bool = False


class _Reader(HTMLParser):
    """Collects the tables inside `<details class="kl-data">`, figure by figure."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.figures: list[list[Table]] = []
        self.inside = False
        self.limits: tuple[float | None, float, bool] = (None, 0.0, False)
        self.texts: dict[str, list[str]] = {}
        self.rows: list[tuple[str, ...]] = []
        self.open = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag == "details" and "kl-data" in (known.get("class") or "").split():
            self.inside = True
            self.figures.append([])
        elif self.inside and tag == "table":
            given = known.get("data-tolerance") or "none"
            tolerance = None if given == "none" else float(given)
            scale = float(known.get("data-scale") or 0)
            self.limits = (tolerance, scale, "data-log" in known)
            self.texts, self.rows = {"caption": [], "th": [], "td": []}, []
        elif self.inside and tag in self.texts:
            self.open = tag
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == self.open:
            self.open = ""
        elif tag == "tr" and self.texts.get("td"):
            self.rows.append(tuple(self.texts["td"]))
            self.texts["td"] = []
        elif tag == "table" and self.inside:
            caption = "".join(self.texts["caption"])
            heads, rows = tuple(self.texts["th"]), tuple(self.rows)
            self.figures[-1].append(Table(caption, heads, rows, *self.limits))
            self.texts = {}
        elif tag == "details":
            self.inside = False

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[self.open][-1] += data


def tables_of(html: str) -> list[list[Table]]:
    """Return the tables under each figure of some HTML.

    Example:
        >>> cells = "<thead><tr><th>G</th></tr></thead><tr><td>5</td></tr>"
        >>> table = f'<table data-tolerance="0.01">{cells}</table>'
        >>> ((found,),) = tables_of(f'<details class="kl-data">{table}</details>')
        >>> found.heads, found.rows, found.tolerance
        (('G',), (('5',),), 0.01)
    """
    return _Reader(html).figures


def moved(
    committed: Sequence[Mapping[str, Any]], fresh: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Return how the figures' data moved from a cell's committed to its fresh outputs.

    Numbers may differ by the table's tolerance times the largest magnitude of their
    column, on a logarithmic axis times their own; heads, texts and the number of rows
    must be equal. Of tables without a tolerance only the heads are compared.
    """
    old, new = _figures(committed), _figures(fresh)
    if len(old) != len(new):
        return [f"{len(old)} figures with data became {len(new)}"]
    found: list[str] = []
    for number, (before, after) in enumerate(zip(old, new, strict=True), 1):
        figure = f"figure {number}" if len(old) > 1 else "the figure"
        if len(before) != len(after):
            found.append(f"{figure}: {len(before)} tables became {len(after)}")
            continue
        for index, pair in enumerate(zip(before, after, strict=True), 1):
            name = f"{figure}, table {index}" if len(before) > 1 else figure
            found += [f"{name}: {said}" for said in _compare(*pair)]
    return found


def _figures(outputs: Sequence[Mapping[str, Any]]) -> list[list[Table]]:
    found: list[list[Table]] = []
    for output in outputs:
        html = output.get("data", {}).get("text/html", "")
        found += tables_of(html if isinstance(html, str) else "".join(html))
    return found


def _compare(old: Table, new: Table) -> Iterator[str]:
    if old.heads != new.heads:
        yield f"the columns {_listed(old.heads)} became {_listed(new.heads)}"
        return
    if old.tolerance != new.tolerance:
        yield f"the tolerance {_share(old.tolerance)} became {_share(new.tolerance)}"
        return
    if old.tolerance is None:
        return
    if len(old.rows) != len(new.rows) or old.caption != new.caption:
        yield f"{_size(old)} became {_size(new)}"
        return
    columns = zip(
        old.heads,
        zip(*old.rows, strict=True),
        zip(*new.rows, strict=True),
        strict=True,
    )
    for head, before, after in columns:
        yield from _column(head, before, after, old)


def _column(
    head: str, old: Sequence[str], new: Sequence[str], table: Table
) -> Iterator[str]:
    """Yield the place where a column moved furthest, and how many places moved."""
    tolerance = table.tolerance or 0.0
    a, b = [_number(text) for text in old], [_number(text) for text in new]
    sizes = [_size_of(*pair) for pair in zip(a, b, strict=True)]
    largest = max(sizes, default=0.0)
    whole = max(largest, table.scale)
    # Of what the tolerance is a share, row by row.
    wholes = sizes if table.log else [whole] * len(sizes)
    gaps = [_gap(*cells) for cells in zip(old, new, a, b, strict=True)]
    # Decimals read as binary numbers must not miss the bound by their last bit.
    bounds = [tolerance * of * (1 + 1e-9) for of in wholes]
    bad = [row for row, gap in enumerate(gaps) if gap > bounds[row]]
    if not bad:
        return
    worst = max(bad, key=lambda row: gaps[row] / (wholes[row] or 1))
    more = f" (and {len(bad) - 1} more rows)" if len(bad) > 1 else ""
    name = "the layer" if table.scale > largest else "the column"
    of = (
        "the number itself, on a logarithmic axis"
        if table.log
        else f"{whole:.4g}, the largest magnitude of {name}"
    )
    allowed = (
        f"the tolerance is {tolerance:g} of {of}"
        if a[worst] is not None and b[worst] is not None
        else "texts must be equal"
    )
    yield (
        f"column {head!r}, row {worst + 1}: {old[worst]} became {new[worst]}; "
        f"{allowed}{more}"
    )


def _size_of(*values: float | None) -> float:
    """The largest magnitude among finite numbers, 0 if there are none."""
    finite = (abs(x) for x in values if x is not None and math.isfinite(x))
    return max(finite, default=0.0)


def _gap(old: str, new: str, before: float | None, after: float | None) -> float:
    """How far two cells are apart: 0 if they say the same."""
    if old == new:
        return 0.0
    if before is None or after is None or not math.isfinite(before - after):
        return math.inf
    return abs(before - after)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _listed(heads: Sequence[str]) -> str:
    return ", ".join(map(repr, heads))


def _share(tolerance: float | None) -> str:
    return "none" if tolerance is None else f"{tolerance:g}"


def _size(table: Table) -> str:
    return f"{len(table.rows)} rows ({table.caption or 'no caption'})"
