"""A page is read before its heavy scripts are there, and loads none in vain."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from kanbook.chapters import all_chapters
from kanbook.still import WIDGET_VIEW
from playwright.sync_api import Page, Route, expect

ROOT = Path(__file__).resolve().parents[2]
CHAPTER = f"chapters/{all_chapters(ROOT)[0].name}.html"
PLAIN = "book/pages/contributing.html"
SMALL = "book/pages/gpu.html"
WIDGETS = ("require.js", "widgets-config.js", "embed-amd.js", "anywidget.js")
FORMULAS = ("tex-chtml-full.js",)
PAINTED = "performance.getEntriesByName('first-contentful-paint').length === 1"
ASKED_FOR = """() => [...document.scripts].some(
  (script) => script.src.endsWith("embed-amd.js"))"""
SEEN = "image => image.complete && image.naturalWidth > 0"
SIZES = """() => Object.fromEntries(
  ["navigation", "resource"].flatMap((kind) => performance.getEntriesByType(kind)).map(
    (one) => [one.name, one.decodedBodySize]))"""
LARGEST_PLAIN = 1_000_000
"""Bytes of a page without formulas and figures, uncompressed, all files together."""

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


class Gate:
    """Requests for some files of a page wait here until they are let through."""

    def __init__(self, page: Page, names: tuple[str, ...]) -> None:
        self.held: list[Route] = []
        self.open = False
        page.route(lambda url: urlsplit(url).path.endswith(names), self._meet)

    def _meet(self, route: Route) -> None:
        if self.open:
            route.continue_()
        else:
            self.held.append(route)

    def release(self) -> None:
        self.open = True
        for route in self.held:
            route.continue_()


@pytest.fixture
def gated(
    site: Path, serve: Callable[[Path], str], open_page: Callable[..., Page]
) -> Callable[..., tuple[Page, Gate]]:
    """Open a page of the site while the requests for some files wait."""

    def opened(name: str, names: tuple[str, ...]) -> tuple[Page, Gate]:
        home = serve(site)
        page = open_page(f"{home}/{SMALL}")
        gate = Gate(page, names)
        page.goto(f"{home}/{name}", wait_until="commit")
        return page, gate

    return opened


@pytest.mark.parametrize("names", [WIDGETS, FORMULAS], ids=["widgets", "formulas"])
def test_text_and_figures_wait_for_no_script(
    gated: Callable[..., tuple[Page, Gate]], names: tuple[str, ...]
) -> None:
    page, gate = gated(CHAPTER, names)
    expect(page.locator("h1")).to_be_visible()
    picture = page.locator(".bd-article figure img:visible").first
    picture.scroll_into_view_if_needed()
    page.wait_for_function(SEEN, arg=picture.element_handle())
    page.wait_for_function(PAINTED)
    if names == WIDGETS:
        page.wait_for_load_state("load")
        page.wait_for_function(ASKED_FOR)
        expect(page.locator(".widget-subarea")).to_have_count(0)
    else:
        expect(page.locator("mjx-container")).to_have_count(0)
    gate.release()
    if names == WIDGETS:
        expect(page.locator(".widget-subarea > *").first).to_be_attached()
    else:
        expect(page.locator("mjx-container").first).to_be_attached()


def test_a_widget_that_came_late_works(
    gated: Callable[..., tuple[Page, Gate]],
) -> None:
    page, gate = gated("book/pages/intro.html", WIDGETS)
    page.wait_for_function(ASKED_FOR)
    gate.release()
    handle = page.locator(".kanlib-spline-editor .handle").nth(2)
    handle.focus()
    page.keyboard.press("End")
    expect(handle).to_have_attribute("aria-valuenow", "1.5")


def test_a_plain_page_is_light(
    site: Path, serve: Callable[[Path], str], open_page: Callable[..., Page]
) -> None:
    assert WIDGET_VIEW not in (site / PLAIN).read_text("utf-8")
    page = open_page(f"{serve(site)}/{PLAIN}")
    page.wait_for_load_state("networkidle")
    sizes: dict[str, int] = page.evaluate(SIZES)
    heavy = (*WIDGETS, *FORMULAS, "searchindex.js", "fontawesome.js", ".woff2")
    assert [url for url in sizes if urlsplit(url).path.endswith(heavy)] == []
    assert sum(sizes.values()) < LARGEST_PLAIN, sizes
