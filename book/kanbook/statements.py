"""The numbered statements of notebooks, and the checks that put them to the test.

A theorem, proposition, lemma, corollary, property, criterion, observation or
conjecture states something that can be evaluated, on an instance at least: each needs
one check, `kanlib.claims.evaluate`, or the reason why there is none, `not_checkable`.
A definition, notation, axiom, assumption, algorithm, remark or example may have one.
"""

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import nbformat

from kanbook.cells import (
    Notebook,
    cells_of,
    claims_calls,
    code_cells,
    without_injected,
)
from kanbook.fences import directives
from kanlib.claims import CHECK_MIME

Record = dict[str, Any]

NEED_A_CHECK = frozenset(
    {
        "theorem",
        "proposition",
        "lemma",
        "corollary",
        "property",
        "criterion",
        "observation",
        "conjecture",
    }
)
CALLS = {"evaluate", "not_checkable"}


class Statement(NamedTuple):
    """A numbered statement, where a notebook states it."""

    kind: str
    label: str
    title: str
    cell: int


class Stated(NamedTuple):
    """A labelled statement of the book, with the record of its check or None."""

    page: str
    statement: Statement
    record: Record | None


class Book(NamedTuple):
    """All labelled statements of the book, and what is wrong with them."""

    stated: tuple[Stated, ...]
    problems: tuple[str, ...]


def statements(notebook: Notebook) -> Iterator[Statement]:
    r"""Yield the numbered statements of a notebook; `label` may be empty.

    Example:
        >>> text = ":::{prf:lemma} One\n:label: one\n\n$1 = 1$\n:::"
        >>> list(statements({"cells": [{"cell_type": "markdown", "source": text}]}))
        [Statement(kind='lemma', label='one', title='One', cell=1)]
    """
    for number, cell in cells_of(notebook, "markdown"):
        for one in directives(cell["source"].split("\n")):
            kind, label = one.name.removeprefix("prf:"), one.options.get("label", "")
            if kind not in (one.name, "proof") and (
                label or "nonumber" not in one.options
            ):
                yield Statement(kind, label, one.argument, number)


def checks(outputs: Sequence[Mapping[str, Any]]) -> list[Record]:
    """Return the check records among a cell's outputs, in order."""
    found = [output.get("data", {}) for output in outputs]
    return [data[CHECK_MIME] for data in found if CHECK_MIME in data]


def statement_rules(notebook: Notebook) -> Iterator[str]:
    """Every numbered statement has a label and one check; every check a statement."""
    stated = list(statements(notebook))
    labels = {one.label for one in stated}
    made = list(_made(notebook))
    for one in stated:
        if one.kind not in NEED_A_CHECK:
            continue
        if not one.label:
            yield (
                f"cell {one.cell} states a {one.kind} without a label; expected one, "
                "because its check names it. Add the line `:label: NAME`, or "
                "`:nonumber:` if it is no statement of the book"
            )
        elif not any(label == one.label for _, label, _ in made):
            yield (
                f"cell {one.cell} states the {one.kind} {one.label!r}, but no cell "
                "checks it; expected one check. End a code cell with "
                f"kanlib.claims.evaluate({one.label!r}, {{...}}), or with "
                f"not_checkable({one.label!r}, because=...)"
            )
    for label in sorted(labels - {""}):
        places = [str(one.cell) for one in stated if one.label == label]
        if len(places) > 1:
            yield (
                f"the label {label!r} stands at {len(places)} statements, in cells "
                f"{', '.join(places)}; expected one, because references and the check "
                "name it. Give the others labels of their own"
            )
    for number, label, shown in made:
        if label not in labels:
            yield _unknown(number, label, sorted(labels - {""}))
        elif not shown:
            yield (
                f"cell {number} checks {label!r} but shows no record; expected the "
                "call as the cell's last expression, and the outputs refreshed"
            )
    for label, count in Counter(label for _, label, _ in made).items():
        if count > 1:
            cells = ", ".join(str(number) for number, name, _ in made if name == label)
            yield (
                f"the statement {label!r} is checked {count} times, in cells {cells}; "
                "expected once, because its badge shows one check. Give all sides to "
                "one call of evaluate"
            )


def _unknown(number: int, label: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(label, known, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return (
        f"cell {number} checks {label!r}, but no statement of this notebook has that "
        f"label; expected one of: {', '.join(known) or 'none yet'}. Mend the label "
        f"here or at the statement{hint}"
    )


def _made(notebook: Notebook) -> Iterator[tuple[int, str, bool]]:
    """Yield (cell, label, shown) of each check, by the code and by the outputs."""
    calls = claims_calls(notebook, CALLS, "statement")
    for number, cell in code_cells(notebook):
        shown = Counter(
            record["statement"] for record in checks(cell.get("outputs", []))
        )
        called = Counter(calls[number])
        for label in called | shown:
            # A label that was shown once and called twice is called twice.
            for _ in range(max(called[label], shown[label])):
                yield number, label, bool(shown[label])


def read(sources: Mapping[str, Path]) -> Book:
    """Return the labelled statements of the book with their checks.

    Args:
        sources: Page -> the notebook that it shows.
    """
    stated: list[Stated] = []
    problems: list[str] = []
    for page, path in sources.items():
        notebook = nbformat.read(path, as_version=4)
        notebook.cells = without_injected(notebook.cells)
        found = {
            record["statement"]: record
            for _, cell in code_cells(notebook)
            for record in checks(cell.get("outputs", []))
        }
        stated += [
            Stated(page, one, found.get(one.label))
            for one in statements(notebook)
            if one.label
        ]
        problems += [f"{page}.ipynb: {said}." for said in statement_rules(notebook)]
    return Book(tuple(stated), tuple(problems))


def moved(
    committed: Sequence[Mapping[str, Any]], fresh: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Return how the checks of one cell moved from its committed to its fresh outputs.

    Sides, bounds and reasons must be the same; the gaps only stay within the bounds.
    """
    old, new = (
        {record["statement"]: record for record in checks(outputs)}
        for outputs in (committed, fresh)
    )
    said = [f"the check of {name} is gone" for name in old if name not in new]
    for name, record in new.items():
        if name not in old:
            said.append(f"the check of {name} is new")
        elif _frame(record) != _frame(old[name]):
            said.append(
                f"the check of {name} is another: {_frame(old[name])} became "
                f"{_frame(record)}"
            )
        said += [
            f"the check of {name}: {side['name']} has a gap of {side['gap']:.3g}; "
            f"expected at most {side['bound']:g}"
            for side in record["sides"]
            if not side["gap"] <= side["bound"]
        ]
    return said


def _frame(record: Mapping[str, Any]) -> str:
    """Return a check without what was measured, in words."""
    if not record["checkable"]:
        return f"not checkable, because {record['because']}"
    return "; ".join(
        f"{side['name']} {side['kind']} {side['bound']:g}" for side in record["sides"]
    )
