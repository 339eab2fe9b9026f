"""House rules that no linter knows: docstrings, citations, and what a file may hold."""

import ast
import enum
import functools
import importlib
import inspect
import pathlib
import re
import shutil
import subprocess
import types
from collections.abc import Iterator

import pytest
from kanbook.notebooks import LARGEST_FILE

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "kanlib"
SECTIONS = (
    "Args",
    "Shape",
    "Returns",
    "Raises",
    "Notes",
    "Example",
    "Reference",
)
MISNAMED = {
    "Arguments",
    "Attributes",
    "Examples",
    "Note",
    "Parameters",
    "References",
    "Return",
    "Shapes",
    "Yields",
}
LONGEST = 60  # lines of code of a function, its docstring not counted
LARGEST = 1_000_000  # bytes of a tracked file
# "me" stands for anyone in examples.
MACHINE_PATH = re.compile(r"/(?:tmp|work|root|opt|farm|home/(?!me/)\w+)/[\w.]")
TEXT = {
    ".cff",
    ".css",
    ".cu",
    ".cuh",
    ".h",
    ".ipynb",
    ".js",
    ".json",
    ".lock",
    ".md",
    ".py",
    ".toml",
    ".yaml",
    ".yml",
}
# What a function returns is shown by the example of that function.
SHOWN_BY = {
    "Criticality": "criticality",
    "Exponents": "criticality",
    "Fit": "fit_coefficients",
    "History": "fit",
    "LearningRates": "learning_rates",
    "NTKFlow": "ntk_flow",
    "RawKernel": "raw_kernel",
    "Report": "report",
    "Row": "report",
    "Susceptibilities": "susceptibilities",
    "SymbolicEdge": "symbolic_network",
    "SymbolicFit": "snap",
    "SymbolicKAN": "symbolic_network",
    "VertexFlow": "vertex_flow",
}
# Laws speak through assert: pytest shows both sides, and that is what they are for.
ASSERTING = {"testing"}
# Their output is their purpose.
PRINTING = {"show", "testing"}


def part_of(file: pathlib.Path) -> str:
    """`testing/laws.py` and `testing.py` are both of the part `testing`."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


@functools.cache
def source_files() -> tuple[pathlib.Path, ...]:
    return tuple(sorted(PACKAGE.rglob("*.py")))


@functools.cache
def repository_files() -> tuple[pathlib.Path, ...]:
    """What git tracks or would add, without the vendored scripts of other projects."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: which files belong to it is not known")
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True)
    paths = (ROOT / name for name in done.stdout.split("\0") if name)
    return tuple(p for p in paths if p.is_file() and "vendor" not in p.parts)


# --- documentation -----------------------------------------------------------------


def public_modules() -> Iterator[types.ModuleType]:
    for file in source_files():
        parts = ("kanlib", *file.relative_to(PACKAGE).with_suffix("").parts)
        if not any(part.startswith("_") and part != "__init__" for part in parts):
            name = ".".join(part for part in parts if part != "__init__")
            yield importlib.import_module(name)


def names_of(module: types.ModuleType) -> list[str]:
    """The module's __all__; without one, what a file of kanlib itself defines.

    Files inside a package speak through the `__all__` of that package.
    """
    if hasattr(module, "__all__") or module.__name__.count(".") > 1:
        return list(getattr(module, "__all__", ()))
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and getattr(value, "__module__", None) == module.__name__
    ]


@functools.cache
def public_objects() -> dict[str, object]:
    """Every function and class that a public module of kanlib defines or exports."""
    found: dict[str, object] = {}
    for module in public_modules():
        for name in names_of(module):
            value = getattr(module, name)
            if inspect.isfunction(value) or inspect.isclass(value):
                found[f"{value.__module__}.{value.__qualname__}"] = value
    return found


