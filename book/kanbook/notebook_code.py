"""Rules for the code of a chapter."""

import ast
import re
from collections.abc import Iterator, Sequence

from kanbook.cells import Notebook, code_cells, length_of, tree_of

LONGEST_CELL = 40
ABSOLUTE = re.compile(
    r"(/(home|Users|tmp|work|root|opt|mnt|data|usr|var)\b|[A-Za-z]:\\)"
)


def length_rules(notebook: Notebook) -> Iterator[str]:
    """Cells are neither empty nor long."""
    for number, cell in code_cells(notebook):
        length = length_of(cell)
        if length > LONGEST_CELL:
            yield f"cell {number} has {length} lines; expected at most {LONGEST_CELL}"
        if not length:
            yield f"cell {number} is empty; expected code"


def line_rules(notebook: Notebook) -> Iterator[str]:
    """No magic but inline plots, no semicolon at a cell's end."""
    for number, cell in code_cells(notebook):
        lines = cell["source"].splitlines()
        for line in lines:
            if line.startswith(("%", "!")) and line.strip() != "%matplotlib inline":
                yield (
                    f"cell {number} has the magic {line.strip()!r}; expected none but "
                    "%matplotlib inline"
                )
        if lines and lines[-1].rstrip().endswith(";"):
            yield (
                f"cell {number} ends with a semicolon; expected none, because nbval "
                "shows the value all the same. Assign it instead"
            )


def code_rules(notebook: Notebook) -> Iterator[str]:
    """No absolute path, no silenced warning, no private or chapter import."""
    for number, cell in code_cells(notebook):
        tree = tree_of(cell)
        if tree is None:
            yield f"cell {number} does not parse; expected Python"
            continue
        for node in ast.walk(tree):
            for problem in _node(node):
                yield f"cell {number} {problem}"


def _node(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        if ABSOLUTE.match(node.value):
            yield f"has the absolute path {node.value!r}; expected none"
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        name = ast.unparse(node.func)
        if name in ("warnings.filterwarnings", "warnings.simplefilter"):
            yield f"calls {name}; expected the warning's cause mended instead"
    elif isinstance(node, ast.Import):
        for alias in node.names:
            yield from _imported(alias.name, [])
    elif isinstance(node, ast.ImportFrom):
        if node.level:
            yield "imports relatively; expected kanlib or an installed package"
        yield from _imported(node.module or "", [alias.name for alias in node.names])


def _imported(module: str, names: Sequence[str]) -> Iterator[str]:
    first, *rest = module.split(".")
    if first == "chapters" or first == "import_ipynb":
        yield f"imports {module}; expected no chapter to import another"
    private = [name for name in [*rest, *names] if name.startswith("_")]
    if first == "kanlib" and private:
        yield f"imports {private[0]} from {module}; expected public names of kanlib"
