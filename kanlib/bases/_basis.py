"""Families of functions of one variable: the part in which KAN papers differ.

An edge of a Kolmogorov–Arnold network is f(x) = Σ_k c_k φ_k(x). Whatever the φ_k are,
evaluating, fitting, refining and plotting f is the same, so a new variant is one new
`Basis`.
"""

import math
from fractions import Fraction
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from kanlib import _check


@runtime_checkable
class Basis(Protocol):
    """K functions φ_1 … φ_K of one variable.

    Implementations are frozen dataclasses of plain numbers, which print, compare and
    hash; or an `nn.Module` when the family itself is learned. They never own
    coefficients: those belong to the layer. Each passes `kanlib.testing.basis_laws`.

    A family made of pieces may also have `breakpoints`, the sorted tuple of the points
    where pieces meet; `change_of_basis` then samples every piece.
    """

    @property
    def size(self) -> int:
        """The number K of functions."""
        ...

    @property
    def domain(self) -> tuple[float, float]:
        """The finite interval [a, b] on which the family is meant to be used."""
        ...

    @property
    def smoothness(self) -> float:
        """How many continuous derivatives each φ_k has; `math.inf` if analytic."""
        ...

    def __call__(
        self, x: Float[Tensor, "*batch"], derivative: int = 0
    ) -> Float[Tensor, "*batch K"]:
        """Return φ_k⁽ⁿ⁾(x) for all k, with n = `derivative`.

        Outside `domain` the family's own rule holds (splines vanish, polynomials go on)
        and no value raises. NaN gives NaN. The result keeps x's dtype and device and is
        differentiable in x.
        """
        ...


class Fit(NamedTuple):
    """Coefficients found by least squares, and how far to trust them."""

    coefficients: Float[Tensor, "*out K"]
    """c, in y's dtype and on its device."""
    residual: Float[Tensor, "*out"]
    """Root mean square of y − Σ_k c_k φ_k(x), in the unit of y."""
    rank: int
    """Numerical rank of the design matrix (the smallest, when there is one an input);
    below K the fit is not unique and the coefficients are those of least norm."""


def fit_coefficients(
    basis: Basis,
    x: Float[Tensor, "points *in"],
    y: Float[Tensor, "*out points"],
    *,
    ridge: float = 0.0,
) -> Fit:
    """Minimize Σ_p (y_p − Σ_k c_k φ_k(x_p))² + ridge · Σ_k c_k².

    Args:
        basis: The family; K = `basis.size`.
        x: Where the function is known, in any order; or one column of points per input.
        y: The values there; the leading axes are independent problems.
        ridge: Weight of the penalty.

    Shape:
        x (points,), y (..., points), coefficients (..., K), residual (...); or
        x (points, in), y (..., in, points), coefficients (..., in, K), residual
        (..., in). A basis with one row of knots per input needs the second form.

    Returns:
        `Fit(coefficients, residual, rank)`, differentiable in y and not in x.

    Raises:
        TypeError: "basis is" not a Basis; "x has dtype" or "y has dtype" not floating;
            x and y differ.
        ValueError: "x has shape" or "y has shape" when they disagree; "entries that are
            NaN"; "ridge must be" non-negative; "distinct points", fewer than K of them
            while `ridge` is 0.

    Notes:
        Solved in float64 by a singular value decomposition of the design matrix, never
        by the normal equations, on x's device: O(in · points · K²). Singular values
        below max(points, K) · 2⁻⁵² of the largest count as zero. Exact up to rounding
        when y lies in the span.

    Example:
        >>> from kanlib.bases import Chebyshev
        >>> x = torch.linspace(-1, 1, 9)
        >>> fit = fit_coefficients(Chebyshev.uniform(3), x, 4 * x**2 + x)
        >>> fit.coefficients.round(decimals=3), fit.rank
        (tensor([2., 1., 2.]), 3)
    """
    owner = "fit_coefficients"
    is_basis(owner, "basis", basis)
    _check.is_floating(owner, "x", x)
    _check.is_floating(owner, "y", y)
    _check.same_kind(owner, x=x, y=y)
    _check.is_non_negative(owner, "ridge", ridge)
    if x.ndim not in (1, 2):
        raise ValueError(
            f"{owner}: x has shape {tuple(x.shape)}; expected (points,), or "
            "(points, in) with one column per input."
        )
    per_input = x.ndim == 2
    ends = tuple(x.shape[::-1])
    if y.ndim < len(ends) or y.shape[y.ndim - len(ends) :] != ends:
        wanted = ", ".join(str(length) for length in ends)
        raise ValueError(
            f"{owner}: y has shape {tuple(y.shape)}; expected (..., {wanted}), "
            f"because x has shape {tuple(x.shape)}."
        )
    _check.is_finite(owner, "x", x)
    _check.is_finite(owner, "y", y)
    # One form for both cases: (points, in) and (in, points, rest).
    columns = x.detach().double()
    columns = columns if per_input else columns.unsqueeze(-1)
    _has_enough_points(owner, columns, basis.size, ridge)
    values = y.double() if per_input else y.double().unsqueeze(-2)
    lead, inputs = values.shape[:-2], columns.shape[1]
    values = values.reshape(math.prod(lead), *columns.T.shape).permute(1, 2, 0)
    design = basis(columns).transpose(0, 1)
    solution, rank = _least_squares(design, values, ridge)
    residual = (values - design @ solution).square().mean(1).sqrt()
    coefficients = solution.permute(2, 0, 1).reshape(*lead, inputs, basis.size)
    residual = residual.transpose(0, 1).reshape(*lead, inputs)
    if not per_input:
        coefficients, residual = coefficients.squeeze(-2), residual.squeeze(-1)
    return Fit(coefficients.to(y.dtype), residual.to(y.dtype), rank)


