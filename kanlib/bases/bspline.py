"""B-splines: piecewise polynomials with local support, the edges of the first KAN."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from kanlib import _check
from kanlib.ops.bspline import bspline_basis

Row = tuple[float, ...]
Numbers = Sequence[float] | Sequence[Sequence[float]] | Tensor | np.ndarray

_copies: WeakKeyDictionary["BSpline", dict[torch.device, Tensor]] = WeakKeyDictionary()


@dataclass(frozen=True, init=False)
class BSpline:
    """The K = m − d − 1 B-splines of degree d on knots t_0 ≤ … ≤ t_{m−1}.

    The usable domain is [t_d, t_K], closed: there the functions are non-negative and
    sum to 1, at most d + 1 of them are not zero at a point, and they span all piecewise
    polynomials of degree d with d − r continuous derivatives at a knot repeated r
    times. Each function lives on the whole line and is zero only outside its own d + 1
    intervals; beyond all knots the family is zero.

    Args:
        knots: m numbers shared by all inputs; or one row of m numbers per input, and
            then the last axis of x is the input axis: (..., in) -> (..., in, K). Any
            sequence, array or tensor; kept as tuples of floats.
        degree: d ≥ 0.

    Raises:
        TypeError: "knots is" not a sequence of numbers; "degree is" not an int.
        ValueError: "knots has" NaN or infinite entries, too few, unsorted, or repeated
            more than d + 1 times; rows of different lengths; an empty domain.

    Notes:
        A call costs O(points · (d² + K)); see `kanlib.ops.bspline`. Knots are rounded
        to x's dtype (float32 for half precision).

    Example:
        >>> basis = BSpline.uniform(5, degree=3, domain=(-1.0, 1.0))
        >>> basis
        BSpline.uniform(5, degree=3, domain=(-1.0, 1.0))
        >>> basis(torch.tensor([-1.0, 0.0, 1.0])).sum(-1).round(decimals=5)
        tensor([1., 1., 1.])
        >>> print(BSpline((0, 0, 1, 3, 3), degree=1))
        BSpline of degree 1, 2 intervals, domain [0, 3]

    Reference:
        [deboor1978practical]; in KANs [liu2024kan], arXiv 2404.19756.
    """

    knots: Row | tuple[Row, ...]
    degree: int
    # NumPy, not a tensor: a tensor kept here could leak out of a torch transform. Made
    # at once, not when first used: torch.compile cannot trace a cached property.
    _array: np.ndarray = field(init=False, repr=False, compare=False)

    def __init__(self, knots: Numbers, degree: int) -> None:
        _check.is_integer("BSpline", "degree", degree, 0)
        object.__setattr__(self, "knots", _as_tuples(knots))
        object.__setattr__(self, "degree", degree)
        _check_rows(self.rows, degree)
        object.__setattr__(self, "_array", np.array(self.knots, dtype=np.float64))

    @classmethod
    def uniform(
        cls, intervals: int, degree: int = 3, domain: tuple[float, float] = (-1.0, 1.0)
    ) -> "BSpline":
        """Knots t_j = a + (j − d) h, h = (b − a)/G: G + d functions on [a, b].

        Args:
            intervals: G ≥ 1.
            degree: d ≥ 0; the knots go on d steps to each side.
            domain: (a, b).

        Raises:
            ValueError: "intervals must be" or "degree must be"; "domain must be".

        Example:
            >>> BSpline.uniform(2, degree=1, domain=(0.0, 1.0)).knots
            (-0.5, 0.0, 0.5, 1.0, 1.5)
        """
        _check.is_integer("BSpline.uniform", "intervals", intervals, 1)
        _check.is_integer("BSpline.uniform", "degree", degree, 0)
        _check.is_interval("BSpline.uniform", "domain", domain)
        # Exact arithmetic: a, b and the knots of coarser grids are hit to the last bit.
        a, b = Fraction(float(domain[0])), Fraction(float(domain[1]))
        steps = range(-degree, intervals + degree + 1)
        return cls(tuple(float(a + (b - a) * j / intervals) for j in steps), degree)

    @property
    def rows(self) -> tuple[Row, ...]:
        """The knots as rows: one when they are shared, else one per input."""
        return self.knots if self._is_per_input else (self.knots,)  # type: ignore[return-value]

    @property
    def inputs(self) -> int | None:
        """The number of rows when there is one per input, None when shared."""
        return len(self.knots) if self._is_per_input else None

    def row(self, index: int) -> "BSpline":
        """Return the spline of one input, with shared knots (itself when shared)."""
        return BSpline(self.rows[index], self.degree) if self._is_per_input else self

    @property
    def size(self) -> int:
        """K = m − d − 1."""
        return len(self.rows[0]) - self.degree - 1

    @property
    def intervals(self) -> int:
        """Knot intervals of the domain, K − d; repeated knots have empty ones."""
        return self.size - self.degree

    @property
    def domains(self) -> tuple[tuple[float, float], ...]:
        """[t_d, t_K] of each row."""
        return tuple((row[self.degree], row[self.size]) for row in self.rows)

    @property
    def domain(self) -> tuple[float, float]:
        """[t_d, t_K]; for one row per input, the hull of their domains."""
        lows, highs = zip(*self.domains, strict=True)
        return min(lows), max(highs)

    @property
    def breakpoints(self) -> Row:
        """The distinct knots of all rows, sorted."""
        return tuple(sorted({t for row in self.rows for t in row}))

    @property
    def smoothness(self) -> float:
        """Return d − r, for the knot inside the domain that repeats most, r times.

        −1 where functions jump, `math.inf` for one single interval.
        """
        repeats = [
            max(Counter(t for t in row if low < t < high).values(), default=-math.inf)
            for row, (low, high) in zip(self.rows, self.domains, strict=True)
        ]
        return self.degree - max(repeats)

    def greville(self) -> Float[Tensor, "*in K"]:
        """Return ξ_k = (t_{k+1} + … + t_{k+d})/d, in float64.

        Then x = Σ_k ξ_k B_k(x) on the domain, so that ξ_k is the natural place to draw,
        and to drag, coefficient k. For d = 0, the midpoints.
        """
        t = torch.from_numpy(self._array.copy())
        first, last = (1, self.degree) if self.degree else (0, 1)
        columns = [t[..., j : j + self.size] for j in range(first, last + 1)]
        return torch.stack(columns).mean(0)

    def refined(self, factor: int = 2) -> "BSpline":
        """Cut every interval of the domain into `factor` equal ones.

        On the domain the new span contains the old one. A uniform spline stays uniform,
        with its outer knots drawn in; else the knots outside the domain stay.

        Raises:
            ValueError: "factor must be" at least 1.

        Example:
            >>> BSpline.uniform(5).refined(4)
            BSpline.uniform(20, degree=3, domain=(-1.0, 1.0))
        """
        _check.is_integer("BSpline.refined", "factor", factor, 1)
        if self._is_uniform:
            return BSpline.uniform(self.intervals * factor, self.degree, self.domain)
        rows = tuple(_cut(row, self.degree, self.size, factor) for row in self.rows)
        return BSpline(rows if self._is_per_input else rows[0], self.degree)

    def __call__(
        self, x: Float[Tensor, "*batch"], derivative: int = 0
    ) -> Float[Tensor, "*batch K"]:
        """Return B_k⁽ⁿ⁾(x) for all k; 0 beyond the knots, NaN for NaN.

        Raises:
            TypeError: "x has dtype" not floating.
            ValueError: "derivative must be" non-negative; "x has shape" not (..., in).
        """
        _check.is_floating("BSpline", "x", x)
        if self.inputs is not None:
            because = f"the knots have {self.inputs} rows, one per input"
            _check.last_axis("BSpline", "x", x, self.inputs, because)
        work = torch.promote_types(x.dtype, torch.float32)
        knots = torch.from_numpy(self._array).to(device=x.device, dtype=work)
        return bspline_basis(x.to(work), knots, self.degree, derivative).to(x.dtype)

    def tensor(self, device: torch.device | str = "cpu") -> Float[Tensor, "*in knots"]:
        """Return the knots in float64, as the operations of `kanlib.ops` take them.

        A GPU gets its copy once: to send it at each call would make the host wait, and
        no CUDA graph could capture the call.
        """
        device = torch.device(device)
        if device.type == "cpu" or torch.compiler.is_compiling():
            return torch.from_numpy(self._array).to(device)
        kept = _copies.setdefault(self, {})
        if device in kept:
            return kept[device]
        made = torch.from_numpy(self._array).to(device)
        # Neither a stand-in of a compiler's trace nor what only inference may use.
        if type(made) is Tensor and not made.is_inference():
            kept[device] = made
        return made

    def __repr__(self) -> str:
        """Return an expression that makes an equal spline."""
        if self._is_uniform:
            body = f"{self.intervals}, degree={self.degree}, domain={self.domain}"
            return f"BSpline.uniform({body})"
        return f"BSpline(knots={self.knots}, degree={self.degree})"

    def __str__(self) -> str:
        """Return one short line, whatever the number of knots."""
        rows = "" if self.inputs is None else f", {self.inputs} rows of knots"
        low, high = self.domain
        return (
            f"BSpline of degree {self.degree}, {self.intervals} intervals{rows}, "
            f"domain [{low:g}, {high:g}]"
        )

    @property
    def _is_per_input(self) -> bool:
        return any(isinstance(row, tuple) for row in self.knots)

    @cached_property
    def _is_uniform(self) -> bool:
        if self._is_per_input:
            return False
        uniform = BSpline.uniform(self.intervals, self.degree, self.domain)
        return self.knots == uniform.knots


def _as_tuples(knots: Any) -> Row | tuple[Row, ...]:
    """Return plain tuples of floats, whatever nested sequence or tensor `knots` is."""
    if isinstance(knots, Tensor | np.ndarray):
        knots = knots.tolist()
    try:
        if len(knots) and all(hasattr(row, "__len__") for row in knots):
            return tuple(tuple(float(t) for t in row) for row in knots)
        return tuple(float(t) for t in knots)
    except (TypeError, ValueError):
        raise TypeError(
            f"BSpline: knots is {str(knots)[:60]}; expected numbers, or one sequence "
            "of numbers per input."
        ) from None


def _check_rows(rows: tuple[Row, ...], degree: int) -> None:
    for number, row in enumerate(rows):
        where = f"BSpline: knots{f' (row {number})' if len(rows) > 1 else ''} has"
        if not all(math.isfinite(t) for t in row):
            raise ValueError(
                f"{where} NaN or infinite entries; expected finite numbers."
            )
        if len(row) != len(rows[0]):
            raise ValueError(
                f"{where} {len(row)} entries; expected {len(rows[0])}, as in row 0."
            )
        if len(row) < 2 * degree + 2:
            raise ValueError(
                f"{where} {len(row)} entries; expected at least {2 * degree + 2}, "
                f"because degree={degree}."
            )
        falls = [j for j, t in enumerate(row[1:], 1) if t < row[j - 1]]
        if falls:
            j = falls[0]
            raise ValueError(
                f"{where} {row[j]:g} after {row[j - 1]:g} at position {j}; expected "
                "non-decreasing numbers. Sort them."
            )
        knot, times = Counter(row).most_common(1)[0]
        if times > degree + 1:
            raise ValueError(
                f"{where} {knot:g} {times} times; expected at most {degree + 1} times, "
                f"because degree={degree}."
            )
        low, high = row[degree], row[len(row) - degree - 1]
        if not low < high:
            raise ValueError(
                f"{where} the empty domain [{low:g}, {high:g}]; expected knot {degree} "
                f"below knot {len(row) - degree - 1}, because degree={degree}."
            )


def _cut(row: Row, degree: int, size: int, factor: int) -> Row:
    """Insert factor − 1 equally spaced knots into each interval of the domain."""
    cut = list(row[: degree + 1])
    for low, high in zip(row[degree:size], row[degree + 1 : size + 1], strict=True):
        if low < high:
            a, b = Fraction(low), Fraction(high)
            cut += [float(a + (b - a) * j / factor) for j in range(1, factor)]
        cut.append(high)
    return tuple(cut) + row[size + 1 :]
