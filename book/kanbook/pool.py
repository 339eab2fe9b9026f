"""Where notebooks run: threads that each watch a process, or the workers of Dask."""

import queue
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager

from kanbook.progress import Progress
from kanbook.reports import Task
from kanbook.supervise import Job, Outcome, run_one


def outcomes(
    jobs: Mapping[Task, Job],
    workers: int,
    scheduler: str | None,
    progress: Progress,
) -> Generator[tuple[Task, Outcome]]:
    """Yield each outcome as it comes; end the kernels if the caller leaves.

    Args:
        jobs: What to run.
        workers: How many at the same time here.
        scheduler: Address of a Dask scheduler, None to run them here.
        progress: Told of every cell that ends here.
    """
    if not jobs:
        return
    stop = threading.Event()
    began: dict[str, float] = {}

    def here(job: Job) -> Outcome:
        began[job.name] = time.perf_counter()
        try:
            return run_one(job, progress.cell, stop)
        finally:
            del began[job.name]

    with _pool(workers, scheduler) as pool:
        # A thread that only watches is enough: each notebook has a process of its own.
        call = here if scheduler is None else run_one
        waiting: dict[Future[Outcome], Task] = {
            pool.submit(call, job): task for task, job in jobs.items()
        }
        # A queue without Python locks: Ctrl-C inside `concurrent.futures.wait` could
        # leave a future locked, and then its thread would never end.
        ended: queue.SimpleQueue[Future[Outcome]] = queue.SimpleQueue()
        for future in waiting:
            future.add_done_callback(ended.put)
        try:
            while waiting:
                one = _next(ended)
                now = time.perf_counter()
                progress.tick({name: now - at for name, at in list(began.items())})
                if one is not None:
                    task = waiting.pop(one)
                    yield task, _outcome(jobs[task], one)
        finally:
            stop.set()
            for future in waiting:
                future.cancel()


def _next(ended: "queue.SimpleQueue[Future[Outcome]]") -> "Future[Outcome] | None":
    try:
        return ended.get(timeout=0.5)
    except queue.Empty:
        return None


def _outcome(job: Job, future: "Future[Outcome]") -> Outcome:
    try:
        return future.result()
    except Exception as error:
        # A full disk or a lost cluster worker is this chapter's trouble only.
        return Outcome(
            "error",
            f"{job.name}: could not be run: {type(error).__name__}: {error}; expected "
            "an executed notebook. Run again once the cause is gone.",
        )


@contextmanager
def _pool(workers: int, scheduler: str | None) -> Iterator[Executor]:
    if scheduler is None:
        with ThreadPoolExecutor(workers) as pool:
            yield pool
        return
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"execute: scheduler is {scheduler!r}, but distributed is not installed; "
            'expected the extra "cluster". Run: pip install "kanlib[cluster]"'
        ) from error
    try:
        client = Client(scheduler, timeout=20)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"execute: no Dask scheduler answers at {scheduler!r} ({error}); expected "
            "an address such as tcp://host:8786. Start one with: dask scheduler"
        ) from error
    with client, client.get_executor() as pool:
        yield pool
