"""Executed copies, the reports beside them, and what a caller learns of both."""

import json
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kanbook.chapters import Chapter
from kanbook.files import write_whole
from kanbook.key import installed, key
from kanbook.refresh import normalized, text_of
from kanbook.supervise import Outcome


@dataclass(frozen=True)
class Execution:
    """What is known of one chapter after `execute`.

    Args:
        chapter: The chapter.
        executed: Its executed copy; the file is missing if no cell could run.
        status: ok, failed (a cell raised), timeout, memory, killed or error.
        message: Empty when ok; else what, got, expected and the next step.
        why: Why it ran, or "" when the earlier result still held.
        seconds: Wall time.
        cpu_seconds: CPU time of the kernel.
        peak_mib: Largest resident memory of the kernel.
    """

    chapter: Chapter
    executed: Path
    status: str
    message: str
    why: str
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mib: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether every cell ran."""
        return self.status == "ok"

    def line(self) -> str:
        """One line for a person."""
        if not self.ok:
            return f"{self.status:>7}  {self.message}"
        used = f"{self.seconds:.1f} s, {self.cpu_seconds:.1f} CPU s"
        used += f", {self.peak_mib:.0f} MiB"
        why = f"because {self.why}" if self.why else "unchanged, not run again"
        return f"{'ok':>7}  {self.chapter.name}: {used} ({why})"


def executed_folder(root: Path, profile: str = "book") -> Path:
    """Return where executed copies lie; only those of `book` are on the pages."""
    return (
        root / "_build" / ("executed" if profile == "book" else f"executed-{profile}")
    )


def report_path(executed: Path) -> Path:
    """Return the report that lies beside an executed copy."""
    return executed.with_suffix(".json")


def read_report(executed: Path) -> dict[str, Any] | None:
    """Return the report beside an executed copy, None if there is none to read."""
    try:
        report = json.loads(report_path(executed).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return report if isinstance(report, dict) else None


def execution_of(chapter: Chapter, executed: Path, why: str = "") -> Execution | None:
    """Return the last execution of a chapter from its report."""
    report = read_report(executed)
    if report is None:
        return None
    numbers = {name: report[name] for name in ("seconds", "cpu_seconds", "peak_mib")}
    return Execution(
        chapter, executed, report["status"], report["message"], why, **numbers
    )


@dataclass(frozen=True)
class Task:
    """One chapter that is to run, and why.

    Args:
        chapter: The chapter.
        executed: Where its executed copy goes.
        profile: The profile it runs at.
        parts: The components of its content key.
        why: What changed.
    """

    chapter: Chapter
    executed: Path
    profile: str
    parts: Mapping[str, str] = field(default_factory=dict, hash=False)
    why: str = ""


def settle(task: Task, outcome: Outcome) -> Execution:
    """Write executed copy and report; a full disk becomes the chapter's status.

    Args:
        task: What ran.
        outcome: What came of it.

    Returns:
        The execution, of status error if its files could not be written.
    """
    status, message = outcome.status, outcome.message
    try:
        # The old report must not vouch for a new copy, so it goes first.
        report_path(task.executed).unlink(missing_ok=True)
        if outcome.notebook is not None:
            write_whole(task.executed, text_of(normalized(outcome.notebook)))
        else:
            task.executed.unlink(missing_ok=True)
        text = json.dumps(_report(task, outcome), indent=1) + "\n"
        write_whole(report_path(task.executed), text)
    except OSError as error:
        status = "error"
        message = (
            f"{task.chapter.name}: cannot write {task.executed}: "
            f"{error.strerror or error}; expected room for the executed copy. "
            "Free some space and run again."
        )
    numbers = (outcome.seconds, outcome.cpu_seconds, outcome.peak_mib)
    return Execution(task.chapter, task.executed, status, message, task.why, *numbers)


def _report(task: Task, outcome: Outcome) -> dict[str, Any]:
    return {
        "chapter": task.chapter.name,
        "key": key(task.parts),
        "components": dict(task.parts),
        "profile": task.profile,
        "why": task.why,
        "status": outcome.status,
        "message": outcome.message,
        "seconds": outcome.seconds,
        "cpu_seconds": outcome.cpu_seconds,
        "peak_mib": outcome.peak_mib,
        "cell_seconds": outcome.cell_seconds,
        "versions": versions(task.chapter.root),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def versions(root: Path) -> dict[str, str]:
    """Return the versions that a result is stamped with, the commit if git knows it."""
    result = {"python": platform.python_version()}
    result |= {name: installed(name) for name in ("torch", "numpy", "kanlib")}
    commit = commit_of(root)
    return result | ({"commit": commit} if commit else {})


def commit_of(root: Path) -> str:
    """Return the commit of a book, marked if files differ; empty outside git."""
    describe = ["describe", "--always", "--exclude=*", "--abbrev=12"]
    try:
        return subprocess.run(
            ["git", "-C", str(root), *describe, "--dirty=+changes"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
