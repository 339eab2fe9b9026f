"""Row P9: the kernels without a GPU, as tests/host compiles and emulates them."""

import json
import re
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import _peers
from _measure import Lines

ROOT = Path(__file__).resolve().parents[1]
HOST = ROOT / "tests" / "host"


def spilled(budget: dict[str, dict[str, dict[str, dict[str, int]]]]) -> int:
    """Count kernels and architectures that need a stack, where registers spill to."""
    return sum(
        used["stack"] != 0
        for kernels in budget.values()
        for architectures in kernels.values()
        for used in architectures.values()
    )


def counted(summary: str) -> dict[str, int]:
    """Read pytest's last line: {"passed": 3, "skipped": 1}.

    Raises:
        ValueError: it is no such line.
    """
    last = summary.strip().rpartition("\n")[2]
    found = re.findall(r"(\d+) (passed|failed|skipped|errors?)\b", last)
    if not found:
        raise ValueError(f"pytest's last line is {last!r}; expected counts of tests.")
    return {name: int(count) for count, name in found}


def main(arguments: Sequence[str] | None = None) -> list[dict[str, object]]:
    chosen = _peers.parser(__doc__).parse_args(arguments)
    lines = Lines("kernels_host")
    tests = HOST / "test_emulation.py" if chosen.smoke else HOST
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    made = subprocess.run(
        [*command, str(tests)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    counts = counted(made.stdout)
    budget = json.loads((HOST / "budget.json").read_text("utf-8"))
    files = sorted((ROOT / "kernels").rglob("*.cu"))
    lines.emit(
        shape=f"{len(files)} kernel files",
        contender="tests/host",
        **counts,
        cpu_seconds=round(seconds, 1),
        kernels=sum(len(kernels) for kernels in budget.values()),
    )
    failed = sum(counts.get(name, 0) for name in ("failed", "error", "errors"))
    skipped = counts.get("skipped", 0)
    note = f"{counts.get('passed', 0)} pass, {skipped} skipped"
    lines.goal("P9", "failures", failed, note)
    covered = len(budget) == len(files)
    what = f"{len(budget)} of {len(files)} kernel files in tests/host/budget.json"
    lines.goal("P9", "spills", spilled(budget) if covered else None, what)
    lines.goal("P9", "seconds", seconds / len(files), f"{len(files)} kernel files")
    return lines.all


if __name__ == "__main__":
    main()
