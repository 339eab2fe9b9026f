"""What a KAN layer accepts: base functions, bases, sharing."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from kanlib import _check
from kanlib.bases import Basis, BSpline

Function = Callable[[Tensor], Tensor]


def identity(x: Tensor) -> Tensor:
    """Return x: the base function that adds a linear layer to the splines."""
    return x


BASE_FUNCTIONS: dict[str, Function] = {
    "silu": F.silu,
    "identity": identity,
    "tanh": torch.tanh,
}


def check_basis(basis: Basis, in_features: int, groups: int) -> None:
    """Raise unless `basis` is a basis that fits this many inputs and groups."""
    # A class has all the attributes that the protocol asks for.
    if isinstance(basis, type) or not isinstance(basis, Basis):
        name = getattr(basis, "__name__", type(basis).__name__)
        raise TypeError(
            f"KANLayer: basis is {name}; expected a Basis value. "
            "Use for instance BSpline.uniform(5)."
        )
    if not isinstance(basis, BSpline) or basis.inputs is None:
        return
    if basis.inputs != in_features:
        raise ValueError(
            f"KANLayer: basis has {basis.inputs} rows of knots; expected "
            f"{in_features}, because in_features={in_features}."
        )
    size = in_features // groups
    if any(basis.rows[i] != basis.rows[i - i % size] for i in range(in_features)):
        raise ValueError(
            "KANLayer: basis has different rows of knots inside a group; expected "
            f"equal ones, because {size} inputs share a function."
        )


def functions_of(share: str, in_features: int, groups: int) -> int:
    """The number of functions that inputs have among them; checks `groups`."""
    if share != "group":
        if groups != 1:
            raise ValueError(
                f'KANLayer: groups={groups} needs share="group", got share="{share}".'
            )
        return in_features
    _check.is_integer("KANLayer", "groups", groups, 1)
    if in_features % groups:
        raise ValueError(
            f"KANLayer: groups={groups} does not divide in_features={in_features}."
        )
    return groups


def with_rows(owner: str, x: Tensor) -> Tensor:
    """Return x, or raise if there is no row to take a mean over."""
    _check.is_tensor(owner, "x", x)
    if x.numel() == 0:
        raise ValueError(
            f"{owner}: x has shape {tuple(x.shape)}; expected at least one row, "
            "because a mean over no rows is undefined."
        )
    return x
