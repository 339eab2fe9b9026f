"""Numbers that prose quotes: what roles print, what may move, what is refused."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from kanbook.numbers import moved, number_rules, quote, read, typeset
from nbformat.v4 import new_code_cell, new_notebook, new_output

from kanlib.claims import Ledger, number

NAMED = "from kanlib.claims import number\n"


def shown(*bundles: dict[str, Any]) -> list[nbformat.NotebookNode]:
    return [new_output("display_data", data=bundle) for bundle in bundles]


def claims() -> dict[str, dict[str, Any]]:
    """A claim for each kind of condition, and one in parts."""
    ledger = Ledger("toy", paper="liu2024kan")
    paper = {"paper_value": "1.46e-2", "where": "table 1", "seen": "read"}
    ledger.claim("1", "A", at_most=0.05, **paper)
    ledger.claim("2", "B", at_least=-0.01, unit="points", **paper)
    ledger.claim("3", "C", between=(1e-12, 2), **paper)
    ledger.claim("4", "D", at_most=1.0, judge="mean", **paper)
    ledger.claim("4a", "E", between=(3, 3), **paper)
    ledger.claim("5", "F", parts=("4a",), **paper)
    made = [
        ledger.measure("1", 0.0321),
        ledger.measure("2", 0.5),
        ledger.measure("3", 1e-6),
        ledger.measure("4", [0.25, 0.75], seeds=[0, 1]),
        ledger.measure("4a", 3),
    ]
    made += [one for one in ledger.table().records if one.id == "toy.5"]
    return {one.id: one.to_dict() | {"chapter": "chapters/part/toy"} for one in made}


CLAIMS = claims()
KNOWN = {
    "toy.slope": number("slope", -1.13).to_dict() | {"chapter": "chapters/part/toy"}
}


@pytest.mark.parametrize(
    ("role", "name", "text", "anchor"),
    [
        ("measured", "toy.slope", "−1.13", "number-slope"),
        ("measured", "toy.1", "0.0321 (one value)", "claim-toy.1"),
        ("measured", "toy.3", "$10^{-6}$ (one value)", "claim-toy.3"),
        ("printed", "toy.1", r"$1.46 \cdot 10^{-2}$", "claim-toy.1"),
        ("printed", "1.46e-2", r"$1.46 \cdot 10^{-2}$", ""),
        ("printed", "98 %", "98 %", ""),
        ("printed", "$R^2 > 0.9$", "$R^2 > 0.9$", ""),
        ("condition", "toy.1", "at most 0.05", "claim-toy.1"),
        ("condition", "toy.2", "at least −0.01", "claim-toy.2"),
        ("condition", "toy.3", "between $10^{-12}$ and 2", "claim-toy.3"),
        ("condition", "toy.4", "at most 1", "claim-toy.4"),
        ("condition", "toy.4a", "equal to 3", "claim-toy.4a"),
    ],
)
def test_what_a_role_prints(role: str, name: str, text: str, anchor: str) -> None:
    found = quote(role, name, CLAIMS, KNOWN)
    assert (found.text, found.anchor) == (text, anchor)


def test_a_measured_claim_prints_the_text_of_its_card() -> None:
    text = quote("measured", "toy.4", CLAIMS, KNOWN).text
    assert text.startswith("mean 0.5, 95 % interval")
    assert text.endswith("(2 seeds)")


@pytest.mark.parametrize(
    ("role", "name", "says"),
    [
        (
            "measured",
            "toy.slop",
            r"expected a claim \(toy.1, .*\) or a number \(toy.slope\).*kanlib\.claims"
            r"\.number\(.*Did you mean 'toy.slope'\?",
        ),
        ("printed", "toy.9", r"expected a claim .* write the number itself"),
        ("printed", "much", r"expected a claim"),
        ("condition", "toy.slope", r"expected a claim .* declare the claim"),
        ("condition", "toy.5", r"claim toy.5 has no condition value of its own"),
        ("measured", "toy.5", r"claim toy.5 has no measured value of its own"),
    ],
)
def test_unknown_names_are_refused(role: str, name: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        quote(role, name, CLAIMS, KNOWN)


def test_an_empty_book_says_that_there_is_nothing_yet() -> None:
    with pytest.raises(ValueError, match=r"a number \(there is none yet\)"):
        quote("measured", "toy.a", {}, {})


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("1e-6 to -2.5e+03", r"$10^{-6}$ to $-2.5 \cdot 10^{3}$"),
        ("a-1 and 3-4", "a-1 and 3-4"),
        ("$x_1e-2$ -1", "$x_1e-2$ −1"),
        ("0x1e5", "0x1e5"),
    ],
)
def test_texts_are_set_as_formulas(text: str, made: str) -> None:
    assert typeset(text) == made


def test_values_may_move_within_the_tolerance() -> None:
    old = shown(number("a", 1.0, tolerance=0.1).bundle())
    assert moved(old, shown(number("a", 1.05, tolerance=0.1).bundle())) == []
    (said,) = moved(old, shown(number("a", 1.2, tolerance=0.1).bundle()))
    assert said == "the number a: 1 became 1.2; the tolerance is 0.1 of the larger"
    (said,) = moved(old, shown(number("a", 1.0, tolerance=0.5).bundle()))
    assert said == "the number a: tolerance 0.1 became 0.5"
    # the same value, printed in another way
    (said,) = moved(old, shown(number("a", 1.0, ".3f", tolerance=0.1).bundle()))
    assert said == "the number a: the text '1.00' became '1.000'"
    assert moved(old, []) == ["the number a is gone"]
    assert moved([], old) == ["the number a is new"]


def numbered(*cells: tuple[str, list[nbformat.NotebookNode]]) -> nbformat.NotebookNode:
    return new_notebook(cells=[new_code_cell(c, outputs=o) for c, o in cells])


A = shown(number("a", 1).bundle())


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ([(NAMED + "number('a', 1)", A)], []),
        ([("kl.claims.number('a', 1)", A)], []),
        ([("other.number('a', 1); number('a', 1)", [])], []),
        ([(NAMED + "number('a', 1)", [])], ["cell 1 records the number 'a' but shows"]),
        (
            [(NAMED + "number(name='a', value=1)", A), ("number('a', 2)", A)],
            ["the number 'a' is recorded 2 times, in cells 1, 2; expected once"],
        ),
        (
            [("", A), ("", shown(Ledger("k", paper="p").table()._repr_mimebundle_()))],
            [],
        ),
    ],
)
def test_rules_for_numbers(cells: list[Any], says: list[str]) -> None:
    found = list(number_rules(numbered(*cells)))
    assert len(found) == len(says), found
    for said, start in zip(found, says, strict=True):
        assert said.startswith(start)


def test_a_number_has_no_name_of_a_claim() -> None:
    ledger = Ledger("kan", paper="liu2024kan")
    text = {"paper_value": "1", "where": "table", "seen": "read"}
    ledger.claim("zoo", "A", at_most=1.0, **text)
    outputs = shown(number("zoo", 1).bundle(), ledger.measure("zoo", 1.0).bundle())
    (said,) = number_rules(numbered(("", outputs)))
    assert said.startswith("cell 1 records the number 'zoo', but a claim has this name")


def test_a_chapter_is_read_with_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "toy.ipynb"
    nbformat.write(numbered(("", A), ("", A)), path)
    book = read({"chapters/part/toy": path})
    assert book.known["toy.a"]["chapter"] == "chapters/part/toy"
    assert book.problems == (
        "chapters/part/toy.ipynb: the number 'a' is recorded 2 times, in cells 1, 2; "
        "expected once, because prose quotes it by its name. Rename one.",
    )
