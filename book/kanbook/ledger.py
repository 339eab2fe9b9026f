"""The ledger: claim records read from executed notebooks, and how they moved."""

import csv
import io
import json
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from kanbook.chapters import Chapter, all_chapters
from kanlib.claims import MIME, Verdict, compare, place

Record = dict[str, Any]

VERDICTS = tuple(verdict.value for verdict in Verdict)

COLUMNS = (
    "id",
    "chapter",
    "statement",
    "paper",
    "paper_value",
    "where",
    "seen",
    "scale",
    "condition",
    "measured",
    "unit",
    "interval",
    "values",
    "seeds",
    "judge",
    "tolerance",
    "verdict",
    "reason",
    "note",
    "part_of",
    "profile",
    "device",
    "versions",
)
"""The columns of `claims.csv`; keys that come later are appended."""


def rendered(chapter: Chapter, executed: Path | None) -> Path:
    """Return the executed copy of `chapter` if there is one, else its own notebook.

    Args:
        chapter: A chapter of the book.
        executed: The folder of executed copies, or None to use none. A copy counts only
            with the report beside it that says how it was made.
    """
    if executed is None:
        return chapter.path
    copy = executed / chapter.part / f"{chapter.slug}.ipynb"
    whole = copy.is_file() and copy.with_suffix(".json").is_file()
    return copy if whole else chapter.path


def records(notebook: Record) -> list[Record]:
    """Return the claim records in a notebook's outputs, in order.

    Example:
        >>> output = {"output_type": "display_data", "data": {MIME: {"id": "kan.1"}}}
        >>> records({"cells": [{"cell_type": "code", "outputs": [output]}]})
        [{'id': 'kan.1'}]
    """
    return [
        output["data"][MIME]
        for cell in notebook["cells"]
        for output in cell.get("outputs", [])
        if MIME in output.get("data", {})
    ]


def collect(root: Path, executed: Path | None) -> list[Record]:
    """Return every claim record of the book, each with its page under `chapter`.

    Args:
        root: The folder that holds `_toc.yml`; its order is the order of the records.
        executed: The folder of executed copies; None reads the committed notebooks.

    Raises:
        ValueError: a notebook is no JSON, "cannot read".
    """
    found = []
    for chapter in all_chapters(root):
        path = rendered(chapter, executed)
        if path.is_file():
            notebook = read_notebook(path.read_text("utf-8"), path)
            page = {"chapter": f"chapters/{chapter.name}"}
            found += [record | page for record in in_order(records(notebook))]
    return found


def in_order(found: Sequence[Record]) -> list[Record]:
    """Return a chapter's records with every claim right before its parts, sorted.

    A claim in parts is settled last, so the notebook shows it after them.

    Example:
        >>> part, rest = {"id": "a.1b", "part_of": "a.1"}, {"id": "a.2"}
        >>> [record["id"] for record in in_order([part, rest, {"id": "a.1"}])]
        ['a.1', 'a.1b', 'a.2']
    """
    return sorted(found, key=lambda one: place(one["id"], one.get("part_of")))


def read_notebook(text: str, origin: object) -> Record:
    """Parse a notebook's text; `origin` names it in the error.

    Raises:
        ValueError: the text is no notebook in JSON, "cannot read".
    """
    try:
        notebook = json.loads(text)
        notebook["cells"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"cannot read {origin}: expected a notebook in JSON, got {error!r}. "
            "Restore it with git, or remove it and run `kanbook run`."
        ) from error
    return dict(notebook)


