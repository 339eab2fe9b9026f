"""Figures that move: ipywidgets for the book, for Jupyter and for Colab."""

from kanlib.widgets.spline_editor import SplineEditor
from kanlib.widgets.try_it import TryIt

__all__ = ["SplineEditor", "TryIt"]
