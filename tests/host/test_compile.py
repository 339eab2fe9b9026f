"""Every kernel compiles for every architecture, within its budget and without a GPU."""

import json
import subprocess
from pathlib import Path

import pytest

from kanlib.ops import kernel_files, kernel_names

HERE = Path(__file__).parent
PYTHON = HERE.parents[1] / ".venv-nvrtc" / "bin" / "python"
ARCHITECTURES = {"sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"}


def check(*arguments):
    if not PYTHON.exists():
        pytest.skip("no NVRTC environment: `make .venv-nvrtc/.stamp` installs it")
    command = [PYTHON, HERE / "compile_check.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def rows(budget):
    """Yield (file, kernel, architecture, resources)."""
    for path, kernels in budget.items():
        for name, architectures in kernels.items():
            for architecture, used in architectures.items():
                yield path, name, architecture, used


@pytest.fixture(scope="module")
def budget():
    return json.loads((HERE / "budget.json").read_text())


def test_the_budget_covers_every_kernel_and_allows_no_stack(budget):
    wanted = {
        (path, f"{name}<{scalar}>", architecture)
        for path in kernel_files()
        for name in kernel_names(path)
        for scalar in ("float", "double")
        for architecture in ARCHITECTURES
    }
    assert {row[:3] for row in rows(budget)} == wanted
    spilled = [row for row in rows(budget) if row[3]["stack"] != 0]
    assert not spilled


def test_every_kernel_takes_exactly_its_budget(budget):
    made = check()
    assert made.returncode == 0, made.stderr
    measured, committed = list(rows(json.loads(made.stdout))), list(rows(budget))
    changed = [row for row in measured if row not in committed]
    assert not changed, "if this is wanted, see compile_check.py for the command"


def test_stack_use_is_seen(tmp_path):
    source = """
    template <typename T> __global__ void pick(const int *at, T *out) {
        T local[64];
        for (int i = 0; i < 64; ++i) local[at[i]] = T(i);
        out[threadIdx.x] = local[at[threadIdx.x]];
    }"""
    (tmp_path / "pick.cu").write_text(source)
    made = check(tmp_path, "sm_90")
    assert made.returncode == 0, made.stderr
    (_, _, _, used), _ = rows(json.loads(made.stdout))
    assert used["stack"] >= 64 * 4


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("int unused;", "never referenced"),
        ("oops();", 'identifier "oops" is undefined'),
    ],
)
def test_a_warning_or_an_error_of_the_compiler_fails(tmp_path, body, words):
    source = f"template <typename T> __global__ void bad(T *out) {{ {body} }}"
    (tmp_path / "bad.cu").write_text(source)
    made = check(tmp_path, "sm_90")
    assert made.returncode != 0
    assert words in made.stderr
