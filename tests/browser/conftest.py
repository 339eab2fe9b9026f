import functools
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from ipywidgets.embed import embed_data
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Playwright,
    Request,
    expect,
    sync_playwright,
)

from kanlib.bases import BSpline
from kanlib.widgets import MovingFigure, SplineEditor

ROOT = Path(__file__).resolve().parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT = 20_000
"""Milliseconds after which something that should appear counts as missing."""

# What Sphinx writes around a figure, and nothing else.
HARNESS = """<!doctype html>
<html lang="en" data-content_root="../../" data-theme="light">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>harness</title>
<style>
  body { margin: 16px; }
  html[data-theme="dark"] { --pst-color-text-base: #ced6dd;
    --pst-color-text-muted: #9ca4af; --pst-color-background: #14181e;
    background: #14181e; color: #ced6dd; }
</style>
<script src="../../_static/vendor/require.js"></script>
<script src="../../_static/vendor/widgets-config.js"></script>
<script src="../../_static/vendor/html-manager/embed-amd.js"
        data-jupyter-widgets-cdn="/no-cdn/"></script>
</head>
<body>
<h1>Harness</h1>
<script type="application/vnd.jupyter.widget-state+json">STATE</script>
<script type="application/vnd.jupyter.widget-view+json">VIEW</script>
</body>
</html>
"""


def write_harness(folder: Path, figure: MovingFigure) -> Path:
    """A site of one page at the chapter's own address, with a figure in it."""
    data = embed_data(views=[figure], drop_defaults=False)
    page = HARNESS.replace("STATE", json.dumps(data["manager_state"]))
    page = page.replace("VIEW", json.dumps(data["view_specs"][0]))
    (folder / "_static").mkdir(parents=True)
    vendored = ROOT / "book" / "static" / "vendor"
    shutil.copytree(vendored, folder / "_static" / "vendor")
    target = folder / "chapters" / "kan" / "kan.html"
    target.parent.mkdir(parents=True)
    target.write_text(page, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Callable[[MovingFigure], Path]:
    """Put a figure on a bare page: stage(figure) is the folder of its site."""
    return lambda figure: write_harness(
        tmp_path_factory.mktemp("harness") / "site", figure
    )


@pytest.fixture(scope="session")
def harness(stage: Callable[[MovingFigure], Path]) -> Path:
    editor = SplineEditor(
        BSpline.uniform(5),
        [-0.3, 0.6, -0.9, 0.2, 1.1, -0.4, 0.5, 0.1],
        base_weight=0.5,
        probe=0.25,
    )
    return stage(editor)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Path], str]]:
    """Serve a folder on this machine: serve(folder) is its address."""
    servers: list[ThreadingHTTPServer] = []

    def start(folder: Path) -> str:
        handler = functools.partial(Quiet, directory=str(folder))
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


# Asked in a frame of the screen, after which all that was to be drawn is drawn.
STATE = """figure => new Promise(
  (done) => requestAnimationFrame(() => done(figure.dataset.state)))"""


@pytest.fixture(scope="session")
def state_of() -> Callable[[Locator], dict]:
    """What a figure shows, as soon as it shows it: state_of(figure)."""
    return lambda figure: json.loads(figure.evaluate(STATE))


@pytest.fixture(scope="session")
def swipe() -> Callable[..., None]:
    """Draw a finger over the page through the points: swipe(page, (x, y), ...)."""

    def swipe(page: Page, *points: tuple[float, float]) -> None:
        touch = page.context.new_cdp_session(page)
        kinds = ["touchStart"] + ["touchMove"] * (len(points) - 1)
        for kind, (x, y) in zip(kinds, points, strict=True):
            at = {"type": kind, "touchPoints": [{"x": x, "y": y}]}
            touch.send("Input.dispatchTouchEvent", at)
        end = {"type": "touchEnd", "touchPoints": []}
        touch.send("Input.dispatchTouchEvent", end)

    return swipe


RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹−", "-0123456789-")


