"""Run the benchmarks of all rows, print pass or miss, and write a record.

    python benchmarks/run.py [ROW ...] [--peers FOLDER ...] [--record] [--compile]

Each benchmark has a process of its own. The exit status is 1 if a gate is missed: gates
are wider than targets, so that a busy machine is no alarm.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import _machine
import _peers

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RECORDS = ROOT / "book" / "records"
ON_GPU = {"rational_gpu"}
"""Benchmarks that `make gpu` runs."""


def number(value: float | None, unit: str = "") -> str:
    """Return a measured number in at most three digits that count.

    Example:
        >>> number(4.2345, "×"), number(0.0), number(1.5e-7), number(None)
        ('4.23×', '0', '1.5e-07', '–')
    """
    return "–" if value is None else f"{value:.3g}{unit}"


def table(goals: Sequence[Mapping[str, Any]]) -> str:
    """Return the goals as lines: row, verdict, measured, target, and what it is."""
    lines = []
    for goal in goals:
        measured, verdict = number(goal["measured"], goal["unit"]), goal["verdict"]
        if goal["gate_held"] is False:
            verdict += ", gate missed"
        bound = f"{goal['sense']} {number(goal['target'], goal['unit'])}"
        lines.append(
            f"{goal['row']:3} {verdict:18} {measured:>9}  target {bound:9} "
            f"{goal['what']} ({goal['note']})"
        )
    return "\n".join(lines)


def record_name(device: str, day: str) -> str:
    """Return a record's file name: the processor, the day.

    Example:
        >>> record_name("AMD EPYC (cpu family 26, model 2)", "2026-03-04")
        'cpu-amd-epyc-cpu-family-26-model-2-2026-03-04.json'
    """
    words = re.findall(r"[a-z0-9]+", device.lower())
    return f"cpu-{'-'.join(words)}-{day}.json"


def record(lines: Sequence[dict[str, Any]], head: dict[str, Any], command: str) -> str:
    """Return a record as text: the head, the goals, and everything measured.

    The measurements are one a line, so that a difference between two records reads.
    """
    parts = {
        "goals": [line for line in lines if "goal" in line],
        "measurements": [line for line in lines if "goal" not in line],
    }
    text = json.dumps({**head, "command": command}, indent=1, ensure_ascii=False)
    for name, rows in parts.items():
        listed = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in rows)
        text = text.rstrip("\n}") + f',\n "{name}": [\n  {listed}\n ]\n}}\n'
    return text


def told(arguments: argparse.Namespace) -> str:
    """Return the command of a record; a peer's folder by the peer's name only."""
    words = ["make bench RECORD=1"]
    if arguments.peers:
        names = " ".join(
            f"FOLDER/{name}" for name in _peers.find(arguments.peers).folders
        )
        words.append(f'PEERS="{names}"')
    if arguments.compile:
        words.append("COMPILE=1")
    return " ".join(words)


def run(benchmark: str, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Run one benchmark in a process of its own and return its lines."""
    command = [sys.executable, str(HERE / f"{benchmark}.py")]
    command += ["--smoke"] if arguments.smoke else []
    command += (
        ["--compile"] if arguments.compile and benchmark == "rational_cpu" else []
    )
    command += ["--peers", *map(str, arguments.peers)] if arguments.peers else []
    print(f"{benchmark} ...", file=sys.stderr, flush=True)
    made = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if made.returncode:
        raise SystemExit(f"benchmarks/{benchmark}.py failed; what it says is above.")
    return [json.loads(line) for line in made.stdout.splitlines()]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _peers.parser(__doc__)
    parser.add_argument(
        "rows", nargs="*", metavar="ROW", help="such as P1; all if none"
    )
    parser.add_argument("--record", action="store_true", help=f"write {RECORDS.name}/")
    parser.add_argument("--compile", action="store_true", help="with torch.compile")
    chosen = parser.parse_args(arguments)
    targets = json.loads((HERE / "targets.json").read_text("utf-8"))
    unknown = set(chosen.rows) - targets.keys()
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(targets)}")
    if chosen.record and (chosen.rows or chosen.smoke):
        parser.error("--record goes with all rows at full size")
    _peers.find(chosen.peers)
    head = _machine.head(ROOT)
    wanted = {
        row["benchmark"]
        for name, row in targets.items()
        if not chosen.rows or name in chosen.rows
    } - ON_GPU
    lines = [line for name in sorted(wanted) for line in run(name, chosen)]
    goals = sorted((line for line in lines if "goal" in line), key=lambda x: x["row"])
    print(
        f"{head['device']}, {head['cores']} cores, one thread, load {head['load'][0]}"
    )
    print(table(goals))
    if chosen.record:
        RECORDS.mkdir(exist_ok=True)
        path = RECORDS / record_name(head["device"], head["date"])
        path.write_text(record(lines, head, told(chosen)), "utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return int(any(goal["gate_held"] is False for goal in goals))


if __name__ == "__main__":
    sys.exit(main())