def problems(found: Sequence[Record]) -> list[str]:
    """Return what is wrong with the records, one sentence each; empty if nothing.

    Example:
        >>> twice = {"id": "kan.1", "chapter": "a", "verdict": "not tested"}
        >>> problems([twice]), len(problems([twice, twice]))
        ([], 1)
    """
    pages: dict[str, list[str]] = {}
    for record in found:
        pages.setdefault(record["id"], []).append(record["chapter"])
    said = [
        f"claim {name} is recorded {len(where)} times, in {', '.join(where)}; expected "
        "once, because its id is its address. Renumber one, or record it in one cell."
        for name, where in pages.items()
        if len(where) > 1
    ]
    said += [
        f"claim {record['id']} in {record['chapter']}: verdict is "
        f"{record.get('verdict')!r}; expected one of {', '.join(VERDICTS)}. "
        "Record it through kanlib.Ledger."
        for record in found
        if record.get("verdict") not in VERDICTS
    ]
    return said


def whole(found: Iterable[Record]) -> list[Record]:
    """Return the claims that are not parts of another, so that none counts twice."""
    return [record for record in found if record.get("part_of") is None]


def tally(found: Iterable[Record]) -> dict[str, int]:
    """Count the whole claims by verdict, strongest verdict first, without zeros.

    Example:
        >>> tally([{"verdict": "not tested"}, {"verdict": "reproduced"}])
        {'reproduced': 1, 'not tested': 1}
    """
    counts = Counter(record["verdict"] for record in whole(found))
    return {verdict: counts[verdict] for verdict in VERDICTS if counts[verdict]}


def to_json(found: Sequence[Record]) -> str:
    """Return the records as one JSON array."""
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def to_csv(found: Sequence[Record]) -> str:
    """Return the records as CSV; lists and mappings stand as JSON in their cell."""
    extra = dict.fromkeys(key for record in found for key in record)
    columns = [*COLUMNS, *(key for key in extra if key not in COLUMNS)]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for record in found:
        writer.writerow({key: _cell(value) for key, value in record.items()})
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else value


def diff(root: Path, rev: str) -> list[str]:
    """Return how the notebooks' claims moved since a git revision, or between two.

    A condition that changed together with its measurement is marked CONDITION, because
    it must be committed before the run that it judges.

    Args:
        root: The folder that holds `_toc.yml`.
        rev: Any revision that git knows, such as "HEAD~1" or "main", to compare with
            the notebooks as they are; or two, such as "HEAD~5..HEAD".

    Returns:
        One line for each claim that is new, gone or changed; empty if none is.

    Raises:
        ValueError: git cannot read `rev`, "git cannot read".
    """
    old, _, new = rev.partition("..")
    found = _collect_at(root, new) if new else collect(root, None)
    before = {record["id"]: record for record in _collect_at(root, old)}
    after = {record["id"]: record for record in found}
    lines = [
        f"{name}: new, {record['verdict']}"
        for name, record in after.items()
        if name not in before
    ]
    lines += [
        f"{name}: gone, was {record['verdict']}"
        for name, record in before.items()
        if name not in after
    ]
    for name in after:
        if name in before:
            lines += _moves(before[name], after[name])
    return lines


def _moves(old: Record, new: Record) -> list[str]:
    moved = compare(old, new)
    conditions = ("condition", "tolerance")
    changed = [key for key in conditions if old[key] != new[key]]
    if changed and old["values"] != new["values"]:
        moved.append(
            f"{new['id']}: CONDITION and measurement changed together; expected the "
            "condition committed before the run that it judges. Commit it first, then "
            "run `kanbook refresh`."
        )
    return moved


def _collect_at(root: Path, rev: str) -> list[Record]:
    listed = _git(root, rev, "ls-tree", "-r", "--name-only", rev, "--", "chapters")
    found = []
    for name in listed.splitlines():
        path = Path(name)
        if path.suffix == ".ipynb" and len(path.parts) == 3:
            text = _git(root, rev, "show", f"{rev}:./{name}")
            found += in_order(records(read_notebook(text, f"{name} at {rev}")))
    return found


def _git(root: Path, rev: str, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise ValueError(
            f"ledger.diff: git cannot read revision {rev!r} in {root}: "
            f"{done.stderr.strip()}. Name one that `git log` lists."
        )
    return done.stdout
