"""The loops of `group_rational` on a CPU, compiled by numba at first use.

A row of x is cut into chunks: parts of one broad group, or narrow groups side by side.
Coefficients are laid out by lane, a lane for each column of a chunk, and so are the
sums, which become one number a group after a tile of rows. So no loop is short because
a group is narrow, and rows are read in order, as memory likes it.

Offsets are unsigned and LANES is a constant, or LLVM would not see that the loops may
become vector instructions. Sums may be reassociated and products contracted to FMA;
nothing assumes that a number is finite, so NaN stays NaN.
"""

from typing import Any, Literal

import numba
import numpy as np

_FAST = {"reassoc", "contract"}

LANES = 32
"""Columns of a chunk: sums and coefficients of 768 columns fit the first cache."""
_U = np.uint64
_1, _2, _3, _4, _5, _6, _7, _8, _9 = (_U(LANES * i) for i in range(1, 10))
"""Where the coefficients a_1 … a_5, b_1 … b_4 of a chunk begin, after a_0.

And the rows of the work space for other degrees.
"""


def _inlined(function: Any) -> Any:
    """Compile into the caller: to pass arrays takes as long as a chunk does."""
    return _compiled(function, "always")


def _compiled(function: Any, inline: Literal["never", "always"] = "never") -> Any:
    """Compile without the interpreter lock, and keep the result for the next process.

    numba writes beside the package or, where that is read-only, to the user's cache.
    """
    options: dict[str, Any] = {"error_model": "numpy", "nogil": True, "cache": True}
    return numba.njit(fastmath=_FAST, inline=inline, **options)(function)


@_inlined
def _point(
    z: Any,
    first: bool,
    one: Any,
    a0: Any,
    a1: Any,
    a2: Any,
    a3: Any,
    a4: Any,
    a5: Any,
    b1: Any,
    b2: Any,
    b3: Any,
    b4: Any,
) -> Any:
    """Return P/Q for degrees 5 and 4."""
    v = abs(z) if first else z
    p = ((((a5 * z + a4) * z + a3) * z + a2) * z + a1) * z + a0
    return p / (abs((((b4 * v + b3) * v + b2) * v + b1) * v) + one)


@_inlined
def _slope(
    z: Any,
    g: Any,
    first: bool,
    one: Any,
    zero: Any,
    a0: Any,
    a1: Any,
    a2: Any,
    a3: Any,
    a4: Any,
    a5: Any,
    b1: Any,
    b2: Any,
    b3: Any,
    b4: Any,
) -> Any:
    """Return g F′, g/Q and g P/Q² for degrees 5 and 4, the last signed in B."""
    v = abs(z) if first else z
    # Horner's rule for a polynomial and, one step behind, its derivative.
    d = a5
    p = d * z + a4
    d = d * z + p
    p = p * z + a3
    d = d * z + p
    p = p * z + a2
    d = d * z + p
    p = p * z + a1
    d = d * z + p
    p = p * z + a0
    e = b4
    q = e * v + b3
    e = e * v + q
    q = q * v + b2
    e = e * v + q
    q = q * v + b1
    e = e * v + q
    q = q * v
    w = one / (abs(q) + one)
    h = p * w
    w = w * g
    h = h * w
    signed = -h if (z if first else q) < zero else h
    return w * d - signed * e, w, h if first else signed


@_inlined
def _fill_value(
    x: np.ndarray,
    at: Any,
    t: np.ndarray,
    o: Any,
    count: Any,
    first: bool,
    broad: bool,
    y: np.ndarray,
) -> None:
    """Fill a chunk of y = P/Q, degrees 5 and 4; `broad`: it is of one group."""
    one = x.dtype.type(1.0)
    if broad:
        a0, a1, a2 = t[o], t[o + _1], t[o + _2]
        a3, a4, a5 = t[o + _3], t[o + _4], t[o + _5]
        b1, b2, b3, b4 = t[o + _6], t[o + _7], t[o + _8], t[o + _9]
        for c in range(count):
            y[at + c] = _point(
                x[at + c], first, one, a0, a1, a2, a3, a4, a5, b1, b2, b3, b4
            )
    else:
        for c in range(count):
            y[at + c] = _point(
                x[at + c],
                first,
                one,
                t[o + c],
                t[o + _1 + c],
                t[o + _2 + c],
                t[o + _3 + c],
                t[o + _4 + c],
                t[o + _5 + c],
                t[o + _6 + c],
                t[o + _7 + c],
                t[o + _8 + c],
                t[o + _9 + c],
            )


