"""Every page, light and dark, judged by axe-core; then keyboard, touch and motion."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from kanbook.chapters import all_chapters
from playwright.sync_api import Page, expect

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = [f"chapters/{chapter.name}.html" for chapter in all_chapters(ROOT)]
WORKS = "book/pages/references.html"
REDIRECT = "index.html"
"""A page that shows for no longer than it takes to load another one."""

DRAWN = """() => [
  ...document.querySelectorAll('script[type$="widget-view+json"]')
].every(
  (view) => view.parentElement.querySelector(".kanlib-figure svg, .jupyter-widgets")
) && !document.querySelector("[role=slider]:not(input, [aria-valuenow])")"""
READY = "window.MathJax?.startup?.promise.then(() => document.fonts.ready)"
# What axe would judge again and again, for minutes: each kind of token of code stays
# once, the table of a figure's data keeps its first rows, and formulas keep what is
# read out in place of the glyphs, which screen readers skip and axe sees no text in.
# They keep their width: else what is read out would stick out of a full line.
SIMPLER = """() => {
  for (const part of document.querySelectorAll("details")) part.open = true;
  const seen = new Set();
  for (const token of document.querySelectorAll(".highlight span, .sig span")) {
    const kind = [token.closest(".sig") !== null, token.className].join(" ");
    if (seen.has(kind) && !token.id) token.replaceWith(...token.childNodes);
    seen.add(kind);
  }
  for (const block of document.querySelectorAll("pre, .sig")) block.normalize();
  for (const row of document.querySelectorAll("tbody tr:nth-child(n + 4)")) {
    if (row.closest("details")) row.remove();
  }
  const formulas = [...document.querySelectorAll("mjx-math[aria-hidden=true]")];
  const widths = formulas.map((glyphs) => glyphs.offsetWidth);
  formulas.forEach((glyphs, i) => {
    glyphs.replaceChildren();
    glyphs.style.width = `${widths[i]}px`;
  });
}"""
JUDGE = """async ([theme, within, options]) => {
  document.documentElement.dataset.theme = theme;
  const { violations } = await axe.run(within ?? document, options);
  return violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
}"""
# Beyond what axe asks by default: a name must hold the text that is seen, and a finger
# needs 24 pixels.
RULES = {
    "label-content-name-mismatch": {"enabled": True},
    "target-size": {"enabled": True},
}
QUIETLY = {"resultTypes": ["violations"], "preload": False}  # no requests of its own
IN_LIGHT = QUIETLY | {"rules": RULES}
# The theme changes nothing but colors.
IN_DARK = QUIETLY | {
    "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
}
STOP = """() => {
  const now = document.activeElement;
  if (now === document.body) return null;
  const { outlineStyle, outlineWidth } = getComputedStyle(now);
  const box = now.getBoundingClientRect();
  return {
    what: `${now.tagName.toLowerCase()}.${now.className.baseVal ?? now.className}`,
    text: (now.ariaLabel ?? now.textContent).trim().slice(0, 40),
    part: now.closest("#pst-primary-sidebar, article, .bd-sidebar-secondary, main")
      ?.className ?? "",
    outlined: outlineStyle === "solid" && parseFloat(outlineWidth) >= 2,
    seen: box.width > 0 && box.height > 0,
  };
}"""

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def settled(page: Page) -> None:
    """Wait until formulas are set and widgets drawn."""
    page.evaluate(READY)
    page.wait_for_function(DRAWN)


def page_names(site: Path) -> list[str]:
    found = [path.relative_to(site).as_posix() for path in site.rglob("*.html")]
    return sorted(
        name for name in found if not name.startswith("_static") and name != REDIRECT
    )


def judged(page: Page, where: str, within: str | None = None) -> Iterator[str]:
    """Say what axe finds on a page as it is now, in both themes: page, node, remedy."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    for theme, options in {"light": IN_LIGHT, "dark": IN_DARK}.items():
        found: list[dict[str, Any]] = page.evaluate(JUDGE, [theme, within, options])
        for rule in found:
            for node in rule["nodes"]:
                yield (
                    f"{where}, {theme}: {rule['id']} ({rule['impact']}): "
                    f"{rule['help']}\n    at {' '.join(map(str, node['target']))}: "
                    f"{node['html'][:160]}\n    {node['failureSummary']}"
                )


