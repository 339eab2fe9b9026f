"""The table of the book's symbols: its rows, and what is wrong with them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from kanbook.tex import Use, declared, normal

TABLE = "book/notation.yml"
NEEDED = ("symbol", "meaning")
KEYS = (*NEEDED, "shape", "unit", "code", "in")


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Args:
        number: Its place in the table, counted from 1.
        group: The heading that it stands under.
        symbol: The symbol, in TeX.
        meaning: Its meaning, in Markdown with inline formulas.
        shape: Its shape as the code has it; empty for a scalar.
        unit: Its unit; empty if dimensionless.
        code: Its name in `kanlib`; empty without one.
        chapters: The slugs of the chapters that it counts in; empty for the whole book.
    """

    number: int
    group: str
    symbol: str
    meaning: str
    shape: str = ""
    unit: str = ""
    code: str = ""
    chapters: tuple[str, ...] = ()

    @cached_property
    def declares(self) -> tuple[Use, ...]:
        """The letters, or the one operation, that the row stands for."""
        return declared(self.symbol)


@dataclass(frozen=True)
class Table:
    """The rows that can be read, and one sentence for each that cannot.

    Args:
        rows: The good rows, in the table's order.
        faults: What is wrong with the others, each with its line and its remedy.
    """

    rows: tuple[Row, ...] = ()
    faults: tuple[str, ...] = ()

    def visible(self, slug: str) -> tuple[Row, ...]:
        """Return the rows that count in one chapter."""
        own = {normal(row.symbol) for row in self.rows if slug in row.chapters}
        return tuple(
            row
            for row in self.rows
            if slug in row.chapters
            or (not row.chapters and normal(row.symbol) not in own)
        )


def read(text: str) -> Table:
    """Read the table; a bad row is a fault, and the others stay.

    Example:
        >>> read("Sizes: [{symbol: N, meaning: number of samples}]").rows[0].symbol
        'N'
        >>> print(*read("Sizes: [{symbol: N, meening: number}]").faults)
        book/notation.yml, line 1: the row N has no meaning; expected symbol and \
meaning, and of shape, unit, code, in what applies. Mend that line.
    """
    loader = yaml.SafeLoader(text)
    try:
        groups = _groups(loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return Table(faults=(_fault(line, f"no YAML: {error.problem}"),))
    except ValueError as error:
        return Table(faults=(_fault(*error.args),))
    finally:
        loader.dispose()
    found: list[Row] = []
    faults: list[str] = []
    for group, line, row in groups:
        wrong = _wrong(row)
        if not wrong:
            made = _made(len(found) + 1, group, row)
            wrong = _clash(made, found)
            if not wrong:
                found.append(made)
        if wrong:
            faults.append(_fault(line, wrong))
    return Table(tuple(found), tuple(faults))


def _groups(loader: yaml.SafeLoader) -> list[tuple[str, int, Any]]:
    """Return (group, line, row) of every row; lines are why YAML's nodes are read.

    Raises:
        ValueError: the file or a group has another form; its arguments are `_fault`'s.
    """
    expected = "expected groups, `Group:`, each a list of rows"
    tree = loader.get_single_node()
    if not isinstance(tree, yaml.MappingNode):
        raise ValueError(1, f"not a mapping; {expected}")
    for head, rows in tree.value:
        if not isinstance(rows, yaml.SequenceNode):
            line = head.start_mark.line + 1
            raise ValueError(line, f"the group {head.value} is no list; {expected}")
    return [
        (head.value, row.start_mark.line + 1, loader.construct_object(row, deep=True))
        for head, rows in tree.value
        for row in rows.value
    ]


def _fault(line: int, what: str) -> str:
    return f"{TABLE}, line {line}: {what}. Mend that line."


def _wrong(row: Any) -> str:
    """Say what is wrong with one row as YAML has it, or ""."""
    expected = "expected symbol and meaning, and of shape, unit, code, in what applies"
    if not isinstance(row, dict):
        return f"the row is {row!r}; {expected}"
    name = row.get("symbol", "")
    missing = [key for key in NEEDED if not row.get(key)]
    if missing:
        return f"the row {name or row} has no {' and no '.join(missing)}; {expected}"
    unknown = [str(key) for key in row if key not in KEYS]
    if unknown:
        return f"the row {name} has the unknown key {', '.join(unknown)}; {expected}"
    for key in KEYS[:-1]:
        if not isinstance(row.get(key, ""), str):
            return (
                f"{key} of the row {name} is {row[key]!r}; expected text (in quotes, "
                "where YAML reads something else)"
            )
    slugs = row.get("in", ["any"])
    if not (isinstance(slugs, list) and slugs and all(map(_is_text, slugs))):
        return f"in of the row {name} is {slugs!r}; expected slugs, such as [kan]"
    if not declared(name):
        return f"the row {name} declares no letter; expected TeX that begins with one"
    return ""


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _made(number: int, group: str, row: Mapping[str, Any]) -> Row:
    texts = {key: row.get(key, "") for key in ("shape", "unit", "code")}
    chapters = tuple(row.get("in", ()))
    return Row(number, group, row["symbol"], row["meaning"], **texts, chapters=chapters)


def _clash(row: Row, others: Iterable[Row]) -> str:
    """Say with which row this one shares symbol and chapters, or ""."""
    for other in others:
        both = set(row.chapters) & set(other.chapters)
        everywhere = not row.chapters and not other.chapters
        if normal(other.symbol) == normal(row.symbol) and (both or everywhere):
            where = f"in {', '.join(sorted(both))}" if both else "in the whole book"
            return (
                f"{row.symbol} has two meanings {where}, this one and "
                f"{other.meaning!r}; expected one, or different chapters in `in:`"
            )
    return ""
