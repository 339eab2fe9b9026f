"""A numbered statement put to the test: both sides evaluated, then compared.

A statement is proved, so a side that fails is a mistake, in the proof, in the code or
in the test: comparing raises. What holds is recorded with how closely it holds.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_UP, Context
from html import escape
from typing import Any

import torch
from torch import Tensor

from kanlib import _check
from kanlib._gap import Place, largest, largest_gap
from kanlib.claims._cards import MATHS

CHECK_MIME = "application/vnd.kanlib.check+json"
"""The media type under which a notebook's output carries one check of a statement."""

EQUAL, AT_MOST = "equal", "at most"
NOT_CHECKABLE = "not checkable here"


@dataclass(frozen=True)
class Comparison:
    """How two sides compare: made by `equal` or `at_most`, only when they do.

    `kind` is "equal" or "at most". For "equal", `gap` is the largest difference and
    stays below `bound`. For "at most", `gap` is the largest share of the right side
    that the left side reaches, and `bound` is 1 and the slack.

    Example:
        >>> at_most(torch.tensor([1.0, 3.0]), 4)
        Comparison(kind='at most', gap=0.75, bound=1.0)
    """

    kind: str
    gap: float
    bound: float


def equal(left: Tensor | float, right: Tensor | float, *, atol: float) -> Comparison:
    """Check max |left − right| < `atol`.

    Args:
        left: One side: a tensor or a number.
        right: The other side; the two broadcast.
        atol: The bound. NaN equals NaN only, an infinity the same infinity.

    Returns:
        The comparison, with the largest difference as its `gap`.

    Raises:
        AssertionError: "equal: the largest difference", with its place and both values.
        TypeError: a side is neither a tensor nor a number, or complex ("equal: ...").
        ValueError: the shapes do not broadcast, nothing is left to compare, or "atol
            must be" finite and above 0.

    Example:
        >>> x = torch.linspace(0, 1, 5, dtype=torch.float64)
        >>> equal((1 + x) ** 2, 1 + 2 * x + x**2, atol=1e-14).kind
        'equal'
    """
    _check.is_positive("equal", "atol", atol)
    first, second = _both("equal", left, right)
    gap, where = largest_gap(first, second)
    if not gap < atol:
        raise AssertionError(
            f"equal: the largest difference is {gap:.2e}{_at(where)}, not below "
            f"{atol:g}: left is {first[where]:.9g}, right is {second[where]:.9g}."
        )
    return Comparison(EQUAL, gap, float(atol))


def at_most(
    left: Tensor | float, right: Tensor | float, *, slack: float = 0.0
) -> Comparison:
    """Check left ≤ right · (1 + `slack`) everywhere, for right ≥ 0.

    Args:
        left: The smaller side: a tensor or a number.
        right: The bound that the statement promises; the two broadcast.
        slack: Share of the right side by which rounding may exceed it.

    Returns:
        The comparison. Its `gap` is the largest left/right, at least 0: 1 where the
        bound is attained. A right side of 0 counts as kept in full by a left side ≤ 0.

    Raises:
        AssertionError: "at_most: left exceeds right", with the place and both values;
            also for NaN, and for infinity against infinity.
        TypeError: a side is neither a tensor nor a number, or complex ("at_most: ...").
        ValueError: right has negative entries, the shapes do not broadcast, nothing is
            left to compare, or "slack must be" finite and at least 0.

    Example:
        >>> x = torch.linspace(0, 1, 101, dtype=torch.float64)
        >>> at_most(x.sin(), x).gap < 1
        True
    """
    _check.is_non_negative("at_most", "slack", slack)
    first, second = _both("at_most", left, right)
    if bool((second < 0).any()):
        raise ValueError(
            f"at_most: right falls to {second.min():.9g}; expected at least 0, because "
            "a share of it is measured. Bring the statement into a form whose right "
            "side is not negative."
        )
    share = torch.where((second == 0) & (first <= 0), 0.0, first / second)
    gap, where = largest(torch.where(share.isnan(), math.inf, share))
    if not gap <= 1 + slack:
        allowed = f" by more than {slack:g} of it" if slack else ""
        raise AssertionError(
            f"at_most: left exceeds right{allowed}{_at(where)}: left is "
            f"{first[where]:.9g}, right is {second[where]:.9g}."
        )
    return Comparison(AT_MOST, max(gap, 0.0), 1.0 + slack)


