"""What the differentiable functions of several operations share."""

from inspect import signature
from typing import Any

import torch
from torch import Tensor
from torch._functorch.utils import unwrap_dead_wrappers
from torch.autograd import Function, forward_ad

Dims = tuple[int | None, ...]
"""The batch axis of each argument under vmap, None for an argument without one."""


def apply(function: type[Function], *arguments: Any) -> Any:
    """Return function.apply(*arguments), sooner.

    Where nothing can ask for a gradient `forward` alone does it. Else, without a
    transform, this is what `Function.apply` does after it has sorted the arguments by
    the names in the signature of `forward`: after a product of matrices, which leaves
    nothing in the cache, that takes a twentieth of the time of a small layer.
    """
    if (
        torch.compiler.is_compiling()
        or forward_ad._current_level >= 0
        or torch._C._are_functorch_transforms_active()
    ):
        return function.apply(*arguments)
    if not torch.is_grad_enabled():
        return function.forward(*arguments)
    above: Any = super(Function, function)
    return above.apply(*unwrap_dead_wrappers(arguments))


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
