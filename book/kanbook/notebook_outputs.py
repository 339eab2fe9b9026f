"""Rules for the committed outputs of a chapter."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat

from kanbook.cells import (
    Cell,
    Notebook,
    bundles_of,
    cells_of,
    code_cells,
    tagged,
    tags_of,
    tree_of,
    without_injected,
)
from kanbook.still import WIDGET_VIEW
from kanlib.claims import MIME as CLAIM

FIGURE = "kanlib.plotting.figure(draw, alt=...)"
ADDRESS = re.compile(r"\bat 0x[0-9a-f]{6,}")


def output_rules(notebook: Notebook) -> Iterator[str]:
    """Everything ran in order, without error, stderr or memory address."""
    for count, (number, cell) in enumerate(code_cells(notebook), 1):
        got = cell.get("execution_count")
        if got != count:
            yield (
                f"cell {number} has execution count {got}; expected {count}, as "
                "kanbook refresh writes it"
            )
        for output in cell.get("outputs", []):
            if output["output_type"] == "error":
                yield f"cell {number} was committed with {output['ename']}"
            elif output.get("name") == "stderr":
                yield f"cell {number} was committed with output on stderr"
        texts = [data.get("text/plain", "") for data in bundles_of(cell)]
        texts += [output.get("text", "") for output in cell.get("outputs", [])]
        if any(ADDRESS.search("".join(text)) for text in texts):
            yield (
                f"cell {number} shows a memory address; expected none, because it "
                "changes with each run"
            )


def check_rules(notebook: Notebook) -> Iterator[str]:
    """A cell that is compared has something to compare with."""
    for number, cell in tagged(notebook, "nbval-check-output"):
        if not cell.get("outputs"):
            yield (
                f"cell {number} is tagged nbval-check-output but has no output; "
                "expected one to compare with"
            )


def figure_rules(notebook: Notebook) -> Iterator[str]:
    """Every picture keeps its rules and shows its data; at least one figure moves."""
    yield from picture_rules(notebook)
    for number, cell in code_cells(notebook):
        for data in bundles_of(cell):
            html = "".join(data.get("text/html", ""))
            if html.count('class="kl-figure"') != html.count('class="kl-data"'):
                yield (
                    f"cell {number} shows a figure without its data; expected the "
                    "table that kanlib.plotting puts below it. Run kanbook refresh"
                )
    if not any(
        WIDGET_VIEW in data and "try-it" not in tags_of(cell)
        for _, cell in code_cells(notebook)
        for data in bundles_of(cell)
    ):
        yield "no figure is a widget; expected at least one outside the try-it cell"


def picture_rules(notebook: Notebook) -> Iterator[str]:
    """Every picture has alternative text, and none is made by pyplot."""
    for number, cell in code_cells(notebook):
        found = [*_pyplot(cell)]
        for data in bundles_of(cell):
            found += _pictures(data)
        for said in dict.fromkeys(found):
            yield f"cell {number} (id {cell.get('id')}) {said}"
    for number, cell in cells_of(notebook, "markdown"):
        if re.search(r"!\[\s*\]\(", cell["source"]):
            yield (
                f"cell {number} (id {cell.get('id')}) has an image without alt text; "
                "expected one. Write ![what it shows](...)"
            )


def picture_problems(sources: Mapping[str, Path]) -> list[str]:
    """Return what is wrong with the pictures of the book, with file and cell.

    Args:
        sources: Page -> the notebook that it shows.
    """
    said: list[str] = []
    for page, path in sources.items():
        notebook = nbformat.read(path, as_version=4)
        notebook.cells = without_injected(notebook.cells)
        said += [f"{page}.ipynb: {problem}." for problem in picture_rules(notebook)]
    return said


def _pyplot(cell: Cell) -> Iterator[str]:
    """Say where a cell draws on axes of its own."""
    for node in ast.walk(tree_of(cell) or ast.Module([], [])):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            if re.match(r"(matplotlib\.)?(pyplot|pylab)\b", name):
                yield (
                    f"imports {name}; expected {FIGURE}, because a figure needs "
                    "alternative text, a dark twin and its data. Write a function "
                    "draw(axes) of what pyplot drew"
                )


def _pictures(data: Mapping[str, Any]) -> Iterator[str]:
    """Say what one output lacks."""
    plain, html = ("".join(data.get(f"text/{name}", "")) for name in ("plain", "html"))
    picture = "image/png" in data or "image/svg+xml" in data
    if picture and not re.match(r"Figure: \S", plain):
        yield (
            f"shows a figure without alt text; expected {FIGURE}, because some readers "
            "do not see it. Make it there, as the cell's last expression"
        )
    elif picture and not html and WIDGET_VIEW not in data:
        yield (
            "shows a figure in one form; expected image/png and text/html, because "
            f"dark pages need their own. Make it by {FIGURE}"
        )
    if any(
        not re.search(r"\balt=([\"'])\s*(?!\1)\S", image)
        for image in re.findall(r"<img\b[^>]*>", html)
    ):
        yield (
            "shows an <img> without alt text; expected one, because some readers do "
            'not see it. Write <img alt="what it shows" ...>'
        )


def claim_rules(notebook: Notebook, slug: str) -> Iterator[str]:
    """Every declared claim is recorded once, under this chapter's name."""
    declared = {
        f"{slug}.{name}" for _, cell in code_cells(notebook) for name in _declared(cell)
    }
    shown: list[str] = [
        data[CLAIM]["id"]
        for _, cell in code_cells(notebook)
        for data in bundles_of(cell)
        if CLAIM in data
    ]
    if not shown:
        yield "no claim record; expected at least one, from kanlib.Ledger"
    for name in sorted(declared - set(shown)):
        yield f"claim {name} is declared but no cell shows its record; expected one"
    for name in dict.fromkeys(shown):
        if not name.startswith(f"{slug}."):
            yield f"claim {name} is recorded; expected ids to begin with {slug}."
        if shown.count(name) > 1:
            yield f"claim {name} is recorded {shown.count(name)} times; expected once"


def _declared(cell: Cell) -> Iterator[str]:
    """Numbers in calls such as ledger.claim("3b", ...)."""
    for node in ast.walk(tree_of(cell) or ast.Module([], [])):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "claim"
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield str(node.args[0].value)
