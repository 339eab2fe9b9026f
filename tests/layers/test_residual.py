"""Residual towers and parallel layers: formulas, scales, and what modules survive."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from kanlib.layers import ParallelResidual, ResidualTower
from kanlib.testing import layer_laws

KINDS = [ResidualTower, ParallelResidual]
LEARNED = "learned"


def blocks_of(count=3, size=4, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    blocks = [nn.Sequential(nn.Linear(size, size), nn.Tanh()) for _ in range(count)]
    for parameter in nn.ModuleList(blocks).parameters():
        nn.init.normal_(parameter, std=size**-0.5, generator=generator)
    return [block.to(dtype) for block in blocks]


def points(*shape, seed=1, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype)


def scale_for(kind, count=3):
    if kind == LEARNED:
        return nn.Parameter(torch.linspace(0.1, 0.7, count))
    return {"number": 0.3, "numbers": tuple(0.1 * (i + 1) for i in range(count))}[kind]


@given(
    count=st.integers(1, 5),
    values=st.lists(st.floats(-2, 2), min_size=5, max_size=5),
    drop=st.none() | st.integers(0, 4),
    lead=st.sampled_from([(), (3,), (2, 3), (0,)]),
)
@settings(max_examples=25, deadline=None)
def test_both_compute_their_formula(count, values, drop, lead):
    blocks, scale = blocks_of(count, dtype=torch.float64), values[:count]
    x = points(*lead, 4, dtype=torch.float64)
    drop = None if drop is None else drop % count
    z, y = x, x
    for i, (block, factor) in enumerate(zip(blocks, scale, strict=True)):
        if i != drop:
            z, y = z + factor * block(z), y + factor * block(x)
    torch.testing.assert_close(ResidualTower(blocks, scale)(x, drop=drop), z)
    torch.testing.assert_close(ParallelResidual(blocks, scale)(x, drop), y)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "scale",
    [
        0.5,
        [0.5] * 3,
        torch.full((3,), 0.5),
        torch.tensor(0.5),
        nn.Parameter(torch.tensor(0.5)),
        nn.Parameter(torch.full((3,), 0.5)),
    ],
)
def test_a_scale_of_any_kind_means_the_same(kind, scale):
    blocks, x = blocks_of(), points(5, 4)
    expected = kind(blocks, 0.5)(x)
    torch.testing.assert_close(kind(blocks, scale)(x), expected, rtol=0, atol=1e-6)


def test_one_block_makes_the_same_function():
    tower, x = ResidualTower(blocks_of(1), 0.7), points(5, 4)
    assert torch.equal(tower(x), tower.parallel()(x))


@pytest.mark.parametrize("scale", ["number", "numbers", LEARNED])
def test_parallel_shares_blocks_and_scale(scale):
    tower = ResidualTower(blocks_of(), scale_for(scale))
    parallel = tower.parallel()
    assert parallel.scale is tower.scale or parallel.scale == tower.scale
    mine, theirs = dict(tower.named_parameters()), dict(parallel.named_parameters())
    assert mine.keys() == theirs.keys()
    assert all(mine[name] is theirs[name] for name in mine)
    x = points(2, 4)
    before = parallel(x)
    with torch.no_grad():
        tower.blocks[0][0].bias.add_(1)
    assert not torch.allclose(parallel(x), before)


def test_a_block_given_twice_shares_its_weights():
    (block,) = blocks_of(1)
    tower, x = ResidualTower([block] * 3, 0.2), points(2, 4)
    assert sum(p.numel() for p in tower.parameters()) == 20
    assert tower.blocks[2] is block
    tower(x).sum().backward()
    assert block[0].weight.grad is not None


def test_skip_init_is_the_identity_and_learns_its_scale():
    tower, x = ResidualTower(blocks_of(), nn.Parameter(torch.zeros(3))), points(2, 4)
    assert torch.equal(tower(x), x)
    tower(x).sum().backward()
    assert (tower.scale.grad != 0).all()
    for block in tower.blocks:  # they get their turn once the scale has moved
        assert (block[0].weight.grad == 0).all()


def test_dropping_the_only_block_leaves_the_identity():
    x = points(2, 4)
    assert torch.equal(ResidualTower(blocks_of(1))(x, drop=0), x)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", ["number", "numbers", LEARNED])
def test_layer_laws_hold(kind, scale):
    layer_laws(kind(blocks_of(), scale_for(scale)), points(5, 4))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", ["number", LEARNED])
def test_it_survives_what_modules_must_survive(kind, scale, tmp_path):
    layer, x = kind(blocks_of(), scale_for(scale)), points(2, 5, 4)
    expected = layer(x)
    assert torch.equal(copy.deepcopy(layer)(x), expected)
    assert ("scale" in layer.state_dict()) == (scale == LEARNED)
    save_file(layer.state_dict(), tmp_path / "layer.safetensors")
    start = nn.Parameter(torch.zeros(3)) if scale == LEARNED else 0.3
    other = kind(blocks_of(seed=9), start)
    other.load_state_dict(load_file(tmp_path / "layer.safetensors"))
    assert torch.equal(other(x), expected)
    double = copy.deepcopy(layer).double()(x.double())
    torch.testing.assert_close(double.float(), expected)
    strided = x.mT.contiguous().mT
    assert not strided.is_contiguous()
    torch.testing.assert_close(layer(strided), expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(layer(x), expected, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("scale", ["number", LEARNED])
def test_torch_export_compiles_it_for_any_batch(scale):
    layer = ResidualTower(blocks_of(), scale_for(scale))
    batch = {0: torch.export.Dim("batch", min=2)}
    program = torch.export.export(layer, (points(3, 4),), dynamic_shapes={"x": batch})
    x = points(7, 4, seed=5)
    torch.testing.assert_close(program.module()(x), layer(x))


def test_functional_transforms_see_the_learned_scale():
    tower, x = ResidualTower(blocks_of(), scale_for(LEARNED)), points(5, 4)
    weights = dict(tower.named_parameters())

    def loss(weights, row):
        return torch.func.functional_call(tower, weights, (row,)).square().sum()

    each = torch.func.vmap(torch.func.grad(loss), (None, 0))(weights, x)
    tower(x).square().sum().backward()
    for name, parameter in weights.items():
        torch.testing.assert_close(each[name].sum(0), parameter.grad)


def test_blocks_may_be_convolutions():
    blocks = [nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 1)]
    tower, x = ResidualTower(blocks, 0.5), points(2, 3, 6, 5)
    half = x + 0.5 * blocks[0](x)
    torch.testing.assert_close(tower(x), half + 0.5 * blocks[1](half))
    assert tower(x[0]).shape == (3, 6, 5)


def test_nan_stays_nan_in_its_row():
    x = points(3, 4)
    x[1, 2] = torch.nan
    y = ResidualTower(blocks_of())(x)
    assert y[1].isnan().any()
    assert y[[0, 2]].isfinite().all()


def test_it_says_what_it_is():
    tower = ResidualTower(blocks_of(), 1 / 3)
    assert "z <- z + 0.3333 f_i(z), 3 blocks, 60 parameters" in repr(tower)
    assert "x + sum of 0.3333 f_i(x), 3 blocks" in repr(tower.parallel())
    assert "(0.1, 0.2, 0.3, ...)_i" in repr(
        ResidualTower(blocks_of(4), [0.1, 0.2, 0.3, 0.4])
    )
    learned = ResidualTower(blocks_of(1), nn.Parameter(torch.zeros(1)))
    assert "(learned scale)_i f_i(z), 1 block, 21 parameters" in repr(learned)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("blocks", "scale", "error", "says"),
    [
        ([], 1.0, ValueError, "blocks is empty"),
        (nn.ReLU(), 1.0, TypeError, "blocks is a ReLU"),
        ([nn.ReLU(), torch.relu], 1.0, TypeError, r"blocks\[1\] is a builtin"),
        ([nn.ReLU()] * 2, [1.0] * 3, ValueError, "scale has 3 entries; expected 2"),
        ([nn.ReLU()] * 2, (), ValueError, "scale has 0 entries; expected 2"),
        ([nn.ReLU()] * 2, nn.Parameter(torch.ones(3)), ValueError, r"shape \(3,\)"),
        ([nn.ReLU()] * 2, nn.Parameter(torch.ones(2, 1)), ValueError, "scale has sha"),
        ([nn.ReLU()], torch.ones(1, requires_grad=True), TypeError, "requires a gra"),
        ([nn.ReLU()], "half", TypeError, "scale is"),
        ([nn.ReLU()], None, TypeError, "scale is a NoneType"),
        ([nn.ReLU()], float("nan"), ValueError, "scale must be finite"),
        ([nn.ReLU()], [float("inf")], ValueError, "scale must be .* finite"),
    ],
)
def test_bad_arguments_are_errors_that_name_them(kind, blocks, scale, error, says):
    with pytest.raises(error, match=says) as raised:
        kind(blocks, scale)
    assert str(raised.value).startswith(f"{kind.__name__}: ")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("x", "drop", "error", "says"),
    [
        (torch.ones(2, 4).long(), None, TypeError, "x has dtype int64"),
        ([1.0], None, TypeError, "x is a list"),
        (torch.ones(2, 4), 3, ValueError, "drop is 3; expected 0 to 2 or None"),
        (torch.ones(2, 4), -1, ValueError, "drop must be at least 0"),
        (torch.ones(2, 4), 0.5, TypeError, "drop is a float"),
    ],
)
def test_bad_input_is_an_error_that_names_it(kind, x, drop, error, says):
    with pytest.raises(error, match=says):
        kind(blocks_of())(x, drop)


@pytest.mark.parametrize("kind", KINDS)
def test_a_block_that_changes_the_shape_is_an_error_with_its_number(kind):
    blocks = [nn.ReLU(), nn.ReLU(), nn.Linear(4, 1)]  # (2, 1) would broadcast
    says = r"blocks\[2\]\(x\) has shape \(2, 1\); expected \(2, 4\)"
    with pytest.raises(ValueError, match=says):
        kind(blocks)(torch.ones(2, 4))
