"""Start a network at its critical point."""

from typing import TypeVar

import torch
from torch import nn

from kanlib.theory.criticality import Criticality

Module = TypeVar("Module", bound=nn.Module)


@torch.no_grad()
def initialize_(
    module: Module,
    critical: Criticality,
    *,
    generator: torch.Generator | None = None,
) -> Module:
    """W ~ N(0, C_W/in_features) and b ~ N(0, C_b) in every `nn.Linear`, in place.

    Args:
        module: Any network; what is no `nn.Linear` in it stays as it is.
        critical: C_b and C_W, as `criticality(activation)` gives them.
        generator: Source of the normals, on the parameters' device; None is torch's own
            for that device.

    Returns:
        The module itself.

    Raises:
        ValueError: "module has no nn.Linear"; "has no size yet" of a lazy layer that
            has not seen an input.
        TypeError: "module is a" thing that is no module, "critical is a" thing that is
            no Criticality.

    Notes:
        The first layer is treated as every other one: the covariance after it is
        C_b + C_W‖x‖²/n₀ of an input x with n₀ entries. It is up to the inputs to bring
        it near the fixed point K* > 0 of a half-stable activation; a scale-invariant
        one keeps whatever it is, and one whose fixed point is 0 forgets it. With C_b
        and C_W at hand, inputs of norm² n₀·(K - C_b)/C_W start at K.
        Layer sizes may differ. torch's own start, uniform in ±1/√n, has C_W = 1/3.

    Example:
        >>> from kanlib.theory import criticality
        >>> network = nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10))
        >>> generator = torch.Generator().manual_seed(0)
        >>> network = initialize_(network, criticality(torch.relu), generator=generator)
        >>> round(network[0].weight.var().item() * 784, 1), network[2].bias.sum().item()
        (2.0, 0.0)

    Reference:
        [roberts2022principles], arXiv:2106.10165, from memory: the critical tunings.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"initialize_: module is a {type(module).__name__}; expected an nn.Module."
        )
    if not isinstance(critical, Criticality):
        raise TypeError(
            f"initialize_: critical is a {type(critical).__name__}; expected a "
            f"Criticality. Use criticality(activation)."
        )
    layers = [
        (name, part)
        for name, part in module.named_modules()
        if isinstance(part, nn.Linear)
    ]
    if not layers:
        raise ValueError(
            f"initialize_: module has no nn.Linear; expected one or more, because only "
            f"their weights are drawn. Got {type(module).__name__}."
        )
    for name, layer in layers:
        if isinstance(layer.weight, nn.parameter.UninitializedParameter):
            raise ValueError(
                f"initialize_: layer {name!r} has no size yet, because it is lazy. "
                f"Call the module on one batch first."
            )
    for _, layer in layers:
        deviation = (critical.weight_variance / layer.in_features) ** 0.5
        layer.weight.normal_(0.0, deviation, generator=generator)
        if layer.bias is not None:
            layer.bias.normal_(0.0, critical.bias_variance**0.5, generator=generator)
    return module