def test_every_page_is_for_every_reader(
    site: Path, open_page: Callable[..., Page]
) -> None:
    first, *others = page_names(site)
    page = open_page((site / first).as_uri(), reduced_motion="reduce")
    found: list[str] = []
    for name in (first, *others):
        query = "?q=KANLayer" if name == "search.html" else ""
        page.goto((site / name).as_uri() + query)
        settled(page)
        if query:
            expect(page.locator("#search-results li a").first).to_be_visible()
        page.set_viewport_size({"width": 320, "height": 640})
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > 320:
            found.append(f"{name}: {width} pixels wide in a window of 320")
        page.set_viewport_size({"width": 1280, "height": 900})
        page.evaluate(SIMPLER)
        found += judged(page, name)
    assert not found, "\n".join(found)


def test_what_opens_is_for_every_reader(
    site: Path, open_page: Callable[..., Page]
) -> None:
    name = CHAPTERS[0]
    page = open_page((site / name).as_uri(), reduced_motion="reduce")
    settled(page)
    page.evaluate(SIMPLER)
    page.locator(f".bd-article a.reference[href*='{WORKS}#']").first.hover()
    expect(page.locator(".kl-card")).to_be_visible()
    found = list(judged(page, f"{name}, a card", ".kl-card"))
    page.mouse.move(0, 0)
    page.locator("[aria-label='Download this page']").click()
    expect(page.locator(".dropdown-menu")).to_be_visible()
    found += judged(page, f"{name}, downloads", ".dropdown-menu")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    expect(page.locator("#pst-search-dialog")).to_be_visible()
    found += judged(page, f"{name}, search", "#pst-search-dialog")
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 390, "height": 800})
    for side in ("primary", "secondary"):
        page.locator(f".bd-header-article .{side}-toggle").click()
        dialog = page.locator(f"#pst-{side}-sidebar-modal")
        expect(dialog).to_be_visible()
        found += judged(page, f"{name}, {side} sidebar", f"#pst-{side}-sidebar-modal")
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", [CHAPTERS[0], "book/pages/ledger.html"])
def test_the_tab_key_walks_through_a_page(
    site: Path, open_page: Callable[..., Page], name: str
) -> None:
    page = open_page((site / name).as_uri())
    settled(page)
    stops: list[dict[str, Any]] = []
    page.keyboard.press("Tab")
    while (stop := page.evaluate(STOP)) is not None:
        stops.append(stop)
        assert len(stops) < 600, f"{name}: the Tab key comes to no end"
        page.keyboard.press("Tab")
    assert stops[0]["text"] == "Skip to main content"
    parts = [stop["part"].split(" ")[0] for stop in stops]
    assert {"bd-sidebar-primary", "bd-article", "bd-main"} <= set(parts)
    unseen = [stop for stop in stops if not (stop["outlined"] and stop["seen"])]
    assert unseen == [], f"{name}: the keyboard is somewhere and nobody sees it"


def test_the_first_stop_skips_to_the_text(
    site: Path, open_page: Callable[..., Page]
) -> None:
    page = open_page((site / CHAPTERS[0]).as_uri())
    page.keyboard.press("Tab")
    expect(page.locator("#pst-skip-link a")).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate(
        "document.querySelector('main').contains(document.activeElement)"
    )


def test_no_motion_where_none_is_wanted(
    site: Path, open_page: Callable[..., Page]
) -> None:
    page = open_page((site / CHAPTERS[0]).as_uri(), reduced_motion="reduce")
    moving = """() => [...document.querySelectorAll("html, a, button, summary, dialog")]
      .filter((one) => {
        const { transitionDuration, animationName, scrollBehavior } =
          getComputedStyle(one);
        return /[1-9]/.test(transitionDuration) || animationName !== "none"
          || scrollBehavior !== "auto";
      }).map((one) => one.outerHTML.slice(0, 80))"""
    assert page.evaluate(moving) == []
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(moving) != []


def test_paper_keeps_the_title_and_loses_the_buttons(
    site: Path, open_page: Callable[..., Page]
) -> None:
    page = open_page((site / CHAPTERS[0]).as_uri())
    title, button = page.locator("h1"), page.locator(".bd-header-article button").first
    expect(button).to_be_visible()
    page.emulate_media(media="print")
    expect(title).to_be_visible()
    expect(button).to_be_hidden()
