"""A panel of curves that a moving figure shows, one state at a time."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kanlib import _check
from kanlib.widgets._packed import Numbers, array, pack

LARGEST = 500_000
"""Bytes that a figure may add to a page."""

NAMED = 4
"""So many kinds of line can be told apart without color."""

_PAD = 0.05


@dataclass(frozen=True, eq=False)
class Panel:
    """Curves y(x) in one pair of axes, for every state of a figure.

    A state is a frame of a `FramePlayer` or a choice of parameters of a `Sweep`. Below,
    `states` stands for the sizes of what the figure runs over: (frames,) or one size a
    parameter. NaN leaves a gap in a curve, or a dot out.

    Args:
        title: stands above the panel.
        x: abscissas, (points,) for all states or (*states, points).
        y: ordinates, (*states, points), or (*states, curves, points).
        names: one name a curve, for a legend; without them all curves look alike.
        reference: a name and (points,) ordinates, drawn in gray behind the curves; x is
            then the same in all states.
        dots: a name and (*states, count, 2), points (x, y) to mark, knots for instance.
        xlabel: what x is.
        log: whether the y axis is logarithmic.
        limits: ends of the y axis; without them all states fit in.

    Raises:
        TypeError: "title is" no str, "names is" none of strings (a `Panel` says so);
            "y is" no array, and so on (the figure that shows it says so).
        ValueError: "names has" more than four; "limits must be" increasing. The figure
            raises: "y has shape" other than these; "is empty"; "has infinite entries";
            "has no finite value"; "has 3 entries that are not positive" on a log axis.

    Notes:
        The axes stay while states change. A page carries two bytes a number: 8e-6 of
        the range of all curves, or, on a log axis, 2e-5 of the number itself for every
        decade of that range.

    Example:
        >>> import torch
        >>> x = torch.linspace(0, 1, 5)
        >>> Panel("powers", x, torch.stack([x**k for k in range(3)]))
        Panel(title='powers')
    """

    title: str
    x: Numbers = field(repr=False)
    y: Numbers = field(repr=False)
    names: Sequence[str] = field(default=(), repr=False)
    reference: tuple[str, Numbers] | None = field(default=None, repr=False)
    dots: tuple[str, Numbers] | None = field(default=None, repr=False)
    xlabel: str = field(default="x", repr=False)
    log: bool = field(default=False, repr=False)
    limits: tuple[float, float] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name in ("title", "xlabel"):
            if not isinstance(getattr(self, name), str):
                kind = type(getattr(self, name)).__name__
                raise TypeError(f"Panel: {name} is a {kind}; expected a str.")
        names = () if isinstance(self.names, str) else tuple(self.names)
        if isinstance(self.names, str) or not all(isinstance(n, str) for n in names):
            raise TypeError(f"Panel: names is {self.names!r}; expected a list of str.")
        if len(names) > NAMED:
            raise ValueError(
                f"Panel: names has {len(names)} entries; expected at most {NAMED}, "
                "because no more kinds of line can be told apart. Use two panels."
            )
        if self.limits is not None:
            _check.is_interval("Panel", "limits", self.limits)
            if self.log and self.limits[0] <= 0:
                raise ValueError(
                    f"Panel: limits must be above 0, got {self.limits}, because the "
                    "axis is logarithmic."
                )


def listed(owner: str, panels: Any) -> list[Panel]:
    """Return one panel or several as a list, or raise if they are none."""
    found = [panels] if isinstance(panels, Panel) else panels
    if not isinstance(found, Sequence) or isinstance(found, str):
        raise TypeError(
            f"{owner}: panels is a {type(found).__name__}; expected a list of Panel."
        )
    if not found:
        raise ValueError(f"{owner}: panels is empty; expected at least one Panel.")
    for panel in found:
        if not isinstance(panel, Panel):
            raise TypeError(
                f"{owner}: panels has a {type(panel).__name__}; expected "
                "Panel(title, x, y, ...)."
            )
    return list(found)


def packed(
    owner: str, panel: Panel, states: tuple[int, ...], each: str
) -> dict[str, Any]:
    """Return a panel as a page carries it; `each` says why it has so many states."""
    owner = f"{owner}: panel {panel.title!r}"
    x, y = array(owner, "x", panel.x), array(owner, "y", panel.y)
    points = x.shape[-1] if x.ndim else 0
    _has_shape(owner, "x", x, ((points,), (*states, points)), each)
    lines = y.shape[len(states)] if y.ndim == len(states) + 2 else 1
    alone, several = (*states, points), (*states, lines, points)
    because = f"{each} and x has {points} points"
    _has_shape(owner, "y", y, (alone, several), because)
    if panel.names and len(panel.names) != lines:
        raise ValueError(
            f"{owner}: names has {len(panel.names)} entries; expected {lines}, one for "
            "each curve of y."
        )
    found: dict[str, Any] = {
        "title": panel.title,
        "xlabel": panel.xlabel,
        "names": list(panel.names),
        "log": bool(panel.log),
        "points": points,
        "curves": lines,
        "x": pack(x),
    }
    widths, heights = [x], {"y": y}
    if panel.reference is not None:
        name, values = _named(owner, "reference", panel.reference)
        _has_shape(owner, "reference", values, ((points,),), f"x has {points} points")
        _has_shape(owner, "x", x, ((points,),), "a reference is the same in all states")
        heights["reference"], found["reference_name"] = values, name
    if panel.dots is not None:
        name, values = _named(owner, "dots", panel.dots)
        marks = values.shape[-2] if values.ndim > 1 else 0
        _has_shape(owner, "dots", values, ((*states, marks, 2),), each)
        heights["dots"], found["dots_name"] = values[..., 1], name
        widths.append(values[..., 0])
        found |= {"marks": marks, "dots_x": pack(values[..., 0])}
    for name, values in heights.items():
        if panel.log:
            _positive(owner, name, values)
        found["dots_y" if name == "dots" else name] = pack(values, panel.log)
    found["xlim"] = _limits(owner, "x", widths, False, 0.0)
    limits = _limits(owner, "y", list(heights.values()), panel.log, _PAD)
    return found | {"ylim": list(map(float, panel.limits or limits))}


def within_budget(owner: str, data: Any, code: str, advice: str) -> None:
    """Raise ValueError if a figure adds more to a page than a page should carry."""
    size = len(json.dumps(data)) + len(code)
    if size > LARGEST:
        factor = -(-size // LARGEST)
        raise ValueError(
            f"{owner}: the figure takes {size:,} bytes; expected at most {LARGEST:,}, "
            f"because the page carries all of it. Take one in {factor} of {advice}."
        )


def _has_shape(
    owner: str,
    name: str,
    values: np.ndarray,
    either: tuple[tuple[int, ...], ...],
    because: str,
) -> None:
    if values.shape not in either:
        shapes = " or ".join(str(shape) for shape in dict.fromkeys(either))
        raise ValueError(
            f"{owner}: {name} has shape {values.shape}; expected {shapes}, because "
            f"{because}."
        )


def _named(owner: str, what: str, pair: Any) -> tuple[str, np.ndarray]:
    """Return the name and the numbers of a reference or of dots."""
    if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)):
        raise TypeError(
            f"{owner}: {what} is a {type(pair).__name__}; expected a pair of a name "
            "and an array."
        )
    return pair[0], array(owner, what, pair[1])


def _positive(owner: str, name: str, values: np.ndarray) -> None:
    bad = int((values <= 0).sum())
    if bad:
        raise ValueError(
            f"{owner}: {name} has {bad} entries that are not positive; expected "
            "positive numbers or NaN, because the axis is logarithmic. Use "
            ".clamp(min=1e-16) or log=False."
        )


def _limits(
    owner: str, name: str, arrays: list[np.ndarray], log: bool, pad: float
) -> list[float]:
    """Return the ends of an axis into which all finite numbers fit."""
    values = np.concatenate([one.ravel() for one in arrays])
    values = values[np.isfinite(values)]
    if values.size == 0:
        raise ValueError(
            f"{owner}: {name} has no finite value; expected at least one, to set up "
            "the axis."
        )
    low, high = float(values.min()), float(values.max())
    if log:
        room = 10 ** (pad * math.log10(high / low)) if high > low else 2.0
        return [low / room, high * room]
    room = pad * (high - low) if high > low else 0.5 * max(abs(high), 1.0)
    return [low - room, high + room]
