"""Threads for compiled loops that hold no interpreter lock."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Lock

import torch

_lock = Lock()
_pool: ThreadPoolExecutor | None = None
_owner = 0
"""The process that started the pool: its threads do not survive a fork."""


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
    global _pool, _owner
    with _lock:
        if _pool is None or _owner != os.getpid():
            _pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="kanlib")
            _owner = os.getpid()
        return _pool
