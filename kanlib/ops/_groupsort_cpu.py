"""`groupsort` on a CPU: groups are independent, so threads take ranges of them."""

import torch
from torch import Tensor

from kanlib.ops import _groupsort_numba as loops
from kanlib.ops import _groupsort_ops
from kanlib.ops._threads import parallel

LEAST = 1 << 15
"""Entries that are worth a thread."""


def _permuted(key: Tensor, value: Tensor, back: bool) -> Tensor:
    out = torch.empty_like(value)
    count, size = key.shape
    arrays = key.numpy(force=True), value.numpy(force=True), out.numpy()
    flat = [array.reshape(-1) for array in arrays]

    def work(start: int, stop: int) -> None:
        if size == 2:
            loops.pairs(flat[0], flat[1], start, stop, flat[2])
        else:
            loops.groups(arrays[0], arrays[1], back, start, stop, arrays[2])

    if value.numel():
        parallel(count, work, -(-LEAST // size))
    return out


def _gather(key: Tensor, value: Tensor) -> Tensor:
    return _permuted(key, value, back=False)


def _scatter(key: Tensor, value: Tensor) -> Tensor:
    return _permuted(key, value, back=True)


_groupsort_ops._LIBRARY.impl("groupsort_gather", _gather, "CPU")
_groupsort_ops._LIBRARY.impl("groupsort_scatter", _scatter, "CPU")
