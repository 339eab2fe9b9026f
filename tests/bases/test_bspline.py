"""BSpline as a value: construction, refinement, abscissae, bad knots."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kanlib.bases import BSpline, change_of_basis
from kanlib.ops.bspline import bspline_basis

UNEVEN = BSpline((0, 0, 0, 0, 0.3, 0.3, 0.5, 1, 1, 1, 1), degree=3)
ROWS = BSpline([(0, 0, 1, 3, 4), (-1, 0, 0.5, 1, 2)], degree=1)


def inside(basis, count=200):
    low, high = basis.domain
    return torch.linspace(low, high, count, dtype=torch.float64)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    st.integers(1, 40),
    st.integers(0, 5),
    st.floats(-1e3, 1e3),
    st.floats(1e-3, 1e3),
)
def test_uniform_hits_its_domain_and_nests_to_the_last_bit(intervals, degree, a, width):
    basis = BSpline.uniform(intervals, degree, (a, a + width))
    assert basis.domain == (a, a + width)
    assert basis.size == intervals + degree
    assert basis.intervals == intervals
    fine = basis.refined(3)
    assert fine.intervals == 3 * intervals
    inner = basis.knots[degree : basis.size + 1]
    assert inner == fine.knots[degree : fine.size + 1 : 3]
    assert eval(repr(basis)) == basis


def test_numbers_are_normalized_so_that_equal_splines_are_equal():
    knots = [0, 0, 1, 3, 3]
    same = [
        tuple(knots),
        torch.tensor(knots),
        np.array(knots),
        tuple(map(float, knots)),
    ]
    assert len({BSpline(each, 1) for each in [knots, *same]}) == 1
    assert BSpline(range(6), 1) != BSpline(range(6), 2)
    assert len(BSpline(torch.rand(3, 8).sort(-1).values, 2).knots) == 3


@pytest.mark.parametrize("basis", [BSpline.uniform(4), UNEVEN, ROWS], ids=str)
def test_copies_pickles_and_prints(basis):
    basis(inside(basis, 2))
    for other in (copy.deepcopy(basis), pickle.loads(pickle.dumps(basis))):
        assert other == basis
        assert hash(other) == hash(basis)
    assert eval(repr(basis)) == basis
    assert len(str(basis)) < 80


def test_smoothness_is_degree_less_the_most_repeated_inner_knot():
    assert BSpline.uniform(5).smoothness == 2
    assert BSpline.uniform(5, degree=0).smoothness == -1
    assert UNEVEN.smoothness == 1
    assert BSpline((0, 0, 0, 1, 1, 1, 2, 2, 2), 2).smoothness == -1
    assert BSpline.uniform(1).smoothness == math.inf
    assert ROWS.smoothness == 0


@pytest.mark.parametrize("basis", [BSpline.uniform(6), UNEVEN, BSpline.uniform(4, 1)])
def test_greville_abscissae_reproduce_the_line(basis):
    x = inside(basis)
    assert (basis(x) @ basis.greville() - x).abs().max() < 1e-14


def test_greville_of_steps_and_of_rows():
    assert BSpline.uniform(2, 0).greville().tolist() == [-0.5, 0.5]
    assert ROWS.greville().tolist() == [[0, 1, 3], [0, 0.5, 1]]


def test_rows_have_their_own_domains():
    assert ROWS.inputs == 2
    assert ROWS.domains == ((0, 3), (0, 1))
    assert ROWS.domain == (0, 3)
    assert ROWS.row(1) == BSpline((-1, 0, 0.5, 1, 2), 1)
    assert ROWS.row(1).inputs is None
    assert UNEVEN.row(5) is UNEVEN
    assert ROWS.size == ROWS.intervals + 1 == 3
    x = torch.rand(7, 2, dtype=torch.float64)
    for i in range(2):
        assert torch.equal(ROWS(x)[:, i], ROWS.row(i)(x[:, i]))


@pytest.mark.parametrize("factor", [1, 2, 5])
@pytest.mark.parametrize(
    "basis",
    [BSpline.uniform(5), UNEVEN, BSpline((0, 1, 1.5, 4, 4.5, 6), 2)],
    ids=["uniform", "repeated", "uneven"],
)
def test_refined_holds_every_function_of_the_coarse_spline(basis, factor):
    fine = basis.refined(factor)
    matrix = change_of_basis(basis, fine)
    x = inside(basis, 401)
    assert (fine(x) @ matrix - basis(x)).abs().max() < 1e-12
    assert fine.domain == basis.domain
    assert fine.smoothness <= basis.smoothness


def test_refined_cuts_only_intervals_of_the_domain():
    assert BSpline((0, 0, 1, 3, 3), 1).refined().knots == (0, 0, 0.5, 1, 2, 3, 3)
    outer = BSpline((0, 1, 2, 4, 9), 1).refined().knots
    assert outer == (0, 1, 1.5, 2, 3, 4, 9)
    fine = ROWS.refined()
    assert fine.inputs == 2
    assert fine.row(0) == ROWS.row(0).refined()


def test_the_wall_between_domain_and_outside():
    basis = BSpline.uniform(4, 3)
    low, high = basis.domain
    beyond = torch.tensor([low - 0.1, high + 0.1, low - 9, high + 9])
    total = basis(beyond).sum(-1)
    assert ((total[:2] > 0) & (total[:2] < 1)).all()
    assert torch.equal(total[2:], torch.zeros(2))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_its_dtype_and_the_sum(dtype):
    values = BSpline.uniform(5)(torch.linspace(-1, 1, 21, dtype=dtype))
    assert values.dtype == dtype
    assert (values.float().sum(-1) - 1).abs().max() < 4 * torch.finfo(dtype).eps


def test_knots_move_to_the_device_of_x():
    assert BSpline.uniform(5)(torch.empty(3, 2, device="meta")).device.type == "meta"


def test_equals_the_op():
    x, knots = inside(UNEVEN), torch.tensor(UNEVEN.knots, dtype=torch.float64)
    assert torch.equal(UNEVEN(x, derivative=2), bspline_basis(x, knots, 3, 2))


NAN = math.nan
BAD = [
    (lambda: BSpline((0, 1, 2, 3), -1), ValueError, "degree must be at least 0"),
    (lambda: BSpline((0, 1, 2, 3), 1.0), TypeError, "degree is a float"),
    (lambda: BSpline("abc", 1), TypeError, "knots is abc; expected numbers"),
    (lambda: BSpline(3.0, 1), TypeError, "knots is 3.0; expected numbers"),
    (lambda: BSpline((0, (1, 2), 3, 4), 1), TypeError, "expected numbers"),
    (lambda: BSpline((0, 1, NAN, 3), 1), ValueError, "has NaN or infinite entries"),
    (lambda: BSpline((0, 1, 2, math.inf), 1), ValueError, "has NaN or infinite"),
    (lambda: BSpline((), 0), ValueError, "has 0 entries; expected at least 2"),
    (lambda: BSpline((0, 1, 2), 1), ValueError, "has 3 entries; expected at least 4"),
    (lambda: BSpline((0, 2, 1, 3), 1), ValueError, "has 1 after 2 at position 2"),
    (
        lambda: BSpline((0, 1, 1, 1, 2), 1),
        ValueError,
        "has 1 3 times; expected at most 2",
    ),
    (lambda: BSpline((0, 1, 1, 3), 1), ValueError, r"has the empty domain \[1, 1\]"),
    (
        lambda: BSpline([(0, 1, 2, 3), (0, 1, 2)], 1),
        ValueError,
        r"\(row 1\) has 3 entries",
    ),
    (
        lambda: BSpline([(0, 1, 2, 3), (0, 2, 1, 3)], 1),
        ValueError,
        r"\(row 1\) has 1 after",
    ),
    (lambda: BSpline.uniform(0), ValueError, "intervals must be at least 1"),
    (lambda: BSpline.uniform(2.5), TypeError, "intervals is a float"),
    (lambda: BSpline.uniform(2, -1), ValueError, "degree must be at least 0"),
    (lambda: BSpline.uniform(2, 3, (1, 1)), ValueError, "domain must be two finite"),
    (lambda: BSpline.uniform(2, 3, (0, NAN)), ValueError, "domain must be two finite"),
    (lambda: BSpline.uniform(2).refined(0), ValueError, "factor must be at least 1"),
    (
        lambda: ROWS(torch.rand(4, 3)),
        ValueError,
        r"expected \(\.\.\., 2\), because the kn",
    ),
    (lambda: ROWS(torch.tensor(0.5)), ValueError, r"x has shape \(\); expected"),
    (lambda: UNEVEN([0.5]), TypeError, "x is a list; expected a torch.Tensor"),
]


@pytest.mark.parametrize(("call", "error", "words"), BAD)
def test_bad_input_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_device_gets_its_copy_of_the_knots_once():
    basis = BSpline.uniform(5)
    with torch.inference_mode():
        assert basis.tensor("meta").is_inference()
    copy = basis.tensor("meta")
    assert not copy.is_inference()
    assert copy.dtype == torch.float64
    assert basis.tensor("meta") is copy
    assert BSpline.uniform(6).tensor("meta").shape == (13,)
    assert basis.tensor().tolist() == pytest.approx(list(basis.knots))
