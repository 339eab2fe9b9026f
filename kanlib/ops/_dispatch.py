"""Which implementation of an operation runs: one rule for all operations."""

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Literal

import torch
from torch import Tensor
from torch.autograd import forward_ad

from kanlib import _check
from kanlib._errors import KernelUnavailable

Backend = Literal["auto", "reference", "cpu", "cuda"]
Reasons = Callable[[], Sequence[str]]
"""Why an implementation cannot take this call; empty if it can."""


def choose(operation: str, backend: str, refusals: Mapping[str, Reasons]) -> str:
    """Return the implementation to run.

    Args:
        operation: The operation's name, for the error.
        backend: What the caller asked for. "auto" takes the first that refuses
            nothing, else the reference, which takes every call.
        refusals: Implementation -> its refusals, fastest first, without the reference.

    Raises:
        ValueError: "backend is" not one of the choices.
        KernelUnavailable: the backend asked for by name refuses, with every reason.
    """
    _check.is_one_of(operation, "backend", backend, ("auto", "reference", *refusals))
    if backend == "auto":
        return next((name for name, why in refusals.items() if not why()), "reference")
    if backend != "reference" and (reasons := refusals[backend]()):
        raise KernelUnavailable(operation, backend, reasons)
    return backend


def numba_refusals() -> list[str]:
    """Why the loops that numba compiles cannot run on this machine."""
    if find_spec("numba") is None:
        return ['numba is not installed; pip install "kanlib[fast]"']
    return []


def needs_gradient(tensor: Tensor) -> bool:
    """Whether a gradient with respect to this tensor may be asked for.

    What `vmap` wraps does not say so; what is inside the wrapper does.
    """
    if tensor.requires_grad or torch.compiler.is_compiling():
        return tensor.requires_grad
    functorch = torch._C._functorch
    while functorch.is_functorch_wrapped_tensor(tensor):
        tensor = functorch.get_unwrapped(tensor)
        if tensor.requires_grad:
            return True
    return False


def transform_refusals() -> list[str]:
    """Why no compiled implementation may run where this is called."""
    found = []
    if forward_ad._current_level >= 0:
        found.append("forward-mode differentiation is under way")
    if torch.jit.is_tracing():
        found.append("the program is being traced by torch.jit")
    if torch.compiler.is_exporting():
        found.append("the program is being exported")
    return found
