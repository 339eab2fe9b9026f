"""Numbers that prose quotes: recorded by cells, printed by roles, compared by tests.

Three roles print a number that is written down in one place only: {measured} what a
cell measured, {printed} what a source says, {condition} what a claim is judged by.
"""

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import nbformat

from kanbook.cells import (
    Notebook,
    bundles_of,
    claims_calls,
    code_cells,
    without_injected,
)
from kanlib.claims import MIME, NUMBER_MIME, _cards

Record = Mapping[str, Any]

ROLES = ("measured", "printed", "condition")
SCIENTIFIC = re.compile(r"(?<![\w.])([+-]?\d+(?:\.\d+)?)e([+-]?\d+)(?!\w)")
BOUNDS = re.compile(
    r"(?:at most|at least|equal to) [^\s;]+|between [^\s;]+ and [^\s;]+"
)


class Quote(NamedTuple):
    """What a role prints, as Markdown, and where it was measured or declared."""

    text: str
    page: str = ""
    anchor: str = ""


class Book(NamedTuple):
    """Every number of the book by its address, and what is wrong with them."""

    known: Mapping[str, Record]
    problems: tuple[str, ...]


def numbers(outputs: Sequence[Record]) -> list[Record]:
    """Return the number records among a cell's outputs, in order."""
    found = [output.get("data", {}) for output in outputs]
    return [data[NUMBER_MIME] for data in found if NUMBER_MIME in data]


def read(sources: Mapping[str, Path]) -> Book:
    """Return the numbers of all chapters, addressed as `slug.name`.

    Args:
        sources: Page -> the notebook that it shows.
    """
    known: dict[str, Record] = {}
    problems: list[str] = []
    for page, path in sources.items():
        notebook = nbformat.read(path, as_version=4)
        notebook.cells = without_injected(notebook.cells)
        slug = page.rpartition("/")[2]
        for _, cell in code_cells(notebook):
            for record in numbers(cell.get("outputs", [])):
                known[f"{slug}.{record['name']}"] = dict(record) | {"chapter": page}
        problems += [f"{page}.ipynb: {said}." for said in number_rules(notebook)]
    return Book(known, tuple(problems))


def number_rules(notebook: Notebook) -> Iterator[str]:
    """Every number is shown, once, under a name that no claim has."""
    claims = {
        str(data[MIME]["id"]).partition(".")[2]
        for _, cell in code_cells(notebook)
        for data in bundles_of(cell)
        if MIME in data
    }
    calls = claims_calls(notebook, {"number"}, "name")
    places: dict[str, list[int]] = {}
    for number, cell in code_cells(notebook):
        shown = Counter(one["name"] for one in numbers(cell.get("outputs", [])))
        called = Counter(calls[number])
        for name in called | shown:
            # A number that was shown once and is recorded twice is recorded twice.
            count = max(called[name], shown[name])
            places.setdefault(name, []).extend([number] * count)
            if not shown[name]:
                yield (
                    f"cell {number} records the number {name!r} but shows none; "
                    "expected its record among the outputs. Run kanbook refresh"
                )
    for name, cells in places.items():
        if len(cells) > 1:
            yield (
                f"the number {name!r} is recorded {len(cells)} times, in cells "
                f"{', '.join(map(str, cells))}; expected once, because prose quotes "
                "it by its name. Rename one"
            )
        if name in claims:
            yield (
                f"cell {cells[0]} records the number {name!r}, but a claim has this "
                "name; expected another, because both are addressed alike. Rename it"
            )


def moved(committed: Sequence[Record], fresh: Sequence[Record]) -> list[str]:
    """Return how the numbers of one cell moved from its committed to its fresh outputs.

    A value may differ by its committed tolerance, as a share of the larger magnitude.
    """
    old, new = (
        {one["name"]: one for one in numbers(outputs)} for outputs in (committed, fresh)
    )
    said = [f"the number {name} is gone" for name in old if name not in new]
    for name, record in new.items():
        if name not in old:
            said.append(f"the number {name} is new")
            continue
        before, after = old[name]["value"], record["value"]
        tolerance = old[name]["tolerance"]
        if record["tolerance"] != tolerance:
            said.append(
                f"the number {name}: tolerance {tolerance:g} became "
                f"{record['tolerance']:g}"
            )
        if not abs(after - before) <= tolerance * max(abs(before), abs(after)):
            said.append(
                f"the number {name}: {before:.6g} became {after:.6g}; the tolerance "
                f"is {tolerance:g} of the larger"
            )
        elif before == after and record["text"] != old[name]["text"]:
            # Another value within the tolerance may well read differently.
            said.append(
                f"the number {name}: the text {old[name]['text']!r} became "
                f"{record['text']!r}"
            )
    return said


