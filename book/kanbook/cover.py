"""The cover of the EPUB: the title over the bumps that every chapter's edges are of."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import fill
from typing import Any

from kanbook.archive import authors

SIZE = (6.0, 9.0)
DOTS = 150
PAPER, INK, LINE = "#f7f5f0", "#22303c", "#4c6a92"


def draw(path: Path, book: Mapping[str, Any]) -> None:
    """Draw the cover as a PNG.

    Args:
        path: The file.
        book: What `CITATION.cff` says of the book.
    """
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, dpi=DOTS, facecolor=PAPER)
    FigureCanvasAgg(figure)
    title, _, subtitle = str(book["title"]).partition(":")
    words: dict[str, Any] = {
        "family": "DejaVu Serif",
        "color": INK,
        "ha": "left",
        "va": "top",
    }
    figure.text(0.1, 0.88, fill(title, 14), fontsize=34, linespacing=1.25, **words)
    figure.text(0.1, 0.62, fill(subtitle.strip(), 32), fontsize=14, **words)
    figure.text(0.1, 0.11, authors(book), fontsize=12, **words)
    axes = figure.add_axes((0.0, 0.17, 1.0, 0.27))
    axes.set_axis_off()
    x = np.linspace(0, 8, 800)
    for shift in np.arange(-2.0, 11.0):
        u = np.abs(x - shift)
        inner, outer = 2 / 3 - u**2 + u**3 / 2, np.clip(2 - u, 0, None) ** 3 / 6
        bump = np.where(u < 1, inner, outer)
        axes.plot(x[u < 2], bump[u < 2], color=LINE, linewidth=1.6)
    axes.set_xlim(0, 8)
    figure.savefig(path, metadata={"Software": None})
