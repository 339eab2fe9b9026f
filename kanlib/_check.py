"""Argument checks: the one place where argument errors are worded.

Every message says what is wrong, what was expected and why. Checks read shapes, dtypes
and plain numbers, never tensor values on a GPU (that would synchronize the device).
"""

import math
from collections.abc import Collection
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor


def is_tensor(owner: str, name: str, value: Any) -> None:
    """Raise TypeError unless `value` is a tensor."""
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{owner}: {name} is a {type(value).__name__}; expected a torch.Tensor. "
            f"Use torch.as_tensor({name})."
        )


def is_floating(owner: str, name: str, tensor: Tensor) -> None:
    """Raise TypeError unless `tensor` is a tensor of real floating dtype."""
    is_tensor(owner, name, tensor)
    if not tensor.dtype.is_floating_point:
        kind = str(tensor.dtype).removeprefix("torch.")
        raise TypeError(
            f"{owner}: {name} has dtype {kind}; expected a floating dtype. "
            f"Use {name}.float()."
        )


def same_kind(owner: str, **tensors: Tensor) -> None:
    """Raise TypeError unless all `tensors` share dtype and device."""
    (first, reference), *others = tensors.items()
    for name, tensor in others:
        for what in ("dtype", "device"):
            got, expected = getattr(tensor, what), getattr(reference, what)
            if got != expected:
                raise TypeError(
                    f"{owner}: {name} has {what} {got}; expected {expected}, "
                    f"because {first} has it. Use {name}.to({first})."
                )


def last_axis(owner: str, name: str, tensor: Tensor, size: int, because: str) -> None:
    """Raise ValueError unless the last axis of `tensor` has `size` entries."""
    if tensor.ndim == 0 or tensor.shape[-1] != size:
        raise ValueError(
            f"{owner}: {name} has shape {tuple(tensor.shape)}; "
            f"expected (..., {size}), because {because}."
        )


def has_shape(
    owner: str, name: str, tensor: Tensor, shape: tuple[int, ...], because: str
) -> None:
    """Raise ValueError unless `tensor` has exactly `shape`."""
    if tuple(tensor.shape) != shape:
        raise ValueError(
            f"{owner}: {name} has shape {tuple(tensor.shape)}; "
            f"expected {shape}, because {because}."
        )


def is_integer(owner: str, name: str, value: Any, at_least: int) -> None:
    """Raise TypeError or ValueError unless `value` is an int of at least `at_least`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(
            f"{owner}: {name} is a {type(value).__name__}; expected an int "
            f"of at least {at_least}."
        )
    if value < at_least:
        raise ValueError(f"{owner}: {name} must be at least {at_least}, got {value}.")


def is_positive(owner: str, name: str, value: float) -> None:
    """Raise ValueError unless `value` is a finite number above 0."""
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{owner}: {name} must be finite and above 0, got {value}.")


def is_non_negative(owner: str, name: str, value: float) -> None:
    """Raise ValueError unless `value` is a finite number of at least 0."""
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{owner}: {name} must be finite and at least 0, got {value}.")


def is_interval(owner: str, name: str, value: tuple[float, float]) -> None:
    """Raise ValueError unless `value` is a pair a < b of finite numbers."""
    if (
        len(value) != 2
        or not all(math.isfinite(end) for end in value)
        or not value[0] < value[1]
    ):
        raise ValueError(
            f"{owner}: {name} must be two finite numbers a < b, got {tuple(value)}."
        )


def is_one_of(owner: str, name: str, value: Any, choices: Collection[Any]) -> None:
    """Raise ValueError unless `value` is among `choices`."""
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{owner}: {name} is {value!r}; expected one of {listed}.")


def is_finite(owner: str, name: str, tensor: Tensor) -> None:
    """Raise ValueError if a CPU `tensor` has NaN or infinities; a GPU's is not read."""
    if tensor.device.type == "cpu" and not bool(torch.isfinite(tensor).all()):
        bad = int((~torch.isfinite(tensor)).sum())
        raise ValueError(
            f"{owner}: {name} has {bad} entries that are NaN or infinite; "
            f"expected finite values. Remove them first."
        )


def is_increasing(
    owner: str, name: str, values: Collection[float], at_least: int
) -> None:
    """Raise ValueError unless `values` are `at_least` finite, increasing numbers."""
    listed = list(values)
    rises = all(a < b for a, b in pairwise(listed))
    if len(listed) < at_least or not rises or not all(map(math.isfinite, listed)):
        raise ValueError(
            f"{owner}: {name} must be {at_least} or more finite, increasing numbers, "
            f"got {tuple(listed)}."
        )
