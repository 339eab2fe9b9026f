import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import playwright
import pytest

from kanlib.widgets._assets import script

# Standard input holds the module and [name, *arguments] of each call, standard output
# gets the results. JSON has no NaN: the string "NaN" stands for it, both ways.
CALL = """
const input = require("fs").readFileSync(0, "utf8");
const { code, calls } = JSON.parse(input, (_, v) => (v === "NaN" ? NaN : v));
const url = "data:text/javascript;base64," + Buffer.from(code).toString("base64");
import(url).then((module) => {
  const results = calls.map(([name, ...values]) => module[name](...values));
  const written = (_, v) => (Number.isNaN(v) ? "NaN" : v);
  process.stdout.write(JSON.stringify(results, written));
});
"""


@pytest.fixture(scope="session")
def node() -> str:
    """Node.js, which runs JavaScript without a browser."""
    bundled = Path(playwright.__file__).parent / "driver" / "node"
    node = str(bundled) if bundled.exists() else shutil.which("node")
    assert node, "Node.js is not there; the wheel of playwright brings it"
    return node


@pytest.fixture(scope="session")
def javascript(node: str) -> Callable[..., list[Any]]:
    """Call exported functions of a file of a widget: javascript(file, *calls)."""

    def call(name: str, *calls: list[Any]) -> list[Any]:
        question = json.dumps({"code": script(name), "calls": calls})
        done = subprocess.run(
            [node, "-e", CALL], input=question, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return call
