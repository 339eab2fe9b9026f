"""The live cell of a chapter: the reader's own parameters, and a button."""

import math
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import ipywidgets
import traitlets

_OWNER = "TryIt"
_FEWEST_STEPS = 0.01
"""A progress bar that moves more often than this share only costs messages."""


class TryIt(ipywidgets.VBox):
    """Controls, a button that runs an experiment with them, and the last result.

    The first run happens at once, so that the cell shows a result wherever it was
    executed; if that run raises, the cell fails. Later runs follow the button, and one
    that raises leaves the last result in place and says why above it.

    Args:
        run: called as `run(progress, **values)` with the value of every control. It
            calls `progress(fraction)`, from 0 to 1, as often as it likes, and returns a
            `kanlib.plotting.figure(...)`, or a pair of that and one line of text.
        controls: argument name -> ipywidget with a `value`; a control without a
            description gets its name.
        button: what the button says.
        alt: what can be tried here, in words.

    Raises:
        TypeError: "run is" not callable or "run returned" no figure; "controls has" no
            widgets.
        ValueError: "alt is" empty.

    Notes:
        `result` is the line of text, `error` the last failure ("" if there was none),
        `running` whether a run is under way. All three can be observed. The display
        bundle has a still twin as HTML, which the book shows.

    Example:
        >>> from kanlib import plotting
        >>> def run(progress, power):
        ...     progress(1.0)
        ...     draw = lambda axes: axes.plot([0, 1], [0, 2**power])
        ...     return plotting.figure(draw, alt="a line"), f"it rises to {2**power}"
        >>> live = TryIt(run, {"power": ipywidgets.IntSlider(1, 0, 3)}, alt="a power")
        >>> live.result
        'it rises to 2'
        >>> live.controls["power"].value = 3
        >>> live.button.click()
        >>> live.result
        'it rises to 8'
    """

    result = traitlets.Unicode()
    error = traitlets.Unicode()
    running = traitlets.Bool()

    def __init__(
        self,
        run: Callable[..., Any],
        controls: Mapping[str, Any],
        *,
        button: str = "train again",
        alt: str,
    ) -> None:
        _check_arguments(run, controls, alt)
        self.controls = dict(controls)
        self.alt = alt
        self._run = run
        self._figure = ""
        for name, control in self.controls.items():
            if not control.description:
                control.description = name.replace("_", " ")
            control.style.description_width = "8em"
        self.button = ipywidgets.Button(description=button, button_style="primary")
        self.bar = ipywidgets.FloatProgress(min=0.0, max=1.0)
        self._message = ipywidgets.HTML()
        self._picture = ipywidgets.HTML()
        self._line = ipywidgets.HTML()
        row = ipywidgets.HBox(
            [self.button, self.bar], layout={"flex_flow": "row wrap", "grid_gap": "8px"}
        )
        shown = [row, self._message, self._picture, self._line]
        super().__init__([*self.controls.values(), *shown])
        self.button.on_click(self._pressed)
        self.run()

    def run(self) -> None:
        """Run with the controls' values and show the result; what it raises, passes."""
        values = {name: control.value for name, control in self.controls.items()}
        self.error, self.bar.value = "", 0.0
        self.running = self.button.disabled = True
        try:
            figure, text = _split(self._run(self._progress, **values))
            self._figure, self.result = figure, text
            self._picture.value, self._line.value = figure, f"<p>{escape(text)}</p>"
        except Exception as error:
            self.error = f"{type(error).__name__}: {error}"
            raise
        finally:
            # Also after an interrupt, or the button would stay dead.
            self.running = self.button.disabled = False
            self.bar.value = 0.0 if self.error else 1.0

    @traitlets.observe("error")
    def _show_error(self, _: Any) -> None:
        kept = "Shown below is the last result."
        text = f"<b>This run failed.</b> {escape(self.error)}<br>{kept}"
        self._message.value = f'<div role="alert">{text}</div>' if self.error else ""

    def _pressed(self, _: Any) -> None:
        """Run for the button: the message stands in the widget, not in a log."""
        try:
            self.run()
        except Exception as error:
            self.log.debug("run raised", exc_info=error)

    def _progress(self, fraction: float) -> None:
        if not math.isfinite(fraction):
            raise ValueError(
                f"{_OWNER}: progress is {fraction}; expected a number from 0 to 1."
            )
        if fraction >= 1 or fraction - self.bar.value >= _FEWEST_STEPS:
            self.bar.value = fraction

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Add the still twin: the last result, and where it runs."""
        data = super()._repr_mimebundle_(**kwargs)
        names = (escape(c.description) for c in self.controls.values())
        used = ", ".join(
            f"{name} = {escape(str(control.value))}"
            for name, control in zip(names, self.controls.values(), strict=True)
        )
        twin = (
            f"{self._figure}<p>{escape(self.result)}</p>"
            f"<p>With {used}. Other choices and <q>{escape(self.button.description)}"
            "</q>: runs in Jupyter.</p>"
        )
        return {**data, "text/html": twin}

    def __repr__(self) -> str:
        """Return one line that is the same in every run."""
        return f"TryIt: {self.alt}"


def _check_arguments(run: Any, controls: Any, alt: str) -> None:
    if not callable(run):
        raise TypeError(
            f"{_OWNER}: run is a {type(run).__name__}; expected a function "
            "run(progress, **values)."
        )
    if not isinstance(controls, Mapping):
        raise TypeError(
            f"{_OWNER}: controls is a {type(controls).__name__}; expected a dict from "
            "argument names to ipywidgets."
        )
    for name, control in controls.items():
        if not (isinstance(control, ipywidgets.Widget) and control.has_trait("value")):
            raise TypeError(
                f"{_OWNER}: controls has a {type(control).__name__} for {name!r}; "
                "expected an ipywidget with a value, such as IntSlider."
            )
    if not alt.strip():
        raise ValueError(f"{_OWNER}: alt is empty; expected what can be tried here.")


def _split(returned: Any) -> tuple[str, str]:
    """Return the figure's HTML and the line of text of what `run` returned."""
    figure, text = returned if isinstance(returned, tuple) else (returned, "")
    if not hasattr(figure, "_repr_html_") or not isinstance(text, str):
        raise TypeError(
            f"{_OWNER}: run returned a {type(returned).__name__}; expected "
            "kanlib.plotting.figure(...), or a pair of that and a str."
        )
    return figure._repr_html_(), text
