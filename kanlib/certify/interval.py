"""Interval bounds: what a network can return on a whole box of inputs."""

import contextlib
from collections.abc import Iterator
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from kanlib import _check
from kanlib.certify._box import OWNER, Box, box, refuse
from kanlib.certify._margins import elided, plain
from kanlib.certify._outward import Nearest, Outward, Rounding
from kanlib.certify._walk import Walk

RoundingMode = Literal["nearest", "outward"]


def interval_bounds(
    module: nn.Module,
    lower: Float[Tensor, "*shape"],
    upper: Float[Tensor, "*shape"],
    *,
    rounding: RoundingMode = "nearest",
) -> tuple[Float[Tensor, "*result"], Float[Tensor, "*result"]]:
    """Return (l', u') with l' ≤ f(x) ≤ u' for every x with l ≤ x ≤ u, entry by entry.

    A box goes through the layers one by one: an affine map takes center c and radius r
    to W c + b and |W| r, a monotone function takes both ends, any other its exact range
    over each interval. For every layer alone that is the smallest box; for the whole it
    is larger than the smallest.

    Args:
        module: f, in evaluation mode, made of `Linear`, `Conv1d`, `Conv2d`, `Conv3d`
            (zero padding), average, maximum and adaptive pooling, `BatchNorm`, `ReLU`,
            `ReLU6`, `LeakyReLU`, `ELU`, `GELU`, `SiLU`, `Mish`, `Tanh`, `Sigmoid`,
            `Softplus`, `Hardtanh`, `Flatten`, `Unflatten`, `Identity`, `Dropout`,
            `Sequential`; `KANLayer` and `KAN` with B-splines of degree 3 at most,
            `GroupRational`, `GRKAN`, `GroupSort`, `MaxMin`, `Householder`,
            `ResidualTower` and `ParallelResidual` of this package; and modules whose
            own forward, as `torch.fx` can trace it, calls these, their functional
            forms, sin, cos, abs, +, −, ·, division by constants, squares, sums, means,
            `torch.cat`, slices and changes of shape. Not attention, which multiplies
            what depends on the same inputs, nor softmax or layer normalization.
        lower: l, one corner of the box, finite.
        upper: u, the opposite corner.
        rounding: "nearest", in the box's dtype: bounds up to rounding, with gradients
            for training. "outward": bounds for PyTorch's own evaluation, see Notes;
            without gradients.

    Shape:
        l and u as the module takes x; l' and u' as it returns f(x).

    Returns:
        Both bounds, in the dtype of l. They never cross.

    Raises:
        ValueError: "lower exceeds upper", "lower has 2 entries that are NaN or
            infinite", "upper has shape"; a shape that a layer does not take; "in
            training mode"; "has NaN", where weights are NaN or values overflow;
            "rounding is" neither mode.
        TypeError: "module is" no module, "lower has dtype" not floating, "upper has
            dtype" or device other than l's.
        NotImplementedError: "is not supported": names the first part, with its path,
            that has no rule; forward hooks, and tensors read after they were
            overwritten in place.

    Notes:
        Cost to nearest: two of each linear map where the module has one. Modules that
        are traced are traced anew at each call, about a millisecond for each.
        Outward: for each x of the box with entries of l's dtype, all that PyTorch
        computes for module(x) in that dtype lies between the bounds, whatever the order
        of the sums. `kanlib.certify._outward` has the constants, their proofs, and the
        assumptions: no TF32, no Winograd, elementary functions to a few units in the
        last place. It costs the same maps in float64, and one look at the values a
        layer.
        Boxes with an infinite end are refused, and nothing is said of autocast.

    Example:
        >>> f = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU())
        >>> _ = f[0].weight.data.copy_(torch.tensor([[1.0, -2.0], [1.0, 1.0]]))
        >>> x = torch.tensor([1.0, 1.0])
        >>> lower, upper = interval_bounds(f, x - 0.5, x + 0.5)
        >>> lower.tolist(), upper.tolist()
        ([0.0, 1.0], [0.5, 3.0])

    Reference:
        [gowal2018ibp], arXiv:1810.12715, for the rule of affine maps; the other ranges
        and the constants of rounding are derived here.
    """
    _check_module(OWNER, module)
    _check_box(lower, upper)
    _check_rounding(OWNER, rounding, lower)
    with _mode(rounding, lower) as made:
        found = Walk(made).module(module, "", made.enter(lower, upper))
        return _valid(made, found)


