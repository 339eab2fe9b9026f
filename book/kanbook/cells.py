"""Reading a notebook: its cells, their tags, code, headings and outputs."""

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

Notebook = Mapping[str, Any]
Cell = Mapping[str, Any]
Numbered = tuple[int, Cell]

INJECTED = "injected-parameters"
"""The tag of the cell that a run puts behind the parameters, in its copy only."""

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


def without_injected(cells: Iterable[Any]) -> list[Any]:
    """Return the cells that a committed notebook has too, so that they count alike."""
    return [cell for cell in cells if INJECTED not in tags_of(cell)]


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


def claims_calls(
    notebook: Notebook, functions: Collection[str], first: str
) -> dict[int, list[str]]:
    """Return cell number -> the first argument of each call of some functions.

    Args:
        notebook: The notebook.
        functions: Names in `kanlib.claims`, also imported under other names.
        first: The name of their first parameter.
    """
    trees = {n: tree_of(cell) or ast.Module([], []) for n, cell in code_cells(notebook)}
    names = {
        alias.asname or alias.name
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "kanlib.claims"
        for alias in node.names
        if alias.name in functions
    }
    found: dict[int, list[str]] = {number: [] for number in trees}
    for number, tree in trees.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            owner, _, name = ast.unparse(node.func).rpartition(".")
            ours = (
                owner.endswith("claims") and name in functions
                if owner
                else name in names
            )
            given = {word.arg: word.value for word in node.keywords}
            argument = node.args[0] if node.args else given.get(first)
            if ours and isinstance(argument, ast.Constant):
                found[number].append(str(argument.value))
    return found


def headings(notebook: Notebook) -> Iterator[tuple[int, int, str]]:
    """Yield (cell number, level, text) of each heading outside fences."""
    for number, cell in cells_of(notebook, "markdown"):
        for line in FENCE.sub("", cell["source"]).splitlines():
            match = re.match(r"(#{1,6})\s+(.*?)\s*$", line)
            if match:
                yield number, len(match[1]), match[2]
