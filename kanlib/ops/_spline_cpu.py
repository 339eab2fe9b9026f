"""`spline_sum` on a CPU: three operations that are closed under differentiation.

With features Φ⁽ⁿ⁾ (rows, F, I), the K B-splines and then, if there is a base, SiLU, all
differentiated n times, and a weight C (F, I, O):

    sum   y[r, o] = Σ_{f,i} s[r, i] Φ⁽ⁿ⁾[r, f, i] C[f, i, o]
    pull  h[r, i] = Σ_{f,o} g[r, o] Φ⁽ⁿ⁾[r, f, i] C[f, i, o]
    push  P[f, i, o] = Σ_r s[r, i] Φ⁽ⁿ⁾[r, f, i] g[r, o]

The derivative of each with respect to each argument is one of them again, with n or
n + 1 (kanlib.ops._spline_autograd). Features exist for a chunk of rows at a time, so
that they stay in the cache and nothing but arguments is kept for backward.

Two ways, chosen by K alone: a dense one fills all features and multiplies matrices; a
local one visits only the d + 1 functions that are active at a point.
"""

from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanlib.ops import _spline_numba as loops
from kanlib.ops._threads import parallel

CHUNK_BYTES = 1 << 20
"""Aim for the features of one chunk of rows: they stay in the second-level cache."""

LOCAL_FROM = 10
"""Functions from which the local way is faster, for 4 active ones (measured)."""

LEAST = 16
"""Rows, or inputs, that are worth a thread."""

_LIBRARY = torch.library.Library("kanlib", "DEF")
_LIBRARY.define(
    "spline_sum(Tensor x, Tensor weight, Tensor? scale, Tensor knots, int degree, "
    "int derivative, bool base) -> Tensor"
)
_LIBRARY.define(
    "spline_pull(Tensor x, Tensor weight, Tensor g, Tensor knots, int degree, "
    "int derivative, bool base) -> Tensor"
)
_LIBRARY.define(
    "spline_push(Tensor x, Tensor? scale, Tensor g, Tensor knots, int degree, "
    "int derivative, bool base) -> Tensor"
)


class _Grid:
    """Knots as the loops need them: made once, for a layer asks with the same again."""

    def __init__(self, knots: np.ndarray, degree: int, kind: Any) -> None:
        size = knots.shape[1] - degree - 1
        first = knots[0]
        step = (first[size] - first[degree]) / (size - degree)
        even = first[degree] + step * (np.arange(knots.shape[1]) - degree)
        apart = np.abs(first - even).max()
        # The closed form is for cubic splines on shared, equidistant knots.
        self.closed = degree == 3 and len(knots) == 1 and apart <= 1e-12 * abs(step)
        self.scale, self.shift = kind(1 / step), kind(3 - first[degree] / step)
        self.knots = knots.astype(kind)


@lru_cache(maxsize=256)
def _grid(data: bytes, count: int, degree: int, kind: Any) -> _Grid:
    return _Grid(np.frombuffer(data).reshape(-1, count), degree, kind)


