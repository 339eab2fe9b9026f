"""The bootstrap cell: silent where kanlib is, and of use where it is not."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from kanbook.address import Address
from kanbook.bootstrap import (
    bootstrap_rules,
    extras,
    known_address,
    source,
    stale,
    with_bootstrap,
)
from kanbook.chapters import Chapter
from kanbook.refresh import prepare
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

KNOWN = Address("ada", "engine")
# As in a fresh Colab: nothing finds kanlib, and pip writes down what it was asked.
MISSING = """
import importlib.util, subprocess, sys, types
importlib.util.find_spec = lambda name: None
asked = []
def run(command, **options):
    asked.append(command)
    return types.SimpleNamespace(returncode={code}, stderr="no network")
subprocess.run = run
"""


def ran(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )


def chapter() -> nbformat.NotebookNode:
    cells = [
        new_markdown_cell("# A", id="a"),
        new_code_cell("from kanlib import plotting", id="b"),
    ]
    return new_notebook(cells=cells)


@pytest.mark.parametrize("known", [KNOWN, None])
def test_it_is_silent_where_kanlib_is(known: Address | None) -> None:
    code = source(known, "plot,widgets")
    assert max(map(len, code.splitlines())) <= 88
    done = ran(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_it_installs_from_the_public_address() -> None:
    code = MISSING.format(code=0) + source(KNOWN, "plot,widgets") + "\nprint(asked)"
    done = ran(code)
    assert done.stderr == ""
    archive = "https://github.com/ada/engine/archive/refs/heads/main.zip"
    assert f"'kanlib[plot,widgets] @ {archive}'" in done.stdout
    assert "'-m', 'pip', 'install', '--quiet'" in done.stdout


def test_it_says_why_it_could_not_install() -> None:
    done = ran(MISSING.format(code=1) + source(KNOWN, "plot"))
    assert "ImportError: kanlib could not be installed.\nno network" in done.stderr


def test_without_an_address_it_says_what_to_do() -> None:
    done = ran(MISSING.format(code=0) + source(None, "plot,widgets"))
    assert "ImportError: kanlib is missing. In a clone of the book" in done.stderr
    assert 'run: python -m pip install ".[plot,widgets]"' in done.stderr


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("x = 1", "fast,plot,widgets"),
        ("kl.datasets.load('digits')", "data,fast,plot,widgets"),
        ("from kanlib.datasets import load", "data,fast,plot,widgets"),
        ("from kanlib import datasets", "data,fast,plot,widgets"),
        ("import kanlib.datasets", "data,fast,plot,widgets"),
        ("import safetensors.torch", "fast,plot,save,widgets"),
        ("if", "fast,plot,widgets"),
    ],
)
def test_extras_follow_from_the_code(code: str, expected: str) -> None:
    assert extras(new_notebook(cells=[new_code_cell(code)])) == expected


def test_it_is_the_first_code_cell_and_follows_the_address() -> None:
    plain = chapter()
    made = with_bootstrap(plain, None)
    assert [cell["id"] for cell in made["cells"]] == ["a", "code-bootstrap", "b"]
    assert made["cells"][1]["metadata"]["tags"] == ["bootstrap", "remove-cell"]
    assert len(plain.cells) == 2
    assert with_bootstrap(made, None) == made
    assert list(bootstrap_rules(made)) == []
    assert list(stale(made, None)) == []
    (said,) = stale(made, KNOWN)
    assert said.startswith("cell 2 (id code-bootstrap) is not the bootstrap cell for ")
    assert "https://github.com/ada/engine" in said
    assert "kanbook refresh" in said
    assert list(stale(with_bootstrap(made, KNOWN), KNOWN)) == []


def test_a_notebook_without_code_needs_none() -> None:
    empty = new_notebook(cells=[new_markdown_cell("# A")])
    assert len(with_bootstrap(empty, None)["cells"]) == 1
    assert list(bootstrap_rules(empty)) == []


@pytest.mark.parametrize("change", ["none", "later", "two", "tags"])
def test_rules_for_it(change: str) -> None:
    made = nbformat.from_dict(with_bootstrap(chapter(), None))
    if change == "none":
        del made.cells[1]
    elif change == "later":
        made.cells.reverse()
    elif change == "two":
        made.cells[2].metadata["tags"] = ["bootstrap"]
    else:
        made.cells[1].metadata["tags"] = ["bootstrap"]
    (said,) = bootstrap_rules(made)
    assert "Run kanbook refresh" in said


def book(root: Path, known: str) -> Chapter:
    (root / "chapters/part").mkdir(parents=True, exist_ok=True)
    (root / "_config.yml").write_text(
        f'sphinx:\n  config:\n    kanbook_address: "{known}"\n'
    )
    return Chapter(root, "part", "toy")


def test_refresh_writes_it_before_the_run(tmp_path: Path) -> None:
    one = book(tmp_path, "")
    assert not prepare(one)
    one.path.write_text("no notebook")
    assert not prepare(one)
    nbformat.write(chapter(), one.path)
    assert prepare(one)
    assert not prepare(one)
    made = nbformat.read(one.path, as_version=4)
    assert made.cells[1].source == source(None, "fast,plot,widgets")
    book(tmp_path, "https://github.com/ada/engine")
    assert known_address(tmp_path) == KNOWN
    assert prepare(one)
    made = nbformat.read(one.path, as_version=4)
    assert made.cells[1].source == source(KNOWN, "fast,plot,widgets")
    assert len(made.cells) == 3


def test_a_wrong_address_is_refused(tmp_path: Path) -> None:
    one = book(tmp_path, "a/b")
    with pytest.raises(ValueError, match="kanbook_address is 'a/b'"):
        prepare(one)
