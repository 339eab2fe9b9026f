"""The capacity that a function uses on data: how steep it is there."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import jacrev, vmap

from kanlib import _check
from kanlib.layers._arguments import with_rows

ROWS = 4096
"""Rows of Jacobians that are held at once."""


@torch.no_grad()
def geometric_complexity(
    f: Callable[[Tensor], Tensor], x: Float[Tensor, "*batch d"]
) -> float:
    """Return the mean over the rows x of ‖∂f/∂x‖²_F, the squared norm of the Jacobian.

    Args:
        f: A function or module from (..., d) to (..., outputs) that treats rows alone.
        x: At least one row.

    Raises:
        ValueError: "x has shape" without a row, "f(x) has shape" without a last axis or
            with other rows than x.
        TypeError: "f is" not callable, "x has dtype" that is not floating.

    Notes:
        One backward pass per output, in chunks of rows: memory is that of a few
        thousand backward passes whatever the number of rows. Squares are added in
        float64. f gets one row as (1, d); with batch normalization call `f.eval()`
        first, or rows depend on each other.

    Example:
        >>> geometric_complexity(lambda x: 3 * x, torch.randn(5, 2))
        18.0

    Reference:
        [dherin2025depth], arXiv:2510.03470, uses it as capacity; the definition is from
        memory, and the mean over data is as given there.
    """
    if not callable(f):
        raise TypeError(
            f"geometric_complexity: f is a {type(f).__name__}; expected a function."
        )
    x = with_rows("geometric_complexity", x)
    _check.is_floating("geometric_complexity", "x", x)
    if x.ndim == 0:
        raise ValueError(
            "geometric_complexity: x has shape (); expected (..., d), because f acts "
            "on the last axis."
        )
    rows = x.reshape(-1, x.shape[-1])
    y = f(rows[:1])
    _check.is_tensor("geometric_complexity", "f(x)", y)
    if y.ndim != 2 or len(y) != 1:
        raise ValueError(
            f"geometric_complexity: f(x) has shape {tuple(y.shape)}; expected "
            f"(1, outputs), because x has shape {tuple(rows[:1].shape)}."
        )

    def squared_norm(row: Tensor) -> Tensor:
        return jacrev(lambda r: f(r[None])[0])(row).double().square().sum()

    chunk = max(1, ROWS // max(1, y.shape[1]))
    return float(vmap(squared_norm, chunk_size=chunk)(rows).mean())
