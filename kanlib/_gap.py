"""Where two tensors differ most: the one place where that is decided."""

import math

import numpy as np
import torch
from torch import Tensor

Place = tuple[int, ...]


def largest(values: Tensor) -> tuple[float, Place]:
    """Return the largest entry of a tensor that is not empty, and its index."""
    flat = int(values.argmax())
    # NumPy's: the first call of torch's takes half a second.
    where = np.unravel_index(flat, tuple(values.shape))
    return float(values.flatten()[flat]), tuple(int(index) for index in where)


def largest_gap(first: Tensor, second: Tensor) -> tuple[float, Place]:
    """Return max |first − second| and where; a one-sided NaN or ∞ is a gap of ∞."""
    if first.numel() == 0:
        return 0.0, ()
    first, second = first.double(), second.double()
    alike = (first == second) | (first.isnan() & second.isnan())
    gaps = torch.where(alike, 0.0, (first - second).abs())
    return largest(torch.where(gaps.isnan(), math.inf, gaps))
