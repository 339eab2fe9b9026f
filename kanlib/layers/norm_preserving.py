"""Activations that preserve the norm of gradients: each acts on groups of features."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from kanlib import _check
from kanlib.ops import groupsort


class GroupSort(nn.Module):
    """y = x with each group of `size` neighboring features in descending order.

    Lipschitz constant 1 in every p-norm; the Jacobian is a permutation almost
    everywhere, so that a network of such layers and orthogonal maps passes gradients
    on with their norm.

    Args:
        size: Features of a group.
        axis: The axis of the features: −1, or 1 for images (N, C, H, W).

    Shape:
        (…, D, …) to the same; D a multiple of size.

    Raises:
        TypeError: "size must be" an integer; "axis must be" an integer.
        ValueError: "size must be" at least 1; later "x has shape" by `groupsort`.

    Example:
        >>> GroupSort(4)(torch.tensor([1.0, 4.0, 2.0, 3.0]))
        tensor([4., 3., 2., 1.])

    Reference:
        [anil2019sorting], arXiv:1811.05381.
    """

    def __init__(self, size: int = 2, *, axis: int = -1) -> None:
        super().__init__()
        name = type(self).__name__
        _check.is_integer(name, "size", size, 1)
        if not isinstance(axis, int):
            raise TypeError(f"{name}: axis must be an integer, got {axis!r}.")
        self.size, self.axis = size, axis

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Sort each group."""
        if self.axis == -1:
            return groupsort(x, self.size)
        return groupsort(x.movedim(self.axis, -1), self.size).movedim(-1, self.axis)

    def extra_repr(self) -> str:
        """Return the size of a group, and the axis if it is not the last."""
        return f"size={self.size}" + (f", axis={self.axis}" if self.axis != -1 else "")


class MaxMin(GroupSort):
    """y = (max(a, b), min(a, b)) for each pair (a, b) of neighboring features.

    `GroupSort` with groups of two.

    Args:
        axis: The axis of the features: −1, or 1 for images (N, C, H, W).

    Shape:
        (…, D, …) to the same; D even.

    Raises:
        TypeError: "axis must be" an integer.

    Example:
        >>> MaxMin()(torch.tensor([1.0, 4.0, 3.0, 2.0]))
        tensor([4., 1., 3., 2.])

    Reference:
        [anil2019sorting], arXiv:1811.05381.
    """

    def __init__(self, *, axis: int = -1) -> None:
        super().__init__(2, axis=axis)


class Householder(nn.Module):
    """y = z if vᵀz > 0, else z − 2 v vᵀz, on each group z of features, ‖v‖ = 1.

    A reflection on one side of a hyperplane and the identity on the other: both agree
    on it, both are orthogonal, so the Lipschitz constant in the 2-norm is 1 and the
    norm of gradients is preserved. With v = (1, −1)/√2 it is `MaxMin`.

    Args:
        features: D.
        size: Features of a group; divides D.
        generator: Of the first directions, which are uniform on the sphere.

    Shape:
        (…, D) to (…, D). Parameter `direction` (D / size, size), of any length but 0;
        forward divides by its length.

    Raises:
        ValueError: "features must be", "size must be", "features is" no multiple of
            size; "x has shape" other than (…, D).

    Example:
        >>> layer = Householder(2)
        >>> _ = layer.direction.data.copy_(torch.tensor([[1.0, -1.0]]))
        >>> layer(torch.tensor([1.0, 4.0])).detach().round()
        tensor([4., 1.])

    Reference:
        [singla2022improved], arXiv:2108.04062 (from memory).
    """

    def __init__(
        self,
        features: int,
        size: int = 2,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        _check.is_integer("Householder", "features", features, 1)
        _check.is_integer("Householder", "size", size, 1)
        if features % size:
            raise ValueError(
                f"Householder: features is {features}; expected a multiple of {size}, "
                f"because size={size}."
            )
        self.features, self.size = features, size
        start = torch.randn(features // size, size, generator=generator)
        self.direction = nn.Parameter(F.normalize(start, dim=1))

    def forward(self, x: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch D"]:
        """Reflect the groups on the far side of their hyperplane."""
        because = f"features={self.features}"
        _check.last_axis("Householder", "x", x, self.features, because)
        v = self.direction / torch.linalg.vector_norm(self.direction, dim=1)[:, None]
        z = x.unflatten(-1, v.shape)
        along = (z * v).sum(-1, keepdim=True)
        return torch.where(along > 0, z, z - 2 * along * v).flatten(-2)

    def extra_repr(self) -> str:
        """Return the number of features and the size of a group."""
        return f"{self.features}, size={self.size}"
