"""Curves for every choice of one to three parameters, computed beforehand."""

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import traitlets

from kanlib import plotting
from kanlib.widgets._assets import script, style
from kanlib.widgets._figure import MovingFigure
from kanlib.widgets._packed import Numbers
from kanlib.widgets._still import draw_frame, draw_state
from kanlib.widgets.panel import Panel, listed, packed, within_budget

_OWNER = "Sweep"
_MOST = 3


class Sweep(MovingFigure):
    """Curves f(x; p, q, r) that follow one slider a parameter, over a computed grid.

    Args:
        parameters: name -> the values it takes, numbers or texts, in the order of the
            slider; one to three of them.
        panels: a `Panel`, or several side by side; their states are the choices, so
            that y has shape (values of the 1st, values of the 2nd, ..., points).
        alt: the text read out in place of the figure.
        readouts: name -> a number or a text for each choice, shown in words; numbers
            with three significant digits.
        start: name -> the value to begin with; the first one where none is given.
        **traits: anything else an ipywidget takes, `layout` for one.

    Raises:
        TypeError: "parameters is" no dict, or "has" values that are neither numbers nor
            texts; "panels is" no Panel and no list of them.
        ValueError: "alt is empty"; "parameters has" none or more than three, or a value
            twice; "y has shape" that does not fit, and all else that is wrong with a
            `Panel`; "readout has shape"; "selected has" other names; "selected sets"
            another value; "the figure takes" more than 500 kB.
        traitlets.TraitError: `selected` is later assigned what there is not.

    Notes:
        `selected`, name -> value, can be observed, linked and assigned as a whole:
        `sweep.selected = sweep.selected | {"degree k": 2}`. In print: one row of panels
        for each parameter, with its least, its middle and its greatest value; the
        others as selected.

    Example:
        >>> import torch
        >>> x = torch.linspace(0, 1, 11)
        >>> powers = torch.stack([x**k for k in (1, 2, 3)])
        >>> sweep = Sweep({"k": [1, 2, 3]}, Panel("x^k", x, powers), alt="a power of x")
        >>> sweep
        Sweep: 3 choices of k
        >>> sweep.selected = {"k": 3}
    """

    _esm = script("sweep.js")
    _css = style("figure.css", "panel.css")

    selected = traitlets.Dict().tag(sync=True)
    _parameters = traitlets.List(traitlets.Dict()).tag(sync=True)
    _panels = traitlets.List(traitlets.Dict()).tag(sync=True)
    _readouts = traitlets.List(traitlets.Dict()).tag(sync=True)

    def __init__(
        self,
        parameters: Mapping[str, Sequence[float | str] | Numbers],
        panels: Panel | Sequence[Panel],
        *,
        alt: str,
        readouts: Mapping[str, Sequence[Any] | Numbers] | None = None,
        start: Mapping[str, float | str] | None = None,
        **traits: Any,
    ) -> None:
        values = _values(parameters)
        sizes = tuple(map(len, values.values()))
        each = f"there are {' x '.join(map(str, sizes))} choices"
        shown = [packed(_OWNER, p, sizes, each) for p in listed(_OWNER, panels)]
        said = [_readout(*item, sizes, each) for item in (readouts or {}).items()]
        selected = {name: choices[0] for name, choices in values.items()}
        selected |= {name: _plain(value) for name, value in (start or {}).items()}
        _check_selected(selected, values)
        code = f"{self._esm}{self._css}"
        within_budget(_OWNER, [shown, said], code, "the choices or points")
        knobs = [
            {"name": name, "values": choices, "texts": list(map(_text, choices))}
            for name, choices in values.items()
        ]
        state = {"_parameters": knobs, "_panels": shown, "_readouts": said}
        super().__init__(alt=alt, selected=selected, **state, **traits)

    @property
    def _grid(self) -> dict[str, list[float | str]]:
        return {knob["name"]: knob["values"] for knob in self._parameters}

    @traitlets.validate("selected")
    def _is_there(self, proposal: Any) -> dict[str, float | str]:
        selected = {name: _plain(value) for name, value in proposal.value.items()}
        try:
            _check_selected(selected, self._grid)
        except ValueError as error:
            raise traitlets.TraitError(str(error)) from None
        return selected

    def _row(self, selected: Mapping[str, float | str]) -> int:
        """Return the number of a choice, the last parameter running fastest."""
        row = 0
        for name, choices in self._grid.items():
            row = row * len(choices) + choices.index(selected[name])
        return row

    def still(self) -> plotting.Figure:
        """Draw a row for each parameter: least, middle and greatest value overlaid."""
        rows, columns = len(self._grid), len(self._panels)

        def draw(axes: Any) -> None:
            grid = np.array(axes, dtype=object).reshape(rows, columns)
            for (name, choices), row in zip(self._grid.items(), grid, strict=True):
                ends = dict.fromkeys((0, len(choices) // 2, len(choices) - 1))
                for panel, ax in zip(self._panels, row, strict=True):
                    draw_frame(ax, panel)
                    for i, k in enumerate(ends):
                        chosen = self._row(self.selected | {name: choices[k]})
                        label = f"{name}: {_text(choices[k])}"
                        draw_state(ax, panel, chosen, label, f"C{i}")
                    ax.set_title(panel["title"])
                row[0].legend()

        size = (6.4 if columns == 1 else 3.6 * columns, 2.4 * rows)
        return plotting.figure(
            draw, alt=self.alt, size=size, rows=rows, columns=columns
        )

    def _summary(self) -> str:
        choices = math.prod(map(len, self._grid.values()))
        return f"{choices} choices of {', '.join(self._grid)}"


def _values(parameters: Any) -> dict[str, list[float | str]]:
    """Return the values of each parameter as plain numbers and texts."""
    if not isinstance(parameters, Mapping):
        raise TypeError(
            f"{_OWNER}: parameters is a {type(parameters).__name__}; expected a dict "
            "from names to values."
        )
    if not 1 <= len(parameters) <= _MOST:
        raise ValueError(
            f"{_OWNER}: parameters has {len(parameters)} entries; expected 1 to "
            f"{_MOST}, because each is a slider."
        )
    found = {}
    for name, choices in parameters.items():
        plain = [] if isinstance(choices, str) else list(map(_plain, choices))
        if not plain:
            raise ValueError(
                f"{_OWNER}: parameters has no values for {name!r}; expected a list."
            )
        if len(set(plain)) < len(plain):
            raise ValueError(
                f"{_OWNER}: parameters has a value twice for {name!r}; expected "
                "each once."
            )
        found[str(name)] = plain
    return found


def _plain(value: Any) -> float | str:
    """Return a number, also one from NumPy or torch, or a text, as JSON keeps it."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, str) or (
        isinstance(value, numbers.Real)
        and not isinstance(value, bool)
        and math.isfinite(value)
    ):
        return value if isinstance(value, str | int) else float(value)
    raise TypeError(
        f"{_OWNER}: parameters has the value {value!r}; expected a finite number or a "
        "str."
    )


def _check_selected(selected: Mapping[str, Any], grid: Mapping[str, list[Any]]) -> None:
    if set(selected) != set(grid):
        raise ValueError(
            f"{_OWNER}: selected has {', '.join(selected) or 'nothing'}; expected "
            f"{', '.join(grid)}. Use sweep.selected | {{name: value}}."
        )
    for name, value in selected.items():
        if value not in grid[name]:
            raise ValueError(
                f"{_OWNER}: selected sets {name} to {value!r}; expected one of "
                f"{', '.join(map(repr, grid[name]))}."
            )


def _readout(
    name: str, values: Any, sizes: tuple[int, ...], each: str
) -> dict[str, Any]:
    """Return a text for each choice, the last parameter running fastest."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    table = np.array(values, dtype=object)
    if table.shape != sizes:
        raise ValueError(
            f"{_OWNER}: readout {name!r} has shape {table.shape}; expected {sizes}, "
            f"because {each}."
        )
    return {"name": name, "texts": [_text(value) for value in table.ravel()]}


def _text(value: Any) -> str:
    """Write a number as in print: 1.24e-05 becomes 1.24·10⁻⁵."""
    if isinstance(value, str | int):
        return str(value).replace("-", "−") if isinstance(value, int) else value
    if not isinstance(value, numbers.Real):
        raise TypeError(
            f"{_OWNER}: readouts has a {type(value).__name__}; expected numbers or str."
        )
    head, _, exponent = f"{value:.3g}".partition("e")
    power = str(int(exponent)).translate(_RAISED) if exponent else ""
    text = f"{head}·10{power}" if exponent else head
    return text.replace("-", "−")


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
