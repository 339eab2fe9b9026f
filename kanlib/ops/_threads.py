"""Threads for compiled loops that hold no interpreter lock."""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from threading import Lock

import torch

_lock = Lock()
_pool: ThreadPoolExecutor | None = None


def parallel(count: int, work: Callable[[int, int], None], least: int) -> None:
    """Call work(start, stop) for ranges that cover 0 … count − 1, at once.

    As many ranges as torch has threads, each of at least `least` entries; with one
    range, or one thread, `work` runs where it is called. Safe after a fork, from
    several Python threads, and while the interpreter exits.
    """
    parts = max(1, min(torch.get_num_threads(), count // max(1, least)))
    if parts == 1:
        work(0, count)
        return
    edges = [count * part // parts for part in range(parts + 1)]
    ranges = deque(pairwise(edges))

    def take() -> None:
        # A range goes to whoever comes first, and to nobody else.
        while True:
            try:
                start, stop = ranges.popleft()
            except IndexError:
                return
            work(start, stop)

    others: list[Future[None]] = []
    # While the interpreter exits no task is accepted: all is done here then.
    with suppress(RuntimeError):
        for _ in range(parts - 1):
            others.append(_threads().submit(take))
    try:
        take()
    finally:
        # Wait for all before an error goes out: they write into the caller's arrays.
        errors = [other.exception() for other in others if not other.cancel()]
    for error in errors:
        if error is not None:
            raise error


def _threads() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="kanlib")
        return _pool


def _forget() -> None:
    """Start anew in a forked process, which has no threads and may find the lock held.

    Its parent may have forked while another of its threads was inside `_threads`.
    """
    global _lock, _pool
    _lock, _pool = Lock(), None


if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
    os.register_at_fork(after_in_child=_forget)
