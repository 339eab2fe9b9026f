"""Parallel residual blocks as one wide map: the same function from fewer calls."""

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kanlib import _check
from kanlib.layers._scale import spoken
from kanlib.layers.residual import ParallelResidual

INTERNAL = {*vars(nn.Module()), "inplace"}
"""Attributes that do not change what a module computes."""


def broad(parallel: ParallelResidual) -> nn.Module:
    """Return y = x + Σ_h λ_h φ(W_h x + b_h) computed as one map W, one φ, and a sum.

    The H maps from C to C channels become one from C to H·C.

    Args:
        parallel: Blocks that are all `nn.Sequential(nn.Linear or nn.Conv2d, φ)`, alike
            but for their weights; φ acts on each entry alone and has no parameters.

    Returns:
        A module with as many parameters. They are copies: training one of the two
        leaves the other as it is.

    Raises:
        TypeError: "parallel is" not a ParallelResidual.
        ValueError: "blocks[2] is", "blocks[2] has" or "blocks[2] shares", naming the
            first block that cannot be a part of the wide map, and why.

    Notes:
        Equal up to rounding, 1e-6 in float32 for values around 1. Channels in g groups
        stay in their groups. H calls of the map, of φ and of the sum become one of
        each: several times faster on a CPU where calls are what takes the time, as with
        small batches. The price is the memory of H·C channels at once; where these
        overflow the cache, the blocks one by one are faster.

    Example:
        >>> blocks = [nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(3)]
        >>> parallel = ParallelResidual(blocks, scale=0.5)
        >>> wide, x = broad(parallel), torch.ones(2, 4)
        >>> wide.map
        Linear(in_features=4, out_features=12, bias=True)
        >>> torch.testing.assert_close(wide(x), parallel(x))

    Reference:
        [bermeitinger2023shallow], arXiv:2309.08414, whose text beyond the abstract was
        not read: the layout is derived here.
    """
    if not isinstance(parallel, ParallelResidual):
        raise TypeError(
            f"broad: parallel is a {type(parallel).__name__}; expected a "
            "ParallelResidual, such as tower.parallel()."
        )
    parts = [_parts(i, block) for i, block in enumerate(parallel.blocks)]
    maps, activations = [list(same) for same in zip(*parts, strict=True)]
    _alike(maps, activations)
    return BroadResidual(
        _widened(maps),
        copy.deepcopy(activations[0]),
        len(maps),
        copy.deepcopy(parallel.scale),
    )


