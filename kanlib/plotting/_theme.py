"""Two themes, one for light and one for dark pages, with the same order of hues."""

from dataclasses import dataclass
from typing import Any

TEXT, LINE = 4.5, 3.0
"""The least contrast of text and of lines to their background, by WCAG 2 (AA)."""


@dataclass(frozen=True)
class Theme:
    """The colors of one page style, as #rrggbb; `colors` are matplotlib's C0, C1, ...

    Example:
        >>> LIGHT.rc()["axes.edgecolor"] == LIGHT.muted
        True
    """

    background: str
    text: str
    muted: str
    grid: str
    colors: tuple[str, ...]

    def rc(self) -> dict[str, Any]:
        """The matplotlib settings of this theme, on top of matplotlib's defaults."""
        from cycler import cycler

        muted = dict.fromkeys(
            ("axes.edgecolor", "xtick.color", "ytick.color"), self.muted
        )
        text = dict.fromkeys(
            ("text.color", "axes.labelcolor", "axes.titlecolor"), self.text
        )
        return {
            **muted,
            **text,
            "figure.facecolor": self.background,
            "axes.facecolor": self.background,
            "axes.prop_cycle": cycler(color=self.colors),
            "axes.grid": True,
            "grid.color": self.grid,
            "grid.linewidth": 0.6,
            "axes.axisbelow": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlelocation": "left",
            "figure.titlesize": 10,
            "figure.titleweight": "bold",
            "axes.titlesize": 10,
            "axes.titleweight": "bold",
            "axes.labelsize": 9,
            "font.size": 9,
            "xtick.labelsize": 8,
            "ytick.labelsize": 8,
            "xtick.labelcolor": self.text,
            "ytick.labelcolor": self.text,
            "lines.linewidth": 1.8,
            "lines.markersize": 4.5,
            "legend.frameon": False,
            "legend.fontsize": 8,
            "image.cmap": "cividis",
            "hatch.color": self.text,
        }


LIGHT = Theme(
    background="#ffffff",
    text="#1f2328",
    muted="#59636e",
    grid="#d8dee4",
    colors=("#0072b2", "#d55e00", "#009e73", "#a3297f", "#5c4300", "#2e3338"),
)
DARK = Theme(
    background="#14181e",
    text="#e6eaf0",
    muted="#9ba3af",
    grid="#333a44",
    colors=("#4aa8e8", "#f07a35", "#35d0a0", "#dd77b5", "#f2e15e", "#d5d9df"),
)
PALETTE = {"light": LIGHT.colors, "dark": DARK.colors}
"""Blue, orange, green, purple, brown (yellow in the dark), gray: after Okabe, Ito."""


def contrast(first: str, second: str) -> float:
    """The contrast ratio of two #rrggbb colors by WCAG 2: 1 is none, 21 the most.

    Args:
        first: one color.
        second: the other; the order does not matter.

    Returns:
        (L1 + 0.05) / (L2 + 0.05) of their relative luminances, the larger one above.

    Raises:
        ValueError: a color is not #rrggbb ("contrast: ...").

    Example:
        >>> round(contrast("#ffffff", "#000000"), 3)
        21.0
    """
    dim, bright = sorted((_luminance(first), _luminance(second)))
    return (bright + 0.05) / (dim + 0.05)


def _luminance(color: str) -> float:
    try:
        if len(color) != 7 or color[0] != "#":
            raise ValueError("not #rrggbb")
        channels = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    except ValueError as error:
        raise ValueError(
            f'contrast: {color!r} is no color; expected "#rrggbb".'
        ) from error
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def mixed(first: str, second: str, share: float) -> str:
    """The color that is `share` of the second and the rest of the first."""
    pairs = [(int(first[k : k + 2], 16), int(second[k : k + 2], 16)) for k in (1, 3, 5)]
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in pairs)


def faded(color: str, background: str, strength: float) -> str:
    """The color at strength 1; at 0 as faint as a line may be, LINE to the background.

    Solid, not transparent: lines that cross do not add up to a stronger one.
    """
    low, high = 0.0, 1.0
    for _ in range(10):
        middle = (low + high) / 2
        seen = contrast(mixed(color, background, middle), background) >= LINE
        low, high = (middle, high) if seen else (low, middle)
    return mixed(color, background, low * (1 - strength))
