"""The widgets' JavaScript: its own tests in Node, and its arrays against Python's."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from kanlib.widgets import FramePlayer, Panel, Sweep
from kanlib.widgets._assets import script

FOLDER = Path(__file__).parent / "js"
ROOTS = [
    "spline_editor.js",
    "frame_player.js",
    "sweep.js",
    "launch_picture.js",
    "rational_editor.js",
    "criticality_explorer.js",
]


def test_every_test_written_in_javascript_passes(node):
    files = sorted(FOLDER.glob("*.test.mjs"))
    # The sources are modules without a package.json that says so.
    quiet = "--disable-warning=MODULE_TYPELESS_PACKAGE_JSON"
    command = [node, "--test", "--test-reporter=spec", quiet, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True)
    passed = re.search(r"^ℹ pass (\d+)$", done.stdout, re.MULTILINE)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert passed
    assert int(passed[1]) >= 5 * len(files) > 0, done.stdout


@pytest.mark.parametrize("root", ROOTS)
def test_the_files_of_a_figure_make_one_module(node, root):
    command = [node, "--check", "--input-type=module"]
    done = subprocess.run(command, input=script(root), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_film_on_the_page_is_the_film_of_python(javascript):
    generator = np.random.default_rng(0)
    y = generator.normal(size=(4, 2, 5))
    y[2, 1, 3] = np.nan
    x = generator.normal(size=(4, 5))
    film = FramePlayer(Panel("t", x, y), alt="random curves")
    positive = FramePlayer(Panel("t", x, np.exp(y), log=True), alt="random curves")
    for panel, log in ((film._panels[0], False), (positive._panels[0], True)):
        (got,) = javascript("panel.js", ["unpacked", panel])
        numbers = {name: listed(got[name]) for name in ("x", "y")}
        scaled = np.log(numbers["y"]) if log else numbers["y"]
        np.testing.assert_allclose(numbers["x"], x.ravel(), atol=8e-6 * np.ptp(x))
        np.testing.assert_allclose(scaled, y.ravel(), atol=8e-6 * np.ptp(y[y == y]))


def listed(numbers: dict[str, float | str]) -> np.ndarray:
    """A typed array comes as {"0": ..., "1": ...}."""
    return np.array([float(numbers[str(i)]) for i in range(len(numbers))])


def test_a_choice_takes_the_row_of_python(javascript):
    sizes = {"a": [1, 2], "b": [3, 4, 5], "c": ["x", "y"]}
    y = torch.arange(12.0).reshape(2, 3, 2, 1).expand(-1, -1, -1, 4)
    sweep = Sweep(sizes, Panel("t", range(4), y), alt="constants")
    chosen = [
        {"a": a, "b": b, "c": c}
        for a in sizes["a"]
        for b in sizes["b"]
        for c in sizes["c"]
    ]
    calls = [
        ["rowOf", [sizes[name].index(value) for name, value in one.items()], [2, 3, 2]]
        for one in chosen
    ]
    assert javascript("packed.js", *calls) == [sweep._row(one) for one in chosen]
    assert javascript("packed.js", *calls) == list(range(12))
