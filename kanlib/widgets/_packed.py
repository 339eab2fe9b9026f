"""Arrays as a page carries them: two bytes a number. Its twin is packed.js."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

MOST = 65534
"""The code of the largest number; one above it stands for NaN."""

Numbers = Sequence[Any] | np.ndarray | Tensor
"""What a figure takes for an array of numbers."""


def array(owner: str, name: str, values: Any) -> np.ndarray:
    """Return numbers as float64; NaN stays, for it shows as a gap.

    Raises:
        TypeError: `values` "is" no array of real numbers.
        ValueError: it "is empty" or "has infinite entries".
    """
    if isinstance(values, Tensor):
        values = values.detach().cpu()
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(
            f"{owner}: {name} is a {type(values).__name__}; expected an array of real "
            "numbers, every row as long as the others."
        ) from None
    if numbers.size == 0:
        raise ValueError(
            f"{owner}: {name} is empty, its shape is {numbers.shape}; expected at "
            "least one number."
        )
    infinite = int(np.isinf(numbers).sum())
    if infinite:
        raise ValueError(
            f"{owner}: {name} has infinite entries, {infinite} of them; expected "
            "finite numbers, or NaN where a curve has a gap."
        )
    return numbers


def pack(values: np.ndarray, log: bool = False) -> dict[str, Any]:
    """Round to 65535 levels, evenly from the least to the greatest number.

    The error is at most 8e-6 of the range; with `log`, which takes positive numbers,
    levels are even in log10, and the error relative to each number is at most 2e-5 a
    decade of the range.
    """
    scaled = np.log10(values) if log else values
    there = scaled[np.isfinite(scaled)]
    low, high = (float(there.min()), float(there.max())) if there.size else (0.0, 0.0)
    share = (scaled - low) / (high - low if high > low else 1.0)
    codes = np.where(np.isnan(share), MOST + 1, np.rint(share * MOST))
    text = base64.b64encode(codes.astype("<u2").tobytes()).decode()
    return {"codes": text, "low": low, "high": high, "log": log}


def unpack(packed: dict[str, Any]) -> np.ndarray:
    """Return the numbers of `pack`, flat, as the page shows them."""
    codes = np.frombuffer(base64.b64decode(packed["codes"]), "<u2").astype(float)
    low, high = packed["low"], packed["high"]
    values = low + (high - low) * codes / MOST
    values[codes > MOST] = np.nan
    return 10.0**values if packed["log"] else values
