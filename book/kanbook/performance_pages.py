"""The page of benchmarks: {performance}, from targets and committed records."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docutils import nodes

from kanbook.directives import Generated
from kanbook.print_records import escaped, table

TARGETS, RECORDS = "benchmarks/targets.json", "book/records"
NOT_YET = "not yet measured"
HEAD = ("device", "date", "command", "commit", "versions", "goals", "measurements")
GOAL: dict[str, type | tuple[type, ...]] = {
    "row": str,
    "goal": str,
    "measured": (float, int, type(None)),
    "note": str,
}


@dataclass(frozen=True)
class Benchmarks:
    """One record: where and when, and what was measured for each goal.

    Args:
        path: Its file.
        facts: All that the file holds.
    """

    path: Path
    facts: dict[str, Any]

    def measured(self, row: str, goal: str) -> dict[str, Any] | None:
        """Return the line of one goal; None if the record has none."""
        lines = self.facts["goals"]
        found = (one for one in lines if (one["row"], one["goal"]) == (row, goal))
        return next(found, None)


def read_records(root: Path) -> list[Benchmarks]:
    """Return the records that hold benchmark rows, newest first.

    Raises:
        ValueError: the file's name, and "is no JSON", "has no", or "goal" that is not
            in the targets or lacks a number.
    """
    targets = json.loads((root / TARGETS).read_text("utf-8"))
    found = []
    for path in sorted((root / RECORDS).glob("*.json")):
        try:
            facts = json.loads(path.read_text("utf-8"))
        except json.JSONDecodeError as error:
            raise ValueError(f"{RECORDS}/{path.name} is no JSON: {error}") from error
        # What `make gpu` writes may hold more than rows; what it names goals are some.
        if path.name.startswith("cpu-") or (
            isinstance(facts, dict) and "goals" in facts
        ):
            _check(facts, f"{RECORDS}/{path.name}", targets)
            found.append(Benchmarks(path, facts))
    return sorted(found, key=lambda one: str(one.facts["date"]), reverse=True)


def _check(facts: Any, name: str, targets: Mapping[str, Any]) -> None:
    missing = [key for key in HEAD if not isinstance(facts, dict) or key not in facts]
    if missing:
        raise ValueError(f"{name} has no {', '.join(missing)}; expected a record")
    for line in facts["goals"]:
        for key, kind in GOAL.items():
            if not isinstance(line.get(key, ...), kind):
                raise ValueError(
                    f"{name}: the goal {line} has no {key} that is "
                    f"{'a number' if key == 'measured' else 'text'}"
                )
        row, goal = line["row"], line["goal"]
        if goal not in targets.get(row, {}).get("goals", {}):
            raise ValueError(f"{name}: the goal {row}, {goal} is not in {TARGETS}")


def verdict(measured: float | None, goal: Mapping[str, Any]) -> str:
    """Return "pass", "miss" or "not yet measured", against the target of today.

    Example:
        >>> verdict(4.2, {"sense": ">=", "target": 4})
        'pass'
        >>> verdict(4.2, {"sense": "<=", "target": 4})
        'miss'
    """
    if measured is None:
        return NOT_YET
    target = goal["target"]
    met = measured >= target if goal["sense"] == ">=" else measured <= target
    return "pass" if met else "miss"


def number_text(value: float, unit: str) -> str:
    """Return a number in three digits, with its unit.

    Example:
        >>> number_text(4.2345, "×"), number_text(1234.5, "×"), number_text(2e-6, "")
        ('4.23×', '1234×', '2e-06')
    """
    shown = f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return shown + (unit if unit in ("", "×") else f"\N{NO-BREAK SPACE}{unit}")


def rows_markdown(targets: Mapping[str, Any], records: Sequence[Benchmarks]) -> str:
    """Return the table of all goals: target, measured, verdict, number of the record.

    Args:
        targets: What `benchmarks/targets.json` holds.
        records: Newest first; a goal is shown from the newest that measured it.
    """
    rows = []
    for row, about in targets.items():
        for place, (name, goal) in enumerate(about["goals"].items()):
            number, line = _newest(records, row, name)
            value = None if line is None else line["measured"]
            sense = "at least" if goal["sense"] == ">=" else "at most"
            target = number_text(goal["target"], goal["unit"])
            shown = "–" if value is None else number_text(value, goal["unit"])
            first = f"**{row}** {about['question']}" if place == 0 else ""
            judged = verdict(value, goal)
            rows.append(
                (
                    first,
                    escaped(goal["what"]),
                    f"{sense} {target}",
                    f"{shown} [{number}]" if value is not None else shown,
                    f"**{judged}**" if judged == "miss" else judged,
                )
            )
    heads = ("Row", "Quantity", "Target", "Measured", "Verdict")
    return table(heads, rows, (24, 34, 15, 15, 12))


def _newest(
    records: Sequence[Benchmarks], row: str, goal: str
) -> tuple[int, dict[str, Any] | None]:
    for number, record in enumerate(records, 1):
        line = record.measured(row, goal)
        if line is not None and line["measured"] is not None:
            return number, line
    return 0, None


def record_markdown(number: int, record: Benchmarks) -> str:
    """Return where, when and how one record was made."""
    facts = record.facts
    versions = ", ".join(f"{name} {text}" for name, text in facts["versions"].items())
    peers = sorted(
        {
            f"{line['contender'].partition(',')[0]} {line['version'][:12]}"
            for line in facts["measurements"]
            if line.get("version")
        }
    )
    changes = ", with changes not committed" if facts.get("changed") else ""
    lines = [
        f"**[{number}]** {escaped(str(facts['device']))}, {facts['date']}",
        f"*Made by:* `{facts['command']}`",
        f"*Versions:* {escaped(versions)}",
        f"*Peers at commit:* {escaped(', '.join(peers))}" if peers else "",
        f"*Our commit:* `{facts['commit'][:12] or 'none'}`{changes}",
        f"*File:* {escaped(record.path.name)}",
    ]
    return "\\\n".join(line for line in lines if line)


def times_markdown(record: Benchmarks) -> str:
    """Return every time of a record: milliseconds and the ratio to ours."""
    rows = [
        (
            escaped(f"{line['shape']}: {line['what']}"),
            escaped(line["contender"]),
            f"{line['cpu_ms']:.3g}",
            f"{line['wall_ms']:.3g}",
            number_text(line["of_ours"], "×"),
        )
        for line in record.facts["measurements"]
        if "cpu_ms" in line
    ]
    heads = ("What", "Who", "CPU ms", "Wall ms", "Of ours")
    return table(heads, rows, (38, 32, 10, 10, 10)) if rows else ""


class Performance(Generated):
    """All rows with their targets, the newest measurements, and where they are from."""

    def made(self) -> list[nodes.Node]:
        """Return the table, the records, and each record's times."""
        root = self.site.root
        targets = json.loads((root / TARGETS).read_text("utf-8"))
        records = read_records(root)
        parts = [rows_markdown(targets, records), ""]
        for number, record in enumerate(records, 1):
            parts += [record_markdown(number, record), ""]
        for number, record in enumerate(records, 1):
            found = times_markdown(record)
            if found:
                title = f"All times of record [{number}]"
                parts += [self._folded(title, found)]
        if not records:
            parts.append(f"No record stands in `{RECORDS}` yet.")
        return self.markdown(*parts)

    def _folded(self, title: str, content: str) -> str:
        """Return content that opens at a click; on paper it stands open."""
        if self.on_paper:
            return f":::{{rubric}} {title}\n:::\n\n{content}\n"
        return f"::::::{{dropdown}} {title}\n{content}\n::::::\n"
