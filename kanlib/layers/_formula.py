"""Formulas as Python text: sums of terms, with constants gathered where that is exact.

A trained network has more constants than its formula needs: in c exp(a (Σ k T) + b) the
a goes into the sum and the b in front. Gathered, what remains is what was learned.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

TEXTS = {
    "x^2": "{}**2",
    "x^3": "{}**3",
    "x^4": "{}**4",
    "1/x": "1/{}",
    "gaussian": "exp(-{}**2)",
}
"""How a formula writes a candidate; others are written `name(argument)`."""

POWERS = {"x^2": 2, "x^3": 3, "x^4": 4, "1/x": -1}
"""Candidates with F(k u) = k^p F(u)."""


class Sum(NamedTuple):
    """Σ k T + constant, with (k, T) in `terms`."""

    terms: tuple[tuple[float, str], ...]
    constant: float = 0.0

    def text(self, digits: int) -> str:
        """Write it; a constant below the last shown digit of 1 is not shown."""
        shown = [_times(k, term, digits) for k, term in self.terms if k != 0]
        if abs(self.constant) >= 10.0**-digits or not shown:
            shown.append(f"{self.constant:.{digits}g}")
        return " + ".join(shown).replace("+ -", "- ")


def variable(name: str) -> Sum:
    """Return the sum that is just one variable."""
    return Sum(((1.0, name),))


def added(sums: Sequence[Sum]) -> Sum:
    """Return the sum of some sums."""
    terms = tuple(term for one in sums for term in one.terms)
    return Sum(terms, math.fsum(one.constant for one in sums))


def edge(name: str, constants: Sequence[float], inner: Sum, digits: int) -> Sum:
    """Return c F(a u + b) + d for the argument u = `inner`, `constants` a, b, c, d."""
    a, b, c, d = constants
    if c == 0:
        return Sum((), d)
    u = Sum(tuple((a * k, t) for k, t in inner.terms), a * inner.constant + b)
    if name == "x":
        return Sum(tuple((c * k, t) for k, t in u.terms), c * u.constant + d)
    if name == "exp" and u.terms and abs(u.constant) < 700:  # e^709 is the largest
        c, u = c * math.exp(u.constant), u._replace(constant=0.0)
    if name in POWERS and len(u.terms) == 1 and abs(u.constant) < 10.0**-digits:
        ((k, term),) = u.terms
        c, u = c * k ** POWERS[name], variable(term)
    text = u.text(digits)
    if name not in TEXTS:
        return Sum(((c, f"{name}({text})"),), d)
    closed = text if text.isidentifier() else f"({text})"
    return Sum(((c, TEXTS[name].format(closed)),), d)


def _times(factor: float, text: str, digits: int) -> str:
    number = f"{factor:.{digits}g}"
    if number in ("1", "-1"):
        return number[:-1] + text
    return f"{number}*{text}"
