"""Each exercise: the stub fails, the solution passes, and both have one signature."""

import ast
import inspect
import pathlib
import re

import nbformat
import pytest
import torch
from kanbook.exercises import check, exercises

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHAPTERS = {path.stem: path for path in sorted((ROOT / "chapters").glob("*/*.ipynb"))}
SOLVED = ROOT / "book" / "pages"


def functions(source: str) -> dict[str, object]:
    """Run the imports and functions of some code, nothing else."""
    tree = ast.parse(source)
    kept = (ast.FunctionDef, ast.Import, ast.ImportFrom)
    tree.body = [node for node in tree.body if isinstance(node, kept)]
    scope: dict[str, object] = {}
    exec(compile(tree, "exercise", "exec"), scope)
    return {n: v for n, v in scope.items() if inspect.isfunction(v) and n != "check"}


def cases() -> list[tuple[str, str, object, object]]:
    """(exercise, function name, stub, solution) of every chapter."""
    found = []
    for slug, path in CHAPTERS.items():
        page = (SOLVED / f"solutions_{slug}.md").read_text()
        blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        solutions = [functions(block) for block in blocks]
        cells = [
            cell.source
            for cell in nbformat.read(path, 4).cells
            if "exercise" in cell.metadata.get("tags", [])
        ]
        for cell, solution in zip(cells, solutions, strict=True):
            (named,) = re.findall(rf'check\("({slug}\.\d+)", (\w+)\)', cell)
            name = named[1]
            found.append((named[0], name, functions(cell)[name], solution[name]))
    return found


CASES = cases()


@pytest.mark.parametrize(("exercise", "name", "stub", "solution"), CASES)
def test_stub_fails_and_solution_passes(exercise, name, stub, solution) -> None:
    assert inspect.signature(stub) == inspect.signature(solution)
    failed, solved = check(exercise, stub), check(exercise, solution)
    assert not failed.solved
    assert "Fails: " in repr(failed)
    assert solved.solved, repr(solved)
    assert repr(solved).startswith(f"{exercise}: solved")


def test_every_exercise_of_every_chapter_is_there() -> None:
    expected = {f"{slug}.{one.number}" for slug in CHAPTERS for one in exercises(slug)}
    assert {case[0] for case in CASES} == expected
    for slug in CHAPTERS:
        kinds = [one.kind for one in exercises(slug)]
        assert kinds == ["derive", "code", "break"]


@pytest.mark.parametrize(
    ("exercise", "answer", "says"),
    [
        ("kan.1", 3, "Expected a function, got int"),
        ("kan.1", lambda: 0, r"function of \(c\), got one of \(\)"),
        ("kan.1", lambda c: c, r"shape \(5,\), got \(4,\)"),
        ("kan.1", lambda c: torch.zeros(2 * len(c) - 3), "constants stay"),
        ("kan.2", lambda x, c, intervals: 1 / 0, "raised ZeroDivisionError"),
        ("kan.3", lambda x: 2 * x, r"is 2"),
        ("kan.3", lambda x: (x > 0.3).double(), "jumps by 1.000"),
        ("kan.3", lambda x: torch.sin(x), "to the power -"),
    ],
)
def test_wrong_answers_are_told_apart(exercise, answer, says) -> None:
    outcome = check(exercise, answer)
    assert not outcome.solved
    shown = " ".join(repr(outcome).split())
    assert re.search(says, shown), shown
    assert max(map(len, repr(outcome).splitlines())) <= 84


def test_a_dense_sum_reads_more_than_four_coefficients() -> None:
    from kanlib import BSpline

    def dense(x, c, intervals):
        return BSpline.uniform(intervals)(x) @ c

    outcome = check("kan.2", dense)
    assert (outcome.held, outcome.total) == (3, 4)
    assert "NaN in a coefficient" in outcome.failure


@pytest.mark.parametrize("name", ["kan.9", "nothing.1", "kan"])
def test_unknown_exercises_are_named(name: str) -> None:
    with pytest.raises(ValueError, match=r"unknown; chapter 'kan' has|no exercises"):
        check(name, lambda: 0)
