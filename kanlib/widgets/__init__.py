"""Figures that move: ipywidgets for the book, for Jupyter and for Colab."""

from kanlib.widgets._figure import MovingFigure
from kanlib.widgets.criticality_explorer import CriticalityExplorer
from kanlib.widgets.frame_player import FramePlayer
from kanlib.widgets.launch_picture import LaunchPicture
from kanlib.widgets.panel import Panel
from kanlib.widgets.rational_editor import RationalEditor
from kanlib.widgets.spline_editor import SplineEditor
from kanlib.widgets.sweep import Sweep
from kanlib.widgets.try_it import TryIt

__all__ = [
    "CriticalityExplorer",
    "FramePlayer",
    "LaunchPicture",
    "MovingFigure",
    "Panel",
    "RationalEditor",
    "SplineEditor",
    "Sweep",
    "TryIt",
]