@_inlined
def _add(s: np.ndarray, o: Any, z: Any, w: Any, h: Any, first: bool) -> None:
    """Add w zⁱ and h vʲ, v = |z| or z, to the sums of one lane."""
    # Factor by factor: w and h are small where powers of z overflow.
    v = abs(z) if first else z
    s[o] += w
    w = w * z
    s[o + _1] += w
    w = w * z
    s[o + _2] += w
    w = w * z
    s[o + _3] += w
    w = w * z
    s[o + _4] += w
    s[o + _5] += w * z
    h = h * v
    s[o + _6] += h
    h = h * v
    s[o + _7] += h
    h = h * v
    s[o + _8] += h
    s[o + _9] += h * v


@_inlined
def _fill_gradient(
    x: np.ndarray,
    g: np.ndarray,
    at: Any,
    t: np.ndarray,
    o: Any,
    count: Any,
    first: bool,
    broad: bool,
    out: np.ndarray,
    s: np.ndarray,
) -> None:
    """Fill out = g F′; add g ∂F/∂a and −g ∂F/∂b (form A: |b|); degrees 5 and 4."""
    one, zero = x.dtype.type(1.0), x.dtype.type(0.0)
    if broad:
        a0, a1, a2 = t[o], t[o + _1], t[o + _2]
        a3, a4, a5 = t[o + _3], t[o + _4], t[o + _5]
        b1, b2, b3, b4 = t[o + _6], t[o + _7], t[o + _8], t[o + _9]
        for c in range(count):
            z = x[at + c]
            out[at + c], w, h = _slope(
                z,
                g[at + c],
                first,
                one,
                zero,
                a0,
                a1,
                a2,
                a3,
                a4,
                a5,
                b1,
                b2,
                b3,
                b4,
            )
            _add(s, o + c, z, w, h, first)
    else:
        for c in range(count):
            z = x[at + c]
            out[at + c], w, h = _slope(
                z,
                g[at + c],
                first,
                one,
                zero,
                t[o + c],
                t[o + _1 + c],
                t[o + _2 + c],
                t[o + _3 + c],
                t[o + _4 + c],
                t[o + _5 + c],
                t[o + _6 + c],
                t[o + _7 + c],
                t[o + _8 + c],
                t[o + _9 + c],
            )
            _add(s, o + c, z, w, h, first)


@_inlined
def _parts(
    x: np.ndarray,
    at: Any,
    t: np.ndarray,
    o: Any,
    count: Any,
    m: int,
    n: int,
    first: bool,
    w: np.ndarray,
) -> None:
    """Fill rows of w: P, P′, 1/Q, Q's sum, its derivative, v = |x| or x, and x."""
    one, zero = x.dtype.type(1.0), x.dtype.type(0.0)
    last, least = o + _U(m * LANES), o + _U((m + n) * LANES)
    constant = m + n == 0
    for c in range(count):
        w[_6 + c] = x[at + c]
    for c in range(count):
        z = w[_6 + c]
        w[_5 + c] = abs(z) if first else z
        # A constant is NaN for NaN, as in the reference.
        w[c] = t[last + c] + zero * z if constant else t[last + c]
        w[_1 + c] = zero
        w[_3 + c] = t[least + c] if n > 0 else zero
        w[_4 + c] = zero
    for k in range(m):
        row = o + _U((m - 1 - k) * LANES)
        for c in range(count):
            p = w[c]
            # Not 0 · x + p at first: that is NaN for an infinite x.
            w[_1 + c] = p if k == 0 else w[_1 + c] * w[_6 + c] + p
            w[c] = p * w[_6 + c] + t[row + c]
    for k in range(n - 1):
        row = o + _U((m + n - 1 - k) * LANES)
        for c in range(count):
            q = w[_3 + c]
            w[_4 + c] = q if k == 0 else w[_4 + c] * w[_5 + c] + q
            w[_3 + c] = q * w[_5 + c] + t[row + c]
    for c in range(count):
        q = w[_3 + c]
        w[_4 + c] = q if n <= 1 else w[_4 + c] * w[_5 + c] + q
        # Without a denominator not 0 · x, which is NaN for an infinite x.
        q = q * w[_5 + c] if n > 0 else zero
        w[_3 + c] = q
        w[_2 + c] = one / (one + abs(q))


@_inlined
def _value(
    x: np.ndarray,
    at: Any,
    t: np.ndarray,
    o: Any,
    count: Any,
    m: int,
    n: int,
    first: bool,
    w: np.ndarray,
    y: np.ndarray,
) -> None:
    """Fill a chunk of y = P/Q for any degrees."""
    _parts(x, at, t, o, count, m, n, first, w)
    for c in range(count):
        y[at + c] = w[c] * w[_2 + c]


