"""One drawing, rendered for light and for dark pages, in one display bundle."""

import base64
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from torch import Tensor

from kanlib import _check
from kanlib.plotting._theme import DARK, LIGHT, Theme

DOTS = 100
"""CSS pixels an inch."""

QUALITIES = ((2.0, 64), (1.5, 32))
"""Pixels per CSS pixel and colors: the second pair where the first is too big."""

BUDGET = 60_000
"""Bytes that the two images may take together at the first quality."""

ROWS = 100
"""A data table shows at most about so many rows."""

# Dark pages: the book's, JupyterLab's, VS Code's and Colab's.
_WHEN_DARK = (
    'html[data-theme="dark"]',
    'body[data-jp-theme-light="false"]',
    'body[data-vscode-theme-kind="vscode-dark"]',
    'html[theme="dark"]',
)


def _style() -> str:
    """Exactly one image shows; frames that a theme puts around output are taken off."""
    dark = ",".join(f"{page} .kl-figure img.kl-dark" for page in _WHEN_DARK)
    light = ",".join(f"{page} .kl-figure img.kl-light" for page in _WHEN_DARK)
    return (
        ".kl-figure{margin:0.5rem 0}"
        ".kl-figure img{max-width:100%;height:auto;padding:0!important;"
        "background:none!important}"
        "div.cell_output .text_html:has(>.kl-figure){padding:0!important;"
        "background:none!important;color:inherit!important}"
        f"{dark}{{display:inline!important}}{light}{{display:none!important}}"
        "@media print{"
        f"{dark}{{display:none!important}}{light}{{display:inline!important}}"
        "}"
    )


