"""Reading a notebook: its cells, their tags, code, headings and outputs."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Notebook = Mapping[str, Any]
Cell = Mapping[str, Any]
Numbered = tuple[int, Cell]

FENCE = re.compile(r"^(`{3,}|~{3,}|:{3,}).*?^\1\s*$", re.MULTILINE | re.DOTALL)


def cells_of(notebook: Notebook, kind: str) -> Iterator[Numbered]:
    """Yield the cells of one kind with their numbers, counted from 1."""
    for number, cell in enumerate(notebook["cells"], 1):
        if cell["cell_type"] == kind:
            yield number, cell


def code_cells(notebook: Notebook) -> Iterator[Numbered]:
    """Yield the code cells with their numbers."""
    return cells_of(notebook, "code")


def tags_of(cell: Cell) -> Sequence[str]:
    """Return a cell's tags."""
    return cell["metadata"].get("tags", [])


def tagged(notebook: Notebook, tag: str) -> list[Numbered]:
    """Return the code cells that carry a tag."""
    return [(n, c) for n, c in code_cells(notebook) if tag in tags_of(c)]


def length_of(cell: Cell) -> int:
    """Count a cell's lines that are not blank."""
    return sum(bool(line.strip()) for line in cell["source"].splitlines())


def bundles_of(cell: Cell) -> Iterator[Mapping[str, Any]]:
    """Yield the display bundles among a cell's outputs."""
    for output in cell.get("outputs", []):
        if "data" in output:
            yield output["data"]


def tree_of(cell: Cell) -> ast.Module | None:
    """Parse a code cell without its magics; None if it is no Python."""
    lines = cell["source"].splitlines()
    plain = "\n".join("" if line.startswith(("%", "!")) else line for line in lines)
    try:
        return ast.parse(plain)
    except SyntaxError:
        return None


def headings(notebook: Notebook) -> Iterator[tuple[int, int, str]]:
    """Yield (cell number, level, text) of each heading outside fences."""
    for number, cell in cells_of(notebook, "markdown"):
        for line in FENCE.sub("", cell["source"]).splitlines():
            match = re.match(r"(#{1,6})\s+(.*?)\s*$", line)
            if match:
                yield number, len(match[1]), match[2]
