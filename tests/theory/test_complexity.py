"""Geometric complexity against Jacobians that are known or formed one by one."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from kanlib.bases import BSpline
from kanlib.layers import KAN, ResidualTower
from kanlib.theory import complexity, geometric_complexity


def points(*shape, seed=1, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype)


@given(
    outputs=st.integers(1, 4),
    lead=st.sampled_from([(1,), (5,), (2, 3), ()]),
    seed=st.integers(0, 99),
)
@settings(max_examples=20, deadline=None)
def test_it_is_the_mean_of_squared_jacobians(outputs, lead, seed):
    weight, x = points(outputs, 3, seed=seed), points(*lead, 3, seed=seed + 1)

    def f(z):
        return (z @ weight.mT).sin()

    slopes = (x @ weight.mT).cos().square() * weight.square().sum(1)
    expected = float(slopes.sum(-1).mean())
    assert math.isclose(geometric_complexity(f, x), expected, rel_tol=1e-12)


@pytest.mark.parametrize("outputs", [3, 8, 9])
def test_chunks_do_not_matter(outputs, monkeypatch):
    monkeypatch.setattr(complexity, "ROWS", 8)  # chunks of 2 rows, or of 1
    weight, x = points(outputs, 2), points(11, 2)
    found = geometric_complexity(lambda z: (z @ weight.mT).sin(), x)
    monkeypatch.undo()
    whole = geometric_complexity(lambda z: (z @ weight.mT).sin(), x)
    assert math.isclose(found, whole, rel_tol=1e-12)


def test_networks_of_every_kind():
    x = points(6, 16)
    image = nn.Sequential(
        nn.Unflatten(1, (1, 4, 4)), nn.Conv2d(1, 2, 3), nn.SiLU(), nn.Flatten()
    ).double()
    generator = torch.Generator().manual_seed(0)
    kan = KAN([16, 3], BSpline.uniform(4), generator=generator).double()
    tower = ResidualTower([nn.Tanh(), nn.GELU()], 0.5)
    norm = nn.Sequential(nn.BatchNorm1d(16), nn.Tanh()).double().eval()
    for f in (image, kan, tower, norm):
        each = [torch.autograd.functional.jacobian(f, row[None]) for row in x]
        expected = sum(float(j.square().sum()) for j in each) / len(x)
        assert math.isclose(geometric_complexity(f, x), expected, rel_tol=1e-9)
        assert all(p.grad is None for p in f.parameters())


def test_it_grows_with_the_scale_as_the_levels_do():
    generator = torch.Generator().manual_seed(0)
    blocks = [nn.Linear(64, 64, bias=False) for _ in range(8)]
    for block in blocks:
        nn.init.normal_(block.weight, std=1 / 8, generator=generator)
    x = points(1, 64, dtype=torch.float32)
    for scale in (0.1, 0.5, 1.0):
        found = geometric_complexity(ResidualTower(blocks, scale), x) / 64
        assert math.isclose(found, (1 + scale**2) ** 8, rel_tol=0.15)


def test_single_precision_strides_and_squares_too_large_for_it():
    x = points(4, 6, dtype=torch.float32)
    strided = x.mT.contiguous().mT
    found = geometric_complexity(torch.tanh, strided)
    assert math.isclose(
        found, geometric_complexity(torch.tanh, x.double()), rel_tol=1e-5
    )
    assert math.isclose(geometric_complexity(lambda z: z * 1e30, x), 6e60, rel_tol=1e-5)


def test_nan_stays_nan():
    x = points(3, 2)
    x[1, 0] = torch.nan
    assert math.isnan(geometric_complexity(torch.tanh, x))


def test_no_outputs_have_no_complexity():
    assert geometric_complexity(lambda z: z[..., :0], points(3, 2)) == 0


@pytest.mark.parametrize(
    ("f", "x", "error", "says"),
    [
        (None, torch.ones(2, 3), TypeError, "f is a NoneType"),
        (torch.sin, [1.0], TypeError, "x is a list"),
        (torch.sin, torch.ones(2, 3).long(), TypeError, "x has dtype int64"),
        (torch.sin, torch.ones(0, 3), ValueError, "expected at least one row"),
        (torch.sin, torch.tensor(1.0), ValueError, r"x has shape \(\); expected"),
        (torch.sum, torch.ones(2, 3), ValueError, r"f\(x\) has shape \(\); expected"),
        (lambda z: z.mean(-1), torch.ones(2, 3), ValueError, r"has shape \(1,\)"),
        (lambda z: 1.0, torch.ones(2, 3), TypeError, r"f\(x\) is a float"),
    ],
)
def test_bad_arguments_are_errors_that_name_them(f, x, error, says):
    with pytest.raises(error, match=says):
        geometric_complexity(f, x)