def interval_margins(
    module: nn.Module,
    x: Float[Tensor, " B *shape"],
    y: Int[Tensor, " B"],
    eps: float,
    *,
    clip: tuple[float, float] | None = None,
    rounding: RoundingMode = "nearest",
) -> Float[Tensor, "B C"]:
    """Return lower bounds of f_y(x') − f_j(x') for all x' with |x' − x| ≤ ε.

    Where f ends with a `Linear` layer W, it is elided: the differences of its rows meet
    the box before it, m_j = (W_y − W_j) c − |W_y − W_j| r + b_y − b_j, which is never
    less than the difference of the bounds of f_y and f_j.

    Args:
        module: f, from images or rows to C scores, as `interval_bounds` takes it.
        x: Points, the first axis counts them.
        y: Their classes.
        eps: ε ≥ 0.
        clip: Bounds of every entry of x', such as (0, 1) for images. Points outside are
            refused.
        rounding: As in `interval_bounds`; outward the bounds hold for differences of
            the scores that PyTorch computes.

    Shape:
        x (B, ...), y (B,), result (B, C), 0 in column y.

    Raises:
        ValueError: "eps must be" at least 0, "clip must be" a < b, "x has entries
            outside", "y has" another shape or classes that f does not have, "f(x) has
            shape" not (B, C); and what `interval_bounds` raises.
        TypeError: "y has dtype" not int64; and what `interval_bounds` raises.

    Example:
        >>> f = nn.Linear(2, 2, bias=False)
        >>> _ = f.weight.data.copy_(torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
        >>> x, y = torch.tensor([[1.0, 1.0]]), torch.tensor([1])
        >>> interval_margins(f, x, y, 0.25).tolist()
        [[0.75, 0.0]]

    Reference:
        [gowal2018ibp], arXiv:1810.12715.
    """
    owner = "interval_margins"
    _check_module(owner, module)
    lower, upper = ball(owner, x, y, eps, clip)
    _check_rounding(owner, rounding, lower)
    with _mode(rounding, lower) as made:
        walk = Walk(made, last=elided(owner, made, y))
        found = walk.module(module, "", made.enter(lower, upper), last=True)
        if isinstance(found, Box):
            found = plain(owner, made, y)(found)
        return _valid(made, box(found, found))[0]


def certified_accuracy(
    module: nn.Module,
    x: Float[Tensor, " B *shape"],
    y: Int[Tensor, " B"],
    eps: float,
    *,
    clip: tuple[float, float] | None = None,
    rounding: RoundingMode = "nearest",
) -> float:
    """Return the share of points x whose whole ball |x' − x| ≤ ε has the class y.

    A point counts if its margins m_j are above 0 for all j ≠ y.

    Args:
        module: f, as `interval_margins` takes it.
        x: Points.
        y: Their classes.
        eps: ε ≥ 0.
        clip: As in `interval_margins`.
        rounding: As in `interval_bounds`.

    Shape:
        x (B, ...), y (B,).

    Returns:
        A number from 0 to 1.

    Raises:
        ValueError: "x has shape" with no rows; and what the margins raise.

    Example:
        >>> f = nn.Linear(2, 2, bias=False)
        >>> _ = f.weight.data.copy_(torch.eye(2))
        >>> x, y = torch.tensor([[1.0, 0.0], [0.4, 0.5]]), torch.tensor([0, 1])
        >>> certified_accuracy(f, x, y, 0.1)
        0.5
    """
    owner = "certified_accuracy"
    _check.is_tensor(owner, "x", x)
    if x.ndim == 0 or not len(x):
        raise ValueError(
            f"{owner}: x has shape {tuple(x.shape)}; expected at least one row, "
            "because the share of no points is undefined."
        )
    with torch.no_grad():
        m = interval_margins(module, x, y, eps, clip=clip, rounding=rounding)
    others = torch.ones_like(m, dtype=torch.bool).scatter_(1, y[:, None], False)
    return float(((m > 0) | ~others).all(1).double().mean())


