"""The rules that a committed chapter keeps, as pure functions of a notebook.

Each returns the problems it found, worded as what, got and expected, with the number of
the cell counted from 1 as an editor shows them. `problems` is all of them.
"""

import ast
from collections.abc import Callable, Iterator
from itertools import pairwise
from statistics import median
from typing import Any

from kanbook.bootstrap import TAG, bootstrap_rules
from kanbook.cells import (
    Cell,
    Notebook,
    code_cells,
    headings,
    length_of,
    tagged,
    tags_of,
    tree_of,
)
from kanbook.fences import fence_rules
from kanbook.notebook_code import code_rules, length_rules, line_rules
from kanbook.notebook_outputs import (
    check_rules,
    claim_rules,
    figure_rules,
    output_rules,
)
from kanbook.numbers import number_rules
from kanbook.prose import prose_rules
from kanbook.statements import statement_rules

SECTIONS = (
    "The question",
    "The derivation",
    "The implementation",
    "The experiment",
    "What happens at scale",
    "The claims",
    "Exercises",
)
LARGEST_FILE = 2_000_000


def problems(notebook: Notebook, slug: str, size: int = 0) -> list[str]:
    """Return everything that keeps `notebook` from being a chapter.

    Args:
        notebook: The committed notebook, in nbformat's dictionary form.
        slug: The file's name without `.ipynb`; ids of claims begin with it.
        size: The file's size in bytes.

    Returns:
        One sentence a problem; empty for a chapter that keeps all rules.
    """
    found = [problem for rule in RULES for problem in rule(notebook)]
    found += claim_rules(notebook, slug)
    if size >= LARGEST_FILE:
        found.append(f"the file has {size} bytes; expected less than {LARGEST_FILE}")
    return found


def median_length(notebook: Notebook) -> float:
    """Return the median number of lines of code a cell; the aim is 8."""
    lengths = [length_of(cell) for _, cell in code_cells(notebook)]
    return float(median(lengths)) if lengths else 0.0


def _sections(notebook: Notebook) -> Iterator[str]:
    found = [text for _, level, text in headings(notebook) if level == 2]
    if found != list(SECTIONS):
        yield (
            f"the sections are {', '.join(found) or 'none'}; expected exactly "
            f"{', '.join(SECTIONS)}, in this order, as headings of level 2"
        )


def _levels(notebook: Notebook) -> Iterator[str]:
    last = 0
    for number, level, text in headings(notebook):
        if level > last + 1:
            yield (
                f"cell {number}: heading {text!r} has level {level} after level "
                f"{last}; expected at most {last + 1}"
            )
        if level == 1 and last:
            yield f"cell {number}: second title {text!r}; expected one of level 1"
        last = level
    if not last:
        yield "no heading; expected a title of level 1 first"


def _parameters(notebook: Notebook) -> Iterator[str]:
    found = tagged(notebook, "parameters")
    if len(found) != 1:
        yield f"{len(found)} cells are tagged parameters; expected exactly one"
        return
    ((number, cell),) = found
    values = _assigned(cell)
    if values.get("profile") != "book":
        yield (
            f"cell {number}: profile is {values.get('profile')!r}; expected the line "
            'profile = "book" in the cell tagged parameters'
        )


def _assigned(cell: Cell) -> dict[str, Any]:
    tree = tree_of(cell)
    return {
        target.id: node.value.value
        for node in (tree.body if tree else [])
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _identity(notebook: Notebook) -> Iterator[str]:
    seen: set[str] = set()
    for number, cell in enumerate(notebook["cells"], 1):
        name = cell.get("id")
        if not name:
            yield f"cell {number} has no id; expected one, as nbformat 4.5 gives it"
        elif name in seen:
            yield f"cell {number} repeats the id {name!r}; expected a unique one"
        seen.add(name or "")


def _prose(notebook: Notebook) -> Iterator[str]:
    kinds = [cell["cell_type"] for cell in notebook["cells"]]
    for number, pair in enumerate(pairwise(kinds), 2):
        hidden = TAG in tags_of(notebook["cells"][number - 2])
        if pair == ("code", "code") and not hidden:
            yield f"cell {number} follows another code cell; expected prose between"


def _try_it(notebook: Notebook) -> Iterator[str]:
    found = tagged(notebook, "try-it")
    if len(found) != 1:
        yield f"{len(found)} cells are tagged try-it; expected exactly one"


def _exercises(notebook: Notebook) -> Iterator[str]:
    starts = [n for n, _, text in headings(notebook) if text == "Exercises"]
    inside = [(n, c) for n, c in code_cells(notebook) if starts and n > starts[-1]]
    for number, cell in inside:
        if "exercise" not in tags_of(cell):
            yield f"cell {number} stands among the exercises; expected the tag exercise"
    count = len(tagged(notebook, "exercise"))
    if count < 3:
        yield f"{count} cells are tagged exercise; expected three: derive, code, break"


RULES: tuple[Callable[[Notebook], Iterator[str]], ...] = (
    _sections,
    _levels,
    _parameters,
    _identity,
    _prose,
    length_rules,
    line_rules,
    code_rules,
    output_rules,
    check_rules,
    figure_rules,
    statement_rules,
    number_rules,
    prose_rules,
    fence_rules,
    bootstrap_rules,
    _try_it,
    _exercises,
)
