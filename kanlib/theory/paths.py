"""Closed forms for the paths through a residual tower: how many, and how heavy."""

import torch
from jaxtyping import Float
from torch import Tensor

from kanlib import _check


def path_energy(
    depth: int, scale: float, *, aligned: bool = False
) -> Float[Tensor, " levels"]:
    """Return C(n, k) λ²ᵏ for k = 0 … n: the share of the paths through k of n blocks.

    For independent blocks of mean 0 that keep the norm, E‖λᵏ e_k x‖² is this times
    ‖x‖², and levels add up: their sum is (1 + λ²)ⁿ. If all blocks are aligned, that is
    equal and of norm 1, norms add up instead: C(n, k) λᵏ, with the sum (1 + λ)ⁿ.

    Args:
        depth: n ≥ 0.
        scale: λ ≥ 0.
        aligned: Whether the blocks are aligned instead of independent.

    Shape:
        Result (n + 1,), float64.

    Raises:
        ValueError: "depth must be" at least 0, "scale must be" finite and at least 0.
        TypeError: "depth is" no int, "scale is" no number.

    Notes:
        From logarithms, so that neither C(n, k) nor λᵏ overflows by itself; relative
        error below 1e-11 up to n = 10⁴. Divided by the sum it is the binomial
        distribution of the length of a path, with mean n λ² / (1 + λ²).

    Example:
        >>> path_energy(3, 0.5)
        tensor([1.0000, 0.7500, 0.1875, 0.0156], dtype=torch.float64)

    Reference:
        [veit2016residual], arXiv:1605.06431, for the paths; the energies are derived
        here.
    """
    _check.is_integer("path_energy", "depth", depth, 0)
    _check.is_non_negative("path_energy", "scale", scale)
    k = torch.arange(depth + 1, dtype=torch.float64)
    last = torch.tensor(float(depth), dtype=torch.float64)
    count = torch.lgamma(last + 1) - torch.lgamma(k + 1) - torch.lgamma(last - k + 1)
    weight = torch.tensor(float(scale), dtype=torch.float64)
    # xlogy(0, 0) = 0: with λ = 0 there is the empty path, and no other.
    power = torch.special.xlogy(k if aligned else 2 * k, weight)
    return (count + power).exp()


def parallel_gap_bound(lipschitz: float, depth: int) -> float:
    """Return (1 + l)ᴴ − 1 − H l: how far H blocks in turn are from H in parallel.

    If F_1 to F_H are l-Lipschitz and F_h(0) = 0, then ‖y_tower − y_parallel‖ is at most
    this times ‖x‖.

    Args:
        lipschitz: l ≥ 0, of λ f where blocks are scaled.
        depth: H ≥ 0.

    Raises:
        ValueError: "lipschitz must be" finite and at least 0, "depth must be" at least
            0.
        TypeError: "lipschitz is" no number, "depth is" no int.

    Notes:
        Summed as Σ_{k≥2} C(H, k) lᵏ, where nothing cancels: also for l = 1e-12 the
        relative error is about H times that of float64. What is too large for a float
        is infinity. At most (H l)² e^{H l} / 2, hence O(ε²) for l = ε / H.

    Example:
        >>> parallel_gap_bound(0.5, 2)
        0.25

    Reference:
        Derived here, for the layers of [bermeitinger2023shallow], arXiv:2309.08414.
    """
    _check.is_non_negative("parallel_gap_bound", "lipschitz", lipschitz)
    _check.is_integer("parallel_gap_bound", "depth", depth, 0)
    term, total = depth * float(lipschitz), 0.0
    for k in range(2, depth + 1):
        # Each term from the one before; they fall off faster than a geometric series.
        term *= (depth - k + 1) / k * lipschitz
        if total + term == total:
            break
        total += term
    return total
