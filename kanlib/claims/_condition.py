"""A condition fixed before measuring, and the values that are judged by it."""

import math
import statistics
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from kanlib import _check
from kanlib.claims._intervals import mean_interval, median_interval

SUBJECT = {
    "every": "every value",
    "mean": "95 % interval of the mean",
    "median": "90 % interval of the median",
}
NEEDED = {"every": 1, "mean": 2, "median": 5}
"""How many values each judge needs."""


@dataclass(frozen=True)
class Condition:
    """Low <= what the judge looks at <= high, both ends included."""

    low: float
    high: float
    judge: str
    unit: str

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        if self.low == self.high:
            bounds = f"equal to {self.low:.12g}"
        elif self.high == math.inf:
            bounds = f"at least {self.low:.12g}"
        elif self.low == -math.inf:
            bounds = f"at most {self.high:.12g}"
        else:
            bounds = f"between {self.low:.12g} and {self.high:.12g}"
        return f"{SUBJECT[self.judge]} {bounds}{unit}"

    def summary(
        self, values: tuple[float, ...]
    ) -> tuple[float | None, tuple[float, float] | None]:
        """The number that decides, and the interval behind it if there are several.

        Both are None when a value is not finite; with fewer values than the judge needs
        (the smoke profile) the worst value stands for the summary.
        """
        if not values or not all(map(math.isfinite, values)):
            return None, None
        if len(values) < NEEDED[self.judge] or self.judge == "every":
            # the worst value is the one that comes nearest to breaking the condition
            worst = min(values, key=lambda x: min(x - self.low, self.high - x))
            several = len(values) > 1
            return worst, (min(values), max(values)) if several else None
        if self.judge == "mean":
            mean = statistics.fmean(values)
            # what is left when values cancel is rounding, not a measurement
            rounding = 1e-15 * max(map(abs, values))
            return 0.0 if abs(mean) <= rounding else mean, mean_interval(values)
        return statistics.median(values), median_interval(values)

    def holds(self, values: tuple[float, ...]) -> bool:
        """Whether the values satisfy it; values that are not finite never do."""
        measured, interval = self.summary(values)
        if measured is None:
            return False
        low, high = interval or (measured, measured)
        return self.low <= low and high <= self.high


def make_condition(
    owner: str,
    number: str,
    *,
    at_most: float | None,
    at_least: float | None,
    between: tuple[float, float] | None,
    judge: str,
    unit: str,
) -> Condition | None:
    """The condition that was given, or None; ValueError for several or a bad one."""
    given = {"at_most": at_most, "at_least": at_least, "between": between}
    named = [name for name, value in given.items() if value is not None]
    if not named:
        return None
    if len(named) > 1:
        raise ValueError(
            f"{owner}: {number} has several conditions ({', '.join(named)}); expected "
            "exactly one of at_most, at_least, between."
        )
    _check.is_one_of(owner, "judge", judge, tuple(SUBJECT))
    ends = tuple(between) if between is not None else (at_least, at_most)
    finite = [end for end in ends if end is not None and math.isfinite(end)]
    if len(finite) != (1 if between is None else 2) or finite != sorted(finite):
        raise ValueError(
            f"{owner}: {named[0]} of {number} is {given[named[0]]}; expected finite "
            "numbers" + (" a <= b." if between is not None else ".")
        )
    low = finite[0] if at_most is None else -math.inf
    high = finite[-1] if at_least is None else math.inf
    return Condition(float(low), float(high), judge, unit)


def real_numbers(owner: str, values: Any) -> tuple[float, ...]:
    """One real number or a flat sequence of them, as Python floats.

    Raises TypeError unless they are real numbers, ValueError unless flat and not empty.
    """
    plain = values
    if isinstance(values, Tensor):
        plain = values.numpy(force=True)
    elif isinstance(values, list | tuple):
        plain = [v.item() if isinstance(v, Tensor) else v for v in values]
    try:
        array = np.asarray(plain)
    except ValueError:  # rows of different lengths
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{owner}: values are {type(values).__name__} {values!r:.60}; expected a "
            "real number or a flat sequence of them."
        )
    if array.ndim > 1 or array.size == 0:
        raise ValueError(
            f"{owner}: values have shape {array.shape}; expected one number, "
            "or one per seed."
        )
    return tuple(array.astype(np.float64).reshape(-1).tolist())
