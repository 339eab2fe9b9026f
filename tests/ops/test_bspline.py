"""The reference B-spline op against SciPy, against theorems, and against bad input."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.interpolate import BSpline as SciPySpline

from kanlib.ops.bspline import bspline_basis

few = settings(max_examples=50, deadline=None, derandomize=True)


@st.composite
def splines(draw, lowest_degree=0):
    """Knots with a non-empty domain, unequal steps and repeats up to degree + 1."""
    degree = draw(st.integers(lowest_degree, 4))
    count = draw(st.integers(2 * degree + 2, 2 * degree + 10))
    steps = draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    knots, repeats = [], 0
    for step in steps:
        repeats = repeats + 1 if step == 0 and knots else 1
        if repeats > degree + 1:
            step, repeats = 1, 1
        knots.append((knots[-1] if knots else 0) + step)
    scale = draw(st.sampled_from([0.01, 0.37, 5.0]))
    knots = torch.tensor(knots, dtype=torch.float64) * scale - 1
    assume(knots[degree] < knots[count - degree - 1])
    return knots, degree


def pieces(knots, per_piece=5):
    """Points inside every non-empty knot interval, none of them a knot."""
    edges = knots.unique()
    share = torch.arange(1, per_piece + 1, dtype=torch.float64) / (per_piece + 1)
    return (edges[:-1, None] + edges.diff()[:, None] * share).flatten()


def scipy_values(x, knots, degree, derivative):
    """SciPy's value of every B-spline on the whole line, not only on its domain."""
    t = knots.numpy()
    more = np.arange(1, degree + 1, dtype=float)
    wide = np.concatenate([t[0] - more[::-1], t, t[-1] + more])
    size = len(t) - degree - 1
    spline = SciPySpline(wide, np.eye(size + 2 * degree), degree, extrapolate=False)
    values = spline(x.numpy(), nu=derivative)[:, degree : degree + size]
    return torch.from_numpy(np.nan_to_num(values))


@few
@given(splines(), st.integers(0, 5))
def test_equals_scipy_between_all_knots(spline, derivative):
    knots, degree = spline
    x = pieces(knots)
    expected = scipy_values(x, knots, degree, derivative)
    found = bspline_basis(x, knots, degree, derivative)
    scale = max(1.0, expected.abs().max().item())
    assert (found - expected).abs().max() < 1e-12 * scale


@few
@given(splines(), st.integers(0, 3))
def test_equals_scipy_at_both_ends_of_the_domain(spline, derivative):
    knots, degree = spline
    size = len(knots) - degree - 1
    ends = knots[[degree, size]]
    found = bspline_basis(ends, knots, degree, derivative)
    if knots[size - 1] < knots[size]:  # else SciPy has 0 everywhere at the right end
        exact = SciPySpline(knots.numpy(), np.eye(size), degree, extrapolate=False)
        expected = torch.from_numpy(exact(ends.numpy(), nu=derivative))
        scale = max(1.0, expected.abs().max().item())
        assert (found - expected).abs().max() < 1e-12 * scale
    total = found.sum(-1) - float(derivative == 0)
    assert total.abs().max() < 1e-14 * max(1.0, found.abs().max().item())


@few
@given(splines(), st.integers(0, 3))
def test_right_end_is_the_limit_from_the_left(spline, derivative):
    knots, degree = spline
    end = knots[len(knots) - degree - 1]
    near = end - 1e-9 * knots.unique().diff().min()
    found = bspline_basis(end, knots, degree, derivative)
    limit = bspline_basis(near, knots, degree, derivative)
    scale = max(1.0, limit.abs().max().item())
    assert (found - limit).abs().max() < 1e-6 * scale


@few
@given(splines())
def test_is_a_local_partition_of_unity(spline):
    knots, degree = spline
    size = len(knots) - degree - 1
    x = pieces(knots)
    x = x[(x > knots[degree]) & (x < knots[size])]
    values = bspline_basis(x, knots, degree)
    assert (values >= 0).all()
    assert (values.sum(-1) - 1).abs().max() < 1e-14
    inside = (knots[:size] < x[:, None]) & (x[:, None] < knots[degree + 1 :])
    assert torch.equal(values > 0, inside)
    assert torch.equal(inside.sum(-1), torch.full_like(x, degree + 1).long())


@few
@given(splines(), st.floats(-3, 3))
def test_marsden_identity_holds(spline, y):
    knots, degree = spline
    size = len(knots) - degree - 1
    x = pieces(knots)
    x = x[(x > knots[degree]) & (x < knots[size])]
    products = torch.ones(size, dtype=torch.float64)
    for j in range(1, degree + 1):
        products = products * (y - knots[j : j + size])
    found = bspline_basis(x, knots, degree) @ products
    scale = max(1.0, products.abs().max().item())
    assert (found - (y - x) ** degree).abs().max() < 1e-13 * scale


@few
@given(splines(lowest_degree=1))
def test_derivative_is_the_limit_of_differences(spline):
    knots, degree = spline
    x, step = pieces(knots), 1e-5 * knots.unique().diff().min()
    for n in range(degree):
        high = bspline_basis(x + step, knots, degree, n)
        low = bspline_basis(x - step, knots, degree, n)
        slope = bspline_basis(x, knots, degree, n + 1)
        scale = max(1.0, slope.abs().max().item())
        assert ((high - low) / (2 * step) - slope).abs().max() < 1e-4 * scale


