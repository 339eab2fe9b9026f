import io
import itertools
import math
import re
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import matplotlib as mpl
import matplotlib.figure
import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from kanlib.bases import BSpline
from kanlib.layers import KAN
from kanlib.plotting import (
    DARK,
    LIGHT,
    PALETTE,
    Theme,
    contrast,
    figure,
    label_lines,
    loglog_slope,
    network,
)
from kanlib.plotting._helpers import INK
from kanlib.plotting._theme import mixed

THEMES = [pytest.param(LIGHT, id="light"), pytest.param(DARK, id="dark")]


def line(axes: Any) -> None:
    axes.plot([0, 1, 2], [0, 2, 1])


# --- colors ------------------------------------------------------------------------

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


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("eye", SEEN_BY)
def test_colors_differ_for_every_eye(theme: Theme, eye: str) -> None:
    """A CIELAB distance of 10 is told apart at a glance; fewer than 3 hardly."""
    seen = [lab(color, eye) for color in theme.colors]
    closest = min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2))
    assert closest > 15


@pytest.mark.parametrize(
    ("theme", "page"),
    [
        pytest.param(LIGHT, "#ffffff", id="light"),
        pytest.param(DARK, "#14181e", id="book in the dark"),
        pytest.param(DARK, "#111111", id="JupyterLab in the dark"),
    ],
)
def test_contrast_is_that_of_wcag(theme: Theme, page: str) -> None:
    lines = [contrast(color, page) for color in theme.colors]
    assert min(lines) >= 3
    labels = [mixed(color, theme.text, INK) for color in theme.colors]
    texts = [contrast(color, page) for color in (theme.text, theme.muted, *labels)]
    assert min(texts) >= 4.5


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


# --- figure ------------------------------------------------------------------------


def chunks(png: bytes) -> dict[str, bytes]:
    """The chunks of a PNG file by type."""
    found, at = {}, 8
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        found[kind.decode()] = png[at + 8 : at + 8 + size]
        at += 12 + size
    return found


def test_both_images_are_sharp_small_and_without_metadata() -> None:
    shown = figure(line, alt="A line.", size=(5, 2.5))
    assert shown.light != shown.dark
    for png, scale in ((shown.light, 2), (shown.dark, 2), (shown.small, 1)):
        parts = chunks(png)
        assert set(parts) == {"IHDR", "PLTE", "IDAT", "IEND"}
        width, height = struct.unpack(">II", parts["IHDR"][:8])
        assert (width, height) == (scale * 500, scale * 250)
        assert len(parts["PLTE"]) <= 3 * 64
    assert (shown.width, shown.height) == (500, 250)


def test_crowded_figure_is_kept_small() -> None:
    x = np.linspace(0, 1, 500)
    crowd = np.sin(x[:, None] * np.arange(20, 40))
    shown = figure(lambda axes: axes.plot(x, crowd), alt="Many waves.", size=(6, 6))
    size = struct.unpack(">II", chunks(shown.light)["IHDR"][:8])
    assert (size, shown.width, shown.height) == ((900, 900), 600, 600)
    assert len(shown.light) > 20_000


def test_background_is_that_of_the_theme() -> None:
    shown = figure(lambda axes: axes.axis("off"), alt="Nothing.", size=(1, 1))
    for png, theme in ((shown.light, LIGHT), (shown.dark, DARK)):
        assert "#" + chunks(png)["PLTE"][:3].hex() == theme.background
        assert set(zlib.decompress(chunks(png)["IDAT"])) == {0}


def test_same_drawing_gives_the_same_bytes_whatever_the_settings() -> None:
    first = figure(line, alt="A line.", size=(3, 2))
    with mpl.rc_context({"lines.linewidth": 9, "figure.facecolor": "red"}):
        second = figure(line, alt="A line.", size=(3, 2))
    assert first == second