def change_of_basis(
    source: Basis, target: Basis, *, points_per_function: int = 8
) -> Float[Tensor, "K_target K_source"]:
    """Return M such that c_target = M c_source is the same function in the target.

    Least squares over the common domain; exact when the target's span contains the
    source's, as when a spline grid is refined: the paper's grid extension.

    Args:
        source: The family in which coefficients are known.
        target: The family in which they are wanted.
        points_per_function: Sample points for each function of the larger family.

    Returns:
        M in float64; a layer's coefficients (out, in, K) become `coefficients @ M.T`.

    Raises:
        TypeError: "source is" or "target is" not a Basis.
        ValueError: "domains do not overlap"; "points_per_function must be" positive; "x
            has shape" for several rows of knots: change each `basis.row(i)`.

    Notes:
        Every piece between two breakpoints of either family gets its own Chebyshev
        points. Target functions that vanish on the common domain get coefficient 0.

    Example:
        >>> from kanlib.bases import BSpline
        >>> coarse = BSpline.uniform(2, degree=1)
        >>> change_of_basis(coarse, coarse.refined()).round(decimals=6).abs()
        tensor([[1.0000, 0.0000, 0.0000],
                [0.5000, 0.5000, 0.0000],
                [0.0000, 1.0000, 0.0000],
                [0.0000, 0.5000, 0.5000],
                [0.0000, 0.0000, 1.0000]], dtype=torch.float64)

    Reference:
        [liu2024kan], grid extension, arXiv 2404.19756.
    """
    owner = "change_of_basis"
    is_basis(owner, "source", source)
    is_basis(owner, "target", target)
    _check.is_integer(owner, "points_per_function", points_per_function, 1)
    low = max(source.domain[0], target.domain[0])
    high = min(source.domain[1], target.domain[1])
    if not low < high:
        raise ValueError(
            f"{owner}: the domains do not overlap: source has {source.domain}, "
            f"target has {target.domain}."
        )
    cuts = {low, high}
    for basis in (source, target):
        cuts.update(t for t in getattr(basis, "breakpoints", ()) if low < t < high)
    edges = torch.tensor(sorted(cuts), dtype=torch.float64)
    total = points_per_function * max(source.size, target.size)
    per_piece = max(points_per_function, math.ceil(total / (len(edges) - 1)))
    angles = (torch.arange(per_piece, dtype=torch.float64) + 0.5) * math.pi / per_piece
    nodes = (1 - torch.cos(angles)) / 2
    x = (edges[:-1, None] + edges.diff()[:, None] * nodes).flatten()
    values = source(x.unsqueeze(-1)).squeeze(-2)
    return fit_coefficients(target, x, values.T.contiguous()).coefficients.T


def is_basis(owner: str, name: str, value: Any) -> None:
    """Raise TypeError unless `value` is a basis, and not the class of one."""
    # A class has all the attributes that the protocol asks for.
    if isinstance(value, type) or not isinstance(value, Basis):
        got = getattr(value, "__name__", type(value).__name__)
        raise TypeError(
            f"{owner}: {name} is {got}; expected a Basis value. "
            "Use for instance BSpline.uniform(5)."
        )


def prepared(owner: str, x: Tensor, derivative: int) -> Tensor:
    """Check a basis's arguments; return x as (..., 1), in float32 at least."""
    _check.is_floating(owner, "x", x)
    _check.is_integer(owner, "derivative", derivative, 0)
    return x.to(torch.promote_types(x.dtype, torch.float32)).unsqueeze(-1)


def spread(
    owner: str, size: int, domain: tuple[float, float]
) -> tuple[tuple[float, ...], float]:
    """Return `size` equally spaced numbers from a to b, and their spacing."""
    _check.is_integer(owner, "size", size, 2)
    _check.is_interval(owner, "domain", domain)
    low, high = Fraction(float(domain[0])), Fraction(float(domain[1]))
    spacing = (high - low) / (size - 1)
    return tuple(float(low + k * spacing) for k in range(size)), float(spacing)


def _has_enough_points(owner: str, columns: Tensor, size: int, ridge: float) -> None:
    needed = 1 if ridge > 0 else size
    distinct = (columns.sort(dim=0).values.diff(dim=0) != 0).sum(0) + 1
    least = int(distinct.min()) if columns.numel() else 0
    if least < needed:
        raise ValueError(
            f"{owner}: x has {least} distinct points; expected at least {needed}, "
            f"because the basis has {size} functions and ridge={ridge:g}. Give more "
            "points, or a ridge above 0."
        )


def _least_squares(design: Tensor, values: Tensor, ridge: float) -> tuple[Tensor, int]:
    """Return argmin_c ‖A c − y‖² + ridge ‖c‖² of least norm, and the smallest rank."""
    left, singular, right = torch.linalg.svd(design, full_matrices=False)
    cutoff = max(design.shape[-2:]) * torch.finfo(design.dtype).eps
    kept = singular > cutoff * singular[..., :1]
    inverse = torch.where(kept, singular / (singular.square() + ridge), 0.0)
    solution = right.mT @ (inverse.unsqueeze(-1) * (left.mT @ values))
    return solution, int(kept.sum(-1).min())
