"""`import kanlib` costs torch, numpy and jaxtyping; the rest loads when used."""

import importlib.metadata
import json
import subprocess
import sys

import pytest

import kanlib

HEAVY = [
    "IPython",
    "anywidget",
    "cupy",
    "dask",
    "ipywidgets",
    "matplotlib",
    "numba",
    "pandas",
    "pooch",
    "safetensors",
    "scipy",
    "sklearn",
    "sympy",
    "tqdm",
]


def loaded(statement: str) -> set[str]:
    """Top-level modules that a new interpreter holds after `statement`."""
    program = (
        f"{statement}\nimport json, sys\n"
        "print(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", program],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_import_brings_nothing_but_torch_numpy_and_jaxtyping() -> None:
    ours = loaded("import kanlib, kanlib.bases, kanlib.layers, kanlib.ops")
    # What torch itself brings is not ours to forbid.
    extra = ours - loaded("import torch, numpy, jaxtyping")
    assert extra & set(HEAVY) == set()
    assert extra - set(sys.stdlib_module_names) == {"kanlib"}


def test_version_is_that_of_the_distribution() -> None:
    assert kanlib.__version__ == importlib.metadata.version("kanlib")


def test_every_name_of_all_resolves() -> None:
    assert len(kanlib.__all__) == len(set(kanlib.__all__))
    assert [name for name in kanlib.__all__ if not hasattr(kanlib, name)] == []
    assert set(kanlib.__all__) <= set(dir(kanlib))


def test_submodules_load_when_first_used() -> None:
    # In an order in which no earlier one may import a later one.
    names = ("show", "plotting", "datasets", "train", "testing", "widgets")
    lines = ["import sys, kanlib"]
    for name in names:
        lines += [f"assert 'kanlib.{name}' not in sys.modules, '{name}'"]
        lines += [f"assert kanlib.{name} is sys.modules['kanlib.{name}']"]
    assert "kanlib" in loaded("\n".join(lines))


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="BSplin"):
        getattr(kanlib, "BSplin")  # noqa: B009