def test_nothing_is_left_behind() -> None:
    before = dict(mpl.rcParams)
    figure(line, alt="A line.", size=(1, 1))
    assert dict(mpl.rcParams) == before
    program = (
        "import sys; from kanlib.plotting import figure;"
        "assert 'matplotlib' not in sys.modules;"
        "figure(lambda axes: axes.plot([1, 2]), alt='A line.');"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_draw_gets_the_colors_of_each_theme() -> None:
    drawn = []

    def draw(axes: Any) -> None:
        (curve,) = axes.plot([1, 2], color="C1")
        drawn.append(mpl.colors.to_hex(curve.get_color()))

    figure(draw, alt="A line.")
    assert drawn == [LIGHT.colors[1], DARK.colors[1]]


def test_axes_are_as_many_as_asked_for() -> None:
    shapes = []
    for columns, rows in ((1, 1), (2, 1), (1, 2), (2, 2)):
        figure(
            lambda axes: shapes.append(np.shape(axes)),
            alt="Axes.",
            columns=columns,
            rows=rows,
            size=(2, 2),
        )
    assert shapes[::2] == [(), (2,), (2,), (2, 2)]


def test_bundle_holds_text_html_and_image() -> None:
    shown = figure(line, alt='Error "falls" & <ends>.')
    bundle = shown._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "image/png"}
    assert bundle["text/plain"] == 'Figure: Error "falls" & <ends>.'
    html = bundle["text/html"]
    assert html.count('alt="Error &quot;falls&quot; &amp; &lt;ends&gt;."') == 2
    assert html.count("data:image/png;base64,") == 2
    assert "<details" not in html
    assert sum(map(len, bundle.values())) < 120_000


def test_data_table_is_folded_and_short() -> None:
    data = {
        "G": [5, 10],
        "error": torch.tensor([0.0123456, math.nan]),
        "<name>": np.array(["a", "b&"]),
    }
    table = figure(line, alt="A line.", data=data, size=(1, 1)).table
    assert table.startswith('<details class="kl-data"><summary>show data</summary>')
    assert re.findall(r"<t[hd](?: [^>]*)?>(.*?)</t[hd]>", table) == [
        *("G", "error", "&lt;name&gt;"),
        *("5", "0.01235", "a"),
        *("10", "nan", "b&amp;"),
    ]
    long = figure(line, alt="A line.", data={"x": range(1001)}, size=(1, 1)).table
    assert "one row in 11" in long
    assert long.count("<td>") == 91


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"draw": 3}, TypeError, "figure: draw is a int"),
        ({"alt": None}, TypeError, "figure: alt is a NoneType"),
        ({"alt": "  "}, ValueError, "figure: alt is empty"),
        ({"size": (1,)}, ValueError, "figure: size is"),
        ({"size": (1, 0)}, ValueError, "figure: height must be"),
        ({"size": (math.nan, 1)}, ValueError, "figure: width must be"),
        ({"columns": 0}, ValueError, "figure: columns must be"),
        ({"rows": 1.5}, TypeError, "figure: rows is a float"),
        (
            {"data": {"a": [1], "b": [1, 2]}},
            ValueError,
            "figure: the columns of data have lengths {'a': 1, 'b': 2}",
        ),
        ({"data": {}}, ValueError, "figure: data is empty"),
        ({"data": {"a": 3}}, TypeError, "figure: column a of data is a int"),
    ],
)
def test_bad_figure(arguments: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        figure(**{"draw": line, "alt": "A line.", **arguments})


def test_error_of_the_drawing_is_the_readers() -> None:
    before = dict(mpl.rcParams)
    with pytest.raises(ZeroDivisionError):
        figure(lambda axes: 1 / 0, alt="Nothing.")
    assert dict(mpl.rcParams) == before


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    names = ("chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=next(filter(None, map(shutil.which, names)), None),
            args=["--no-sandbox"],
        )
        yield browser.new_page()
        browser.close()


@pytest.mark.browser
@pytest.mark.parametrize(
    ("html", "body", "visible"),
    [
        ("", "", "light"),
        ('data-theme="light"', "", "light"),
        ('data-theme="dark"', "", "dark"),
        ("", 'data-jp-theme-light="true"', "light"),
        ("", 'data-jp-theme-light="false"', "dark"),
        ("", 'data-vscode-theme-kind="vscode-dark"', "dark"),
    ],
)
def test_exactly_one_image_shows(
    page: Page, html: str, body: str, visible: str
) -> None:
    content = figure(line, alt="A line.", size=(2, 1))._repr_html_()
    page.emulate_media(media="screen")
    page.set_content(
        f"<!doctype html><html {html}><body {body}>{content}</body></html>"
    )
    images = page.locator("img:visible")
    assert images.count() == 1
    assert images.get_attribute("class").startswith(f"kl-{visible}")
    assert images.bounding_box()["width"] == 200
    page.emulate_media(media="print")
    assert images.count() == 1
    assert images.get_attribute("class").startswith("kl-light")


# --- helpers -----------------------------------------------------------------------


def axes() -> Any:
    return matplotlib.figure.Figure().subplots()


def trained(values: list) -> torch.Tensor:
    return torch.tensor(values, requires_grad=True)


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor, trained])
def test_loglog_slope_has_the_slope(kind: Any) -> None:
    panel = axes()
    loglog_slope(panel, kind([5.0, 10.0, 20.0]), kind([1e-1, 6e-3, 4e-4]), -4)
    (drawn,) = panel.lines
    x, y = drawn.get_data()
    assert np.diff(np.log(y)) / np.diff(np.log(x)) == pytest.approx(-4)
    assert (x[0], y[0]) == pytest.approx((5, 0.1))
    assert panel.texts[0].get_text() == "slope −4"
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["5", "10", "20"]


