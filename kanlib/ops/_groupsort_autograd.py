"""Gradients of every order for `groupsort`: two functions, each the other's backward.

The order of the keys is constant almost everywhere, so keys have no gradient: a sorted
group is its own values gathered in the order of its own keys.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from kanlib.ops import _groupsort_ops  # noqa: F401
from kanlib.ops._autograd import Dims, apply, leading, signed


def _batched(function: Any, info: Any, dims: Dims, key: Tensor, value: Tensor) -> Any:
    """Make the batch more groups."""
    key, value = (
        leading(t, dim, info.batch_size)
        for t, dim in zip((key, value), dims, strict=True)
    )
    return function(key.flatten(0, 1), value.flatten(0, 1)).reshape(value.shape), 0


class Gather(Function):
    """out[k] = value[order(k)] in each group."""

    @staticmethod
    @signed
    def forward(key, value):  # type: ignore[no-untyped-def]
        """Run the compiled loops or kernels of the device."""
        return torch.ops.kanlib.groupsort_gather(key.contiguous(), value.contiguous())

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep the keys."""
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        """Return the gradient in the values."""
        return None, apply(Scatter, ctx.saved_tensors[0], g)

    @staticmethod
    def vmap(info: Any, dims: Dims, key, value):  # type: ignore[no-untyped-def]
        """Make the batch more groups."""
        return _batched(Gather.apply, info, dims, key, value)


class Scatter(Function):
    """out[order(k)] = value[k] in each group."""

    @staticmethod
    @signed
    def forward(key, value):  # type: ignore[no-untyped-def]
        """Run the compiled loops or kernels of the device."""
        return torch.ops.kanlib.groupsort_scatter(key.contiguous(), value.contiguous())

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep the keys."""
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        """Return the gradient in the values."""
        return None, apply(Gather, ctx.saved_tensors[0], g)

    @staticmethod
    def vmap(info: Any, dims: Dims, key, value):  # type: ignore[no-untyped-def]
        """Make the batch more groups."""
        return _batched(Scatter.apply, info, dims, key, value)
