"""The edge editor on a static page, without a kernel, in real Chromium."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from kanlib.bases import BSpline
from kanlib.plotting import contrast
from kanlib.widgets import SplineEditor

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PAGE = "chapters/kan/kan.html"


@pytest.fixture(scope="session", params=["harness", "site"])
def folder(request: pytest.FixtureRequest) -> Path:
    """The folder of a site: the bare harness, and the book as it was just built."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def bare(harness: Path, serve: Callable[[Path], str]) -> str:
    return f"{serve(harness)}/{PAGE}"


def editor_on(page: Page) -> Locator:
    editor = page.locator(".kanlib-spline-editor").first
    expect(editor.locator(".handle").first).to_be_visible()
    return editor


def in_python(state: dict) -> SplineEditor:
    edge = dict(state)
    basis = BSpline(tuple(edge.pop("knots")), edge.pop("degree"))
    return SplineEditor(basis, **edge)


def path_points(editor: Locator) -> np.ndarray:
    """The corners of the drawn curve, in pixels."""
    numbers = re.findall(r"-?[\d.]+", editor.locator("path.phi").get_attribute("d"))
    return np.array(numbers, dtype=float).reshape(-1, 2)


def drawn_values(editor: Locator) -> tuple[np.ndarray, float]:
    """The curve as the axis' labels say it stands, and the value of one pixel."""
    labels = editor.locator(".ticks.up text").evaluate_all(
        "all => all.map(e => [e.textContent, e.getBBox().y])"
    )
    (low, low_y), *_, (high, high_y) = (
        (float(text.replace("−", "-")), y) for text, y in labels
    )
    zero = editor.locator("line.axis").first.get_attribute("y1")
    pixel = (high - low) / (low_y - high_y)
    return (float(zero) - path_points(editor)[:, 1]) * pixel, pixel


def assert_equals_python(editor: Locator, state: dict) -> None:
    """Numbers and curve on the page are those of kanlib for the same coefficients."""
    python = in_python(state)
    x = torch.tensor(python.probe, dtype=torch.float64)
    for name, derivative in (("value", 0), ("slope", 1)):
        output = editor.locator(f".pair.{name} output")
        expected = python.edge(x, derivative).item()
        shown = output.text_content().replace("−", "-")
        assert float(output.get_attribute("data-number")) == pytest.approx(
            expected, abs=1e-12
        )
        assert float(shown) == pytest.approx(expected, abs=5.1e-5)
    values, pixel = drawn_values(editor)
    xs = torch.linspace(*python.basis.domain, len(values), dtype=torch.float64)
    np.testing.assert_allclose(values, python.edge(xs), atol=0.02 * pixel)


