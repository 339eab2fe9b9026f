"""The frame player on a static page, without a kernel, in real Chromium."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from kanlib.plotting import contrast
from kanlib.widgets import FramePlayer, Panel

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PAGE = "chapters/kan/kan.html"
PHONE = {"viewport": {"width": 390, "height": 600}}
LAST = 8
X = np.linspace(-1, 1, 33)
ROUNDED = 1e-5  # of a curve's range, by the two bytes a number


def waves() -> np.ndarray:
    """Two curves that get faster; one has a gap in the middle."""
    speed = 1 + np.arange(LAST + 1)[:, None]
    curves = np.stack([np.sin(speed * X), 0.5 * np.cos(speed * X)], 1)
    curves[:, 1, 16] = np.nan
    return curves


def decays() -> np.ndarray:
    return 10.0 ** (-np.arange(LAST + 1)[:, None] * (1 + X**2) / 2)


LOSS = 2.0 ** -np.arange(LAST + 1)


def film() -> FramePlayer:
    """Two panels, one on a log scale, dots, and a loss to wind by."""
    dots = np.stack([np.tile(X[::8], (LAST + 1, 1)), waves()[:, 0, ::8]], -1)
    return FramePlayer(
        [
            Panel("waves", X, waves(), names=("sin", "cos"), dots=("knots", dots)),
            Panel("decays", X, decays(), reference=("at first", decays()[0]), log=True),
        ],
        [f"step {10 * k}, loss {loss:.3f}" for k, loss in enumerate(LOSS)],
        timeline=Panel("loss", 10 * np.arange(LAST + 1), LOSS, xlabel="step", log=True),
        alt="two waves get faster, and a bump decays",
        frame=3,
        seconds=4,
    )


@pytest.fixture(scope="module")
def folder(stage: Callable[..., Path]) -> Path:
    return stage(film())


@pytest.fixture(scope="module")
def bare(folder: Path, serve: Callable[[Path], str]) -> str:
    return f"{serve(folder)}/{PAGE}"


def player_on(page: Page) -> Locator:
    player = page.locator(".kanlib-frame-player")
    expect(player.locator(".plot path.curve").first).to_be_visible()
    return player


def assert_shows(player: Locator, frame: int, curves_in: Callable) -> None:
    """Label, slider, dots and the curves of both panels are those of Python."""
    label = f"step {10 * frame}, loss {LOSS[frame]:.3f}"
    expect(player.locator(".status")).to_have_text(label)
    slider = player.locator("input")
    expect(slider).to_have_attribute("aria-valuetext", label)
    assert slider.input_value() == str(frame)
    for number, (expected, log) in enumerate(
        [(waves()[frame], False), (np.log10(decays()[frame])[None], True)]
    ):
        panel = player.locator(".panels .panel").nth(number)
        curves, pixels = curves_in(panel, log)
        assert len(curves) == len(expected)
        reach = np.ptp(np.log10(decays())) if log else 2.0
        for curve, values in zip(curves, expected, strict=True):
            there = np.isfinite(values)
            x_off = abs(curve[:, 0] - X[there]).max()
            y_off = abs(curve[:, 1] - values[there]).max()
            assert x_off <= 0.02 * pixels[0] + 2 * ROUNDED
            assert y_off <= 0.02 * pixels[1] + reach * ROUNDED
    gap = player.locator(".plot path.kind-1").get_attribute("d")
    assert gap.count("M") == 2
    expect(
        player.locator(".panels .panel").first.locator(".dots circle")
    ).to_have_count(5)


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_the_mouse_winds_the_film(folder, bare, scheme, open_page, state_of, curves_in):
    page = open_page(bare if scheme == "http" else (folder / PAGE).as_uri())
    player = player_on(page)
    assert_shows(player, 3, curves_in)
    player.get_by_role("button", name="one frame on").click()
    assert_shows(player, 4, curves_in)
    player.get_by_role("button", name="one frame back").click()
    timeline = player.locator(".timeline .plot")
    timeline.scroll_into_view_if_needed()
    box = timeline.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    page.mouse.down()
    for to, frame in ((0, 0), (box["width"], LAST)):
        page.mouse.move(box["x"] + to, box["y"] + 60, steps=3)
        assert state_of(player) == {"frame": frame}
        assert_shows(player, frame, curves_in)
    page.mouse.up()
    page.mouse.move(box["x"], box["y"] + 40)
    assert state_of(player) == {"frame": LAST}
    expect(player.get_by_role("button", name="one frame on")).to_be_disabled()
    dot = player.locator(".timeline circle.dot").bounding_box()
    assert dot["x"] + dot["width"] / 2 == pytest.approx(
        box["x"] + box["width"] - 8, abs=1
    )
    assert player.get_attribute("aria-label") == film().alt
    assert player.get_attribute("role") == "figure"


def test_the_keyboard_reaches_everything(bare, open_page, state_of, curves_in):
    page = open_page(bare)
    player = player_on(page)
    for name in ("Play", "one frame back", "one frame on"):
        page.keyboard.press("Tab")
        expect(player.get_by_role("button", name=name)).to_be_focused()
    page.keyboard.press("Enter")
    assert state_of(player) == {"frame": 4}
    page.keyboard.press("Tab")
    slider = player.get_by_role("slider", name="frame")
    expect(slider).to_be_focused()
    for key, frame in [("ArrowRight", 5), ("ArrowLeft", 4), ("Home", 0), ("End", LAST)]:
        page.keyboard.press(key)
        assert state_of(player) == {"frame": frame}
        assert_shows(player, frame, curves_in)
    page.keyboard.press(" ")
    expect(player.get_by_role("button", name="Pause")).to_be_visible()
    page.keyboard.press(" ")
    expect(player.get_by_role("button", name="Play")).to_be_visible()


def left_of(player: Locator, part: str) -> float:
    return float(player.locator(part).first.get_attribute("x1"))


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_play_runs_to_the_end_and_moves_only_where_motion_is_welcome(
    bare, motion, open_page, curves_in
):
    page = open_page(bare, reduced_motion=motion)
    player = player_on(page)
    page.clock.install(time=0)
    page.clock.pause_at(5000)
    assert_shows(player, 3, curves_in)  # nothing starts by itself
    player.locator("input").press("End")
    page.clock.run_for(100)
    player.get_by_role("button", name="Play").click()
    page.clock.run_for(2200)  # of 4 seconds from the first frame to the last
    frame = int(player.locator("input").input_value())
    assert 2 <= frame <= 5
    cursor = left_of(player, ".timeline .cursor")
    places = [float(d) for d in re.findall(r"[ML]([\d.]+)", path_of(player))]
    between = min(abs(cursor - place) for place in places) > 0.5
    curves, _ = curves_in(player.locator(".panels .panel").first)
    if motion == "reduce":
        assert not between
        assert_shows(player, frame, curves_in)
    else:
        share = (cursor - places[frame]) / (places[frame + 1] - places[frame])
        mixed = (1 - share) * waves()[frame, 0] + share * waves()[frame + 1, 0]
        assert between
        np.testing.assert_allclose(curves[0][:, 1], mixed, atol=2e-3)
    page.clock.run_for(4000)
    expect(player.get_by_role("button", name="Play")).to_be_visible()
    assert_shows(player, LAST, curves_in)


def path_of(player: Locator) -> str:
    return player.locator(".timeline .plot path.curve").get_attribute("d")


def test_a_finger_winds_the_film_and_still_scrolls_the_page(
    bare, open_page, swipe, curves_in
):
    page = open_page(bare, **PHONE, has_touch=True, is_mobile=True)
    player = player_on(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.evaluate("document.body.style.paddingBottom = '900px'")
    timeline = player.locator(".timeline .plot")
    for frame, end in ((0, 30), (LAST, 370)):
        box = timeline.bounding_box()
        y = box["y"] + 50
        swipe(page, (200, y), ((200 + end) / 2, y + 1), (end, y + 2))
        expect(player.locator("input")).to_have_js_property("value", f"{frame}")
        assert_shows(player, frame, curves_in)
    assert page.evaluate("scrollY") == 0
    swipe(page, (200, y), (201, y - 60), (202, y - 120), (202, y - 180))
    page.wait_for_function("scrollY > 60")
    assert_shows(player, LAST, curves_in)
    player.get_by_role("button", name="one frame back").tap()
    assert_shows(player, LAST - 1, curves_in)
    inside = player.locator("svg, button, input, output").evaluate_all(
        "all => all.every(e => e.getBoundingClientRect().right <= innerWidth)"
    )
    assert inside


def test_everything_is_readable_in_light_and_dark(bare, open_page):
    page = open_page(bare)
    player = player_on(page)
    papers = []
    for theme in ("light", "dark"):
        page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
        colors = player.evaluate(
            """figure => {
              const style = (part) => getComputedStyle(figure.querySelector(part));
              return { paper: getComputedStyle(figure).backgroundColor,
                text: [".panel-title", ".panel-legend", ".status", "button", "output"]
                  .map((part) => style(part).color)
                  .concat(style(".ticks text").fill, style(".name").fill),
                lines: [".kind-0", ".kind-1", ".reference", ".panels .dot"]
                  .map((part) => style(part).stroke) };
            }"""
        )
        paper = hexadecimal(colors["paper"])
        papers.append(paper)
        for kind, least in (("text", 4.5), ("lines", 3.0)):
            for ink in colors[kind]:
                assert contrast(hexadecimal(ink), paper) >= least, (theme, kind, ink)
    assert contrast(*papers) > 10
    page.emulate_media(media="print")
    expect(player.locator(".panels")).to_be_visible()
    expect(player.locator(".controls")).to_be_hidden()


def hexadecimal(color: str) -> str:
    """rgb(1, 2, 3) as the browser computes it -> #010203."""
    return "#" + "".join(f"{int(part):02x}" for part in re.findall(r"\d+", color)[:3])
