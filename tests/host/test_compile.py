"""Every kernel compiles for every architecture, within its budget and without a GPU."""

import json
import runpy
import subprocess
from pathlib import Path

import pytest

from kanlib.ops import kernel_files, kernel_source

HERE = Path(__file__).parent
PYTHON = HERE.parents[1] / ".venv-nvrtc" / "bin" / "python"
ARCHITECTURES = {"sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"}
CHECK = runpy.run_path(str(HERE / "compile_check.py"))
# Kernels bound by memory: a thread moves 16 bytes with one access.
WIDE = {"rational/forward.cu": (1, 1), "rational/backward.cu": (2, 1)}


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
        (path, name, architecture)
        for path in kernel_files()
        for name in CHECK["instantiations"](kernel_source(path))
        for architecture in ARCHITECTURES
    }
    assert {row[:3] for row in rows(budget)} == wanted
    spilled = [row for row in rows(budget) if row[3]["stack"] != 0]
    assert not spilled


def test_the_budget_has_the_wide_accesses_of_kernels_bound_by_memory(budget):
    for path, name, architecture, used in rows(budget):
        # A pack of one is for widths and addresses that allow no wide access.
        if path in WIDE and "instructions" in used and not name.endswith(", 1>"):
            moved, wanted = (used["wide_loads"], used["wide_stores"]), WIDE[path]
            enough = moved[0] >= wanted[0] and moved[1] >= wanted[1]
            assert enough, f"{name} on {architecture}: {moved}"
            assert used["loop"] > 0


def test_every_kernel_takes_exactly_its_budget(budget):
    made = check()
    assert made.returncode == 0, made.stderr
    measured, committed = list(rows(json.loads(made.stdout))), list(rows(budget))
    changed = [row for row in measured if row not in committed]
    assert not changed, "if this is wanted, run `make budget` and read the diff"


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


def test_the_head_of_a_source_chooses_what_is_compiled():
    text = """
// Checked:   add<float>, add<bfloat16, 5, 'B'>
// Checked:   add< double >
template <typename T> __global__ void add(T *x) {}
template <typename T>
__global__ void __launch_bounds__(256) double_it(T *x) {}"""
    assert CHECK["instantiations"](text) == [
        "add<float>",
        "add<bfloat16, 5, 'B'>",
        "add< double >",
        "double_it<float>",
        "double_it<double>",
    ]
    with pytest.raises(SystemExit, match=r"names .'subtract'.*add"):
        CHECK["instantiations"](text.replace("add<float>", "subtract<float>"))


def test_the_loop_is_the_innermost_one_with_the_widest_stores():
    lines = [
        ".L_outer",
        "MOV R0, R1",
        ".L_narrow",
        "@P0 STG.E desc[UR4][R2.64], R0",
        "IADD3 R0, R0, R1, RZ",
        "@P0 BRA `(.L_narrow)",
        ".L_wide",
        "LDG.E.128.CONSTANT R4, desc[UR4][R2.64]",
        "FADD R4, R4, R4",
        "STG.E.128 desc[UR4][R2.64], R4",
        "STG.E.U16 desc[UR4][R2.64], R4",
        "@P1 BRA `(.L_wide)",
        "@P2 BRA `(.L_outer)",
    ]
    counted = CHECK["counted"](lines, 2)
    assert counted == {
        "instructions": 10,
        "wide_loads": 1,
        "wide_stores": 1,
        "loop": round(5 * 2 / 18, 1),
    }
    assert "loop" not in CHECK["counted"](lines[:4], 4)


def test_an_included_file_is_compiled_with_its_source(tmp_path):
    (tmp_path / "common").mkdir()
    (tmp_path / "common" / "twice.cuh").write_text(
        "#pragma once\ntemplate <typename T> __device__ T twice(T x) { return x + x; }"
    )
    source = (
        '#include "common/twice.cuh"\n#include "common/twice.cuh"\n'
        "template <typename T> __global__ void both(T *x) { *x = twice(*x); }"
    )
    (tmp_path / "both.cu").write_text(source)
    made = check(tmp_path, "sm_90")
    assert made.returncode == 0, made.stderr
    assert [row[1] for row in rows(json.loads(made.stdout))] == [
        "both<float>",
        "both<double>",
    ]
