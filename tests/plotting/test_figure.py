import io
import math
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from kanlib.plotting import DARK, LIGHT, figure


def line(axes: Any) -> None:
    axes.plot([0, 1, 2], [0, 2, 1])


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
    nothing = {"x": [0.0]}
    shown = figure(
        lambda axes: axes.axis("off"), alt="Nothing.", data=nothing, size=(1, 1)
    )
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
            data={"x": [0.0]},
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
    assert html.count('<details class="kl-data">') == 1
    assert sum(map(len, bundle.values())) < 120_000


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
        ({"tolerance": -1}, ValueError, "figure: tolerance must be finite and at"),
        ({"tolerance": math.nan}, ValueError, "figure: tolerance must be"),
        ({"tolerance": "tight"}, TypeError, "figure: tolerance is a str"),
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
def test_wide_and_long_data_scroll_inside(page: Page) -> None:
    x = np.linspace(0, 1, 90)
    wide = figure(
        lambda axes: axes.plot(x, x[:, None] ** np.arange(1, 10)), alt="Powers of x."
    )
    page.set_viewport_size({"width": 390, "height": 800})
    page.set_content(f"<!doctype html><body>{wide._repr_html_()}</body>")
    page.locator("summary").click()
    box = page.locator(".kl-data > div")
    sizes = box.evaluate(
        "e => [e.scrollWidth > e.clientWidth, e.scrollHeight > e.clientHeight]"
    )
    assert sizes == [True, True]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.keyboard.press("Tab")
    assert box.evaluate("e => e === document.activeElement")
    page.set_viewport_size({"width": 1280, "height": 720})


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
