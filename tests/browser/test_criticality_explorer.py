"""The criticality explorer on a static page, without a kernel, in real Chromium."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from kanlib.theory import gaussian_mean, susceptibilities
from kanlib.widgets import CriticalityExplorer
from kanlib.widgets.criticality_explorer import _ACTIVATIONS

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PAGE = "chapters/kan/kan.html"
PHONE = {"viewport": {"width": 390, "height": 844}}
MEASURED = {
    "activation": "tanh",
    "weight_variance": [0.5, 0.9, 1.0, 1.5],
    "depth": [4, 16, 64],
    "values": [[0.9, 0.2, math.nan], [0.9, 0.8, 0.1], [0.9, 0.9, 0.7], [0.9, 0.5, 0.1]],
}


@pytest.fixture(scope="module")
def folder(stage: Callable[..., Path]) -> Path:
    return stage(CriticalityExplorer(MEASURED, depth=16))


@pytest.fixture(scope="module")
def bare(folder: Path, serve: Callable[[Path], str]) -> str:
    return f"{serve(folder)}/{PAGE}"


def explorer_on(page: Page) -> Locator:
    figure = page.locator(".kanlib-criticality-explorer")
    expect(figure.locator(".status")).not_to_be_empty()
    return figure


def knob(figure: Locator, name: str) -> Locator:
    return figure.get_by_role("slider", name=name, exact=True)


def shown(figure: Locator) -> dict[str, float | str]:
    """The numbers of the page; "" where there is none."""
    data = figure.locator(".status").evaluate("e => ({ ...e.dataset })")
    return {
        name: float(text) if text and name != "verdict" else text
        for name, text in data.items()
    }


def assert_shows(figure: Locator, state: dict, curves_in: Callable) -> dict:
    """Curves, fixed point, susceptibilities and ratio are those of Python."""
    python = CriticalityExplorer(**state)
    f, weight = _ACTIVATIONS[python.activation], python.weight_variance
    numbers, flow = shown(figure), python.covariance
    assert numbers["covariance"] == pytest.approx(flow[-1], rel=1e-6)
    assert numbers["ratio"] == python.ratio
    point = python.critical
    assert numbers["bestRatio"] == (point.aspect_ratio if point else "")
    assert numbers["distance"] == pytest.approx(python.distance[-1], rel=1e-6)
    fixed = numbers["fixedPoint"]
    if 0 < fixed < math.inf:
        after = python.bias_variance + weight * gaussian_mean(
            lambda z: f(z) ** 2, fixed
        )
        assert after == pytest.approx(fixed, rel=1e-6)
        chi = susceptibilities(f, fixed, weight_variance=weight)
    else:
        chi = susceptibilities(f, flow[-1] if fixed else 1e-9, weight_variance=weight)
    for name in ("parallel", "perpendicular"):
        assert numbers[name] == pytest.approx(getattr(chi, name), rel=1e-6, abs=1e-8)
    ones = [abs(numbers[name] - 1) < 1e-3 for name in ("parallel", "perpendicular")]
    boxes = figure.locator(".reading").all()[1:]
    assert [box.get_attribute("data-one") == "true" for box in boxes] == ones
    assert [("= 1" in box.inner_text()) for box in boxes] == ones
    panel = figure.locator(".panel").nth(1)
    (covariance, *_), (_, pixel) = curves_in(panel, log=True)
    expected = np.log10(flow)
    np.testing.assert_allclose(covariance[:, 1], expected, atol=0.02 * pixel + 2e-5)
    return numbers


def assert_maps(figure: Locator, state: dict, curves_in: Callable) -> None:
    """The curve of the map is that of Python, between powers of ten around the flow."""
    python, numbers = CriticalityExplorer(**state), shown(figure)
    visited = [*python.covariance, numbers["fixedPoint"], 0.1, 10.0]
    seen = np.log10([k for k in visited if 0 < k < math.inf])
    low, high = max(math.floor(seen.min() + 1e-9), -8), math.ceil(seen.max() - 1e-9)
    panel = figure.locator(".panel").first
    ((curve,), (_, pixel)) = curves_in(panel, log=True)
    f = _ACTIVATIONS[python.activation]
    square = [
        gaussian_mean(lambda z: f(z) ** 2, k)
        for k in np.logspace(low, min(high, 8), len(curve))
    ]
    after = python.bias_variance + python.weight_variance * np.array(square)
    np.testing.assert_allclose(curve[:, 1], np.log10(after), atol=0.02 * pixel + 2e-5)


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_activations_and_their_critical_points_give_the_numbers_of_python(
    folder, bare, scheme, open_page, state_of, curves_in
):
    page = open_page(bare if scheme == "http" else (folder / PAGE).as_uri())
    figure = explorer_on(page)
    first = assert_shows(figure, state_of(figure), curves_in)
    assert (first["verdict"], first["fixedPoint"]) == ("critical", 0)
    critical = figure.locator(".critical")
    for name in ("relu", "gelu", "swish"):
        option = figure.get_by_role("button", name=name, exact=True)
        option.click()
        state = state_of(figure)
        assert state["activation"] == name
        expect(option).to_have_attribute("aria-pressed", "true")
        critical.click()
        state = state_of(figure)
        python = CriticalityExplorer(activation=name)
        assert state["weight_variance"] == python.weight_variance
        assert state["bias_variance"] == python.bias_variance
        assert assert_shows(figure, state, curves_in)["verdict"] == "critical"
        expect(figure.locator(".accuracy-says")).to_have_text("measured with tanh only")
    figure.get_by_role("button", name="sigmoid", exact=True).click()
    assert_shows(figure, state_of(figure), curves_in)
    expect(critical).to_be_disabled()
    expect(figure.locator(".status")).to_contain_text("sigmoid has no critical point")


def test_the_mouse_drags_the_weight_variance_to_both_ends(
    bare, open_page, state_of, curves_in
):
    page = open_page(bare)
    figure = explorer_on(page)
    box = knob(figure, "C_W").bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    for at, value, verdict in ((-20, 0.1, "dies"), (box["width"] + 20, 4, "chaos")):
        page.mouse.move(box["x"] + at, y, steps=3)
        state = state_of(figure)
        assert state["weight_variance"] == value
        assert assert_shows(figure, state, curves_in)["verdict"] == verdict
        assert_maps(figure, state, curves_in)
    page.mouse.up()
    figure.get_by_role("button", name="relu", exact=True).click()
    numbers = assert_shows(figure, state_of(figure), curves_in)
    assert (numbers["verdict"], numbers["fixedPoint"]) == ("explodes", math.inf)
    expect(figure.locator(".reading").first).to_have_text("no K*: K grows on")


def test_the_keyboard_moves_every_slider(bare, open_page, state_of, curves_in):
    page = open_page(bare)
    figure = explorer_on(page)
    for name, trait, key, value in [
        ("C_W", "weight_variance", "ArrowRight", 1.01),
        ("C_b", "bias_variance", "ArrowRight", 0.005),
        ("C_b", "bias_variance", "End", 1),
        ("n", "width", "Home", 4),
        ("n", "width", "End", 1024),
        ("K⁽¹⁾", "start", "End", 100),
        ("K⁽¹⁾", "start", "Home", 0.01),
        ("L", "depth", "Home", 2),
        ("L", "depth", "End", 128),
    ]:
        knob(figure, name).press(key)
        state = state_of(figure)
        assert state[trait] == pytest.approx(value, abs=1e-12)
        assert_shows(figure, state, curves_in)
    expect(knob(figure, "n")).to_have_attribute("aria-valuetext", "1024")
    figure.locator(".critical").press("Enter")
    state = state_of(figure)
    assert (state["weight_variance"], state["bias_variance"]) == (1, 0)
    assert shown(figure)["verdict"] == "critical"


def test_the_map_says_what_was_measured_where_the_reader_is(bare, open_page, state_of):
    page = open_page(bare)
    figure = explorer_on(page)
    cells = figure.locator(".cell text").all_text_contents()
    assert cells[:3] == ["90", "20", ""]
    ring = figure.locator(".here")
    knob(figure, "L").press("Home")
    state_of(figure)
    low = float(ring.get_attribute("cy"))
    assert shown(figure)["accuracy"] == 0.9
    knob(figure, "L").press("End")
    state_of(figure)
    assert float(ring.get_attribute("cy")) < low
    assert shown(figure)["accuracy"] == 0.7
    middle = float(ring.get_attribute("cx"))
    knob(figure, "C_W").press("Home")
    state_of(figure)
    assert float(ring.get_attribute("cx")) < middle
    assert shown(figure)["accuracy"] == ""
    expect(figure.locator(".accuracy-says")).to_contain_text("not trained")


def test_without_a_map_there_are_two_panels(stage, open_page, state_of, curves_in):
    page = open_page((stage(CriticalityExplorer()) / PAGE).as_uri())
    figure = explorer_on(page)
    expect(figure.locator(".panel")).to_have_count(2)
    assert_shows(figure, state_of(figure), curves_in)


def test_a_phone_stacks_the_panels(bare, open_page, state_of, curves_in):
    page = open_page(bare, **PHONE)
    figure = explorer_on(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    boxes = [panel.bounding_box() for panel in figure.locator(".panel").all()]
    assert len({box["x"] for box in boxes}) == 1
    assert all(box["x"] + box["width"] <= 390 for box in boxes)
    figure.get_by_role("button", name="sin", exact=True).click()
    assert_shows(figure, state_of(figure), curves_in)


def test_print_shows_the_figure_without_its_controls(bare, open_page):
    page = open_page(bare)
    figure = explorer_on(page)
    page.emulate_media(media="print")
    expect(figure.locator(".panel").first).to_be_visible()
    expect(figure.locator(".controls")).to_be_hidden()
    expect(figure.locator(".knobs")).to_be_hidden()
