"""Learning rates of the layers: the form that functions take, and the right choice."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from kanlib import _check
from kanlib.theory.criticality import Criticality

Rate = float | Sequence[float] | Tensor


def per_layer(owner: str, name: str, value: Rate, depth: int) -> list[float]:
    """Return `depth` rates from one number for all layers or from a number for each."""
    if isinstance(value, Tensor):
        value = value.tolist()
    if not isinstance(value, Sequence):
        _check.is_non_negative(owner, name, value)
        return [float(value)] * depth
    rates = _check.finite_numbers(owner, name, value, 0)
    if len(rates) != depth:
        raise ValueError(
            f"{owner}: {name} has {len(rates)} entries; expected {depth}, because "
            f"there are {depth} layers. One number serves them all."
        )
    if min(rates) < 0:
        raise ValueError(f"{owner}: {name} must be at least 0, got {min(rates)}.")
    return list(rates)


class LearningRates(NamedTuple):
    """λ_b and λ_W of layers 1 to L, each (depth,), float64."""

    bias: Tensor
    weight: Tensor


def learning_rates(critical: Criticality, depth: int) -> LearningRates:
    """λ_b = L^(p⊥-1) ℓ^(-p⊥), λ_W = L^(p⊥-1) ℓ^(p-p⊥): each layer is 1/L of the NTK.

    The biases and the weights of layer ℓ contribute λ_b Π χ⊥ and λ_W⟨σ²⟩ Π χ⊥ to Θ of
    the last layer, with a product over the layers from ℓ to L - 1. At a fixed point 0
    of exponents p and p⊥, ⟨σ²⟩ ~ ℓ^(-p) and Π χ⊥ ~ (ℓ/L)^p⊥, so both contributions are
    the same in all layers, and their sum over the layers does not grow with L.

    Args:
        critical: The critical point of the network.
        depth: L, at least 1.

    Shape:
        both fields (depth,), float64; entry 0 is layer 1.

    Returns:
        The rates of each layer, up to one common factor for each field, which is yours
        to choose. A weight of layer ℓ has the rate λ_W/n_(ℓ-1).

    Raises:
        ValueError: "critical is an unstable" fixed point, which a network leaves;
            "depth must be" at least 1.
        TypeError: "critical is a" thing that is no Criticality, "depth is a" number
            that is no int.

    Notes:
        "scale invariant": p = p⊥ = 0, so both rates are 1/L in all layers.
        "zero fixed point": for tanh p = p⊥ = 1, so 1/ℓ for biases and 1 for weights.
        "half-stable" and "neutral": 1/L, as for inputs that start at K*, where χ⊥ = 1.
        From elsewhere K creeps to K* so slowly (in thousands of layers for GELU) that
        the power law p⊥ of its exponents does not set in at usual depths.
        The principle is asymptotic: the first few layers of tanh contribute 10 % less
        or more than the last ones.

    Example:
        >>> from kanlib.theory import criticality
        >>> rates = learning_rates(criticality(torch.tanh), depth=4)
        >>> [round(float(rate), 3) for rate in rates.bias], rates.weight.tolist()
        ([1.0, 0.5, 0.333, 0.25], [1.0, 1.0, 1.0, 1.0])

    Reference:
        [roberts2022principles], the learning-rate equivalence principle,
        arXiv:2106.10165, from memory; p ≠ 1 is ours.
    """
    owner = "learning_rates"
    if not isinstance(critical, Criticality):
        raise TypeError(
            f"{owner}: critical is a {type(critical).__name__}; expected a "
            f"Criticality. Use criticality(activation)."
        )
    _check.is_integer(owner, "depth", depth, 1)
    if critical.universality == "unstable zero fixed point":
        raise ValueError(
            f"{owner}: critical is an unstable fixed point; expected one that "
            f"attracts, because a network leaves it: no power law to follow."
        )
    norm, angle = 0.0, 0.0
    if critical.universality == "zero fixed point":
        norm, angle = critical.exponents.norm, critical.exponents.angle
    layers = torch.arange(1, depth + 1, dtype=torch.float64)
    common = float(depth) ** (angle - 1)
    return LearningRates(common * layers**-angle, common * layers ** (norm - angle))
