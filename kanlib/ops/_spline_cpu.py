"""`spline_sum` on a CPU: the operations of kanlib.ops._spline_ops with numba's loops.

Features exist for a chunk of rows at a time, so that they stay in the cache and nothing
but arguments is kept for backward.

Two ways, chosen by K alone: a dense one fills all features and multiplies matrices; a
local one visits only the d + 1 functions that are active at a point.
"""

from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from kanlib.ops import _spline_numba as loops
from kanlib.ops._spline_ops import LIBRARY
from kanlib.ops._threads import parallel

CHUNK_BYTES = 1 << 20
"""Aim for the features of one chunk of rows: they stay in the second-level cache."""

LOCAL_FROM = 10
"""Functions from which the local way is faster, for 4 active ones (measured)."""

LEAST = 16
"""Rows, or inputs, that are worth a thread."""


class _Grid:
    """Knots as the loops need them: made once, for a layer asks with the same again."""

    def __init__(self, knots: np.ndarray, degree: int, kind: Any) -> None:
        self.knots = knots.astype(kind)
        self.closed, self.scale, self.shift = False, kind(0), kind(0)
        # The closed form is for cubic splines on shared knots, equidistant to rounding.
        if degree != 3 or len(knots) != 1:
            return
        first = knots[0]
        count, step = len(first), (first[-1] - first[0]) / (len(first) - 1)
        apart = np.abs(first - (first[0] + step * np.arange(count))).max()
        rounding = 8 * np.finfo(np.float64).eps * np.abs(first).max()
        if apart <= rounding < step:
            self.closed = True
            self.scale, self.shift = kind(1 / step), kind(-first[0] / step)


@lru_cache(maxsize=256)
def _grid(data: bytes, count: int, degree: int, kind: Any) -> _Grid:
    return _Grid(np.frombuffer(data).reshape(-1, count), degree, kind)


