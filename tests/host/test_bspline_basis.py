"""kernels/bspline/basis.cu, the unmodified source, against its PyTorch reference."""

from pathlib import Path

import numpy as np
import pytest
import torch

from kanlib.ops import bspline_basis

REPOSITORY = Path(__file__).parents[2]
SOURCE = REPOSITORY / "kernels" / "bspline" / "basis.cu"
SCALARS = {np.float32: "float", np.float64: "double"}
DEGREES = (0, 1, 2, 3, 5, 8)
NAMES = tuple(f"bspline_basis<{s}, {d}>" for s in SCALARS.values() for d in DEGREES)


@pytest.fixture(scope="module")
def basis(kernels):
    return kernels(SOURCE, NAMES)


def evaluate(basis, x, knots, degree, *, grid=3, block=128, order=0):
    """Launch the kernel on guarded NaN; knots (rows, K + degree + 1)."""
    rows, size = knots.shape[0], knots.shape[1] - degree - 1
    out = basis.output(x.size * size, x.dtype)
    sizes = np.int64(x.size), np.int32(rows), np.int32(size)
    name = f"bspline_basis<{SCALARS[x.dtype.type]}, {degree}>"
    values = x.ravel(), knots, out.inside, *sizes
    basis.launch(name, (grid,), (block,), *values, order=order)
    out.check_guards()
    return out.inside.reshape(*x.shape, size)


def uniform(degree, rows=1, intervals=5, dtype=np.float64):
    steps = np.arange(-degree, intervals + degree + 1)
    rates = (np.arange(rows)[:, None] + 2) / intervals
    return (steps * rates - np.arange(1, rows + 1)[:, None]).astype(dtype)


def exact(x, knots, degree):
    """Cox–de Boor as the definition states it, in extended precision."""
    x, t = x.astype(np.longdouble)[:, None], knots.astype(np.longdouble)
    size = len(t) - degree - 1
    # At the right end of the domain the span that ends there counts.
    closed, half_open = (t[:-1] < x) & (x <= t[1:]), (t[:-1] <= x) & (x < t[1:])
    value = np.where(x == t[size], closed, half_open).astype(np.longdouble)
    for d in range(1, degree + 1):
        width = t[d:] - t[:-d]
        share = value / np.where(width > 0, width, 1)  # 0/0 = 0
        value = (x - t[: -d - 1]) * share[:, :-1] + (t[d + 1 :] - x) * share[:, 1:]
    return value


def points(knots, count, dtype, seed=0):
    """Points in and around the knots, every knot and its neighbors among them."""
    rng = np.random.default_rng(seed)
    spread = rng.uniform(knots[0] - 0.3, knots[-1] + 0.3, count).astype(dtype)
    at = knots.astype(dtype)
    special = np.concatenate([at, np.nextafter(at, -np.inf), np.nextafter(at, np.inf)])
    return np.concatenate([spread, special.astype(dtype)])


def knot_rows(degree):
    rng = np.random.default_rng(degree)
    clamped = np.r_[np.zeros(degree + 1), 0.2, 0.7, np.ones(degree + 1)]
    inner = np.repeat(rng.uniform(-1, 1, 4), 2)
    repeated = np.sort(np.r_[inner, [-2, 2] * (degree + 1)])
    # The domain's right end is double and not the last knot.
    doubled = np.repeat(np.arange(-7, 8) / 4, 2)[1 : 30 - degree % 2]
    return {
        "uniform": uniform(degree)[0],
        "random": np.sort(rng.uniform(-1, 1, degree + 9)),
        "clamped": clamped,
        "repeated": repeated,
        "doubled": doubled,
        "one interval": uniform(degree, intervals=1)[0],
    }


@pytest.mark.parametrize("degree", DEGREES)
@pytest.mark.parametrize("dtype", SCALARS)
@pytest.mark.parametrize("kind", knot_rows(0))
def test_error_is_at_most_twice_pytorchs(basis, kind, dtype, degree):
    knots = knot_rows(degree)[kind].astype(dtype)
    x = points(knots, 400, dtype)
    truth = exact(x, knots, degree)
    reference = bspline_basis(torch.from_numpy(x), torch.from_numpy(knots), degree)
    allowed = 2 * abs(reference.numpy() - truth).max()
    got = evaluate(basis, x, knots[None], degree)
    assert abs(got - truth).max() <= allowed


