"""Each exercise: the stub fails, the solution passes, and both have one signature."""

import ast
import inspect
import pathlib
import re
import subprocess
import sys

import nbformat
import pytest
import torch
from kanbook.exercises import check, exercises
from kanbook.fences import blocks, directives

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
        solved = SOLVED / f"solutions_{slug}.md"
        assert solved.is_file(), (
            f"{path.name} has no solutions; expected {solved}, where each answer to an "
            "exercise is folded. Write it, and list it in _toc.yml below the chapter."
        )
        code = re.findall(r"```python\n(.*?)```", solved.read_text(), re.DOTALL)
        solutions = [functions(block) for block in code]
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
    assert (outcome.held, outcome.total) == (4, 5)
    assert "NaN in a coefficient" in outcome.failure


def test_a_law_of_the_library_names_what_breaks_it() -> None:
    from kanlib import BSpline

    def careless(x, c, intervals):
        y = BSpline.uniform(intervals)(x) @ c
        x.zero_()
        return y

    outcome = check("kan.2", careless)
    assert (outcome.held, outcome.total) == (3, 5)
    assert outcome.failure.startswith(
        "Fails: each point is treated alone, and x stays. law shapes fails for your "
        "edge with 8 coefficients: "
    )


def test_a_failure_says_for_which_input() -> None:
    from kanlib import BSpline

    def off(x, c, intervals):
        return BSpline.uniform(intervals)(x) @ c + (x > 0.9)

    failure = check("kan.2", off).failure
    assert re.search(
        r"For G = 1 and random x .* differ by 1.0e\+00 at x = 0\.9", failure
    )


@pytest.mark.parametrize("slug", CHAPTERS)
def test_solutions_are_folded_on_a_page_of_their_own(slug: str) -> None:
    page = (SOLVED / f"solutions_{slug}.md").read_text()
    assert f"book/pages/solutions_{slug}\n" in (ROOT / "_toc.yml").read_text()
    open_ = [one for one in blocks(page.split("\n")) if isinstance(one, str)]
    assert not [line for line in open_ if line.startswith("```")]
    folds = [one for one in directives(page.split("\n")) if one.name == "dropdown"]
    assert len(folds) == len(exercises(slug))
    assert all("```python" in fold.body for fold in folds)
    notebook = CHAPTERS[slug].read_text()
    for fold in folds:
        (code,) = re.findall(r"```python\n(.*?)```", "\n".join(fold.body), re.DOTALL)
        assert code.split("return")[-1].strip() not in notebook


# Anything but the standard library, what kanlib itself needs, and the two packages.
ALONE = """
import sys
from importlib.metadata import packages_distributions, requires
from packaging.requirements import Requirement

core, waiting = set(), ["torch", "numpy", "jaxtyping"]
while waiting:
    name = waiting.pop().lower().replace("_", "-")
    if name not in core:
        core.add(name)
        try:
            lines = [Requirement(line) for line in requires(name) or ()]
        except ModuleNotFoundError:
            continue
        found = [r for r in lines if not r.marker or r.marker.evaluate({"extra": ""})]
        waiting += [r.name for r in found]
owners = packages_distributions()


class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        names = {owner.lower().replace("_", "-") for owner in owners.get(top, ())}
        if names and not names & {*core, "kanlib"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


for name in [n for n in sys.modules if n.partition(".")[0] == "packaging"]:
    del sys.modules[name]
sys.meta_path.insert(0, Refuse())
from kanbook.exercises import check

print(check("kan.3", lambda x: (x - 0.3).clamp(min=0).sqrt()))
try:
    import yaml
except ModuleNotFoundError:
    print("and nothing else")
"""


def test_checking_needs_nothing_but_kanlib() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALONE], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout == "kan.3: solved, all 3 properties hold.\nand nothing else\n"


@pytest.mark.parametrize("name", ["kan.9", "nothing.1", "kan"])
def test_unknown_exercises_are_named(name: str) -> None:
    with pytest.raises(ValueError, match=r"unknown; chapter 'kan' has|no exercises"):
        check(name, lambda: 0)
