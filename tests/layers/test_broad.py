"""Parallel blocks as one wide map: the same function, gradients and parameters."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from kanlib.layers import GroupRational, ParallelResidual, ResidualTower, broad
from kanlib.testing import layer_laws


def linear(size=6, activation=nn.Tanh, **options):
    return nn.Sequential(nn.Linear(size, size, **options), activation())


def conv(size=6, activation=nn.ReLU, **options):
    options = {"padding": 1, "kernel_size": 3} | options
    return nn.Sequential(nn.Conv2d(size, size, **options), activation())


def parallel_of(make, count=4, scale=0.3, seed=0, dtype=torch.float64, **options):
    generator = torch.Generator().manual_seed(seed)
    layer = ParallelResidual([make(**options) for _ in range(count)], scale).to(dtype)
    for parameter in layer.blocks.parameters():
        nn.init.normal_(parameter, std=0.4, generator=generator)
    return layer


def points(*shape, seed=1, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype)


def by_block(layer, name, groups):
    """Take the wide gradient apart again: (g·H·C/g, ...) -> H of (C, ...)."""
    gradient = getattr(layer.map, name).grad
    return gradient.unflatten(0, (groups, layer.copies, -1)).movedim(1, 0).flatten(1, 2)


CASES = [
    (linear, {}, (5, 6), 1),
    (linear, {"bias": False}, (2, 5, 6), 1),
    (linear, {"activation": nn.GELU}, (6,), 1),
    (conv, {}, (2, 6, 5, 4), 1),
    (conv, {"groups": 2}, (2, 6, 5, 4), 2),
    (conv, {"groups": 6, "bias": False}, (2, 6, 5, 4), 6),
    (conv, {"padding_mode": "circular", "activation": nn.SiLU}, (2, 6, 5, 4), 1),
    (conv, {"kernel_size": 5, "padding": "same", "dilation": 2}, (6, 9, 9), 1),
]


@pytest.mark.parametrize("scale", [0.3, (0.1, -0.2, 0.3, 0.4), "learned"])
@pytest.mark.parametrize(("make", "options", "shape", "groups"), CASES)
def test_it_is_the_same_function(make, options, shape, groups, scale):
    if scale == "learned":
        scale = nn.Parameter(points(4, seed=7))
    parallel = parallel_of(make, scale=scale, **options)
    wide, x = broad(parallel), points(*shape)
    mine, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    y, expected = wide(mine), parallel(theirs)
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)
    count = sum(p.numel() for p in parallel.parameters())
    assert sum(p.numel() for p in wide.parameters()) == count

    direction = points(*shape, seed=3)
    y.backward(direction)
    expected.backward(direction)
    torch.testing.assert_close(mine.grad, theirs.grad, rtol=0, atol=1e-12)
    for name in dict(wide.map.named_parameters()):
        parts = by_block(wide, name, groups)
        for part, block in zip(parts, parallel.blocks, strict=True):
            torch.testing.assert_close(part, getattr(block[0], name).grad)
    if isinstance(scale, nn.Parameter):
        torch.testing.assert_close(wide.scale.grad, scale.grad)


@given(
    count=st.integers(1, 6),
    kind=st.sampled_from([(linear, (3, 6)), (conv, (2, 6, 4, 5))]),
    one=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_it_is_exact_in_float32_too(count, kind, one, seed):
    make, shape = kind
    scale = nn.Parameter(torch.tensor(0.5)) if one else 0.5
    parallel = parallel_of(make, count, scale, seed, torch.float32)
    x = points(*shape, seed=seed, dtype=torch.float32)
    expected = parallel(x)
    size = float(expected.detach().abs().max())
    torch.testing.assert_close(broad(parallel)(x), expected, rtol=0, atol=1e-6 * size)


def test_an_activation_in_place_and_one_of_the_readers_own():
    class Sine(nn.Module):
        def forward(self, x):
            return x.sin()

    for activation in (lambda: nn.ReLU(inplace=True), Sine, nn.Identity):
        parallel, x = parallel_of(linear, activation=activation), points(3, 6)
        kept = x.clone()
        torch.testing.assert_close(broad(parallel)(x), parallel(x))
        assert torch.equal(x, kept)


def test_training_one_leaves_the_other():
    parallel, x = parallel_of(linear), points(3, 6)
    wide = broad(parallel)
    before = parallel(x)
    with torch.no_grad():
        for parameter in wide.parameters():
            parameter.fill_(0.1)
    assert torch.equal(parallel(x), before)


def test_it_comes_from_a_tower_too():
    tower, x = ResidualTower([linear(), linear()], 0.5), torch.ones(2, 6)
    torch.testing.assert_close(broad(tower.parallel())(x), tower.parallel()(x))


@pytest.mark.parametrize("scale", [0.5, (0.1, 0.2), "learned"])
def test_it_survives_what_modules_must_survive(scale, tmp_path):
    if scale == "learned":
        scale = nn.Parameter(torch.tensor([0.1, 0.2]))
    wide = broad(parallel_of(linear, 2, scale, dtype=torch.float32))
    x = points(5, 6, dtype=torch.float32)
    layer_laws(wide, x)
    expected = wide(x)
    save_file(wide.state_dict(), tmp_path / "wide.safetensors")
    other = copy.deepcopy(wide)
    for parameter in other.parameters():
        nn.init.zeros_(parameter)
    other.load_state_dict(load_file(tmp_path / "wide.safetensors"))
    assert torch.equal(other(x), expected)
    torch.testing.assert_close(wide(x.mT.contiguous().mT), expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(wide(x), expected, rtol=0.05, atol=0.05)


def test_torch_export_compiles_it():
    wide, x = broad(parallel_of(conv, 2, (0.1, 0.2))), points(2, 6, 5, 4)
    program = torch.export.export(wide, (x,))
    torch.testing.assert_close(program.module()(x), wide(x))
    assert wide(x[:0]).shape == (0, 6, 5, 4)


def test_it_says_what_it_is():
    text = repr(broad(parallel_of(linear, 3, 0.5)))
    assert "x + sum of 0.5 activation(map(x))_i, 3 blocks in one map, 126 para" in text
    assert "out_features=18" in text


class Leaky(nn.Module):
    def __init__(self, slope):
        super().__init__()
        self._slope = slope

    def forward(self, x):
        return torch.where(x > 0, x, self._slope * x)


def chain(*activations):
    return nn.Sequential(nn.Linear(6, 6), nn.Sequential(*activations))


@pytest.mark.parametrize(
    ("second", "says"),
    [
        (nn.Linear(6, 6), r"blocks\[1\] is a Linear"),
        (nn.Sequential(nn.Linear(6, 6)), r"blocks\[1\] is a Sequential"),
        (nn.Sequential(nn.LayerNorm(6), nn.Tanh()), r"blocks\[1\] has a LayerNorm"),
        (nn.Sequential(nn.Linear(6, 3), nn.Tanh()), "a map from 6 to 3 channels"),
        (linear(activation=nn.ReLU), "type=ReLU; .* has Tanh"),
        (linear(bias=False), r"bias=False; .* because blocks\[0\] has True"),
        (linear(size=5), "in_features=5; .* has 6"),
        (linear().double(), "dtype=torch.float64"),
        (linear().requires_grad_(False), "requires_grad=False"),
        (conv(), "type=Conv2d"),
        (linear(activation=lambda: nn.PReLU()), "PReLU with its own tensors"),
        (
            nn.Sequential(
                nn.utils.parametrizations.weight_norm(nn.Linear(6, 6)), nn.Tanh()
            ),
            "has a ParametrizedLinear",
        ),
    ],
)
def test_blocks_that_do_not_fit_are_refused(second, says):
    with pytest.raises(ValueError, match=says) as raised:
        broad(ParallelResidual([linear(), second, second]))
    assert "expected Sequential(Linear or Conv2d, elementwise" in str(raised.value)


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        (conv(), conv(kernel_size=5, padding=2), r"kernel_size=\(5, 5\)"),
        (conv(), conv(groups=2), "groups=2"),
        (conv(), conv(padding=0), r"padding=\(0, 0\)"),
        (
            linear(activation=lambda: nn.GELU("tanh")),
            linear(activation=nn.GELU),
            "approximate=none; .* has tanh",
        ),
        (
            linear(activation=lambda: Leaky(0.1)),
            linear(activation=lambda: Leaky(0.2)),
            "_slope=0.2",
        ),
        (chain(nn.Tanh(), nn.ReLU()), chain(nn.ReLU(), nn.Tanh()), "0.type=ReLU"),
    ],
)
def test_differences_are_refused_by_name(first, second, says):
    with pytest.raises(ValueError, match=rf"blocks\[1\] has .*{says}"):
        broad(ParallelResidual([first, second]))


@pytest.mark.parametrize(
    "activation",
    [
        lambda: nn.Softmax(-1),
        lambda: nn.Softmax(0),
        nn.Dropout,
        lambda: nn.LayerNorm(6, elementwise_affine=False),
        nn.Flatten,
        lambda: nn.AvgPool1d(3),
    ],
)
def test_activations_that_mix_entries_are_refused(activation):
    blocks = [linear(activation=activation) for _ in range(2)]
    with pytest.raises(ValueError, match=r"blocks\[0\] has the activation .* mixes"):
        broad(ParallelResidual(blocks))


def test_shared_weights_are_refused():
    block = linear()
    with pytest.raises(ValueError, match=r"blocks\[2\] shares its weights"):
        broad(ParallelResidual([linear(), block, block]))
    tied = linear()
    tied[0].bias = block[0].bias
    with pytest.raises(ValueError, match=r"blocks\[1\] shares its weights"):
        broad(ParallelResidual([block, tied]))


def test_weights_computed_by_a_hook_are_refused():
    block = linear()
    block[0].register_parameter("gain", nn.Parameter(torch.ones(1)))
    with pytest.raises(ValueError, match="computes its weights"):
        broad(ParallelResidual([block]))


def test_learned_activations_are_refused():
    block = linear(activation=lambda: GroupRational(6, groups=2))
    with pytest.raises(ValueError, match="GroupRational with its own tensors"):
        broad(ParallelResidual([block]))


def test_other_modules_are_an_error():
    with pytest.raises(TypeError, match="parallel is a ResidualTower"):
        broad(ResidualTower([linear()]))


def test_a_map_that_shrinks_the_image_is_an_error():
    wide = broad(parallel_of(conv, 2, padding=0))
    says = r"the map of x has shape \(1, 6, 1, 1\); expected \(1, 6, 3, 3\)"
    with pytest.raises(ValueError, match=says):
        wide(points(1, 6, 3, 3))
    with pytest.raises(TypeError, match="x has dtype int64"):
        wide(torch.ones(1, 6, 3, 3).long())
