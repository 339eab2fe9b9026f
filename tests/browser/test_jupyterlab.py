"""The widgets in JupyterLab with a kernel: what the browser does, Python sees."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("jupyterlab")]
READY = 60_000
"""Milliseconds that a server, a kernel and its imports may take on a busy machine."""

SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    }
}
TRY_IT = """
import ipywidgets
from kanlib import plotting
from kanlib.widgets import SplineEditor, TryIt

def run(progress, power):
    progress(0.5)
    if power == 5:
        raise OverflowError("five is too many")
    draw = lambda axes: axes.plot([0, 1], [0, 2**power])
    return plotting.figure(draw, alt=f"up to {2**power}"), f"two to {power}: {2**power}"

TryIt(run, {"power": ipywidgets.IntText(1)}, alt="powers of two")
"""
EDITOR = """
import json
from kanlib.bases import BSpline

editor = SplineEditor(BSpline.uniform(5), [0.0] * 8, base_weight=0.5)
seen = ipywidgets.HTML()
seen.add_class("seen-by-python")

def look(change):
    numbers = [editor.coefficients, editor.value, editor.slope, repr(editor)]
    seen.value = json.dumps(numbers)

editor.observe(look, ["coefficients", "value"])
ipywidgets.VBox([editor, seen])
"""

CURVES = """
from traitlets import dlink
import torch
from kanlib.widgets import FramePlayer, Panel, Sweep

x = torch.linspace(0, 1, 11)
powers = Panel("a power", x, torch.stack([x**k for k in range(1, 6)]))
film = FramePlayer(powers, alt="powers of x", seconds=1.0)
sweep = Sweep({"k": [1, 2, 3, 4, 5]}, powers, alt="powers of x")
dlink((film, "frame"), (sweep, "selected"), lambda frame: {"k": frame + 1})
said = ipywidgets.HTML()
said.add_class("said-by-python")
dlink((sweep, "selected"), (said, "value"), str)
ipywidgets.VBox([film, sweep, said])
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """The address of a JupyterLab of its own, with the notebook in it."""
    notebook = new_notebook(
        cells=[new_code_cell(text.strip()) for text in (TRY_IT, EDITOR, CURVES)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    home = tmp_path / "home"
    work = tmp_path / "work"
    work.mkdir()
    nbformat.write(notebook, work / "widgets.ipynb")
    for name, values in SETTINGS.items():
        file = home / "settings" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    places = {name: str(home / folder) for name, folder in folders.items()}
    log = tmp_path / "log.txt"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
                *("--ip=127.0.0.1", "--port=0", "--IdentityProvider.token="),
                *("--LabApp.expose_app_in_browser=True", f"--notebook-dir={work}"),
            ],
            cwd=work,
            env=os.environ | places | {"OMP_NUM_THREADS": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that its kernels can be ended with it
        )
    try:
        yield address_of(server, home / "runtime", log)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def address_of(server: subprocess.Popen, runtime: Path, log: Path) -> str:
    """The server's address, as soon as it answers."""
    end = time.monotonic() + READY / 1000
    while time.monotonic() < end and server.poll() is None:
        for file in runtime.glob("jpserver-*.json"):
            try:
                url = json.loads(file.read_text())["url"]
                with urllib.request.urlopen(f"{url}api/status", timeout=5):
                    return url
            except (urllib.error.URLError, ValueError):
                pass  # not written to the end, or not listening yet
        time.sleep(0.05)  # between two questions; nothing rests on its length
    pytest.fail(f"JupyterLab did not start: {log.read_text()}")


# Cells that are run before the kernel has answered stay unexecuted. (Not an async
# function: Playwright would take the promise itself for a yes.)
ANSWERS = """() => {
  const session = window.jupyterapp?.shell.currentWidget?.context?.sessionContext;
  const kernel = session?.session?.kernel;
  if (!session?.isReady || kernel?.connectionStatus !== "connected") return false;
  const answered = () => (window.answered = true);
  window.answered ??= !kernel.requestKernelInfo().then(answered);
  return window.answered && kernel.status === "idle";
}"""


def run_all(page: Page, url: str) -> None:
    page.goto(f"{url}lab/tree/widgets.ipynb")
    page.locator(".jp-Notebook .jp-CodeCell").nth(2).wait_for(timeout=READY)
    page.wait_for_function(ANSWERS, timeout=READY)
    # Not awaited: the command ends only with the last cell.
    page.evaluate("() => void jupyterapp.commands.execute('notebook:run-all-cells')")


def test_widgets_and_kernel_agree(lab: str, open_page) -> None:
    page = open_page(lab + "api/status")
    page.goto("about:blank")
    run_all(page, lab)
    output = page.locator(".jp-OutputArea")

    live = output.nth(0)
    expect(live).to_contain_text("two to 1: 2", timeout=READY)
    number, button = live.locator("input"), live.get_by_role("button")
    number.fill("3")
    number.press("Enter")
    button.click()
    expect(live).to_contain_text("two to 3: 8", timeout=READY)
    expect(live.get_by_alt_text("up to 8").first).to_be_visible()
    number.fill("5")
    number.press("Enter")
    button.click()
    expect(live.get_by_role("alert")).to_contain_text("five is too many")
    expect(live).to_contain_text("two to 3: 8")
    expect(button).to_be_enabled()

    editor = output.nth(1).locator(".kanlib-spline-editor")
    seen = output.nth(1).locator(".seen-by-python .widget-html-content")
    handle = editor.locator(".handle").nth(3)
    expect(handle).to_be_visible(timeout=READY)
    handle.scroll_into_view_if_needed()
    box = handle.locator(".knob").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 50, steps=4)
    page.mouse.up()
    # The keys are the figure's, not the notebook's: the handle keeps the focus.
    handle.press("ArrowUp")
    handle.press("ArrowUp")
    expect(handle).to_be_focused()
    state = json.loads(editor.get_attribute("data-state"))
    assert state["coefficients"][3] > 0.2
    assert [c for k, c in enumerate(state["coefficients"]) if k != 3] == [0.0] * 7
    numbers = [float(number) for number in state["coefficients"]]
    expect(seen).to_contain_text(json.dumps(numbers))
    _, value, slope, _ = json.loads(seen.text_content())
    for name, python in (("value", value), ("slope", slope)):
        number = editor.locator(f".pair.{name} output").get_attribute("data-number")
        assert float(number) == pytest.approx(python, abs=1e-12)
    editor.locator("button.double").click()
    expect(editor.locator(".handle")).to_have_count(13)
    expect(seen).to_contain_text("10 intervals")

    film = output.nth(2).locator(".kanlib-frame-player")
    sweep = output.nth(2).locator(".kanlib-sweep")
    said = output.nth(2).locator(".said-by-python .widget-html-content")
    frames, choice = (figure.locator("input") for figure in (film, sweep))
    expect(frames).to_be_visible(timeout=READY)
    # The reader winds the film, Python moves the sweep, the sweep's curve follows.
    frames.press("End")
    expect(said).to_have_text("{'k': 5}")
    expect(choice).to_have_js_property("value", "4")
    choice.press("Home")
    expect(said).to_have_text("{'k': 1}")
    expect(frames).to_have_js_property("value", "4")
    film.get_by_role("button", name="Play").click()
    expect(said).to_have_text("{'k': 5}")
    expect(film.get_by_role("button", name="Play")).to_be_visible()
    expect(frames).to_have_js_property("value", "4")
