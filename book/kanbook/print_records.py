"""Records as Markdown, for paper: a claim's card, a check, the table of a ledger.

On a page the same records are HTML; see `kanlib.claims._cards`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kanbook import fragments
from kanbook.ledger import Record, tally
from kanlib.claims import _cards, _statement

MATH = re.compile(r"(\$[^$]+\$)")
SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$@])")


def escaped(text: str) -> str:
    r"""Plain text as Markdown that shows it as it is; formulas in $...$ stay.

    Example:
        >>> escaped("x_1 * [2, 1] and $x_1$")
        'x\\_1 \\* \\[2, 1\\] and $x_1$'
    """
    parts = MATH.split(" ".join(text.split()))
    parts[::2] = [SPECIAL.sub(r"\\\1", part) for part in parts[::2]]
    return "".join(parts)


def label(name: str) -> str:
    """The label that references to a claim's card name."""
    return f"claim-{name}"


def link(name: str) -> str:
    """A claim's id as a reference to its card."""
    return f"{{ref}}`{name} <{label(name)}>`"


def claim_markdown(record: Record) -> str:
    """One card: the verdict, the claim in our words, and what it was judged by."""
    facts = {
        "Paper": _source(record),
        "Condition": f"{record['condition']}, fixed beforehand",
        "Measured": _cards.measured_text(record) if record["values"] else "",
        "Seeds": _cards.seeds_text(record["seeds"]),
        "Reason": record["reason"],
        "Note": record["note"],
    }
    lines = [f"*{name}:* {escaped(text)}" for name, text in facts.items() if text]
    head = f"**{escaped(record['id'])}** {escaped(record['statement'])}"
    return (
        f"({label(record['id'])})=\n:::{{container}} kl-claim\n{head}\\\n"
        + "\\\n".join([f"*Verdict:* **{record['verdict']}**", *lines])
        + "\n:::"
    )


def ledger_markdown(found: Sequence[Record]) -> str:
    """The table of a chapter's claims, each with its condition and measurement."""
    rows = []
    for record in found:
        reason = f"*Reason:* {escaped(record['reason'])}" if record["reason"] else ""
        rows.append(
            (
                _name(record) + _below(record["verdict"]),
                escaped(record["statement"])
                + _below(f"*Paper:* {escaped(_source(record))}"),
                escaped(_cards.measured_text(record))
                + _below(f"*Condition:* {escaped(record['condition'])}")
                + (_below(reason) if reason else ""),
            )
        )
    heads = ("Claim", "Statement", "Measured")
    return f"{tally_text(found)}\n\n" + table(heads, rows, (20, 40, 40))


def index_markdown(found: Sequence[Record]) -> str:
    """The short table of a chapter's claims: what is claimed and how it went."""
    rows = [
        (_name(record), escaped(record["statement"]), record["verdict"])
        for record in found
    ]
    return table(("Claim", "Statement", "Verdict"), rows, (14, 60, 26))


def tally_text(found: Sequence[Record]) -> str:
    """The verdicts with their counts in one line."""
    counts = tally(found)
    listed = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    return f"{listed}." if listed else "No claim is recorded yet."


def check_markdown(record: Mapping[str, Any]) -> str:
    """What was evaluated of a statement, and how closely both sides agreed."""
    name = f"{{prf:ref}}`{record['statement']}`"
    if record["checkable"]:
        sides = [
            f"*{escaped(side['name'])}:* {escaped(_statement.side_text(side))}"
            for side in record["sides"]
        ]
        text = "\\\n".join([f"{name}, evaluated", *sides])
    else:
        text = f"{name} is not checkable here, because {escaped(record['because'])}."
    return f":::{{container}} kl-check\n{text}\n:::"


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]
) -> str:
    """A table that may go on over several pages; cells are Markdown."""
    lines = [
        "::::{list-table}",
        ":header-rows: 1",
        ":class: longtable",
        f":widths: {' '.join(map(str, widths))}",
        "",
    ]
    for row in (heads, *rows):
        first, *rest = (cell.replace("\n", "\n    ") for cell in row)
        lines += [f"* - {first}", *(f"  - {cell}" for cell in rest)]
    return "\n".join([*lines, "::::"])


def _source(record: Record) -> str:
    seen = _cards.SEEN[record["seen"]]
    return f"{record['paper_value']} ({record['where']}; {seen})"


def _name(record: Record) -> str:
    return link(record["id"]) if record.get("part_of") else f"**{link(record['id'])}**"


def _below(text: str) -> str:
    return f"\n\n{text}"


def stamp_text(
    report: Mapping[str, Any] | None, found: Sequence[Record], commit: str
) -> str:
    """How a chapter was made and how its claims stand, in one paragraph.

    Args:
        report: What the runner wrote beside the executed copy; None if the edition
            shows the committed outputs.
        found: The chapter's claim records.
        commit: The commit of the sources, empty if unknown.
    """
    if report is None:
        facts = ["Outputs as committed; not executed for this edition"]
        versions = found[0]["versions"] if found else {}
    else:
        facts = [
            f"Executed {str(report['finished'])[:10]}, profile {report['profile']}, "
            f"{report['seconds']:.0f} s ({report['cpu_seconds']:.0f} s CPU), "
            f"{fragments.memory_text(report['peak_mib'])} peak memory"
        ]
        versions = report["versions"]
    if found:
        facts.append(f"{fragments.share_tested(found)}: {tally_text(found)[:-1]}")
    listed = [f"{name} {text}" for name, text in versions.items() if name != "commit"]
    if listed:
        facts.append(", ".join(listed))
    commit = versions.get("commit", commit)[: fragments.COMMIT_LENGTH]
    if commit:
        facts.append(f"commit {commit}")
    return ". ".join(fact[0].upper() + fact[1:] for fact in facts) + "."
