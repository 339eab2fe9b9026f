"""A committed output, a claim, a verdict and a cell are broken; each is reported."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from kanbook.chapters import find_chapters
from kanbook.refresh import refresh
from kanbook.runner import execute

from kanlib import datasets

REAL = Path(__file__).resolve().parents[2] / "chapters" / "conftest.py"
CLAIM = "application/vnd.kanlib.claim+json"
CHECK = "application/vnd.kanlib.check+json"
NUMBER = "application/vnd.kanlib.number+json"
CLAIM_CELL = """
    from IPython.display import display
    for name, measured in [("sound.1", 1.0), ("sound.2", 2.0), ("sound.3", 3.0)]:
        record = {
            "id": name, "verdict": "reproduced", "condition": "at most 3",
            "tolerance": 0.01, "measured": measured,
        }
        bundle = {"application/vnd.kanlib.claim+json": record}
        display(bundle | {"text/plain": str(measured)}, raw=True)
"""
CHECK_CELL = """
    from IPython.display import display
    side = {"name": "sum", "kind": "equal", "gap": 1e-10, "bound": 1e-9}
    check = {"statement": "one", "checkable": True, "because": "", "sides": [side]}
    bundle = {"application/vnd.kanlib.check+json": check, "text/plain": "check"}
    display(bundle, raw=True)
"""
FIGURE_CELL = """
    from IPython.display import HTML
    table = "<table data-tolerance='0.1'><thead><tr><th>error</th></tr></thead>"
    rows = "<tr><td>2</td></tr><tr><td>4</td></tr></table>"
    HTML(f"<details class='kl-data'>{table}{rows}</details>")
"""
NUMBER_CELL = """
    from IPython.display import display
    number = {"name": "slope", "value": 1.0, "text": "1.0", "tolerance": 0.1}
    bundle = {"application/vnd.kanlib.number+json": number, "text/plain": "slope"}
    display(bundle, raw=True)
