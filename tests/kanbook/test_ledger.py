"""The ledger: what is read from notebooks, and what is said when claims move."""

import csv
import io
import json
import subprocess
from pathlib import Path

import pytest
from kanbook import ledger

from kanlib.claims import Ledger


def record(number: str, value: float, bound: float = 1.0) -> ledger.Record:
    """One settled claim of a chapter "toy"."""
    claims = Ledger("toy", paper="liu2024kan")
    claims.claim(
        number,
        "The error is small.",
        paper_value="1",
        where="table 1",
        seen="read",
        at_most=bound,
    )
    return claims.measure(number, value).to_dict()


def write_chapter(
    folder: Path, records: list[ledger.Record], name: str = "toy"
) -> Path:
    path = folder / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    outputs = [
        {"output_type": "display_data", "data": {ledger.MIME: one}, "metadata": {}}
        for one in records
    ]
    cell = {"cell_type": "code", "source": "", "metadata": {}, "outputs": outputs}
    path.write_text(json.dumps({"cells": [cell], "metadata": {}}))
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A book with one chapter of two claims."""
    (tmp_path / "_toc.yml").write_text(
        "root: intro\nchapters:\n- file: chapters/part/toy\n"
    )
    write_chapter(tmp_path / "chapters/part", [record("1", 0.5), record("2", 3.0)])
    return tmp_path


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True)


def commit(root: Path) -> None:
    if not (root / ".git").exists():
        git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "state")


def test_records_carry_their_page(root: Path) -> None:
    found = ledger.collect(root, None)
    assert [one["id"] for one in found] == ["toy.1", "toy.2"]
    assert {one["chapter"] for one in found} == {"chapters/part/toy"}


def test_an_executed_copy_counts_with_its_report_only(root: Path) -> None:
    executed = root / "_build/executed"
    copy = write_chapter(executed / "part", [record("1", 0.25)])
    assert len(ledger.collect(root, executed)) == 2
    copy.with_suffix(".json").write_text("{}")
    assert [one["measured"] for one in ledger.collect(root, executed)] == [0.25]
    assert len(ledger.collect(root, None)) == 2


def test_json_and_csv_hold_the_same_records(root: Path) -> None:
    found = ledger.collect(root, None)
    assert json.loads(ledger.to_json(found)) == found
    rows = list(csv.DictReader(io.StringIO(ledger.to_csv(found))))
    assert [row["id"] for row in rows] == ["toy.1", "toy.2"]
    assert set(rows[0]) == set(found[0])
    assert float(rows[1]["measured"]) == 3.0
    assert json.loads(rows[0]["versions"]) == found[0]["versions"]
    assert rows[0]["part_of"] == ""


def test_csv_keeps_keys_that_it_does_not_know() -> None:
    rows = list(csv.DictReader(io.StringIO(ledger.to_csv([{"id": "a.1", "new": 3}]))))
    assert rows[0]["new"] == "3"


def test_a_claim_stands_before_its_parts() -> None:
    claims = Ledger("toy", paper="liu2024kan")
    for number, parts in (("1", ("1a",)), ("1a", ()), ("2", ())):
        claims.claim(
            number,
            "Small.",
            paper_value="1",
            where="table 1",
            seen="read",
            at_most=None if parts else 1.0,
            parts=parts,
        )
    claims.measure("1a", 0.0)
    claims.measure("2", 2.0)
    one, part, two = (item.to_dict() for item in claims.table().records)
    assert ledger.in_order([part, two, one]) == [one, part, two]
    assert ledger.tally([one, part, two]) == {"reproduced": 1, "not reproduced": 1}


def test_duplicate_ids_and_unknown_verdicts_are_named() -> None:
    one = record("1", 0.5) | {"chapter": "chapters/part/toy"}
    said = ledger.problems([one, one, one | {"id": "toy.9", "verdict": "fine"}])
    assert len(said) == 2
    assert "toy.1 is recorded 2 times" in said[0]
    assert "toy.9 in chapters/part/toy: verdict is 'fine'" in said[1]


def test_a_broken_notebook_is_named(root: Path) -> None:
    (root / "chapters/part/toy.ipynb").write_text("{")
    with pytest.raises(ValueError, match=r"cannot read .*toy\.ipynb"):
        ledger.collect(root, None)


def test_diff_of_nothing_is_empty(root: Path) -> None:
    commit(root)
    assert ledger.diff(root, "HEAD") == []


def test_diff_tells_new_gone_and_moved(root: Path) -> None:
    commit(root)
    write_chapter(root / "chapters/part", [record("1", 1.5), record("3", 0.1)])
    said = ledger.diff(root, "HEAD")
    assert "toy.3: new, reproduced" in said
    assert "toy.2: gone, was not reproduced" in said
    assert any(line.startswith("toy.1: verdict 'reproduced' became") for line in said)
    assert not any("CONDITION" in line for line in said)


def test_diff_marks_a_condition_changed_with_its_measurement(root: Path) -> None:
    commit(root)
    write_chapter(root / "chapters/part", [record("1", 0.5), record("2", 3.1, bound=4)])
    marked = [line for line in ledger.diff(root, "HEAD") if "CONDITION" in line]
    assert len(marked) == 1
    assert marked[0].startswith("toy.2: ")


def test_diff_leaves_a_condition_changed_alone_unmarked(root: Path) -> None:
    commit(root)
    write_chapter(root / "chapters/part", [record("1", 0.5), record("2", 3.0, bound=4)])
    said = ledger.diff(root, "HEAD")
    assert any(line.startswith("toy.2: condition") for line in said)
    assert not any("CONDITION" in line for line in said)


def test_diff_compares_two_revisions(root: Path) -> None:
    commit(root)
    write_chapter(root / "chapters/part", [record("1", 1.5), record("2", 3.0)])
    commit(root)
    write_chapter(root / "chapters/part", [record("1", 0.5)])
    (verdict, measured) = ledger.diff(root, "HEAD~1..HEAD")
    assert verdict == "toy.1: verdict 'reproduced' became 'not reproduced'"
    assert measured.startswith("toy.1: measured 0.5 became 1.5")


def test_diff_names_an_unknown_revision(root: Path) -> None:
    commit(root)
    with pytest.raises(ValueError, match="cannot read revision 'nowhere'"):
        ledger.diff(root, "nowhere")
