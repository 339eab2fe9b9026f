"""One rule for each layer, by its type: mostly the function that its forward calls."""

from collections.abc import Callable
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import nn

from kanlib import _check
from kanlib.certify import _rules
from kanlib.certify._box import Box, read, refuse, unsupported
from kanlib.certify._outward import Rounding
from kanlib.certify._rational_range import rational
from kanlib.certify._reflection import householder
from kanlib.certify._rules import RULES
from kanlib.certify._spline_range import kan_layer
from kanlib.layers import (
    GRKAN,
    KAN,
    GroupRational,
    GroupSort,
    Householder,
    KANLayer,
    MaxMin,
    ParallelResidual,
    ResidualTower,
)
from kanlib.layers._scale import scale_of


class Walker(Protocol):
    """What a rule needs of the walk through a module."""

    rounding: Rounding

    def module(
        self, module: nn.Module, path: str, x: Box, *rest: Any, last: bool = False
    ) -> Any:
        """Return the box of a part of this module."""


ModuleRule = Callable[[Walker, str, str, Any, Box, bool], Box]
"""(walk, where, path, module, box, whether nothing comes after) -> box."""

MODULES: dict[type[nn.Module], ModuleRule] = {}


def _for(*types: type[nn.Module]) -> Callable[[ModuleRule], ModuleRule]:
    def enter(rule: ModuleRule) -> ModuleRule:
        for kind in types:
            MODULES[kind] = rule
        return rule

    return enter


def _calls(function: Any, *names: str) -> ModuleRule:
    """Return the rule of a layer that calls a function with these attributes."""
    rule = RULES[function]

    def of(walk: Walker, where: str, path: str, module: Any, x: Box, last: bool) -> Box:
        return rule(walk.rounding, where, x, *(getattr(module, n) for n in names))

    return of


for _kind, _function, *_names in (
    (nn.Linear, F.linear, "weight", "bias"),
    (nn.ReLU, F.relu),
    (nn.ReLU6, F.relu6),
    (nn.LeakyReLU, F.leaky_relu, "negative_slope"),
    (nn.ELU, F.elu, "alpha"),
    (nn.GELU, F.gelu, "approximate"),
    (nn.SiLU, F.silu),
    (nn.Mish, F.mish),
    (nn.Tanh, torch.tanh),
    (nn.Sigmoid, torch.sigmoid),
    (nn.Softplus, F.softplus, "beta", "threshold"),
    (nn.Hardtanh, F.hardtanh, "min_val", "max_val"),
    (nn.Flatten, torch.flatten, "start_dim", "end_dim"),
    (nn.Unflatten, torch.unflatten, "dim", "unflattened_size"),
    (nn.Dropout, F.dropout, "p", "training"),
    (nn.Dropout1d, F.dropout1d, "p", "training"),
    (nn.Dropout2d, F.dropout2d, "p", "training"),
    (nn.Dropout3d, F.dropout3d, "p", "training"),
    (nn.AdaptiveAvgPool1d, F.adaptive_avg_pool1d, "output_size"),
    (nn.AdaptiveAvgPool2d, F.adaptive_avg_pool2d, "output_size"),
    (
        nn.AvgPool1d,
        F.avg_pool1d,
        *("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"),
    ),
    (
        nn.AvgPool2d,
        F.avg_pool2d,
        *("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"),
        "divisor_override",
    ),
):
    MODULES[_kind] = _calls(_function, *_names)


@_for(nn.Identity)
def _identity(
    walk: Walker, where: str, path: str, module: Any, x: Box, last: bool
) -> Box:
    return x


@_for(nn.Conv1d, nn.Conv2d, nn.Conv3d)
def _convolution(
    walk: Walker, where: str, path: str, module: Any, x: Box, last: bool
) -> Box:
    if module.padding_mode != "zeros":
        unsupported(where, f'padding_mode="{module.padding_mode}"')
    function = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[len(module.kernel_size)]
    return RULES[function](
        walk.rounding,
        where,
        x,
        module.weight,
        module.bias,
        module.stride,
        module.padding,
        module.dilation,
        module.groups,
    )


