"""Contrast by WCAG 2, and colors that every eye tells apart: constants and pixels."""

import io
import itertools
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kanlib.plotting import (
    DARK,
    LIGHT,
    PALETTE,
    Theme,
    contrast,
    figure,
    label_lines,
    loglog_slope,
)
from kanlib.plotting._helpers import INK
from kanlib.plotting._theme import LINE, TEXT, faded, mixed

THEMES = [pytest.param(LIGHT, id="light"), pytest.param(DARK, id="dark")]
# The backgrounds that figures meet: the book's, and JupyterLab's in the dark.
PAGES = [
    pytest.param(LIGHT, "#ffffff", id="light"),
    pytest.param(DARK, "#14181e", id="book in the dark"),
    pytest.param(DARK, "#111111", id="JupyterLab in the dark"),
]
APART = 15
"""A CIELAB distance of 10 is told apart at a glance; fewer than 3 hardly."""

# Machado, Oliveira and Fernandes (2009): what dichromats see, in linear RGB.
SEEN_BY = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
    "full color vision": np.eye(3),
}


def lab(color: str, eye: str) -> np.ndarray:
    """CIELAB of a color as an eye sees it."""
    code = np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    linear = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(SEEN_BY[eye]) @ linear, 0, 1)
    to_xyz = [
        [0.4124, 0.3576, 0.1805],
        [0.2126, 0.7152, 0.0722],
        [0.0193, 0.1192, 0.9505],
    ]
    xyz = np.array(to_xyz) @ seen / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def closest(colors: Any, eye: str) -> float:
    """The distance of the two colors that an eye confuses most easily."""
    seen = [lab(color, eye) for color in colors]
    pairs = itertools.combinations(seen, 2)
    return min(float(np.linalg.norm(a - b)) for a, b in pairs)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("eye", SEEN_BY)
def test_colors_differ_for_every_eye(theme: Theme, eye: str) -> None:
    assert closest(theme.colors, eye) > APART


def test_an_eye_without_green_takes_red_for_green() -> None:
    """The simulation does what it is for: this pair is apart for most people only."""
    pair = ("#b06060", "#7a7a5a")
    assert closest(pair, "full color vision") > APART > closest(pair, "deuteranopia")


@pytest.mark.parametrize(("theme", "page"), PAGES)
def test_contrast_is_that_of_wcag(theme: Theme, page: str) -> None:
    lines = [contrast(color, page) for color in (*theme.colors, theme.muted)]
    assert min(lines) >= LINE == 3
    labels = [mixed(color, theme.text, INK) for color in theme.colors]
    texts = [contrast(color, page) for color in (theme.text, theme.muted, *labels)]
    assert min(texts) >= TEXT == 4.5


@pytest.mark.parametrize("theme", THEMES)
def test_the_grid_is_seen_but_stays_behind(theme: Theme) -> None:
    """A grid is decoration for WCAG: what it says, the ticks say in text."""
    assert 1.25 < contrast(theme.grid, theme.background) < 1.8


@pytest.mark.parametrize("theme", THEMES)
def test_a_faint_line_is_still_a_line(theme: Theme) -> None:
    for color in (*theme.colors, theme.text):
        steps = np.linspace(0, 1, 11)
        made = [
            contrast(faded(color, theme.background, s), theme.background) for s in steps
        ]
        assert LINE <= made[0] < LINE + 0.2
        assert made == sorted(made)
        assert faded(color, theme.background, 1.0) == color


def test_palette_is_that_of_the_themes() -> None:
    assert (PALETTE["light"], PALETTE["dark"]) == (LIGHT.colors, DARK.colors)
    assert len(LIGHT.colors) == len(DARK.colors) == 6


def test_contrast_of_known_pairs() -> None:
    assert contrast("#ffffff", "#ffffff") == 1
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("color", ["red", "#fff", "#gggggg", ""])
def test_contrast_of_no_color(color: str) -> None:
    with pytest.raises(ValueError, match=f"contrast: '{color}' is no color"):
        contrast(color, "#ffffff")


