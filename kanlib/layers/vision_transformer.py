"""A small vision transformer whose attention and feedforward parts can be replaced."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from kanlib import _check

Part = Callable[[int], nn.Module]
"""Makes a module that maps (..., tokens, width) to the same shape, given the width."""


class TinyViT(nn.Module):
    """Class scores of images: patches → linear → blocks → mean over tokens → linear.

    A block is x ← x + attention(norm(x)), then x ← x + feedforward(norm(x)). Positions
    are learned and added to the patches; there is no class token.

    Args:
        image_size: Pixels along each side of a square image.
        patch_size: Pixels along each side of a patch; divides the image's.
        channels: Channels of the image.
        classes: Number of scores.
        width: Numbers that stand for a token.
        depth: Number of blocks.
        heads: Heads of the standard attention; divides the width.
        attention: Makes the attention of a block, given the width; None is standard
            softmax attention.
        feedforward: Makes the feedforward part of a block, given the width; None is
            linear to 4 · width, GELU, and linear back.
        generator: Source of the initial values of all that the two do not make.

    Shape:
        x (..., channels, image_size, image_size), result (..., classes).

    Raises:
        ValueError: a size "must be" at least 1; "patch_size=3 does not divide",
            "heads=3 does not divide". `forward`: "x has shape" of another image.
        TypeError: "attention is" or "feedforward is" not callable, or makes no module.
            `forward`: "x has dtype" or device other than the parameters'.

    Notes:
        Linear layers start as in PyTorch, uniform in ±1/√in_features; positions are
        normal with standard deviation 0.02.

    Example:
        >>> from kanlib.layers import GRKAN
        >>> model = TinyViT(8, 2, width=16, depth=2, heads=2)
        >>> model(torch.zeros(5, 1, 8, 8)).shape
        torch.Size([5, 10])
        >>> def block(width):
        ...     return nn.Sequential(GRKAN(width, 4 * width), GRKAN(4 * width, width))
        >>> model = TinyViT(8, 2, width=16, depth=2, heads=2, feedforward=block)

    Reference:
        [dosovitskiy2020image], arXiv:2010.11929, with the mean over tokens in place of
        a class token.
    """

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        *,
        channels: int = 1,
        classes: int = 10,
        width: int,
        depth: int,
        heads: int,
        attention: Part | None = None,
        feedforward: Part | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        sizes = {"image_size": image_size, "patch_size": patch_size}
        sizes |= {"channels": channels, "classes": classes, "width": width}
        for name, size in (sizes | {"depth": depth, "heads": heads}).items():
            _check.is_integer("TinyViT", name, size, 1)
        if image_size % patch_size:
            raise ValueError(
                f"TinyViT: patch_size={patch_size} does not divide "
                f"image_size={image_size}."
            )
        if attention is None and width % heads:
            raise ValueError(f"TinyViT: heads={heads} does not divide width={width}.")
        self.image_size, self.patch_size = image_size, patch_size
        self.channels = channels
        tokens = (image_size // patch_size) ** 2
        self.patches = linear(channels * patch_size**2, width, generator)
        self.positions = nn.Parameter(
            torch.empty(tokens, width).normal_(0, 0.02, generator=generator)
        )
        self.blocks = nn.ModuleList()
        for _ in range(depth):
            mixing = (
                SelfAttention(width, heads, generator=generator)
                if attention is None
                else _made("attention", attention, width)
            )
            thinking = (
                _mlp(width, generator)
                if feedforward is None
                else _made("feedforward", feedforward, width)
            )
            self.blocks.append(_Block(width, mixing, thinking))
        self.norm = nn.LayerNorm(width)
        self.head = linear(width, classes, generator)

    def forward(
        self, x: Float[Tensor, "*batch channels rows columns"]
    ) -> Float[Tensor, "*batch classes"]:
        """Return the scores; an empty batch gives an empty result."""
        _check.is_floating("TinyViT", "x", x)
        image = (self.channels, self.image_size, self.image_size)
        if tuple(x.shape[-3:]) != image:
            expected = ", ".join(map(str, image))
            raise ValueError(
                f"TinyViT: x has shape {tuple(x.shape)}; expected (..., {expected}), "
                f"because channels={image[0]} and image_size={image[1]}."
            )
        device = x.device.type
        if device == "meta" or not torch.is_autocast_enabled(device):
            _check.same_kind("TinyViT", positions=self.positions, x=x)
        x = self.patches(_cut(x, self.patch_size)) + self.positions
        for block in self.blocks:
            x = block(x)
        y: Tensor = self.head(self.norm(x).mean(-2))
        return y

    def extra_repr(self) -> str:
        """The image, its patches, and the number of parameters."""
        count = sum(parameter.numel() for parameter in self.parameters())
        image, patch = (f"{n}x{n}" for n in (self.image_size, self.patch_size))
        tokens, width = self.positions.shape
        return (
            f"{self.channels} x {image} in patches of {patch}: {tokens} tokens of "
            f"width {width}, {count} parameters"
        )


class SelfAttention(nn.Module):
    """softmax(Q Kᵀ / √d) V in each head, with Q, K, V and the result linear in x.

    Args:
        width: Size of the last axis of x.
        heads: Number of heads; divides the width.
        generator: Source of the initial weights.

    Shape:
        x (..., tokens, width), result the same.
    """

    def __init__(
        self, width: int, heads: int, *, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.heads = heads
        self.inputs = linear(width, 3 * width, generator)
        self.outputs = linear(width, width, generator)

    def forward(
        self, x: Float[Tensor, "*batch tokens width"]
    ) -> Float[Tensor, "*batch tokens width"]:
        """Return what every token takes from all."""
        # (..., tokens, 3 · width) -> three of (..., heads, tokens, width / heads)
        parts = self.inputs(x).unflatten(-1, (3, self.heads, -1)).movedim(-3, 0)
        q, k, v = parts.transpose(-3, -2)
        mixed = F.scaled_dot_product_attention(q, k, v)
        y: Tensor = self.outputs(mixed.transpose(-3, -2).flatten(-2))
        return y

    def extra_repr(self) -> str:
        """The number of heads."""
        return f"{self.heads} heads"


class _Block(nn.Module):
    def __init__(self, width: int, attention: nn.Module, feedforward: nn.Module):
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.attention, self.feedforward = attention, feedforward

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.norms
        x = x + self.attention(first(x))
        y: Tensor = x + self.feedforward(second(x))
        return y


def _made(name: str, make: Part, width: int) -> nn.Module:
    """Return the part, or raise if what was given makes none."""
    if not callable(make) or isinstance(make, nn.Module):
        raise TypeError(
            f"TinyViT: {name} is a {type(make).__name__}; expected a function that "
            "takes the width and returns a module, because every block has its own."
        )
    part = make(width)
    if not isinstance(part, nn.Module):
        raise TypeError(
            f"TinyViT: {name} is a function that made a {type(part).__name__}; "
            "expected it to return an nn.Module."
        )
    return part


def _mlp(width: int, generator: torch.Generator | None) -> nn.Module:
    return nn.Sequential(
        linear(width, 4 * width, generator),
        nn.GELU(),
        linear(4 * width, width, generator),
    )


def linear(size: int, outputs: int, generator: torch.Generator | None) -> nn.Linear:
    """Return nn.Linear as PyTorch starts it, from this generator."""
    made = nn.utils.skip_init(nn.Linear, size, outputs)
    bound = 1 / math.sqrt(size)
    with torch.no_grad():
        made.weight.uniform_(-bound, bound, generator=generator)
        made.bias.uniform_(-bound, bound, generator=generator)
    assert isinstance(made, nn.Linear)
    return made


def _cut(x: Tensor, side: int) -> Tensor:
    """(..., channels, H, W) -> (..., patches, channels · side²)."""
    across = x.shape[-1] // side
    x = x.unflatten(-1, (across, side)).unflatten(-3, (across, side))
    # The axes of patches come before (channels, side, side).
    x = x.movedim((-4, -2), (-5, -4))
    return x.flatten(-3).flatten(-3, -2)
