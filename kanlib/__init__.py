"""Kolmogorov-Arnold layers, kernels and certificates."""

__version__ = "0.1.0"
