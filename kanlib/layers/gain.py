"""The factor of weights that makes up for what an activation does to the variance."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from kanlib import _check

REACH = 14
"""Where the normal density, 1e-43, leaves nothing of any f that layers use."""

PANELS = 4
"""Panels in a unit of x; with 20 points each, 1e-10 for whatever is smooth in one."""


def gain(f: Callable[[Tensor], Tensor]) -> float:
    """Return α = 1 / E[f(X)²] for X ~ N(0, 1).

    Weights with the variance α / in_features turn inputs of variance 1 into outputs
    Σ_i w_i f(x_i) of variance 1.

    Args:
        f: A function of tensors, such as `torch.nn.functional.gelu`; gets float64.

    Raises:
        TypeError: "f is" not callable; "f(x) is" not a tensor.
        ValueError: "f(x) has shape", "f(x) has 3 entries that are NaN", and "f is 0"
            wherever it was looked at.

    Notes:
        Gauss–Legendre quadrature on panels of a quarter of a unit; relative error below
        1e-10 where f is smooth in each of them. Kinks at multiples of 1/4, 0 above all,
        do not matter. Takes about a millisecond.

    Example:
        >>> round(gain(torch.nn.functional.gelu), 6), round(gain(torch.relu), 6)
        (2.351716, 2.0)

    Reference:
        [yang2024kat], arXiv:2409.10594, which estimates it from random numbers; for the
        rectifier it is the 2 of [he2015delving].
    """
    if not callable(f):
        raise TypeError(f"gain: f is a {type(f).__name__}; expected a function.")
    nodes, weights = np.polynomial.legendre.leggauss(20)
    middle = (np.arange(-REACH * PANELS, REACH * PANELS) + 0.5) / PANELS
    x = (middle[:, None] + nodes / (2 * PANELS)).ravel()
    with torch.no_grad():
        y = f(torch.from_numpy(x.copy()))
    _check.is_tensor("gain", "f(x)", y)
    _check.has_shape("gain", "f(x)", y, x.shape, "x has it")
    _check.is_finite("gain", "f(x)", y)
    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi) / (2 * PANELS)
    square = float((y.double().numpy() ** 2 * density) @ np.tile(weights, len(middle)))
    if not square > 0:
        raise ValueError(
            "gain: f is 0 wherever it was looked at; expected a function with "
            "E[f(X)²] > 0, because the gain is its inverse."
        )
    return 1 / square
