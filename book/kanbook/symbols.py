r"""Where chapters use the book's symbols, and which they use undeclared.

A row of the table declares the letters of its symbol, see `kanbook.tex`. A row with
`in: [slug]` counts only in those chapters, and there it replaces a row for the whole
book that has the same symbol. What a formula uses is settled by the row whose letter
has the same accent, as many indices, the same primes and superscript, in this order; a
letter with more or fewer of them than any row has goes to the nearest row, so that
`x_i` and `x'` are declared by `x`. But `\hat x` or `x'` never declare `x`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import nbformat

from kanbook.cells import Notebook, cells_of, without_injected
from kanbook.formulas import Formula, formulas
from kanbook.notation import TABLE, Row, Table, read
from kanbook.tex import Use, uses


@dataclass(frozen=True)
class Place:
    """A formula of a notebook, with the cell that it stands in."""

    number: int
    cell: str
    formula: Formula


def row_of(use: Use, rows: Iterable[Row]) -> Row | None:
    """Return the row that says what a symbol means; None if it is not declared."""
    ranked = [
        (_likeness(use, one), len(row.declares) == 1, -row.number, row)
        for row in rows
        for one in row.declares
        if one.base == use.base
        and one.accent in ("", use.accent)
        and one.primes in (0, use.primes)
    ]
    return max(ranked, key=lambda found: found[:3])[3] if ranked else None


def _likeness(use: Use, row: Use) -> tuple[bool, int, int, int]:
    def rank(ours: object, theirs: object) -> int:
        return 2 if ours == theirs else 0 if theirs else 1

    indices = 3 if use.sub == row.sub else rank(len(use.sub), len(row.sub))
    primes, above = rank(use.primes, row.primes), rank(use.sup, row.sup)
    return use.accent == row.accent, indices, primes, above


def rows_in(formula: Formula, rows: Sequence[Row]) -> list[Row]:
    """Return the rows of a formula's symbols, each once, in the table's order.

    In a formula on a line of its own every letter counts. In the running text letters
    are often used for a moment; there only one that looks as its row says counts.
    """
    found = set()
    for use in uses(formula.tex):
        row = row_of(use, rows)
        if row and (formula.display or _looks_alike(use, row)):
            found.add(row.number)
    return [row for row in rows if row.number in found]


def _looks_alike(use: Use, row: Row) -> bool:
    return any(
        (one.base, one.accent, one.primes, len(one.sub))
        == (use.base, use.accent, use.primes, len(use.sub))
        for one in row.declares
    )


def places(notebook: Notebook) -> Iterator[Place]:
    """Yield the formulas of a notebook's text in their order, each with its cell."""
    cells = {"cells": without_injected(notebook["cells"])}
    for number, cell in cells_of(cells, "markdown"):
        for formula in formulas(cell["source"]):
            yield Place(number, str(cell.get("id", "")), formula)


def first_uses(found: Sequence[Place], rows: Sequence[Row]) -> dict[int, Place]:
    """Return row number -> where a chapter has its symbol first.

    That is a formula on a line of its own if there is one, else one in the text.
    """
    first: dict[int, Place] = {}
    for display in (True, False):
        for place in found:
            if place.formula.display == display:
                for row in rows_in(place.formula, rows):
                    first.setdefault(row.number, place)
    return first


def undeclared(found: Iterable[Place], table: Table, slug: str) -> list[str]:
    """Return a sentence for each symbol of display formulas that no row declares.

    Args:
        found: The chapter's formulas, see `places`.
        table: The book's symbols.
        slug: The chapter's name; rows of other chapters do not count.
    """
    rows = table.visible(slug)
    said: dict[str, str] = {}
    for place in found:
        if not place.formula.display:
            continue
        for use in uses(place.formula.tex):
            if row_of(use, rows) is None and use.base not in said:
                label = place.formula.label
                equation = f", equation {label}" if label else ""
                # Without marks it declares the letter with any.
                plain = replace(use, accent="", primes=0)
                said[use.base] = (
                    f"cell {place.number} (id {place.cell}){equation}: the symbol "
                    f"{use} is not declared; expected a row in {TABLE}, because the "
                    "notation page, the chapter's list and the hover cards are made "
                    "of it. Add in the group that fits: "
                    f"- {{symbol: '{plain}', meaning: ..., in: [{slug}]}}"
                )
    return list(said.values())


def unused(first: Mapping[int, Place], table: Table, slug: str) -> list[str]:
    """Return a sentence for each row of this chapter that it does not use."""
    return [
        f"{TABLE}: the row {row.symbol} says `in: [{', '.join(row.chapters)}]`, but "
        f"{slug} has no such symbol. Remove {slug} from the row, or the row."
        for row in table.rows
        if slug in row.chapters and row.number not in first
    ]


@dataclass(frozen=True)
class Book:
    """The table with the chapters that use it.

    Args:
        table: The book's symbols.
        notebooks: Page -> the notebook that it shows, in the book's order.
    """

    table: Table
    notebooks: Mapping[str, Path]

    @cached_property
    def formulas(self) -> dict[str, list[Place]]:
        """Page -> its formulas."""
        return {
            page: list(places(nbformat.read(path, as_version=4)))
            for page, path in self.notebooks.items()
        }

    @cached_property
    def first(self) -> dict[str, dict[int, Place]]:
        """Page -> row number -> where the page has the symbol first."""
        return {
            page: first_uses(found, self.table.visible(slug_of(page)))
            for page, found in self.formulas.items()
        }

    def first_page(self, row: Row) -> tuple[str, Place] | None:
        """Return the first page that uses a row's symbol, and where; None if none."""
        pages = (page for page, found in self.first.items() if row.number in found)
        page = next(pages, None)
        return None if page is None else (page, self.first[page][row.number])

    def problems(self) -> list[str]:
        """Return what is wrong, one sentence each, with file, cell and remedy."""
        if self.table.faults:
            # What a broken row declares is not known, so nothing else is said.
            return list(self.table.faults)
        said = []
        slugs = [slug_of(page) for page in self.notebooks]
        named = {slug: row for row in self.table.rows for slug in row.chapters}
        said += [
            f"{TABLE}: the row {row.symbol} says `in: [{', '.join(row.chapters)}]`, "
            f"but no chapter is called {slug}; expected some of "
            f"{', '.join(slugs) or 'none'}. Mend this row, and others that name it."
            for slug, row in named.items()
            if slug not in slugs
        ]
        for page, found in self.formulas.items():
            slug = slug_of(page)
            lost = undeclared(found, self.table, slug)
            said += [f"{page}.ipynb, {problem}" for problem in lost]
            said += unused(self.first[page], self.table, slug)
        return said


def slug_of(page: str) -> str:
    """Return the chapter's name of a page, such as "kan" of "chapters/kan/kan"."""
    return page.rpartition("/")[2]


def read_book(table: Path, notebooks: Mapping[str, Path]) -> Book:
    """Read the table; a book that has none declares and checks nothing.

    Args:
        table: The file.
        notebooks: Page -> the notebook that it shows, in the book's order.
    """
    if not table.is_file():
        return Book(Table(), {})
    return Book(read(table.read_text("utf-8")), notebooks)
