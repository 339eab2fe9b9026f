"""What a KAN layer accepts: base functions, bases, sharing."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from kanlib import _check
from kanlib.bases import Basis, BSpline
from kanlib.bases._basis import is_basis

Function = Callable[[Tensor], Tensor]


def identity(x: Tensor) -> Tensor:
    """Return x: the base function that adds a linear layer to the splines."""
    return x


BASE_FUNCTIONS: dict[str, Function] = {
    "silu": F.silu,
    "identity": identity,
    "tanh": torch.tanh,
}


def base_function(base: str | Function | None) -> Function | None:
    """Return the base function that was given, itself or by name."""
    if isinstance(base, str):
        _check.is_one_of("KANLayer", "base", base, BASE_FUNCTIONS)
        return BASE_FUNCTIONS[base]
    if base is not None and not callable(base):
        raise TypeError(
            f"KANLayer: base is a {type(base).__name__}; expected a function, None, or "
            f"one of {', '.join(map(repr, BASE_FUNCTIONS))}."
        )
    return base


def check_basis(basis: Basis, in_features: int, functions: int) -> None:
    """Raise unless `basis` is one that fits so many inputs and functions of theirs."""
    is_basis("KANLayer", "basis", basis)
    if not isinstance(basis, BSpline) or basis.inputs is None:
        return
    if basis.inputs != in_features:
        raise ValueError(
            f"KANLayer: basis has {basis.inputs} rows of knots; expected "
            f"{in_features}, because in_features={in_features}."
        )
    size = in_features // functions
    if any(basis.rows[i] != basis.rows[i - i % size] for i in range(in_features)):
        raise ValueError(
            "KANLayer: basis has different rows of knots inside a group; expected "
            f"equal ones, because {size} inputs share a function."
        )


def check_groups(share: str, in_features: int, groups: int) -> None:
    """Raise unless `groups` goes with the way of sharing and the inputs."""
    _check.is_one_of("KANLayer", "share", share, ("edge", "input", "group"))
    _check.is_integer("KANLayer", "groups", groups, 1)
    if share != "group" and groups != 1:
        raise ValueError(
            f'KANLayer: groups={groups} needs share="group", got share="{share}".'
        )
    if in_features % groups:
        raise ValueError(
            f"KANLayer: groups={groups} does not divide in_features={in_features}."
        )


def functions_of(share: str, in_features: int, groups: int) -> int:
    """Return how many functions the inputs have among them."""
    return groups if share == "group" else in_features


def with_rows(owner: str, x: Tensor) -> Tensor:
    """Return x, or raise if there is no row to take a mean over."""
    _check.is_tensor(owner, "x", x)
    if x.shape[:-1].numel() == 0:
        raise ValueError(
            f"{owner}: x has shape {tuple(x.shape)}; expected at least one row, "
            "because a mean over no rows is undefined."
        )
    return x
