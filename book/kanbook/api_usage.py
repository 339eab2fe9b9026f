"""Which chapters use a name of the library, read from their code cells."""

import ast
import re
from collections.abc import Iterable, Mapping
from typing import Any

from kanbook.api import entries, find


def names_used(notebook: Mapping[str, Any]) -> set[str]:
    r"""Return the dotted names below `kanlib` that a notebook's code cells use.

    Example:
        >>> source = "import kanlib as kl\nkl.KAN([2, 1], kl.bases.BSpline)"
        >>> cell = {"cell_type": "code", "source": source}
        >>> sorted(names_used({"cells": [cell]}))
        ['kanlib.KAN', 'kanlib.bases', 'kanlib.bases.BSpline']
    """
    used: set[str] = set()
    alias: dict[str, str] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            source = "".join(cell["source"])
            # Magics are no Python; the inline-plots one is all that chapters use.
            plain = re.sub(r"^\s*[%!].*$", "", source, flags=re.MULTILINE)
            for node in ast.walk(ast.parse(plain)):
                _note(node, alias, used)
    return used


def _note(node: ast.AST, alias: dict[str, str], used: set[str]) -> None:
    if isinstance(node, ast.Import):
        for name in node.names:
            if name.name.partition(".")[0] == "kanlib":
                alias[name.asname or "kanlib"] = name.name if name.asname else "kanlib"
    elif isinstance(node, ast.ImportFrom):
        if (node.module or "").partition(".")[0] == "kanlib":
            for name in node.names:
                alias[name.asname or name.name] = f"{node.module}.{name.name}"
                used.add(f"{node.module}.{name.name}")
    elif isinstance(node, ast.Attribute) and (dotted := _dotted(node, alias)):
        used.add(dotted)


def _dotted(node: ast.expr, alias: Mapping[str, str]) -> str:
    if isinstance(node, ast.Name):
        return alias.get(node.id, "")
    if isinstance(node, ast.Attribute) and (owner := _dotted(node.value, alias)):
        return f"{owner}.{node.attr}"
    return ""


def users(
    modules: Iterable[str], notebooks: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[str]]:
    """Return which notebooks use a public name, under whatever path they reach it.

    Args:
        modules: The documented modules.
        notebooks: Page -> notebook.

    Returns:
        The name under which the API documents it -> pages.
    """
    documented = {
        id(find(entry.name)): entry.name
        for module in modules
        for entry in entries(module)
    }
    found: dict[str, list[str]] = {}
    for page, notebook in notebooks.items():
        names = {documented.get(id(find(name))) for name in names_used(notebook)}
        for name in names - {None}:
            found.setdefault(str(name), []).append(page)
    return found