def test_loglog_slope_of_falling_points_starts_at_the_first() -> None:
    panel = axes()
    loglog_slope(panel, [8.0, 4.0, 2.0], [64.0, 15.0, 5.0], 2, "quadratic")
    x, y = panel.lines[0].get_data()
    assert dict(zip(x, y, strict=True)) == {2: pytest.approx(4), 8: pytest.approx(64)}
    assert panel.texts[0].get_text() == "quadratic"


@pytest.mark.parametrize(
    ("x", "y", "name"),
    [
        ([], [], "x"),
        ([1, 2], [0, 1], "y"),
        ([-1, 1], [1, 1], "x"),
        ([1, math.nan], [1, 1], "x"),
        ([1, 2], [math.inf, 1], "y"),
    ],
)
def test_bad_loglog_slope(x: list, y: list, name: str) -> None:
    with pytest.raises(ValueError, match=f"loglog_slope: {name} is empty or not"):
        loglog_slope(axes(), x, y, -1)


def test_label_lines_names_each_line_once_and_apart() -> None:
    panel = axes()
    for k in range(5):
        panel.plot([0, 1], [0, 1 + k * 1e-3], label=f"f{k}")
    panel.plot([0, 1], [0, 5])  # not labelled
    panel.plot([0, math.nan], [0, math.nan], label="broken off")
    label_lines(panel)
    assert sorted(text.get_text() for text in panel.texts) == [
        "broken off",
        *(f"f{k}" for k in range(5)),
    ]
    panel.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in panel.texts]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_label_lines_stands_beside_the_end_on_pending_limits() -> None:
    panel = axes()
    panel.plot([0, 10], [-5, 7], label="rising")
    label_lines(panel)
    panel.figure.canvas.draw()
    end = panel.transData.transform((10, 7))
    box = panel.texts[0].get_window_extent()
    assert box.x0 > end[0]
    assert box.y0 < end[1] < box.y1


# --- network -----------------------------------------------------------------------


