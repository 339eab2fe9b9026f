"""A player for films of curves: a training run, frame by frame."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import traitlets

from kanlib import _check, plotting
from kanlib.widgets._assets import script, style
from kanlib.widgets._figure import MovingFigure
from kanlib.widgets._packed import array, unpack
from kanlib.widgets._still import draw_frame, draw_state
from kanlib.widgets.panel import Panel, listed, packed, within_budget

_OWNER = "FramePlayer"


class FramePlayer(MovingFigure):
    """A film of curves, one state of every panel a frame, that the reader winds.

    Slider, buttons and arrow keys go from frame to frame; Play runs to the end and
    mixes neighboring frames on the way, unless the reader's system asks for no motion.
    It never starts by itself. With a `timeline`, a dot shows where in the run the film
    is, and can be dragged.

    Args:
        panels: a `Panel`, or several side by side; their states are the frames.
        labels: one text a frame, such as "step 40, RMSE 3.2e-3"; numbered if None.
        alt: the text read out in place of the figure.
        timeline: a `Panel` of one point a frame, such as the loss against the step: x
            and y have shape (frames,), or y (curves, frames).
        frame: the frame to begin with, from 0.
        seconds: how long the whole film plays.
        **traits: anything else an ipywidget takes, `layout` for one.

    Raises:
        TypeError: "panels is" no Panel and no list of them; "labels is" none of str;
            "frame is" no int.
        ValueError: "alt is empty"; "y has shape" that does not fit, and all else that
            is wrong with a `Panel`; "labels has" another number of entries; "frame is"
            not a frame; "seconds must be"; "the figure takes" more than 500 kB.
        traitlets.TraitError: a frame is later assigned that is not there.

    Notes:
        `frame` can be observed, assigned and linked; it follows the reader, while the
        film plays as well. Two bytes a number: two curves of 100 points in 100 frames
        take 55 kB of a page. In print: the first frame, the last, and the one between
        them at which the curves have gone half of their way.

    Example:
        >>> import torch
        >>> x = torch.linspace(0, 1, 11)
        >>> powers = torch.stack([x**k for k in range(1, 5)])
        >>> film = FramePlayer(Panel("a power", x, powers), alt="x to the 1, 2, 3, 4")
        >>> film
        FramePlayer: 4 frames of 1 panel
        >>> film.frame = 3
        >>> film.label
        'frame 4 of 4'
    """

    _esm = script("frame_player.js")
    _css = style("figure.css", "panel.css")

    frame = traitlets.Int().tag(sync=True)
    _panels = traitlets.List(traitlets.Dict()).tag(sync=True)
    _labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    _timeline = traitlets.Dict().tag(sync=True)
    _seconds = traitlets.Float().tag(sync=True)

    def __init__(
        self,
        panels: Panel | Sequence[Panel],
        labels: Sequence[str] | None = None,
        *,
        alt: str,
        timeline: Panel | None = None,
        frame: int = 0,
        seconds: float = 6.0,
        **traits: Any,
    ) -> None:
        shown = listed(_OWNER, panels)
        first = array(f"{_OWNER}: panel {shown[0].title!r}", "y", shown[0].y)
        count = len(first) if first.ndim else 1
        each = f"there are {count} frames"
        film = [packed(_OWNER, panel, (count,), each) for panel in shown]
        run = {} if timeline is None else _run(timeline, count)
        names = _names(labels, count)
        _check.is_positive(_OWNER, "seconds", seconds)
        _check.is_integer(_OWNER, "frame", frame, 0)
        _check_frame(frame, count)
        code = f"{self._esm}{self._css}"
        within_budget(_OWNER, [film, run, names], code, "the frames or points")
        state = {"_panels": film, "_labels": names, "_timeline": run}
        super().__init__(
            alt=alt, frame=frame, _seconds=float(seconds), **state, **traits
        )

    @property
    def label(self) -> str:
        """The text of the frame that is shown."""
        return self._labels[self.frame]

    @traitlets.validate("frame")
    def _is_there(self, proposal: Any) -> int:
        try:
            _check_frame(proposal.value, len(self._labels))
        except ValueError as error:
            raise traitlets.TraitError(str(error)) from None
        return proposal.value

    def still(self) -> plotting.Figure:
        """Draw the first frame, the last and one between, side by side."""
        frames = _chosen(self._panels, len(self._labels))
        rows, columns = len(self._panels), len(frames)

        def draw(axes: Any) -> None:
            grid = np.array(axes, dtype=object).reshape(rows, columns)
            for panel, row in zip(self._panels, grid, strict=True):
                for frame, ax in zip(frames, row, strict=True):
                    draw_frame(ax, panel)
                    draw_state(ax, panel, frame)
                    ax.tick_params(labelleft=frame == frames[0])
                row[0].set_ylabel(panel["title"])
                if row[0].get_legend_handles_labels()[1]:
                    row[0].legend()
            for frame, ax in zip(frames, grid[0], strict=True):
                ax.set_title(textwrap.fill(self._labels[frame], 30), fontsize=8)

        size = (2.4 * columns if columns > 1 else 4.8, 1.8 * rows + 0.6)
        return plotting.figure(
            draw, alt=self.alt, size=size, rows=rows, columns=columns
        )

    def _summary(self) -> str:
        panels = f"{len(self._panels)} panel{'s' if len(self._panels) != 1 else ''}"
        return f"{len(self._labels)} frames of {panels}"


def _check_frame(frame: int, count: int) -> None:
    if not 0 <= frame < count:
        raise ValueError(
            f"{_OWNER}: frame is {frame}; expected 0 to {count - 1}, because there are "
            f"{count} frames."
        )


def _names(labels: Any, count: int) -> list[str]:
    """Return one text a frame."""
    if labels is None:
        return [f"frame {frame + 1} of {count}" for frame in range(count)]
    names = [] if isinstance(labels, str) else list(labels)
    if isinstance(labels, str) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"{_OWNER}: labels is {labels!r:.60}; expected a list of str.")
    if len(names) != count:
        raise ValueError(
            f"{_OWNER}: labels has {len(names)} entries; expected {count}, because "
            "there are so many frames."
        )
    return names


def _run(timeline: Any, count: int) -> dict[str, Any]:
    """Return the curve of a whole run, one point a frame."""
    if not isinstance(timeline, Panel):
        raise TypeError(
            f"{_OWNER}: timeline is a {type(timeline).__name__}; expected a Panel with "
            "one point a frame."
        )
    run = packed(_OWNER, timeline, (), "one point is one frame")
    if run["points"] != count:
        raise ValueError(
            f"{_OWNER}: timeline has {run['points']} points; expected {count}, because "
            "there are so many frames."
        )
    return run


def _chosen(panels: list[dict[str, Any]], count: int) -> list[int]:
    """Return the first frame, the last, and where the curves have gone half their way.

    Training moves fast and then slowly: the frame in the middle looks like the last.
    """
    gone = np.zeros(count - 1)
    for panel in panels:
        y = unpack(panel["y"]).reshape(count, -1)
        y = np.log10(y) if panel["log"] else y
        steps = np.where(np.isfinite(moves := np.abs(np.diff(y, axis=0))), moves, 0.0)
        reach = np.nanmax(y) - np.nanmin(y)
        gone += steps.mean(1) / (reach if reach > 0 else 1.0)
    way = np.cumsum(gone)
    middle = 1 + int(np.searchsorted(way, way[-1] / 2)) if count > 1 else 0
    return sorted({0, min(middle, count - 1), count - 1})
