"""A measured number that prose quotes: the cell that measures it records it.

Nothing that was measured is typed into prose. The cell calls `number("exponent", ...)`,
and the page prints it where the prose says {measured}`kan.exponent`.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar

from kanlib import _check
from kanlib.claims._condition import real_numbers
from kanlib.claims._shown import Shown

NUMBER_MIME = "application/vnd.kanlib.number+json"
"""The media type under which a notebook's output carries one number."""


@dataclass(frozen=True)
class Number(Shown):
    """A number with its name and the text in which prose quotes it.

    Example:
        >>> number("exponent", 1.1284)
        exponent = 1.13
    """

    mime: ClassVar[str] = NUMBER_MIME

    name: str
    value: float
    text: str
    tolerance: float

    def to_dict(self) -> dict[str, Any]:
        """The number as JSON-safe plain data."""
        return {
            "name": self.name,
            "value": self.value,
            "text": self.text,
            "tolerance": self.tolerance,
        }

    def __str__(self) -> str:
        return f"{self.name} = {self.text}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return number_html(self.to_dict())


def number(
    name: str,
    value: Any,
    format: str = ".2f",
    *,
    tolerance: float = 0.01,
    unit: str = "",
) -> Number:
    """Record and show a measured number that prose quotes.

    The page prints it where a Markdown cell or another page has the role `measured`
    with `<chapter>.<name>`.

    Args:
        name: Its name in the chapter: a lower-case word; words are joined by hyphens.
        value: The number, or a tensor or array that holds one.
        format: How Python prints it, such as ".2f", ".1e", ".0%" or "d".
        tolerance: How far a later run may move it, as a share of the larger magnitude.
        unit: Printed after the number.

    Returns:
        The number; in a notebook it is displayed.

    Raises:
        TypeError: `value` is not a real number ("number NAME: ...").
        ValueError: `name` is no such word, `value` is not one finite number, `format`
            does not fit it, or "tolerance must be" finite and at least 0.

    Example:
        >>> number("ratio", 2.46, ".1f", tolerance=0.5, unit="times").text
        '2.5 times'
    """
    if not isinstance(name, str) or not re.fullmatch(
        r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name
    ):
        raise ValueError(
            f"number: name is {name!r}; expected lower-case words joined by hyphens, "
            "such as 'test-error', because pages address it as CHAPTER.NAME."
        )
    owner = f"number {name}"
    _check.is_non_negative(owner, "tolerance", tolerance)
    values = real_numbers(owner, value)
    if len(values) > 1:
        raise ValueError(
            f"{owner}: value holds {len(values)} numbers; expected one, because prose "
            "quotes one. Record each under a name of its own."
        )
    (exact,) = values
    if not math.isfinite(exact):
        raise ValueError(
            f"{owner}: value is {exact}; expected a finite number, because prose "
            "quotes it."
        )
    # Floats have no format "d"; a count that came as 5.0 is still a count.
    whole = format.endswith("d") and exact.is_integer()
    try:
        text = f"{int(exact) if whole else exact:{format}}"
    except ValueError:
        raise ValueError(
            f"{owner}: format is {format!r}; expected one that Python accepts for "
            f"{exact:g}, such as '.2f', '.1e' or '.0%'."
        ) from None
    made = Number(name, exact, f"{text} {unit}".rstrip(), float(tolerance))
    made.show()
    return made


def number_html(record: Mapping[str, Any]) -> str:
    """One quiet line, anchored as number-<name>."""
    name = escape(record["name"])
    return (
        f'<p class="kl-number" id="number-{name}"><span class="kl-number__name">'
        f"{name}</span> = {escape(record['text'])}</p>"
    )
