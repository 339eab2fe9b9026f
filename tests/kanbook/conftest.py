"""Little books in a temporary folder; their notebooks need no torch and start fast."""

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

Cell = str | tuple[str, Sequence[str]]


def notebook(*cells: Cell) -> nbformat.NotebookNode:
    """A notebook of code cells (text, or text and tags); "# ..." lines make prose."""
    made = []
    for number, cell in enumerate(cells):
        text, tags = (cell, ()) if isinstance(cell, str) else cell
        text = textwrap.dedent(text).strip()
        make = new_markdown_cell if text.startswith("# ") else new_code_cell
        made.append(make(text, id=f"cell-{number}"))
        if tags:
            made[-1].metadata["tags"] = list(tags)
    return new_notebook(cells=made)


def write_book(root: Path, **chapters: nbformat.NotebookNode) -> Path:
    """Write chapters/part/<slug>.ipynb and a _toc.yml that lists them."""
    (root / "chapters" / "part").mkdir(parents=True)
    lines = ["format: jb-book", "root: intro", "chapters:"]
    for slug, made in chapters.items():
        nbformat.write(made, root / "chapters" / "part" / f"{slug}.ipynb")
        lines.append(f"- file: chapters/part/{slug}")
    (root / "_toc.yml").write_text("\n".join(lines) + "\n")
    for package in ("kanlib", "kernels"):
        (root / package).mkdir()
    (root / "kanlib" / "core.py").write_text("answer = 42\n")
    (root / "requirements.lock").write_text("torch==2.13.0\n")
    return root


@pytest.fixture(scope="session", name="notebook")
def notebook_maker() -> Callable[..., nbformat.NotebookNode]:
    return notebook


@pytest.fixture(scope="session", name="write_book")
def book_maker() -> Callable[..., Path]:
    return write_book
