"""Little books in a temporary folder; their notebooks need no torch and start fast."""

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from kanlib.claims import Ledger

REPOSITORY = Path(__file__).parents[2]
# One transparent point.
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    "AABJRU5ErkJggg=="
)
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


def paper_notebook() -> nbformat.NotebookNode:
    """A chapter with what print editions must set: formulas, claims, figures, code."""
    claims = Ledger("toy", paper="liu2024kan")
    claims.claim(
        "1",
        "The error falls as $h^4$, for h_1 too.",
        paper_value="4",
        where="table 1",
        seen="read",
        at_most=1.0,
    )
    moving = {
        "application/vnd.jupyter.widget-view+json": {"model_id": "one"},
        "image/png": PNG,
        "text/plain": "Figure: A curve that a reader drags.",
    }
    table = claims.measure("1", 0.5), claims.table()
    made = new_notebook(
        cells=[
            new_markdown_cell(
                r"""# Toys

After {cite:p}`liu2024kan`, by {eq}`sum`, {prf:ref}`one` and {claim}`toy.1`.

```{math}
:label: sum
\begin{aligned} y &= 1 \end{aligned}
```

```{prf:remark} One
:label: one

One is $1$.
```

```{prf:proof}
Clear.
```

## A section""",
                id="text",
            ),
            new_code_cell("φ = 'hidden'", id="folded"),
            new_code_cell(
                "print('φ, π, ² — ′')",
                id="figure",
                outputs=[
                    new_output("stream", name="stdout", text="φ, π, ² — ′\n"),
                    new_output("display_data", data=moving),
                ],
            ),
            new_code_cell(
                "ledger.table()",
                id="table",
                outputs=[
                    new_output("display_data", data=table[0].bundle()),
                    new_output("display_data", data=table[1]._repr_mimebundle_()),
                ],
            ),
        ]
    )
    made.cells[1].metadata["tags"] = ["hide-input"]
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    made.metadata["kernelspec"] = kernel
    return made


INTRO = """
# A little book

With a chapter, {doc}`/chapters/part/toy`, and a reference, {doc}`/book/pages/api/one`.

```{chapter-figure} chapters/part/toy figure
```

```{claims-tally}
```

```{book-chapters}
```

```{editions}
```
"""


@pytest.fixture(scope="session")
def paper_book() -> Callable[[Path], Path]:
    """Write a whole little book into a folder: paper_book(folder) is its root."""

    def write(root: Path) -> Path:
        root.mkdir(parents=True, exist_ok=True)
        for name in ("_config.yml", "CITATION.cff"):
            (root / name).write_text((REPOSITORY / name).read_text("utf-8"), "utf-8")
        (root / "_toc.yml").write_text(
            "format: jb-book\nroot: book/pages/intro\nparts:\n- caption: Things\n"
            "  numbered: 2\n  chapters:\n  - file: chapters/part/toy\n"
            "- caption: The rest\n  chapters:\n  - file: book/pages/ledger\n"
            "  - file: book/pages/api/one\n  - file: book/pages/references\n"
        )
        pages = root / "book/pages"
        (pages / "api").mkdir(parents=True)
        (pages / "intro.md").write_text(INTRO)
        (pages / "ledger.md").write_text("# Ledger\n\n```{claims-ledger}\n```\n")
        (pages / "api/one.md").write_text("# The library\n")
        (pages / "references.md").write_text("# References\n\n```{bibliography}\n```\n")
        (root / "book/notation.yml").write_text(
            "Data:\n  - {symbol: y, meaning: output}\n"
        )
        for name in ("static", "references.bib"):
            (root / "book" / name).symlink_to(REPOSITORY / "book" / name)
        (root / "chapters/part").mkdir(parents=True)
        nbformat.write(paper_notebook(), root / "chapters/part/toy.ipynb")
        return root

    return write
