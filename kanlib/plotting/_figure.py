"""One drawing, rendered for light and for dark pages, in one display bundle."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from torch import Tensor

from kanlib import _check
from kanlib.plotting._reading import tables
from kanlib.plotting._render import DOTS, drawn, images
from kanlib.plotting._table import Table, folded, given
from kanlib.plotting._theme import DARK, LIGHT

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
        ".kl-data>div{max-height:22em;max-width:100%;overflow:auto;width:fit-content}"
        ".kl-data caption{caption-side:top;text-align:left}"
        "@media print{.kl-data:not([open]){display:none}}"
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
    tolerance: float | None = 1e-3,
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
        data: columns of the numbers in the figure, for a folded table; when None, the
            table is read from the drawing: curves, points, bars, error bars, images. A
            label with an underscore in front names a column and stays out of legends.
        tolerance: how far a number may be apart on another machine, as a share of the
            largest magnitude in its column, on a logarithmic axis of the number itself;
            None for what is not compared, as seconds.
        size: width and height (inches, 100 CSS pixels each).
        columns: axes side by side.
        rows: axes above each other.

    Returns:
        The figure; as the last expression of a cell it is displayed.

    Raises:
        TypeError: `draw` is not callable, or `alt` is not a string ("figure: ...").
        ValueError: `alt` is empty, the size is not two positive numbers, the columns of
            `data` differ in length, or there is no `data` and the drawing does not tell
            ("figure: ...").
        ImportError: matplotlib is not installed.

    Notes:
        The same drawing gives the same bytes: few colors, no time stamp. Images have
        two pixels per CSS pixel, or one and a half where they would take too much of
        the notebook; a plain line plot takes 90 kB. Tables have at most 100 rows and
        1000 cells of four significant digits, thinned evenly, and say so.

    Example:
        >>> figure(lambda axes: axes.plot([1, 2], [3, 5]), alt="A rising line.")
        Figure: A rising line.
    """
    table = None if data is None else [given(data)]
    return shown(draw, alt, table, tolerance, size, columns, rows)


def shown(
    draw: Callable[[Any], object],
    alt: str,
    data: Sequence[Table] | None,
    tolerance: float | None,
    size: tuple[float, float],
    columns: int = 1,
    rows: int = 1,
) -> Figure:
    """As `figure`, with the tables as they are made inside the package."""
    _check_arguments(draw, alt, tolerance, size, columns, rows)
    light, dark = (drawn(draw, theme, size, columns, rows) for theme in (LIGHT, DARK))
    table = folded(tables(light) if data is None else data, tolerance)
    width, height = (round(inches * DOTS) for inches in size)
    return Figure(alt, *images(light, dark), width, height, table)


def _check_arguments(
    draw: Any, alt: Any, tolerance: Any, size: Any, columns: Any, rows: Any
) -> None:
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
    if tolerance is not None:
        _check.is_non_negative("figure", "tolerance", tolerance)
    if len(size) != 2:
        raise ValueError(f"figure: size is {size}; expected (width, height).")
    for name, inches in zip(("width", "height"), size, strict=True):
        _check.is_positive("figure", name, inches)
    _check.is_integer("figure", "columns", columns, 1)
    _check.is_integer("figure", "rows", rows, 1)