"""
CHECKED = ("nbval-check-output",)

Results = dict[str, dict[str, str]]


def run_pytest(root: Path, *options: str) -> tuple[Results, str]:
    """Outcome by notebook and item, and everything that pytest printed."""
    environment = {
        k: v for k, v in os.environ.items() if k not in ("CI", "PYTEST_ADDOPTS")
    }
    for name in list(environment):
        if name.startswith("PYTEST_"):
            del environment[name]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "--color=no", *options],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    found: Results = {}
    where = r"\S*?(\w+)\.(?:ipynb|py)::(.+?)"
    pattern = rf"^(PASSED|FAILED|ERROR) {where}(?: - .*)?$"
    for outcome, slug, item in re.findall(pattern, done.stdout, re.MULTILINE):
        found.setdefault(slug, {})[item] = outcome
    return found, done.stdout + done.stderr


@pytest.fixture(scope="module")
def book(
    tmp_path_factory: pytest.TempPathFactory,
    notebook: Callable[..., nbformat.NotebookNode],
    write_book: Callable[..., Path],
) -> Path:
    """A book whose chapter `sound` was committed with its outputs."""
    root = write_book(
        tmp_path_factory.mktemp("bridge"),
        sound=notebook(
            ("print(6 * 7)", CHECKED),
            CLAIM_CELL,
            "print('free')",
            CHECK_CELL,
            FIGURE_CELL,
            NUMBER_CELL,
            ("print('pooled')", (*CHECKED, "needs-mnist")),
        ),
        raising=notebook("print('run', file=open('runs', 'a'))", "1 / 0", "x"),
        noisy=notebook("import sys", "print('careful', file=sys.stderr)"),
        unrun=notebook(("print(1)", CHECKED)),
    )
    shutil.copy(REAL, root / "chapters" / "conftest.py")
    (root / "pytest.ini").write_text(
        "[pytest]\naddopts = --import-mode=importlib -p kanbook.pytest_plugin\n"
        "filterwarnings = error\n"
    )
    (root / "test_book.py").write_text(
        "def test_all_are_there(executed):\n"
        "    assert executed['part/sound'].ok\n"
        "    assert executed['part/raising'].status == 'failed'\n"
        "def test_site(site):\n"
        "    pass\n"
    )
    chapters = find_chapters(root)
    (sound,) = execute(chapters[:1])
    refresh(sound.chapter, nbformat.read(sound.executed, as_version=4))
    return root


@pytest.fixture(scope="module")
def intact(book: Path) -> tuple[Results, str]:
    return run_pytest(book, "-n", "2", "--dist", "loadfile")


def test_sound_chapter_passes(intact: tuple[Results, str]) -> None:
    results, text = intact
    assert set(results["sound"].values()) == {"PASSED"}, text
    assert len(results["sound"]) == 7 + datasets.available("mnist")


def test_raising_cell_is_reported_and_later_cells_are_not(
    intact: tuple[Results, str],
) -> None:
    results, text = intact
    assert results["raising"]["execution"] == "FAILED"
    assert results["raising"]["Cell 0"] == "PASSED"
    assert results["raising"]["Cell 1"] == "FAILED"
    assert "Cell 2" not in results["raising"]
    assert "not executed, because an earlier cell failed" in text
    assert "cell 2 (1 / 0) raised ZeroDivisionError" in text


def test_stderr_is_a_failure(intact: tuple[Results, str]) -> None:
    results, text = intact
    assert results["noisy"]["execution"] == "PASSED"
    assert results["noisy"]["Cell 1"] == "FAILED"
    assert "wrote to stderr" in text


def test_checked_cell_without_committed_output_fails(
    intact: tuple[Results, str],
) -> None:
    results, text = intact
    assert results["unrun"]["Cell 0"] == "FAILED"
    assert "committed without having run" in text


def test_fixtures_see_every_chapter_and_name_the_failed_one(
    intact: tuple[Results, str],
) -> None:
    results, text = intact
    assert results["test_book"]["test_all_are_there"] == "PASSED"
    assert results["test_book"]["test_site"] == "ERROR"
    assert "the book was not built: part/raising: cell 2" in text


def test_failed_chapter_is_not_run_again_by_the_other_worker(
    book: Path, intact: tuple[Results, str]
) -> None:
    assert (book / "chapters" / "part" / "runs").read_text() == "run\n"


@pytest.fixture(scope="module")
def broken(book: Path, intact: tuple[Results, str]) -> tuple[Results, str]:
    """The same book after an output, a value, a verdict and an id were falsified."""
    path = book / "chapters" / "part" / "sound.ipynb"
    committed = path.read_text()
    made = nbformat.reads(committed, as_version=4)
    made.cells[0].outputs[0]["text"] = "43\n"
    first, second, third = (output["data"][CLAIM] for output in made.cells[1].outputs)
    first["measured"] = 1.5
    second["verdict"] = "not reproduced"
    third["id"] = "sound.9"
    (check,) = made.cells[3].outputs
    check["data"][CHECK]["sides"][0] |= {"gap": 0.0, "bound": 1e-12}
    (figure,) = made.cells[4].outputs
    html = figure["data"]["text/html"].replace("<td>2", "<td>2.3")
    figure["data"]["text/html"] = html.replace("<td>4", "<td>4.5")
    made.cells[5].outputs[0]["data"][NUMBER]["value"] = 1.5
    made.cells[6].outputs[0]["text"] = "whole\n"
    nbformat.write(made, path)
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("KANLIB_DATA", str(book / "empty"))
    result = run_pytest(book, "chapters/part/sound.ipynb")
    monkeypatch.undo()
    path.write_text(committed)
    return result


def test_changed_output_is_reported(broken: tuple[Results, str]) -> None:
    results, text = broken
    assert results["sound"]["Cell 0"] == "FAILED"
    assert "outputs differ from the committed" in text
    assert "43" in text
    assert "42" in text


def test_changed_claim_and_verdict_are_reported(broken: tuple[Results, str]) -> None:
    results, text = broken
    assert results["sound"]["execution"] == "PASSED"
    assert results["sound"]["Cell 1"] == "FAILED"
    assert results["sound"]["Cell 2"] == "PASSED"
    assert "sound.1: measured 1.5 became 1" in text
    assert "sound.2: verdict 'not reproduced' became 'reproduced'" in text


def test_vanished_and_new_claims_are_reported(broken: tuple[Results, str]) -> None:
    _, text = broken
    assert "claim sound.9 is gone" in text
    assert "claim sound.3 is new" in text


def test_a_check_with_another_bound_is_reported(broken: tuple[Results, str]) -> None:
    results, text = broken
    assert results["sound"]["Cell 3"] == "FAILED"
    assert "the check of one is another: sum equal 1e-12 became sum equal 1e-09" in text


def test_a_cell_whose_data_are_missing_is_not_compared(
    broken: tuple[Results, str],
) -> None:
    results, text = broken
    assert "Cell 6" not in results["sound"]
    assert "mnist is not on this machine" in text


def test_figure_data_beyond_their_tolerance_are_reported(
    broken: tuple[Results, str],
) -> None:
    results, text = broken
    assert results["sound"]["Cell 4"] == "FAILED"
    assert "the figure: column 'error', row 2: 4.5 became 4; the tolerance" in text
    assert "more rows" not in text


def test_a_number_beyond_its_tolerance_is_reported(
    broken: tuple[Results, str],
) -> None:
    results, text = broken
    assert results["sound"]["Cell 5"] == "FAILED"
    assert "the number slope: 1.5 became 1; the tolerance is 0.1 of the larger" in text