def ball(
    owner: str,
    x: Tensor,
    y: Tensor,
    eps: float,
    clip: tuple[float, float] | None = None,
) -> tuple[Tensor, Tensor]:
    """Check a batch and its classes; return the corners of its balls, clipped."""
    _check.is_floating(owner, "x", x)
    _check.is_non_negative(owner, "eps", eps)
    _check.is_tensor(owner, "y", y)
    if y.dtype != torch.int64:
        raise TypeError(
            f"{owner}: y has dtype {y.dtype}; expected torch.int64. Use y.long()."
        )
    _check.has_shape(owner, "y", y, tuple(x.shape[:1]), f"x has {len(x)} rows")
    if y.numel() and int(y.amin()) < 0:
        raise ValueError(
            f"{owner}: y has the class {int(y.amin())}; expected 0 or above."
        )
    if clip is None:
        return x - eps, x + eps
    _check.is_interval(owner, "clip", clip)
    low, high = clip
    if bool(((x < low) | (x > high)).any()):
        raise ValueError(
            f"{owner}: x has entries outside clip={clip}; expected none, because the "
            "ball around such a point has no center. Clip x first, or drop clip."
        )
    return (x - eps).clamp(min=low), (x + eps).clamp(max=high)


def _check_module(owner: str, module: nn.Module) -> None:
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"{owner}: module is a {type(module).__name__}; expected a torch.nn.Module."
        )


def _check_rounding(owner: str, rounding: str, lower: Tensor) -> None:
    _check.is_one_of(owner, "rounding", rounding, ("nearest", "outward"))
    if rounding == "outward" and lower.dtype not in (torch.float32, torch.float64):
        raise TypeError(
            f"{owner}: lower has dtype {lower.dtype}; expected float32 or float64, "
            'because rounding="outward" has constants for these. Use lower.float().'
        )


def _check_box(lower: Tensor, upper: Tensor) -> None:
    _check.is_floating(OWNER, "lower", lower)
    _check.is_floating(OWNER, "upper", upper)
    _check.same_kind(OWNER, lower=lower, upper=upper)
    shape = tuple(lower.shape)
    _check.has_shape(OWNER, "upper", upper, shape, "lower has it")
    # One look at the values of a good box: NaN and infinities fail this test as well.
    if bool(((upper - lower >= 0) & torch.isfinite(lower - upper)).all()):
        return
    _check.is_finite(OWNER, "lower", lower)
    _check.is_finite(OWNER, "upper", upper)
    crossed = int((lower > upper).sum())
    if crossed:
        raise ValueError(
            f"{OWNER}: lower exceeds upper in {crossed} entries; expected none, "
            "because such a box is empty. Exchange them."
        )
    refuse(
        OWNER,
        "upper − lower overflows",
        "a finite width",
        "rules compute it",
        "Use float64, or a smaller box.",
    )


@contextlib.contextmanager
def _mode(rounding: str, lower: Tensor) -> Iterator[Rounding]:
    """Yield the way of rounding; outward without gradients."""
    if rounding == "nearest":
        yield Nearest()
        return
    with torch.no_grad():
        yield Outward(lower.dtype)


def _valid(rounding: Rounding, found: Box) -> tuple[Tensor, Tensor]:
    """Return the ends, or raise if they are NaN."""
    lower, upper = rounding.leave(found)
    if bool((lower <= upper).all()):
        return lower, upper
    crossed = lower > upper
    if bool(crossed.any()):  # by rounding alone, where both are nearly the same
        lower, upper = torch.minimum(lower, upper), torch.maximum(lower, upper)
    bad = int((lower.isnan() | upper.isnan()).sum())
    if bad:
        refuse(
            OWNER,
            f"the result has NaN in {bad} entries",
            "numbers",
            "finite weights and boxes that do not overflow give them",
            "Look for NaN or infinite weights.",
        )
    return lower, upper
