"""A KAN as a picture: every edge with the curve it learned."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from kanlib import _check
from kanlib.plotting._figure import Figure, shown
from kanlib.plotting._helpers import _setting
from kanlib.plotting._table import Table
from kanlib.plotting._theme import faded

EDGES = 64
"""The most edges of a layer that a page can show."""

THINNEST = 0.5
"""The line of an edge without strength, as a share of the widest: one pixel."""


def network(
    kan: Any,
    x: Float[Tensor, "N I"],
    *,
    names: Sequence[str] = (),
    title: str = "",
    alt: str = "",
    tolerance: float | None = 1e-3,
    size: tuple[float, float] = (6.4, 4.0),
) -> Figure:
    """Draw a network of KAN layers, inputs below, each edge with its learned curve.

    The curve is the edge function over the inputs that the edge really sees; an edge is
    the fainter and thinner, the smaller its mean magnitude is in its layer; masked
    edges are left out.

    Args:
        kan: has `layers` and `activations(x)`, the input of every layer; its layers
            have `edges(x)` and `l1(x)`.
        x: the points at which the network is looked at.
        names: names of the inputs, for example ("x", "y"); numbered when empty.
        title: what the picture shows, as a finding.
        alt: what the picture shows; its widths when empty.
        tolerance: as for `figure`; the table lists the value of each edge at the inputs
            that it sees.
        size: width and height (inches).

    Returns:
        The figure; as the last expression of a cell it is displayed.

    Raises:
        TypeError: `kan` is no network, or `x` no floating tensor ("network: ...").
        ValueError: `x` is not two-dimensional or is empty, a layer has more edges than
            a page can show, an edge gives NaN or infinity, or `names` are not one per
            input ("network: ...").

    Example:
        >>> import torch
        >>> from kanlib.bases import BSpline
        >>> from kanlib.layers import KAN
        >>> network(KAN([2, 1], BSpline.uniform(3)), torch.rand(20, 2))
        Figure: KAN with 2-1 nodes and the curve of each of its 2 edges.
    """
    owner = "network"
    if not all(hasattr(kan, name) for name in ("layers", "activations")):
        raise TypeError(
            f"{owner}: kan is a {type(kan).__name__}; expected a network with layers "
            "and activations(x), such as KAN."
        )
    _check.is_floating(owner, "x", x)
    if x.ndim != 2 or len(x) == 0:
        raise ValueError(
            f"{owner}: x has shape {tuple(x.shape)}; expected (points, inputs) with at "
            "least one point."
        )
    curves: list[tuple[np.ndarray, np.ndarray]] = []
    sizes: list[np.ndarray] = []
    for layer, inputs in zip(kan.layers, kan.activations(x), strict=False):
        if layer.in_features * layer.out_features > EDGES:
            raise ValueError(
                f"{owner}: a layer has {layer.in_features} x {layer.out_features} "
                f"edges; expected at most {EDGES}. Draw a pruned network."
            )
        strength = layer.l1(inputs)
        _check.is_finite(owner, f"the l1 of layer {len(sizes)}", strength)
        curves.append((_array(inputs), _array(layer.edges(inputs))))
        sizes.append(_array(strength))
    widths = [x.shape[1], *(len(rows) for rows in sizes)]
    if names and len(names) != widths[0]:
        raise ValueError(
            f"{owner}: names has {len(names)} entries; expected {widths[0]}, because x "
            "has so many columns."
        )
    labels = list(names) or [f"$x_{{{k + 1}}}$" for k in range(widths[0])]
    shape = "-".join(map(str, widths))
    count = sum(int((rows > 0).sum()) for rows in sizes)
    return shown(
        lambda axes: _draw(axes, widths, curves, sizes, labels, title),
        alt or f"KAN with {shape} nodes and the curve of each of its {count} edges.",
        list(_tables(curves, sizes, labels)),
        tolerance,
        size,
    )


def _tables(
    curves: Sequence[tuple[np.ndarray, np.ndarray]],
    sizes: Sequence[np.ndarray],
    labels: Sequence[str],
) -> Iterator[Table]:
    """For each node below others: its values, sorted, and the edges that leave it.

    A faint edge is judged by the strongest of its layer: what training leaves on the
    way to zero is noise.
    """
    for level, (inputs, edges) in enumerate(curves):
        scale = float(np.abs(edges).max())
        for i in range(inputs.shape[1]):
            order = inputs[:, i].argsort()
            ends = [o for o, size in enumerate(sizes[level][:, i]) if size != 0]
            name = f"node {level}.{i + 1}" if level else labels[i]
            heads = (name, *(f"edge to node {level + 1}.{o + 1}" for o in ends))
            columns = (inputs[order, i], *(edges[order, o, i] for o in ends))
            if ends:
                yield Table(heads, columns, scale=scale)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().double().cpu().numpy()


def _draw(
    axes: Any,
    widths: list[int],
    curves: list[tuple[np.ndarray, np.ndarray]],
    sizes: list[np.ndarray],
    labels: list[str],
    title: str,
) -> None:
    """Nodes on whole heights, the boxes of a layer's edges between two of them."""
    axes.set_title(title)
    axes.set(xlim=(0, 1), ylim=(-0.25, len(widths) - 0.85))
    axes.axis("off")
    ink, ground = _setting("text.color"), _setting("axes.facecolor")
    blue = _setting("axes.prop_cycle").by_key()["color"][0]
    places = [(np.arange(width) + 0.5) / width for width in widths]
    for level, (inputs, edges) in enumerate(curves):
        strength = sizes[level] / max(float(sizes[level].max()), 1e-300)
        outs, ins = strength.shape
        wide = min(0.8 / (outs * ins), 0.12)
        # edges that leave the same node stand together, as the eye follows them upwards
        for place, (i, o) in enumerate((i, o) for i in range(ins) for o in range(outs)):
            if sizes[level][o, i] == 0:
                continue
            power = float(strength[o, i])
            thin = THINNEST + (1 - THINNEST) * power
            paint, line = (faded(color, ground, power) for color in (blue, ink))
            middle = (place + 0.5) / (outs * ins)
            lines = {"color": line, "linewidth": 1.5 * thin, "zorder": 1}
            axes.plot([places[level][i], middle], [level, level + 0.36], **lines)
            axes.plot(
                [middle, places[level + 1][o]], [level + 0.64, level + 1], **lines
            )
            box = axes.inset_axes(
                (middle - wide / 2, level + 0.36, wide, 0.28), transform=axes.transData
            )
            box.set(xticks=[], yticks=[])
            order = inputs[:, i].argsort()
            curve = inputs[order, i], edges[order, o, i]
            box.plot(*curve, color=paint, linewidth=1.7 * thin)
            for spine in box.spines.values():
                spine.set(visible=True, color=line, linewidth=1.5 * thin)
    for level, row in enumerate(places):
        axes.plot(row, [level] * len(row), "o", color=ink, markersize=6)
    for place, label in zip(places[0], labels, strict=True):
        axes.text(place, -0.1, label, ha="center", va="top")
