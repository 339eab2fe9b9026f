"""The small vision transformer: its parts, what can replace them, what it survives."""

import copy

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

from kanlib.layers import GRKAN, TinyViT, rational_fit
from kanlib.layers.vision_transformer import SelfAttention

SIZES = {"width": 16, "depth": 2, "heads": 4}


def made(seed=0, **changes):
    generator = torch.Generator().manual_seed(seed)
    return TinyViT(8, 2, **(SIZES | changes), generator=generator)


def images(count=3, channels=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, channels, 8, 8, generator=generator)


def kat_block(width):
    return nn.Sequential(
        GRKAN(width, 4 * width),
        GRKAN(4 * width, width, start=rational_fit(F.silu)),
    )


def test_patches_are_those_that_a_convolution_sees():
    model, x = made(channels=3), images(channels=3)
    kernel = model.patches.weight.reshape(16, 3, 2, 2)
    expected = F.conv2d(x, kernel, model.patches.bias, stride=2)
    seen = []
    model.patches.register_forward_hook(lambda module, given, y: seen.append(y))
    model(x)
    torch.testing.assert_close(seen[0], expected.flatten(2).transpose(1, 2))


def test_attention_is_softmax_attention():
    generator = torch.Generator().manual_seed(0)
    layer = SelfAttention(16, 4, generator=generator).double()
    x = torch.randn(2, 5, 16, generator=generator).double()
    q, k, v = layer.inputs(x).split(16, -1)
    heads = []
    for h in range(4):
        part = slice(4 * h, 4 * h + 4)
        scores = q[..., part] @ k[..., part].mT / 2
        heads.append(scores.softmax(-1) @ v[..., part])
    torch.testing.assert_close(layer(x), layer.outputs(torch.cat(heads, -1)))


def test_positions_tell_patches_apart_and_nothing_else_does():
    model, x = made(), images()
    turned = x.flip(-1).reshape(3, 1, 8, 4, 2).flip(-1).reshape(3, 1, 8, 8)
    assert not torch.allclose(model(x), model(turned), atol=1e-5)
    with torch.no_grad():
        model.positions.zero_()
    torch.testing.assert_close(model(x), model(turned))


def test_a_block_is_two_residual_steps_after_norms():
    model = made(depth=1)
    (block,) = model.blocks
    x = torch.randn(2, 16, 16, generator=torch.Generator().manual_seed(1))
    middle = x + block.attention(block.norms[0](x))
    expected = middle + block.feedforward(block.norms[1](middle))
    torch.testing.assert_close(block(x), expected)


def test_parts_can_be_replaced_and_are_made_for_every_block():
    widths = []

    def nothing(width):
        widths.append(width)
        return nn.Identity()

    model = made(attention=nothing, feedforward=kat_block, heads=3)
    assert widths == [16, 16]
    first, second = (block.feedforward for block in model.blocks)
    assert isinstance(first[0], GRKAN)
    assert first is not second
    model(images()).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    with_mlp = sum(p.numel() for p in made().parameters())
    with_grkan = sum(p.numel() for p in made(feedforward=kat_block).parameters())
    assert with_grkan - with_mlp == 2 * 2 * 38


def test_it_learns():
    model, x = made(depth=1), images(32)
    labels = torch.arange(32) % 2
    x[labels == 1, :, :4] += 1  # the same patches, brighter: where, decides
    x[labels == 0, :, 4:] += 1
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.3  # chance is log 2 = 0.69


def test_a_generator_decides_and_leaves_the_default_one_alone():
    before = torch.get_rng_state()
    first, second, other = made(3), made(3), made(4)
    assert torch.equal(torch.get_rng_state(), before)
    x = images()
    assert torch.equal(first(x), second(x))
    assert not torch.equal(first(x), other(x))


@pytest.mark.parametrize("feedforward", [None, kat_block])
def test_it_survives_what_modules_must_survive(feedforward, tmp_path):
    model, x = made(feedforward=feedforward), images()
    expected = model(x)
    assert expected.shape == (3, 10)
    assert torch.equal(copy.deepcopy(model)(x), expected)
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    other = made(seed=9, feedforward=feedforward)
    other.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert torch.equal(other(x), expected)
    double = copy.deepcopy(model).double()(x.double())
    torch.testing.assert_close(double.float(), expected, rtol=1e-4, atol=1e-5)
    program = torch.export.export(model, (x,))
    torch.testing.assert_close(program.module()(x), expected)
    assert model(x[:0]).shape == (0, 10)
    assert model(x[0]).shape == (10,)
    assert model(x.expand(2, 3, 1, 8, 8)).shape == (2, 3, 10)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(model(x).float(), expected, rtol=0.1, atol=0.1)


def test_shapes_without_numbers():
    model, device = made().to("meta"), torch.device("meta")
    assert model(torch.empty(3, 1, 8, 8, device=device)).shape == (3, 10)


def test_it_says_what_it_is():
    count = sum(p.numel() for p in made().parameters())
    text = f"1 x 8x8 in patches of 2x2: 16 tokens of width 16, {count} parameters"
    assert text in repr(made())
    assert "4 heads" in repr(made())


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"image_size": 0}, ValueError, "image_size must be"),
        ({"patch_size": 3}, ValueError, "patch_size=3 does not divide image_size=8"),
        ({"heads": 3}, ValueError, "heads=3 does not divide width=16"),
        ({"depth": 0}, ValueError, "depth must be"),
        ({"classes": 1.5}, TypeError, "classes is a float"),
        ({"attention": "linear"}, TypeError, "attention is a str"),
        ({"feedforward": nn.Identity()}, TypeError, "feedforward is a Identity"),
        ({"feedforward": lambda w: w}, TypeError, "made a int"),
    ],
)
def test_bad_arguments_are_errors_that_name_them(change, error, says):
    given = {"image_size": 8, "patch_size": 2} | SIZES | change
    with pytest.raises(error, match=says):
        TinyViT(given.pop("image_size"), given.pop("patch_size"), **given)


@pytest.mark.parametrize(
    ("x", "error", "says"),
    [
        (torch.ones(2, 1, 8, 7), ValueError, r"expected \(..., 1, 8, 8\)"),
        (torch.ones(8, 8), ValueError, "x has shape"),
        (torch.ones(2, 1, 8, 8).long(), TypeError, "x has dtype int64"),
        (torch.ones(2, 1, 8, 8).double(), TypeError, "x has dtype torch.float64"),
    ],
)
def test_bad_input_is_an_error_that_names_it(x, error, says):
    with pytest.raises(error, match=says):
        made()(x)
