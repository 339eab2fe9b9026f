"""What measurements on a GPU need: a clock, and a record that survives a cut run."""

import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _machine
import torch

SECTIONS: dict[str, type] = {
    "tests": dict,
    "sanitizer": dict,
    "goals": list,
    "measurements": list,
}
"""What a record holds after its head; each is there from the start, empty."""

HEAD = ("device", "driver", "cuda", "date", "commit", "changed", "sources", "versions")
COLD_BYTES = 1 << 28
"""Written before each timed call: more than four times any second-level cache."""


@dataclass
class Record:
    """A JSON file that is whole after every `add`, however the run ends."""

    path: Path
    content: dict[str, Any]

    @classmethod
    def at(cls, path: Path, head: Mapping[str, Any]) -> "Record":
        """Continue the record of the same device, day and sources, or begin anew."""
        content = {**head, **{name: kind() for name, kind in SECTIONS.items()}}
        if path.exists():
            old = json.loads(path.read_text("utf-8"))
            keys = ("device", "driver", "date", "commit", "sources")
            if all(old.get(key) == head[key] for key in keys):
                content = old
        return cls(path, content)

    def add(self, section: str, found: Any) -> None:
        """Put what was found in place of what the section held, and write the file."""
        if not isinstance(found, SECTIONS[section]):
            raise TypeError(
                f"{section} is a {type(found).__name__}; "
                f"expected {SECTIONS[section].__name__}"
            )
        self.content[section] = found
        self.write()

    def write(self) -> None:
        """Replace the file in one step: a reader sees the old one or the new one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.content, indent=1, ensure_ascii=False) + "\n"
        fresh = self.path.with_suffix(".json.new")
        fresh.write_text(text, "utf-8")
        os.replace(fresh, self.path)


def problems(record: Mapping[str, Any]) -> list[str]:
    """Return what keeps a record from being one; empty if nothing does."""
    found = [f"{key!r} is missing" for key in HEAD if key not in record]
    for name, kind in SECTIONS.items():
        if not isinstance(record.get(name), kind):
            found.append(f"{name!r} is no {kind.__name__}")
    return found


def record_name(device: str, day: str) -> str:
    """Return a record's file name.

    Example:
        >>> record_name("NVIDIA H100 80GB HBM3", "2026-03-04")
        'nvidia-h100-80gb-hbm3-2026-03-04.json'
    """
    words = "".join(c if c.isalnum() else " " for c in device.lower()).split()
    return f"{'-'.join(words)}-{day}.json"


def head(root: Path, commit: str = "", dry: bool = False) -> dict[str, Any]:
    """Return the head of a record made on this machine's GPU, or a dry run's.

    Args:
        root: The checkout.
        commit: What to write where the folder is no git checkout.
        dry: Describe the processor, even where there is a GPU.
    """
    found = _machine.head(root)
    found |= {"processor": found["device"], "driver": "", "cuda": torch.version.cuda}
    found["commit"] = found["commit"] or commit
    found["versions"] = _machine.versions(("torch", "numpy", "triton"))
    if torch.cuda.is_available() and not dry:
        import cupy

        about = torch.cuda.get_device_properties(0)
        found |= {
            "device": about.name,
            "multiprocessors": about.multi_processor_count,
            "memory_gib": round(about.total_memory / 2**30, 1),
            "driver": driver(),
        }
        found["versions"]["cupy"] = cupy.__version__
    return found


def driver(tool: str = "nvidia-smi") -> str:
    """Return the driver's version; "" where no tool tells."""
    command = [tool, "--query-gpu=driver_version", "--format=csv,noheader", "-i", "0"]
    try:
        made = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return made.stdout.strip() if made.returncode == 0 else ""


class CudaClock:
    """Milliseconds of a call on the device, its cache emptied before.

    Emptying takes the device longer than Python needs to launch a call, so that
    launches wait in the queue and their own cost stays outside the two events.
    """

    def __init__(self) -> None:
        self._cold = torch.empty(COLD_BYTES, dtype=torch.int8, device="cuda")
        self._events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]

    def __call__(self, call: Callable[[], object]) -> float:
        start, end = self._events
        self._cold.zero_()
        start.record()
        call()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end))


def processor_clock(call: Callable[[], object]) -> float:
    """Milliseconds of a call on the processor: for dry runs."""
    start = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - start)


def interleaved(
    calls: Mapping[str, Callable[[], object]],
    clock: Callable[[Callable[[], object]], float],
    rounds: int = 60,
    least: int = 5,
    seconds: float = 10.0,
) -> dict[str, list[float]]:
    """Time contenders in turns: each once a round, after two rounds to warm up.

    Args:
        calls: What is timed, by name.
        clock: Takes a call and returns its milliseconds.
        rounds: How many times each is called.
        least: How many even when the time is up.
        seconds: What all rounds may take; a slow contender gets fewer.
    """
    for call in [*calls.values()] * 2:
        clock(call)
    times: dict[str, list[float]] = {name: [] for name in calls}
    begun = time.perf_counter()
    for done in range(rounds):
        if done >= least and time.perf_counter() - begun > seconds:
            break
        for name, call in calls.items():
            times[name].append(clock(call))
    return times


def facts(times: list[float]) -> dict[str, float]:
    """Return what a measurement holds of its times."""
    return {
        "ms": round(statistics.median(times), 5),
        "fastest_ms": round(min(times), 5),
        "slowest_ms": round(max(times), 5),
        "rounds": len(times),
    }
