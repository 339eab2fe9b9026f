"""Differences of scores: the last affine layer is elided, or taken as it is."""

from collections.abc import Callable

import torch
from torch import Tensor

from kanlib.certify._box import Box
from kanlib.certify._outward import Nearest, Rounding, down, gamma

Last = Callable[[str, Box, Tensor, Tensor | None], Tensor]
"""(where, box, weight, bias) of a last linear layer to lower bounds of margins."""


def elided(owner: str, rounding: Rounding, y: Tensor) -> Last:
    """Return the rule of a last linear layer for margins.

    Outward. With D = W_y − W_j, an evaluation of either score errs by γ_{n+1}(u)
    (|W_k| m + |b_k|) at most (`Outward.affine`), hence their difference by γ_{n+1}(u) s
    with s = (|W_y| + |W_j|) m + |b_y| + |b_j|. Forming D, D c − |D| r and b_y − b_j in
    float64 costs γ_{2n+8}(w) s, for |D| ≤ |W_y| + |W_j|, |c| ≤ m and r ≤ m + |c| ≤ 2m.
    Twice the sum is subtracted, and 8 n λ for underflow.
    """

    def rule(where: str, x: Box, weight: Tensor, bias: Tensor | None) -> Tensor:
        check_scores(owner, y, (*x.lower.shape[:-1], len(weight)))
        weight = rounding.cast(weight)
        bias = weight.new_zeros(len(weight)) if bias is None else rounding.cast(bias)
        gap = weight[y].unsqueeze(1) - weight  # (B, C, D)
        center, radius = (x.lower + x.upper) / 2, (x.upper - x.lower) / 2
        margin = _rows(gap, center) - _rows(gap.abs(), radius)
        margin = margin + (bias[y].unsqueeze(1) - bias)
        if isinstance(rounding, Nearest):
            return margin
        terms = weight.shape[1]
        rounding.check_reach(x.size, weight, bias, where)
        scores = x.size @ weight.abs().T + bias.abs()
        both = scores.gather(1, y.unsqueeze(1)) + scores
        slack = gamma(terms + 1, rounding.u) + gamma(2 * terms + 16, rounding.w)
        lost = 2 * slack * both + 8 * (terms + 1) * rounding.least
        # f_y − f_y is 0 in any arithmetic.
        lost = lost.scatter(1, y.unsqueeze(1), 0.0)
        margin = margin.scatter(1, y.unsqueeze(1), 0.0)
        margin = torch.where(lost > 0, down(margin - lost), margin)
        return margin

    return rule


def plain(owner: str, rounding: Rounding, y: Tensor) -> Callable[[Box], Tensor]:
    """Return how a box of scores becomes margins: l_y − u_j, and 0 for j = y."""

    def rule(x: Box) -> Tensor:
        check_scores(owner, y, tuple(x.lower.shape))
        column = y.unsqueeze(1)
        margin = x.lower.gather(1, column) - x.upper
        if not isinstance(rounding, Nearest):
            margin = down(margin)
        return margin.scatter(1, column, 0.0)

    return rule


def check_scores(owner: str, y: Tensor, shape: tuple[int, ...]) -> None:
    """Raise unless the scores are (B, C) and have a column for every class of y."""
    if len(shape) != 2 or shape[0] != len(y):
        raise ValueError(
            f"{owner}: f(x) has shape {shape}; expected ({len(y)}, C), one row of "
            f"scores for each of {len(y)} points."
        )
    if y.numel() and int(y.amax()) >= shape[1]:
        raise ValueError(
            f"{owner}: y has the class {int(y.amax())}; expected 0 to {shape[1] - 1}, "
            f"because f(x) has {shape[1]} columns."
        )


def _rows(gap: Tensor, x: Tensor) -> Tensor:
    return (gap @ x.unsqueeze(-1)).squeeze(-1)
