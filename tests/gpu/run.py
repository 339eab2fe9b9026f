"""`make gpu`: tests and benchmarks on this machine's GPU, written as a record.

Needs torch, NumPy, CuPy and pytest in the Python that runs it; installs and downloads
nothing. The record in book/records is written anew after every stage and, inside the
benchmark, after every measurement. All stages together end inside ten minutes.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SECONDS = {"tests": 240, "sanitizer": 50, "benchmark": 200}
NEEDED = ("torch", "numpy", "cupy", "pytest")


def paths() -> list[str]:
    """Return what the stages import from, the stand-in only where it is needed."""
    found = [str(ROOT), str(ROOT / "benchmarks")]
    return found + ([] if find_spec("jaxtyping") else [str(HERE / "stand_in")])


def stage(command: list[str], seconds: float, **options: object) -> tuple[int, str]:
    """Run one stage; its status (124 out of time), and what it printed if captured."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths())}
    try:
        made = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            timeout=seconds,
            check=False,
            text=True,
            **options,  # type: ignore[call-overload]
        )
    except subprocess.TimeoutExpired:
        return 124, f"stopped after {seconds:.0f} s"
    return made.returncode, made.stdout or ""


def tests() -> dict[str, object]:
    """Run every test marked `device`."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-c", str(HERE / "pytest.ini")]
        command += [f"--rootdir={ROOT}", f"--junitxml={report}"]
        status, why = stage([*command, "tests/gpu", "tests/host"], SECONDS["tests"])
        counts = counted(report.read_text("utf-8")) if report.exists() else {}
    seconds = round(time.monotonic() - begun, 1)
    return {**counts, "status": status, "seconds": seconds, "note": why}


def counted(report: str) -> dict[str, int]:
    """Return the numbers of a JUnit report."""
    suites = ElementTree.fromstring(report).iter("testsuite")
    total = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for suite in suites:
        for name in total:
            total[name] += int(suite.get(name, 0))
    return total


def sanitizer(tool: str, program: str | None) -> str:
    """Return what compute-sanitizer says: errors found, or why it did not run."""
    if program is None:
        return "not run: compute-sanitizer is not installed"
    command = [program, "--tool", tool, sys.executable, str(HERE / "sanitized.py")]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    status, said = stage(command, SECONDS["sanitizer"], **streams)
    return verdict(status, said)


def verdict(status: int, said: str) -> str:
    """Return compute-sanitizer's own summary, or that it refused, with its words."""
    summary = re.search(r"(?:ERROR|RACECHECK) SUMMARY: (.+)", said)
    refused = re.search(r"not supported|unsupported|Unable to|failed to", said, re.I)
    if summary and not refused and status == 0:
        return summary[1].strip()
    last = " / ".join(line.strip() for line in said.splitlines()[-3:])
    return f"did not finish (status {status}): {last}"[:400]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flashkat", type=Path, metavar="FOLDER")
    parser.add_argument("--commit", default="", help="where this is no git checkout")
    chosen = parser.parse_args()
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        print(
            f"make gpu: {sys.executable} lacks {', '.join(missing)}; expected torch >= "
            "2.6, NumPy, CuPy and pytest. Name another: make gpu PY=FOLDER/bin/python",
            file=sys.stderr,
        )
        return 2
    sys.path[:0] = paths()[:2]
    sys.path.extend(paths()[2:])
    import _gpu

    from kanlib.ops._cuda import cuda_refusals

    if reasons := cuda_refusals():
        print(
            "make gpu: no kernel can run here: " + "; ".join(reasons), file=sys.stderr
        )
        return 2
    head = _gpu.head(ROOT, chosen.commit)
    head["command"] = "make gpu" + (" FLASHKAT=FOLDER" if chosen.flashkat else "")
    if not find_spec("jaxtyping"):
        head["versions"]["jaxtyping"] = "a stand-in"
    file = _gpu.record_name(head["device"], head["date"])
    record = _gpu.Record.at(ROOT / "book" / "records" / file, head)
    record.add("tests", tests())
    program = shutil.which("compute-sanitizer")
    for tool in ("memcheck", "racecheck"):
        found = sanitizer(tool, program)
        print(f"compute-sanitizer {tool}: {found}", flush=True)
        record.add("sanitizer", {**record.content["sanitizer"], tool: found})
    command = [sys.executable, str(ROOT / "benchmarks" / "rational_gpu.py")]
    command += ["--record", str(record.path), "--commit", chosen.commit]
    command += ["--flashkat", str(chosen.flashkat)] if chosen.flashkat else []
    status, why = stage(command, SECONDS["benchmark"])
    print(f"{why or 'benchmark done'}; wrote {record.path.relative_to(ROOT)}")
    # A missed target is a result, and stands in the record; a failed test is not.
    return int(record.content["tests"]["status"] != 0 or status not in (0, 3, 124))


if __name__ == "__main__":
    sys.exit(main())
