"""The metric of random networks, layer after layer, without their weights."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from kanlib import _check
from kanlib.ops._dispatch import Backend, choose
from kanlib.ops._launch import Launch, machine_refusals, run
from kanlib.ops._philox import normals, philox

OPERATION = "metric_walk"
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda z: z,
    "relu": F.relu,
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "silu": F.silu,
}
"""What the kernel has compiled, by name."""

THREADS = 256
"""Of a block."""

FILL = 132 * 8
"""Blocks that fill a large device; more networks wait for their turn."""

_TYPES = {torch.float32: "float", torch.float64: "double"}


def metric_walk(
    activation: str,
    start: float,
    depth: int,
    *,
    bias_variance: float,
    weight_variance: float,
    width: int,
    networks: int,
    seed: int,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
    backend: Backend = "auto",
) -> Float[Tensor, "depth networks"]:
    """Draw S⁽ℓ⁺¹⁾ = C_b + (C_W / n) Σ_j f(√S⁽ℓ⁾ ξ_j)², ξ_j ~ N(0, 1), many times.

    Given the metric S⁽ℓ⁾ of one input, the n preactivations of layer ℓ of a random
    network are independent and N(0, S⁽ℓ⁾): no weight needs to be drawn.

    Args:
        activation: f: "linear", "relu", "tanh", "gelu" or "silu".
        start: S of the first layer, the same for all networks.
        depth: Number of layers, the first included.
        bias_variance: C_b ≥ 0.
        weight_variance: C_W ≥ 0, the variance of a weight times the layer's width.
        width: n, the same for all layers.
        networks: Number of independent networks.
        seed: Of the random numbers, 0 to 2⁶⁴ − 1.
        dtype: float64 or float32.
        device: Where to draw.
        backend: "reference" (plain PyTorch), "cuda" (one kernel), or "auto".

    Returns:
        S (depth, networks). The random numbers depend on the seed, the network, the
        layer and the neuron alone: each device and backend draws the same networks,
        and they are the first of any larger number of networks.

    Raises:
        ValueError: "activation is", "start must be", "depth must be", and so on.
        TypeError: "dtype is" another one.
        KernelUnavailable: "cuda" was asked for and cannot run; lists every reason.

    Notes:
        depth · networks · width normal numbers. The kernel writes one number a network
        and layer and reads none, so arithmetic bounds it, about 60 instructions a
        neuron; the reference keeps networks · width numbers of 8 bytes at a
        time. Normal numbers are those of 32 random bits: none exceeds 6.8.

    Example:
        >>> S = metric_walk(
        ...     "relu", 1.0, 3, bias_variance=0.0, weight_variance=2.0,
        ...     width=64, networks=1000, seed=0,
        ... )
        >>> S.shape, round(S[2].mean().item(), 1)  # critical: the mean stays
        (torch.Size([3, 1000]), 1.0)

    Reference:
        [roberts2022principles], arXiv:2106.10165, for the metric; that the weights can
        be left out is derived in the chapter on effective theory.
    """
    _check.is_one_of(OPERATION, "activation", activation, tuple(ACTIVATIONS))
    for name, number in (
        ("start", start),
        ("bias_variance", bias_variance),
        ("weight_variance", weight_variance),
    ):
        if not (0 <= number < math.inf):
            raise ValueError(
                f"{OPERATION}: {name} must be a finite number from 0 on, got {number}, "
                "because it is a variance."
            )
    for name, count in (("depth", depth), ("width", width)):
        _check.is_integer(OPERATION, name, count, 1)
    _check.is_integer(OPERATION, "networks", networks, 0)
    _check.is_integer(OPERATION, "seed", seed, 0)
    if seed >= 1 << 64:
        raise ValueError(f"{OPERATION}: seed must be below 2**64, got {seed}.")
    if dtype not in _TYPES:
        raise TypeError(
            f"{OPERATION}: dtype is {dtype}; expected torch.float64 or torch.float32."
        )
    metric = torch.empty(depth, networks, dtype=dtype, device=device)
    rule = float(bias_variance), float(weight_variance)
    chosen = choose(OPERATION, backend, {"cuda": lambda: _refusals(metric)})
    if chosen == "cuda":
        launch = walk_launch(activation, float(start), rule, width, seed, metric)
        run(launch, metric.get_device())
    else:
        _reference(activation, float(start), rule, width, seed, metric)
    return metric


def walk_launch(
    activation: str,
    start: float,
    rule: tuple[float, float],
    width: int,
    seed: int,
    metric: Tensor,
) -> Launch:
    """Return the launch that fills `metric`."""
    depth, networks = metric.shape
    kind = np.float32 if metric.dtype == torch.float32 else np.float64
    # Four neurons a thread, and a network stays within a warp.
    lanes = min(32, 1 << (-(-width // 4) - 1).bit_length())
    sizes = (*map(np.int32, (width, depth, networks, lanes)), np.uint64(seed))
    blocks = min(FILL, -(-networks * lanes // THREADS))
    name = f"metric_walk<{_TYPES[metric.dtype]}, {activation.capitalize()}>"
    numbers = (kind(start), *map(kind, rule))
    return Launch(
        "metric/walk.cu", name, (blocks,), (THREADS,), (metric, *numbers, *sizes)
    )


def _refusals(metric: Tensor) -> Sequence[str]:
    if not metric.is_cuda:
        return [f"the result is on {metric.device}; expected a CUDA device"]
    return machine_refusals()


def _reference(
    activation: str,
    start: float,
    rule: tuple[float, float],
    width: int,
    seed: int,
    metric: Tensor,
) -> None:
    f = ACTIVATIONS[activation]
    bias_variance, weight_variance = rule
    depth, networks = metric.shape
    each = torch.arange(networks, device=metric.device).unsqueeze(1)
    quarter = torch.arange(-(-width // 4), device=metric.device).unsqueeze(0)
    quarter, each = torch.broadcast_tensors(quarter, each)
    metric[0] = start
    for layer in range(depth - 1):
        at = (quarter, torch.full_like(each, layer), each, torch.zeros_like(each))
        xi = normals(philox(at, seed), metric.dtype).flatten(1)[:, :width]
        square = f(metric[layer].sqrt().unsqueeze(1) * xi).square()
        metric[layer + 1] = bias_variance + weight_variance * square.mean(1)