def drag(page: Page, part: Locator, dx: float, dy: float) -> None:
    part.scroll_into_view_if_needed()
    box = part.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + dx, y + dy, steps=4)
    page.mouse.up()


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_dragging_gives_the_numbers_of_python(
    folder, scheme, serve, open_page, state_of
):
    url = f"{serve(folder)}/{PAGE}" if scheme == "http" else (folder / PAGE).as_uri()
    page = open_page(url)
    editor = editor_on(page)
    assert_equals_python(editor, state_of(editor))
    states = [state_of(editor)]
    knobs = editor.locator(".handle .knob")
    last = knobs.count() - 1
    # (handle, pixels up, probe to one side): both ends of the domain among them
    for k, up, side in [(0, 60, -3000), (last, -45, 3000), (last // 2, 30, -200)]:
        before = state_of(editor)["coefficients"]
        drag(page, knobs.nth(k), 0, -up)
        # A frame around what is dragged would hide it; it is a sign for the keyboard.
        expect(editor.locator(":focus")).to_have_count(1)
        expect(editor.locator(":focus-visible")).to_have_count(0)
        drag(page, editor.locator(".grip"), side, 0)
        after = state_of(editor)
        changed = np.array(after["coefficients"]) - before
        assert np.flatnonzero(changed).tolist() == [k]
        assert np.sign(changed[k]) == np.sign(up)
        assert_equals_python(editor, state_of(editor))
        states.append(after)
    low, high = in_python(states[0]).basis.domain
    assert [states[1]["probe"], states[2]["probe"]] == [low, high]
    assert low < states[3]["probe"] < high


def test_doubling_the_grid_leaves_the_curve_and_can_be_taken_back(
    bare, open_page, state_of
):
    editor = editor_on(open_page(bare))
    first, curve = state_of(editor), path_points(editor)
    double, undo = (editor.locator(f"button.{name}") for name in ("double", "undo"))
    expect(undo).to_be_disabled()
    for intervals, handles in [(10, 13), (20, 23), (40, 43)]:
        double.click()
        expect(editor.locator(".handle")).to_have_count(handles)
        expect(editor.locator(".facts")).to_contain_text(f"G = {intervals} ")
        moved = editor.locator(".status").get_attribute("data-moved")
        assert float(moved) < 1e-12
        assert abs(path_points(editor) - curve).max() < 0.011
        assert_equals_python(editor, state_of(editor))
    expect(double).to_be_disabled()
    editor.locator(".handle").nth(20).press("PageUp")
    undo.click()
    expect(editor.locator(".handle")).to_have_count(23)
    assert float(editor.locator(".status").get_attribute("data-moved")) > 1e-3
    editor.locator("button.reset").click()
    expect(editor.locator(".handle")).to_have_count(8)
    assert state_of(editor) == first
    expect(undo).to_be_disabled()


def test_keyboard_reaches_and_moves_everything(bare, open_page, state_of):
    page = open_page(bare)
    editor = editor_on(page)
    handles, probe = editor.locator(".handle"), editor.locator(".probe")
    page.keyboard.press("Tab")
    expect(handles.nth(4)).to_be_focused()
    for key, value in [
        ("ArrowUp", 1.15),
        ("ArrowDown", 1.1),
        ("PageDown", 0.85),
        ("PageUp", 1.1),
        ("Home", -1.5),
        ("End", 1.5),
    ]:
        page.keyboard.press(key)
        expect(handles.nth(4)).to_have_attribute("aria-valuenow", f"{value:g}")
    expect(handles.nth(4)).to_have_attribute("aria-valuetext", "c 4 is 1.50")
    expect(editor.locator(".status")).to_contain_text("acts only on [−0.60, 1.00]")
    page.keyboard.press("ArrowLeft")
    expect(handles.nth(3)).to_be_focused()
    page.keyboard.press("Tab")
    expect(probe).to_be_focused()
    for key, x in [("ArrowRight", 0.27), ("PageDown", 0.07), ("Home", -1), ("End", 1)]:
        page.keyboard.press(key)
        expect(probe).to_have_attribute("aria-valuenow", f"{x:g}")
        assert_equals_python(editor, state_of(editor))
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert state_of(editor)["base_weight"] == 0.55
    assert_equals_python(editor, state_of(editor))
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(handles).to_have_count(13)


def test_a_finger_moves_everything_on_a_phone(bare, open_page, state_of, swipe):
    phone = {"width": 390, "height": 844}
    page = open_page(bare, viewport=phone, has_touch=True, is_mobile=True)
    editor = editor_on(page)
    before = state_of(editor)["coefficients"][2]
    box = editor.locator(".handle .knob").nth(2).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    swipe(page, (x, y + 6), (x, y - 20), (x, y - 40))
    expect(editor.locator(".status")).to_contain_text("c₂")
    page.wait_for_function(
        "([e, least]) => JSON.parse(e.dataset.state).coefficients[2] > least",
        arg=[editor.element_handle(), before + 0.3],
    )
    box = editor.locator(".grip").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for end, to in ((-1, 20), (1, 370)):
        swipe(page, (x, y), ((x + to) / 2, y + 4), (to, y + 4))
        expect(editor.locator(".probe")).to_have_attribute("aria-valuenow", f"{end}")
        assert_equals_python(editor, state_of(editor))
        box = editor.locator(".grip").bounding_box()
        x = box["x"] + box["width"] / 2
    assert page.evaluate("scrollY") == 0
    editor.locator("button.double").tap()
    expect(editor.locator(".handle")).to_have_count(13)
    weight = editor.locator("input").bounding_box()
    y = weight["y"] + weight["height"] / 2
    page.touchscreen.tap(weight["x"] + weight["width"] - 1, y)
    state = state_of(editor)
    assert state["base_weight"] == 2
    assert_equals_python(editor, state)


def hexadecimal(color: str) -> str:
    """rgb(1, 2, 3) as the browser computes it -> #010203."""
    return "#" + "".join(f"{int(part):02x}" for part in re.findall(r"\d+", color)[:3])


def test_text_is_readable_in_light_and_dark(folder, serve, open_page):
    page = open_page(f"{serve(folder)}/{PAGE}", reduced_motion="reduce")
    editor = editor_on(page)
    papers = []
    for theme in ("light", "dark"):
        page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
        paper = editor.evaluate("e => getComputedStyle(e).backgroundColor")
        papers.append(hexadecimal(paper))
        for part in (".formula", ".facts", ".hint", ".status", ".symbol", "button"):
            ink = editor.locator(part).first.evaluate("e => getComputedStyle(e).color")
            assert contrast(hexadecimal(ink), hexadecimal(paper)) >= 4.5, (theme, part)
        for part in (".label.phi", ".label.base", ".ticks text"):
            ink = editor.locator(part).first.evaluate("e => getComputedStyle(e).fill")
            assert contrast(hexadecimal(ink), hexadecimal(paper)) >= 4.5, (theme, part)
    assert contrast(*papers) > 10


def test_a_phone_needs_no_sideways_scrolling(folder, serve, open_page):
    phone = {"width": 390, "height": 844}
    page = open_page(f"{serve(folder)}/{PAGE}", viewport=phone)
    editor = editor_on(page)
    for _ in range(2):
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390
        box = editor.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        inside = editor.locator("svg text, .handle").evaluate_all(
            "all => all.every(e => e.getBoundingClientRect().right <= innerWidth)"
        )
        assert inside
        size = editor.locator(".ticks text").first.evaluate(
            "e => parseFloat(getComputedStyle(e).fontSize)"
        )
        assert size >= 12
        editor.locator("button.double").click()


def test_print_shows_the_figure_without_its_controls(bare, open_page):
    page = open_page(bare)
    editor = editor_on(page)
    page.emulate_media(media="print")
    expect(editor.locator("path.phi")).to_be_visible()
    expect(editor.locator(".readout")).to_be_visible()
    expect(editor.locator(".controls")).to_be_hidden()
