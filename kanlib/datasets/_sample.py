"""Synthetic data: a function looked at in random points."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from kanlib import _check


def sample_function(
    function: Callable[[Tensor], Tensor],
    points: int,
    domain: Sequence[tuple[float, float]],
    *,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> tuple[Float[Tensor, "N I"], Float[Tensor, "N O"]]:
    """Draw x uniformly from a box and return (x, function(x)).

    Args:
        function: maps (N, I) to (N,) or (N, O).
        points: how many points, N.
        domain: one interval per input.
        dtype: a floating dtype; torch's default when None.
        generator: source of randomness; torch's global one when None.

    Shape:
        - x: (N, I), inside the domain.
        - y: (N, O); a function without output axis gets O = 1.

    Returns:
        The points and the values.

    Raises:
        TypeError: `points` is not an int, `domain` no sequence of intervals, `dtype`
            not floating, or the function returns no tensor ("sample_function: ...").
        ValueError: `points` is below 1, `domain` is empty or holds no interval, or the
            function returns another number of rows ("sample_function: ...").

    Example:
        >>> import torch
        >>> x, y = sample_function(
        ...     lambda x: x[:, 0] * x[:, 1], 100, [(-1, 1), (0, 2)],
        ...     generator=torch.Generator().manual_seed(0),
        ... )
        >>> x.shape, y.shape
        (torch.Size([100, 2]), torch.Size([100, 1]))
    """
    owner = "sample_function"
    _check.is_integer(owner, "points", points, 1)
    if not isinstance(domain, Sequence):
        raise TypeError(
            f"{owner}: domain is a {type(domain).__name__}; expected one interval per "
            "input, such as [(-1, 1), (0, 2)]."
        )
    if len(domain) == 0:
        raise ValueError(f"{owner}: domain is empty; expected one interval per input.")
    for interval in domain:
        _check.is_interval(owner, "domain", interval)
    if dtype is not None and not dtype.is_floating_point:
        raise TypeError(
            f"{owner}: dtype is {dtype}; expected a floating dtype such as "
            "torch.float32."
        )
    lows, highs = torch.tensor(domain, dtype=dtype or torch.get_default_dtype()).T
    unit = torch.rand(points, len(domain), generator=generator, dtype=lows.dtype)
    x = lows + (highs - lows) * unit
    y = function(x)
    _check.is_tensor(owner, "function(x)", y)
    if y.ndim not in (1, 2) or len(y) != points:
        raise ValueError(
            f"{owner}: function(x) has shape {tuple(y.shape)}; expected ({points},) or "
            f"({points}, outputs), because x has {points} rows."
        )
    return x, y.reshape(points, -1)
