"""One rule for each function of tensors: from a box to a box around its image.

Every rule is optimal for its function alone: no smaller box holds the image. Their
composition is not.
"""

import math
import operator
from collections.abc import Callable
from typing import Any, NoReturn

import torch
import torch.nn.functional as F
from torch import Tensor

from kanlib import _check
from kanlib.certify import _extrema
from kanlib.certify._box import Box, box, refuse, unsupported
from kanlib.certify._extrema import Dip
from kanlib.certify._outward import Outward, Rounding
from kanlib.ops import groupsort

Rule = Callable[..., Box]
"""(rounding, where, *arguments of the function) -> box."""

_f: Any
RULES: dict[Any, Rule] = {}
"""The rule of each function; all arguments but the first are constants."""

SEVERAL: dict[Any, Rule] = {}
"""Rules that take boxes in several places."""


def _for(*functions: Any) -> Callable[[Rule], Rule]:
    def enter(rule: Rule) -> Rule:
        for function in functions:
            RULES[function] = rule
        return rule

    return enter


def both_ends(f: Callable[..., Tensor], view: bool = False) -> Rule:
    """Return the rule of a function that is monotone, and exact in floating point.

    Selecting and comparing round nothing: [f(l), f(u)] in either way of rounding.
    """

    def rule(rounding: Rounding, where: str, x: Box, *args: Any, **kwargs: Any) -> Box:
        lower, upper = f(x.lower, *args, **kwargs), f(x.upper, *args, **kwargs)
        if not isinstance(lower, Tensor) or lower.dtype != x.lower.dtype:
            unsupported(where, "a function that returns more than it selects")
        return Box(lower, upper, x.writers if view else [])

    return rule


for _f in (F.relu, torch.relu, torch.Tensor.relu, F.max_pool1d, F.max_pool2d):
    RULES[_f] = both_ends(_f)
for _f in (torch.max_pool1d, torch.max_pool2d, groupsort, torch.clone):
    RULES[_f] = both_ends(_f)
for _f in (F.adaptive_max_pool1d, F.adaptive_max_pool2d, torch.Tensor.clone):
    RULES[_f] = both_ends(_f)
for _name in (
    *("flatten", "reshape", "unflatten", "squeeze", "unsqueeze", "permute"),
    *("transpose", "movedim", "swapaxes"),
):
    for _f in (getattr(torch, _name), getattr(torch.Tensor, _name)):
        RULES[_f] = both_ends(_f, view=True)
for _f in (torch.Tensor.view, torch.Tensor.contiguous, torch.Tensor.expand):
    RULES[_f] = both_ends(_f, view=True)
RULES[operator.getitem] = both_ends(operator.getitem, view=True)


@_for(F.pad)
def pad(
    rounding: Rounding,
    where: str,
    x: Box,
    pad: Any,
    mode: str = "constant",
    value: float | None = None,
) -> Box:
    """Pad both ends alike."""
    value = None if value is None else rounding.number(value)
    return both_ends(F.pad)(rounding, where, x, pad, mode, value)


@_for(F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout)
def dropout(
    rounding: Rounding,
    where: str,
    x: Box,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
) -> Box:
    """Return the box: in evaluation dropout is the identity."""
    if training:
        in_training(where, "it draws random numbers")
    return x


def in_training(where: str, because: str) -> NoReturn:
    """Refuse a layer in training mode."""
    hint = "Call .eval() on the module."
    refuse(where, "the layer is in training mode", "evaluation", because, hint)


# Monotone and elementwise. With an error of k u (|f| + a), see _outward; the k are
# several times what was measured.


def rising(f: Callable[..., Tensor], k: float, beside: float = 0.0) -> Rule:
    """Return the rule of an increasing elementwise function, a constant."""

    def rule(rounding: Rounding, where: str, x: Box) -> Box:
        return rounding.widened(f(x.lower), f(x.upper), k, beside)

    return rule


for _name, _k in {"tanh": 16, "sigmoid": 16}.items():
    for _f in (getattr(torch, _name), getattr(F, _name), getattr(torch.Tensor, _name)):
        RULES[_f] = rising(getattr(torch, _name), _k)


@_for(torch.clamp, torch.Tensor.clamp, torch.clip, torch.Tensor.clip)
def clamp(
    rounding: Rounding,
    where: str,
    x: Box,
    min: Any = None,
    max: Any = None,
) -> Box:
    """Clamp both ends between constants."""
    bounds = [
        rounding.number(value) if isinstance(value, int | float) else value
        for value in (min, max)
    ]
    return both_ends(torch.clamp)(rounding, where, x, *bounds)


