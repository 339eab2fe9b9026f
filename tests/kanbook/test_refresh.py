"""Re-execution makes no noise; and what is a chapter's own stays."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from kanbook import files
from kanbook.chapters import find_chapters
from kanbook.refresh import (
    WIDGET_STATE,
    WIDGET_VIEW,
    error_outputs,
    normalized,
    readme_figure,
    refresh,
    text_of,
    with_outputs,
)
from kanbook.runner import execute
from nbformat.v4 import new_code_cell, new_notebook, new_output

Notebook = nbformat.NotebookNode
FIRST, SECOND = "0123456789abcdef" * 2, "fedcba9876543210" * 2


@pytest.fixture(scope="module")
def runs(
    tmp_path_factory: pytest.TempPathFactory,
    notebook: Callable[..., Notebook],
    write_book: Callable[..., Path],
) -> list[bytes]:
    """The committed file after two refreshes, of a chapter with linked widgets."""
    book = write_book(
        tmp_path_factory.mktemp("book"),
        moving=notebook(
            """
            import ipywidgets
            left, right = ipywidgets.IntSlider(), ipywidgets.IntText()
            link = ipywidgets.jslink((left, "value"), (right, "value"))
            box = ipywidgets.VBox([left, right])
            box
            """,
            "for number in range(3):\n    print(number, flush=True)",
            "left.value = 7\nright",
        ),
    )
    found = []
    for _ in range(2):
        (execution,) = execute(find_chapters(book), fresh=True)
        executed = nbformat.read(execution.executed, as_version=4)
        refresh(execution.chapter, executed)
        found.append(execution.chapter.path.read_bytes())
    return found


def test_running_again_gives_the_same_bytes(runs: list[bytes]) -> None:
    assert runs[0] == runs[1]


def test_widget_state_is_kept_and_every_name_in_it_is_known(runs: list[bytes]) -> None:
    made = nbformat.reads(runs[0].decode(), as_version=4)
    state = made.metadata.widgets[WIDGET_STATE].state
    box = made.cells[0].outputs[0].data[WIDGET_VIEW]["model_id"]
    children = state[box].state.children
    names = [child.removeprefix("IPY_MODEL_") for child in children]
    assert [state[name].model_name for name in names] == [
        "IntSliderModel",
        "IntTextModel",
    ]
    assert state[names[0]].state.value == 7
    assert sorted(state) == [f"{number:032x}" for number in range(len(state))]


def test_nothing_of_papermill_is_left(runs: list[bytes]) -> None:
    assert b"papermill" not in runs[0]
    assert runs[0].endswith(b"}\n")


def raw(**metadata: Any) -> Notebook:
    cell = new_code_cell("1", id="only", execution_count=9)
    cell.outputs = [
        new_output("execute_result", {"text/plain": "1"}, execution_count=9)
    ]
    cell.metadata = {"papermill": {"duration": 1.0}, "tags": [], "mine": True}
    return new_notebook(cells=[cell], metadata=metadata)


def test_normalizing_twice_changes_nothing() -> None:
    once = normalized(raw())
    assert text_of(normalized(once)) == text_of(once)


def test_counts_begin_at_one_and_tool_metadata_goes() -> None:
    made = normalized(
        raw(papermill={}, language_info={"name": "python", "version": "3.11.7"})
    )
    (cell,) = made.cells
    assert (cell.execution_count, cell.outputs[0].execution_count) == (1, 1)
    assert cell.metadata == {"mine": True}
    assert set(made.metadata) == {"kernelspec", "language_info"}
    assert "version" not in made.metadata.language_info
    nbformat.validate(made)


def test_stream_pieces_are_joined_but_streams_kept_apart() -> None:
    made = raw()
    pieces = [("stdout", "a"), ("stdout", "b"), ("stderr", "c"), ("stdout", "d")]
    made.cells[0].outputs = [new_output("stream", name=n, text=t) for n, t in pieces]
    outputs = normalized(made).cells[0].outputs
    assert [(o.name, o.text) for o in outputs] == [
        ("stdout", "ab"),
        ("stderr", "c"),
        ("stdout", "d"),
    ]


def test_only_names_of_widgets_are_renamed() -> None:
    made = raw(widgets={WIDGET_STATE: {"state": {SECOND: {}}}})
    text = f"hash {FIRST}, model IPY_MODEL_{SECOND}"
    made.cells[0].outputs[0].data["text/plain"] = text
    shown = normalized(made).cells[0].outputs[0].data["text/plain"]
    assert shown == f"hash {FIRST}, model IPY_MODEL_{0:032x}"


def test_address_in_a_widgets_text_goes() -> None:
    made = raw()
    data = {WIDGET_VIEW: {"model_id": FIRST}, "text/plain": "<Edge object at 0x7f01ab>"}
    made.cells[0].outputs[0].data = data
    shown = normalized(made).cells[0].outputs[0].data
    assert shown["text/plain"] == "<Edge object>"
    assert shown[WIDGET_VIEW]["model_id"] == f"{0:032x}"


def test_papermills_error_marks_go() -> None:
    made = raw()
    mark = nbformat.v4.new_markdown_cell("<span>An Exception</span>")
    mark.metadata["tags"] = ["papermill-error-cell-tag"]
    made.cells.insert(0, mark)
    assert [cell.id for cell in normalized(made).cells] == ["only"]


def test_outputs_move_to_a_source_with_new_prose(
    notebook: Callable[..., Notebook],
) -> None:
    parameters = ("size = 1", ["parameters"])
    old = notebook(parameters, ("size = 2", ["injected-parameters"]), "size")
    for count, cell in enumerate(old.cells, 1):
        cell.execution_count = count
    source = notebook("# New prose", parameters, "size")
    made = with_outputs(source, old)
    assert [cell.source for cell in made.cells] == [
        "# New prose",
        "size = 1",
        "size = 2",
        "size",
    ]
    assert [cell.get("execution_count") for cell in made.cells] == [None, 1, 2, 3]


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        (
            new_output("stream", name="stderr", text="careful\n"),
            "cell 1 wrote to stderr: careful",
        ),
        (
            new_output("error", ename="ValueError", evalue="", traceback=[]),
            "cell 1 raised ValueError",
        ),
    ],
)
def test_chapter_with_errors_is_not_refreshed(
    output: Notebook, problem: str, tmp_path: Path, write_book: Callable[..., Path]
) -> None:
    made = raw()
    (chapter,) = find_chapters(write_book(tmp_path / "book", good=made))
    before = chapter.path.read_text()
    made.cells[0].outputs = [output]
    assert error_outputs(made) == [problem]
    with pytest.raises(ValueError, match=f"cannot be refreshed: {problem}"):
        refresh(chapter, made)
    assert chapter.path.read_text() == before


def test_full_disk_leaves_the_committed_notebook(
    tmp_path: Path, write_book: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (chapter,) = find_chapters(write_book(tmp_path / "book", good=raw()))
    before = chapter.path.read_text()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device"):
        refresh(chapter, raw())
    assert chapter.path.read_text() == before
    assert [path.name for path in chapter.path.parent.iterdir()] == ["good.ipynb"]


def test_the_readmes_picture_is_the_light_image_of_its_cell() -> None:
    html = '<img class="kl-light x" alt="a" src="data:image/png;base64,iVBORw==">'
    shown = {"output_type": "display_data", "data": {"text/html": html}, "metadata": {}}
    plain = {"cell_type": "code", "metadata": {}, "outputs": [shown]}
    tagged = plain | {"metadata": {"tags": ["hide-input", "readme-figure"]}}
    assert readme_figure({"cells": [plain]}) is None
    assert readme_figure({"cells": [plain, tagged]}) == b"\x89PNG"


def test_refresh_writes_the_readmes_picture(
    tmp_path: Path, write_book: Callable[..., Path]
) -> None:
    made = raw()
    (chapter,) = find_chapters(write_book(tmp_path / "book", good=made))
    html = '<img class="kl-light" alt="a" src="data:image/png;base64,iVBORw==">'
    made.cells[0].metadata["tags"] = ["readme-figure"]
    made.cells[0].outputs = [new_output("display_data", data={"text/html": html})]
    assert refresh(chapter, made)
    folder = chapter.root / "book" / "static"
    assert [path.name for path in folder.iterdir()] == ["readme.png"]
    assert (folder / "readme.png").read_bytes() == b"\x89PNG"
