"""The loops of `spline_sum` on a CPU, compiled by numba at first use.

Arrays are C-contiguous: x (rows, I), features (rows, F, I) with the input axis last,
because that is the axis LLVM turns into vector instructions. Of the F features these
loops write the first K. Some sums may be reassociated or contracted to
FMA; nothing assumes that a number is finite, so NaN stays NaN.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np


def _compiled(*flags: str) -> Callable[[Any], Any]:
    """Compile without the interpreter lock, and keep the result for the next process.

    numba writes beside the package or, where that is read-only, to the user's cache.
    Flags are what measurably pays: `contract` (FMA) a tenth of a closed form and of the
    push, `reassoc` four fifths of a sum along a vector; elsewhere less than 4 %.
    """
    options: dict[str, Any] = {"error_model": "numpy", "nogil": True, "cache": True}
    return numba.njit(fastmath=set(flags) or False, **options)


@_compiled("contract")
def cubic_features(
    x: np.ndarray, scale: Any, shift: Any, derivative: int, size: int, out: np.ndarray
) -> None:
    """out[r, k, i] = B_k⁽ⁿ⁾(x[r, i]), n = 0, 1, 2, on uniform knots and for degree 3.

    With u = scale·x + shift − k − 2 and c = |u|:
    B = (max(2 − c, 0)³ − 4 max(1 − c, 0)³) / 6, without branch or recursion.
    """
    one = x.dtype.type(1.0)
    two = x.dtype.type(2.0)
    zero = x.dtype.type(0.0)
    four = x.dtype.type(4.0)
    half = x.dtype.type(0.5)
    sixth = x.dtype.type(1.0 / 6.0)
    curvature = scale * scale
    for r in range(x.shape[0]):
        for k in range(size):
            center = shift - x.dtype.type(k) - two
            if derivative == 0:
                for i in range(x.shape[1]):
                    c = abs(x[r, i] * scale + center)
                    p, q = two - c, one - c
                    # Written so that NaN, which is below nothing, stays NaN.
                    p = zero if p < zero else p
                    q = zero if q < zero else q
                    out[r, k, i] = (p * p * p - four * q * q * q) * sixth
            elif derivative == 1:
                for i in range(x.shape[1]):
                    u = x[r, i] * scale + center
                    c = abs(u)
                    p, q = two - c, one - c
                    p = zero if p < zero else p
                    q = zero if q < zero else q
                    slope = (two * q * q - half * p * p) * scale
                    out[r, k, i] = -slope if u < zero else slope
            else:
                for i in range(x.shape[1]):
                    c = abs(x[r, i] * scale + center)
                    p, q = two - c, one - c
                    p = zero if p < zero else p
                    q = zero if q < zero else q
                    out[r, k, i] = (p - four * q) * curvature


@_compiled()
def cubic_pull(
    x: np.ndarray, scale: Any, shift: Any, size: int, g: np.ndarray, out: np.ndarray
) -> None:
    """out[r, i] += Σ_k g[r, k, i] B_k'(x[r, i]).

    `cubic_features` for n = 1 and `contract` in one pass, because a gradient in x is
    what is asked for most.
    """
    one = x.dtype.type(1.0)
    two = x.dtype.type(2.0)
    zero = x.dtype.type(0.0)
    half = x.dtype.type(0.5)
    for r in range(x.shape[0]):
        for k in range(size):
            center = shift - x.dtype.type(k) - two
            for i in range(x.shape[1]):
                u = x[r, i] * scale + center
                c = abs(u)
                p, q = two - c, one - c
                p = zero if p < zero else p
                q = zero if q < zero else q
                slope = (two * q * q - half * p * p) * scale
                out[r, i] += g[r, k, i] * (-slope if u < zero else slope)


@_compiled("contract")
def cubic_active(
    x: np.ndarray,
    scale: Any,
    shift: Any,
    derivative: int,
    size: int,
    first: np.ndarray,
    values: np.ndarray,
) -> None:
    """The number of the first of four functions that may be active, and their values.

    For n = 0, 1, 2, uniform knots and degree 3. Beyond the knots `values` are 0, and
    NaN for NaN; `first` is then −3.
    """
    one = x.dtype.type(1.0)
    two = x.dtype.type(2.0)
    three = x.dtype.type(3.0)
    zero = x.dtype.type(0.0)
    half = x.dtype.type(0.5)
    end = x.dtype.type(size + 3)
    # All factors of the polynomials, so that the loops below have no branch.
    cube = one / x.dtype.type(6.0)
    square = scale * scale
    for r in range(x.shape[0]):
        for i in range(x.shape[1]):
            u = x[r, i] * scale + shift
            inside = (u >= zero) & (u < end)
            number = np.int32(u if inside else zero)
            first[r, i] = number - np.int32(3)
            t = (u if inside else zero) - x.dtype.type(number)
            o = one - t
            # 1 inside, 0 outside, NaN for NaN.
            there = one if inside else (u if u != u else zero)
            if derivative == 0:
                f = there * cube
                values[r, 0, i] = o * o * o * f
                values[r, 1, i] = (three * t * t * (t - two) + two + two) * f
                values[r, 2, i] = (three * o * o * (o - two) + two + two) * f
                values[r, 3, i] = t * t * t * f
            elif derivative == 1:
                f = there * scale
                values[r, 0, i] = -half * o * o * f
                values[r, 1, i] = (three * half * t - two) * t * f
                values[r, 2, i] = (two - three * half * o) * o * f
                values[r, 3, i] = half * t * t * f
            else:
                f = there * square
                values[r, 0, i] = o * f
                values[r, 1, i] = (three * t - two) * f
                values[r, 2, i] = (three * o - two) * f
                values[r, 3, i] = t * f


@_compiled()
def deboor_active(
    x: np.ndarray,
    knots: np.ndarray,
    degree: int,
    derivative: int,
    first: np.ndarray,
    values: np.ndarray,
) -> None:
    """The d + 1 functions that may be active at each point, for any knots (1 or I, m).

    The twin of the reference's recursion, with its conventions: the domain is closed,
    functions live on the whole line, 0 beyond the knots, NaN for NaN.
    """
    zero = x.dtype.type(0.0)
    count = knots.shape[1]
    size = count - degree - 1
    work = np.empty(degree + 1, dtype=x.dtype)
    for i in range(x.shape[1]):
        t = knots[i if knots.shape[0] > 1 else 0]
        right = t[size]
        last = 0
        while last + 1 < count and t[last + 1] < right:
            last += 1
        for r in range(x.shape[0]):
            point = x[r, i]
            inside = point >= t[0] and (point < t[count - 1] or point == right)
            if not inside or derivative > degree:
                first[r, i] = 0
                nothing = point if np.isnan(point) else zero
                for m in range(degree + 1):
                    values[r, m, i] = nothing
                continue
            low, high = 0, count  # the last knot that is not above the point
            while high - low > 1:
                middle = (low + high) // 2
                if t[middle] <= point:
                    low = middle
                else:
                    high = middle
            if point == right or low == count - 1:
                low = last
            work[0] = x.dtype.type(1.0)
            for p in range(1, degree + 1):
                carried = zero
                factor = x.dtype.type(p)
                for m in range(p):
                    # Knots beyond the ends belong to functions that do not exist.
                    a = t[max(low - p + 1 + m, 0)]
                    b = t[min(low + 1 + m, count - 1)]
                    share = work[m] / (b - a)
                    if p <= degree - derivative:
                        work[m] = carried + share * (b - point)
                        carried = share * (point - a)
                    else:
                        work[m] = carried - factor * share
                        carried = factor * share
                work[p] = carried
            first[r, i] = low - degree
            for m in range(degree + 1):
                exists = 0 <= low - degree + m < size
                values[r, m, i] = work[m] if exists else zero


@_compiled()
def spread(first: np.ndarray, values: np.ndarray, size: int, out: np.ndarray) -> None:
    """out[r, k, i] = the active values at their places, 0 elsewhere, NaN for NaN."""
    zero = values.dtype.type(0.0)
    for r in range(values.shape[0]):
        for k in range(size):
            for i in range(values.shape[2]):
                v = values[r, 0, i]
                out[r, k, i] = v if np.isnan(v) else zero
        for m in range(values.shape[1]):
            for i in range(values.shape[2]):
                k = first[r, i] + m
                if 0 <= k < size:
                    out[r, k, i] = values[r, m, i]


_INPUTS = 8
"""Inputs in a block of the local loops: their weights stay in the first cache."""


@_compiled()
def local_sum(
    first: np.ndarray,
    values: np.ndarray,
    weight: np.ndarray,
    size: int,
    y: np.ndarray,
) -> None:
    """y[r, o] += Σ_i Σ_m values[r, m, i] weight[first[r, i] + m, i, o]."""
    rows, active, inputs = values.shape
    for start in range(0, inputs, _INPUTS):
        for r in range(rows):
            out = y[r]
            for i in range(start, min(start + _INPUTS, inputs)):
                k = first[r, i]
                if active == 4 and k >= 0 and k + 4 <= size:
                    # Two rows a loop: with more pointers LLVM no longer vectorizes.
                    w0, w1 = weight[k, i], weight[k + 1, i]
                    w2, w3 = weight[k + 2, i], weight[k + 3, i]
                    v0, v1 = values[r, 0, i], values[r, 1, i]
                    v2, v3 = values[r, 2, i], values[r, 3, i]
                    for o in range(out.shape[0]):
                        out[o] += v0 * w0[o] + v1 * w1[o]
                    for o in range(out.shape[0]):
                        out[o] += v2 * w2[o] + v3 * w3[o]
                    continue
                for m in range(active):
                    v = values[r, m, i]
                    if 0 <= k + m < size:
                        row = weight[k + m, i]
                        for o in range(out.shape[0]):
                            out[o] += v * row[o]


@_compiled("reassoc")
def local_pull(
    first: np.ndarray,
    values: np.ndarray,
    weight: np.ndarray,
    g: np.ndarray,
    size: int,
    out: np.ndarray,
) -> None:
    """out[r, i] += Σ_o g[r, o] Σ_m values[r, m, i] weight[first[r, i] + m, i, o]."""
    rows, active, inputs = values.shape
    for start in range(0, inputs, _INPUTS):
        for r in range(rows):
            row = g[r]
            for i in range(start, min(start + _INPUTS, inputs)):
                k = first[r, i]
                total = g.dtype.type(0.0)
                if active == 4 and k >= 0 and k + 4 <= size:
                    w0, w1 = weight[k, i], weight[k + 1, i]
                    w2, w3 = weight[k + 2, i], weight[k + 3, i]
                    v0, v1 = values[r, 0, i], values[r, 1, i]
                    v2, v3 = values[r, 2, i], values[r, 3, i]
                    for o in range(row.shape[0]):
                        total += row[o] * (
                            v0 * w0[o] + v1 * w1[o] + v2 * w2[o] + v3 * w3[o]
                        )
                else:
                    for m in range(active):
                        v = values[r, m, i]
                        if 0 <= k + m < size:
                            w = weight[k + m, i]
                            for o in range(row.shape[0]):
                                total += v * row[o] * w[o]
                out[r, i] += total


@_compiled()
def _grouped(
    first: np.ndarray,
    values: np.ndarray,
    i: int,
    size: int,
    order: np.ndarray,
    ends: np.ndarray,
) -> None:
    """Fill `order` with the rows, those with the same first function side by side.

    `ends[k]` is the end of group k. The last group, k = size, has the rows where not
    all active functions exist, or that are NaN.
    """
    rows, active, _ = values.shape
    group = np.empty(rows, dtype=np.int32)
    ends[:] = 0
    for r in range(rows):
        k = first[r, i]
        if k < 0 or k + active > size or np.isnan(values[r, 0, i]):
            k = np.int32(size)
        group[r] = k
        ends[k + 1] += 1
    for k in range(size + 1):
        ends[k + 1] += ends[k]
    for r in range(rows):
        k = group[r]
        order[ends[k]] = r
        ends[k] += 1


@_compiled("contract")
def local_push(
    first: np.ndarray,
    values: np.ndarray,
    g: np.ndarray,
    begin: int,
    end: int,
    size: int,
    out: np.ndarray,
) -> None:
    """out[first[r, i] + m, i, o] += values[r, m, i] g[r, o] for begin ≤ i < end.

    Four rows that add to the same entries do so at once, because to load and to store
    those takes longer than to add. Threads take ranges of inputs: none writes where
    another does.
    """
    rows, active, _ = values.shape
    order, ends = np.empty(rows, np.int64), np.empty(size + 2, np.int64)
    for i in range(begin, end):
        _grouped(first, values, i, size, order, ends)
        at = 0
        for k in range(size - active + 1):
            while at + 4 <= ends[k]:
                r0, r1, r2, r3 = order[at], order[at + 1], order[at + 2], order[at + 3]
                g0, g1, g2, g3 = g[r0], g[r1], g[r2], g[r3]
                for m in range(active):
                    v0, v1 = values[r0, m, i], values[r1, m, i]
                    v2, v3 = values[r2, m, i], values[r3, m, i]
                    into = out[k + m, i]
                    for o in range(into.shape[0]):
                        into[o] += (v0 * g0[o] + v1 * g1[o]) + (v2 * g2[o] + v3 * g3[o])
                at += 4
            while at < ends[k]:
                r0 = order[at]
                g0 = g[r0]
                for m in range(active):
                    v0, into = values[r0, m, i], out[k + m, i]
                    for o in range(into.shape[0]):
                        into[o] += v0 * g0[o]
                at += 1
        for r in order[at:]:
            # NaN reaches every coefficient, as it does in the reference.
            lost = np.isnan(values[r, 0, i])
            for m in range(size if lost else active):
                k = m if lost else first[r, i] + m
                if 0 <= k < size:
                    v, row, into = values[r, 0 if lost else m, i], g[r], out[k, i]
                    for o in range(into.shape[0]):
                        into[o] += v * row[o]
