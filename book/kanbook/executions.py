"""What executing the book costs: {executions}, from the runner's own reports."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from docutils import nodes

from kanbook.directives import Generated
from kanbook.fragments import COMMIT_LENGTH, memory_text
from kanbook.ledger import Record, tally

Report = dict[str, Any]
"""What the runner writes beside an executed copy."""

AVERAGE, AIM, MOST = 60, 30, 90
"""The budget of a chapter, in CPU seconds; it is printed and never asserted."""

NOT_EXECUTED = "not executed for this build"
HEADS = ("Chapter", "Executed", "Profile", "Wall", "CPU", "Memory", "Claims")
WIDTHS = "20 19 9 9 9 10 24"
TOGETHER = "\N{NO-BREAK SPACE}"
"""Between a number and its unit."""


def chapters_markdown(
    reports: Mapping[str, Report | None], claims: Mapping[str, list[Record]]
) -> str:
    """Return the table of what each chapter took, in Markdown.

    Args:
        reports: Page -> the report of its executed copy, None without one.
        claims: Page -> its claim records.
    """
    return _table(
        HEADS,
        [
            (f"{{doc}}`/{page}`", *_run(report), _verdicts(claims[page]))
            for page, report in reports.items()
        ],
        f":widths: {WIDTHS}",
    )


def _run(report: Report | None) -> tuple[str, ...]:
    if report is None:
        return (NOT_EXECUTED, "–", "–", "–", "–")
    over = f", over {MOST}{TOGETHER}s" if report["cpu_seconds"] > MOST else ""
    return (
        _minute(report["finished"]),
        str(report["profile"]),
        _seconds(report["seconds"]),
        _seconds(report["cpu_seconds"]) + over,
        memory_text(report["peak_mib"]).replace(" ", TOGETHER),
    )


def _seconds(value: float) -> str:
    return f"{value:.1f}{TOGETHER}s"


def _minute(finished: str) -> str:
    """Return a report's time to the minute.

    Example:
        >>> _minute("2026-03-04T05:06:07+00:00")
        '2026-03-04, 05:06 UTC'
    """
    return f"{finished[:10]}, {finished[11:16]} UTC"


def _verdicts(found: list[Record]) -> str:
    counts = tally(found)
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items()) or "–"


def total_markdown(reports: Mapping[str, Report | None]) -> str:
    """Return the sentences that hold the chapters' CPU time against the budget.

    Args:
        reports: Page -> the report of its executed copy, None without one.
    """
    ran = [report for report in reports.values() if report is not None]
    took = ""
    if ran:
        wall = sum(report["seconds"] for report in ran)
        cpu = sum(report["cpu_seconds"] for report in ran)
        each = _seconds(cpu / len(ran))
        took = f": {_seconds(wall)}, of them {_seconds(cpu)} CPU, {each} each"
    return (
        f"{len(ran)} of {len(reports)} chapters executed{took}. The budget of a "
        f"chapter is {AVERAGE} CPU seconds on average and at most {MOST}; "
        f"the aim is {AIM}."
    )


def versions_markdown(reports: Mapping[str, Report | None]) -> str:
    """Return the table of versions: what most chapters ran with, and what others did.

    Args:
        reports: Page -> the report of its executed copy, None without one.

    Returns:
        Markdown; empty if no chapter was executed.
    """
    ran = {page: one["versions"] for page, one in reports.items() if one is not None}
    names = dict.fromkeys(name for versions in ran.values() for name in versions)
    rows = []
    for name in names:
        found = {page: versions.get(name, "none") for page, versions in ran.items()}
        usual = Counter(found.values()).most_common(1)[0][0]
        other = [
            f"{_version(text)} in {{doc}}`/{page}`"
            for page, text in found.items()
            if text != usual
        ]
        rows.append((name, _version(usual), ", ".join(other) or "–"))
    return _table(("Of", "Version", "Others"), rows) if rows else ""


def _version(text: str) -> str:
    return f"`{text[:COMMIT_LENGTH]}`"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], *options: str) -> str:
    lines = ["```{list-table}", ":header-rows: 1", *options, ""]
    for row in (heads, *rows):
        first, *rest = row
        lines += [f"* - {first}", *(f"  - {cell}" for cell in rest)]
    return "\n".join([*lines, "```"])


class Executions(Generated):
    """What each chapter took when it was executed, and what it ran with."""

    def made(self) -> list[nodes.Node]:
        """Return the two tables with the total between them."""
        pages = self.site.chapters
        if not pages:
            return self.markdown("No chapter is written yet.")
        reports = {page: self.site.report(page) for page in pages}
        claims = {page: self.site.claims(page) for page in pages}
        return self.markdown(
            chapters_markdown(reports, claims),
            "",
            total_markdown(reports),
            "",
            versions_markdown(reports),
        )
