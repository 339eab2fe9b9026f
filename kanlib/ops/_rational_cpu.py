"""`group_rational` and its gradient on a CPU.

Rows are cut into tiles of a fixed height. Every tile leaves its own sums for the
coefficients, which are then added in float64 in the tiles' order, so that threads,
which take ranges of tiles, change no bit of the result.
"""

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from kanlib.ops import _rational_numba as loops
from kanlib.ops import _rational_ops
from kanlib.ops._threads import parallel

HEIGHT = 64
"""Rows of a tile: few enough for sums in float32, enough to make adding them cheap."""

LEAST = 1 << 15
"""Entries of x that are worth a thread."""


def _forward(x: Tensor, numerator: Tensor, denominator: Tensor, form: str) -> Tensor:
    y = torch.empty_like(x)
    if not y.numel():
        return y
    points, into = _flat(x), _flat(y)
    rows, columns = x.shape
    numerator, denominator = _padded(numerator, denominator)
    degrees = (numerator.shape[1] - 1, denominator.shape[1])
    # The loops for other degrees have room for LANES intermediate values.
    whole = degrees == (5, 4)
    chunks, owners = _chunks(columns, len(denominator), whole)
    table = _table(numerator, denominator, form, owners)

    def work(start: int, stop: int) -> None:
        loops.values(
            points,
            table,
            chunks,
            columns // len(denominator),
            degrees,
            form == "A",
            start,
            stop,
            into,
        )

    parallel(rows, work, -(-LEAST // columns))
    return y


def _backward(
    g: Tensor, x: Tensor, numerator: Tensor, denominator: Tensor, form: str
) -> tuple[Tensor, Tensor, Tensor]:
    of_x = torch.empty_like(x)
    if not x.numel():
        return of_x, torch.zeros_like(numerator), torch.zeros_like(denominator)
    up, points, into = _flat(g), _flat(x), _flat(of_x)
    (rows, columns), groups = x.shape, len(denominator)
    chunks, owners = _chunks(columns, groups, False)
    a, b = _padded(numerator, denominator)
    m, n = a.shape[1] - 1, b.shape[1]
    table = _table(a, b, form, owners)
    tiles = -(-rows // HEIGHT)
    sums = np.empty((tiles, groups, m + n + 1))

    def work(start: int, stop: int) -> None:
        loops.gradients(
            points,
            up,
            table,
            chunks,
            columns // groups,
            (m, n),
            form == "A",
            HEIGHT,
            start,
            stop,
            into,
            sums,
        )

    parallel(tiles, work, -(-LEAST // (columns * HEIGHT)))
    # Infinities of both signs make NaN here as anywhere, without numpy's warning.
    with np.errstate(over="ignore", invalid="ignore"):
        totals = torch.from_numpy(sums.sum(0))
    of_a = totals[:, : numerator.shape[1]]
    of_b = -totals[:, m + 1 : m + 1 + denominator.shape[1]]
    if len(numerator) == 1:
        of_a = of_a.sum(0, keepdim=True)
    if form == "A":
        of_b = torch.where(denominator < 0, -of_b, of_b)
    # Copies, so that no result shares memory with another.
    return (
        of_x,
        of_a.to(numerator.dtype, copy=True),
        of_b.to(denominator.dtype, copy=True),
    )


def _flat(t: Tensor) -> np.ndarray:
    return t.numpy(force=True).reshape(-1)


@lru_cache(maxsize=256)
def _chunks(columns: int, groups: int, whole: bool) -> tuple[np.ndarray, np.ndarray]:
    """Chunks of a row as the loops take them, and the group of each lane of the table.

    A group wider than LANES has one part of the table for all its chunks, or one chunk
    if it stays whole; of narrower ones as many as fit stand side by side.
    """
    wide, lanes = columns // groups, loops.LANES
    together = max(1, lanes // wide)
    found = []
    for part, group in enumerate(range(0, groups, together)):
        end = min(groups, group + together) * wide
        step = max(lanes, wide) if whole else lanes
        for at in range(group * wide, end, step):
            found.append((at, min(step, end - at), part))
    parts = -(-groups // together)
    lane = np.arange(lanes) // wide if wide < lanes else np.zeros(lanes, dtype=int)
    owners = np.arange(parts)[:, None] * together + lane
    return np.array([*found, (columns, 0, 0)]), np.minimum(owners, groups - 1)


def _padded(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Lower degrees become 5 and 4, for which there are loops of their own."""
    m, n = a.shape[1] - 1, b.shape[1]
    # A constant P or Q keeps its loop: 0 · x is not 0 for an infinite x.
    if (m, n) == (5, 4) or not (1 <= m <= 5 and 1 <= n <= 4):
        return a, b
    return F.pad(a, (0, 5 - m)), F.pad(b, (0, 4 - n))


def _table(a: Tensor, b: Tensor, form: str, owners: np.ndarray) -> np.ndarray:
    """Coefficients by part, number and lane; flat."""
    magnitudes = b.abs() if form == "A" else b
    both = torch.cat([a.expand(len(b), -1), magnitudes], 1).numpy(force=True)
    return np.ascontiguousarray(both[owners].swapaxes(1, 2)).reshape(-1)


_rational_ops._LIBRARY.impl("group_rational", _forward, "CPU")
_rational_ops._LIBRARY.impl("group_rational_backward", _backward, "CPU")