def documented() -> Iterator[tuple[str, str]]:
    """(name, docstring) of public objects and of their public methods."""
    for name, value in public_objects().items():
        yield name, inspect.getdoc(value) or ""
        if inspect.isclass(value):
            for attribute, member in vars(value).items():
                for wrapper in ("__func__", "fget"):
                    member = getattr(member, wrapper, member)
                function = inspect.unwrap(member) if callable(member) else member
                if not attribute.startswith("_") and inspect.isfunction(function):
                    yield f"{name}.{attribute}", inspect.getdoc(function) or ""


def headings(docstring: str) -> list[str]:
    return re.findall(r"^([A-Z]\w+):$", docstring, re.MULTILINE)


def docstring_faults(docstring: str) -> list[str]:
    """What is wrong with the sections of one docstring."""
    if not docstring:
        return ["no docstring"]
    found = headings(docstring)
    faults = [f"section {h!r}" for h in found if h in MISNAMED]
    known = [SECTIONS.index(h) for h in found if h in SECTIONS]
    if known != sorted(set(known)):
        faults.append(f"sections in the order {found}")
    # What needs a GPU is shown, and cannot be run where there is none.
    runs = ">>>" in docstring or "On a machine with a GPU:" in docstring
    if "Example" in found and not runs:
        faults.append("Example without >>>")
    return faults


def test_public_packages_list_their_names() -> None:
    packages = [m for m in public_modules() if hasattr(m, "__path__")]
    assert len(packages) > 3
    assert [m.__name__ for m in packages if not hasattr(m, "__all__")] == []


def test_public_docstrings_keep_the_order_of_sections() -> None:
    faults = {
        name: found for name, text in documented() if (found := docstring_faults(text))
    }
    assert len(public_objects()) > 20
    assert faults == {}


def needs_example(value: object) -> bool:
    """Failures, protocols and enumerations are not called by a reader."""
    if not inspect.isclass(value):
        return True
    is_protocol = getattr(value, "_is_protocol", False)
    return not (is_protocol or issubclass(value, BaseException | enum.Enum))


def test_public_names_have_an_example() -> None:
    shown = {
        name.rpartition(".")[2]: "Example" in headings(inspect.getdoc(value) or "")
        for name, value in public_objects().items()
        if needs_example(value)
    }
    without = {name for name, has_example in shown.items() if not has_example}
    laws = {name: "basis_laws" for name in without if name.endswith("_law")}
    elsewhere = SHOWN_BY | laws
    assert sorted(without - elsewhere.keys()) == []
    assert [name for name in without if not shown[elsewhere[name]]] == []
    assert SHOWN_BY.keys() - without == set(), "has an example of its own by now"


@pytest.mark.parametrize(
    ("docstring", "fault"),
    [
        ("", "no docstring"),
        ("Sum.\n\nReturns:\n    it.\n\nArgs:\n    x: one.", "order"),
        ("Sum.\n\nArgs:\n    x: one.\n\nArgs:\n    y: two.", "order"),
        ("Sum.\n\nExamples:\n    >>> 1", "Examples"),
        ("Sum.\n\nExample:\n    none", "without >>>"),
    ],
)
def test_docstring_fault_is_found(docstring: str, fault: str) -> None:
    (found,) = docstring_faults(docstring)
    assert fault in found


def bib_keys() -> set[str]:
    text = (ROOT / "book" / "references.bib").read_text()
    return set(re.findall(r"^@\w+\{\s*([^,\s]+),", text, re.MULTILINE))


CITATION = re.compile(r"\[([a-z][a-z-]*\d{4}[a-z]*)\]")


def test_every_citation_is_in_the_bibliography() -> None:
    keys = bib_keys()
    cited = {key: name for name, text in documented() for key in CITATION.findall(text)}
    for file in repository_files():
        if file.suffix in {".md", ".ipynb"}:
            text = file.read_text()
            for group in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", text):
                cited |= {key.strip(): file.name for key in group.split(",")}
    assert keys
    assert cited
    assert {key: where for key, where in cited.items() if key not in keys} == {}


# --- source ------------------------------------------------------------------------


