"""Hover cards in Chromium: by mouse, keyboard and touch, on the chapter's own page."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

CHAPTER = "chapters/kan/kan.html"
KINDS = {
    "equation": 'a.reference[href="#equation-kan-layer"]',
    "statement": 'a.reference[href="#kan-bspline"]',
    "citation": 'a.reference[href*="references.html#"]',
    "claim": "a.kl-claim-link",
    # The first badge may be of a statement that cannot be checked.
    "check": 'a.kl-badge[href^="#check-"]:not(:text("not checkable"))',
}
SAYS = {
    "equation": "Equation (",
    "statement": "(B-splines)",
    "citation": "arXiv",
    "claim": "Condition:",
    "check": "difference",
}
PHONE = {"viewport": {"width": 390, "height": 800}}
READY = "MathJax.startup.promise.then(() => document.fonts.ready)"
# What keeps the card off the link, inside the window, readable, and alone in its ids.
STATE = """card => {
  const box = card.getBoundingClientRect();
  const link = document.querySelector("[aria-describedby=kl-card], [data-tapped]");
  const whole = link.closest('mjx-container[display="true"]') ?? link;
  const apart = [...whole.getClientRects()].every(
    (line) => line.bottom <= box.top || line.top >= box.bottom);
  const inside = box.left >= 0 && box.top >= 0 && box.right <= innerWidth
    && box.bottom <= innerHeight;
  const light = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const { color, backgroundColor } = getComputedStyle(card);
  const [low, high] = [light(color), light(backgroundColor)].sort((a, b) => a - b);
  return {
    apart, inside, readable: (high + 0.05) / (low + 0.05) > 7,
    tips: document.querySelectorAll(".bd-article a.reference[title]").length,
    ids: card.querySelectorAll("[id]").length,
    raw: /\\\\\\(|\\\\\\[|\\$/.test(card.innerText),
  };
}"""
GOOD = {
    "apart": True,
    "inside": True,
    "readable": True,
    "tips": 0,
    "ids": 0,
    "raw": False,
}

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture
def chapter(
    site: Path, serve: Callable[[Path], str], open_page: Callable[..., Page]
) -> Callable[..., Page]:
    """Open the chapter, served or as a file, when its formulas are set."""

    def opened(served: bool, **options: object) -> Page:
        home = serve(site) if served else site.as_uri()
        page = open_page(f"{home}/{CHAPTER}", **options)
        page.evaluate(READY)
        return page

    return opened


def link_of(page: Page, kind: str) -> Locator:
    return page.locator(f".bd-article {KINDS[kind]}").locator("visible=true").first


def card_of(page: Page) -> Locator:
    return page.locator(".kl-card")


def tap_beside(page: Page) -> None:
    """Tap far from the card: a browser gives a near miss to what stands there."""
    box = card_of(page).bounding_box()
    assert box is not None
    below = box["y"] + box["height"] + 80
    page.touchscreen.tap(2, below if below < 800 else box["y"] - 80)


def letter_of(page: Page) -> Locator:
    """A letter in a displayed formula that the margin list explains."""
    page.evaluate(
        """() => {
          const glyph = (letter) => letter.querySelector("mjx-c").className;
          const rows = [...document.querySelectorAll(".kl-symbol dt")].map(
            (row) => row.querySelector("mjx-mi")).filter(Boolean).map(glyph);
          const letters = document.querySelectorAll(
            '[id="equation-kan-layer"] mjx-container[display="true"] mjx-mi');
          [...letters].find((one) => rows.includes(glyph(one))).id = "letter";
        }"""
    )
    return page.locator("#letter")


def test_a_mouse_opens_a_card_and_can_walk_into_it(
    chapter: Callable[..., Page],
) -> None:
    page = chapter(True, color_scheme="light")
    card, corner = card_of(page), (3, 3)
    for kind, said in SAYS.items():
        link = link_of(page, kind)
        link.hover()
        expect(card, kind).to_be_visible()
        expect(card, kind).to_contain_text(said)
        expect(card, kind).to_have_attribute("role", "tooltip")
        assert card.evaluate(STATE) == GOOD, kind
        card.hover()
        page.mouse.move(*corner)
        expect(card, kind).to_be_hidden()
        assert link.get_attribute("aria-describedby") is None
    letter_of(page).hover()
    expect(card).to_be_visible()
    assert card.locator(".kl-symbol dd").count() >= 1
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()


def test_the_focus_opens_a_card_and_escape_closes_it(
    chapter: Callable[..., Page],
) -> None:
    page = chapter(False, **PHONE, color_scheme="dark")
    card = card_of(page)
    for kind, said in SAYS.items():
        link = link_of(page, kind)
        link.focus()
        expect(card, kind).to_be_visible()
        expect(card, kind).to_contain_text(said)
        assert card.evaluate(STATE) == GOOD, kind
        page.keyboard.press("Escape")
        expect(card, kind).to_be_hidden()
        expect(link, kind).to_be_focused()
    link_of(page, "equation").focus()
    expect(card).to_be_visible()
    page.keyboard.press("Tab")
    expect(card).to_be_hidden()
    page.keyboard.press("Shift+Tab")
    expect(card).to_be_visible()
    page.emulate_media(media="print")
    expect(card).to_be_hidden()
    page.emulate_media(media="screen")
    letter_of(page)
    page.locator('mjx-container[display="true"]:has(#letter)').focus()
    expect(card.locator(".kl-symbol").first).to_be_visible()
    assert card.evaluate(STATE) == GOOD
    page.mouse.wheel(0, 5000)
    expect(card).to_be_hidden()


def test_a_tap_opens_a_card_and_a_second_one_goes_there(
    chapter: Callable[..., Page],
) -> None:
    page = chapter(True, **PHONE, has_touch=True)
    card, start = card_of(page), page.url
    for kind, said in SAYS.items():
        link = link_of(page, kind)
        link.evaluate('link => { link.dataset.tapped = ""; }')
        link.tap()
        expect(card, kind).to_be_visible()
        expect(card, kind).to_contain_text(said)
        expect(card, kind).to_be_focused()
        assert card.get_attribute("role") == "dialog"
        assert card.evaluate(STATE) == GOOD, kind
        assert page.url == start
        tap_beside(page)
        expect(card, kind).to_be_hidden()
        link.evaluate("link => { delete link.dataset.tapped; }")
    link = link_of(page, "equation")
    link.tap()
    card.get_by_role("link", name="Go there").tap()
    expect(page).to_have_url(f"{start}#equation-kan-layer")
    expect(card).to_be_hidden()
    link = link_of(page, "statement")
    link.tap()
    expect(card).to_be_visible()
    link.tap()
    expect(page).to_have_url(f"{start}#kan-bspline")
    expect(card).to_be_hidden()
    letter_of(page).tap()
    expect(card.locator(".kl-symbol").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()


def test_a_claim_of_another_page_shows_its_whole_record(
    site: Path, open_page: Callable[..., Page]
) -> None:
    page = open_page((site / "book/pages/how_to_read.html").as_uri())
    badge = page.locator("a.kl-claim-link").first
    badge.hover()
    card = card_of(page)
    expect(card).to_be_visible()
    for fact in ("Paper:", "Condition:", "Measured:", badge.inner_text().split(",")[0]):
        expect(card).to_contain_text(fact.strip("✓≈?✗≠"))
    assert card.evaluate(STATE) == GOOD
    name = (badge.get_attribute("href") or "").rpartition("#")[2]
    badge.click()
    expect(page.locator(f'[id="{name}"]')).to_be_in_viewport()
