"""The pages of the book in Chromium: the ledger's table, search, narrow screens."""

from collections.abc import Callable
from pathlib import Path

import pytest
from kanbook import ledger
from kanbook.chapters import all_chapters
from kanbook.reports import executed_folder
from playwright.sync_api import Page, expect

ROOT = Path(__file__).resolve().parents[2]
LEDGER = "book/pages/ledger.html"

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def rows(page: Page) -> list[str]:
    """The ids of the claims whose rows show."""
    ids = page.locator(".kl-book-ledger tbody tr:visible td:first-child")
    return ids.all_inner_texts()


@pytest.fixture(scope="module")
def records() -> list[ledger.Record]:
    return ledger.collect(ROOT, executed_folder(ROOT))


@pytest.fixture(params=["http", "file"])
def home(
    request: pytest.FixtureRequest, site: Path, serve: Callable[[Path], str]
) -> str:
    """The site's address, served and as files."""
    return serve(site) if request.param == "http" else site.as_uri()


def test_the_ledger_is_filtered_and_sorted(
    site: Path, open_page: Callable[..., Page], records: list[ledger.Record]
) -> None:
    page = open_page((site / LEDGER).as_uri())
    assert rows(page) == [record["id"] for record in records]
    verdict = records[0]["verdict"]
    page.select_option("select[name=verdict]", verdict)
    kept = [one["id"] for one in records if one["verdict"] == verdict]
    assert rows(page) == kept
    expect(page.locator("output")).to_have_text(f"{len(kept)} of {len(records)} rows")
    page.select_option("select[name=verdict]", "")
    page.fill("input[name=words]", "no row has these words")
    assert rows(page) == []
    page.fill("input[name=words]", "")
    page.get_by_role("button", name="Verdict").click()
    order = [one["id"] for one in sorted(records, key=strength)]
    assert rows(page) == order
    head = page.locator(".kl-book-ledger th").last
    expect(head).to_have_attribute("aria-sort", "ascending")


def strength(record: ledger.Record) -> int:
    return ledger.VERDICTS.index(record["verdict"])


def test_the_ledger_needs_no_script(
    site: Path, open_page: Callable[..., Page], records: list[ledger.Record]
) -> None:
    page = open_page((site / LEDGER).as_uri(), java_script_enabled=False)
    assert rows(page) == [record["id"] for record in records]
    expect(page.locator(".kl-filters")).to_be_hidden()


def test_a_row_leads_to_its_card(
    site: Path, open_page: Callable[..., Page], records: list[ledger.Record]
) -> None:
    page = open_page((site / LEDGER).as_uri())
    page.get_by_role("link", name=records[0]["id"], exact=True).click()
    card = page.locator(f'[id="claim-{records[0]["id"]}"]')
    expect(card).to_be_in_viewport()


def test_search_works_offline(home: str, open_page: Callable[..., Page]) -> None:
    page = open_page(f"{home}/search.html?q=KANLayer")
    found = page.locator("#search-results li a")
    expect(found.first).to_be_visible()
    links = [link.get_attribute("href") or "" for link in found.all()]
    assert any("api/layers.html#kanlib.layers.KANLayer" in link for link in links)


def test_no_page_is_wider_than_a_phone(
    site: Path, open_page: Callable[..., Page]
) -> None:
    chapters = [f"chapters/{chapter.name}.html" for chapter in all_chapters(ROOT)]
    pages = [*chapters, LEDGER, "book/pages/notation.html", "book/pages/intro.html"]
    first, *others = [*pages, "book/pages/api/layers.html", "404.html"]
    narrow = {"viewport": {"width": 360, "height": 800}}
    page = open_page((site / first).as_uri(), **narrow)
    wide = {}
    for name in (first, *others):
        if name != first:
            page.goto((site / name).as_uri())
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > 360:
            wide[name] = width
        if name == LEDGER:
            # The book's ledger becomes cards; nothing of them is out of sight.
            table = page.locator(".kl-book-ledger .kl-ledger")
            assert table.evaluate("box => box.scrollWidth - box.clientWidth") == 0
    assert wide == {}


def test_the_first_page_has_a_figure_that_moves(
    home: str, open_page: Callable[..., Page]
) -> None:
    page = open_page(f"{home}/book/pages/intro.html")
    editor = page.locator(".kanlib-spline-editor")
    expect(editor).to_have_count(1)
    handle, curve = editor.locator(".handle").nth(2), editor.locator("path.phi")
    expect(handle).to_be_visible()
    before = curve.get_attribute("d") or ""
    handle.focus()
    page.keyboard.press("End")
    expect(handle).to_have_attribute("aria-valuenow", "1.5")
    expect(curve).not_to_have_attribute("d", before)


def test_the_arrows_of_the_sidebar_have_names(
    site: Path, open_page: Callable[..., Page]
) -> None:
    page = open_page((site / LEDGER).as_uri())
    arrows = page.locator(".bd-sidebar-primary summary")
    labels = [arrow.get_attribute("aria-label") for arrow in arrows.all()]
    assert "Pages below The library" in labels
    assert all(label and label.startswith("Pages below ") for label in labels)
