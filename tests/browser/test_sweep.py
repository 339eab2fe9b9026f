"""The parameter sweep on a static page, without a kernel, in real Chromium."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from kanlib.widgets import Panel, Sweep

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PAGE = "chapters/kan/kan.html"
PHONE = {"viewport": {"width": 390, "height": 844}}
X = np.linspace(0, 3, 31)
SPEEDS = [0.5, 1, 2.5, 4]
KINDS = {"wave": np.sin, "bump": lambda t: np.exp(-((t - 2) ** 2))}
CURVES = np.array([[kind(a * X) for a in SPEEDS] for kind in KINDS.values()])
ENDS = [
    {"kind": "wave", "speed": 0.5},
    {"kind": "wave", "speed": 2.5},
    {"kind": "bump", "speed": 4},
]


def sweep() -> Sweep:
    return Sweep(
        {"kind": list(KINDS), "speed": SPEEDS},
        Panel("f(speed · x)", X, CURVES, reference=("line", X / 3)),
        readouts={"at 3": CURVES[:, :, -1], "unit": [["rad"] * 4, ["m"] * 4]},
        start={"speed": 1},
        alt="a wave or a bump at four speeds",
    )


@pytest.fixture(scope="module")
def folder(stage: Callable[..., Path]) -> Path:
    return stage(sweep())


@pytest.fixture(scope="module")
def bare(folder: Path, serve: Callable[[Path], str]) -> str:
    return f"{serve(folder)}/{PAGE}"


def sweep_on(page: Page) -> Locator:
    figure = page.locator(".kanlib-sweep")
    expect(figure.locator(".plot path.curve").first).to_be_visible()
    return figure


def assert_shows(
    figure: Locator, selected: dict, curves_in: Callable, said: Callable
) -> None:
    """Sliders, readouts and the curve are those of Python for these values."""
    kind, speed = selected["kind"], selected["speed"]
    values = KINDS[kind](speed * X)
    unit = "rad" if kind == "wave" else "m"
    status = figure.locator(".status")
    expect(status).to_have_text(f"at 3: {said(values[-1])} · unit: {unit}")
    for name, value in selected.items():
        slider = figure.get_by_role("slider", name=name)
        expect(slider).to_have_attribute("aria-valuetext", f"{value}")
    ((curve,), pixels) = curves_in(figure)
    assert abs(curve[:, 0] - X).max() <= 0.02 * pixels[0] + 3e-5
    assert abs(curve[:, 1] - values).max() <= 0.02 * pixels[1] + 2e-5


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_the_mouse_moves_the_sliders(
    folder, bare, scheme, open_page, state_of, curves_in, slide, said
):
    page = open_page(bare if scheme == "http" else (folder / PAGE).as_uri())
    figure = sweep_on(page)
    assert state_of(figure) == {"selected": {"kind": "wave", "speed": 1}}
    assert_shows(figure, {"kind": "wave", "speed": 1}, curves_in, said)
    for selected in ENDS:
        for name, value in selected.items():
            choices = {"kind": list(KINDS), "speed": SPEEDS}[name]
            slide(figure.get_by_role("slider", name=name), choices, value)
        assert state_of(figure) == {"selected": selected}
        assert_shows(figure, selected, curves_in, said)
    assert figure.get_attribute("aria-label") == sweep().alt


def test_the_keyboard_moves_the_sliders(bare, open_page, state_of, curves_in, said):
    page = open_page(bare)
    figure = sweep_on(page)
    page.keyboard.press("Tab")
    expect(figure.get_by_role("slider", name="kind")).to_be_focused()
    page.keyboard.press("ArrowRight")
    assert state_of(figure)["selected"]["kind"] == "bump"
    page.keyboard.press("Tab")
    for key, speed in [
        ("Home", 0.5),
        ("ArrowRight", 1),
        ("End", 4),
        ("ArrowLeft", 2.5),
    ]:
        page.keyboard.press(key)
        selected = {"kind": "bump", "speed": speed}
        assert state_of(figure) == {"selected": selected}
        assert_shows(figure, selected, curves_in, said)


def test_a_finger_moves_the_sliders_on_a_phone(bare, open_page, curves_in, said):
    page = open_page(bare, **PHONE, has_touch=True, is_mobile=True)
    figure = sweep_on(page)
    for name, share, value in (("speed", 1, 4), ("kind", 1, "bump"), ("speed", 0, 0.5)):
        box = figure.get_by_role("slider", name=name).bounding_box()
        x = box["x"] + 4 + share * (box["width"] - 8)
        page.touchscreen.tap(x, box["y"] + box["height"] / 2)
        slider = figure.get_by_role("slider", name=name)
        expect(slider).to_have_attribute("aria-valuetext", f"{value}")
    assert_shows(figure, {"kind": "bump", "speed": 0.5}, curves_in, said)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    inside = figure.locator("svg, input, output").evaluate_all(
        "all => all.every(e => e.getBoundingClientRect().right <= innerWidth)"
    )
    assert inside


def test_light_and_dark_follow_the_page_at_once(bare, open_page):
    page = open_page(bare)
    figure = sweep_on(page)
    seen = []
    for theme in ("light", "dark", "light"):
        page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
        seen.append(
            figure.evaluate(
                """figure => [".curve", ".reference", ".status", ".ticks text"].map(
                  (part) => getComputedStyle(figure.querySelector(part)))
                  .map((style) => [style.stroke, style.fill, style.color])"""
            )
        )
    assert seen[0] == seen[2]
    assert all(light != dark for light, dark in zip(*seen[:2], strict=True))
