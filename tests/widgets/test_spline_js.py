"""spline.js against kanlib.bases.BSpline, finite differences and itself."""

import pytest
import torch

from kanlib.bases import BSpline
from kanlib.widgets.spline_editor import SplineEditor

FILE = "spline.js"
SPLINES = [
    BSpline.uniform(5),
    BSpline.uniform(4, degree=2, domain=(0.0, 3.0)),
    BSpline.uniform(3, degree=1),
    BSpline((0.0, 0.0, 0.0, 0.0, 1.0, 1.5, 1.5, 4.0, 4.0, 4.0, 4.0), 3),  # clamped
    BSpline((-2.0, -1.0, -0.9, 0.0, 0.3, 1.0, 2.0, 2.5), 2),  # unequal steps
    BSpline.uniform(3, degree=0, domain=(0.0, 1.0)),
]
IDS = [str(basis) for basis in SPLINES]


def points(basis):
    low, high = basis.domain
    first, last = basis.rows[0][0], basis.rows[0][-1]
    inner = torch.linspace(low, high, 17, dtype=torch.float64).tolist()
    return [first - 1.0, first, *basis.rows[0], *inner, last, last + 1.0]


def coefficients(basis, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(basis.size, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("derivative", [0, 1])
@pytest.mark.parametrize("basis", SPLINES, ids=IDS)
def test_basis_equals_python_also_at_knots_and_ends(javascript, basis, derivative):
    xs = points(basis)
    knots = list(basis.knots)
    got = javascript(FILE, *(["basis", knots, basis.degree, x, derivative] for x in xs))
    x = torch.tensor(xs, dtype=torch.float64)
    expected = basis(x, derivative=derivative)
    torch.testing.assert_close(
        torch.tensor(got, dtype=torch.float64), expected, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("basis", SPLINES[:5], ids=IDS[:5])
def test_derivative_equals_finite_differences_up_to_both_ends(javascript, basis):
    low, high = basis.domain
    step = 1e-6
    # One-sided at the ends, and away from the kinks of degree 1.
    xs = [low, low + 0.31 * (high - low), low + 0.77 * (high - low), high]
    pairs = [(max(x - step, low), min(x + step, high)) for x in xs]
    state = {
        "knots": basis.knots,
        "degree": basis.degree,
        "coefficients": coefficients(basis).tolist(),
        "base_weight": 0.7,
    }
    calls = [["edge", state, x, 1] for x in xs]
    calls += [["edge", state, x] for pair in pairs for x in pair]
    got = javascript(FILE, *calls)
    for i, (a, b) in enumerate(pairs):
        slope = (got[4 + 2 * i + 1] - got[4 + 2 * i]) / (b - a)
        assert got[i] == pytest.approx(slope, abs=2e-4)


@pytest.mark.parametrize("basis", SPLINES, ids=IDS)
def test_the_edge_equals_python(javascript, basis):
    c = coefficients(basis)
    editor = SplineEditor(basis, c, base_weight=-0.8)
    low, high = basis.domain
    xs = torch.linspace(low, high, 33, dtype=torch.float64)
    state = {
        "knots": basis.knots,
        "degree": basis.degree,
        "coefficients": c.tolist(),
        "base_weight": -0.8,
    }
    for derivative in (0, 1):
        calls = (["edge", state, x, derivative] for x in xs.tolist())
        got = torch.tensor(javascript(FILE, *calls), dtype=torch.float64)
        expected = editor.edge(xs, derivative)
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("basis", SPLINES, ids=IDS)
def test_refinement_gives_the_knots_of_python_and_the_same_curve(javascript, basis):
    c = coefficients(basis, seed=1)
    (fine,) = javascript(FILE, ["refine", basis.knots, basis.degree, c.tolist()])
    assert fine["knots"] == pytest.approx(basis.refined().rows[0], abs=1e-14)
    low, high = basis.domain
    x = torch.linspace(low, high, 101, dtype=torch.float64)
    new = BSpline(tuple(fine["knots"]), basis.degree)
    new_c = torch.tensor(fine["coefficients"], dtype=torch.float64)
    torch.testing.assert_close(new(x) @ new_c, basis(x) @ c, rtol=0, atol=1e-12)


def test_three_doublings_of_the_grid_leave_the_curve(javascript):
    basis, c = BSpline.uniform(5), coefficients(BSpline.uniform(5))
    knots, now, sizes = list(basis.knots), c.tolist(), []
    for _ in range(3):
        (fine,) = javascript(FILE, ["refine", knots, 3, now])
        knots, now = fine["knots"], fine["coefficients"]
        (count,) = javascript(FILE, ["intervals", knots, 3])
        sizes.append((count, len(now)))
    assert sizes == [(10, 13), (20, 23), (40, 43)]
    x = torch.linspace(-1, 1, 401, dtype=torch.float64)
    last = BSpline(tuple(knots), 3)(x) @ torch.tensor(now, dtype=torch.float64)
    torch.testing.assert_close(last, basis(x) @ c, rtol=0, atol=1e-12)


@pytest.mark.parametrize("basis", SPLINES, ids=IDS)
def test_handles_stand_at_the_greville_abscissae(javascript, basis):
    (got,) = javascript(FILE, ["greville", basis.knots, basis.degree])
    assert got == pytest.approx(basis.greville().tolist(), abs=1e-12)


def test_nan_gives_nan_and_outside_gives_zero(javascript):
    knots = list(BSpline.uniform(2).knots)
    nan, outside = javascript(
        FILE, ["basis", knots, 3, "NaN"], ["basis", knots, 3, 1e9]
    )
    assert nan == ["NaN"] * 5
    assert outside == [0.0] * 5
