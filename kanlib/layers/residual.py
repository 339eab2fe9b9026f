"""Residual blocks one after another, and the same blocks side by side."""

from collections.abc import Iterable, Iterator
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from kanlib import _check
from kanlib.layers._scale import Scale, as_scale, scale_of, spoken


class _Residual(nn.Module):
    """Blocks and their scale: what a tower and a parallel layer have in common."""

    # Under `torch.func.functional_call` a learned scale is a plain tensor.
    scale: float | tuple[float, ...] | Tensor

    def __init__(self, blocks: Iterable[nn.Module], scale: Scale = 1.0) -> None:
        super().__init__()
        owner = type(self).__name__
        self.blocks = nn.ModuleList(_modules(owner, blocks))
        self.scale = as_scale(owner, scale, len(self.blocks))

    def _steps(self, x: Tensor, drop: int | None) -> Iterator[tuple[int, Any]]:
        """Check the arguments; yield each block's number and its scale, without one."""
        owner, count = type(self).__name__, len(self.blocks)
        _check.is_floating(owner, "x", x)
        if drop is not None:
            _check.is_integer(owner, "drop", drop, 0)
            if drop >= count:
                raise ValueError(
                    f"{owner}: drop is {drop}; expected 0 to {count - 1} or None, "
                    f"because there are {count} blocks."
                )
        for i in range(count):
            if i != drop:
                yield i, scale_of(self.scale, i)

    def _plus(self, z: Tensor, i: int, scale: Any, x: Tensor) -> Tensor:
        """Return z + scale · f_i(x), or raise if the shapes would not fit."""
        owner, name = type(self).__name__, f"blocks[{i}](x)"
        y = self.blocks[i](x)
        _check.is_tensor(owner, name, y)
        shape = tuple(x.shape)
        _check.has_shape(owner, name, y, shape, "it is added to x of that shape")
        return z + scale * y if isinstance(scale, Tensor) else z.add(y, alpha=scale)

    def extra_repr(self) -> str:
        """The formula with its scale, the number of blocks and of parameters."""
        count = sum(parameter.numel() for parameter in self.parameters())
        blocks = f"{len(self.blocks)} block{'s' * (len(self.blocks) > 1)}"
        return f"{self._formula()}, {blocks}, {count} parameters"

    def _formula(self) -> str:
        return spoken(self.scale)


class ResidualTower(_Residual):
    """z_n with z_0 = x and z_i = z_{i-1} + λ_i f_i(z_{i-1}): blocks one after another.

    Args:
        blocks: f_1 to f_n, modules that keep the shape of what they get; the same
            module may occur several times and then shares its weights.
        scale: λ: one number, n of them, or an `nn.Parameter` of shape () or (n,), which
            is learned. SkipInit is `scale=nn.Parameter(torch.zeros(n))`.

    Shape:
        x any that the blocks take, result the same.

    Raises:
        ValueError: "blocks is empty", "scale has 3 entries" or "scale has shape" where
            there is another number of blocks, "scale must be" finite. `forward`:
            "blocks[2](x) has shape" other than that of its input, "drop is" or "drop
            must be" out of range.
        TypeError: "blocks is" no sequence, "blocks[2] is" no module, "scale is" no
            number. `forward`: "x has dtype" that is not floating.

    Notes:
        With no normalization, λ decides whether depth can grow: for independent blocks
        of mean 0 that keep the norm, E‖z_n‖² = (1 + λ²)ⁿ‖x‖²; for equal ones the norm
        can grow like (1 + λ)ⁿ. A plain number is part of how the tower was built, not
        of its state dictionary.

    Example:
        >>> import torch
        >>> blocks = [nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(3)]
        >>> tower = ResidualTower(blocks, scale=1 / 3)
        >>> x = torch.ones(2, 4)
        >>> tower(x).shape
        torch.Size([2, 4])
        >>> without_second = tower(x, drop=1)
        >>> skip_init = ResidualTower(blocks, nn.Parameter(torch.zeros(3)))
        >>> bool((skip_init(x) == x).all())
        True

    Reference:
        [dherin2025depth], arXiv:2510.03470, for λ as the control of depth;
        [de2020batch], arXiv:2002.10444, for a learned λ that starts at 0;
        [veit2016residual], arXiv:1605.06431, for leaving a block out.
    """

    def forward(
        self, x: Float[Tensor, "*shape"], drop: int | None = None
    ) -> Float[Tensor, "*shape"]:
        """Return z_n; with `drop`, the block of that number, from 0, is left out."""
        for i, scale in self._steps(x, drop):
            x = self._plus(x, i, scale, x)
        return x

    def parallel(self) -> "ParallelResidual":
        """Return x + Σ_i λ_i f_i(x) with the very same blocks and scale, not copies."""
        return ParallelResidual(self.blocks, self.scale)  # type: ignore[arg-type]

    def _formula(self) -> str:
        return f"z <- z + {spoken(self.scale)} f_i(z)"


class ParallelResidual(_Residual):
    """y = x + Σ_i λ_i f_i(x): a residual tower cut after first order, one broad layer.

    Args:
        blocks: As in ResidualTower.
        scale: As in ResidualTower.

    Shape:
        x any that the blocks take, result the same.

    Raises:
        ValueError: As ResidualTower.
        TypeError: As ResidualTower.

    Notes:
        Same parameters as the tower, and for one block the same function. If every
        λ_i f_i is l-Lipschitz and 0 at 0, the two differ by no more than
        ((1 + l)ⁿ − 1 − n l)‖x‖; see `kanlib.theory.parallel_gap_bound`.
        `broad` makes one wide linear map of blocks that allow it.

    Example:
        >>> import torch
        >>> layer = ParallelResidual([nn.Identity(), nn.ReLU()], scale=[2.0, 3.0])
        >>> layer(torch.tensor([1.0, -1.0]))
        tensor([ 6., -3.])

    Reference:
        [bermeitinger2023shallow], arXiv:2309.08414; the bound is derived here.
    """

    def forward(
        self, x: Float[Tensor, "*shape"], drop: int | None = None
    ) -> Float[Tensor, "*shape"]:
        """Return y; with `drop`, the block of that number, from 0, is left out."""
        y = x
        for i, scale in self._steps(x, drop):
            y = self._plus(y, i, scale, x)
        return y

    def _formula(self) -> str:
        return f"x + sum of {spoken(self.scale)} f_i(x)"


def _modules(owner: str, blocks: Iterable[nn.Module]) -> list[nn.Module]:
    if not isinstance(blocks, Iterable):
        raise TypeError(
            f"{owner}: blocks is a {type(blocks).__name__}; expected a sequence of "
            "modules, such as [block]."
        )
    listed = list(blocks)
    for i, block in enumerate(listed):
        if not isinstance(block, nn.Module):
            raise TypeError(
                f"{owner}: blocks[{i}] is a {type(block).__name__}; expected an "
                "nn.Module, because its weights are learned with the others'."
            )
    if not listed:
        raise ValueError(f"{owner}: blocks is empty; expected at least one module.")
    return listed
