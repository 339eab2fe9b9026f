"""What all benchmarks share: taking turns, medians, targets, and lines of JSON.

Needs torch and the standard library alone, so that a machine with a GPU can use it as
it is.
"""

import json
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TURN = 2e-3
"""Seconds that a turn lasts at least, by calling again what is faster."""
COLD = 50e-3
"""Seconds from which a contender needs no call that warms the cache for it."""


@dataclass
class Times:
    """Seconds of one contender, one entry a round: of its thread, of the clock."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The median of the thread's CPU time: what ratios are formed of."""
        return statistics.median(self.cpu)

    def facts(self) -> dict[str, float]:
        """What a line of the record holds, in milliseconds."""
        return {
            "cpu_ms": round(1e3 * self.median, 4),
            "fastest_cpu_ms": round(1e3 * min(self.cpu), 4),
            "wall_ms": round(1e3 * statistics.median(self.wall), 4),
            "rounds": len(self.cpu),
        }


def interleaved(
    calls: Mapping[str, Callable[[], object]],
    rounds: int = 15,
    least: int = 5,
    seconds: float = 30.0,
) -> dict[str, Times]:
    """Time contenders in turns, so that a change of the machine hits all alike.

    A round calls each of them, and the next round begins with another. A contender
    faster than 50 ms gets one call before its turn that is not timed, so that nobody
    pays for the cache that a neighbor emptied; one faster than 2 ms is called often
    enough to last as long.

    Args:
        calls: What is timed, by name.
        rounds: How many rounds, after two that are not counted.
        least: How many of them even when the time is up.
        seconds: What all rounds may take, by the clock.

    Raises:
        RuntimeError: a contender worked in other threads, whose time is not counted.
    """
    names, once = list(calls), {}
    for name in names * 2:
        start = time.perf_counter()
        calls[name]()
        once[name] = time.perf_counter() - start
    times = {name: Times() for name in names}
    begun = time.perf_counter()
    for number in range(rounds):
        if number >= least and time.perf_counter() - begun > seconds:
            break
        first = number % len(names)
        for name in names[first:] + names[:first]:
            _turn(name, calls[name], once[name], times[name])
    return times


def _turn(name: str, call: Callable[[], object], once: float, times: Times) -> None:
    repeats = max(1, math.ceil(TURN / max(once, 1e-6)))
    if once < COLD:
        call()
    wall, cpu, all_threads = time.perf_counter(), time.thread_time(), _process_time()
    for _ in range(repeats):
        call()
    all_threads = _process_time() - all_threads
    cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
    if all_threads > 1.5 * cpu + 5e-3:
        raise RuntimeError(
            f"{name}: {1e3 * cpu:.1f} ms in its own thread, {1e3 * all_threads:.1f} ms "
            "in all; expected one thread. Call torch.set_num_threads(1) first."
        )
    times.cpu.append(cpu / repeats)
    times.wall.append(wall / repeats)


_process_time = time.process_time


def difference(found: Any, expected: Any) -> float:
    """Return the largest difference of two tensors over the largest expected entry.

    NaN, or another shape, differs infinitely.
    """
    if found.shape != expected.shape:
        return math.inf
    scale = expected.abs().max().item() or 1.0
    largest = (found.double() - expected.double()).abs().max().item() / scale
    return math.inf if math.isnan(largest) else float(largest)


def equal_only(
    results: Mapping[str, Sequence[Any]], ours: Sequence[Any], tolerance: float
) -> dict[str, str]:
    """Return why contenders are disqualified: their results are not ours.

    Args:
        results: Name -> its tensors, in the order of ours.
        ours: The tensors that all are held against.
        tolerance: What `difference` may reach.
    """
    why = {}
    for name, tensors in results.items():
        pairs = zip(tensors, ours, strict=True)
        worst = max(difference(found, expected) for found, expected in pairs)
        if not worst <= tolerance:
            why[name] = f"results differ by {worst:.1e}; allowed {tolerance:.0e}"
    return why


# --- targets -----------------------------------------------------------------------


def reached(measured: float, sense: str, bound: float) -> bool:
    """Return whether a number is on the good side of a bound, or on it."""
    if sense not in (">=", "<="):
        raise ValueError(f"reached: sense is {sense!r}; expected '>=' or '<='.")
    return measured >= bound if sense == ">=" else measured <= bound


def judged(
    row: str, goal: str, measured: float | None, note: str, targets: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the line that holds a measurement against its target and its gate.

    Args:
        row: Such as "P1".
        goal: Its name in `targets.json`.
        measured: None if it could not be measured.
        note: Where it was measured, or why not.
        targets: What `targets.json` holds.
    """
    known = targets[row]["goals"][goal]
    line = {"row": row, "goal": goal, **known, "measured": measured, "note": note}
    if measured is None or math.isnan(measured):
        return line | {"measured": None, "verdict": "not measured", "gate_held": None}
    passed = reached(measured, known["sense"], known["target"])
    return line | {
        "verdict": "pass" if passed else "miss",
        "gate_held": reached(measured, known["sense"], known["gate"]),
    }


class Lines:
    """Prints what a benchmark finds as lines of JSON, and keeps them."""

    def __init__(self, benchmark: str, targets: Mapping[str, Any] | None = None):
        self.benchmark, self.all = benchmark, list[dict[str, Any]]()
        self.targets = targets or json.loads((HERE / "targets.json").read_text("utf-8"))

    def emit(self, **facts: Any) -> None:
        """Print one measurement."""
        self._print({"benchmark": self.benchmark, **facts})

    def times(
        self, shape: str, what: str, times: Mapping[str, Times], ours: str, **more: Any
    ) -> None:
        """Print one line for each contender, with its time over ours."""
        for name, found in times.items():
            over = found.median / times[ours].median
            self.emit(
                shape=shape,
                what=what,
                contender=name,
                **found.facts(),
                of_ours=round(over, 4),
                **more.get(name, {}),
            )

    def disqualified(self, shape: str, why: Mapping[str, str]) -> None:
        """Print one line for each contender that is left out, with the reason."""
        for name, reason in why.items():
            self.emit(shape=shape, contender=name, disqualified=reason)

    def goal(self, row: str, goal: str, measured: float | None, note: str = "") -> None:
        """Print one measurement beside its target."""
        self._print(judged(row, goal, measured, note, self.targets))

    def _print(self, line: dict[str, Any]) -> None:
        self.all.append(line)
        print(json.dumps(line, ensure_ascii=False), flush=True)
