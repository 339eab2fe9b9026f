"""The first code cell of a chapter: it installs kanlib where kanlib is missing.

Whoever downloads a notebook, or opens it in Colab, has nothing else of the book. In a
clone, and wherever kanlib is installed, the cell does nothing and prints nothing.
"""

import ast
import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from kanbook import address
from kanbook.address import Address
from kanbook.cells import Notebook, code_cells, tags_of, tree_of

TAG = "bootstrap"
TAGS = [TAG, "remove-cell"]
CELL_ID = "code-bootstrap"
# Modules whose use asks for an extra; every chapter draws figures, one of which moves.
NEEDED = {"datasets": "data", "safetensors": "save"}
ALWAYS = {"fast", "plot", "widgets"}
CONFIG = "_config.yml"

INSTALLS = """\
# Where kanlib is missing, as in Colab, this installs it. Elsewhere it does nothing.
import importlib.util

if importlib.util.find_spec("kanlib") is None:
    import subprocess
    import sys

    archive = "{archive}"
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    command = [*pip, f"kanlib[{extras}] @ {{archive}}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ImportError(f"kanlib could not be installed.\\n{{done.stderr}}")
    importlib.invalidate_caches()"""
EXPLAINS = """\
# Where kanlib is missing, this says how to install it. Elsewhere it does nothing.
import importlib.util

if importlib.util.find_spec("kanlib") is None:
    raise ImportError(
        "kanlib is missing. In a clone of the book's repository, run: "
        'python -m pip install ".[{extras}]"'
    )"""


def source(known: Address | None, extras: str) -> str:
    """Return the cell's code.

    Args:
        known: The book's public address; None while it has none.
        extras: What the chapter needs besides kanlib itself, such as "plot,widgets".
    """
    if known is None:
        return EXPLAINS.format(extras=extras)
    archive = f"{known.repository}/archive/refs/heads/{address.BRANCH}.zip"
    return INSTALLS.format(extras=extras, archive=archive)


def extras(notebook: Notebook) -> str:
    """Return the extras of kanlib that a chapter's code needs, by its names.

    Example:
        >>> cell = {"cell_type": "code", "metadata": {}, "source": "kl.datasets.load"}
        >>> extras({"cells": [cell]})
        'data,fast,plot,widgets'
    """
    names: set[str] = set()
    for _, cell in code_cells(notebook):
        for node in ast.walk(tree_of(cell) or ast.Module([], [])):
            if isinstance(node, ast.Attribute):
                names.add(node.attr)
            elif isinstance(node, ast.ImportFrom):
                names.update((node.module or "").split("."))
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.Import):
                names.update(part for n in node.names for part in n.name.split("."))
    return ",".join(sorted(ALWAYS | {NEEDED[name] for name in names & NEEDED.keys()}))


def with_bootstrap(notebook: Notebook, known: Address | None) -> dict[str, Any]:
    """Return a copy of a notebook whose first code cell is the one for its address."""
    made: dict[str, Any] = copy.deepcopy(dict(notebook))
    cells = made["cells"]
    place = next((i for i, c in enumerate(cells) if c["cell_type"] == "code"), None)
    if place is None:
        return made
    if TAG not in tags_of(cells[place]):
        from nbformat.v4 import new_code_cell

        cells.insert(place, new_code_cell(id=CELL_ID))
    cells[place]["source"] = source(known, extras(made))
    cells[place]["metadata"]["tags"] = list(TAGS)
    return made


def known_address(root: Path) -> Address | None:
    """Return the address that `_config.yml` gives the book, None without one.

    Raises:
        ValueError: it is of no known form.
    """
    path = root / CONFIG
    if not path.is_file():
        return None
    config = yaml.safe_load(path.read_text("utf-8"))
    return address.parse(config["sphinx"]["config"].get("kanbook_address", ""))


def bootstrap_rules(notebook: Notebook) -> Iterator[str]:
    """The first code cell is the bootstrap cell, and there is no other."""
    found = [(n, c) for n, c in code_cells(notebook) if TAG in tags_of(c)]
    first = next((number for number, _ in code_cells(notebook)), None)
    if first is None:
        return
    if [number for number, _ in found] != [first]:
        listed = ", ".join(str(number) for number, _ in found) or "none"
        yield (
            f"tagged {TAG}: {listed}; expected exactly the first code cell, cell "
            f"{first}, because a downloaded notebook needs kanlib before all else. "
            "Run kanbook refresh, which writes it"
        )
        return
    ((number, cell),) = found
    if list(tags_of(cell)) != TAGS:
        yield (
            f"cell {number} is tagged {', '.join(tags_of(cell))}; expected "
            f"{', '.join(TAGS)}, because the page leaves it out. Run kanbook refresh"
        )


def stale(notebook: Notebook, known: Address | None) -> Iterator[str]:
    """Yield what keeps the bootstrap cell from being the one for an address."""
    wanted = source(known, extras(notebook))
    for number, cell in code_cells(notebook):
        if TAG in tags_of(cell) and cell["source"] != wanted:
            name = known.repository if known else "no address"
            yield (
                f"cell {number} (id {cell['id']}) is not the bootstrap cell for {name} "
                "of _config.yml and the extras of this chapter. Run kanbook refresh, "
                "which writes it"
            )
