"""What the differentiable functions of several operations share."""

from inspect import signature
from typing import Any

from torch import Tensor

Dims = tuple[int | None, ...]
"""The batch axis of each argument under vmap, None for an argument without one."""


def signed(forward: Any) -> Any:
    """Keep the signature, which torch asks for at each call.

    To find it anew takes longer than what a small layer has to do.
    """
    forward.__signature__ = signature(forward)
    return forward


def leading(tensor: Tensor | None, dim: int | None, size: int) -> Any:
    """Bring the batch axis to the front; repeat what has none."""
    if tensor is None:
        return None
    if dim is None:
        return tensor.expand(size, *tensor.shape)
    return tensor.movedim(dim, 0)
