"""Each rule of a chapter: kept by the skeleton, and broken one at a time."""

import copy
from collections.abc import Callable
from typing import Any

import nbformat
import pytest
from kanbook.notebooks import SECTIONS, median_length, problems
from kanbook.skeleton import skeleton
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

CLAIM = "application/vnd.kanlib.claim+json"
NUMBER = "application/vnd.kanlib.number+json"
VIEW = "application/vnd.jupyter.widget-view+json"
Notebook = nbformat.NotebookNode


def code(made: Notebook, start: str) -> Notebook:
    """The code cell that holds `start`."""
    return next(c for c in made.cells if c.cell_type == "code" and start in c.source)


def prose(made: Notebook, start: str) -> Notebook:
    return next(
        c for c in made.cells if c.cell_type == "markdown" and start in c.source
    )


@pytest.fixture(scope="module")
def good() -> Notebook:
    """The skeleton with the outputs that its execution would have."""
    made = skeleton("mine")
    cells = [cell for cell in made.cells if cell.cell_type == "code"]
    for count, cell in enumerate(cells, 1):
        cell.execution_count = count
    png = {"image/png": "iVBOR", "text/plain": "Figure: seven bumps"}
    png["text/html"] = '<figure><img alt="seven bumps" src="data:"></figure>'
    shown: dict[str, dict[str, Any]] = {
        "deviation = ": {NUMBER: {"name": "deviation", "value": 0.0}},
        "figure(draw": png,
        "SplineEditor(basis": {VIEW: {"model_id": "0"}, "text/plain": "SplineEditor"},
        "ledger.measure": {CLAIM: {"id": "mine.1"}, "text/plain": "claim mine.1"},
        "agree(naive": {"text/plain": "agree"},
        "TryIt(exp": {VIEW: {"model_id": "1"}, "text/html": "<p>seven</p>"},
    }
    for start, data in shown.items():
        code(made, start).outputs = [new_output("display_data", data)]
    return made


def test_good_chapter_has_no_problem(good: Notebook) -> None:
    assert problems(good, "mine", 200_000) == []
    assert 1 <= median_length(good) <= 8


def retag(*tags: str) -> Callable[[Notebook], None]:
    def change(cell: Notebook) -> None:
        cell.metadata["tags"] = list(tags)

    return change


def write(text: str) -> Callable[[Notebook], None]:
    def change(cell: Notebook) -> None:
        cell.source += "\n" + text

    return change


def show(**output: Any) -> Callable[[Notebook], None]:
    def change(cell: Notebook) -> None:
        cell.outputs.append(new_output(**output))

    return change


def data(**bundle: Any) -> Callable[[Notebook], None]:
    renamed = {"/".join(name.split("_")): value for name, value in bundle.items()}
    return show(output_type="display_data", data=renamed)


CELL = "points ="  # the cell of imports: nothing is special about it
ERROR = {"output_type": "error", "ename": "KeyError", "evalue": "", "traceback": []}
BROKEN_CODE = [
    ("profile =", retag(), "0 cells are tagged parameters; expected exactly one"),
    ("profile =", write('profile = "full"'), "profile is 'full'; expected the line"),
    (CELL, write("%load_ext autoreload"), "the magic '%load_ext autoreload'"),
    (CELL, write("!ls"), "the magic '!ls'"),
    (CELL, write("1;"), "ends with a semicolon"),
    (CELL, write("open('/home/me/data')"), "the absolute path '/home/me/data'"),
    (CELL, write(r"open('C:\\data')"), "the absolute path"),
    (CELL, write("warnings.filterwarnings('ignore')"), "calls warnings.filterwarnings"),
    (CELL, write("warnings.simplefilter('ignore')"), "calls warnings.simplefilter"),
    (CELL, write("from kanlib import _check"), "imports _check from kanlib"),
    (
        CELL,
        write("from kanlib.ops._cuda import a"),
        "imports _cuda from kanlib.ops._cuda",
    ),
    (CELL, write("import kanlib.ops._cuda"), "imports _cuda from kanlib.ops._cuda"),
    (CELL, write("from chapters.kan import kan"), "no chapter to import another"),
    (CELL, write("from . import kan"), "imports relatively"),
    (CELL, write("if"), "does not parse; expected Python"),
    (CELL, write("x = 1\n" * 40), "lines; expected at most 40"),
    ("SplineEditor(basis", lambda c: c.update(outputs=[]), "no figure is a widget"),
    ("TryIt(exp", retag(), "0 cells are tagged try-it; expected exactly one"),
    (CELL, retag("try-it"), "2 cells are tagged try-it; expected exactly one"),
    ("def answer_2", retag(), "stands among the exercises; expected the tag exercise"),
    ("def answer_2", retag(), "2 cells are tagged exercise; expected three"),
    (
        CELL,
        lambda c: c.update(execution_count=None),
        "execution count None; expected 3",
    ),
    (CELL, lambda c: c.update(execution_count=7), "execution count 7; expected 3"),
    (CELL, show(**ERROR), "was committed with KeyError"),
    (CELL, show(output_type="stream", name="stderr", text="!"), "output on stderr"),
    (CELL, show(output_type="stream", text="<f at 0x7f00aabb>"), "a memory address"),
    (CELL, data(text_plain="<f at 0x7f00aabb>"), "shows a memory address"),
    ("deviation = ", lambda c: c.update(outputs=[]), "shows none; expected its record"),
    (CELL, write("number('deviation', 1)"), "is recorded 2 times, in cells"),
    ("importlib", retag(), "tagged bootstrap: none; expected exactly the first code"),
    ("importlib", retag("bootstrap"), "expected bootstrap, remove-cell, because"),
    (CELL, retag("bootstrap"), "expected exactly the first code cell, cell 3"),
    (CELL, data(image_png="iVBOR"), "shows a figure without alt text"),
    (CELL, data(text_html='<img src="a.png">'), "shows an <img> without alt text"),
    ("agree(naive", lambda c: c.update(outputs=[]), "but has no output"),
    ("ledger.measure", lambda c: c.update(outputs=[]), "claim mine.1 is declared but"),
    ("ledger.measure", lambda c: c.update(outputs=[]), "no claim record"),
    (CELL, show(output_type="display_data", data={CLAIM: {"id": "mine.1"}}), "2 times"),
    (
        CELL,
        show(output_type="display_data", data={CLAIM: {"id": "kan.1"}}),
        "claim kan.1 is recorded; expected ids to begin with mine.",
    ),
]


