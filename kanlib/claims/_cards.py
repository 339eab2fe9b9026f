"""How a claim record looks: HTML made of its JSON form, so that pages can remake it.

The classes (`kl-claim`, `kl-verdict--...`) are styled by the site; without its style
the cards are plain paragraphs and lists. Texts keep their $...$ for MathJax.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

SEEN = {
    "read": "read in the source",
    "abstract": "abstract only",
    "secondary": "from a secondary source",
    "memory": "from memory, unverified",
}

MARKS = {
    "reproduced": "✓",
    "trend reproduced at book scale": "≈",
    "not tested": "?",
    "not reproduced": "✗",
    "refuted here": "≠",
}
"""One sign a verdict, for where its words have no room; color is not enough."""

MATHS = "tex2jax_process mathjax_process"


def number_text(value: float | None) -> str:
    """Three significant digits; just below 1, two digits of the distance to 1."""
    if value is None:
        return "not finite"
    if 0.9 <= abs(value) < 1:
        decimals = 1 - math.floor(math.log10(1 - abs(value)))
        return f"{value:.{min(max(decimals, 3), 12)}f}"
    return f"{value:.3g}"


def measured_text(record: Mapping[str, Any]) -> str:
    """What was measured, with its interval and the number of values behind it."""
    values = record["values"]
    if not values:
        return "by its parts" if record["judge"] == "parts" else "not measured"
    unit = f" {record['unit']}" if record["unit"] else ""
    shown = number_text(record["measured"]) + unit
    if len(values) == 1:
        return f"{shown} (one value)"
    count = f"{len(values)} {'seeds' if record['seeds'] else 'values'}"
    if record["interval"] is None:
        return f"{shown} ({count})"
    low, high = (number_text(end) for end in record["interval"])
    name, kind = {
        "every": ("worst", "range"),
        "mean": ("mean", "95 % interval"),
        "median": ("median", "90 % interval"),
    }[record["judge"]]
    return f"{name} {shown}, {kind} {low} to {high} ({count})"


def seeds_text(seeds: Sequence[int]) -> str:
    """The seeds in few words, runs of neighbors by their ends.

    Example:
        >>> seeds_text([20, 21, 22, 23, 24]), seeds_text([1, 2, 4, 8, 9, 10])
        ('20 to 24', '1, 2, 4, 8 to 10')
    """
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][-1] + 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    # two neighbors are no shorter as a range
    listed = [
        [f"{run[0]} to {run[-1]}"] if len(run) > 2 else map(str, run) for run in runs
    ]
    return ", ".join(text for run in listed for text in run)


def verdict_html(verdict: str) -> str:
    """The verdict word with the class that colors it."""
    slug = verdict.replace(" ", "-")
    return f'<span class="kl-verdict kl-verdict--{slug}">{escape(verdict)}</span>'


def record_html(record: Mapping[str, Any]) -> str:
    """One card, anchored as claim-<id>."""
    facts = {
        "Paper": f"{record['paper_value']} ({record['where']}; {SEEN[record['seen']]})",
        "Condition": f"{record['condition']}, fixed beforehand",
        "Measured": measured_text(record),
        "Seeds": seeds_text(record["seeds"]),
        "Reason": record["reason"],
        "Note": record["note"],
    }
    if not record["values"]:
        del facts["Measured"]
    items = "".join(
        f"<li><strong>{name}:</strong> {escape(text)}</li>"
        for name, text in facts.items()
        if text
    )
    name = escape(record["id"])
    return (
        f'<div class="kl-claim {MATHS}" id="claim-{name}">'
        f'<p class="kl-claim__head">{verdict_html(record["verdict"])} '
        f'<strong class="kl-claim__id">{name}</strong> '
        f"{escape(record['statement'])}</p>"
        f'<ul class="kl-claim__facts">{items}</ul></div>'
    )


def table_html(records: Sequence[Mapping[str, Any]], tally: str) -> str:
    """The ledger of one chapter; each id links to its card on the same page.

    Three columns, so that a page's text width holds them: who and how it went, what is
    claimed and where, what was measured and by which condition it is judged.
    """
    rows = []
    for record in records:
        name = escape(record["id"])
        source = f"{record['paper_value']} ({record['where']}; {SEEN[record['seen']]})"
        reason = f"Reason: {record['reason']}" if record["reason"] else ""
        measured = (measured_text(record), f"Condition: {record['condition']}", reason)
        cells = (
            f'<a href="#claim-{name}">{name}</a> {verdict_html(record["verdict"])}',
            _lines(record["statement"], f"Paper: {source}"),
            _lines(*filter(None, measured)),
        )
        kind = "kl-ledger__part" if record["part_of"] else "kl-ledger__claim"
        rows.append(f'<tr class="{kind}"><td>' + "</td><td>".join(cells) + "</td></tr>")
    heads = ("claim", "statement", "measured")
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    return (
        f'<div class="kl-ledger {MATHS}">'
        f'<p class="kl-ledger__tally">{escape(tally)}</p>'
        f"<table><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _lines(first: str, *rest: str) -> str:
    """One line, and what explains it in small print below."""
    return escape(first) + "".join(
        f"<br><small>{escape(line)}</small>" for line in rest
    )
