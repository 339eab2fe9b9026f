"""Threads for compiled loops that hold no interpreter lock."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Lock

import torch

_lock = Lock()
_pool: ThreadPoolExecutor | None = None


def parallel(count: int, work: Callable[[int, int], None], least: int) -> None:
    """Call work(start, stop) for ranges that cover 0 … count − 1, at once.

    As many ranges as torch has threads, each of at least `least` entries; with one
    range, or one thread, `work` runs where it is called. Safe after a fork and from
    several Python threads.
    """
    parts = max(1, min(torch.get_num_threads(), count // max(1, least)))
    edges = [count * part // parts for part in range(parts + 1)]
    if parts == 1:
        work(0, count)
        return
    ranges = pairwise(edges[1:])
    others = [_threads().submit(work, start, stop) for start, stop in ranges]
    try:
        work(edges[0], edges[1])
    finally:
        for other in others:
            other.result()


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