@_for(F.relu6)
def relu6(rounding: Rounding, where: str, x: Box) -> Box:
    """Clamp both ends to [0, 6]."""
    return clamp(rounding, where, x, 0.0, 6.0)


@_for(F.hardtanh)
def hardtanh(
    rounding: Rounding, where: str, x: Box, min_val: float = -1.0, max_val: float = 1.0
) -> Box:
    """Clamp both ends."""
    return clamp(rounding, where, x, min_val, max_val)


@_for(F.leaky_relu)
def leaky_relu(
    rounding: Rounding, where: str, x: Box, negative_slope: float = 0.01
) -> Box:
    """Return the ends' images; for a negative slope, with the minimum 0 at 0."""
    slope = rounding.number(negative_slope)

    def f(t: Tensor) -> Tensor:
        return F.leaky_relu(t, slope)

    if slope >= 0:
        return rounding.widened(f(x.lower), f(x.upper), 2)
    return rounding.widened(*_extrema.vee_range(f, x.lower, x.upper), 2)


@_for(F.elu)
def elu(rounding: Rounding, where: str, x: Box, alpha: float = 1.0) -> Box:
    """α (eˣ − 1) below 0; an absolute error of k u α, as from e^x − 1 as written."""
    if not alpha >= 0:
        unsupported(where, f"alpha={alpha}", "the function is not monotone")
    alpha = rounding.number(alpha)
    return rounding.widened(F.elu(x.lower, alpha), F.elu(x.upper, alpha), 16, alpha)


@_for(F.softplus)
def softplus(
    rounding: Rounding, where: str, x: Box, beta: float = 1.0, threshold: float = 20.0
) -> Box:
    """Return the range of PyTorch's softplus, which jumps down at its threshold.

    It is x itself where β x exceeds the threshold T, by log(1 + e^{−T})/β less than
    the limit from the left. A box that holds the jump has the limits of both sides.
    """
    if not beta > 0:
        unsupported(where, f"beta={beta}", "the function is not increasing")
    low, high = (F.softplus(end, beta, threshold) for end in (x.lower, x.upper))
    at = threshold / beta
    # The module may compare rounded numbers: a jump just outside counts as inside.
    near = 4 * torch.finfo(low.dtype).eps * abs(at)
    if isinstance(rounding, Outward):
        near += 8 * rounding.u * abs(at)
    jumps = (x.lower <= at + near) & (x.upper >= at - near)
    top = at + near + math.log1p(math.exp(-threshold)) / beta
    low = torch.where(jumps, torch.minimum(low, x.lower.clamp(min=at - near)), low)
    high = torch.where(jumps, high.clamp(min=top), high)
    return rounding.widened(low, high, 16)


# Not monotone.


def _dipping(
    rounding: Rounding, x: Box, f: Callable[[Tensor], Tensor], dip: Dip
) -> Box:
    """Widen by k u |x| too: 1 + erf and its like cancel for negative x."""
    lower, upper = _extrema.dip_range(f, x.lower, x.upper, dip)
    return rounding.widened(lower, upper, 16, x.size)


@_for(F.silu)
def silu(rounding: Rounding, where: str, x: Box) -> Box:
    """Return the range of x sigmoid(x)."""
    return _dipping(rounding, x, F.silu, _extrema.SILU)


@_for(F.mish)
def mish(rounding: Rounding, where: str, x: Box) -> Box:
    """Return the range of x tanh(softplus(x))."""
    return _dipping(rounding, x, F.mish, _extrema.MISH)


@_for(F.gelu)
def gelu(rounding: Rounding, where: str, x: Box, approximate: str = "none") -> Box:
    """Return the range of GELU, in either of its forms."""

    def f(t: Tensor) -> Tensor:
        return F.gelu(t, approximate=approximate)

    dip = _extrema.GELU if approximate == "none" else _extrema.GELU_TANH
    return _dipping(rounding, x, f, dip)


@_for(torch.abs, torch.Tensor.abs, operator.abs)
def absolute(rounding: Rounding, where: str, x: Box) -> Box:
    """Return the range of |x|, exact in floating point."""
    return box(*_extrema.abs_range(x.lower, x.upper))


@_for(torch.sin, torch.Tensor.sin)
def sin(rounding: Rounding, where: str, x: Box) -> Box:
    """Return the range of sin."""
    found = _extrema.wave_range(torch.sin, x.lower, x.upper, math.pi / 2)
    return rounding.widened(*found, 8, 1.0)


@_for(torch.cos, torch.Tensor.cos)
def cos(rounding: Rounding, where: str, x: Box) -> Box:
    """Return the range of cos."""
    found = _extrema.wave_range(torch.cos, x.lower, x.upper, 0.0)
    return rounding.widened(*found, 8, 1.0)


# Linear.