def source_faults(source: str, part: str = "layers") -> list[str]:
    """Statements that the house does not want in kanlib."""
    faults = []
    for node in ast.walk(ast.parse(source)):
        where = f"line {getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            faults.append(f"{where}: bare except")
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name == "print" and part not in PRINTING:
                faults.append(f"{where}: print")
            if name.endswith("nan_to_num"):
                faults.append(f"{where}: nan_to_num hides a fault")
            if name in {"torch.manual_seed", "np.random.seed", "random.seed"}:
                faults.append(f"{where}: seeds the caller's generator")
            if name in {"os.getenv", "os.environ.get"} and part != "datasets":
                faults.append(f"{where}: an environment switch")
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if part not in ASSERTING:
                faults += asserted_arguments(node)
            length = code_lines(node)
            if length > LONGEST:
                faults.append(f"{where}: {node.name} has {length} lines of code")
    return faults


def asserted_arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Arguments checked by assert; narrowing the type of a local name is fine."""
    arguments = {
        node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)
    } - {"self", "cls"}
    return [
        f"line {node.lineno}: assert on an argument; python -O removes it"
        for node in ast.walk(function)
        if isinstance(node, ast.Assert)
        and arguments & {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    ]


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    body = function.body
    quoted = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
    skipped = (body[0].end_lineno or 0) - body[0].lineno + 1 if quoted else 0
    return (function.end_lineno or 0) - function.lineno + 1 - skipped


def test_source_keeps_the_house_rules() -> None:
    faults = {
        file.relative_to(ROOT).as_posix(): found
        for file in source_files()
        if (found := source_faults(file.read_text(), part_of(file)))
    }
    assert faults == {}


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("def f(x):\n    assert x > 0", "assert on an argument"),
        ("try:\n    f()\nexcept:\n    raise", "bare except"),
        ("print(1)", "print"),
        ("torch.nan_to_num(x)", "nan_to_num"),
        ("torch.manual_seed(0)", "seeds"),
        ("os.environ.get('FAST')", "environment"),
        ("def f():\n" + "    x = 1\n" * 60, "61 lines"),
    ],
)
def test_source_fault_is_found(source: str, fault: str) -> None:
    (found,) = source_faults(source)
    assert fault in found


def test_narrowing_assert_is_no_fault() -> None:
    assert source_faults("def f(self):\n    assert isinstance(self.basis, B)") == []


# --- files -------------------------------------------------------------------------


def test_no_file_is_unfinished() -> None:
    marks = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    stub = re.compile(r"^\s*raise NotImplemented" + r"Error", re.MULTILINE)
    found = [
        file.relative_to(ROOT).as_posix()
        for file in repository_files()
        if file.suffix in {".py", ".js", ".cu", ".cuh", ".h", ".css"}
        and (marks.search(text := file.read_text()) or stub.search(text))
    ]
    assert found == []


def test_no_file_names_a_path_of_one_machine() -> None:
    found = {
        file.relative_to(ROOT).as_posix(): hit.group(0)
        for file in repository_files()
        if file.suffix in TEXT or file.name in {"Makefile", "run"}
        if (hit := MACHINE_PATH.search(file.read_text()))
    }
    assert found == {}


@pytest.mark.parametrize("path", ["/work" + "/main", "/home" + "/ada/x", "/tmp" + "/a"])
def test_machine_path_is_recognized(path: str) -> None:
    assert MACHINE_PATH.search(f"open('{path}')")


def test_no_large_file_is_tracked() -> None:
    sizes = {
        f.relative_to(ROOT).as_posix(): f.stat().st_size for f in repository_files()
    }
    limits = {name: LARGEST for name in sizes}
    # A notebook has a limit of its own, which the rules for chapters name.
    limits |= {name: LARGEST_FILE for name in sizes if name.endswith(".ipynb")}
    assert {name: size for name, size in sizes.items() if size > limits[name]} == {}


def test_no_future_annotations() -> None:
    """Annotations are read at run time, by jaxtyping's checks."""
    found = [
        file.relative_to(ROOT).as_posix()
        for file in repository_files()
        if file.suffix == ".py"
        and re.search(r"^from __future__ import annotations", file.read_text(), re.M)
    ]
    assert found == []
