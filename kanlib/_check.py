"""Argument checks: the one place where argument errors are worded.

Every message says what is wrong, what was expected and why. Checks read shapes, dtypes
and plain numbers; `is_finite` alone reads the values of a tensor, which synchronizes a
GPU, and is for callers that wait for those values anyway.
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


def is_number(owner: str, name: str, value: Any) -> None:
    """Raise TypeError unless `value` is one real number."""
    try:
        math.isfinite(value)
    except (TypeError, ValueError, RuntimeError):  # torch has raised each of the last
        raise TypeError(
            f"{owner}: {name} is a {type(value).__name__}; expected a real number."
        ) from None


def is_positive(owner: str, name: str, value: float) -> None:
    """Raise TypeError or ValueError unless `value` is a finite number above 0."""
    is_number(owner, name, value)
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{owner}: {name} must be finite and above 0, got {value}.")


def is_non_negative(owner: str, name: str, value: float) -> None:
    """Raise TypeError or ValueError unless `value` is finite and at least 0."""
    is_number(owner, name, value)
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{owner}: {name} must be finite and at least 0, got {value}.")


def is_interval(owner: str, name: str, value: tuple[float, float]) -> None:
    """Raise TypeError or ValueError unless `value` is a pair a < b, both finite."""
    ends = _numbers(owner, name, value)
    if len(ends) != 2 or not all(map(math.isfinite, ends)) or not ends[0] < ends[1]:
        raise ValueError(
            f"{owner}: {name} must be two finite numbers a < b, got {ends}."
        )


def is_one_of(owner: str, name: str, value: Any, choices: Collection[Any]) -> None:
    """Raise ValueError unless `value` is among `choices`."""
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{owner}: {name} is {value!r}; expected one of {listed}.")


def is_finite(owner: str, name: str, tensor: Tensor) -> None:
    """Raise ValueError if `tensor` has NaN or infinities; waits for a GPU's values."""
    bad = int((~torch.isfinite(tensor)).sum())
    if bad:
        raise ValueError(
            f"{owner}: {name} has {bad} entries that are NaN or infinite; "
            f"expected finite values. Remove them first."
        )


def is_increasing(
    owner: str, name: str, values: Collection[float], at_least: int
) -> None:
    """Raise TypeError or ValueError unless `values` are finite and increase."""
    listed = _numbers(owner, name, values)
    rises = all(a < b for a, b in pairwise(listed))
    if len(listed) < at_least or not rises or not all(map(math.isfinite, listed)):
        raise ValueError(
            f"{owner}: {name} must be {at_least} or more finite, increasing numbers, "
            f"got {listed}."
        )


def finite_numbers(
    owner: str, name: str, values: Collection[float], at_least: int
) -> tuple[float, ...]:
    """Return a sequence as plain floats; raise unless it has enough, all finite."""
    listed = _numbers(owner, name, values)
    if len(listed) < at_least or not all(map(math.isfinite, listed)):
        raise ValueError(
            f"{owner}: {name} must be {at_least} or more finite numbers, got {listed}."
        )
    return listed


def _numbers(owner: str, name: str, values: Any) -> tuple[float, ...]:
    """Return a sequence as plain floats; TypeError if it holds anything else."""
    try:
        listed = list(values)
        for value in listed:
            is_number(owner, name, value)
    except TypeError:
        raise TypeError(
            f"{owner}: {name} is {str(values)[:60]}; expected a sequence of numbers."
        ) from None
    return tuple(map(float, listed))