class _Features:
    """The features of one call, made a chunk of rows at a time."""

    def __init__(
        self, x: Tensor, knots: Tensor, degree: int, derivative: int, base: bool
    ) -> None:
        self.x = x.contiguous()
        self.degree, self.derivative, self.base = degree, derivative, base
        inputs, count = knots.shape
        self.size = count - degree - 1
        self.count = self.size + base
        self.local = self.size >= LOCAL_FROM + 2 * (degree - 3)
        self.points = self.x.numpy()
        kind: Any = self.points.dtype.type
        if inputs == 1:
            grid = _grid(knots.numpy().tobytes(), count, degree, kind)
        else:
            grid = _Grid(knots.numpy(), degree, kind)
        self.uniform = grid.closed and derivative < 3
        self.grid = grid
        kept = degree + 2 if self.local else self.count  # the active ones, and where
        wide = max(1, x.shape[1] * kept * x.element_size())
        self.length = min(len(x), max(32, min(512, CHUNK_BYTES // wide)))

    def chunks(self) -> Iterator[slice]:
        """Rows whose features fit the cache."""
        for start in range(0, len(self.x), max(1, self.length)):
            yield slice(start, min(start + self.length, len(self.x)))

    def buffer(self) -> Tensor:
        """Room for the features of one chunk."""
        return self.x.new_empty(self.length, self.count, self.x.shape[1])

    def fill(self, rows: slice, scale: Tensor | None, buffer: Tensor) -> Tensor:
        """Return all features of some rows, scaled, in a part of `buffer`."""
        features = buffer[: rows.stop - rows.start]
        x, out = self.points[rows], features.numpy()
        parallel(len(x), partial(self._fill, x, out), LEAST)
        if self.base:
            features[:, -1] = silu(self.x[rows], self.derivative)
        return features if scale is None else features.mul_(scale[rows].unsqueeze(1))

    def active(self, rows: slice, scale: Tensor | None) -> tuple[np.ndarray, Tensor]:
        """Return the first active function at each point, and the values of all."""
        first, values = self._active(self.points[rows])
        found = torch.from_numpy(values)
        return first, found if scale is None else found.mul_(scale[rows].unsqueeze(1))

    def bases(self, rows: slice, scale: Tensor | None = None) -> Tensor:
        """Return SiLU of some rows, differentiated and scaled."""
        found = silu(self.x[rows], self.derivative)
        return found if scale is None else found.mul_(scale[rows])

    def _fill(self, x: np.ndarray, out: np.ndarray, start: int, stop: int) -> None:
        x, out = x[start:stop], out[start:stop]
        if self.uniform:
            grid = self.grid
            loops.cubic_features(
                x, grid.scale, grid.shift, self.derivative, self.size, out
            )
        else:
            loops.spread(*self._active(x), self.size, out)

    def _active(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        first = np.empty(x.shape, dtype=np.int32)
        values = np.empty((len(x), self.degree + 1, x.shape[1]), dtype=x.dtype)
        grid, n = self.grid, self.derivative
        if self.uniform:
            loops.cubic_active(x, grid.scale, grid.shift, n, self.size, first, values)
        else:
            loops.deboor_active(x, grid.knots, self.degree, n, first, values)
        return first, values


def silu(x: Tensor, derivative: int) -> Tensor:
    """Return silu⁽ⁿ⁾(x) = x s⁽ⁿ⁾ + n s⁽ⁿ⁻¹⁾, s = sigmoid(x).

    By torch, whose exponential is many times faster than the one that numba links.
    """
    if derivative == 0:
        return F.silu(x)
    if derivative == 1:
        return torch.ops.aten.silu_backward(torch.ones_like(x), x)
    s = x.sigmoid()
    now, before = sigmoid_polynomials(derivative)
    a, b = torch.zeros_like(s), torch.zeros_like(s)
    for p, q in zip(now, before, strict=True):
        a, b = a.mul_(s).add_(p), b.mul_(s).add_(q)
    return a.mul_(x).add_(b)


@lru_cache
def sigmoid_polynomials(derivative: int) -> tuple[list[float], list[float]]:
    """s⁽ⁿ⁾ and n s⁽ⁿ⁻¹⁾ as polynomials in s = sigmoid, of equal length, highest first.

    From s' = s − s²: if s⁽ⁿ⁾ = p(s), then s⁽ⁿ⁺¹⁾ = p'(s) (s − s²).
    """
    now, before = np.poly1d([1, 0]), np.poly1d([0])
    for _ in range(derivative):
        now, before = np.polyder(now) * np.poly1d([-1, 1, 0]), now
    earlier = derivative * before.coeffs
    padding = [0.0] * (len(now.coeffs) - len(earlier))
    return list(map(float, now.coeffs)), padding + list(map(float, earlier))


def _sum(
    x: Tensor,
    weight: Tensor,
    scale: Tensor | None,
    knots: Tensor,
    degree: int,
    derivative: int,
    base: bool,
) -> Tensor:
    features = _Features(x, knots, degree, derivative, base)
    weight, y = weight.contiguous(), x.new_zeros(len(x), weight.shape[2])
    buffer = None if features.local else features.buffer()
    for rows in features.chunks():
        if buffer is not None:
            part = features.fill(rows, scale, buffer).flatten(1)
            torch.mm(part, weight.flatten(0, 1), out=y[rows])
            continue
        if base:
            torch.mm(features.bases(rows, scale), weight[-1], out=y[rows])
        first, values = features.active(rows, scale)
        work = partial(
            _sum_rows,
            first,
            values.numpy(),
            weight.numpy(),
            features.size,
            y[rows].numpy(),
        )
        parallel(len(first), work, LEAST)
    return y


def _pull(
    x: Tensor,
    weight: Tensor,
    g: Tensor,
    knots: Tensor,
    degree: int,
    derivative: int,
    base: bool,
) -> Tensor:
    features = _Features(x, knots, degree, derivative, base)
    weight, g, h = weight.contiguous(), g.contiguous(), x.new_zeros(x.shape)
    if not features.local:
        _pull_dense(features, weight, g, h)
        return h
    for rows in features.chunks():
        if base:
            torch.mm(g[rows], weight[-1].T, out=h[rows])
            h[rows] *= features.bases(rows)
        first, values = features.active(rows, None)
        work = partial(
            _pull_rows,
            first,
            values.numpy(),
            weight.numpy(),
            g[rows].numpy(),
            features.size,
            h[rows].numpy(),
        )
        parallel(len(first), work, LEAST)
    return h


def _pull_dense(features: _Features, weight: Tensor, g: Tensor, h: Tensor) -> None:
    # The derivative that is asked for most has a loop that forms no features.
    fused = features.uniform and features.derivative == 1
    buffer, other = features.buffer(), None if fused else features.buffer()
    for rows in features.chunks():
        product = buffer[: rows.stop - rows.start]
        torch.mm(g[rows], weight.flatten(0, 1).T, out=product.flatten(1))
        if other is not None:
            part = features.fill(rows, None, other)
            torch.sum(product.mul_(part), 1, out=h[rows])
            continue
        work = partial(
            _pull_cubic,
            features.points[rows],
            features.grid,
            features.size,
            product.numpy(),
            h[rows].numpy(),
        )
        parallel(len(product), work, LEAST)
        if features.base:
            h[rows] += torch.ops.aten.silu_backward(product[:, -1], features.x[rows])


def _push(
    x: Tensor,
    scale: Tensor | None,
    g: Tensor,
    knots: Tensor,
    degree: int,
    derivative: int,
    base: bool,
) -> Tensor:
    features = _Features(x, knots, degree, derivative, base)
    g, out = g.contiguous(), x.new_zeros(features.count, x.shape[1], g.shape[1])
    buffer = None if features.local else features.buffer()
    for rows in features.chunks():
        if buffer is not None:
            part = features.fill(rows, scale, buffer).flatten(1)
            out.flatten(0, 1).addmm_(part.T, g[rows])
            continue
        if base:
            out[-1].addmm_(features.bases(rows, scale).T, g[rows])
        first, values = features.active(rows, scale)
        work = partial(
            _push_inputs,
            first,
            values.numpy(),
            g[rows].numpy(),
            features.size,
            out.numpy(),
        )
        # Threads take ranges of inputs: the rows' sums stay in one order.
        parallel(x.shape[1], work, LEAST)
    return out


def _pull_cubic(
    x: np.ndarray,
    grid: _Grid,
    size: int,
    g: np.ndarray,
    out: np.ndarray,
    start: int,
    stop: int,
) -> None:
    rows = slice(start, stop)
    loops.cubic_pull(x[rows], grid.scale, grid.shift, size, g[rows], out[rows])


def _sum_rows(
    first: np.ndarray,
    values: np.ndarray,
    weight: np.ndarray,
    size: int,
    out: np.ndarray,
    start: int,
    stop: int,
) -> None:
    rows = slice(start, stop)
    loops.local_sum(first[rows], values[rows], weight, size, out[rows])


def _pull_rows(
    first: np.ndarray,
    values: np.ndarray,
    weight: np.ndarray,
    g: np.ndarray,
    size: int,
    out: np.ndarray,
    start: int,
    stop: int,
) -> None:
    rows = slice(start, stop)
    loops.local_pull(first[rows], values[rows], weight, g[rows], size, out[rows])


def _push_inputs(
    first: np.ndarray,
    values: np.ndarray,
    g: np.ndarray,
    size: int,
    out: np.ndarray,
    start: int,
    stop: int,
) -> None:
    loops.local_push(first, values, g, start, stop, size, out)


LIBRARY.impl("spline_sum", _sum, "CPU")
LIBRARY.impl("spline_pull", _pull, "CPU")
LIBRARY.impl("spline_push", _push, "CPU")
