"""Pieces of HTML that the book's pages are completed with: pure functions of data."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from kanbook.ledger import Record, tally, whole
from kanlib.claims import Verdict, _cards

MEBIBYTES_PER_GIBIBYTE = 1024
COMMIT_LENGTH = 20
"""Of a commit's name: 12 digits and the mark `+changes`."""


def tally_html(found: Sequence[Record]) -> str:
    """The verdicts with their counts, as a list of badges."""
    counts = tally(found)
    if not counts:
        return '<p class="kl-tally">No claim is recorded yet.</p>'
    badges = "".join(
        f'<li class="kl-verdict kl-verdict--{verdict.replace(" ", "-")}">'
        f"<b>{count}</b> {escape(verdict)}</li>"
        for verdict, count in counts.items()
    )
    return f'<ul class="kl-tally">{badges}</ul>'


def share_tested(found: Sequence[Record]) -> str:
    """How many of the whole claims were tested, such as "4 of 5 claims tested"."""
    claims = whole(found)
    tested = [r for r in claims if r["verdict"] != Verdict.NOT_TESTED.value]
    return f"{len(tested)} of {len(claims)} claims tested"


def memory_text(mebibytes: float) -> str:
    """A size with its unit, GiB from 1024 MiB on."""
    if mebibytes >= MEBIBYTES_PER_GIBIBYTE:
        return f"{mebibytes / MEBIBYTES_PER_GIBIBYTE:.1f} GiB"
    return f"{mebibytes:.0f} MiB"


def stamp_html(report: Mapping[str, Any] | None, found: Sequence[Record]) -> str:
    """The line under a chapter's title: what it cost here and how its claims stand.

    Args:
        report: What the runner wrote beside the executed copy; None if this build shows
            the committed outputs.
        found: The chapter's claim records.
    """
    if report is None:
        facts = ["Outputs as committed; not executed for this build"]
    else:
        facts = [
            f"Executed {escape(str(report['finished'])[:10])}",
            f"profile {escape(report['profile'])}",
            f"{report['seconds']:.0f} s ({report['cpu_seconds']:.0f} s CPU)",
            f"{memory_text(report['peak_mib'])} peak",
        ]
    if found:
        facts.append(f'<a href="#kl-run">{share_tested(found)}</a>')
    items = "".join(f"<li>{fact}</li>" for fact in facts)
    verdicts = tally_html(found) if found else ""
    return f'<ul class="kl-stamp">{items}</ul>{verdicts}'


def run_html(
    report: Mapping[str, Any] | None,
    found: Sequence[Record],
    commit: str,
    ledger: str,
) -> str:
    """The block at a chapter's foot: everything needed to judge or repeat the run.

    Args:
        report: What the runner wrote beside the executed copy, or None.
        found: The chapter's claim records.
        commit: The commit of the sources, empty if unknown.
        ledger: The way from the page to the ledger page.
    """
    rows = {"Claims": _claims(found, ledger)}
    if report is None:
        rows["Execution"] = (
            "not executed for this build; the outputs are those committed with the "
            "notebook. <code>make book</code> executes it."
        )
        versions = found[0]["versions"] if found else {}
    else:
        rows["Execution"] = (
            f"{escape(str(report['finished']))}, profile {escape(report['profile'])}, "
            f"{report['seconds']:.1f} s wall, {report['cpu_seconds']:.1f} s CPU, "
            f"{memory_text(report['peak_mib'])} peak memory"
        )
        versions = report["versions"]
    commit = versions.get("commit", commit)[:COMMIT_LENGTH]
    devices = sorted({record["device"] for record in found})
    if devices:
        rows["Device"] = escape(", ".join(devices))
    if versions:
        rows["Versions"] = ", ".join(
            f"{escape(name)}&nbsp;{escape(text)}"
            for name, text in versions.items()
            if name != "commit"
        )
    if commit:
        rows["Commit"] = f"<code>{escape(commit)}</code>"
    listed = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in rows.items())
    return (
        '<section class="kl-run" id="kl-run" aria-label="How this page was made">'
        f"<dl>{listed}</dl></section>"
    )


def _claims(found: Sequence[Record], ledger: str) -> str:
    if not found:
        return "none recorded"
    return f'{share_tested(found)} (<a href="{ledger}">ledger</a>){tally_html(found)}'


