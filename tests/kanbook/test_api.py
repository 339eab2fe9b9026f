"""What the API pages say, from docstrings and signatures."""

import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import pytest
from jaxtyping import Float
from kanbook import api, api_usage, docstrings
from kanbook.api_pages import MODULES
from torch import Generator, Tensor


@dataclass(frozen=True)
class Family:
    """A family of functions.

    Args:
        size: How many.
    """

    size: int

    @property
    def domain(self) -> tuple[float, float]:
        """Where it is used."""
        return (0.0, 1.0)

    @classmethod
    def uniform(cls, size: int = 3, *, near: float | None = None) -> "Family":
        """Make one."""
        return cls(size)

    def __call__(self, x: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch K"]:
        """Return the values."""
        return x

    def undocumented(self) -> None: ...


@dataclass(frozen=True)
class Plain:
    size: int


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (Float[Tensor, "*batch in K"], "Float[*batch, in, K]"),
        (Float[Tensor, ""], "Float[scalar]"),
        (Float[Tensor, " size"] | None, "Float[size] | None"),
        (Literal["edge", "input"], "Literal['edge', 'input']"),
        (Callable[[Tensor, int], float], "Callable[[Tensor, int], float]"),
        (Sequence[tuple[int, ...]], "Sequence[tuple[int, ...]]"),
        (Generator | None, "Generator | None"),
        (None, "None"),
        ("Family", "Family"),
    ],
)
def test_types_are_legible(annotation: object, expected: str) -> None:
    assert api.annotation(annotation) == expected


def test_a_class_is_described_with_its_members() -> None:
    entry = api.describe("toy.Family", Family)
    assert (entry.kind, entry.parameters) == ("class", ("size: int",))
    assert entry.summary == "A family of functions."
    members = {member.short: member for member in entry.members}
    assert set(members) == {"domain", "uniform", "__call__"}
    assert members["domain"].result == "tuple[float, float]"
    assert members["uniform"].parameters == (
        "size: int = 3",
        "*",
        "near: float | None = None",
    )
    assert members["__call__"].parameters == ("x: Float[*batch]",)


def test_what_dataclasses_write_is_no_docstring() -> None:
    assert api.describe("toy.Plain", Plain).doc == ""


def test_public_names_need_no_list() -> None:
    module = types.ModuleType("toy")

    def shown() -> None: ...

    shown.__module__ = "toy"
    vars(module).update(shown=shown, _hidden=shown, imported=api.annotation)
    assert api.public_names(module) == ["shown"]


def test_sections_become_lists_and_text_stays_literal() -> None:
    text = docstrings.markdown(
        "Return a*by_c of [a, b].\n\nArgs:\n    x: First,\n        second.\n\n"
        "Example:\n    >>> 1 + 1\n    2\n\nReference:\n    [liu2024kan] eq. 2.",
        {},
    )
    assert r"a\*by\_c of \[a, b\]" in text
    assert "`x`\n: First, second." in text
    assert "```python\n>>> 1 + 1\n2\n```" in text
    assert "{cite:p}`liu2024kan` eq. 2." in text


def test_only_known_names_become_links() -> None:
    text = docstrings.prose("`KAN` or `kan`, $x_1$.", {"KAN": "kanlib.layers.KAN"})
    assert text == "{py:obj}`KAN <kanlib.layers.KAN>` or `kan`, $x_1$."


def test_a_sign_at_the_start_of_a_line_makes_no_list() -> None:
    assert docstrings.prose("f = a\n    + b\n- c", {}) == "f = a\n\\+ b\n\\- c"
    assert docstrings.prose("- by_b\n- c", {}) == "- by\\_b\n- c"


def test_uses_are_found_under_every_path() -> None:
    def notebook(source: str) -> dict[str, object]:
        return {"cells": [{"cell_type": "code", "source": source}]}

    notebooks = {
        "a": notebook("import kanlib as kl\nkl.claims.Ledger"),
        "b": notebook("from kanlib.claims import Ledger as L\nL()"),
        "c": notebook(
            "%matplotlib inline\nimport kanlib.claims\nkanlib.claims.compare"
        ),
        "d": notebook("import numpy as kl\nkl.claims.Ledger"),
    }
    used = api_usage.users(["kanlib.claims"], notebooks)
    assert used == {"kanlib.claims.Ledger": ["a", "b"], "kanlib.claims.compare": ["c"]}


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_says_what_it_is(module: str) -> None:
    entries = api.entries(module)
    assert entries
    assert [entry.name for entry in entries if not entry.doc] == []
