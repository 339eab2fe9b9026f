import functools
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from ipywidgets.embed import embed_data
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    Request,
    expect,
    sync_playwright,
)

from kanlib.bases import BSpline
from kanlib.widgets import SplineEditor

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


def write_harness(folder: Path) -> Path:
    """A site of one page at the chapter's own address, with the editor in it."""
    editor = SplineEditor(
        BSpline.uniform(5),
        [-0.3, 0.6, -0.9, 0.2, 1.1, -0.4, 0.5, 0.1],
        base_weight=0.5,
        probe=0.25,
    )
    data = embed_data(views=[editor], drop_defaults=False)
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
def harness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_harness(tmp_path_factory.mktemp("harness") / "site")


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
