"""What multiplies residual blocks: one number, one for each, or a learned tensor."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor, nn

from kanlib import _check

Scale = float | Sequence[float] | nn.Parameter
"""What a caller may give."""


def as_scale(
    owner: str, scale: Any, count: int
) -> float | tuple[float, ...] | nn.Parameter:
    """Return the scale as a float, `count` floats or a parameter, or raise."""
    because = f"there are {count} blocks"
    if isinstance(scale, nn.Parameter):
        _check.is_floating(owner, "scale", scale)
        if scale.ndim:
            _check.has_shape(owner, "scale", scale, (count,), because)
        return scale
    if isinstance(scale, Tensor) and scale.requires_grad:
        raise TypeError(
            f"{owner}: scale is a tensor that requires a gradient; expected numbers or "
            "an nn.Parameter. Use nn.Parameter(scale), which is learned, or "
            "scale.detach()."
        )
    single = isinstance(scale, Tensor) and scale.ndim == 0
    if isinstance(scale, Iterable) and not single:
        values = _check.finite_numbers(owner, "scale", list(scale), 0)
        if len(values) != count:
            raise ValueError(
                f"{owner}: scale has {len(values)} entries; expected {count}, because "
                f"{because}."
            )
        return values
    _check.is_number(owner, "scale", scale)
    if not math.isfinite(scale):
        raise ValueError(f"{owner}: scale must be finite, got {scale}.")
    return float(scale)


def scale_of(scale: float | tuple[float, ...] | Tensor, i: int) -> float | Tensor:
    """Return what multiplies block i."""
    if isinstance(scale, Tensor):
        return scale if scale.ndim == 0 else scale[i]
    return scale[i] if isinstance(scale, tuple) else scale


def spoken(scale: float | tuple[float, ...] | Tensor) -> str:
    """Return the scale as a reader wants it in a formula."""
    if isinstance(scale, Tensor):
        return "(learned scale)" if scale.ndim == 0 else "(learned scale)_i"
    if isinstance(scale, tuple):
        listed = ", ".join(f"{value:.3g}" for value in scale[:3])
        return f"({listed}{', ...' if len(scale) > 3 else ''})_i"
    return f"{scale:.4g}"
