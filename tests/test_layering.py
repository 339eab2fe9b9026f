"""Which part of kanlib may import which: a table, and the syntax tree checked by it."""

import ast
import pathlib
from collections.abc import Iterator

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "kanlib"

ARGUMENTS = {"_check", "_errors", "_gap"}
SCIENCE = ARGUMENTS | {"ops", "bases", "layers"}
# A part may always import itself. A part that is missing here fails the test.
ALLOWED: dict[str, set[str]] = {
    "_errors": set(),
    "_gap": set(),
    "_check": {"_errors"},
    "ops": ARGUMENTS,
    "bases": ARGUMENTS | {"ops"},
    "layers": ARGUMENTS | {"ops", "bases"},
    # siblings, which do not import each other
    "theory": SCIENCE,
    "certify": SCIENCE,
    # leaf tools
    "claims": ARGUMENTS,
    "show": ARGUMENTS | {"ops"},
    "plotting": ARGUMENTS,
    "datasets": ARGUMENTS,
    "train": ARGUMENTS,
    "testing": SCIENCE,
}
# Both may use the whole of kanlib: the first to re-export, the second to draw anything.
EVERYTHING = {"", "widgets"}
FORBIDDEN = {"kanbook", "kernels", "tests", "benchmarks"}
# Loaded when a function needs them, never because a core module was imported.
HEAVY = {
    "IPython",
    "anywidget",
    "clarabel",
    "cupy",
    "cvxpy",
    "dask",
    "ipywidgets",
    "matplotlib",
    "numba",
    "pandas",
    "pooch",
    "safetensors",
    "scipy",
    "sklearn",
    "tqdm",
}
CORE = {"", *SCIENCE, "claims", "train"}


def part_of(relative: pathlib.Path) -> str:
    """`layers/grid.py` and `layers/__init__.py` belong to `layers`, the root to ''."""
    if len(relative.parts) > 1:
        return relative.parts[0]
    return "" if relative.stem == "__init__" else relative.stem


def imported(
    tree: ast.AST, relative: pathlib.Path
) -> Iterator[tuple[ast.stmt, str, str]]:
    """Each imported module as (statement, top-level package, part of kanlib or '')."""
    package = ("kanlib", *relative.parent.parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join((*base, *([node.module] if node.module else [])))
            # "from kanlib import ops" names the part in the list of names.
            names = (
                [f"{stem}.{alias.name}" for alias in node.names]
                if stem == "kanlib"
                else [stem]
            )
        else:
            continue
        for name in names:
            top, _, rest = name.partition(".")
            yield node, top, rest.partition(".")[0]


def violations(source: str, relative: str) -> list[str]:
    """Every import of the file that the tables do not allow."""
    path = pathlib.Path(relative)
    part = part_of(path)
    if part not in ALLOWED and part not in EVERYTHING:
        return [f"{relative}: {part!r} is not in the table of test_layering.py"]
    tree = ast.parse(source)
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    found = []
    for node, top, target in imported(tree, path):
        where = f"{relative}:{node.lineno}"
        if top in FORBIDDEN:
            found.append(f"{where}: kanlib imports {top}")
        # Loops are compiled where they stand; who calls them imports the module late.
        loops = top == "numba" and str(relative).endswith("_numba.py")
        if top in HEAVY and part in CORE and id(node) not in inside and not loops:
            found.append(f"{where}: {top} is imported with the module")
        if top != "kanlib" or part in EVERYTHING or target == part:
            continue
        if target not in ALLOWED[part]:
            found.append(f"{where}: {part} imports {target or 'the whole of kanlib'}")
    return found


def test_no_part_imports_a_higher_one() -> None:
    files = sorted(PACKAGE.rglob("*.py"))
    assert len(files) > 5
    found = [
        line
        for file in files
        for line in violations(file.read_text(), file.relative_to(PACKAGE).as_posix())
    ]
    assert found == []


def test_table_has_no_cycle_and_no_stranger() -> None:
    done: set[str] = set()
    waiting = dict(ALLOWED)
    while ready := [part for part, uses in waiting.items() if uses <= done]:
        done.update(ready)
        for part in ready:
            del waiting[part]
    assert waiting == {}
    present = {part_of(file.relative_to(PACKAGE)) for file in PACKAGE.rglob("*.py")}
    assert set(ALLOWED) - present == set()


@pytest.mark.parametrize(
    ("relative", "source", "message"),
    [
        ("ops/planted.py", "from kanlib.bases import BSpline", "ops imports bases"),
        ("ops/planted.py", "from ..layers.kan import KAN", "ops imports layers"),
        ("ops/planted.py", "from .. import layers", "ops imports layers"),
        ("bases/planted.py", "import kanlib.layers.grid", "bases imports layers"),
        ("bases/planted.py", "from kanlib import layers", "bases imports layers"),
        ("bases/planted.py", "import kanlib", "bases imports the whole of kanlib"),
        ("claims.py", "def f():\n    from kanlib import train", "claims imports train"),
        ("widgets/planted.py", "import kanbook.cli", "kanlib imports kanbook"),
        ("layers/planted.py", "import scipy.linalg", "scipy is imported with"),
        ("layers/planted.py", "if True:\n    from scipy import linalg", "scipy is"),
        ("stranger.py", "import torch", "is not in the table"),
    ],
)
def test_planted_violation_is_found(relative: str, source: str, message: str) -> None:
    (found,) = violations(source, relative)
    assert message in found


@pytest.mark.parametrize(
    ("relative", "source"),
    [
        ("layers/fine.py", "from kanlib.bases import Basis\nfrom .grid import refit"),
        (
            "layers/fine.py",
            "from .. import _check\nfrom kanlib._check import is_tensor",
        ),
        ("layers/fine.py", "def f():\n    import scipy.linalg"),
        ("plotting.py", "import matplotlib"),
        ("widgets/fine.py", "from kanlib import KAN, plotting"),
        ("ops/__init__.py", "from .bspline import bspline"),
    ],
)
def test_allowed_import_is_not_reported(relative: str, source: str) -> None:
    assert violations(source, relative) == []
