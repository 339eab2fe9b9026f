"""The launch picture on a static page, without a kernel, in real Chromium."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from kanlib.widgets import LaunchPicture
from kanlib.widgets.launch_picture import CHOICES

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PAGE = "chapters/kan/kan.html"
PHONE = {"viewport": {"width": 390, "height": 844}}
NAMES = dict(
    zip(CHOICES, ("rows R", "channels d", "groups g", "tile rows T"), strict=True)
)
START = {"rows": 1024, "channels": 768, "groups": 8, "tile_rows": 64}
STATES = [
    {name: choices[0] for name, choices in CHOICES.items()},
    {"rows": 65536, "channels": 384, "groups": 4, "tile_rows": 16},
    {name: choices[-1] for name, choices in CHOICES.items()},
]


@pytest.fixture(scope="module")
def folder(stage: Callable[..., Path]) -> Path:
    return stage(LaunchPicture(**START))


@pytest.fixture(scope="module")
def bare(folder: Path, serve: Callable[[Path], str]) -> str:
    return f"{serve(folder)}/{PAGE}"


def picture_on(page: Page) -> Locator:
    figure = page.locator(".kanlib-launch-picture")
    expect(figure.locator(".queues rect").first).to_be_visible()
    return figure


def assert_shows(figure: Locator, state: dict) -> None:
    """Words, bars, points and arrows are those of Python for these sizes."""
    picture = LaunchPicture(**state)
    tile, element = picture.launches["tile"], picture.launches["element"]
    status = figure.locator(".status")
    expect(status).to_contain_text(f"{said(tile.atomics)} atomics in all")
    expect(status).to_contain_text(f"{said(tile.queue)} at each address")
    expect(status).to_contain_text(f"{said(element.queue / tile.queue)} times fewer")
    (low, start), (high, end) = ticks(figure, ".queues .ticks.across text", "x")
    for name, launch in picture.launches.items():
        bar = figure.locator(f'.queues rect[data-launch="{name}"]')
        at = float(bar.get_attribute("x")) + float(bar.get_attribute("width"))
        log = low + (at - start) / (end - start) * (high - low)
        assert abs(log - np.log10(max(launch.queue, 1))) < 0.05
    (low, start), (high, end) = ticks(figure, ".roof .ticks.across text", "x")
    for name in ("element", "block", "tile"):
        dot = figure.locator(f".roof circle.{name}")
        share = (float(dot.get_attribute("cx")) - start) / (end - start)
        log = low + share * (high - low)
        assert abs(log - np.log10(picture.intensities[name])) < 0.02
    for name in ("element", "tile"):
        plot = figure.locator(f".programs.{name} svg")
        drawn = plot.locator(".arrows line").count()
        each = float(plot.get_attribute("data-each"))
        assert drawn * each == pytest.approx(
            picture.launches[name].queue * state["groups"]
        )


def ticks(figure: Locator, where: str, place: str) -> list[tuple[float, float]]:
    """(logarithm, pixel) of the first and the last tick of a logarithmic axis."""
    found = figure.locator(where).evaluate_all(
        f"all => all.map(e => [e.textContent, Number(e.getAttribute('{place}'))])"
    )
    digits = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")

    def value(text: str) -> float:
        raised = len(text) > 2 and text.startswith("10") and text[2] in "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"
        return float(text[2:].translate(digits)) if raised else np.log10(float(text))

    return [(value(text), at) for text, at in (found[0], found[-1])]


def said(value: float) -> str:
    if value < 1e6:
        return f"{value:,.0f}"
    head, _, power = f"{value:.1e}".partition("e+")
    raised = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
    return f"{head}·10{str(int(power)).translate(raised)}"


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_the_mouse_moves_the_sizes(folder, bare, scheme, open_page, state_of, slide):
    page = open_page(bare if scheme == "http" else (folder / PAGE).as_uri())
    figure = picture_on(page)
    assert state_of(figure) == START
    assert_shows(figure, START)
    for state in STATES:
        for name, value in state.items():
            slider = figure.get_by_role("slider", name=NAMES[name])
            slide(slider, CHOICES[name], value)
        assert state_of(figure) == state
        assert_shows(figure, state)
    assert figure.get_attribute("aria-label") == LaunchPicture().alt


def test_the_keyboard_moves_the_sizes(bare, open_page, state_of):
    page = open_page(bare)
    figure = picture_on(page)
    page.keyboard.press("Tab")
    expect(figure.get_by_role("slider", name="rows R")).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")
    state = START | {"rows": 2**18, "channels": 384}
    assert state_of(figure) == state
    assert_shows(figure, state)


def test_on_a_phone_all_of_it_fits(bare, open_page, state_of):
    page = open_page(bare, **PHONE, has_touch=True, is_mobile=True)
    figure = picture_on(page)
    slider = figure.get_by_role("slider", name="groups g")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2)
    state = START | {"groups": 32}
    assert state_of(figure) == state
    assert_shows(figure, state)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    inside = figure.locator("svg text, input, output").evaluate_all(
        """all => all.filter(e => {
          const box = e.getBoundingClientRect();
          return box.left < 0 || box.right > innerWidth;
        }).map(e => e.textContent)"""
    )
    assert not inside


def test_light_and_dark_follow_the_page_at_once(bare, open_page):
    page = open_page(bare)
    figure = picture_on(page)
    seen = []
    for theme in ("light", "dark"):
        page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
        seen.append(
            figure.evaluate(
                """figure => [".arrows line", ".bars .tile", ".status", ".ticks text"]
                  .map((part) => getComputedStyle(figure.querySelector(part)))
                  .map((style) => [style.stroke, style.fill, style.color])"""
            )
        )
    assert all(light != dark for light, dark in zip(*seen, strict=True))