@_for(F.linear)
def linear(
    rounding: Rounding, where: str, x: Box, weight: Tensor, bias: Tensor | None = None
) -> Box:
    """Return the smallest box around W x + b."""
    size = weight.shape[-1]
    _check.last_axis(where, "x", x.lower, size, f"in_features={size}")
    return rounding.affine(x, F.linear, weight, bias, size, where)


@_for(torch.matmul, torch.Tensor.matmul, operator.matmul)
def matmul(rounding: Rounding, where: str, x: Box, other: Tensor) -> Box:
    """Return the smallest box around x M for a constant matrix M."""
    if other.ndim != 2:
        unsupported(where, f"a product with {other.ndim} axes")
    return linear(rounding, where, x, other.T)


def convolution(f: Any, axes: int) -> Rule:
    """Return the rule of a convolution over so many axes."""

    def rule(
        rounding: Rounding,
        where: str,
        x: Box,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Box:
        shape, channels = tuple(x.lower.shape), weight.shape[1] * groups
        if len(shape) not in (axes + 1, axes + 2) or shape[-axes - 1] != channels:
            raise ValueError(
                f"{where}: x has shape {shape}; expected (N, {channels}, ...) with "
                f"{axes} more axes, because in_channels={channels}."
            )

        def image(t: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
            y: Tensor = f(t, w, b, stride, padding, dilation, groups)
            return y

        return rounding.affine(x, image, weight, bias, weight[0].numel(), where)

    return rule


for _f, _axes in ((F.conv1d, 1), (F.conv2d, 2), (F.conv3d, 3)):
    RULES[_f] = convolution(_f, _axes)


@_for(F.batch_norm)
def batch_norm(
    rounding: Rounding,
    where: str,
    x: Box,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Box:
    """Return the smallest box around α x + β, α = w/√(v + ε) and β = b − α μ.

    An evaluation forms (x − μ)/√(v + ε) · w + b or α x + β, in at most 8 roundings on
    the way of any term: it errs by γ_10(u) (|α| (m + |μ|) + |b|) at most, and so do the
    ends, in float64. As an affine map with the terms α x, α μ and b that is the bound
    of `Outward.affine` with n = 9 and |α| (m + |μ|) + |b| for |W| m + |b|.
    """
    if training or running_mean is None or running_var is None:
        in_training(where, "its statistics would be those of a batch")
    mean, variance = rounding.cast(running_mean), rounding.cast(running_var)
    scale = torch.rsqrt(variance + eps)
    if weight is not None:
        scale = rounding.cast(weight) * scale
    shift = torch.zeros_like(mean) if bias is None else rounding.cast(bias)
    channels = len(mean)
    if x.lower.ndim < 2 or x.lower.shape[1] != channels:
        raise ValueError(
            f"{where}: x has shape {tuple(x.lower.shape)}; expected (N, {channels}, "
            f"...), because num_features={channels}."
        )
    shape = (-1, *[1] * (x.lower.ndim - 2))

    def image(t: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
        y = t * w[:, 0].view(shape)
        return y if b is None else y + b.view(shape)

    column = scale.unsqueeze(1)
    if not isinstance(rounding, Outward):
        return rounding.affine(x, image, column, shift - scale * mean, 9, where)
    moved = rounding.affine(x, image, column, shift - scale * mean, 9, where)
    # |b − α μ| may be small where |b| and |α μ| are not.
    lost = scale.abs() * mean.abs() + shift.abs()
    lost = (32 * (rounding.u + rounding.w)) * lost.view(shape)
    return rounding.widened(moved.lower - lost, moved.upper + lost, 0)


def average(f: Any) -> Rule:
    """Return the rule of an average over windows, which is linear and monotone."""

    def rule(rounding: Rounding, where: str, x: Box, *args: Any, **kwargs: Any) -> Box:
        # A window holds no more than all entries of its image, zeros of padding aside.
        axes = 2 if "2d" in f.__name__ else 1
        terms = math.prod(x.lower.shape[-axes:])
        if (kwargs.get("divisor_override") or 1) < 0 or (len(args) > 5 and args[5]):
            unsupported(where, "divisor_override")

        def image(t: Tensor) -> Tensor:
            y: Tensor = f(t, *args, **kwargs)
            return y

        return rounding.positive(x, image, terms)

    return rule


for _f in (F.avg_pool1d, F.avg_pool2d, F.adaptive_avg_pool1d, F.adaptive_avg_pool2d):
    RULES[_f] = average(_f)


def _summed(f: Any) -> Rule:
    def rule(
        rounding: Rounding, where: str, x: Box, dim: Any = None, keepdim: bool = False
    ) -> Box:
        def image(t: Tensor) -> Tensor:
            y: Tensor = f(t, dim=dim, keepdim=keepdim)
            return y

        terms = x.lower.numel() // max(1, image(x.lower).numel())
        return rounding.positive(x, image, terms)

    return rule


for _name in ("mean", "sum"):
    for _f in (getattr(torch, _name), getattr(torch.Tensor, _name)):
        RULES[_f] = _summed(getattr(torch, _name))


# Arithmetic, with constants or between boxes.


def _ends(rounding: Rounding, value: Any) -> tuple[Any, Any]:
    """Return the ends of a box, or a constant twice."""
    if isinstance(value, Box):
        return value.lower, value.upper
    value = rounding.cast(value) if isinstance(value, Tensor) else float(value)
    return value, value


def add(rounding: Rounding, where: str, a: Any, b: Any, *, alpha: Any = 1) -> Box:
    """Return the box of a + α b. Two boxes that depend on each other lose tightness."""
    if isinstance(b, Box) and not isinstance(alpha, Tensor) and alpha == -1:
        b = negative(rounding, where, b)
    elif isinstance(alpha, Tensor) or alpha != 1:
        b = multiply(rounding, where, b, alpha)
    (low, high), (other_low, other_high) = _ends(rounding, a), _ends(rounding, b)
    # A number is rounded to the dtype first: one more error, of the number's size.
    beside = max([abs(float(t)) for t in (a, b) if isinstance(t, int | float)] or [0.0])
    return rounding.widened(low + other_low, high + other_high, 2, beside)


def subtract(rounding: Rounding, where: str, a: Any, b: Any, *, alpha: Any = 1) -> Box:
    """Return the box of a − α b."""
    return add(rounding, where, a, b, alpha=-alpha)


def reverse_subtract(rounding: Rounding, where: str, a: Any, b: Any) -> Box:
    """Return the box of b − a."""
    return subtract(rounding, where, b, a)


def multiply(rounding: Rounding, where: str, a: Any, b: Any) -> Box:
    """Return the box of a b: its ends are products of ends."""
    if isinstance(a, int | float) and not isinstance(b, Box):
        return a * b
    left, right = set_of(_ends(rounding, a)), set_of(_ends(rounding, b))
    pairs = [x * y for x in left for y in right]
    lower = upper = pairs[0]
    for product in pairs[1:]:
        lower = torch.minimum(lower, product)
        upper = torch.maximum(upper, product)
    return rounding.widened(lower, upper, 4)


def set_of(ends: tuple[Any, Any]) -> tuple[Any, ...]:
    """Return both ends, or one where they are the same object."""
    return ends[:1] if ends[0] is ends[1] else ends


@_for(operator.neg, torch.neg, torch.Tensor.neg)
def negative(rounding: Rounding, where: str, x: Box) -> Box:
    """Return the box of −x, exact in floating point."""
    return box(-x.upper, -x.lower)


@_for(operator.truediv, torch.div, torch.Tensor.div)
def divide(rounding: Rounding, where: str, x: Box, by: Any) -> Box:
    """Return the box of x / c for a constant c, monotone on either side of c = 0."""
    by, _ = _ends(rounding, by)
    a, b = x.lower / by, x.upper / by
    return rounding.widened(torch.minimum(a, b), torch.maximum(a, b), 4)


@_for(torch.square, torch.Tensor.square)
def square(rounding: Rounding, where: str, x: Box) -> Box:
    """Return the box of x², which no product of two boxes gives."""
    low, high = _extrema.abs_range(x.lower, x.upper)
    return rounding.widened(low * low, high * high, 2)


@_for(operator.pow, torch.pow, torch.Tensor.pow)
def power(rounding: Rounding, where: str, x: Box, exponent: Any) -> Box:
    """Return the box of x²; other powers have no rule."""
    if exponent != 2:
        unsupported(where, f"the exponent {exponent}")
    return square(rounding, where, x)


def _joined(f: Any) -> Rule:
    def rule(rounding: Rounding, where: str, parts: Any, dim: int = 0) -> Box:
        lower, upper = zip(*(_ends(rounding, part) for part in parts), strict=True)
        return box(f(lower, dim), f(upper, dim))

    return rule


for _f in (torch.cat, torch.concat, torch.stack):
    SEVERAL[_f] = _joined(_f)
for _rule, _functions in (
    (add, (operator.add, operator.iadd, torch.add, torch.Tensor.add)),
    (subtract, (operator.sub, operator.isub, torch.sub, torch.Tensor.sub)),
    (multiply, (operator.mul, operator.imul, torch.mul, torch.Tensor.mul)),
):
    for _f in _functions:
        SEVERAL[_f] = _rule
RULES[operator.itruediv] = divide
