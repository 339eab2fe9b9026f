import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import playwright
import pytest

STATIC = Path(__file__).resolve().parents[2] / "book/static"

# A page's script hands out its pure functions where there is a `module`, as in Node,
# and touches nothing of a page there.
CALL = """
const { script, calls } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const pure = require(script);
const results = calls.map(([name, ...values]) => pure[name](...values));
process.stdout.write(JSON.stringify(results));
"""


@pytest.fixture(scope="session")
def classic() -> Callable[..., list[Any]]:
    """Call pure functions of a page's script: classic("cards.js", [name, ...], ...)."""
    bundled = Path(playwright.__file__).parent / "driver" / "node"
    node = str(bundled) if bundled.exists() else shutil.which("node")
    assert node, "Node.js is not there; the wheel of playwright brings it"

    def call(name: str, *calls: list[Any]) -> list[Any]:
        question = json.dumps({"script": str(STATIC / name), "calls": calls})
        done = subprocess.run(
            [node, "-e", CALL], input=question, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return call
