"""The expansion of a residual tower against sums, derivatives and exact products."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import jacfwd, jvp

from kanlib.bases import BSpline
from kanlib.layers import KANLayer, ResidualTower, TinyViT
from kanlib.theory import level_vectors, residual_series

DEPTH, SIZE = 6, 8


def blocks_of(activation=nn.Tanh, count=DEPTH, size=SIZE, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    blocks = []
    for _ in range(count):
        maps = [nn.Linear(size, size) for _ in range(2)]
        for layer in maps:
            nn.init.normal_(layer.weight, std=size**-0.5, generator=generator)
            nn.init.normal_(layer.bias, std=0.3, generator=generator)
        blocks.append(nn.Sequential(maps[0], activation(), maps[1]).to(dtype))
    return blocks


def points(*shape, seed=1, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype)


def close(found, expected, atol=1e-12):
    torch.testing.assert_close(found, expected, rtol=0, atol=atol)


def test_second_order_is_the_sum_over_pairs():
    blocks, x = blocks_of(), points(SIZE)
    c = residual_series(blocks, x, order=2)
    close(c[0], x)
    close(c[1], sum(f(x) for f in blocks).detach())
    pairs = [
        jvp(later, (x,), (earlier(x),))[1]
        for earlier, later in itertools.combinations(blocks, 2)
    ]
    assert len(pairs) == math.comb(DEPTH, 2)
    close(c[2], sum(pairs).detach())


def test_third_order_is_the_sum_with_curvature():
    blocks, x = blocks_of(), points(SIZE)
    values = [f(x).detach() for f in blocks]
    slopes = [jacfwd(f)(x).detach() for f in blocks]
    curves = [jacfwd(jacfwd(f))(x).detach() for f in blocks]
    total = torch.zeros(SIZE, dtype=x.dtype)
    for k in range(DEPTH):
        s = sum(values[:k], torch.zeros_like(x))
        pairs = itertools.combinations(range(k), 2)
        t = sum((slopes[j] @ values[i] for i, j in pairs), torch.zeros_like(x))
        total += slopes[k] @ t + torch.einsum("oij,i,j->o", curves[k], s, s) / 2
    close(residual_series(blocks, x)[3], total)


def test_orders_are_derivatives_of_the_tower_in_its_scale():
    blocks, x = blocks_of(), points(3, SIZE)
    zero, one = torch.tensor(0.0).double(), torch.tensor(1.0).double()

    def tower(scale):
        z = x
        for f in blocks:
            z = z + scale * f(z)
        return z

    derivative = tower
    for order, found in enumerate(residual_series(blocks, x)):
        expected = derivative(zero).detach() / math.factorial(order)
        close(found, expected, 1e-11)

        def derivative(scale, last=derivative):
            return jvp(last, (scale,), (one,))[1]


def test_what_is_left_out_has_the_next_order():
    blocks, x = blocks_of(), points(SIZE)
    c, scales = residual_series(blocks, x), [0.02, 0.01]
    for order in range(4):
        gaps = []
        for scale in scales:
            with torch.no_grad():
                full = ResidualTower(blocks, scale)(x)
            cut = sum(c[k] * scale**k for k in range(order + 1))
            gaps.append(float((full - cut).norm()))
        slope = math.log2(gaps[0] / gaps[1])
        assert abs(slope - (order + 1)) < 0.15


@given(count=st.integers(0, 7), seed=st.integers(0, 999), lead=st.sampled_from([(), 2]))
@settings(max_examples=20, deadline=None)
def test_linear_blocks_have_the_levels_of_products(count, seed, lead):
    matrices = points(count, 4, 4, seed=seed)
    x = points(4, seed=seed + 1) if lead == () else points(lead, 4, seed=seed + 1)
    found = residual_series([lambda z, a=a: z @ a.mT for a in matrices], x)
    levels = level_vectors(matrices, x)
    assert levels.shape == (count + 1, *x.shape)
    for k in range(4):
        expected = torch.zeros_like(x)
        for chosen in itertools.combinations(matrices, k):
            through = x
            for matrix in chosen:  # the first block acts first
                through = through @ matrix.mT
            expected = expected + through
        torch.testing.assert_close(found[k], expected, rtol=1e-10, atol=1e-10)
        if k <= count:
            torch.testing.assert_close(levels[k], expected, rtol=1e-10, atol=1e-10)


def test_levels_add_up_to_the_product():
    matrices, vector = points(9, 5, 5), points(5)
    levels, expected = level_vectors(matrices, vector), vector
    for matrix in matrices:
        expected = expected + 0.3 * matrix @ expected
    powers = 0.3 ** torch.arange(10, dtype=torch.float64)
    torch.testing.assert_close(powers @ levels, expected, rtol=1e-12, atol=1e-10)


def test_levels_of_many_towers_and_their_gradient():
    matrices, vectors = points(3, 4, 5, 5), points(3, 5)
    found = torch.vmap(level_vectors)(matrices, vectors)
    for one, matrix, vector in zip(found, matrices, vectors, strict=True):
        close(one, level_vectors(list(matrix), vector))
    assert level_vectors(matrices[0], vectors[:0]).shape == (5, 0, 5)
    close(
        level_vectors(matrices[0], vectors)[:, 1],
        level_vectors(matrices[0], vectors[1]),
    )
    leaf = matrices[0].clone().requires_grad_()
    assert torch.autograd.gradcheck(level_vectors, (leaf, vectors[0]))


@pytest.mark.parametrize("order", range(4))
def test_each_order_extends_the_one_before(order):
    blocks, x = blocks_of(count=3), points(2, SIZE)
    longest, found = residual_series(blocks, x), residual_series(blocks, x, order)
    assert len(found) == order + 1
    for c, expected in zip(found, longest, strict=False):
        close(c, expected)
        assert not c.requires_grad


@pytest.mark.parametrize("lead", [(), (3,), (2, 3), (0,)])
def test_rows_are_expanded_alone(lead):
    blocks, x = blocks_of(count=3), points(*lead, SIZE)
    found = residual_series(blocks, x)
    assert all(c.shape == x.shape and c.dtype == x.dtype for c in found)
    strided = residual_series(blocks, x.mT.contiguous().mT if lead else x)
    rows = [residual_series(blocks, row) for row in x.reshape(-1, SIZE)]
    for k in range(4):
        close(strided[k], found[k])
        for i, row in enumerate(rows):
            close(found[k].reshape(-1, SIZE)[i], row[k])


ACTIVATIONS = [nn.SiLU, nn.Mish, nn.GELU, nn.Softplus, nn.ELU, nn.Sigmoid]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("frozen", [False, True])
def test_smooth_activations_have_a_third_order(activation, frozen):
    blocks, x = blocks_of(activation, count=3), points(SIZE)
    for parameter in nn.ModuleList(blocks).parameters():
        parameter.requires_grad_(not frozen)
    with torch.no_grad():
        c, scale = residual_series(blocks, x), 1e-2
        full = ResidualTower(blocks, scale)(x)
    cut = sum(c[k] * scale**k for k in range(4))
    third = float(c[3].norm()) * scale**3
    assert float((full - cut).norm()) < 0.1 * third


def test_relu_away_from_its_kink_has_straight_pieces():
    blocks, x = blocks_of(nn.ReLU, count=3), points(SIZE)
    c, scale = residual_series(blocks, x), 1e-5
    exact = level_vectors([jacfwd(f)(x).detach() for f in blocks], x)
    assert float((c[2] - exact[2]).norm()) > 0.1  # affine blocks, not linear ones
    full = ResidualTower(blocks, scale)(x).detach()
    # Piecewise affine: the third order is the last of three blocks.
    close(full, sum(c[k] * scale**k for k in range(4)), 1e-14)


def test_convolutions_kan_layers_and_functions_can_be_blocks():
    blocks = [
        nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.Tanh()).double(),
        lambda z: z.sin() * 0.3,
        nn.GroupNorm(3, 3).double(),
    ]
    found = residual_series(blocks, points(2, 3, 4, 4))
    assert [c.shape for c in found] == [(2, 3, 4, 4)] * 4
    generator = torch.Generator().manual_seed(0)
    layer = KANLayer(4, 4, BSpline.uniform(5), generator=generator).double()
    x, scale = points(4) / 4, 1e-3
    c = residual_series([layer] * 2, x)
    full = ResidualTower([layer] * 2, scale)(x).detach()
    close(full, sum(c[k] * scale**k for k in range(4)), 1e-11)


def test_attention_can_be_a_block():
    generator = torch.Generator().manual_seed(0)
    model = TinyViT(8, 4, width=6, depth=1, heads=2, generator=generator).double()
    blocks, x, scale = [model.blocks[0].attention] * 3, points(4, 6), 1e-2
    c = residual_series(blocks, x)
    full = ResidualTower(blocks, scale)(x).detach()
    close(full, sum(c[k] * scale**k for k in range(4)), 1e-8)
    assert float(c[3].norm()) * scale**3 > 1e-8


def test_float32_and_nan():
    blocks, x = blocks_of(), points(2, SIZE)
    found = residual_series([b.float() for b in blocks], x.float())
    expected = residual_series([b.double() for b in blocks], x)
    for single, double in zip(found, expected, strict=True):
        assert single.dtype == torch.float32
        torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-4)
    x[0, 0] = torch.nan
    for c in residual_series(blocks, x):
        assert c[0].isnan().any()
        assert c[1].isfinite().all()


def test_the_input_is_left_alone():
    x = points(SIZE).requires_grad_()
    kept, c = x.detach().clone(), residual_series(blocks_of(), x, order=0)
    c[0].add_(1)
    assert torch.equal(x.detach(), kept)


@pytest.mark.parametrize(
    ("blocks", "x", "order", "error", "says"),
    [
        ([], torch.ones(2), 4, ValueError, "order is 4; expected 0 to 3, because"),
        ([], torch.ones(2), -1, ValueError, "order must be at least 0"),
        ([], torch.ones(2), 1.5, TypeError, "order is a float"),
        ([], torch.ones(2).long(), 3, TypeError, "x has dtype int64"),
        ([], 1.0, 3, TypeError, "x is a float"),
        (torch.sin, torch.ones(2), 3, TypeError, "blocks is a builtin"),
        (ResidualTower([nn.Tanh()]), torch.ones(2), 3, TypeError, "it is tower.blocks"),
        ([torch.sin, 2], torch.ones(2), 3, TypeError, r"blocks\[1\] is a int"),
        ([lambda z: 1.0], torch.ones(2), 3, TypeError, r"blocks\[0\]\(x\) is a float"),
    ],
)
def test_bad_arguments_of_the_series_are_errors(blocks, x, order, error, says):
    with pytest.raises(error, match=says):
        residual_series(blocks, x, order)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_block_that_changes_the_shape_is_an_error(order):
    says = r"blocks\[1\]\(x\) has shape \(2, 1\); expected \(2, 3\)"
    with pytest.raises(ValueError, match=says):
        residual_series([torch.sin, lambda z: z[:, :1]], torch.ones(2, 3), order)


@pytest.mark.parametrize(
    ("matrices", "vector", "error", "says"),
    [
        ([torch.eye(3)], torch.tensor(1.0), ValueError, r"vector has shape \(\)"),
        ([torch.eye(3)], torch.ones(3).long(), TypeError, "vector has dtype"),
        ([torch.eye(3)], [1.0, 2.0, 3.0], TypeError, "vector is a list"),
        ([torch.eye(3), torch.ones(3, 2)], torch.ones(3), ValueError, r"ces\[1\] has"),
        (torch.eye(3), torch.ones(3), ValueError, r"expected \(3, 3\), because vec"),
        ([torch.eye(3).double()], torch.ones(3), TypeError, r"matrices\[0\] has dtype"),
        ([[1.0]], torch.ones(1), TypeError, r"matrices\[0\] is a list"),
    ],
)
def test_bad_arguments_of_the_levels_are_errors(matrices, vector, error, says):
    with pytest.raises(error, match=says):
        level_vectors(matrices, vector)
