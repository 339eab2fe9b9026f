"""Laws: checks that any basis and any layer must pass, for tests and for exercises.

A law is a function that returns nothing, or raises AssertionError saying which law
broke, for what, at which input, with both values. `BASIS_LAWS` lists them one by one,
so that a test can name the one that fails.
"""

import copy
import functools
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kanlib._gap import largest_gap
from kanlib.bases import Basis, fit_coefficients

__all__ = ["BASIS_LAWS", "agree", "basis_laws", "layer_laws"]

Law = Callable[[Basis], None]


def _law(check: Law) -> Law:
    """Let an error inside `check` name the law and the basis too."""

    @functools.wraps(check)
    def law(basis: Basis) -> None:
        try:
            check(basis)
        except AssertionError:
            raise
        except Exception as error:
            name = check.__name__.removesuffix("_law")
            said = f"{type(error).__name__}: {error}"
            raise AssertionError(_message(name, basis, said)) from error

    return law


def basis_laws(basis: Basis) -> None:
    """Check every law of `BASIS_LAWS`: what makes K functions a `Basis`.

    The laws: attributes, shapes, dtypes, derivatives, gradients, transforms, NaN, span,
    value, refusals; each is documented at its own function.

    Args:
        basis: Any basis, also one with one row of knots per input.

    Raises:
        AssertionError: "law NAME fails for", with the input and both values.

    Notes:
        Works at fixed pseudo-random points of the domain, apart from `breakpoints`, in
        float64; well under a second for K up to about 20.

    Example:
        >>> from kanlib.bases import Chebyshev
        >>> basis_laws(Chebyshev.uniform(5))
    """
    for law in BASIS_LAWS:
        law(basis)


@_law
def attributes_law(basis: Basis) -> None:
    """`size` is a positive int, `domain` two finite a < b, `smoothness` a number."""
    name = "attributes"
    _holds(
        isinstance(basis, Basis), name, basis, "a Basis has size, domain, smoothness"
    )
    size_fits = isinstance(basis.size, int) and basis.size >= 1
    _holds(size_fits, name, basis, f"size is {basis.size!r}, not a positive int")
    low, high = basis.domain
    finite = math.isfinite(low) and math.isfinite(high) and low < high
    _holds(
        finite, name, basis, f"domain is {basis.domain}, not two finite numbers a < b"
    )
    smooth = not math.isnan(basis.smoothness) and basis.smoothness >= -1
    _holds(smooth, name, basis, f"smoothness is {basis.smoothness!r}, not at least -1")


@_law
def shapes_law(basis: Basis) -> None:
    """(...) becomes (..., K) for any shape and strides, pointwise; x is not changed."""
    name, x = "shapes", _points(basis, 12)
    kept, expected = x.clone(), basis(x)
    _holds(torch.equal(x, kept), name, basis, "the call changed x in place")
    rest, size = x.shape[1:], (basis.size,)
    for lead in ((12,), (3, 4), (2, 1, 6), (0,), (2, 0), ()):
        part = x[: math.prod(lead)].reshape(lead + rest)
        wanted = expected[: math.prod(lead)].reshape(lead + rest + size)
        _same(name, basis, part, basis(part), wanted, 1e-14)
    wide = torch.stack([x, x + 7], 1)[:, 0]
    _same(name, basis, x, basis(wide), expected, 1e-14)
    turned = x.reshape(3, 4, *rest).transpose(0, 1)
    wanted = expected.reshape(3, 4, *rest, *size).transpose(0, 1)
    _same(name, basis, turned, basis(turned), wanted, 1e-14)


@_law
def dtypes_law(basis: Basis) -> None:
    """The result has x's dtype, and float32 agrees with float64 up to rounding."""
    name, x = "dtypes", _points(basis, 16)
    for n in (0, 1):
        exact = basis(x.float().double(), derivative=n)
        for dtype in (torch.float32, torch.float64):
            value = basis(x.to(dtype), derivative=n)
            said = f"derivative={n} of {dtype} has dtype {value.dtype}"
            _holds(value.dtype == dtype, name, basis, said)
        rough = basis(x.float(), derivative=n).double()
        _same(name, basis, x, rough, exact, 1e-3)


@_law
def derivatives_law(basis: Basis) -> None:
    """`derivative=1` and `2` equal automatic differentiation, once and twice."""
    name, x = "derivatives", _points(basis, 24).requires_grad_()
    values = basis(x)
    for k in range(basis.size):
        first = _slope(values[..., k], x)
        second = _slope(first, x)
        for n, found in ((1, first), (2, second)):
            closed = basis(x, derivative=n)[..., k]
            _same(
                name, basis, x, closed, found, 1e-9, f"derivative={n}, function {k}, "
            )


