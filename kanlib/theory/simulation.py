"""Random networks without their weights: a Markov chain of what the weights do.

Given layer l, every neuron of layer l + 1 is an independent sum of Gaussian weights
times known numbers, so it is Gaussian itself, with the same variance for all neurons,

    S = C_b + C_W/n · Σ_j σ(z_j)²,      z_i' = residual · z_i + √S · ξ_i,

where ξ is standard normal. That is the law of the network exactly, at any width, for n
normals a layer instead of n² weights. For A inputs S would be an A x A matrix; here
there is one input.
"""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from kanlib import _check
from kanlib.ops.metric_walk import ACTIVATIONS, metric_walk
from kanlib.theory._activation import Activation, check_elementwise

# Entries of one chunk of networks x width: 2 MB in float64, which caches hold.
CHUNK = 2**18
# What the kernel of `kanlib.ops.metric_walk` has compiled.
KERNELS: dict[Activation, str] = {
    **{f: name for name, f in ACTIVATIONS.items()},
    **{torch.relu: "relu", F.tanh: "tanh"},
}
COMPILED = (torch.float32, torch.float64)


def simulate_neurons(
    activation: Activation,
    start: float,
    depth: int,
    *,
    bias_variance: float,
    weight_variance: float,
    width: int,
    networks: int,
    residual: float = 0.0,
    dtype: torch.dtype = torch.float64,
    generator: torch.Generator | None = None,
) -> Iterator[Float[Tensor, "networks width"]]:
    """√S·ξ + residual·z makes the next z, for many random networks and one input.

    For statistics of several neurons, such as n·Cov(z_i², z_j²), the four-point vertex.

    Args:
        activation: σ, elementwise.
        start: K⁽¹⁾ = C_b + C_W‖x‖²/n₀ ≥ 0, the variance of the first layer.
        depth: L, at least 1.
        bias_variance: C_b ≥ 0.
        weight_variance: C_W ≥ 0, so that a weight has variance C_W/n.
        width: n, at least 1, of every layer.
        networks: How many, at least 1.
        residual: The factor of the skip connection, 0 for none.
        dtype: Of the result.
        generator: Source of the normals, which lives on the same device as the result;
            None is torch's own on the CPU.

    Shape:
        yields depth tensors (networks, width), each a new one.

    Raises:
        ValueError: "start must be", "depth must be", "bias_variance must be",
            "weight_variance must be", "width must be", "networks must be", "residual
            is"; "activation is not elementwise"; "the metric is not finite" at a layer.
        TypeError: where a number is no number, or dtype no floating dtype.

    Notes:
        Cost depth·networks·width, where drawing weights takes a width more. In use at
        any time: three tensors of networks·width entries.

    Example:
        >>> layers = simulate_neurons(
        ...     torch.tanh, 1.0, 3, bias_variance=0.0, weight_variance=1.0, width=4,
        ...     networks=100, generator=torch.Generator().manual_seed(0),
        ... )
        >>> [tuple(z.shape) for z in layers]
        [(100, 4), (100, 4), (100, 4)]

    Reference:
        [roberts2022principles], arXiv:2106.10165, where the metric that varies from
        network to network is derived; to simulate it is our use.
    """
    owner = "simulate_neurons"
    _check_chain(owner, start, depth, bias_variance, weight_variance, residual)
    _check_size(owner, width, networks, dtype)
    check_elementwise(owner, activation)
    return (
        z
        for _, z in _chain(
            owner,
            activation,
            start,
            depth,
            (bias_variance, weight_variance, residual),
            (networks, width),
            dtype,
            generator,
        )
    )


