"""Least squares in a basis, and the change from one basis to another."""

import math

import pytest
import torch

from kanlib.bases import (
    BSpline,
    Chebyshev,
    Fourier,
    GaussianRBF,
    ReLUBump,
    Wavelet,
    change_of_basis,
    fit_coefficients,
)

CUBIC = BSpline.uniform(5)
ROWS = BSpline([BSpline.uniform(4, 2).knots, BSpline.uniform(4, 2, (0, 3)).knots], 2)


def points(count, *shape, low=-1.0, high=1.0):
    generator = torch.Generator().manual_seed(count)
    share = torch.rand(count, *shape, generator=generator, dtype=torch.float64)
    return low + (high - low) * share


def test_fit_is_the_least_squares_solution():
    x = points(60)
    y = torch.exp(torch.sin(3 * x)).expand(2, 3, -1) + torch.eye(60)[:6].view(2, 3, 60)
    fit = fit_coefficients(CUBIC, x, y)
    exact = torch.linalg.lstsq(CUBIC(x), y.reshape(6, 60).T).solution.T
    assert fit.coefficients.shape == (2, 3, 8)
    assert (fit.coefficients.reshape(6, 8) - exact).abs().max() < 1e-12
    misfit = y - fit.coefficients @ CUBIC(x).T
    assert (fit.residual - misfit.square().mean(-1).sqrt()).abs().max() < 1e-14
    assert fit.residual.shape == (2, 3)
    assert fit.rank == 8


@pytest.mark.parametrize("basis", [CUBIC, ROWS], ids=["shared", "rows"])
def test_columns_of_x_are_fitted_each_on_its_own(basis):
    x = points(50, 2)
    x[:, 1] = 1.5 * (x[:, 1] + 1) if basis is ROWS else x[:, 1]
    y = torch.stack([torch.sin(2 * x), x.square()]).movedim(-1, -2)
    fit = fit_coefficients(basis, x, y)
    assert fit.coefficients.shape == (2, 2, basis.size)
    assert fit.residual.shape == (2, 2)
    for i in range(2):
        alone = fit_coefficients(basis.row(i), x[:, i], y[:, i])
        assert (fit.coefficients[:, i] - alone.coefficients).abs().max() < 1e-12
        assert (fit.residual[:, i] - alone.residual).abs().max() < 1e-14


def test_ridge_is_the_penalized_minimum():
    x, y = points(40), torch.cos(5 * points(40))
    fit = fit_coefficients(CUBIC, x, y, ridge=0.3)
    design = CUBIC(x)
    normal = design.T @ design + 0.3 * torch.eye(8, dtype=torch.float64)
    exact = torch.linalg.solve(normal, design.T @ y)
    assert (fit.coefficients - exact).abs().max() < 1e-12
    assert fit.rank == 8


def test_rank_deficient_fit_has_least_norm_and_says_so():
    x = points(40, low=0.5)
    y = x.square()
    fit = fit_coefficients(CUBIC, x, y)
    exact = torch.linalg.pinv(CUBIC(x)) @ y
    assert fit.rank == 5
    assert fit.residual < 1e-14
    assert (fit.coefficients - exact).abs().max() < 1e-10
    few = fit_coefficients(CUBIC, x[:3], y[:3], ridge=1e-8)
    assert few.rank == 3
    assert few.coefficients.isfinite().all()


def test_fit_keeps_the_dtype_of_y_and_solves_in_float64():
    x = points(200).float()
    true = torch.cos(torch.arange(20.0))
    basis = BSpline.uniform(17)
    fit = fit_coefficients(basis, x, basis(x) @ true)
    assert fit.coefficients.dtype == fit.residual.dtype == torch.float32
    assert (fit.coefficients - true).abs().max() < 1e-4


def test_no_functions_to_fit_is_no_error():
    fit = fit_coefficients(CUBIC, points(20), torch.empty(0, 20).double())
    assert fit.coefficients.shape == (0, 8)
    assert fit.residual.shape == (0,)


def test_fit_is_differentiable_in_y_and_not_in_x():
    x = points(12)
    y = torch.sin(x).requires_grad_()
    basis = Chebyshev.uniform(3)
    assert torch.autograd.gradcheck(lambda y: fit_coefficients(basis, x, y)[:1], (y,))
    free = x.clone().requires_grad_()
    assert not fit_coefficients(basis, free, x.sin()).coefficients.requires_grad


def test_fit_in_the_same_span_is_the_identity_between_families():
    matrix = change_of_basis(Chebyshev.uniform(4), BSpline.uniform(3, 3))
    x = points(30)
    gap = BSpline.uniform(3, 3)(x) @ matrix - Chebyshev.uniform(4)(x)
    assert gap.abs().max() < 1e-12


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (BSpline.uniform(5), BSpline.uniform(50)),
        (BSpline.uniform(3, 1), BSpline.uniform(6, 1)),
        (
            BSpline((0, 0, 0, 0.01, 1, 1, 1), 2),
            BSpline((0, 0, 0, 0.01, 0.02, 1, 1, 1), 2),
        ),
        (BSpline.uniform(4, 2), BSpline.uniform(4, 2, (-0.5, 0.5))),
        (Chebyshev.uniform(5), Chebyshev.uniform(9, (-2.0, 3.0))),
        (Fourier.uniform(5), Fourier.uniform(9)),
        (GaussianRBF((0.0, 1.0), 0.5), GaussianRBF((0.0, 0.4, 1.0), 0.5)),
        (Wavelet((0.0, 1.0), 0.5), Wavelet((0.0, 0.4, 1.0), 0.5)),
        (ReLUBump.uniform(4), ReLUBump.uniform(4)),
    ],
    ids=lambda basis: type(basis).__name__,
)
def test_change_of_basis_is_exact_when_the_target_holds_the_source(source, target):
    matrix = change_of_basis(source, target)
    assert matrix.shape == (target.size, source.size)
    low = max(source.domain[0], target.domain[0])
    high = min(source.domain[1], target.domain[1])
    x = torch.linspace(low, high, 333, dtype=torch.float64)
    assert (target(x) @ matrix - source(x)).abs().max() < 1e-12


