"""What is read off the edges of a layer: sizes, their entropy, the domain."""

import torch
from jaxtyping import Float
from torch import Tensor

from kanlib.bases import Basis, BSpline


def mean_size(edges: Float[Tensor, "*batch O I"]) -> Float[Tensor, "O I"]:
    """Return the mean of |edges| over all leading axes."""
    return edges.abs().reshape(-1, *edges.shape[-2:]).mean(0)


def share_entropy(sizes: Float[Tensor, "O I"]) -> Float[Tensor, ""]:
    """Return −Σ p log p of p = sizes / Σ sizes; 0 log 0 = 0, in the gradient too."""
    total = sizes.sum()
    p = sizes / torch.where(total > 0, total, 1)
    # log 1 in place of log 0: a dead edge then has gradient 0, not infinity times 0.
    return -(p * torch.where(p > 0, p, 1).log()).sum()


def domains(basis: Basis, like: Tensor) -> tuple[Tensor, Tensor]:
    """Both ends of the domain, in `like`'s kind: scalars, or one for each input."""
    ends = like.new_tensor(basis.domain)
    if isinstance(basis, BSpline) and basis.inputs is not None:
        ends = like.new_tensor(basis.domains)
    low, high = ends.unbind(-1)
    return low, high
