"""Energies of levels and the gap to a parallel layer, against exact arithmetic."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from kanlib.layers import ResidualTower
from kanlib.theory import level_vectors, parallel_gap_bound, path_energy


@given(depth=st.integers(0, 60), scale=st.floats(0, 4), aligned=st.booleans())
@settings(max_examples=25, deadline=None)
def test_energies_are_binomial(depth, scale, aligned):
    weight = Fraction(scale) if aligned else Fraction(scale) ** 2
    expected = [float(math.comb(depth, k) * weight**k) for k in range(depth + 1)]
    found = path_energy(depth, scale, aligned=aligned)
    assert found.dtype == torch.float64
    exact = torch.tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(found, exact, rtol=1e-12, atol=1e-300)


def test_energies_of_deep_towers_do_not_overflow():
    depth = 10_000
    found = path_energy(depth, depth**-0.5)
    total = float(found.sum())
    assert abs(total / (1 + 1 / depth) ** depth - 1) < 1e-11
    length = float(found @ torch.arange(depth + 1).double()) / total
    assert abs(length - depth * (1 / depth) / (1 + 1 / depth)) < 1e-10
    factorials = [1 / math.factorial(k) for k in range(6)]
    near = path_energy(depth, 1 / depth, aligned=True)[:6]
    torch.testing.assert_close(near.tolist(), factorials, rtol=2e-3, atol=0)
    # 2^2000 is no float, but both ends of the binomial are.
    assert path_energy(2000, 1.0)[[0, 1000, 2000]].tolist() == [1, math.inf, 1]


def test_energies_without_blocks_or_scale_are_those_of_the_identity():
    assert path_energy(0, 0.7).tolist() == [1.0]
    assert path_energy(3, 0.0).tolist() == [1.0, 0.0, 0.0, 0.0]
    assert path_energy(3, 0, aligned=True).tolist() == [1.0, 0.0, 0.0, 0.0]


def test_energies_are_those_of_independent_and_of_aligned_blocks():
    generator = torch.Generator().manual_seed(0)
    depth, size, draws = 6, 48, 300
    shape = (draws, depth, size, size)
    matrices = torch.randn(shape, generator=generator) / size**0.5
    vectors = torch.randn(draws, size, generator=generator)
    levels = torch.vmap(level_vectors)(matrices, vectors).square().sum(-1)
    share = levels / vectors.square().sum(-1, keepdim=True)
    expected = path_energy(depth, 1.0).float()
    torch.testing.assert_close(share.mean(0), expected, rtol=0.1, atol=0)
    same = torch.eye(size).expand(depth, size, size)
    norms = level_vectors(same, vectors[0]).norm(dim=-1) / vectors[0].norm()
    torch.testing.assert_close(norms, path_energy(depth, 1.0, aligned=True).float())


@given(lipschitz=st.floats(0, 3), depth=st.integers(0, 200))
@settings(max_examples=25, deadline=None)
def test_the_bound_is_exact(lipschitz, depth):
    l = Fraction(lipschitz)
    expected = (1 + l) ** depth - 1 - depth * l
    found = parallel_gap_bound(lipschitz, depth)
    assert math.isclose(found, float(expected), rel_tol=1e-12, abs_tol=1e-300)


@pytest.mark.parametrize("depth", [2, 50, 10_000])
@pytest.mark.parametrize("lipschitz", [1e-15, 1e-12, 1e-8, 1e-4])
def test_the_bound_does_not_cancel(lipschitz, depth):
    l = Fraction(lipschitz)
    # Terms beyond k = 40 are below 1e-47 of the first for H·l ≤ 1.
    terms = (math.comb(depth, k) * l**k for k in range(2, min(depth, 40) + 1))
    assert math.isclose(
        parallel_gap_bound(lipschitz, depth), float(sum(terms)), rel_tol=1e-12
    )


def test_the_bound_at_its_ends():
    assert parallel_gap_bound(0.7, 0) == parallel_gap_bound(0.7, 1) == 0
    assert parallel_gap_bound(0, 9) == 0
    assert parallel_gap_bound(1, 2000) == parallel_gap_bound(1e200, 3) == math.inf
    assert parallel_gap_bound(1, 3) == 4


def test_the_bound_bounds_and_is_reached():
    generator = torch.Generator().manual_seed(0)
    for depth in (2, 5, 8):
        tower = ResidualTower(
            [
                nn.Sequential(nn.Linear(6, 6, bias=False), nn.ReLU())
                for _ in range(depth)
            ]
        ).double()
        for parameter in tower.parameters():
            nn.init.normal_(parameter, std=0.2, generator=generator)
        norms = [torch.linalg.matrix_norm(w.detach(), 2) for w in tower.parameters()]
        x = torch.randn(100, 6, generator=generator, dtype=torch.float64)
        with torch.no_grad():
            gap = (tower(x) - tower.parallel()(x)).norm(dim=1) / x.norm(dim=1)
        assert 0 < float(gap.max()) <= parallel_gap_bound(float(max(norms)), depth)
        straight = ResidualTower([nn.Identity()] * depth, 0.3)
        one = torch.ones(1, dtype=torch.float64)
        worst = float(straight(one) - straight.parallel()(one))
        assert math.isclose(worst, parallel_gap_bound(0.3, depth), rel_tol=1e-9)


@pytest.mark.parametrize(
    "function", [path_energy, lambda n, l: parallel_gap_bound(l, n)]
)
@pytest.mark.parametrize(
    ("depth", "scale", "error"),
    [
        (-1, 0.5, ValueError),
        (2.0, 0.5, TypeError),
        (True, 0.5, TypeError),
        (2, -0.5, ValueError),
        (2, math.nan, ValueError),
        (2, math.inf, ValueError),
        (2, "a", TypeError),
    ],
)
def test_bad_arguments_are_errors_that_name_them(function, depth, scale, error):
    with pytest.raises(
        error, match=r"^(path_energy|parallel_gap_bound): (depth|sc|lip)"
    ):
        function(depth, scale)