@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 127, 128, 129, 1000])
@pytest.mark.parametrize("grid", [1, 2, 8])
def test_every_size_grid_and_order_gives_the_same_bits(basis, count, grid, order):
    knots = uniform(3, dtype=np.float32)
    x = points(knots[0], 1000, np.float32)[:count]
    alone = evaluate(basis, x, knots, 3, grid=1, block=1)
    assert not np.isnan(alone).any()
    got = evaluate(basis, x, knots, 3, grid=grid, order=order)
    np.testing.assert_array_equal(got, alone)


def test_one_row_of_knots_per_input(basis):
    knots = uniform(3, rows=5)
    x = np.random.default_rng(1).uniform(-6, 6, (77, 5))
    got = evaluate(basis, x, knots, 3)
    expected = bspline_basis(torch.from_numpy(x), torch.from_numpy(knots), 3)
    np.testing.assert_allclose(got, expected.numpy(), rtol=0, atol=1e-15)
    assert abs(got.sum(-1)[abs(x) < 1] - 1).max() < 1e-14


@pytest.mark.parametrize("degree", DEGREES)
def test_the_domain_is_closed_at_both_ends(basis, degree):
    for knots in knot_rows(degree).values():
        x = knots[[degree, -degree - 1]]
        got = evaluate(basis, x, knots[None], degree)
        np.testing.assert_allclose(got.sum(-1), 1, rtol=0, atol=1e-14)


def test_nan_stays_nan_and_infinity_is_outside(basis):
    x = np.array([np.nan, np.inf, -np.inf, 0.0])
    got = evaluate(basis, x, uniform(3), 3)
    assert np.isnan(got[0]).all()
    assert (got[1:3] == 0).all()
    assert got[3].sum() == pytest.approx(1)


def accept(basis):
    """Raise AssertionError unless the cubic kernel does a small ragged job right."""
    knots = uniform(3, rows=3, dtype=np.float32)
    knots[2] = np.clip(knots[2], knots[2, 3], knots[2, -4])  # ends repeated four times
    x = np.linspace(-7, 9, 3 * 43, dtype=np.float32).reshape(43, 3)
    x[0] = knots[:, 0] + 0.1  # seen by the first function only
    x[5], x[6], x[7] = knots[:, 3], knots[:, -4], np.nan
    expected = bspline_basis(torch.from_numpy(x), torch.from_numpy(knots), 3)
    got = evaluate(basis, x, knots, 3, grid=2, block=32)
    assert np.isnan(got).sum() == expected.isnan().sum(), "entries left unwritten"
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)


MUTANTS = {
    "leaves an entry unwritten": ("first + r < K)", "first + r < K - 1)", "unwritten"),
    "leaves zeros unwritten": ("k < first; ++k)", "k < first - 1; ++k)", "unwritten"),
    "writes a point too many": ("n < count;", "n <= count;", "outside"),
    "writes before the start": ("first + r >= 0 && ", "", "outside"),
    "forgets the block index": ("blockIdx.x * blockDim.x + t", "t", "unwritten"),
    "loses the point on a knot": ("t[middle] <= x", "t[middle] < x", "Mismatch"),
    "opens the right end": ("point == t[K]", "false", "Mismatch"),
    "shares one row of knots": ("n % rows", "rows % rows", "Mismatch"),
    "divides by the wrong span": ("t[right] - t[left]", "t[right] - t[j]", "Mismatch"),
    "hides NaN": ("if (point != point)", "if (false)", "unwritten"),
}


def test_the_source_is_accepted(basis):
    accept(basis)


@pytest.mark.parametrize("slip", MUTANTS)
def test_a_slip_in_the_source_is_noticed(emulate, tmp_path, slip):
    right, wrong, words = MUTANTS[slip]
    source = SOURCE.read_text()
    assert source.count(right) == 1, f"{right!r} is no longer in the source once"
    mutant = tmp_path / "mutant.cu"
    mutant.write_text(source.replace(right, wrong))
    with pytest.raises(AssertionError, match=words):
        accept(emulate(mutant, ("bspline_basis<float, 3>",)))
