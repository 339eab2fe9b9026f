"""The page of executions says what the reports beside the executed copies say."""

import json
import re
from pathlib import Path

import pytest
from kanbook.build import BuildFailed, build
from kanbook.chapters import all_chapters
from kanbook.executions import (
    MOST,
    NOT_EXECUTED,
    chapters_markdown,
    total_markdown,
    versions_markdown,
)
from kanbook.fragments import memory_text
from kanbook.reports import executed_folder
from lxml import html

ROOT = Path(__file__).parents[2]
PAGE = "book/pages/execution.html"


def report(cpu: float = 40.0, **versions: str) -> dict[str, object]:
    return {
        "finished": "2026-03-04T05:06:07+00:00",
        "profile": "book",
        "seconds": cpu + 4,
        "cpu_seconds": cpu,
        "peak_mib": 1536.0,
        "versions": {"python": "3.11.9", "torch": "2.13.0"} | versions,
    }


def claim(number: int, verdict: str) -> dict[str, str]:
    return {"id": f"toy.{number}", "verdict": verdict}


def words(element: html.HtmlElement) -> str:
    return " ".join(element.text_content().split())


def test_a_row_says_what_a_chapter_took() -> None:
    found = [claim(1, "reproduced"), claim(2, "not tested"), claim(3, "reproduced")]
    text = chapters_markdown({"a/b": report()}, {"a/b": found})
    assert text.splitlines()[-8:-1] == [
        "* - {doc}`/a/b`",
        "  - 2026-03-04, 05:06 UTC",
        "  - book",
        "  - 44.0\u00a0s",
        "  - 40.0\u00a0s",
        "  - 1.5\u00a0GiB",
        "  - 2 reproduced, 1 not tested",
    ]


def test_a_chapter_without_a_copy_says_so() -> None:
    text = chapters_markdown({"a/b": None}, {"a/b": []})
    assert text.splitlines()[-7] == f"  - {NOT_EXECUTED}"
    assert text.splitlines()[-6:-1] == ["  - –"] * 5
    assert versions_markdown({"a/b": None}) == ""
    assert total_markdown({"a/b": None}).startswith("0 of 1 chapters executed. The")


@pytest.mark.parametrize(("cpu", "marked"), [(MOST, False), (MOST + 1, True)])
def test_a_chapter_beyond_the_budget_is_marked(cpu: float, marked: bool) -> None:
    text = chapters_markdown({"a/b": report(cpu)}, {"a/b": []})
    assert (f"over {MOST}\u00a0s" in text) is marked


def test_the_total_is_held_against_the_budget() -> None:
    text = total_markdown({"a": report(20.0), "b": report(50.0), "c": None})
    assert text == (
        "2 of 3 chapters executed: 78.0\u00a0s, of them 70.0\u00a0s CPU, "
        "35.0\u00a0s each. "
        "The budget of a chapter is 60 CPU seconds on average and at most 90; "
        "the aim is 30."
    )


def test_versions_stand_once_and_others_are_named() -> None:
    same = report(commit="c0ffee" * 7)
    other = report(torch="2.12.1")
    text = versions_markdown({"a": same, "b": other, "c": same, "d": None})
    rows = re.findall(r"\* - (\w+)\n  - (.*)\n  - (.*)", text)
    assert rows == [
        ("Of", "Version", "Others"),
        ("python", "`3.11.9`", "–"),
        ("torch", "`2.13.0`", "`2.12.1` in {doc}`/b`"),
        ("commit", f"`{('c0ffee' * 7)[:20]}`", "`none` in {doc}`/b`"),
    ]


def test_a_report_that_lacks_a_number_fails_the_build(tmp_path: Path) -> None:
    (tmp_path / "chapters/part").mkdir(parents=True)
    copy = tmp_path / "_build/executed/part/toy.ipynb"
    copy.parent.mkdir(parents=True)
    notebook = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    notebook["cells"] = [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# Toy"}
    ]
    for path in (tmp_path / "chapters/part/toy.ipynb", copy):
        path.write_text(json.dumps(notebook))
    lacking = {"status": "ok", "message": "", "finished": "", "profile": "book"}
    copy.with_suffix(".json").write_text(json.dumps(lacking))
    (tmp_path / "intro.md").write_text("# A book\n\n```{executions}\n```\n")
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: intro\nchapters:\n- file: chapters/part/toy\n"
    )
    config = (ROOT / "_config.yml").read_text("utf-8")
    (tmp_path / "_config.yml").write_text(config, "utf-8")
    (tmp_path / "book").mkdir()
    for name in ("static", "references.bib"):
        (tmp_path / "book" / name).symlink_to(ROOT / "book" / name)
    with pytest.raises(BuildFailed, match=r"intro\.md:3: .*executions: 'cpu_seconds'"):
        build(tmp_path, executed=copy.parents[1])


def test_the_page_agrees_with_the_reports(site: Path) -> None:
    tree = html.fromstring((site / PAGE).read_text("utf-8"))
    rows = {
        row.xpath("string(td[1]//a/@href)"): [words(cell) for cell in row.xpath("td")]
        for row in tree.xpath("//article//table[1]//tbody/tr")
    }
    lines = [words(row) for row in tree.xpath("//article//tr")]
    for chapter in all_chapters(ROOT):
        copy = executed_folder(ROOT) / chapter.part / f"{chapter.slug}.json"
        known = json.loads(copy.read_text("utf-8"))
        row = rows[f"../../chapters/{chapter.name}.html"]
        assert row[1][:10] == known["finished"][:10]
        assert row[2] == known["profile"]
        assert row[3] == f"{known['seconds']:.1f} s"
        assert row[4].startswith(f"{known['cpu_seconds']:.1f} s")
        assert row[5] == memory_text(known["peak_mib"])
        for name, version in known["versions"].items():
            assert any(f"{name} {version[:20]}" in line for line in lines)