@_inlined
def _gradient(
    x: np.ndarray,
    g: np.ndarray,
    at: Any,
    t: np.ndarray,
    o: Any,
    count: Any,
    m: int,
    n: int,
    first: bool,
    w: np.ndarray,
    out: np.ndarray,
    s: np.ndarray,
) -> None:
    """Fill out = g F′; add g ∂F/∂a and −g ∂F/∂b (form A: |b|); any degrees."""
    _parts(x, at, t, o, count, m, n, first, w)
    zero = x.dtype.type(0.0)
    for c in range(count):
        up = w[_2 + c] * g[at + c]
        h = w[c] * w[_2 + c] * up
        back = -h if (w[_6 + c] if first else w[_3 + c]) < zero else h
        slope = back * w[_4 + c] if n > 0 else zero
        out[at + c] = up * w[_1 + c] - slope
        w[_2 + c] = up
        w[c] = h if first else back
    for k in range(m + 1):
        row = o + _U(k * LANES)
        for c in range(count):
            up = w[_2 + c]
            s[row + c] += up
            w[_2 + c] = up * w[_6 + c]
    for k in range(m + 1, m + n + 1):
        row = o + _U(k * LANES)
        for c in range(count):
            h = w[c] * w[_5 + c]
            s[row + c] += h
            w[c] = h


@_compiled
def values(
    x: np.ndarray,
    table: np.ndarray,
    chunks: np.ndarray,
    wide: int,
    degrees: tuple[int, int],
    first: bool,
    start: int,
    stop: int,
    y: np.ndarray,
) -> None:
    """Fill y = P/Q for the rows from `start` to `stop`.

    x and y are flat. `chunks` has a first column, a count and a part of `table` for
    each, where coefficients a_0 … a_m, b_1 … b_n stand, LANES values each; the last row
    of `chunks` is the end of the row.
    """
    m, n = degrees
    broad = wide >= LANES
    part = (m + n + 1) * LANES
    columns = chunks[len(chunks) - 1, 0]
    work = np.empty(7 * LANES, x.dtype)
    for r in range(start, stop):
        for k in range(len(chunks) - 1):
            at, count = _U(r * columns + chunks[k, 0]), _U(chunks[k, 1])
            o = _U(chunks[k, 2] * part)
            if m != 5 or n != 4:
                _value(x, at, table, o, count, m, n, first, work, y)
            # Constants instead of variables: a copy of the loop for each case.
            elif broad and first:
                _fill_value(x, at, table, o, count, True, True, y)
            elif broad:
                _fill_value(x, at, table, o, count, False, True, y)
            elif first:
                _fill_value(x, at, table, o, count, True, False, y)
            else:
                _fill_value(x, at, table, o, count, False, False, y)


@_compiled
def gradients(
    x: np.ndarray,
    g: np.ndarray,
    table: np.ndarray,
    chunks: np.ndarray,
    wide: int,
    degrees: tuple[int, int],
    first: bool,
    height: int,
    start: int,
    stop: int,
    out: np.ndarray,
    sums: np.ndarray,
) -> None:
    """Fill `out`, and sums[tile, group], for the tiles from `start` to `stop`."""
    m, n = degrees
    broad = wide >= LANES
    part = (m + n + 1) * LANES
    columns = chunks[len(chunks) - 1, 0]
    rows = len(x) // columns
    together, span = max(1, LANES // wide), min(LANES, wide)
    work = np.empty(7 * LANES, x.dtype)
    lanes = np.empty(len(table), x.dtype)
    for tile in range(start, stop):
        lanes[:] = x.dtype.type(0.0)
        for r in range(tile * height, min(rows, (tile + 1) * height)):
            for k in range(len(chunks) - 1):
                at, count = _U(r * columns + chunks[k, 0]), _U(chunks[k, 1])
                o = _U(chunks[k, 2] * part)
                if m != 5 or n != 4:
                    _gradient(x, g, at, table, o, count, m, n, first, work, out, lanes)
                elif broad and first:
                    _fill_gradient(x, g, at, table, o, count, True, True, out, lanes)
                elif broad:
                    _fill_gradient(x, g, at, table, o, count, False, True, out, lanes)
                elif first:
                    _fill_gradient(x, g, at, table, o, count, True, False, out, lanes)
                else:
                    _fill_gradient(x, g, at, table, o, count, False, False, out, lanes)
        for group in range(sums.shape[1]):
            place = (group // together) * part + (group % together) * span
            for k in range(m + n + 1):
                total = 0.0
                for c in range(span):
                    total += lanes[place + k * LANES + c]
                sums[tile, group, k] = total