def simulate_metric(
    activation: Activation,
    start: float,
    depth: int,
    *,
    bias_variance: float,
    weight_variance: float,
    width: int,
    networks: int,
    residual: float = 0.0,
    dtype: torch.dtype = torch.float64,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "depth networks"]:
    """S = C_b + C_W/n · Σ_j σ(z_j)² of each layer of many random networks, one input.

    S is the variance of a neuron given the layer below, the stochastic metric: E S is
    the covariance at width n, and Var S is V/n, the four-point vertex over the width.

    Args:
        activation: σ, elementwise.
        start: K⁽¹⁾ = C_b + C_W‖x‖²/n₀ ≥ 0, the metric of the first layer, which is the
            same in every network.
        depth: L, at least 1.
        bias_variance: C_b ≥ 0.
        weight_variance: C_W ≥ 0, so that a weight has variance C_W/n.
        width: n, at least 1, of every layer.
        networks: How many, at least 1.
        residual: The factor of the skip connection, 0 for none. With one, S leaves out
            what the skip brings: E S⁽ˡ⁺¹⁾ = K⁽ˡ⁺¹⁾ - residual²·K⁽ˡ⁾, and Var S is no
            longer V/n; take `simulate_neurons` for these.
        dtype: Of the result.
        generator: Source of the normals, which lives on the same device as the result;
            None is torch's own on the CPU.

    Shape:
        result (depth, networks); row 0 is layer 1.

    Raises:
        ValueError: "start must be", "depth must be", "bias_variance must be",
            "weight_variance must be", "width must be", "networks must be", "residual
            is"; "activation is not elementwise"; "the metric is not finite" at a layer.
        TypeError: where a number is no number, or dtype no floating dtype.

    Notes:
        Exact in law: no approximation in the width. Cost depth·networks·width, in
        chunks of networks, so that besides the result about 30 MB are in use.
        A product of i.i.d. factors has heavy tails: of ReLU networks a sample variance
        is worth little once 5·depth/width exceeds about 0.7.
        With a generator on a GPU, relu, tanh, gelu and silu of torch without a skip run
        as one kernel, `kanlib.ops.metric_walk`.

    Example:
        >>> metric = simulate_metric(
        ...     torch.relu, 1.0, 9, bias_variance=0.0, weight_variance=2.0, width=128,
        ...     networks=2000, generator=torch.Generator().manual_seed(0),
        ... )
        >>> exact = (1 + 5 / 128) ** 8 - 1
        >>> bool((metric[-1].var() / exact - 1).abs() < 0.25)
        True

    Reference:
        [roberts2022principles], arXiv:2106.10165, where the metric that varies from
        network to network is derived; to simulate it is our use.
    """
    owner = "simulate_metric"
    _check_chain(owner, start, depth, bias_variance, weight_variance, residual)
    _check_size(owner, width, networks, dtype)
    check_elementwise(owner, activation)
    constants = (bias_variance, weight_variance, residual)
    compiled = KERNELS.get(activation) if residual == 0 and dtype in COMPILED else None
    if compiled and generator is not None and generator.device.type == "cuda":
        walked = metric_walk(
            compiled,
            start,
            depth,
            bias_variance=bias_variance,
            weight_variance=weight_variance,
            width=width,
            networks=networks,
            seed=_seed(generator),
            dtype=dtype,
            device=generator.device,
        )
        for layer, finite in enumerate(walked.isfinite().all(1).tolist(), 1):
            if not finite:
                raise _not_finite(owner, layer)
        return walked
    device = "cpu" if generator is None else generator.device
    metric = torch.empty(depth, networks, dtype=dtype, device=device)
    for chunk in metric.split(max(1, CHUNK // width), dim=1):
        size = (chunk.shape[1], width)
        layers = _chain(
            owner, activation, start, depth, constants, size, dtype, generator
        )
        for row, (variance, _) in zip(chunk, layers, strict=True):
            row.copy_(variance)
    return metric


def _seed(generator: torch.Generator) -> int:
    """Draw a seed from a generator, so that the next call draws other networks."""
    return int(
        torch.randint(2**63 - 1, (), generator=generator, device=generator.device)
    )


@torch.no_grad()
def _advance(
    neurons: Tensor,
    noise: Tensor,
    activation: Activation,
    bias_variance: float,
    weight_variance: float,
    residual: float,
) -> tuple[Tensor, Tensor]:
    """Return the metric S (networks,) and the neurons of the next layer.

    All of the chain that has arithmetic: one row is one network, and rows do not meet.
    """
    mean_square = activation(neurons.clone()).square().mean(-1)
    metric = bias_variance + weight_variance * mean_square
    return metric, residual * neurons + metric.sqrt()[:, None] * noise


def _chain(
    owner: str,
    activation: Activation,
    start: float,
    depth: int,
    constants: tuple[float, float, float],
    size: tuple[int, int],
    dtype: torch.dtype,
    generator: torch.Generator | None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the metric and the neurons of layers 1 to depth."""
    device = torch.device("cpu") if generator is None else generator.device

    def noise() -> Tensor:
        return torch.randn(size, dtype=dtype, device=device, generator=generator)

    metric = torch.full(size[:1], start, dtype=dtype, device=device)
    neurons = math.sqrt(start) * noise()
    yield metric, neurons
    for layer in range(2, depth + 1):
        metric, neurons = _advance(neurons, noise(), activation, *constants)
        if not bool(metric.isfinite().all()):
            raise _not_finite(owner, layer)
        yield metric, neurons


def _not_finite(owner: str, layer: int) -> ValueError:
    return ValueError(
        f"{owner}: the metric is not finite at layer {layer}, because it overflows or "
        f"the activation gives NaN. Use fewer layers, or the critical weight_variance."
    )


def _check_chain(
    owner: str,
    start: float,
    depth: int,
    bias_variance: float,
    weight_variance: float,
    residual: float,
) -> None:
    _check.is_non_negative(owner, "start", start)
    _check.is_integer(owner, "depth", depth, 1)
    _check.is_non_negative(owner, "bias_variance", bias_variance)
    _check.is_non_negative(owner, "weight_variance", weight_variance)
    _check.is_number(owner, "residual", residual)
    if not math.isfinite(residual):
        raise ValueError(f"{owner}: residual is {residual}; expected a finite number.")


def _check_size(owner: str, width: int, networks: int, dtype: torch.dtype) -> None:
    _check.is_integer(owner, "width", width, 1)
    _check.is_integer(owner, "networks", networks, 1)
    if not dtype.is_floating_point:
        raise TypeError(f"{owner}: dtype is {dtype}; expected a floating dtype.")