class BroadResidual(nn.Module):
    """y = x + Σ_h λ_h φ(W x + b)_h with all W_h in one W; made by `broad`."""

    scale: float | tuple[float, ...] | Tensor

    def __init__(
        self,
        wide: nn.Linear | nn.Conv2d,
        activation: nn.Module,
        copies: int,
        scale: float | tuple[float, ...] | Tensor,
    ) -> None:
        super().__init__()
        self.map, self.activation = wide, activation
        self.copies, self.scale = copies, scale

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return y; an empty batch gives an empty result."""
        _check.is_floating("BroadResidual", "x", x)
        axis, groups = _channels(self.map)
        size = len(self.map.weight) // (groups * self.copies)
        y = self.activation(self.map(x))
        # (.., g·H·C/g, ..) -> (.., g, H, C/g, ..), and H is axis - 1 from the end
        parts, height = y.unflatten(axis, (groups, self.copies, size)), axis - 1
        scale = self.scale
        weights = parts.new_tensor(scale) if isinstance(scale, tuple) else scale
        if isinstance(weights, Tensor) and weights.ndim:
            parts, weights = parts * weights.reshape(-1, *[1] * (-height - 1)), 1.0
        total = parts.sum(height).flatten(height, axis)
        shape = tuple(x.shape)
        _check.has_shape(
            "BroadResidual", "the map of x", total, shape, "it is added to x"
        )
        if isinstance(weights, Tensor):
            return x + weights * total
        return x.add(total, alpha=weights)

    def extra_repr(self) -> str:
        """The formula, the number of blocks in the map, and of parameters."""
        count = sum(parameter.numel() for parameter in self.parameters())
        formula = f"x + sum of {spoken(self.scale)} activation(map(x))_i"
        return f"{formula}, {self.copies} blocks in one map, {count} parameters"


def _channels(layer: nn.Linear | nn.Conv2d) -> tuple[int, int]:
    """Return the axis of the channels, from the end, and the number of groups."""
    return (-3, layer.groups) if isinstance(layer, nn.Conv2d) else (-1, 1)


def _parts(i: int, block: nn.Module) -> tuple[nn.Linear | nn.Conv2d, nn.Module]:
    """Return the map and the activation of block i, or raise."""
    if type(block) is not nn.Sequential or len(block) != 2:
        raise _unfit(i, f"is a {type(block).__name__}", "nothing else can be widened")
    layer, activation = block
    # Exact types: a subclass may compute something else from the same weights.
    if type(layer) is not nn.Linear and type(layer) is not nn.Conv2d:
        raise _unfit(i, f"has a {type(layer).__name__} first", "it is not widened")
    sizes = layer.weight.shape[0], layer.weight.shape[1] * _channels(layer)[1]
    if sizes[0] != sizes[1]:
        said = f"has a map from {sizes[1]} to {sizes[0]} channels"
        raise _unfit(i, said, "its result is added to x")
    if {name for name, _ in layer.named_parameters()} - {"weight", "bias"}:
        raise _unfit(i, "has a map that computes its weights", "they are read here")
    if activation.state_dict():
        said = f"has the activation {type(activation).__name__} with its own tensors"
        raise _unfit(i, said, "one activation serves all blocks")
    return layer, activation


def _alike(maps: list[nn.Linear | nn.Conv2d], activations: list[nn.Module]) -> None:
    """Raise unless all blocks are like the first, but for their weights."""
    if not _is_elementwise(activations[0]):
        said = f"has the activation {activations[0]} that mixes entries or is random"
        raise _unfit(0, said, "the channels of all blocks go through it together")
    first, first_activation = _settings(maps[0]), _settings(activations[0])
    for i in range(1, len(maps)):
        earlier = {id(p) for layer in maps[:i] for p in layer.parameters()}
        if any(id(p) in earlier for p in maps[i].parameters()):
            raise _unfit(i, "shares its weights", "the wide map has a copy for each")
        for found, expected in (
            (_settings(maps[i]), first),
            (_settings(activations[i]), first_activation),
        ):
            for name in expected | found:
                if found.get(name) != expected.get(name):
                    said = f"has {name}={found.get(name)}"
                    raise _unfit(i, said, f"blocks[0] has {expected.get(name)}")


def _settings(module: nn.Module) -> dict[str, object]:
    """Return what makes two modules the same function of x and their weights."""
    settings: dict[str, object] = {}
    for path, part in module.named_modules():
        start = f"{path}." if path else ""
        settings[f"{start}type"] = type(part).__name__
        for name, value in vars(part).items():
            if name not in INTERNAL:
                settings[f"{start}{name}"] = value
    if isinstance(module, nn.Linear | nn.Conv2d):
        weight, bias = module.weight, module.bias
        settings |= {"dtype": weight.dtype, "device": weight.device}
        settings |= {"requires_grad": weight.requires_grad, "bias": bias is not None}
    return settings


def _is_elementwise(activation: nn.Module) -> bool:
    """Whether entries go through alone, and the same way every time."""
    points = torch.linspace(-3.3, 3.1, 64, dtype=torch.float64, device="cpu")
    try:
        with torch.no_grad():
            whole = activation(points.clone())
            single = torch.cat([activation(point.clone()) for point in points[:, None]])
    except (IndexError, RuntimeError, TypeError, ValueError):
        return False
    return whole.shape == single.shape and torch.allclose(whole, single, equal_nan=True)


def _widened(maps: list[nn.Linear | nn.Conv2d]) -> nn.Linear | nn.Conv2d:
    """Return one map with the outputs of all, block after block in each group."""
    wide, groups = copy.deepcopy(maps[0]), _channels(maps[0])[1]

    def joined(name: str) -> nn.Parameter:
        # (C, ...) of each block -> (g, C/g, ...); the blocks between -> (g·H·C/g, ...)
        tensors = [getattr(layer, name).detach() for layer in maps]
        stacked = torch.stack([t.unflatten(0, (groups, -1)) for t in tensors], 1)
        needed = getattr(maps[0], name).requires_grad
        return nn.Parameter(stacked.flatten(0, 2), requires_grad=needed)

    wide.weight = joined("weight")
    if maps[0].bias is not None:
        wide.bias = joined("bias")
    if isinstance(wide, nn.Conv2d):
        wide.out_channels *= len(maps)
    else:
        wide.out_features *= len(maps)
    return wide


def _unfit(i: int, said: str, because: str) -> ValueError:
    return ValueError(
        f"broad: blocks[{i}] {said}; expected Sequential(Linear or Conv2d, elementwise "
        f"activation) like the others, because {because}. Use the ParallelResidual."
    )
