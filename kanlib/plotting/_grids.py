"""What matplotlib's heat maps hold: values with their two coordinates."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from kanlib.plotting._artists import named, unreadable, values_of, x_name, y_name
from kanlib.plotting._table import Table, text


def grids(panel: Any) -> Iterator[Table]:
    """Heat maps: a row for each height, a column for each abscissa."""
    from matplotlib.collections import QuadMesh
    from matplotlib.image import AxesImage

    for image in panel.images:
        if not image.get_visible():
            continue
        values = np.ma.asarray(image.get_array())
        if type(image) is not AxesImage or values.ndim != 2:
            raise ValueError(unreadable("an image of colors"))
        left, right, bottom, top = image.get_extent()
        first, last = (top, bottom) if image.origin == "upper" else (bottom, top)
        y = _centers(first, last, len(values))
        x = _centers(left, right, values.shape[1])
        yield _grid(panel, x, y, values)
    for mesh in panel.collections:
        if isinstance(mesh, QuadMesh) and mesh.get_visible():
            corners: Any = mesh.get_coordinates()
            values = np.ma.asarray(mesh.get_array())
            if values.ndim != 2 or len(corners) != len(values) + 1:
                raise ValueError(unreadable("a mesh with shading"))
            x, y = corners[0, :, 0], corners[:, 0, 1]
            if (corners[..., 0] != x).any() or (corners[..., 1] != y[:, None]).any():
                raise ValueError(unreadable("a mesh that is bent"))
            yield _grid(panel, (x[1:] + x[:-1]) / 2, (y[1:] + y[:-1]) / 2, values)


def _centers(first: float, last: float, count: int) -> Any:
    return first + (last - first) * (np.arange(count) + 0.5) / count


def _grid(panel: Any, x: Any, y: Any, values: Any) -> Table:
    across = [text(value) for value in named(panel.xaxis, x)]
    columns = [named(panel.yaxis, y), *(values_of(column) for column in values.T)]
    heads = (f"{y_name(panel)} ↓, {x_name(panel)} →", *across)
    return Table(heads, tuple(columns), grid=True)
