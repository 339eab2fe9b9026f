"""Execute chapters: once each, in parallel, skipping those whose result still holds."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat

from kanbook.chapters import Chapter
from kanbook.files import write_whole
from kanbook.key import components, reason
from kanbook.pool import outcomes
from kanbook.progress import Progress
from kanbook.refresh import text_of, with_outputs
from kanbook.reports import (
    Execution,
    Task,
    executed_folder,
    execution_of,
    read_report,
    settle,
)
from kanbook.supervise import Job, Outcome, has_tag

# Seconds that a chapter may take: `book` aims at 30, a full run may go on overnight.
TIMEOUTS = {"smoke": 600.0, "book": 1800.0, "full": 12 * 3600.0}
MEMORY_MIB = 6144.0


def execute(
    chapters: Sequence[Chapter],
    *,
    profile: str = "book",
    workers: int = 2,
    timeout: float | None = None,
    memory_mib: float = MEMORY_MIB,
    fresh: bool = False,
    parameters: Mapping[str, Any] | None = None,
    scheduler: str | None = None,
    out: Path | None = None,
) -> list[Execution]:
    """Run each chapter whose result no longer holds and return what came of all.

    A chapter that fails in whatever way never stops another. Files are written whole or
    not at all, so a call after an interruption takes up where the last one ended.

    Args:
        chapters: What to run.
        profile: smoke, book or full; injected unless it is book, the notebooks' own.
        workers: How many notebooks run at the same time here.
        timeout: Seconds for one chapter; by default 600, 1800 or 43200 by profile.
        memory_mib: Memory for one chapter's kernel and its children.
        fresh: Run all, changed or not.
        parameters: Further values for the cell tagged `parameters`.
        scheduler: Address of a Dask scheduler that shares this file system; its workers
            run the notebooks instead of this machine.
        out: Where executed copies and reports go.

    Returns:
        One execution per chapter, in the order of `chapters`.

    Raises:
        ValueError: `profile` is none of the three, "expected one of"; `workers`,
            `timeout` or `memory_mib` is not above 0.
        ModuleNotFoundError: `scheduler` is given without the extra `cluster`.
        KeyboardInterrupt: After the running kernels were ended.
    """
    _check(profile, workers, timeout, memory_mib)
    injected = dict(parameters or {})
    if profile != "book":
        injected["profile"] = profile
    results: dict[Chapter, Execution] = {}
    jobs: dict[Task, Job] = {}
    for chapter in chapters:
        folder = out or executed_folder(chapter.root, profile)
        executed = folder / chapter.part / f"{chapter.slug}.ipynb"
        task = Task(chapter, executed, profile)
        try:
            notebook = _read(chapter, injected)
        except ValueError as error:
            results[chapter] = settle(task, Outcome("error", str(error)))
            continue
        parts = components(notebook, chapter.root, profile, injected)
        task = replace(task, parts=parts, why=_why(task, notebook, parts, fresh))
        known = None if task.why else execution_of(chapter, executed)
        if known is not None:
            results[chapter] = known
            continue
        jobs[task] = Job(
            name=chapter.name,
            root=str(chapter.root),
            folder=str(chapter.path.parent),
            notebook=notebook,
            parameters=injected,
            timeout=timeout or TIMEOUTS[profile],
            memory_mib=memory_mib,
            one_thread=profile != "full",
        )
    cells = {job.name: len(job.notebook["cells"]) for job in jobs.values()}
    with Progress(cells) as progress:
        for chapter, execution in results.items():
            progress.end(chapter.name, execution.line())
        # Closed at once when this call is interrupted: that ends the kernels.
        with closing(outcomes(jobs, workers, scheduler, progress)) as ended:
            for task, outcome in ended:
                execution = results[task.chapter] = settle(task, outcome)
                progress.end(task.chapter.name, execution.line())
    return [results[chapter] for chapter in chapters]


def _check(
    profile: str, workers: int, timeout: float | None, memory_mib: float
) -> None:
    if profile not in TIMEOUTS:
        raise ValueError(
            f"execute: profile is {profile!r}; expected one of {', '.join(TIMEOUTS)}."
        )
    limits = {"workers": workers, "timeout": timeout, "memory_mib": memory_mib}
    for name, value in limits.items():
        if value is not None and not value > 0:
            raise ValueError(f"execute: {name} is {value}; expected a number above 0.")


def _read(chapter: Chapter, injected: Mapping[str, Any]) -> dict[str, Any]:
    """Return the notebook, or raise ValueError in words that help."""
    try:
        text = chapter.path.read_text("utf-8")
        notebook = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook)
    except FileNotFoundError:
        raise ValueError(
            f"{chapter.name}: {chapter.path} is missing; expected a notebook, because "
            f"_toc.yml or the caller names it. Write it with: kanbook new-chapter "
            f"{chapter.name}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{chapter.name}: cannot read the notebook: {error}") from None
    except Exception as error:
        # nbformat has a dozen exceptions of its own, without a common base.
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"{chapter.name}: {chapter.path} is no notebook ({first[:200]}); expected "
            "nbformat 4 JSON. Restore it from git."
        ) from None
    if injected and not any(has_tag(cell, "parameters") for cell in notebook.cells):
        raise ValueError(
            f"{chapter.name}: no cell is tagged parameters; expected one, because "
            f"{', '.join(injected)} shall be set. Tag the cell that sets the profile."
        )
    return dict(notebook)


def _why(
    task: Task,
    notebook: Mapping[str, Any],
    parts: Mapping[str, str],
    fresh: bool,
) -> str:
    """Say why to run; else bring the executed copy's prose up to date and say ""."""
    if fresh:
        return "a fresh run was asked for"
    why = reason(read_report(task.executed), parts)
    if why:
        return why
    try:
        old = task.executed.read_text("utf-8")
        text = text_of(with_outputs(notebook, nbformat.reads(old, as_version=4)))
        if text != old:
            write_whole(task.executed, text)
    except (OSError, ValueError) as error:
        return f"its executed copy cannot be used ({error})"
    return ""
