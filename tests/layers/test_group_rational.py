"""GroupRational and GRKAN: their function, their start, what modules must survive."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from kanlib.layers import GRKAN, GroupRational, Rational, gain, rational_fit

FORMS = ["A", "B"]


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("form", FORMS)
def test_it_starts_as_the_identity(form):
    x = drawn(5, 16)
    assert torch.equal(GroupRational(16, form=form)(x), x)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("f", "error"), [(F.silu, 2e-6), (torch.tanh, 3e-6)])
def test_it_starts_as_what_it_is_given(form, f, error):
    layer = GroupRational(16, form=form, start=rational_fit(f, form=form))
    x = torch.linspace(-3, 3, 160).reshape(10, 16)
    assert float((layer(x) - f(x)).detach().abs().max()) < error


def test_a_start_of_lower_degrees_is_filled_up():
    start = Rational((1.0, 2.0), (0.5,), "A")
    layer = GroupRational(8, groups=2, start=start)
    assert layer.numerator.tolist() == [[1, 2, 0, 0, 0, 0]]
    assert layer.denominator.tolist() == [[0.5, 0, 0, 0]] * 2
    x = drawn(3, 8)
    torch.testing.assert_close(layer(x), start(x))
    with torch.no_grad():
        layer.numerator.zero_()
    layer.reset_parameters()
    torch.testing.assert_close(layer(x), start(x))


@pytest.mark.parametrize("form", FORMS)
def test_a_denominator_that_starts_at_zero_learns(form):
    layer = GroupRational(16, form=form)
    layer(drawn(64, 16).abs()).sum().backward()
    assert layer.denominator.grad.abs().min() > 0


def test_groups_move_apart_when_they_learn():
    layer, x = GroupRational(4, groups=2), drawn(256, 4).double()
    layer = layer.double()
    target = torch.cat([x[:, :2].tanh(), F.relu(x[:, 2:])], 1)
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=60)

    def closure():
        optimizer.zero_grad()
        loss = (layer(x) - target).square().mean()
        loss.backward()
        return loss

    before = float(closure().detach())
    optimizer.step(closure)
    assert float(closure().detach()) < before / 5
    assert not torch.equal(layer.denominator[0], layer.denominator[1])


@pytest.mark.parametrize("form", FORMS)
def test_grkan_is_a_kan_with_tied_edges(form):
    layer = GRKAN(16, 5, groups=4, form=form, start=rational_fit(F.silu, form=form))
    layer = layer.double()
    with torch.no_grad():
        layer.activation.denominator.normal_(0, 1, generator=torch.Generator())
    x = drawn(7, 16).double()
    y = torch.zeros(7, 5, dtype=torch.float64)
    for i in range(16):
        function = Rational(
            tuple(layer.activation.numerator[0].tolist()),
            tuple(layer.activation.denominator[i // 4].tolist()),
            form,
        )
        for o in range(5):
            y[:, o] += layer.linear.weight[o, i] * function(x[:, i])
    torch.testing.assert_close(layer(x), y + layer.linear.bias, rtol=0, atol=1e-12)


def test_parameters_are_38_more_than_those_of_a_linear_layer():
    layer = GRKAN(64, 32)
    assert sum(p.numel() for p in layer.parameters()) == 64 * 32 + 32 + 38
    assert "64 -> 32, 2118 parameters" in repr(layer)
    assert "64 in 8 groups, P/Q of degrees 5/4, form=A, 38 parameters" in repr(layer)
    assert GRKAN(8, 2, bias=False).linear.bias is None


@pytest.mark.parametrize("f", [None, F.silu, F.gelu])
def test_weights_keep_the_variance(f):
    start = None if f is None else rational_fit(f)
    wide = 512
    layer = GRKAN(wide, wide, start=start, generator=torch.Generator().manual_seed(0))
    expected = (1.0 if f is None else gain(start)) / wide
    # The variance of 262144 normal numbers is within 1.5 % of theirs, 5 sigma.
    assert float(layer.linear.weight.detach().var()) == pytest.approx(
        expected, rel=0.015
    )
    assert float(layer(drawn(4096, wide)).detach().var()) == pytest.approx(1, rel=0.15)


def test_a_generator_decides_and_leaves_the_default_one_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first, second = (
        GRKAN(16, 8, generator=torch.Generator().manual_seed(3)) for _ in range(2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.linear.weight, second.linear.weight)
    other = GRKAN(16, 8, generator=torch.Generator().manual_seed(4))
    assert not torch.equal(first.linear.weight, other.linear.weight)


@pytest.mark.parametrize("make", [lambda: GroupRational(16), lambda: GRKAN(16, 4)])
def test_it_survives_what_modules_must_survive(make, tmp_path):
    layer, x = make(), drawn(3, 16)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.1 * drawn(*parameter.shape))
    expected = layer(x)
    assert torch.equal(copy.deepcopy(layer)(x), expected)
    other = make()
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other(x), expected)
    save_file(layer.state_dict(), tmp_path / "layer.safetensors")
    other = make()
    other.load_state_dict(load_file(tmp_path / "layer.safetensors"))
    assert torch.equal(other(x), expected)
    torch.testing.assert_close(
        copy.deepcopy(layer).double()(x.double()).float(), expected
    )
    program = torch.export.export(layer, (x,))
    torch.testing.assert_close(program.module()(x), expected)
    half = copy.deepcopy(layer).to(torch.bfloat16)(x.bfloat16())
    torch.testing.assert_close(half.float(), expected, rtol=0.1, atol=0.1)
    assert layer(x[:0]).shape == (0, *expected.shape[1:])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(layer(x).float(), expected, rtol=0.05, atol=0.05)
        layer(x.bfloat16()).sum()


def test_compiles_whole():
    layer, x = GRKAN(16, 4), drawn(3, 16)
    torch._dynamo.reset()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), layer(x))


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"features": 0}, ValueError, "features must be"),
        ({"features": 2.0}, TypeError, "features is a float"),
        ({"groups": 0}, ValueError, "groups must be"),
        ({"groups": 3}, ValueError, "groups=3 does not divide features=16"),
        ({"form": "a"}, ValueError, "form is 'a'"),
        ({"numerator_degree": 0}, ValueError, "numerator_degree must be"),
        ({"denominator_degree": -1}, ValueError, "denominator_degree must be"),
        ({"start": torch.tanh}, TypeError, "start is a builtin_function"),
        ({"start": Rational((0.0, 1.0), (), "B")}, ValueError, 'start has form "B"'),
        (
            {"start": Rational((0.0, 1.0), (1.0,) * 5, "A")},
            ValueError,
            "start has 5 coefficients in its denominator; expected 4",
        ),
    ],
)
def test_bad_arguments_are_errors_that_name_them(change, error, says):
    with pytest.raises(error, match=says):
        GroupRational(**({"features": 16} | change))


@pytest.mark.parametrize("make", [lambda: GroupRational(16), lambda: GRKAN(16, 4)])
def test_bad_input_is_an_error_that_names_it(make):
    layer = make()
    for x, error, says in (
        (torch.ones(3, 8), ValueError, r"x has shape \(3, 8\); expected \(..., 16\)"),
        (torch.ones(()), ValueError, "x has shape"),
        (torch.ones(3, 16).long(), TypeError, "x has dtype int64"),
        (torch.ones(3, 16).double(), TypeError, "x has dtype torch.float64; expected"),
    ):
        with pytest.raises(error, match=says):
            layer(x)
    with pytest.raises(TypeError, match="GRKAN: x has dtype torch"):
        GRKAN(16, 4)(torch.ones(3, 16).half())
    with pytest.raises(ValueError, match="or give GroupRational a higher one"):
        GRKAN(16, 4, start=Rational((0.0,) * 7, (), "A"))
    with pytest.raises(ValueError, match="out_features must be"):
        GRKAN(8, 0)
    with pytest.raises(ValueError, match="in_features must be"):
        GRKAN(0, 8)
    assert layer(torch.full((1, 16), math.nan)).isnan().all()
