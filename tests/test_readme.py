"""What the README says can be done, can be done."""

import pathlib
import re
import subprocess
import sys
import tomllib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()

CHECK = "\nassert history.losses[-1] < 0.1 * history.losses[0], history.losses"


def test_python_block_runs(tmp_path: pathlib.Path) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in block.splitlines() if line.strip()]) <= 8
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block + CHECK],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", README)
    assert len(links) > 5
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_figure_has_a_text_alternative_and_is_small() -> None:
    ((alt, path),) = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", README)
    assert len(alt) > 40
    assert (ROOT / path).read_bytes().startswith(b"\x89PNG")
    assert (ROOT / path).stat().st_size < 300_000


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
    named = set(re.findall(r"make ([a-z]+)", README))
    assert {"book", "test"} <= named <= targets


def test_make_clean_leaves_what_was_cloned(tmp_path: pathlib.Path) -> None:
    kept = ["Makefile", "kanlib/core.py", "chapters/kan/kan.ipynb"]
    made = ["_build/html/index.html", ".venv/.stamp", "kanlib/__pycache__/core.pyc"]
    made += ["kanlib.egg-info/PKG-INFO", "build/lib/core.py", ".mypy_cache/3.11/a"]
    made += [".pytest_cache/v/a", ".ruff_cache/a", ".hypothesis/a", ".venv-lock/a"]
    for name in (*kept, *made):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(MAKEFILE if name == "Makefile" else "")
    done = subprocess.run(
        ["make", "-s", "clean"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(path.relative_to(tmp_path).as_posix() for path in left) == sorted(
        kept
    )


def test_extras_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (sentence,) = re.findall(r"its extras are (.*?)\. To run", README, re.DOTALL)
    assert (
        set(re.findall(r"`(\w+)`", sentence)) <= project["optional-dependencies"].keys()
    )


@pytest.mark.parametrize("command", ["new-chapter"])
def test_kanbook_commands_exist(command: str) -> None:
    done = subprocess.run(
        [pathlib.Path(sys.executable).with_name("kanbook"), command, "--help"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert f"kanbook {command}" in README
