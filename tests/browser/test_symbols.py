"""A chapter's list of symbols in Chromium: in the margin, or folded at the end."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

CHAPTER = "chapters/kan/kan.html"
READY = "MathJax.startup.promise"
MARGIN, END = ".bd-sidebar-secondary .kl-symbols", ".bd-article .kl-symbols"
# Rows whose symbol is drawn, whose meaning has no TeX left, and which hide nothing.
WHOLE = r"""list => {
  const rows = [...list.querySelectorAll(".kl-symbol")];
  const good = rows.filter((row) => row.querySelector("dt :is(mjx-c, mjx-utext)")
    && !/\\|\$/.test(row.innerText) && row.scrollWidth <= row.clientWidth);
  return [good.length, rows.length];
}"""
# The page's height with the list folded and unfolded, while nothing else can happen.
HEIGHTS = """details => [false, true].map((open) => {
  details.open = open;
  return document.documentElement.scrollHeight;
})"""
# Numbers in `data-symbols` that no row of the list has.
LOST = """() => [...document.querySelectorAll(".bd-article [data-symbols]")]
  .flatMap((formula) => formula.dataset.symbols.split(" "))
  .filter((number) => !document.querySelector(`.kl-symbol#symbol-${number}`))"""

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_list_scrolls_by_itself_in_the_margin(
    site: Path, open_page: Callable[..., Page], scheme: str
) -> None:
    wide = {"viewport": {"width": 1280, "height": 800}, "color_scheme": scheme}
    page = open_page((site / CHAPTER).as_uri(), **wide)
    page.evaluate(READY)
    shown = page.locator(f"{MARGIN} .kl-symbols__list")
    expect(shown).to_be_hidden()
    page.locator(f"{MARGIN} summary").press("Enter")
    expect(shown).to_be_visible()
    good, rows = shown.evaluate(WHOLE)
    assert good == rows > 0
    # The text does not move, and the list is longer than what shows of it.
    folded, unfolded = page.locator(f"{MARGIN} details").evaluate(HEIGHTS)
    assert folded == unfolded
    assert shown.evaluate("list => list.scrollHeight > list.clientHeight")
    shown.press("End")
    expect(shown.get_by_text("All symbols of the book")).to_be_in_viewport()
    assert page.evaluate(LOST) == []


def test_the_list_moves_to_the_end_of_a_narrow_page(
    site: Path, open_page: Callable[..., Page]
) -> None:
    page = open_page((site / CHAPTER).as_uri(), viewport={"width": 390, "height": 800})
    page.evaluate(READY)
    expect(page.locator(MARGIN)).to_have_count(0)
    page.locator(f"{END} summary").click()
    good, rows = page.locator(END).evaluate(WHOLE)
    assert good == rows > 0
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.set_viewport_size({"width": 1280, "height": 800})
    expect(page.locator(MARGIN)).to_have_count(1)
    expect(page.locator(END)).to_have_count(0)
