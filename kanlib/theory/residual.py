"""What a residual tower is made of: its expansion in the scale, level by level."""

from collections.abc import Callable, Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import jvp

from kanlib import _check

Function = Callable[[Tensor], Tensor]


def residual_series(
    blocks: Iterable[Function], x: Float[Tensor, "*shape"], order: int = 3
) -> list[Float[Tensor, "*shape"]]:
    """Return c_0, c_1, .. with (1 + λ f_n)∘…∘(1 + λ f_1)(x) = Σ_k c_k λᵏ + O(λ^{m+1}).

    c_0 = x, c_1 = Σ_i f_i, c_2 = Σ_{i<j} f_j' f_i and c_3 = Σ_k f_k' T_k + f_k''[S_k,
    S_k]/2 with S_k = Σ_{i<k} f_i and T_k = Σ_{i<j<k} f_j' f_i, all at x.

    Args:
        blocks: f_1 to f_n, modules or functions that keep the shape of x. Of a
            `ResidualTower` they are `tower.blocks`.
        x: Where to expand.
        order: m, from 0 to 3.

    Shape:
        x any that the blocks take; m + 1 results of the same shape.

    Raises:
        ValueError: "order must be" at least 0, "order is 4" or more, "blocks[2](x) has
            shape" other than x's.
        TypeError: "blocks is" no sequence, "blocks[2] is" no function, "x has dtype"
            that is not floating.

    Notes:
        One pass over the blocks: a polynomial in λ is put through each, cut after λᵐ.
        Cost: n evaluations for order 1, n jvps for order 2, n jvps of jvps for order
        3, where an explicit sum over pairs takes n². Exact up to rounding. The results
        carry no gradient. The remainder is O(λ^{m+1}) where the blocks are smooth; at a
        kink, as ReLU has at 0, PyTorch picks one of the derivatives.

    Example:
        >>> f = g = lambda z: z**2
        >>> residual_series([f, g], torch.tensor([2.0]))  # λ²: g'(2) f(2) = 4 · 4
        [tensor([2.]), tensor([8.]), tensor([16.]), tensor([16.])]

    Reference:
        [dherin2025depth], arXiv:2510.03470, for second order; the theorem's own wording
        was not read, and the third order is derived here.
    """
    _check.is_floating("residual_series", "x", x)
    _check.is_integer("residual_series", "order", order, 0)
    if order > 3:
        raise ValueError(
            f"residual_series: order is {order}; expected 0 to 3, because each further "
            "order needs a further derivative of every block. Fit the tower at a few "
            "small scales instead."
        )
    zero = torch.zeros_like(x)
    c = [x.detach().clone(), *[zero] * order]
    for i, f in enumerate(_functions(blocks)):
        # Where gradients are off, PyTorch has no second derivative of SiLU and Mish.
        with torch.enable_grad():
            g = _composed(f, c, i)
        pairs = zip(c[1:], g, strict=True)
        c = [c[0], *[old + new.detach() for old, new in pairs]]
    return c


def _composed(f: Function, c: list[Tensor], i: int) -> list[Tensor]:
    """Return the coefficients of 1, λ, .. of f(Σ_k c_k λᵏ), one fewer than there are c.

    For u(λ) = f(c_0 + c_1 λ + c_2 λ²): u = f, u' = f' c_1 and u'' = f''[c_1, c_1] +
    f' (2 c_2) at λ = 0; the last is the derivative of (z, v) ↦ f'(z) v along (c_1,
    2 c_2), a jvp of a jvp.
    """

    def checked(z: Tensor) -> Tensor:
        y = f(z)
        name, shape = f"blocks[{i}](x)", tuple(z.shape)
        _check.is_tensor("residual_series", name, y)
        _check.has_shape("residual_series", name, y, shape, "it is added to x")
        return y

    def along(z: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        value, slope = jvp(checked, (z,), (v,))[:2]
        return value, slope

    if len(c) == 1:
        return []
    if len(c) == 2:
        return [checked(c[0])]
    if len(c) == 3:
        return list(along(c[0], c[1]))
    (value, slope), (_, curve) = jvp(along, (c[0], c[1]), (c[1], 2 * c[2]))[:2]
    return [value, slope, curve / 2]


def level_vectors(
    matrices: Float[Tensor, "n d d"] | Sequence[Float[Tensor, "d d"]],
    vector: Float[Tensor, "*batch d"],
) -> Float[Tensor, "levels *batch d"]:
    """Return e_k v = Σ_{i_1<…<i_k} A_{i_k} ⋯ A_{i_1} v for k = 0 … n.

    For linear blocks these are the levels of a residual tower, exactly: (1 + λ A_n) ⋯
    (1 + λ A_1) v = Σ_k λᵏ e_k v.

    Args:
        matrices: A_1 to A_n.
        vector: v, or a batch of them.

    Shape:
        matrices n of (d, d), vector (..., d), result (n + 1, ..., d).

    Raises:
        ValueError: "matrices[2] has shape" other than (d, d), "vector has shape" ().
        TypeError: "vector has dtype" that is not floating, "matrices[2] has dtype" or
            device other than the vector's.

    Notes:
        n²/2 products of a matrix and a vector, for all 2ⁿ paths. For many towers at
        once, `torch.vmap(level_vectors)` of matrices (towers, n, d, d) and vectors
        (towers, d).

    Example:
        >>> twice = 2 * torch.eye(1)
        >>> level_vectors([twice, twice, twice], torch.ones(1)).ravel()  # (1 + 2 λ)³
        tensor([ 1.,  6., 12.,  8.])

    Reference:
        [veit2016residual], arXiv:1605.06431, for the sum over paths.
    """
    _check.is_floating("level_vectors", "vector", vector)
    if vector.ndim == 0:
        raise ValueError(
            "level_vectors: vector has shape (); expected (..., d), because matrices "
            "act on its last axis."
        )
    size, levels = vector.shape[-1], vector[None]
    none = torch.zeros_like(levels)
    for i, matrix in enumerate(matrices):
        name = f"matrices[{i}]"
        _check.is_floating("level_vectors", name, matrix)
        because = f"vector has {size} entries in its last axis"
        _check.has_shape("level_vectors", name, matrix, (size, size), because)
        _check.same_kind("level_vectors", **{"vector": vector, name: matrix})
        through = levels @ matrix.mT
        levels = torch.cat([levels, none]) + torch.cat([none, through])
    return levels


def _functions(blocks: Iterable[Function]) -> list[Function]:
    if not isinstance(blocks, Iterable):
        raise TypeError(
            f"residual_series: blocks is a {type(blocks).__name__}; expected a "
            "sequence of functions. Of a ResidualTower it is tower.blocks."
        )
    listed = list(blocks)
    for i, f in enumerate(listed):
        if not callable(f):
            raise TypeError(
                f"residual_series: blocks[{i}] is a {type(f).__name__}; expected a "
                "module or a function."
            )
    return listed