@dataclass(frozen=True)
class Figure:
    """A rendered figure: the last expression of a cell shows it.

    `light` and `dark` are PNG files of up to twice `width` times `height`, the size on
    the page (CSS pixels); `small` is the light one at that size, for viewers without
    HTML.

    Example:
        >>> Figure("a dot", b"", b"", b"", 640, 320)
        Figure: a dot
    """

    alt: str
    light: bytes
    dark: bytes
    small: bytes
    width: int
    height: int
    table: str = ""

    def __repr__(self) -> str:
        return f"Figure: {self.alt}"

    def _repr_html_(self) -> str:
        # `hidden`: a viewer that drops the style sheet shows the light image alone
        images = "".join(
            f'<img class="kl-{name} dark-light" alt="{escape(self.alt)}" '
            f'width="{self.width}" height="{self.height}"{hidden} '
            f'src="data:image/png;base64,{base64.b64encode(png).decode()}">'
            for name, png, hidden in (
                ("light", self.light, ""),
                ("dark", self.dark, " hidden"),
            )
        )
        return (
            f'<figure class="kl-figure"><style>{_style()}</style>{images}{self.table}'
            "</figure>"
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        return {
            "image/png": base64.b64encode(self.small).decode(),
            "text/html": self._repr_html_(),
            "text/plain": repr(self),
        }


def figure(
    draw: Callable[[Any], object],
    *,
    alt: str,
    data: Mapping[str, Sequence[Any] | np.ndarray | Tensor] | None = None,
    size: tuple[float, float] = (6.4, 3.2),
    columns: int = 1,
    rows: int = 1,
) -> Figure:
    """Draw the same picture for light and for dark pages.

    Args:
        draw: called twice with fresh matplotlib axes (an array of them if there are
            several), once a theme; it draws with `axes.plot(...)` and the colors "C0",
            "C1", ..., never through pyplot, and draws the same both times.
        alt: what the figure shows, for readers who do not see it.
        data: columns of the numbers in the figure, for a folded table.
        size: width and height (inches, 100 CSS pixels each).
        columns: axes side by side.
        rows: axes above each other.

    Returns:
        The figure; as the last expression of a cell it is displayed.

    Raises:
        TypeError: `draw` is not callable, or `alt` is not a string ("figure: ...").
        ValueError: `alt` is empty, the size is not two positive numbers, or the columns
            of `data` differ in length ("figure: ...").
        ImportError: matplotlib is not installed.

    Notes:
        The same drawing gives the same bytes: few colors, no time stamp. Images have
        two pixels per CSS pixel, or one and a half where they would take too much of
        the notebook; a plain line plot takes 90 kB.

    Example:
        >>> figure(lambda axes: axes.plot([1, 2], [3, 5]), alt="A rising line.")
        Figure: A rising line.
    """
    if not callable(draw):
        raise TypeError(
            f"figure: draw is a {type(draw).__name__}; expected a function of axes."
        )
    if not isinstance(alt, str):
        raise TypeError(f"figure: alt is a {type(alt).__name__}; expected a str.")
    if not alt.strip():
        raise ValueError(
            "figure: alt is empty; expected what the figure shows, in words, because "
            "some readers do not see it."
        )
    if len(size) != 2:
        raise ValueError(f"figure: size is {size}; expected (width, height).")
    for name, inches in zip(("width", "height"), size, strict=True):
        _check.is_positive("figure", name, inches)
    _check.is_integer("figure", "columns", columns, 1)
    _check.is_integer("figure", "rows", rows, 1)
    table = "" if data is None else _table(data)
    drawn = [_drawn(draw, theme, size, columns, rows) for theme in (LIGHT, DARK)]
    for scale, colors in QUALITIES:
        light, dark = (
            _png(one, scale, colors, theme)
            for one, theme in zip(drawn, (LIGHT, DARK), strict=True)
        )
        if len(light) + len(dark) <= BUDGET:
            break
    small = _png(drawn[0], 1.0, 16, LIGHT)
    width, height = (round(inches * DOTS) for inches in size)
    return Figure(alt, light, dark, small, width, height, table)


def _drawn(
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
        drawn = matplotlib.figure.Figure(figsize=size, dpi=DOTS, layout="constrained")
        canvas = FigureCanvasAgg(drawn)
        draw(drawn.subplots(rows, columns))
        canvas.draw()  # what is made late takes the theme too
        drawn.set_layout_engine("none")  # laid out once, for all sizes of the image
    return drawn


def _png(drawn: Any, scale: float, colors: int, theme: Theme) -> bytes:
    """The figure as a PNG of few colors, the theme's own among them, no metadata.

    Left to itself, a quantizer merges two hues of which there are few pixels.
    """
    import matplotlib.style
    from PIL import Image

    drawn.set_dpi(scale * DOTS)
    with matplotlib.style.context(["default", theme.rc()]):
        drawn.canvas.draw()  # "C0" is looked up when it is drawn
    image = Image.fromarray(np.asarray(drawn.canvas.buffer_rgba())).convert("RGB")
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


def _table(data: Mapping[str, Any]) -> str:
    """The folded table of the numbers behind a figure."""
    if not data:
        raise ValueError("figure: data is empty; expected columns, or None.")
    named = {name: _cells(name, column) for name, column in data.items()}
    lengths = {name: len(column) for name, column in named.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(
            f"figure: the columns of data have lengths {lengths}; expected one length "
            "for all, because each row of the table is one point."
        )
    (count,) = set(lengths.values())
    step = max(1, math.ceil(count / ROWS))
    note = "" if step == 1 else f" (one row in {step})"
    head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in named)
    cells = list(zip(*named.values(), strict=True))[::step]
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in cells
    )
    return (
        f'<details class="kl-data"><summary>show data{note}</summary><table><thead>'
        f"<tr>{head}</tr></thead><tbody>{body}</tbody></table></details>"
    )


def _cells(name: str, column: Any) -> list[str]:
    """A column as text: numbers with four significant digits."""
    if not isinstance(column, Iterable):
        raise TypeError(
            f"figure: column {name} of data is a {type(column).__name__}; expected a "
            "sequence."
        )
    if isinstance(column, Tensor):
        column = column.detach().cpu().tolist()
    return [
        f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)
        for value in column
    ]