@_law
def gradients_law(basis: Basis) -> None:
    """Gradients, once and twice, agree with finite differences in float64."""
    x = _points(basis, 3).requires_grad_()
    for n in (0, 1):
        values = functools.partial(basis, derivative=n)
        torch.autograd.gradcheck(values, (x,), fast_mode=True)
        torch.autograd.gradgradcheck(values, (x,), fast_mode=True)


@_law
def transforms_law(basis: Basis) -> None:
    """`torch.func.vmap`, `jacrev` and `jacfwd` give the plain results."""
    name, x = "transforms", _points(basis, 5)
    func = torch.func
    _same(name, basis, x, func.vmap(basis)(x), basis(x), 1e-13, "vmap, ")
    for mode in (func.jacrev, func.jacfwd):
        for n in (0, 1):
            values = functools.partial(basis, derivative=n)
            with warnings.catch_warnings():
                # Forward mode makes a deprecated call inside torch when first used.
                warnings.filterwarnings("ignore", ".torch.jit", DeprecationWarning)
                found = _own_input(func.vmap(mode(values))(x), x)
            said = f"{mode.__name__} of derivative={n}, "
            _same(name, basis, x, found, basis(x, derivative=n + 1), 1e-9, said)


@_law
def nan_law(basis: Basis) -> None:
    """NaN gives NaN in all K places, for values and derivatives, and nowhere else."""
    x = _points(basis, 6)
    x[2] = math.nan
    for n in (0, 1, 2, 9):
        value = basis(x, derivative=n)
        expected = x.isnan().unsqueeze(-1).expand(value.shape)
        said = f"derivative={n} of x = {x.tolist()} is NaN elsewhere than x"
        _holds(torch.equal(value.isnan(), expected), "nan", basis, said)


@_law
def span_law(basis: Basis) -> None:
    """`fit_coefficients` reproduces any function of the basis's own span."""
    x = _points(basis, 12 * basis.size + 40)
    true = torch.cos(torch.arange(basis.size, dtype=x.dtype))
    y = (basis(x) @ true).movedim(0, -1)
    fit = fit_coefficients(basis, x, y)
    again = (basis(x) * fit.coefficients).sum(-1)
    _same("span", basis, x, again, y.movedim(-1, 0), 1e-9)


@_law
def value_law(basis: Basis) -> None:
    """A basis that is no `nn.Module` is a value: copies and its repr equal it."""
    name = "value"
    if isinstance(basis, nn.Module):
        return
    other = copy.deepcopy(basis)
    _holds(other == basis, name, basis, "a copy is not equal")
    _holds(hash(other) == hash(basis), name, basis, "a copy has another hash")
    _holds(basis != object(), name, basis, "it equals a bare object")
    names = {type(basis).__name__: type(basis), "inf": math.inf}
    again = eval(repr(basis), names)
    _holds(again == basis, name, basis, "its repr makes another value")


@_law
def refusals_law(basis: Basis) -> None:
    """A negative derivative is a ValueError, an integer x a TypeError."""
    x = _points(basis, 2)
    trials: tuple[tuple[type[Exception], Callable[[], Tensor]], ...] = (
        (ValueError, lambda: basis(x, derivative=-1)),
        (TypeError, lambda: basis(x.long())),
    )
    for error, call in trials:
        try:
            call()
        except error:
            continue
        raise AssertionError(_message("refusals", basis, f"no {error.__name__}"))


BASIS_LAWS: tuple[Law, ...] = (
    attributes_law,
    shapes_law,
    dtypes_law,
    derivatives_law,
    gradients_law,
    transforms_law,
    nan_law,
    span_law,
    value_law,
    refusals_law,
)
"""The laws that `basis_laws` checks, in its order."""


def layer_laws(layer: nn.Module, x: Float[Tensor, "points in"]) -> None:
    """Check that a layer treats each row of x alone, learns, copies, saves and moves.

    Args:
        layer: Any module that acts on the last axis; it is not changed.
        x: At least two rows of inputs, in the layer's dtype.

    Raises:
        AssertionError: "law NAME fails for": batch, gradients, state, dtypes.

    Example:
        >>> layer_laws(nn.Linear(3, 2), torch.ones(4, 3))
    """
    layer, x = copy.deepcopy(layer), x.detach().clone().requires_grad_()
    y = layer(x)
    rows = torch.stack([layer(row) for row in x])
    _same("batch", layer, x, rows, y, 1e-5, "row by row, ")
    deep = layer(x.reshape(1, len(x), 1, -1))
    _same("batch", layer, x, deep.reshape(y.shape), y, 1e-5, "with more axes, ")
    _same("batch", layer, x, layer(x[:0]), y[:0], 0.0, "with no rows, ")

    y.square().sum().backward()
    for name, parameter in (("x", x), *layer.named_parameters()):
        if parameter.requires_grad:
            flows = parameter.grad is not None and bool(parameter.grad.isfinite().all())
            _holds(flows, "gradients", layer, f"none, or not finite, for {name}")
    layer.zero_grad()

    other = copy.deepcopy(layer)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.fill_(0.5)
    _same("state", layer, x, layer(x), y, 0.0, "after a copy was changed, ")
    other.load_state_dict(layer.state_dict())
    _same("state", layer, x, other(x), y, 0.0, "after load_state_dict, ")

    moved = layer.double()(x.double())
    _holds(
        moved.dtype == torch.float64, "dtypes", layer, f"double() gives {moved.dtype}"
    )
    _same("dtypes", layer, x, moved, y.double(), 1e-4, "in float64, ")