@dataclass(frozen=True)
class Check:
    """What became of a statement: its compared sides, or why there are none.

    As the last expression of a notebook's cell it is displayed: a card, the record as
    JSON, and a text without the measured digits, which differ between machines.

    Example:
        >>> print(evaluate("thm-squares", {"expansion": equal(2.0, 2, atol=1e-15)}))
        check of thm-squares: holds
          expansion: both sides equal, largest difference below 1e-15
    """

    statement: str
    sides: Mapping[str, Comparison] = field(hash=False)
    because: str = ""

    @property
    def checkable(self) -> bool:
        """Whether the sides could be evaluated."""
        return bool(self.sides)

    def to_dict(self) -> dict[str, Any]:
        """The check as JSON-safe plain data."""
        return {
            "statement": self.statement,
            "checkable": self.checkable,
            "because": self.because,
            "sides": [
                {"name": name, "kind": side.kind, "gap": side.gap, "bound": side.bound}
                for name, side in self.sides.items()
            ],
        }

    def __str__(self) -> str:
        """What was compared and within which bounds: the same on each machine."""
        if not self.checkable:
            return f"check of {self.statement}: {NOT_CHECKABLE}, because {self.because}"
        lines = [f"check of {self.statement}: holds"]
        for name, side in self.sides.items():
            times = "" if side.bound == 1 else f"{side.bound:.12g} times "
            said = {
                EQUAL: f"both sides equal, largest difference below {side.bound:g}",
                AT_MOST: f"left side at most {times}the right side",
            }
            lines.append(f"  {name}: {said[side.kind]}")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return check_html(self.to_dict())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        return {
            CHECK_MIME: self.to_dict(),
            "text/html": self._repr_html_(),
            "text/plain": str(self),
        }


def evaluate(statement: str, sides: Mapping[str, Comparison]) -> Check:
    """The check of a statement: each of its parts with the comparison that was made.

    Args:
        statement: The statement's label in the notebook (`:label:`).
        sides: Part -> what `equal` or `at_most` returned; names may hold $...$.

    Returns:
        The check; make it the last expression of a cell.

    Raises:
        TypeError: a side is no `Comparison` ("evaluate: ...").
        ValueError: `statement` is no label, or there are no sides ("evaluate: ...").

    Example:
        >>> x = torch.linspace(0, 1, 11, dtype=torch.float64)
        >>> evaluate("thm-sine", {"bound": at_most(x.sin(), x)})
        check of thm-sine: holds
          bound: left side at most the right side
    """
    _is_label("evaluate", statement)
    if not isinstance(sides, Mapping) or not sides or not all(sides):
        raise ValueError(
            f"evaluate: sides of {statement} are {sides!r:.60}; expected a mapping of "
            "names to comparisons. If nothing can be compared, use not_checkable."
        )
    for name, side in sides.items():
        if not isinstance(side, Comparison):
            raise TypeError(
                f"evaluate: side {name!r} of {statement} is a {type(side).__name__}; "
                "expected what equal(left, right, atol=...) or at_most(left, right) "
                "returns, so that the page can say how closely it holds."
            )
    return Check(statement, dict(sides))


def not_checkable(statement: str, *, because: str) -> Check:
    """The check of a statement whose sides cannot be evaluated here, and why.

    Args:
        statement: The statement's label in the notebook (`:label:`).
        because: The reason, as the rest of a sentence; it is printed on the page.

    Returns:
        The check; make it the last expression of a cell.

    Raises:
        ValueError: `statement` is no label, or `because` is empty ("not_checkable:
            ...").

    Example:
        >>> not_checkable("thm-one", because="it says only that one exists")
        check of thm-one: not checkable here, because it says only that one exists
    """
    _is_label("not_checkable", statement)
    if not because.strip():
        raise ValueError(
            f"not_checkable: because of {statement} is empty; expected the reason, "
            "since the page prints it."
        )
    return Check(statement, {}, because.strip().rstrip("."))