def kan() -> KAN:
    return KAN(
        [2, 3, 1], BSpline.uniform(3), generator=torch.Generator().manual_seed(0)
    )


def test_network_draws_every_edge_that_is_not_masked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    panels = []
    add = matplotlib.axes.Axes.inset_axes

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        panels.append(add(self, *args, **kwargs))
        return panels[-1]

    monkeypatch.setattr(matplotlib.axes.Axes, "inset_axes", counted)
    model, x = kan(), torch.rand(50, 2) * 2 - 1
    model.layers[0].mask[1, 0] = 0
    shown = network(model, x, names=("u", "v"))
    assert repr(shown) == (
        "Figure: KAN with 2-3-1 nodes and the curve of each of its 8 edges."
    )
    assert len(panels) == 2 * 8  # once a theme
    order = x[:, 0].argsort()
    drawn = panels[0].lines[0].get_data()
    np.testing.assert_allclose(drawn[0], x[order, 0])
    curve = model.layers[0].edges(x)[order, 0, 0].detach()
    np.testing.assert_allclose(drawn[1], curve, rtol=1e-6)


def test_network_takes_anything_of_that_shape() -> None:
    layer = SimpleNamespace(
        in_features=1,
        out_features=1,
        edges=lambda x: x[..., None] ** 2,
        l1=lambda x: torch.ones(1, 1),
    )
    other = SimpleNamespace(layers=[layer], activations=lambda x: [x])
    shown = network(other, torch.rand(5, 1), alt="One square.")
    assert repr(shown) == "Figure: One square."


@pytest.mark.parametrize(
    ("model", "x", "names", "error", "message"),
    [
        (torch.nn.Linear(2, 1), torch.rand(3, 2), (), TypeError, "kan is a Linear"),
        (kan(), [[1.0, 2.0]], (), TypeError, "x is a list"),
        (kan(), torch.ones(3, 2, dtype=torch.long), (), TypeError, "x has dtype int64"),
        (kan(), torch.rand(2), (), ValueError, r"x has shape \(2,\)"),
        (kan(), torch.rand(0, 2), (), ValueError, r"x has shape \(0, 2\)"),
        (kan(), torch.rand(3, 2), ("u",), ValueError, "names has 1 entries"),
        (
            KAN([2, 33], BSpline.uniform(2)),
            torch.rand(3, 2),
            (),
            ValueError,
            "a layer has 2 x 33 edges; expected at most 64",
        ),
    ],
)
def test_bad_network(
    model: Any, x: Any, names: tuple, error: type, message: str
) -> None:
    with pytest.raises(error, match=f"network: {message}"):
        network(model, x, names=names)


def test_few_colors_keep_every_color_of_the_theme() -> None:
    def draw(axes) -> None:
        for k in range(6):
            axes.plot([0, 1], [k, k + 0.3], color=f"C{k}")
        smooth = np.linspace(0, 1, 400).reshape(20, 20)
        axes.imshow(smooth, extent=(0, 1, -3, -1), aspect="auto")
        axes.set(ylim=(-3, 6))

    shown = figure(draw, alt="six lines over a smooth image")
    for png, theme in ((shown.light, LIGHT), (shown.dark, DARK), (shown.small, LIGHT)):
        image = Image.open(io.BytesIO(png)).convert("RGB")
        ground = tuple(bytes.fromhex(theme.background[1:]))
        assert image.getpixel((1, 1)) == ground
        present = np.array([color for _, color in image.getcolors(1 << 24)], int)
        for color in theme.colors:
            gap = np.abs(present - np.frombuffer(bytes.fromhex(color[1:]), np.uint8))
            assert gap.max(axis=1).min() <= 8, color


def test_network_has_the_title_it_is_given() -> None:
    kan = KAN([1, 1], BSpline.uniform(3))
    plain, titled = (
        network(kan, torch.rand(9, 1), title=title) for title in ("", "A line")
    )
    assert plain.light != titled.light
