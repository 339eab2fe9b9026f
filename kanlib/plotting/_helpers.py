"""Small marks on matplotlib axes that chapters draw again and again."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from kanlib.plotting._theme import mixed

TICKS = 8
INK = 0.4
"""Labels take so much of the text color: lines may be fainter than text may be."""


def loglog_slope(
    axes: Any,
    x: Sequence[float] | np.ndarray | Tensor,
    y: Sequence[float] | np.ndarray | Tensor,
    slope: float,
    label: str = "",
) -> None:
    """Draw y0 (x / x0)^slope, dashed, from the first point over the range of x.

    Up to eight points also become the ticks of x, because grid sizes and counts are
    read as they are and matplotlib's own marks overlap within a decade.

    Args:
        axes: matplotlib axes; both scales become logarithmic.
        x: positive abscissas of the measured points; the first one is x0.
        y: positive ordinates; the first one is y0.
        slope: the predicted exponent.
        label: text at the end of the line; "slope <slope>" when empty.

    Raises:
        ValueError: `x` or `y` is empty or not positive ("loglog_slope: ...").

    Example:
        >>> from matplotlib.figure import Figure
        >>> axes = Figure().subplots()
        >>> loglog_slope(axes, [5, 10, 20], [1e-1, 6e-3, 4e-4], -4)
        >>> axes.get_xscale(), len(axes.lines)
        ('log', 1)
    """
    points, heights = (
        np.asarray(values.tolist() if isinstance(values, Tensor) else values, float)
        for values in (x, y)
    )
    for name, values in (("x", points), ("y", heights)):
        if not (values.size and np.isfinite(values).all() and (values > 0).all()):
            raise ValueError(
                f"loglog_slope: {name} is empty or not positive and finite; expected "
                "positive numbers, because the scales are logarithmic."
            )
    axes.set(xscale="log", yscale="log")
    if points.size <= TICKS:
        axes.set_xticks(points, [f"{point:g}" for point in points])
        axes.set_xticks([], minor=True)
    ends = np.array([points.min(), points.max()])
    line = heights[0] * (ends / points[0]) ** slope
    color = _setting("axes.edgecolor")
    label = label or f"slope {slope:g}".replace("-", "−")
    style = {"linestyle": "--", "linewidth": 1.2, "color": color, "zorder": 1}
    axes.plot(ends, line, label=f"_{label}", **style)  # names a column, not a legend
    last = 1 if points[0] == ends[0] else 0
    axes.annotate(
        label,
        (ends[last], line[last]),
        xytext=(4, 2),
        textcoords="offset points",
        color=color,
        fontsize=8,
    )


def label_lines(axes: Any) -> None:
    """Write each labelled line's name at its right end, in the line's color.

    A direct label needs no legend and no telling of colors apart. Call it last: it
    looks at the scales and limits as they are; labels that overlap are moved apart.

    Args:
        axes: matplotlib axes with lines that were plotted with `label=...`.

    Example:
        >>> from matplotlib.figure import Figure
        >>> axes = Figure().subplots()
        >>> _ = axes.plot([0, 1], [0, 2], label="spline")
        >>> label_lines(axes)
        >>> [text.get_text() for text in axes.texts]
        ['spline']
    """
    from matplotlib.colors import to_hex

    axes.autoscale_view()  # the limits are still pending otherwise
    ends = []
    for line in axes.lines:
        points = np.column_stack([np.asarray(v, float) for v in line.get_data()])
        points = points[np.isfinite(points).all(1)]
        if len(points) and not str(line.get_label()).startswith("_"):
            right = points[points[:, 0].argmax()]
            shown = axes.transData.transform(right)
            ends.append((axes.transAxes.inverted().transform(shown), line))
    ends.sort(key=lambda end: float(end[0][1]))
    size = 8
    grid = axes.get_subplotspec().get_gridspec().nrows if axes.get_subplotspec() else 1
    apart = 1.25 * size / (72 * axes.figure.get_figheight() * 0.75 / grid)
    lowest = -math.inf
    for (x, y), line in ends:
        lowest = max(float(y), lowest + apart)
        color = mixed(to_hex(line.get_color()), to_hex(_setting("text.color")), INK)
        axes.annotate(
            line.get_label(),
            (x, lowest),
            xycoords="axes fraction",
            xytext=(5, 0),
            textcoords="offset points",
            verticalalignment="center",
            color=color,
            fontsize=size,
        )


def _setting(name: str) -> Any:
    """A matplotlib setting of the theme that is being drawn."""
    import matplotlib

    settings: Any = matplotlib.rcParams
    return settings[name]
