"""The benchmarks' modules, which live outside the packages."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark_module() -> Iterator[Callable[[str], ModuleType]]:
    """Import by name from benchmarks/; the names are forgotten afterwards."""
    before, threads = set(sys.modules), torch.get_num_threads()
    sys.path.insert(0, str(FOLDER))
    yield importlib.import_module
    sys.path.remove(str(FOLDER))
    torch.set_num_threads(threads)
    ours = {path.stem for path in FOLDER.glob("*.py")}
    for name in (set(sys.modules) - before) & ours:
        del sys.modules[name]