def ledger_html(
    found: Sequence[Record], titles: Mapping[str, str], to_root: str, issues: str
) -> str:
    """The book's ledger: controls, which a script reveals, and the whole table.

    Args:
        found: Every claim record, with its page under `chapter`.
        titles: Page -> the chapter's title.
        to_root: The way from the ledger's page to the site's root, such as "../../".
        issues: Where a reader disputes a verdict; empty while there is no address.
    """
    pages = dict.fromkeys(record["chapter"] for record in found)
    chapters = {page: titles.get(page, page) for page in pages}
    verdicts = {verdict.value: verdict.value for verdict in Verdict}
    heads = ("Claim", "Statement", "Paper", "Measured", "Verdict")
    head = "".join(f'<th scope="col" aria-sort="none">{text}</th>' for text in heads)
    order = [verdict.value for verdict in Verdict]
    rows = "".join(_row(record, chapters, order, to_root, issues) for record in found)
    return (
        '<div class="kl-book-ledger">'
        f"{tally_html(found)}"
        '<form class="kl-filters" hidden>'
        f"{_select('chapter', 'Chapter', chapters)}"
        f"{_select('verdict', 'Verdict', verdicts)}"
        '<label>Words <input type="search" name="words" autocomplete="off"></label>'
        '<output aria-live="polite"></output></form>'
        f'<div class="kl-ledger {_cards.MATHS}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        f'<script defer src="{to_root}_static/ledger.js"></script></div>'
    )


def _select(name: str, label: str, choices: Mapping[str, str]) -> str:
    options = "".join(
        f'<option value="{escape(value)}">{escape(text)}</option>'
        for value, text in choices.items()
    )
    return (
        f'<label>{label} <select name="{name}">'
        f'<option value="">all</option>{options}</select></label>'
    )


def _row(
    record: Record,
    titles: Mapping[str, str],
    order: Sequence[str],
    to_root: str,
    issues: str,
) -> str:
    name, page = escape(record["id"]), record["chapter"]
    verdict = _cards.verdict_html(record["verdict"])
    for text in (record["reason"], record["note"]):
        if text:
            verdict += f'<small class="kl-reason">{escape(text)}</small>'
    if issues:
        title = f"?title=Claim%20{name}%3A%20"
        verdict += f'<small><a href="{issues}{title}">dispute</a></small>'
    cells = {
        "Claim": f'<a href="{to_root}{page}.html#claim-{name}" '
        f'title="{escape(titles[page])}">{name}</a>',
        "Statement": escape(record["statement"]),
        "Paper": f"{escape(record['paper_value'])}<small>{escape(record['where'])}; "
        f"{_cards.SEEN[record['seen']]}</small>",
        "Measured": f"{escape(_cards.measured_text(record))}"
        f"<small>condition: {escape(record['condition'])}</small>",
        "Verdict": verdict,
    }
    rank = {"Claim": f"{page} {name}", "Verdict": order.index(record["verdict"])}
    body = "".join(
        f'<td data-label="{label}" data-key="{rank.get(label, "")}">{text}</td>'
        for label, text in cells.items()
    )
    kind = "kl-ledger__part" if record.get("part_of") else "kl-ledger__claim"
    return (
        f'<tr class="{kind}" data-chapter="{escape(page)}" '
        f'data-verdict="{escape(record["verdict"])}">{body}</tr>'
    )


def claim_link_html(record: Record, to_root: str) -> str:
    """A claim's badge: its id and its verdict's mark, as a link to its card."""
    name, verdict = escape(record["id"]), record["verdict"]
    return (
        f'<a class="kl-claim-link kl-verdict--{verdict.replace(" ", "-")}" data-card '
        f'href="{to_root}{record["chapter"]}.html#claim-{name}" '
        f'title="{escape(record["statement"])} Verdict: {escape(verdict)}.">'
        f'<span class="kl-claim-link__mark" aria-hidden="true">'
        f"{_cards.MARKS[verdict]}</span>{name}"
        f'<span class="visually-hidden">, {escape(verdict)}</span></a>'
    )


def page_404_html(title: str, base: str) -> str:
    """The page for an address that is not there.

    It is whole in itself, so that it looks the same at any depth of the site.

    Args:
        title: The book's title.
        base: What links start with: the path of the site on its host, or "" while the
            public address is unknown and nothing better than this file's own place is.
    """
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Page not found · {escape(title)}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1.0625rem/1.6 system-ui, sans-serif; max-width: 34rem; margin: 18vh auto;
  padding: 0 1.25rem; }}
h1 {{ font-size: 1.6rem; line-height: 1.25; }}
input, button {{ font: inherit; padding: 0.35rem 0.7rem; max-width: 100%; }}
</style>
</head>
<body>
<main>
<p>{escape(title)}</p>
<h1>There is no page here</h1>
<p>Chapters keep their addresses, so the link is probably mistyped or older than the
book. What you look for may be found from the <a href="{base}index.html">first page</a>,
in the <a href="{base}book/pages/ledger.html">ledger</a> of all claims, or by its
words:</p>
<form action="{base}search.html" role="search">
<input type="search" name="q" aria-label="Search the book">
<button>Search</button>
</form>
</main>
</body>
</html>
"""
