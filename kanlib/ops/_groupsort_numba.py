"""The loops of `groupsort` on a CPU, compiled by numba at first use.

key, value, out: (groups, size), contiguous. `back` scatters instead of gathering.
"""

import numba
import numpy as np


@numba.njit(error_model="numpy", nogil=True, cache=True)
def pairs(
    key: np.ndarray, value: np.ndarray, start: int, stop: int, out: np.ndarray
) -> None:
    """Groups of two, flat: gather and scatter are one, without a branch."""
    for at in range(start, stop):
        a, b = key[2 * at], key[2 * at + 1]
        u, v = value[2 * at], value[2 * at + 1]
        # NaN is the largest; equal keys stay.
        swap = (a < b) | ((b != b) & (a == a))
        out[2 * at] = v if swap else u
        out[2 * at + 1] = u if swap else v


LANES = 256
"""Groups that go through the network side by side: enough for vector instructions, and
to make up for the views of rows; few enough for the first cache."""


@numba.njit(error_model="numpy", nogil=True, cache=True)
def _compare(left: np.ndarray, right: np.ndarray, yes: np.ndarray) -> None:
    # Of rows: on arrays of two axes LLVM makes no vector instructions of this.
    for lane in range(left.shape[0]):
        a, b = left[lane], right[lane]
        swap = (a < b) | ((b != b) & (a == a))
        yes[lane] = swap
        left[lane] = b if swap else a
        right[lane] = a if swap else b


@numba.njit(error_model="numpy", nogil=True, cache=True)
def _exchange(left: np.ndarray, right: np.ndarray, yes: np.ndarray) -> None:
    for lane in range(left.shape[0]):
        a, b = left[lane], right[lane]
        left[lane] = b if yes[lane] else a
        right[lane] = a if yes[lane] else b


@numba.njit(error_model="numpy", nogil=True, cache=True)
def groups(
    key: np.ndarray,
    value: np.ndarray,
    back: bool,
    start: int,
    stop: int,
    out: np.ndarray,
) -> None:
    """Groups of any size, by odd-even transposition, as the kernel does it.

    Neighbors change places where the left key is the smaller one: no position depends
    on a value. To scatter, the exchanges are done once more, the last one first.
    """
    size = key.shape[1]
    keys = np.zeros((size, LANES), dtype=key.dtype)
    values = np.zeros((size, LANES), dtype=key.dtype)
    exchanged = np.zeros((size * (size - 1) // 2, LANES), dtype=np.bool_)
    for first in range(start, stop, LANES):
        lanes = min(LANES, stop - first)
        for lane in range(lanes):
            for k in range(size):
                keys[k, lane] = key[first + lane, k]
                values[k, lane] = value[first + lane, k]
        number = 0
        for phase in range(size):
            for i in range(phase % 2, size - 1, 2):
                _compare(keys[i, :lanes], keys[i + 1], exchanged[number])
                if not back:
                    _exchange(values[i, :lanes], values[i + 1], exchanged[number])
                number += 1
        if back:
            for phase in range(size - 1, -1, -1):
                count = (size - phase % 2) // 2
                number -= count
                for j in range(count):
                    i = phase % 2 + 2 * j
                    _exchange(values[i, :lanes], values[i + 1], exchanged[number + j])
        for lane in range(lanes):
            for k in range(size):
                out[first + lane, k] = values[k, lane]
