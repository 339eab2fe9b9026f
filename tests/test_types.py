"""The shapes written in annotations hold, in one run of its own.

jaxtyping's import hook checks every annotated call. It must be there before kanlib is
imported, hence a new process; it cannot see through `torch.compile` and custom
operators, so tests of those are left out, and so are tests of bad input, which it would
answer before kanlib does.
"""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
CALLS = [
    # the examples of the docstrings, and the tests of bases and layers
    *("kanlib/ops", "kanlib/bases", "kanlib/layers", "kanlib/theory"),
    "kanlib/train.py",
    *("tests/ops/test_bspline.py", "tests/bases", "tests/layers", "tests/theory"),
]
PLANTED = """
import jaxtyping
import pytest
import torch
from planted import halved, rows


def test_right_shape_passes() -> None:
    assert rows(torch.ones(3, 2)).shape == (3,)


@pytest.mark.parametrize("x", [torch.ones(3), torch.ones(3, 2, dtype=torch.int64)])
def test_wrong_argument_is_caught(x: torch.Tensor) -> None:
    with pytest.raises(jaxtyping.TypeCheckError, match="x"):
        rows(x)


def test_wrong_result_is_caught() -> None:
    with pytest.raises(jaxtyping.TypeCheckError, match="return"):
        halved(torch.ones(4))


def test_kanlib_is_watched() -> None:
    from kanlib.bases import BSpline

    with pytest.raises(jaxtyping.TypeCheckError, match="x"):
        BSpline.uniform(5)(torch.ones(3, dtype=torch.int64))
"""
# An int where a float is wanted is fine, as PEP 484 says and mypy agrees.
CHECKER = """
from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
"""
PACKAGE = """
from jaxtyping import Float
from torch import Tensor


def rows(x: Float[Tensor, "N I"]) -> Float[Tensor, " N"]:
    return x.sum(1)


def halved(x: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
    return x[: len(x) // 2]
"""


def watched() -> list[str]:
    """Return every module of kanlib but those that numba compiles.

    The hook would wrap what numba must read. A name stands for all below it, so
    packages are not in the list.
    """
    return [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sorted((ROOT / "kanlib").rglob("*.py"))
        if path.name != "__init__.py" and "import numba" not in path.read_text()
    ]


def test_annotated_shapes_hold(tmp_path: pathlib.Path) -> None:
    (tmp_path / "checker.py").write_text(CHECKER)
    (tmp_path / "planted.py").write_text(PACKAGE)
    (tmp_path / "test_planted.py").write_text(PLANTED)
    done = subprocess.run(
        [
            pathlib.Path(sys.executable).with_name("pytest"),
            f"--jaxtyping-packages={','.join(watched())},planted,checker.check",
            "--import-mode=importlib",
            "--doctest-modules",
            f"--rootdir={ROOT}",
            f"--config-file={ROOT / 'pyproject.toml'}",
            "--override-ini=addopts=",
            "-pno:cacheprovider",
            "-pno:xdist",
            "-q",
            "-k not error and not refused and not any_kind and not compiles",
            *CALLS,
            tmp_path / "test_planted.py",
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    (passed,) = re.findall(r"^(\d+) passed", done.stdout, re.MULTILINE)
    assert int(passed) > 400