# --- pixels ------------------------------------------------------------------------


class Drawn:
    """One picture with everything that the two requirements are about."""

    def __init__(self) -> None:
        self.panels: list[Any] = []

    def __call__(self, axes: Any) -> None:
        self.panels.append(axes)
        left, right = axes
        for k in range(6):
            left.plot([0, 1], [k, k], label=f"curve {k}")
        left.set(xlabel="abscissa", ylabel="ordinate", title="A title")
        label_lines(left)
        right.loglog([1, 10], [10, 1000], "o-", label="measured")
        loglog_slope(right, [1, 10], [10, 1000], 1)
        right.legend(loc="center right")


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def strongest(image: np.ndarray, box: Any, background: str) -> float:
    """The largest contrast to the background in a part of an image."""
    x0, x1 = int(box.x0) - 1, int(box.x1) + 2
    y0, y1 = (len(image) - int(y) for y in (box.y1 + 2, box.y0 - 1))
    part = image[max(y0, 0) : y1, max(x0, 0) : x1]
    found = np.unique(part @ np.array([1 << 16, 1 << 8, 1]))
    return max(contrast(f"#{color:06x}", background) for color in found)


def texts(panel: Any) -> Iterator[Any]:
    yield from (panel._left_title, panel.xaxis.label, panel.yaxis.label, *panel.texts)
    for axis in (panel.xaxis, panel.yaxis):
        low, high = axis.get_view_interval()
        yield from (
            t.label1 for t in axis.get_major_ticks() if low <= t.get_loc() <= high
        )
    if panel.get_legend():
        yield from panel.get_legend().get_texts()


@pytest.mark.parametrize("theme", THEMES)
def test_pixels_have_that_contrast(theme: Theme) -> None:
    drawn = Drawn()
    shown = figure(drawn, alt="Six lines; a slope.", columns=2, size=(8, 3))
    # Each of the two figures keeps the resolution of its last image.
    png, panels = (
        (shown.small, drawn.panels[0])
        if theme is LIGHT
        else (shown.dark, drawn.panels[1])
    )
    image = pixels(png)
    written = ruled = 0
    for panel in panels:
        for text in filter(lambda text: text.get_text(), texts(panel)):
            box = text.get_window_extent()
            assert strongest(image, box, theme.background) >= TEXT, text
            written += 1
        for line in (*panel.lines, panel.spines["left"], panel.spines["bottom"]):
            box = line.get_window_extent()
            assert strongest(image, box, theme.background) >= LINE, line
            ruled += 1
    assert (written > 20, ruled) == (True, 12)


# --- moving figures ----------------------------------------------------------------


def palettes() -> dict[str, dict[str, str]]:
    """The colors in the style sheet of the moving figures, by page."""
    css = (files("kanlib.widgets") / "figure.css").read_text("utf-8")
    found = {}
    for selector, body in re.findall(r"([^{}]+)\{([^{}]*)\}", css):
        colors = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", body))
        if colors and "data-theme" in selector:
            found["dark"] = colors
        elif colors:
            found.setdefault("light", colors)
    return found


@pytest.mark.parametrize(
    ("theme", "page"), [("light", "#ffffff"), ("dark", "#14181e"), ("dark", "#111111")]
)
def test_moving_figures_have_that_contrast(theme: str, page: str) -> None:
    colors = palettes()[theme]
    assert {"blue", "orange", "green", "purple"} <= colors.keys()
    # They color words too: a button under the pointer, a name beside its curve.
    assert {name: c for name, c in colors.items() if contrast(c, page) < TEXT} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("eye", SEEN_BY)
def test_colors_of_moving_figures_differ_for_every_eye(theme: str, eye: str) -> None:
    assert closest(palettes()[theme].values(), eye) > APART
