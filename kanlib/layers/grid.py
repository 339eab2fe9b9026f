"""Finer grids and grids that follow the data, without losing what was learned.

Both functions return a NEW network: changing knots changes the shape or the meaning of
every coefficient, so an optimizer made for the old parameters must not go on.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from kanlib import _check
from kanlib.bases import BSpline, fit_coefficients
from kanlib.layers._arguments import with_rows
from kanlib.layers.kan import KAN, layers_of
from kanlib.layers.kan_layer import KANLayer

Network = TypeVar("Network", KAN, KANLayer)
Row = tuple[float, ...]

MARGIN = 0.01
"""How far an updated grid reaches beyond the data, as a share of their range."""

CHUNK = 2**22
"""Most entries in one array of a refit; bounds its memory to some 100 MB."""


def extend_grid(
    network: Network, x: Float[Tensor, "*batch I"], intervals: int
) -> Network:
    """Return the same functions on a grid of `intervals` intervals.

    Each interval is cut evenly and the domain and the knots outside of it stay, so a
    multiple of the present number of intervals gives nested spaces: then nothing
    changes, on the whole line, but rounding. Otherwise the nearest spline is taken, by
    least squares over the layer's actual inputs and `degree + 1` points in every
    interval. The latter hold the function where there are no data; no number of rows is
    too few.

    Args:
        network: A KAN, or one KANLayer, with B-spline bases.
        x: The network's inputs, from which this network finds each layer's inputs.
        intervals: The new number, at least the present one.

    Raises:
        TypeError: "network is" neither; "layer 1 has the basis" of another family.
        ValueError: "intervals must be" at least the present number; "x has shape" with
            no rows; "entries that are NaN"; "repeated knots" inside the domain.

    Notes:
        One singular value decomposition of a (rows + points, K) matrix for each input,
        in float64: O(I · rows · K²).

    Example:
        >>> import torch
        >>> coarse = KAN([2, 1], BSpline.uniform(3))
        >>> extend_grid(coarse, torch.zeros(1, 2), 6).layers[0].basis.intervals
        6

    Reference:
        [liu2024kan] eq. (2.16) (place from memory), arXiv:2404.19756; there the grid
        also follows the data.
    """

    def finer(basis: BSpline, inputs: Tensor, groups: int) -> BSpline:
        _check.is_integer("extend_grid", "intervals", intervals, basis.intervals)
        rows = tuple(_cut(row, basis.degree, intervals) for row in basis.rows)
        return BSpline(rows if basis.inputs else rows[0], basis.degree)

    return _regrid("extend_grid", network, x, finer)


def update_grid(
    network: Network, x: Float[Tensor, "*batch I"], uniform_share: float = 0.02
) -> Network:
    """Return the network with knots that follow the inputs, one row for each input.

    Inside knots (1 − ε) · quantiles + ε · uniform with ε = `uniform_share`, on the
    range of the data and 1 % of it more at each side; the quantiles are those of the
    *distinct* values, so repeated ones (black pixels) do not pile up knots, and no
    interval is shorter than ε times the even one. The knots go on evenly outside. An
    input with a single value says nothing about its grid and keeps its row.

    The functions are refitted as in `extend_grid`. The new spaces do not contain the
    old ones: compare both networks on x to see how much was lost, or extend first.

    Args:
        network: A KAN, or one KANLayer, with B-spline bases.
        x: The network's inputs, from which this network finds each layer's inputs.
        uniform_share: ε, above 0 and at most 1; 1 gives an even grid.

    Raises:
        TypeError: "network is" neither; "layer 1 has the basis" of another family.
        ValueError: "uniform_share must be"; "x has shape" with no rows; "entries that
            are NaN".

    Example:
        >>> import torch
        >>> layer = KANLayer(1, 1, BSpline.uniform(4))
        >>> update_grid(layer, torch.tensor([[0.0], [10.0]]), 1.0).basis.domain
        (-0.1, 10.1)

    Reference:
        [liu2024kan] section 2.2 (place from memory); the rule is pykan's, except
        for distinct values, margin and single values.
    """
    _check.is_positive("update_grid", "uniform_share", uniform_share)
    if uniform_share > 1:
        raise ValueError(
            f"update_grid: uniform_share must be at most 1, got {uniform_share}."
        )

    def following(basis: BSpline, inputs: Tensor, groups: int) -> BSpline:
        columns = _pooled(inputs, groups).numpy(force=True)
        rows: list[Row] = []
        repeats = inputs.shape[-1] // groups
        for group in range(groups):
            old = basis.rows[group * repeats if basis.inputs else 0]
            row = _quantile_row(columns[:, group], old, basis.degree, uniform_share)
            rows += [row] * repeats
        return BSpline(tuple(rows), basis.degree)

    return _regrid("update_grid", network, x, following)


@torch.no_grad()
def _regrid(
    owner: str,
    network: Network,
    x: Tensor,
    choose: Callable[[BSpline, Tensor, int], BSpline],
) -> Network:
    if not isinstance(network, KAN | KANLayer):
        raise TypeError(
            f"{owner}: network is a {type(network).__name__}; "
            "expected a KAN or KANLayer."
        )
    _check.is_floating(owner, "x", x)
    with_rows(owner, x)
    inputs = network.activations(x) if isinstance(network, KAN) else [x]
    renewed = []
    for number, (layer, h) in enumerate(
        zip(layers_of(network), inputs, strict=True), 1
    ):
        if not isinstance(layer.basis, BSpline):
            raise TypeError(
                f"{owner}: layer {number} has the basis {layer.basis}; expected a "
                "BSpline, for other families have no knots. Use change_of_basis."
            )
        _check.is_finite(owner, f"the input of layer {number}", h)
        flat = h.reshape(-1, layer.in_features)
        target = choose(layer.basis, flat, layer.functions)
        renewed.append(layer.with_basis(target, _refit(layer, flat, target)))
    result: Any = renewed[0]
    if isinstance(network, KAN):
        result = network.with_layers(renewed)
    return result


def _refit(layer: KANLayer, x: Tensor, target: BSpline) -> Tensor:
    """The coefficients on `target` of the layer's functions, fitted in float64."""
    source = layer.basis
    assert isinstance(source, BSpline)
    coefficients = layer.coefficients.double()
    if layer.mixing is not None:
        coefficients = coefficients.unsqueeze(0)  # as if there were one output
    repeats = layer.in_features // layer.functions
    points = torch.tensor(  # (points, groups)
        [_inside(row, target.degree) for row in target.rows[::repeats]],
        dtype=torch.float64,
        device=x.device,
    ).T.expand(-1, layer.functions)
    points = torch.cat([_pooled(x, layer.functions), points])
    widest = max(target.size, len(coefficients))
    step = max(1, CHUNK // (len(points) * widest))
    fitted = []
    for start in range(0, layer.functions, step):
        some = slice(start, start + step)
        old, new = (_rows(basis, some, repeats) for basis in (source, target))
        column = points[:, some]
        values = torch.einsum("pik,oik->oip", old(column), coefficients[:, some])
        fitted.append(fit_coefficients(new, column, values).coefficients)
    result = torch.cat(fitted, dim=1)
    return result if layer.mixing is None else result.squeeze(0)


def _pooled(x: Tensor, groups: int) -> Tensor:
    """Inputs (N, I) as one float64 column per function: (N · I / groups, groups)."""
    grouped = x.double().reshape(len(x), groups, -1)
    return grouped.transpose(1, 2).reshape(-1, groups)


def _rows(basis: BSpline, groups: slice, repeats: int) -> BSpline:
    """The basis of some groups only, one row for each."""
    if basis.inputs is None:
        return basis
    return BSpline(basis.rows[::repeats][groups], basis.degree)


def _inside(row: Row, degree: int) -> list[float]:
    """`degree + 1` points inside every interval of the domain, empty ones left out."""
    ends = row[degree : len(row) - degree]
    shares = [(j + 0.5) / (degree + 1) for j in range(degree + 1)]
    pairs = [(low, high) for low, high in pairwise(ends) if low < high]
    return [low + (high - low) * share for low, high in pairs for share in shares]


def _cut(row: Row, degree: int, intervals: int) -> Row:
    """Place breakpoints evenly between the old ones, counted in intervals."""
    ends = row[degree : len(row) - degree]
    present = len(ends) - 1
    if len(set(ends)) < len(ends):
        raise ValueError(
            "extend_grid: the basis has repeated knots inside its domain, which cannot "
            "be cut evenly. Use update_grid first."
        )
    inner = []
    for j in range(1, intervals):
        index, rest = divmod(j * present, intervals)  # whole numbers: old knots stay
        step = ends[min(index + 1, present)] - ends[index]
        inner.append(ends[index] + step * (rest / intervals))
    return (*row[: degree + 1], *inner, *row[len(row) - degree - 1 :])


def _quantile_row(values: np.ndarray, old: Row, degree: int, share: float) -> Row:
    """Knots for one column of inputs; `old` if the values cannot carry a row."""
    distinct = np.unique(values)
    low, high = distinct[0], distinct[-1]
    intervals = len(old) - 2 * degree - 1
    shortest = share * (high - low) / intervals
    # Knots are rounded to the network's dtype; float32 must still tell them apart.
    if shortest <= 1e-6 * max(abs(low), abs(high)):
        return old
    low, high = low - MARGIN * (high - low), high + MARGIN * (high - low)
    quantiles = np.quantile(distinct, np.linspace(0, 1, intervals + 1))
    quantiles[0], quantiles[-1] = low, high
    ends = (1 - share) * quantiles + share * np.linspace(low, high, intervals + 1)
    ends[0], ends[-1] = low, high
    outside = (high - low) / intervals * np.arange(1, degree + 1)
    return tuple(np.concatenate([low - outside[::-1], ends, high + outside]).tolist())