@_for(nn.MaxPool1d, nn.MaxPool2d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d)
def _max_pool(
    walk: Walker, where: str, path: str, module: Any, x: Box, last: bool
) -> Box:
    if module.return_indices:
        unsupported(where, "return_indices=True")
    return _both_ends(walk, where, path, module, x, last)


@_for(GroupSort, MaxMin)
def _both_ends(
    walk: Walker, where: str, path: str, module: Any, x: Box, last: bool
) -> Box:
    """Sorting is monotone in each coordinate: raising one raises or keeps all ranks."""
    return _rules.both_ends(module.forward)(walk.rounding, where, x)


@_for(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
def _batch_norm(
    walk: Walker, where: str, path: str, module: Any, x: Box, last: bool
) -> Box:
    mean, variance = module.running_mean, module.running_var
    training = module.training or mean is None
    rest = (module.weight, module.bias, training, 0.0, module.eps)
    return _rules.batch_norm(walk.rounding, where, x, mean, variance, *rest)


@_for(nn.Sequential)
def _sequential(
    walk: Walker, where: str, path: str, module: Any, x: Box, last: bool
) -> Box:
    for number, (name, part) in enumerate(module._modules.items(), 1):
        final = last and number == len(module)
        x = walk.module(part, f"{path}.{name}" if path else name, x, last=final)
    return x


@_for(KAN)
def _kan(walk: Walker, where: str, path: str, module: Any, x: Box, last: bool) -> Box:
    return _sequential(
        walk, where, f"{path}.layers".lstrip("."), module.layers, x, last
    )


@_for(KANLayer)
def _kan_layer(
    walk: Walker, where: str, path: str, module: Any, x: Box, last: bool
) -> Box:
    size = module.in_features
    _check.last_axis(where, "x", x.lower, size, f"in_features={size}")
    return kan_layer(walk.rounding, where, x, module)


@_for(GroupRational)
def _rational(
    walk: Walker, where: str, path: str, module: Any, x: Box, last: bool
) -> Box:
    size = module.features
    _check.last_axis(where, "x", x.lower, size, f"features={size}")
    return rational(
        walk.rounding, where, x, module.numerator, module.denominator, module.form
    )


@_for(GRKAN)
def _grkan(walk: Walker, where: str, path: str, module: Any, x: Box, last: bool) -> Box:
    x = walk.module(module.activation, f"{path}.activation".lstrip("."), x)
    y: Box = walk.module(module.linear, f"{path}.linear".lstrip("."), x, last=last)
    return y


@_for(Householder)
def _householder(
    walk: Walker, where: str, path: str, module: Any, x: Box, last: bool
) -> Box:
    size = module.features
    _check.last_axis(where, "x", x.lower, size, f"features={size}")
    return householder(walk.rounding, where, x, module.direction)


@_for(ResidualTower)
def _tower(walk: Walker, where: str, path: str, module: Any, x: Box, last: bool) -> Box:
    for i in range(len(module.blocks)):
        x = _plus(walk, where, path, module, x, i, x)
    return x


@_for(ParallelResidual)
def _parallel(
    walk: Walker, where: str, path: str, module: Any, x: Box, last: bool
) -> Box:
    y = x
    for i in range(len(module.blocks)):
        y = _plus(walk, where, path, module, y, i, x)
    return y


def _plus(
    walk: Walker, where: str, path: str, module: Any, z: Box, i: int, x: Box
) -> Box:
    """Return the box of z + λ_i f_i(x)."""
    name = f"{path}.blocks.{i}".lstrip(".")
    y = walk.module(module.blocks[i], name, x)
    if y.lower.shape != z.lower.shape:
        shape = tuple(z.lower.shape)
        refuse(
            where,
            f"blocks[{i}](x) has shape {tuple(y.lower.shape)}",
            f"{shape}",
            "it is added to x of that shape",
            "Change the block.",
        )
    read(z, where)
    return _rules.add(walk.rounding, where, z, y, alpha=scale_of(module.scale, i))


def rule_of(module: nn.Module) -> ModuleRule | None:
    """Return the rule of a module's type, unless a subclass has another forward."""
    kind = type(module)
    for ancestor in kind.__mro__:
        if ancestor in MODULES:
            same = kind.forward is ancestor.forward
            return MODULES[ancestor] if same else None
    return None