def test_change_of_basis_gives_zero_to_what_it_cannot_see():
    wide = BSpline.uniform(8, 1, (-3.0, 5.0))
    matrix = change_of_basis(BSpline.uniform(2, 1), wide)
    assert matrix[5:].abs().max() < 1e-14
    assert matrix[2:5].abs().max() > 0.9


def test_change_of_basis_acts_on_the_coefficients_of_a_layer():
    coarse, fine = BSpline.uniform(4), BSpline.uniform(12)
    coefficients = torch.randn(
        2, 3, 7, generator=torch.Generator().manual_seed(1)
    ).double()
    x = points(20)
    moved = coefficients @ change_of_basis(coarse, fine).T
    gap = moved @ fine(x).T - coefficients @ coarse(x).T
    assert gap.abs().max() < 1e-12


X, Y = torch.linspace(-1, 1, 20), torch.linspace(-1, 1, 20)
TWO = torch.stack([X, X / 2], 1)
BAD = [
    (lambda: fit_coefficients(CUBIC, [0.0], Y), TypeError, "x is a list"),
    (lambda: fit_coefficients(5, X, Y), TypeError, "basis is int; expected a Basis"),
    (lambda: fit_coefficients(BSpline, X, Y), TypeError, "basis is BSpline; expected"),
    (
        lambda: fit_coefficients(CUBIC, X, Y.to("meta")),
        TypeError,
        "y has device meta; expected cpu",
    ),
    (lambda: fit_coefficients(CUBIC, X, Y, ridge="1"), TypeError, "ridge is a str"),
    (lambda: change_of_basis(5, CUBIC), TypeError, "source is int; expected a Basis"),
    (lambda: change_of_basis(CUBIC, Chebyshev), TypeError, "target is Chebyshev; exp"),
    (lambda: fit_coefficients(CUBIC, X, Y.long()), TypeError, "y has dtype int64"),
    (
        lambda: fit_coefficients(CUBIC, X, Y.double()),
        TypeError,
        "y has dtype torch.float64",
    ),
    (lambda: fit_coefficients(CUBIC, X[0], Y), ValueError, r"x has shape \(\)"),
    (lambda: fit_coefficients(CUBIC, X[:9], Y), ValueError, r"expected \(\.\.\., 9\)"),
    (lambda: fit_coefficients(CUBIC, X, Y[0]), ValueError, r"y has shape \(\)"),
    (
        lambda: fit_coefficients(CUBIC, TWO, Y),
        ValueError,
        r"expected \(\.\.\., 2, 20\)",
    ),
    (
        lambda: fit_coefficients(CUBIC, TWO, TWO),
        ValueError,
        r"expected \(\.\.\., 2, 20\)",
    ),
    (lambda: fit_coefficients(CUBIC, X * math.nan, Y), ValueError, "x has 20 entries"),
    (lambda: fit_coefficients(CUBIC, X, Y * math.inf), ValueError, "y has 20 entries"),
    (lambda: fit_coefficients(CUBIC, X, Y, ridge=-1), ValueError, "ridge must be"),
    (
        lambda: fit_coefficients(CUBIC, X[:7], Y[:7]),
        ValueError,
        "x has 7 distinct points",
    ),
    (
        lambda: fit_coefficients(CUBIC, X[:0], Y[:0]),
        ValueError,
        "x has 0 distinct points",
    ),
    (
        lambda: fit_coefficients(CUBIC, X[:0], Y[:0], ridge=1.0),
        ValueError,
        "at least 1,",
    ),
    (lambda: fit_coefficients(CUBIC, TWO[:, :0], TWO[:, :0].T), ValueError, "x has 0 "),
    (lambda: fit_coefficients(CUBIC, 0 * X, Y), ValueError, "x has 1 distinct points"),
    (
        lambda: fit_coefficients(CUBIC, TWO * X[:2].new_tensor([1, 0]), TWO.T),
        ValueError,
        "1 ",
    ),
    (lambda: fit_coefficients(ROWS, X, Y), ValueError, "the knots have 2 rows"),
    (
        lambda: change_of_basis(CUBIC, BSpline.uniform(5, 3, (1.0, 2.0))),
        ValueError,
        r"domains do not overlap: source has \(-1.0, 1.0\), target has \(1.0, 2.0\)",
    ),
    (
        lambda: change_of_basis(CUBIC, CUBIC, points_per_function=0),
        ValueError,
        "points_per_function must be at least 1",
    ),
    (lambda: change_of_basis(ROWS, CUBIC), ValueError, "the knots have 2 rows"),
    (lambda: change_of_basis(CUBIC, ROWS), ValueError, "the knots have 2 rows"),
]


@pytest.mark.parametrize(("call", "error", "words"), BAD)
def test_bad_input_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()