class _Features:
    """The features of one call, made a chunk of rows at a time."""

    def __init__(
        self, x: Tensor, knots: Tensor, degree: int, derivative: int, base: bool
    ) -> None:
        self.x = x.contiguous().numpy()
        self.degree, self.derivative, self.base = degree, derivative, base
        rows, count = knots.shape
        self.size = count - degree - 1
        self.count = self.size + base
        self.local = self.size >= LOCAL_FROM + 2 * (degree - 3)
        kind: Any = self.x.dtype.type
        if rows == 1:
            grid = _grid(knots.numpy().tobytes(), count, degree, kind)
        else:
            grid = _Grid(knots.numpy(), degree, kind)
        self.uniform = grid.closed and derivative < 3
        self.t, self.scale, self.shift = grid.knots, grid.scale, grid.shift

    def chunks(self) -> Iterator[slice]:
        """Rows whose features fit the cache."""
        wide = max(1, self.x.shape[1] * self.count * self.x.itemsize)
        length = max(32, min(512, CHUNK_BYTES // wide))
        for start in range(0, len(self.x), length):
            yield slice(start, min(start + length, len(self.x)))

    def buffer(self) -> Tensor:
        """Room for the features of one chunk."""
        rows = max((part.stop - part.start for part in self.chunks()), default=0)
        shape = (rows, self.count, self.x.shape[1])
        return torch.empty(shape, dtype=torch.from_numpy(self.x).dtype)

    def fill(self, rows: slice, out: np.ndarray) -> None:
        """Write all features of some rows."""
        x = self.x[rows]

        def work(start: int, stop: int) -> None:
            part, into = x[start:stop], out[start:stop]
            if self.uniform:
                loops.cubic_features(
                    part, self.scale, self.shift, self.derivative, self.size, into
                )
            else:
                loops.spread(*self._active(part), self.size, into)
            if self.base:
                self._base(part, self.size, into)

        parallel(len(x), work, LEAST)

    def active(self, rows: slice) -> tuple[np.ndarray, np.ndarray]:
        """The first active function at each point, and the values of all of them."""
        return self._active(self.x[rows])

    def bases(self, rows: slice) -> Tensor:
        """SiLU of some rows, differentiated."""
        x = self.x[rows]
        out = np.empty((len(x), 1, x.shape[1]), dtype=x.dtype)
        self._base(x, 0, out)
        return torch.from_numpy(out[:, 0])

    def _active(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        first = np.empty(x.shape, dtype=np.int32)
        values = np.empty((len(x), self.degree + 1, x.shape[1]), dtype=x.dtype)
        if self.uniform:
            loops.cubic_active(
                x, self.scale, self.shift, self.derivative, self.size, first, values
            )
        else:
            loops.deboor_active(x, self.t, self.degree, self.derivative, first, values)
        return first, values

    def _base(self, x: np.ndarray, place: int, out: np.ndarray) -> None:
        now, before = (p.astype(x.dtype) for p in sigmoid_polynomials(self.derivative))
        loops.silu(x, self.derivative, now, before, place, out)

    def pull(self, rows: slice, g: np.ndarray, out: np.ndarray) -> bool:
        """Add Σ_f g Φ to `out` without forming Φ, where there is a loop that can."""
        x = self.x[rows]
        if not (self.uniform and self.derivative == 1):
            return False

        def work(a: int, b: int) -> None:
            loops.cubic_pull(
                x[a:b], self.scale, self.shift, self.size, g[a:b], out[a:b]
            )

        parallel(len(x), work, LEAST)
        return True


@lru_cache
def sigmoid_polynomials(derivative: int) -> tuple[np.ndarray, np.ndarray]:
    """s⁽ⁿ⁾ and n s⁽ⁿ⁻¹⁾ as polynomials in s = sigmoid, of equal length.

    From s' = s − s²: if s⁽ⁿ⁾ = p(s), then s⁽ⁿ⁺¹⁾ = p'(s) (s − s²).
    """
    now, before = np.poly1d([1, 0]), np.poly1d([0])
    for _ in range(derivative):
        now, before = np.polyder(now) * np.poly1d([-1, 1, 0]), now
    wide = len(now.coeffs)
    padded = np.zeros(wide)
    earlier = derivative * before.coeffs
    padded[wide - len(earlier) :] = earlier
    return np.asarray(now.coeffs, dtype=float), padded


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
    if not features.local:
        buffer = features.buffer()
        for rows in features.chunks():
            part = _filled(features, rows, buffer, scale)
            torch.mm(part, weight.flatten(0, 1), out=y[rows])
        return y
    for rows in features.chunks():
        if base:
            torch.mm(_bases(features, rows, scale), weight[-1], out=y[rows])
        into = y[rows].numpy()
        work = partial(
            _sum_rows,
            *_active(features, rows, scale),
            weight.numpy(),
            features.size,
            into,
        )
        parallel(len(into), work, LEAST)
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
        into = h[rows].numpy()
        work = partial(
            _pull_rows,
            *features.active(rows),
            weight.numpy(),
            g[rows].numpy(),
            features.size,
            into,
        )
        parallel(len(into), work, LEAST)
    return h


def _pull_dense(features: _Features, weight: Tensor, g: Tensor, h: Tensor) -> None:
    buffer, other = features.buffer(), None
    for rows in features.chunks():
        product = buffer[: rows.stop - rows.start]
        torch.mm(g[rows], weight.flatten(0, 1).T, out=product.flatten(1))
        up, into = product.numpy(), h[rows].numpy()
        if features.pull(rows, up, into):
            if features.base:
                h[rows].addcmul_(product[:, -1], features.bases(rows))
            continue
        other = features.buffer() if other is None else other
        part = _filled(features, rows, other, None)
        loops.contract(up, part.view(product.shape).numpy(), into)


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
    if not features.local:
        buffer = features.buffer()
        for rows in features.chunks():
            part = _filled(features, rows, buffer, scale)
            out.flatten(0, 1).addmm_(part.T, g[rows])
        return out
    for rows in features.chunks():
        if base:
            out[-1].addmm_(_bases(features, rows, scale).T, g[rows])
        active, up = _active(features, rows, scale), g[rows].numpy()
        work = partial(_push_inputs, *active, up, features.size, out.numpy())
        # Threads take ranges of inputs: the rows' sums stay in one order.
        parallel(x.shape[1], work, LEAST)
    return out


def _filled(
    features: _Features, rows: slice, buffer: Tensor, scale: Tensor | None
) -> Tensor:
    """All features of some rows, as the matrix that weights multiply."""
    part = buffer[: rows.stop - rows.start]
    features.fill(rows, part.numpy())
    if scale is not None:
        loops.scale_features(part.numpy(), scale[rows].contiguous().numpy())
    return part.flatten(1)


def _active(
    features: _Features, rows: slice, scale: Tensor | None
) -> tuple[np.ndarray, np.ndarray]:
    first, values = features.active(rows)
    if scale is not None:
        loops.scale_features(values, scale[rows].contiguous().numpy())
    return first, values


def _bases(features: _Features, rows: slice, scale: Tensor | None) -> Tensor:
    silu = features.bases(rows)
    return silu if scale is None else silu * scale[rows]


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


_LIBRARY.impl("spline_sum", _sum, "CPU")
_LIBRARY.impl("spline_pull", _pull, "CPU")
_LIBRARY.impl("spline_push", _push, "CPU")


@torch.library.register_fake("kanlib::spline_sum")
def _(x, weight, scale, knots, degree, derivative, base):  # type: ignore[no-untyped-def]
    return x.new_empty(x.shape[0], weight.shape[2])


@torch.library.register_fake("kanlib::spline_pull")
def _(x, weight, g, knots, degree, derivative, base):  # type: ignore[no-untyped-def]
    return x.new_empty(x.shape)


@torch.library.register_fake("kanlib::spline_push")
def _(x, scale, g, knots, degree, derivative, base):  # type: ignore[no-untyped-def]
    count = knots.shape[-1] - degree - 1 + int(base)
    return x.new_empty(count, x.shape[1], g.shape[1])
