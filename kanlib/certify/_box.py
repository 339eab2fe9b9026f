"""The box that passes from rule to rule, and the error for what has no rule."""

from typing import Any, NamedTuple, NoReturn

import torch
from torch import Tensor

OWNER = "interval_bounds"


class Box(NamedTuple):
    """All x with lower ≤ x ≤ upper, entry by entry.

    Views of one tensor share the list `writers`. It gets the path of a layer that
    writes in place, and whoever reads such a box afterwards is refused: the tensor
    that it stood for has other values by then.
    """

    lower: Tensor
    upper: Tensor
    writers: list[str]

    @property
    def size(self) -> Tensor:
        """Max |x| over the box."""
        return torch.maximum(-self.lower, self.upper)


def box(lower: Tensor, upper: Tensor) -> Box:
    """Return a box of its own, a view of no other."""
    return Box(lower, upper, [])


def read(value: Any, where: str) -> Any:
    """Return a box unless the tensor behind it was overwritten; others as they are."""
    if isinstance(value, Box) and value.writers:
        error = NotImplementedError(
            f"{where} reads a tensor that {value.writers[0]} has overwritten; expected "
            "tensors that keep their values, because a bound follows values, not "
            "memory. Use inplace=False there."
        )
        raise error
    return value


def unsupported(
    where: str, got: str, because: str = "it has no sound rule here"
) -> NoReturn:
    """Refuse a part that has no rule."""
    error = NotImplementedError(
        f"{where}: {got} is not supported, because {because}. The docstring of "
        f"{OWNER} lists what is."
    )
    raise error


def refuse(where: str, got: str, expected: str, because: str, hint: str) -> NoReturn:
    """Refuse a value, or a state, of a part that is supported."""
    raise ValueError(f"{where}: {got}; expected {expected}, because {because}. {hint}")
