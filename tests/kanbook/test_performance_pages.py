"""The page of benchmarks: what records make of it, and what a broken one does."""

import json
from pathlib import Path

import pytest
from kanbook.build import BuildFailed, build
from kanbook.performance_pages import (
    NOT_YET,
    read_records,
    record_markdown,
    rows_markdown,
    times_markdown,
)
from lxml import html

ROOT = Path(__file__).parents[2]
TARGETS = {
    "P1": {
        "question": "A layer",
        "goals": {
            "a": {"what": "theirs over ours", "sense": ">=", "target": 4, "unit": "×"},
            "b": {
                "what": "ours over a floor",
                "sense": "<=",
                "target": 1.5,
                "unit": "×",
            },
        },
    },
    "P6": {
        "question": "On a GPU",
        "goals": {"a": {"what": "a share", "sense": ">=", "target": 0.9, "unit": ""}},
    },
}


def record(date: str = "2026-03-04", **changed: object) -> dict[str, object]:
    return {
        "device": "A CPU",
        "date": date,
        "commit": "c0ffee" * 7,
        "versions": {"python": "3.11.9", "torch": "2.13.0"},
        "command": "make bench RECORD=1",
        "goals": [
            {"row": "P1", "goal": "a", "measured": 4.2, "note": "here"},
            {"row": "P1", "goal": "b", "measured": 2.0, "note": "here"},
        ],
        "measurements": [
            {
                "shape": "2 → 2",
                "what": "forward",
                "contender": "efficient-kan, no scaler",
                "cpu_ms": 12.345,
                "wall_ms": 13.0,
                "of_ours": 4.2,
                "version": "7b6ce1c87f18c8bc",
            },
            {"shape": "2 → 2", "contender": "odd", "disqualified": "it differs"},
        ],
    } | changed


def write(root: Path, **records: dict[str, object]) -> Path:
    for folder in ("benchmarks", "book/records"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "benchmarks/targets.json").write_text(json.dumps(TARGETS))
    for name, facts in records.items():
        path = root / f"book/records/{name.replace('_', '-')}.json"
        path.write_text(json.dumps(facts))
    return root


def test_a_row_shows_target_measurement_and_verdict(tmp_path: Path) -> None:
    text = rows_markdown(TARGETS, read_records(write(tmp_path, cpu_one=record())))
    rows = text.split("* - ")[2:]
    assert "4.2× [1]" in rows[0]
    assert "at least 4×" in rows[0]
    assert "- pass" in rows[0]
    assert "at most 1.5×" in rows[1]
    assert "- **miss**" in rows[1]
    assert f"- {NOT_YET}" in rows[2]


def test_without_a_record_nothing_is_measured(tmp_path: Path) -> None:
    text = rows_markdown(TARGETS, read_records(write(tmp_path)))
    assert text.count(NOT_YET) == 3


def test_the_newest_record_that_has_a_number_counts(tmp_path: Path) -> None:
    old, new = record(), record("2026-04-01")
    new["goals"] = [{"row": "P1", "goal": "a", "measured": 9.0, "note": ""}]
    gpu = record("2026-05-01", device="A GPU")
    gpu["goals"] = [{"row": "P6", "goal": "a", "measured": 0.95, "note": ""}]
    other = {"device": "A GPU", "date": "2026-06-01"}  # no rows: not of this page
    root = write(tmp_path, cpu_old=old, cpu_new=new, gpu_a=gpu, gpu_b=other)
    found = read_records(root)
    assert [one.facts["date"] for one in found] == [
        "2026-05-01",
        "2026-04-01",
        "2026-03-04",
    ]
    text = rows_markdown(TARGETS, found)
    assert "0.95 [1]" in text
    assert "9× [2]" in text
    assert "2× [3]" in text


def test_a_record_names_machine_versions_command_and_peers(tmp_path: Path) -> None:
    (one,) = read_records(write(tmp_path, cpu_one=record()))
    text = record_markdown(1, one)
    for words in (
        "**[1]** A CPU, 2026-03-04",
        "`make bench RECORD=1`",
        "torch 2.13.0",
        "efficient-kan 7b6ce1c87f18",
        "`c0ffeec0ffee`",
        "cpu-one.json",
    ):
        assert words in text
    assert "not committed" not in text
    one.facts["changed"] = True
    assert "with changes not committed" in record_markdown(1, one)
    times = times_markdown(one)
    assert "12.3" in times
    assert "odd" not in times


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"goals": [{"row": "P1", "goal": "a", "note": ""}]}, "no measured that is a"),
        (
            {"goals": [{"row": "P1", "goal": "z", "measured": 1.0, "note": ""}]},
            "the goal P1, z is not in benchmarks/targets.json",
        ),
    ],
)
def test_a_broken_record_is_named(
    tmp_path: Path, changed: dict[str, object], says: str
) -> None:
    root = write(tmp_path, cpu_one=record(**changed))
    with pytest.raises(ValueError, match=r"book/records/cpu-one\.json") as caught:
        read_records(root)
    assert says in str(caught.value)


def test_a_record_that_is_cut_or_empty_is_named(tmp_path: Path) -> None:
    root = write(tmp_path, cpu_one={})
    with pytest.raises(ValueError, match=r"cpu-one\.json has no device, date"):
        read_records(root)
    (root / "book/records/cpu-one.json").write_text('{"device": ')
    with pytest.raises(ValueError, match=r"cpu-one\.json is no JSON"):
        read_records(root)


def little_book(root: Path, **records: dict[str, object]) -> Path:
    write(root, **records)
    (root / "intro.md").write_text("# A book\n\n```{performance}\n```\n")
    (root / "_toc.yml").write_text("format: jb-book\nroot: intro\n")
    config = (ROOT / "_config.yml").read_text("utf-8")
    (root / "_config.yml").write_text(config, "utf-8")
    for name in ("static", "references.bib"):
        (root / "book" / name).symlink_to(ROOT / "book" / name)
    return root


def test_the_page_is_built_from_the_records(tmp_path: Path) -> None:
    root = little_book(tmp_path, cpu_one=record())
    build(root, executed=None)
    tree = html.fromstring((root / "_build/html/intro.html").read_text("utf-8"))
    first, second = tree.xpath("//article//table")
    cells = [" ".join(row.text_content().split()) for row in first.xpath(".//tr")]
    assert cells[1] == "P1 A layer theirs over ours at least 4× 4.2× [1] pass"
    assert cells[3] == "P6 On a GPU a share at least 0.9 – not yet measured"
    assert "efficient-kan, no scaler" in second.text_content()


def test_a_broken_record_fails_the_build(tmp_path: Path) -> None:
    root = little_book(tmp_path, cpu_one={"device": "A CPU"})
    with pytest.raises(
        BuildFailed, match=r"performance: book/records/cpu-one\.json has"
    ):
        build(root, executed=None)