def agree(
    naive: Callable[..., Tensor],
    library: Callable[..., Tensor],
    inputs: Tensor | Sequence[Any],
    *,
    atol: float = 1e-12,
) -> None:
    """Check max |naive(inputs) − library(inputs)| < `atol`, and print that it holds.

    The line printed names the bound and no digits of the difference, so that a notebook
    shows the same text on every machine.

    Args:
        naive: The short version that a reader can follow.
        library: The one that the package ships.
        inputs: One tensor, or the arguments of both functions.
        atol: The bound. NaN agrees with NaN, an infinity with the same infinity.

    Raises:
        AssertionError: "agree: shapes differ" or "agree: the largest difference", with
            its place and both values.

    Example:
        >>> x = torch.linspace(0, 1, 5)
        >>> agree(torch.square, lambda x: x * x, x)
        agree: largest difference below 1e-12
    """
    arguments = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    first, second = naive(*arguments).detach(), library(*arguments).detach()
    if first.shape != second.shape:
        raise AssertionError(
            f"agree: shapes differ: naive gives {tuple(first.shape)}, library "
            f"{tuple(second.shape)}."
        )
    gap, where = largest_gap(first, second)
    if not gap < atol:
        raise AssertionError(
            f"agree: the largest difference is {gap:.2e} at index {where}, not below "
            f"{atol:g}: naive gives {first[where]:.9g}, library {second[where]:.9g}."
        )
    print(f"agree: largest difference below {atol:g}")


def _points(basis: Basis, count: int) -> Tensor:
    """Return float64 points of the domain, with a column per input where needed."""
    low, high = basis.domain
    inputs = getattr(basis, "inputs", None)
    shape = (count,) if inputs is None else (count, inputs)
    # Multiples of the golden ratio fill the interval evenly, without a random state.
    share = torch.arange(1, math.prod(shape) + 1, dtype=torch.float64) * 0.6180339887
    x = low + (high - low) * (share % 1)
    for t in getattr(basis, "breakpoints", ()):
        near = (x - t).abs() < 1e-5 * (high - low)
        x = torch.where(near, t + 2e-5 * (high - low), x)
    return x.clamp(low, high).reshape(shape)


def _slope(y: Tensor, x: Tensor) -> Tensor:
    """Return dy/dx point by point; 0 where y does not depend on x."""
    if not y.requires_grad:
        return torch.zeros_like(x)
    return torch.autograd.grad(y.sum(), x, create_graph=True, materialize_grads=True)[0]


def _own_input(jacobian: Tensor, x: Tensor) -> Tensor:
    """Keep ∂φ_k(x_i)/∂x_i from (points, in, K, in); (points, K) stays as it is."""
    if x.ndim == 1:
        return jacobian
    return jacobian.diagonal(dim1=1, dim2=3).transpose(1, 2)


def _same(
    law: str,
    subject: Any,
    x: Tensor,
    found: Tensor,
    expected: Tensor,
    tolerance: float,
    said: str = "",
) -> None:
    """Raise unless both agree up to `tolerance`, relative to values above 1."""
    shapes = tuple(found.shape), tuple(expected.shape)
    _holds(
        shapes[0] == shapes[1],
        law,
        subject,
        f"{said}shape {shapes[0]}, not {shapes[1]}",
    )
    x, found, expected = x.detach(), found.detach(), expected.detach()
    gap, where = largest_gap(found, expected)
    scale = max(1.0, float(expected.abs().max())) if expected.numel() else 1.0
    if gap > tolerance * scale or math.isnan(scale):
        place = x[where[: x.ndim]] if x.shape == found.shape[: x.ndim] else x
        at = f"at x = {place.tolist()}, " if place.numel() < 20 else ""
        got, wanted = float(found[where]), float(expected[where])
        _holds(
            False, law, subject, f"{said}{at}index {where}: {got:.9g}, not {wanted:.9g}"
        )


def _holds(condition: bool, law: str, subject: Any, said: str) -> None:
    if not condition:
        raise AssertionError(_message(law, subject, said))


def _message(law: str, subject: Any, said: str) -> str:
    return f"law {law} fails for {str(subject)[:200]}: {said}."