def quote(
    role: str, name: str, claims: Mapping[str, Record], known: Mapping[str, Record]
) -> Quote:
    """Return what a role prints.

    Args:
        role: One of `ROLES`.
        name: Its content: the address of a number or a claim; for `printed` also the
            number itself, as a source prints it.
        claims: Every claim record of the book by its id, with its page as `chapter`.
        known: Every number of the book by its address.

    Raises:
        ValueError: there is no such number or claim, or the claim has none of its own
            ("expected").
    """
    if role == "measured" and name in known:
        page, anchor = known[name]["chapter"], f"number-{known[name]['name']}"
        return Quote(typeset(known[name]["text"]), page, anchor)
    if role == "printed" and name not in claims and re.match(r"[^a-z]*\d", name):
        return Quote(typeset(name))
    if name not in claims:
        raise ValueError(_unknown(role, name, claims, known))
    record = claims[name]
    text = {"measured": _measured, "printed": _printed, "condition": _condition}[role](
        record
    )
    if not text:
        raise ValueError(
            f"claim {name} has no {role} value of its own; expected one of its parts, "
            "or a claim that has. Name that one."
        )
    return Quote(typeset(text), record["chapter"], f"claim-{name}")


def _measured(record: Record) -> str:
    return _cards.measured_text(record) if record["values"] else ""


def _printed(record: Record) -> str:
    return str(record["paper_value"])


def _condition(record: Record) -> str:
    r"""Return the bounds of a condition, without whom they bind.

    Example:
        >>> _condition({"condition": "every value at most 0.05 RMSE"})
        'at most 0.05'
    """
    found = BOUNDS.search(record["condition"])
    return found[0] if found else ""


def _unknown(
    role: str, name: str, claims: Mapping[str, Record], known: Mapping[str, Record]
) -> str:
    kinds = {"claim": list(claims)}
    if role == "measured":
        kinds["number"] = list(known)
    listed = " or ".join(
        f"a {kind} ({', '.join(names) or 'there is none yet'})"
        for kind, names in kinds.items()
    )
    everything = [one for names in kinds.values() for one in names]
    close = difflib.get_close_matches(name, everything, n=1, cutoff=0.6)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    fix = {
        "measured": 'record it where it is measured: kanlib.claims.number("NAME", ...)',
        "printed": "write the number itself, as the source prints it",
        "condition": "declare the claim in its chapter",
    }[role]
    return f"{{{role}}} of {name!r}: expected {listed}. Mend the name, or {fix}.{hint}"


def typeset(text: str) -> str:
    r"""Return a number's text as Markdown: powers of ten as formulas, true minus signs.

    Example:
        >>> typeset("-0.1 to 1.46e-02"), typeset("at most 1e-12")
        ('−0.1 to $1.46 \\cdot 10^{-2}$', 'at most $10^{-12}$')
    """
    parts = re.split(r"(\$[^$]+\$)", text)
    parts[::2] = [_plain(part) for part in parts[::2]]
    return "".join(parts)


def _plain(text: str) -> str:
    pieces = SCIENTIFIC.split(text)
    made = [_minus(pieces[0])]
    for mantissa, exponent, after in zip(*(iter(pieces[1:]),) * 3, strict=True):
        factor = "" if mantissa == "1" else rf"{mantissa} \cdot "
        made += [f"${factor}10^{{{int(exponent)}}}$", _minus(after)]
    return "".join(made)


def _minus(text: str) -> str:
    return re.sub(r"(?<![\w.])-(?=\d)", "−", text)