@few
@given(splines())
def test_autograd_agrees_with_the_derivative_formula_to_every_order(spline):
    knots, degree = spline
    x = torch.cat([pieces(knots, 2), knots[[degree, len(knots) - degree - 1]]])

    x.requires_grad_()
    weights = torch.cos(torch.arange(len(knots) - degree - 1, dtype=torch.float64))
    found = bspline_basis(x, knots, degree) @ weights
    for n in range(1, degree + 2):
        if found.requires_grad:
            (found,) = torch.autograd.grad(
                found.sum(), x, create_graph=True, materialize_grads=True
            )
        else:  # once the formula is a constant
            found = torch.zeros_like(x)
        slopes = bspline_basis(x, knots, degree, n)
        scale = max(1.0, slopes.abs().max().item())
        assert (found - slopes @ weights).abs().max() < 1e-11 * scale


def test_vanishes_beyond_the_knots_and_keeps_nan():
    knots = torch.arange(8.0)
    x = torch.tensor([-math.inf, -0.1, 7.0, 7.1, math.inf, math.nan, 3.0])
    for n in range(5):
        values = bspline_basis(x, knots, 3, n)
        assert torch.equal(values[:5], torch.zeros(5, 4))
        assert values[5].isnan().all()
        assert values[6].isfinite().all()


def test_gradient_at_infinity_is_zero():
    x = torch.tensor([-math.inf, math.inf], requires_grad=True)
    bspline_basis(x, torch.arange(8.0), 3).sum().backward()
    assert torch.equal(x.grad, torch.zeros(2))


def test_degree_zero_closes_only_the_last_interval():
    x = torch.tensor([0.0, 1.0, 2.0, 3.0])
    values = bspline_basis(x, torch.arange(4.0), 0)
    assert values.argmax(-1).tolist() == [0, 1, 2, 2]
    assert torch.equal(values.sum(-1), torch.ones(4))


def test_one_row_of_knots_per_input_equals_the_rows_one_by_one():
    generator = torch.Generator().manual_seed(0)
    rows = torch.rand(3, 10, generator=generator, dtype=torch.float64).sort(-1).values
    x = torch.rand(4, 5, 3, generator=generator, dtype=torch.float64)
    x[0, 0] = rows[:, 6]
    for n in (0, 1):
        found = bspline_basis(x, rows, 3, n)
        assert found.shape == (4, 5, 3, 6)
        for i, row in enumerate(rows):
            assert torch.equal(found[..., i, :], bspline_basis(x[..., i], row, 3, n))


def test_is_differentiable_in_the_knots():
    knots = torch.tensor([0.0, 1, 2, 3.5, 4, 5, 6, 7.5], dtype=torch.float64)
    x = pieces(knots, 2)
    knots.requires_grad_()
    assert torch.autograd.gradcheck(lambda t: bspline_basis(x, t, 3), (knots,))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_once(dtype):
    knots = torch.arange(-3.0, 9.0).to(dtype)
    x = torch.linspace(0, 5, 33).to(dtype)
    for n in (0, 1):
        found = bspline_basis(x, knots, 3, n)
        exact = bspline_basis(x.float(), knots.float(), 3, n)
        assert torch.equal(found, exact.to(dtype))


def test_gradients_keep_memory_independent_of_the_number_of_functions():
    def saved_bytes(size):
        x = torch.linspace(3, size, 1000).requires_grad_()
        storages = {}

        def keep(tensor):
            storage = tensor.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            result = bspline_basis(x, torch.arange(size + 4.0), 3)
        assert result.shape == (1000, size)
        return sum(storages.values())

    assert saved_bytes(200) < 1.05 * saved_bytes(20) < 200_000


KNOTS = torch.arange(8.0)
BAD = [
    (lambda: bspline_basis([0.0], KNOTS, 3), TypeError, "x is a list"),
    (
        lambda: bspline_basis(torch.tensor([1]), KNOTS, 3),
        TypeError,
        "x has dtype int64",
    ),
    (lambda: bspline_basis(KNOTS, KNOTS.long(), 3), TypeError, "knots has dtype int64"),
    (
        lambda: bspline_basis(KNOTS, KNOTS.double(), 3),
        TypeError,
        "expected torch.float32",
    ),
    (lambda: bspline_basis(KNOTS, KNOTS.to("meta"), 3), TypeError, "expected cpu"),
    (lambda: bspline_basis(KNOTS, KNOTS, -1), ValueError, "degree must be at least 0"),
    (lambda: bspline_basis(KNOTS, KNOTS, 1.5), TypeError, "degree is a float"),
    (lambda: bspline_basis(KNOTS, KNOTS, True), TypeError, "degree is a bool"),
    (lambda: bspline_basis(KNOTS, KNOTS, 3, -1), ValueError, "derivative must be at"),
    (lambda: bspline_basis(KNOTS, KNOTS, 7), ValueError, "with m of at least 9"),
    (lambda: bspline_basis(KNOTS, KNOTS[0], 3), ValueError, r"knots has shape \(\)"),
    (lambda: bspline_basis(KNOTS, KNOTS.expand(2, 8), 3), ValueError, r"\(\.\.\., 2\)"),
]


@pytest.mark.parametrize(("call", "error", "words"), BAD)
def test_bad_input_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()