@pytest.mark.parametrize(("start", "change", "problem"), BROKEN_CODE)
def test_broken_code_cell_is_found(
    good: Notebook, start: str, change: Callable[[Notebook], object], problem: str
) -> None:
    made = copy.deepcopy(good)
    change(code(made, start))
    assert any(problem in found for found in problems(made, "mine")), problem


BROKEN_PROSE: list[tuple[str, Callable[[Notebook], object], str]] = [
    (
        "## The claims",
        lambda c: c.update(source="Claims"),
        "the sections are The quest",
    ),
    ("## The claims", write("## More"), "expected exactly The question"),
    ("### Derive", lambda c: c.update(source="#### Derive"), "level 4 after level 2"),
    ("## The claims", write("# Another title"), "second title 'Another title'"),
    ("## The claims", write("An error of 0.1."), "types 0.1 into prose"),
    ("## The claims", write("```{note}\na\n```"), "has ```{note}; expected :::{note}"),
    ("## The claims", write("![ ](a.png)"), "has an image without alt text"),
    ("## The claims", lambda c: c.update(id="mine-1"), "repeats the id 'mine-1'"),
    ("## The claims", lambda c: c.pop("id"), "has no id; expected one"),
]


@pytest.mark.parametrize(("start", "change", "problem"), BROKEN_PROSE)
def test_broken_prose_is_found(
    good: Notebook, start: str, change: Callable[[Notebook], object], problem: str
) -> None:
    made = copy.deepcopy(good)
    change(prose(made, start))
    assert any(problem in found for found in problems(made, "mine")), problem


def test_headings_inside_fences_do_not_count(good: Notebook) -> None:
    made = copy.deepcopy(good)
    prose(made, "## The claims").source += "\n\n```text\n# a comment\n```"
    assert problems(made, "mine") == []


def test_code_after_code_needs_prose_between(good: Notebook) -> None:
    made = copy.deepcopy(good)
    made.cells.append(new_code_cell("def answer_4():\n    pass", id="last"))
    assert any("follows another code cell" in p for p in problems(made, "mine"))


def test_empty_cell_is_found(good: Notebook) -> None:
    made = copy.deepcopy(good)
    made.cells += [new_markdown_cell("a", id="p"), new_code_cell("", id="c")]
    assert any("is empty; expected code" in p for p in problems(made, "mine"))


def test_large_file_is_found(good: Notebook) -> None:
    assert problems(good, "mine", 2_000_000) == [
        "the file has 2000000 bytes; expected less than 2000000"
    ]


def test_empty_notebook_has_problems_but_no_crash() -> None:
    found = problems(nbformat.v4.new_notebook(), "mine")
    assert "no heading; expected a title of level 1 first" in found
    assert any(SECTIONS[0] in problem for problem in found)
    assert median_length(nbformat.v4.new_notebook()) == 0.0
