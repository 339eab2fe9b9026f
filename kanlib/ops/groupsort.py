"""Each group of neighboring columns in descending order, as one operation."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from kanlib import _check
from kanlib.ops._dispatch import Backend, choose, numba_refusals, transform_refusals

OPERATION = "groupsort"
LARGEST = 32
"""Size up to which the loops' network, quadratic in it, beats `torch.sort`."""


def groupsort(
    x: Float[Tensor, "*batch D"], size: int = 2, *, backend: Backend = "auto"
) -> Float[Tensor, "*batch D"]:
    """Return x with each group of `size` neighboring columns in descending order.

    Sorting is a permutation of the coordinates that depends on x: almost everywhere
    the Jacobian is a permutation matrix, so the map has Lipschitz constant 1 in every
    p-norm and preserves the norm of gradients. For size 2 it is (max, min).

    Args:
        x: Points; the columns 0 … size − 1 are the first group.
        size: Columns of a group, at least 1.
        backend: "reference" (`torch.sort`, defines the result), "cpu" (compiled by
            numba at first use), "cuda" (a kernel of this package, through CuPy), or
            "auto": the first that can take this call.

    Shape:
        x (..., D) with D a multiple of size; result (..., D).

    Returns:
        The sorted groups in x's dtype, differentiable in x to every order; the second
        derivative is 0.

    Raises:
        TypeError: "x has dtype" not floating.
        ValueError: "size must be", "x has shape", "backend is".
        KernelUnavailable: the backend asked for by name cannot take this call; lists
            every reason.

    Notes:
        Equal numbers keep their order, NaN counts as the largest. At ties the
        derivative is that of this order.
        "cpu" and "cuda" move x once each way and keep x for backward, where the
        reference writes and keeps 8-byte indices. The order is found anew for each
        derivative.

    Example:
        >>> groupsort(torch.tensor([1.0, 3.0, 5.0, 4.0]))
        tensor([3., 1., 5., 4.])

    Reference:
        [anil2019sorting], arXiv:1811.05381.
    """
    _check.is_floating(OPERATION, "x", x)
    _check.is_integer(OPERATION, "size", size, 1)
    if x.ndim == 0 or x.shape[-1] % size:
        raise ValueError(
            f"{OPERATION}: x has shape {tuple(x.shape)}; expected (..., D) with D a "
            f"multiple of {size}, because size={size}."
        )
    refusals = {
        "cuda": lambda: _cuda_refusals(x, size, backend == "cuda"),
        "cpu": lambda: _cpu_refusals(x, size),
    }
    chosen = choose(OPERATION, backend, refusals)
    if chosen == "reference":
        groups = x.reshape(*x.shape[:-1], x.shape[-1] // size, size)
        ordered = groups.sort(stable=True, dim=-1, descending=True).values
        return ordered.reshape(x.shape)
    if chosen == "cpu":
        from kanlib.ops import _groupsort_cpu  # noqa: F401
    else:
        from kanlib.ops import _groupsort_cuda  # noqa: F401
    from kanlib.ops._autograd import apply
    from kanlib.ops._groupsort_autograd import Gather

    values = x.reshape(x.numel() // size, size)
    y: Tensor = apply(Gather, values.detach(), values)
    return y.reshape(x.shape)


def _cpu_refusals(x: Tensor, size: int) -> Sequence[str]:
    """Why the compiled loops cannot take this call."""
    found = numba_refusals() + transform_refusals()
    if x.device.type != "cpu":
        found.append(f"x is on {x.device}; expected the CPU")
    if x.dtype not in (torch.float32, torch.float64):
        found.append(f"x has dtype {x.dtype}; expected float32 or float64")
    if size > LARGEST:
        found.append(f"size is {size}; expected at most {LARGEST}")
    return found


def _cuda_refusals(x: Tensor, size: int, named: bool) -> Sequence[str]:
    """Why the CUDA kernels cannot take this call."""
    found = transform_refusals()
    if not (named or x.is_cuda):
        # Asking the driver takes longer than a small call: not for "auto" on a CPU.
        return [*found, f"x is on {x.device}; expected a CUDA device"]
    from kanlib.ops import _groupsort_cuda

    return list(dict.fromkeys([*found, *_groupsort_cuda.refusals(x, size)]))
