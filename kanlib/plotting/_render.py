"""From a drawing to PNG files, one a theme: small, and always the same bytes."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np

from kanlib.plotting._theme import DARK, LIGHT, Theme

DOTS = 100
"""CSS pixels an inch."""

QUALITIES = ((2.0, 64), (1.5, 32))
"""Pixels per CSS pixel and colors: the second pair where the first is too big."""

BUDGET = 60_000
"""Bytes that the two images may take together at the first quality."""


def drawn(
    draw: Callable[[Any], object],
    theme: Theme,
    size: tuple[float, float],
    columns: int,
    rows: int,
) -> Any:
    """A matplotlib figure with its canvas, that pyplot does not know."""
    try:
        import matplotlib.figure
        import matplotlib.style
        from matplotlib.backends.backend_agg import FigureCanvasAgg
    except ImportError as error:
        raise ImportError(
            "figure: matplotlib is not installed; figures are drawn with it. "
            'Use pip install "kanlib[plot]".'
        ) from error

    # defaults first: a reader's own matplotlibrc must not change the book's figures
    with matplotlib.style.context(["default", theme.rc()]):
        made = matplotlib.figure.Figure(figsize=size, dpi=DOTS, layout="constrained")
        canvas = FigureCanvasAgg(made)
        draw(made.subplots(rows, columns))
        canvas.draw()  # what is made late takes the theme too
        made.set_layout_engine("none")  # laid out once, for all sizes of the image
    return made


def images(light: Any, dark: Any) -> tuple[bytes, bytes, bytes]:
    """The light and the dark image, and the light one in the size of the page."""
    for scale, colors in QUALITIES:
        pair = _png(light, scale, colors, LIGHT), _png(dark, scale, colors, DARK)
        if sum(map(len, pair)) <= BUDGET:
            break
    return *pair, _png(light, 1.0, 16, LIGHT)


def _png(figure: Any, scale: float, colors: int, theme: Theme) -> bytes:
    """The figure as a PNG of few colors, the theme's own among them, no metadata.

    Left to itself, a quantizer merges two hues of which there are few pixels.
    """
    import matplotlib.style
    from PIL import Image

    figure.set_dpi(scale * DOTS)
    with matplotlib.style.context(["default", theme.rc()]):
        figure.canvas.draw()  # "C0" is looked up when it is drawn
    image = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")
    file = io.BytesIO()
    own = (theme.background, theme.text, theme.muted, theme.grid, *theme.colors)
    found = image.quantize(colors - len(own)).getpalette() or []
    palette = Image.new("P", (1, 1))
    kept = [channel for color in own for channel in bytes.fromhex(color[1:])]
    palette.putpalette(kept + found[: 3 * (colors - len(own))])
    few = image.quantize(palette=palette, dither=Image.Dither.NONE)
    # The mapping is not exact; a background that is off by one shows as a box.
    few.paste(0, mask=_where(image, own[0]))
    few.save(file, format="png", optimize=True)
    return file.getvalue()


def _where(image: Any, color: str) -> Any:
    """A mask of the pixels that have exactly this color."""
    from PIL import Image

    exact = np.asarray(image) == np.frombuffer(bytes.fromhex(color[1:]), np.uint8)
    return Image.fromarray(exact.all(axis=-1))