def check_badge(record: Mapping[str, Any]) -> str:
    """The outcome of a check in a few words, by its worst side of each kind.

    Args:
        record: The check as plain data, as `Check.to_dict` gives it.

    Example:
        >>> side = {"name": "sum", "kind": "equal", "gap": 3.3e-16, "bound": 1e-13}
        >>> check_badge({"checkable": True, "sides": [side]})
        'checked to 4e-16'
    """
    if not record["checkable"]:
        return NOT_CHECKABLE
    gaps: dict[str, float] = {}
    for side in record["sides"]:
        gaps[side["kind"]] = max(side["gap"], gaps.get(side["kind"], 0.0))
    said = []
    if EQUAL in gaps:
        said.append("checked " + _to(gaps[EQUAL]))
    if AT_MOST in gaps:
        said.append(
            ("" if said else "holds, ") + f"{_share(gaps[AT_MOST])} of the bound"
        )
    return ", ".join(said)


def side_text(side: Mapping[str, Any]) -> str:
    """How one side of a check came out, with its bound."""
    if side["kind"] == EQUAL:
        found = f"{side['gap']:.2g}" if side["gap"] else "0"
        return f"largest difference {found}, allowed {side['bound']:g}"
    allowed = "" if side["bound"] == 1 else f", allowed {side['bound']:.12g}"
    return f"left side at most {_share(side['gap'])} of the right side{allowed}"


def check_html(record: Mapping[str, Any]) -> str:
    """One card, anchored as check-<label>."""
    lines = [
        f"<strong>{escape(side['name'])}:</strong> {_unbroken(side_text(side))}"
        for side in record["sides"]
    ] or [f"because {escape(record['because'])}"]
    items = "".join(f"<li>{line}</li>" for line in lines)
    name = escape(record["statement"])
    return (
        f'<div class="kl-check {MATHS}" id="check-{name}">'
        f'<p class="kl-check__head"><strong class="kl-check__id">{name}</strong> '
        f'<span class="kl-check__outcome">{escape(check_badge(record))}</span></p>'
        f'<ul class="kl-check__sides">{items}</ul></div>'
    )


def _unbroken(text: str) -> str:
    """Return plain text as HTML; a browser would break 1e-14 after its hyphen."""
    return re.sub(r"[\d.]+e-\d+", r'<span class="kl-check__number">\g<0></span>', text)


def _to(gap: float) -> str:
    """Return `gap` rounded up to one digit, since below it the sides were not told."""
    if not gap:
        return "exactly"
    up = Context(prec=1, rounding=ROUND_UP).create_decimal(repr(gap))
    return f"to {float(up):g}"


def _share(gap: float) -> str:
    """Return two digits, and more where they would say 1 of what stays below it."""
    if not 0.995 <= gap < 1:
        return f"{gap:#.2g}"
    return f"{gap:.{min(-math.floor(math.log10(1 - gap)), 12)}f}"


def _at(where: Place) -> str:
    return f" at index {where}" if where else ""


def _is_label(owner: str, statement: str) -> None:
    if not isinstance(statement, str) or not re.fullmatch(r"[\w.:-]+", statement):
        raise ValueError(
            f"{owner}: statement is {statement!r}; expected the label of a statement, "
            "such as 'kan-bspline', because the page links to it."
        )


def _both(owner: str, left: Any, right: Any) -> tuple[Tensor, Tensor]:
    """Return both sides in float64, broadcast against each other."""
    sides = {"left": left, "right": right}
    for name, side in sides.items():
        if not isinstance(side, Tensor):
            _check.is_number(owner, name, side)
            sides[name] = torch.tensor(float(side), dtype=torch.float64)
        elif side.is_complex():
            raise TypeError(
                f"{owner}: {name} has dtype {side.dtype}; expected real numbers. "
                "Compare real and imaginary parts."
            )
        else:
            sides[name] = side.detach().to("cpu", torch.float64)
    try:
        first, second = torch.broadcast_tensors(*sides.values())
    except RuntimeError:
        shapes = " and ".join(str(tuple(side.shape)) for side in sides.values())
        raise ValueError(
            f"{owner}: left and right have shapes {shapes}; expected shapes that "
            "broadcast."
        ) from None
    if not first.numel():
        raise ValueError(
            f"{owner}: left and right are empty; expected at least one number, because "
            "a comparison of nothing proves nothing."
        )
    return first, second
