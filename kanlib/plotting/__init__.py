"""Figures that can be read in light and in dark, by color-blind readers and aloud.

matplotlib is loaded when the first figure is drawn; pyplot and its state are not used.
"""

from kanlib.plotting._figure import Figure, figure
from kanlib.plotting._helpers import label_lines, loglog_slope
from kanlib.plotting._network import network
from kanlib.plotting._theme import DARK, LIGHT, PALETTE, Theme, contrast

__all__ = [
    "DARK",
    "LIGHT",
    "PALETTE",
    "Figure",
    "Theme",
    "contrast",
    "figure",
    "label_lines",
    "loglog_slope",
    "network",
]
