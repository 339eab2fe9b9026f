"""Rules for the committed outputs of a chapter."""

import ast
import re
from collections.abc import Iterator

from kanbook.cells import (
    Cell,
    Notebook,
    bundles_of,
    cells_of,
    code_cells,
    tagged,
    tags_of,
    tree_of,
)
from kanbook.still import WIDGET_VIEW

CLAIM = "application/vnd.kanlib.claim+json"
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
    """Every figure has alt text, and at least one moves."""
    widgets = False
    for number, cell in code_cells(notebook):
        for data in bundles_of(cell):
            widgets |= WIDGET_VIEW in data and "try-it" not in tags_of(cell)
            if "image/png" in data or "image/svg+xml" in data:
                text = "".join(data.get("text/plain", ""))
                if not re.match(r"Figure: \S", text):
                    yield (
                        f"cell {number} shows a figure without alt text; expected it "
                        "from kanlib.plotting.figure(draw, alt=...)"
                    )
            for image in re.findall(
                r"<img\b[^>]*>", "".join(data.get("text/html", ""))
            ):
                if not re.search(r"\balt=([\"'])\s*\S", image):
                    yield f"cell {number} shows an <img> without alt text; expected one"
    if not widgets:
        yield "no figure is a widget; expected at least one outside the try-it cell"
    for number, cell in cells_of(notebook, "markdown"):
        if re.search(r"!\[\s*\]\(", cell["source"]):
            yield f"cell {number} has an image without alt text; expected one"


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
