"""Watch over one notebook: start its worker, and end it when it takes too much.

`run_one` is a plain function of a picklable job, so that a thread of this process or a
worker of a Dask cluster can call it alike.
"""

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil

POLL_SECONDS = 0.3
# How long the worker may take to hand over what it has after its kernel was killed.
GRACE_SECONDS = 15.0
THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR")


@dataclass(frozen=True)
class Job:
    """Everything that a worker needs to know about one chapter.

    Args:
        name: The chapter, `part/slug`.
        root: The book's root, kept out of the kernel's import path.
        folder: The kernel's working directory.
        notebook: The notebook as nbformat's dictionary.
        parameters: What papermill injects after the `parameters` cell.
        timeout: Seconds from start to end.
        memory_mib: Resident memory that kernel and children may take together.
        one_thread: Whether the numerical libraries compute with one thread.
    """

    name: str
    root: str
    folder: str
    notebook: dict[str, Any]
    parameters: dict[str, Any]
    timeout: float
    memory_mib: float
    one_thread: bool


@dataclass
class Outcome:
    """What came of a job; `notebook` is None if the kernel never started."""

    status: str
    message: str
    notebook: dict[str, Any] | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mib: float = 0.0
    cell_seconds: dict[str, float] = field(default_factory=dict)


def kernel_environment(job: Job, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which a chapter computes the same numbers everywhere.

    Args:
        job: Whose root leaves `PYTHONPATH`: a folder named `kernels` lies there, which
            would hide an installed package of that name.
        inherited: The environment of the caller, `KANLIB_DATA` among it.

    Returns:
        The environment of worker and kernel.
    """
    result = dict(inherited) | {"PYTHONHASHSEED": "0"}
    if job.one_thread:
        result |= {f"{library}_NUM_THREADS": "1" for library in THREADS}
    if "KANLIB_DATA" in result:
        # It may be relative to the caller's folder, which is not the kernel's.
        result["KANLIB_DATA"] = str(Path(result["KANLIB_DATA"]).absolute())
    paths = result.pop("PYTHONPATH", "").split(os.pathsep)
    kept = [p for p in paths if p and Path(p).resolve() != Path(job.root).resolve()]
    if kept:
        result["PYTHONPATH"] = os.pathsep.join(kept)
    return result


def run_one(
    job: Job,
    progress: Callable[[str, int], None] | None = None,
    stop: threading.Event | None = None,
) -> Outcome:
    """Execute one notebook in a process of its own and return what came of it.

    Args:
        job: The notebook and its limits.
        progress: Called with the name and the index of each cell that ended.
        stop: When set, the worker is killed and the outcome is `interrupted`.

    Returns:
        An outcome, whatever happened to kernel and worker.
    """
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        worker = subprocess.Popen(
            [sys.executable, "-P", "-m", "kanbook.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            encoding="utf-8",
            cwd=job.folder,
            env=kernel_environment(job, os.environ),
            # Ctrl-C reaches the caller only, which then ends the workers in order.
            start_new_session=True,
        )
        try:
            outcome = _watch(worker, job, progress, stop, began, log)
        finally:
            _kill_children(worker.pid)
            worker.kill()
            worker.wait()
            for pipe in (worker.stdin, worker.stdout):
                if pipe:
                    with contextlib.suppress(OSError):
                        pipe.close()
    outcome.seconds = round(time.perf_counter() - began, 2)
    return outcome


def _watch(
    worker: "subprocess.Popen[str]",
    job: Job,
    progress: Callable[[str, int], None] | None,
    stop: threading.Event | None,
    began: float,
    log: IO[str],
) -> Outcome:
    assert worker.stdin is not None
    assert worker.stdout is not None
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(
        target=_drain, args=(worker.stdout, lines), name=f"read {job.name}", daemon=True
    ).start()
    with contextlib.suppress(BrokenPipeError):
        sent = {"notebook": job.notebook, "parameters": job.parameters}
        worker.stdin.write(json.dumps(sent | {"folder": job.folder}) + "\n")
        worker.stdin.flush()
    cell, peak, verdict, looked, killed_at = -1, 0.0, "", 0.0, 0.0
    while True:
        try:
            line = lines.get(timeout=POLL_SECONDS)
        except queue.Empty:
            line = ""
        if line is None:
            break
        event: dict[str, Any] = json.loads(line) if line else {"event": ""}
        if event["event"] == "start":
            cell = event["index"]
        elif event["event"] == "cell" and progress:
            progress(job.name, event["index"])
        elif event["event"] == "done":
            return _finished(event, job, cell, peak, verdict, log)
        now = time.perf_counter()
        if stop is not None and stop.is_set():
            return Outcome("interrupted", f"{job.name}: interrupted")
        if now - looked < POLL_SECONDS:
            continue
        looked, used = now, _memory_mib(worker.pid)
        peak = max(peak, used)
        if not verdict:
            if now - began > job.timeout:
                verdict = "timeout"
            elif used > job.memory_mib:
                verdict = "memory"
            if verdict:
                # Only the kernel: the worker still hands over the cells that ended.
                _kill_children(worker.pid)
                killed_at = now
        elif now - killed_at > GRACE_SECONDS:
            break
    status = verdict or "error"
    message = _explain(
        status, "the worker ended without a result", job, cell, peak, log
    )
    return Outcome(status, message, peak_mib=round(peak, 1))


def _finished(
    event: dict[str, Any], job: Job, cell: int, peak: float, verdict: str, log: IO[str]
) -> Outcome:
    status = verdict or event["status"]
    peak = max(peak, event["peak_mib"])
    message = "" if status == "ok" else event["message"]
    if status != "ok":
        message = _explain(status, message, job, cell, peak, log)
    return Outcome(
        status,
        message,
        notebook=event["notebook"],
        cpu_seconds=event["cpu_seconds"],
        peak_mib=round(peak, 1),
        cell_seconds=event["cell_seconds"],
    )


def _explain(
    status: str, got: str, job: Job, cell: int, peak: float, log: IO[str]
) -> str:
    """Word what happened: what, got, expected, next step."""
    where = _cell_name(job, cell)
    look = "Open the chapter in Jupyter and run its cells up to that one."
    if status == "failed":
        got = "\n    ".join(got.splitlines()[:6])[:600]
        return f"{job.name}: {where} raised {got}; expected it to run. {look}"
    if status == "timeout":
        return (
            f"{job.name}: still in {where} after {job.timeout:g} s; expected the whole "
            f"chapter to end by then. {look} If it only needs longer, give --timeout."
        )
    if status == "memory":
        return (
            f"{job.name}: {where} took {peak:.0f} MiB; expected at most "
            f"{job.memory_mib:.0f} MiB. Make its arrays smaller, or give --memory."
        )
    if status == "killed":
        return (
            f"{job.name}: the kernel died in {where} (peak {peak:.0f} MiB); expected "
            "it to live. The system kills a process when memory runs out; else "
            f"compiled code crashed. {look}{_tail(log)}"
        )
    return f"{job.name}: {got}; expected an executed notebook.{_tail(log)}"


def _cell_name(job: Job, index: int) -> str:
    if index < 0:
        return "the start of the kernel"
    cells = list(job.notebook["cells"])
    if job.parameters:
        # Papermill puts its own cell right after the one tagged `parameters`.
        tagged = [i for i, c in enumerate(cells) if has_tag(c, "parameters")]
        cells.insert(tagged[0] + 1, {"source": "# injected parameters"})
    lines = [line for line in cells[index]["source"].splitlines() if line.strip()]
    return f"cell {index + 1} ({lines[0].strip()[:50] if lines else ''})"


def has_tag(cell: Mapping[str, Any], tag: str) -> bool:
    """Whether a cell carries a tag."""
    return tag in cell.get("metadata", {}).get("tags", [])


def _tail(log: IO[str]) -> str:
    log.seek(0)
    lines = [line for line in log.read().splitlines() if line.strip()][-6:]
    return "\n    " + "\n    ".join(lines) if lines else ""


def _drain(stream: IO[str], lines: "queue.Queue[str | None]") -> None:
    with contextlib.suppress(ValueError, OSError):
        for line in stream:
            lines.put(line)
    lines.put(None)


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _memory_mib(pid: int) -> float:
    total = 0
    for child in _children(pid):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            total += child.memory_info().rss
    return total / 2**20


def _kill_children(pid: int) -> None:
    for process in _children(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
