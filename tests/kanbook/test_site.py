"""The real book: its pages hold what they promise, and every link leads somewhere."""

import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from kanbook import api, ledger
from kanbook.api_pages import MODULES
from kanbook.chapters import all_chapters
from kanbook.fragments import COMMIT_LENGTH, memory_text, share_tested
from kanbook.reports import executed_folder

ROOT = Path(__file__).parents[2]
SOURCES = {"src", "srcset", "data-src", "poster"}
LOADING = {"stylesheet", "icon", "preload", "modulepreload", "manifest"}


@dataclass
class Page(HTMLParser):
    """What a page links to, loads, and can be linked to."""

    path: Path
    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    without_alt: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        got = {name: value or "" for name, value in attrs}
        if "id" in got:
            self.ids.append(got["id"])
        if tag == "img" and "alt" not in got:
            self.without_alt.append(got.get("src", "")[:60])
        self.loads += [got[name] for name in SOURCES & got.keys()]
        if tag == "link" and LOADING & set(got.get("rel", "").split()):
            self.loads.append(got["href"])
        elif tag in ("a", "form"):
            self.links += [got[name] for name in ("href", "action") if name in got]


@cache
def pages(html: Path) -> Mapping[str, Page]:
    return {
        path.relative_to(html).as_posix(): Page(path)
        for path in sorted(html.rglob("*.html"))
        if path.relative_to(html).parts[0] != "_static"
    }


def records(site: Path) -> list[dict[str, Any]]:
    return list(json.loads((site / "claims.json").read_text("utf-8")))


def test_claims_are_published_as_they_were_recorded(site: Path) -> None:
    found = records(site)
    assert found == ledger.collect(ROOT, executed_folder(ROOT))
    assert ledger.problems(found) == []
    with (site / "claims.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [record["id"] for record in found]
    assert [row["verdict"] for row in rows] == [record["verdict"] for record in found]


def test_every_claim_has_a_row_and_a_card(site: Path) -> None:
    links = pages(site)["book/pages/ledger.html"].links
    for record in records(site):
        page = f"{record['chapter']}.html"
        assert f"../../{page}#claim-{record['id']}" in links
        assert pages(site)[page].ids.count(f"claim-{record['id']}") == 1


def test_every_chapter_is_stamped(site: Path) -> None:
    for chapter in all_chapters(ROOT):
        text = (site / f"chapters/{chapter.name}.html").read_text("utf-8")
        copy = executed_folder(ROOT) / chapter.part / f"{chapter.slug}.json"
        report = json.loads(copy.read_text("utf-8"))
        for fact in (
            f"Executed {report['finished'][:10]}",
            f"{report['seconds']:.0f} s ({report['cpu_seconds']:.0f} s CPU)",
            f"{memory_text(report['peak_mib'])} peak",
            f"torch&nbsp;{report['versions']['torch']}",
            f"<code>{report['versions'].get('commit', '')[:COMMIT_LENGTH]}",
        ):
            assert fact in text, (chapter.name, fact)
        found = [r for r in records(site) if r["chapter"].endswith(chapter.name)]
        assert share_tested(found) in text


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    outside = {
        name: [
            where for where in page.loads if urlsplit(where).scheme not in ("", "data")
        ]
        for name, page in pages(site).items()
    }
    assert {name: where for name, where in outside.items() if where} == {}
    for sheet in (site / "_static").rglob("*.css"):
        text = sheet.read_text("utf-8")
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", text), sheet


def test_no_page_loads_thebe(site: Path) -> None:
    for name in pages(site):
        assert "thebe" not in (site / name).read_text("utf-8").lower(), name


def test_every_internal_link_leads_somewhere(site: Path) -> None:
    lost = []
    for name, page in pages(site).items():
        for link in (*page.links, *page.loads):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = page.path
            if parts.path:
                target = (page.path.parent / unquote(parts.path)).resolve()
            if not target.is_file():
                lost.append(f"{name}: {link}")
            elif parts.fragment and target.suffix == ".html":
                other = pages(site)[target.relative_to(site.resolve()).as_posix()]
                if unquote(parts.fragment) not in {*other.ids, "", "top"}:
                    lost.append(f"{name}: {link}")
    assert lost == []


def test_anchors_are_unique(site: Path) -> None:
    double = {
        name: sorted({one for one in page.ids if page.ids.count(one) > 1})
        for name, page in pages(site).items()
    }
    assert {name: ids for name, ids in double.items() if ids} == {}


def test_every_image_has_a_text(site: Path) -> None:
    missing = {name: page.without_alt for name, page in pages(site).items()}
    assert {name: images for name, images in missing.items() if images} == {}


def test_no_page_knows_this_machine(site: Path) -> None:
    for name in pages(site):
        assert str(ROOT) not in (site / name).read_text("utf-8"), name


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_documented(site: Path, module: str) -> None:
    page = pages(site)[f"book/pages/api/{api.page_name(module)}.html"]
    names = {entry.name for entry in api.entries(module)}
    assert names <= set(page.ids)
    index = pages(site)["book/pages/api/index.html"].links
    assert {f"{api.page_name(module)}.html#{name}" for name in names} <= set(index)


def test_the_library_links_back_to_the_chapters(site: Path) -> None:
    text = (site / "book/pages/api/bases.html").read_text("utf-8")
    entry = text[text.index('id="kanlib.bases.BSpline"') :]
    assert "../../../chapters/kan/kan.html" in entry[: entry.index("Used in") + 400]


def test_the_first_page_counts_the_verdicts(site: Path) -> None:
    text = (site / "book/pages/intro.html").read_text("utf-8")
    counts = ledger.tally(records(site))
    assert counts
    for verdict, count in counts.items():
        assert f"<b>{count}</b> {verdict}" in text


def test_search_knows_the_library_and_the_chapters(site: Path) -> None:
    text = (site / "searchindex.js").read_text("utf-8")
    assert "KANLayer" in text
    assert "chapters/kan/kan" in text
