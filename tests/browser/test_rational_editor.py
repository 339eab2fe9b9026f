"""The rational editor on a static page, without a kernel, in real Chromium."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from kanlib.layers import Rational, rational_fit
from kanlib.widgets import RationalEditor

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PAGE = "chapters/kan/kan.html"
PHONE = {"viewport": {"width": 390, "height": 844}}
GELU = torch.nn.functional.gelu
X = np.linspace(-4, 4, 161)


def editor() -> RationalEditor:
    presets = {
        "GELU": (rational_fit(GELU, form="B"), GELU),
        "tanh": (rational_fit(torch.tanh), torch.tanh),
        "identity": (Rational((0.0, 1.0), (), "A"), lambda x: x),
    }
    return RationalEditor(presets, weights="the activation's gain")


@pytest.fixture(scope="module")
def folder(stage: Callable[..., Path]) -> Path:
    return stage(editor())


@pytest.fixture(scope="module")
def bare(folder: Path, serve: Callable[[Path], str]) -> str:
    return f"{serve(folder)}/{PAGE}"


def editor_on(page: Page) -> Locator:
    figure = page.locator(".kanlib-rational-editor")
    expect(figure.locator(".bar").first).to_be_visible()
    return figure


def assert_shows(figure: Locator, state: dict, curves_in: Callable) -> None:
    """Curve, gap, gain and bars are those of Python for the same coefficients."""
    python = editor()
    for name, value in state.items():
        setattr(python, name, value)
    function, (left, right) = python.function, figure.locator(".panel").all()
    ((curve,), pixels) = curves_in(left)
    y = function(torch.from_numpy(X))
    np.testing.assert_allclose(curve[:, 1], y, atol=0.02 * pixels[1] + 2e-5)
    status = figure.locator(".status")

    def read(name: str) -> float:
        return float(status.get_attribute(f"data-{name}"))

    assert read("gain") == pytest.approx(python.gain, rel=1e-9)
    activation = python._activations[python.target].activation
    inner = torch.from_numpy(X[np.abs(X) <= 3])
    gap = (function(inner) - activation(inner)).abs().max().item()
    assert read("gap") == pytest.approx(gap, abs=1e-12)
    bars = right.locator(".bar").evaluate_all(
        "all => all.map(e => [Number(e.dataset.variance), e.getBBox().height])"
    )
    values, heights = np.array(bars).T
    np.testing.assert_allclose(values, python.variances[1:], rtol=1e-9)
    assert read("variance") == values[-1]
    # Taller where the variance is larger, as far as the axis reaches.
    shown = np.clip(values, 1e-6, 1e3)
    assert np.all(np.diff(heights[np.argsort(shown)]) >= -1e-3)


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_starts_forms_and_rules_give_the_numbers_of_python(
    folder, bare, scheme, open_page, state_of, curves_in
):
    page = open_page(bare if scheme == "http" else (folder / PAGE).as_uri())
    figure = editor_on(page)
    assert_shows(figure, state_of(figure), curves_in)
    seen = [state_of(figure)]
    for group, name in [
        ("form", "A"),
        ("weights", "He's 2"),
        ("weights", "std 0.02, width 256"),
        ("start", "tanh"),
        ("start", "identity"),
        ("weights", "this curve's gain"),
    ]:
        pressed = figure.get_by_role("group", name=group).get_by_text(name, exact=True)
        pressed.click()
        state = state_of(figure)
        expect(pressed).to_have_attribute("aria-pressed", "true")
        assert_shows(figure, state, curves_in)
        seen.append(state)
    assert seen[1]["form"] == "A"
    assert seen[1]["numerator"] == seen[0]["numerator"]
    assert seen[-1]["numerator"] == [0, 1, 0, 0, 0, 0]
    bars = figure.locator(".bar").evaluate_all(
        "all => all.map(e => e.dataset.variance)"
    )
    np.testing.assert_allclose(np.array(bars, dtype=float), 1, rtol=1e-9)


def test_the_mouse_drags_coefficients_to_both_ends(
    bare, open_page, state_of, curves_in
):
    page = open_page(bare)
    figure = editor_on(page)
    for name, index, trait in [("a₀", 0, "numerator"), ("b₄", 3, "denominator")]:
        knob = figure.get_by_role("slider", name=name)
        knob.scroll_into_view_if_needed()
        box = knob.bounding_box()
        y = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + box["width"] / 2, y)
        page.mouse.down()
        for end, value in ((-1, -2), (1, 2)):
            to = box["x"] + (box["width"] + 20 if end > 0 else -20)
            page.mouse.move(to, y, steps=3)
            state = state_of(figure)
            assert state[trait][index] == value
            assert_shows(figure, state, curves_in)
        page.mouse.up()


def test_the_keyboard_moves_a_coefficient(bare, open_page, state_of, curves_in):
    page = open_page(bare)
    figure = editor_on(page)
    figure.get_by_text("identity", exact=True).press("Enter")
    assert state_of(figure)["target"] == "identity"
    knob = figure.get_by_role("slider", name="a₁")
    for key, value in [("ArrowRight", 1.01), ("Home", -2), ("End", 2)]:
        knob.press(key)
        state = state_of(figure)
        assert state["numerator"] == [0, value, 0, 0, 0, 0]
        assert_shows(figure, state, curves_in)
    expect(knob).to_have_attribute("aria-valuetext", "2.000")


def test_a_phone_needs_no_sideways_scrolling(bare, open_page, state_of, curves_in):
    page = open_page(bare, **PHONE)
    figure = editor_on(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = figure.bounding_box()
    assert box["x"] + box["width"] <= 390
    figure.get_by_text("tanh", exact=True).click()
    assert_shows(figure, state_of(figure), curves_in)


def test_print_shows_the_figure_without_its_controls(bare, open_page):
    page = open_page(bare)
    figure = editor_on(page)
    page.emulate_media(media="print")
    expect(figure.locator(".bar").first).to_be_visible()
    expect(figure.locator(".controls").first).to_be_hidden()
    expect(figure.locator(".coefficients")).to_be_hidden()