def number_of(label: str) -> float:
    """10⁻⁸, 5·10⁴ and −0.5 as numbers."""
    head, ten, power = (
        label.rpartition("10") if re.search("[⁰-⁹]|⁻", label) else ("",) * 3
    )
    if not ten:
        return float(label.translate(RAISED))
    return float(head.rstrip("·").translate(RAISED) or 1) * 10 ** int(
        power.translate(RAISED)
    )


@pytest.fixture(scope="session")
def curves_in() -> Callable[..., tuple[list[np.ndarray], tuple[float, float]]]:
    """The curves of a panel as its axes say they stand, and what one pixel is worth.

    curves_in(panel, log=False) gives an array of (x, y) a curve, y by its logarithm.
    """

    def scale(panel: Locator, which: str, place: str, shift: float, log: bool):
        ticks = panel.locator(f".ticks.{which} text").evaluate_all(
            f"all => all.map(e => [e.textContent, Number(e.getAttribute('{place}'))])"
        )
        (low, start), *_, (high, end) = (
            (np.log10(number_of(text)) if log else number_of(text), at - shift)
            for text, at in ticks
            if text
        )
        pixel = (high - low) / (end - start)
        return lambda at: low + (at - start) * pixel, abs(pixel)

    def curves_in(panel: Locator, log: bool = False):
        to_x, x_pixel = scale(panel, "across", "x", 0, False)
        to_y, y_pixel = scale(panel, "up", "y", 4, log)
        paths = panel.locator(".plot path.curve").evaluate_all(
            "all => all.map(e => e.getAttribute('d'))"
        )
        numbers = [re.findall(r"-?[\d.]+", path) for path in paths]
        points = [np.array(one, dtype=float).reshape(-1, 2) for one in numbers]
        found = [np.stack([to_x(p[:, 0]), to_y(p[:, 1])], 1) for p in points]
        return found, (x_pixel, y_pixel)

    return curves_in


@pytest.fixture(scope="session")
def slide() -> Callable[[Locator, list, object], None]:
    """slide(slider, choices, value) presses the track there, as a mouse does."""

    def slide(slider: Locator, choices: list, value: object) -> None:
        slider.scroll_into_view_if_needed()
        box, share = slider.bounding_box(), choices.index(value) / (len(choices) - 1)
        assert box is not None
        slider.page.mouse.click(
            box["x"] + 8 + share * (box["width"] - 16), box["y"] + box["height"] / 2
        )

    return slide


@pytest.fixture(scope="session")
def said() -> Callable[[float], str]:
    """said(value) is a number as read-outs write it, to three digits."""
    digits = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

    def said(value: float) -> str:
        head, _, power = f"{value:.3g}".partition("e")
        head = head.replace("-", "−")
        return f"{head}·10{str(int(power)).translate(digits)}" if power else head

    return said


def chromium_of(playwright: Playwright) -> str:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next(filter(None, map(shutil.which, names)), None)
    own = playwright.chromium.executable_path
    if found is None and not Path(own).exists():
        pytest.fail(
            "no Chromium on this machine. Install the package `chromium` of the "
            "system, or run `python -m playwright install chromium`."
        )
    return found or own


# One browser a module: Playwright keeps an event loop running as long as it lives,
# which other tests of the same process must not find.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=WAIT)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_of(playwright), args=FLAGS
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open an address in a fresh context; anything amiss on the page fails the test."""
    contexts: list[BrowserContext] = []
    amiss: list[str] = []

    def watched(url: str, **options: object) -> Page:
        wide = {"viewport": {"width": 1000, "height": 900}}
        context = browser.new_context(**wide | options)
        context.set_default_timeout(WAIT)
        page = context.new_page()
        contexts.append(context)
        home = urlsplit(url)[:2]

        def request(request: Request) -> None:
            address = urlsplit(request.url)
            if address.scheme not in ("data", "blob") and address[:2] != home:
                amiss.append(f"outside request: {request.url}")

        def console(message: ConsoleMessage) -> None:
            if message.type == "error":
                amiss.append(f"console: {message.text}")

        page.on("request", request)
        page.on("console", console)
        page.on("pageerror", lambda error: amiss.append(f"page error: {error}"))
        page.goto(url)
        return page

    yield watched
    for context in contexts:
        context.close()
    assert amiss == []
