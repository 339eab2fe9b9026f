"""Weights and biases of every linear layer, drawn with the critical variances."""

import math

import pytest
import torch
from torch import Tensor, nn

from kanlib.theory import criticality, initialize_
from kanlib.theory.criticality import Criticality

GELU = criticality(nn.functional.gelu)


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(1, 1, 1),
        nn.Linear(200, 300),
        nn.GELU(),
        nn.ModuleDict({"inner": nn.Linear(300, 400, bias=False)}),
        nn.LayerNorm(5),
    )


def draw(seed: int, critical: Criticality = GELU) -> nn.Module:
    return initialize_(
        network(), critical, generator=torch.Generator().manual_seed(seed)
    )


def test_variances_are_the_critical_ones() -> None:
    module = draw(0)
    for layer in (module[1], module[3]["inner"]):
        weight = layer.weight.detach().double() * layer.in_features**0.5
        count = weight.numel()
        variance = GELU.weight_variance
        assert float(weight.mean().abs()) <= 5 * math.sqrt(variance / count)
        error = 5 * variance * math.sqrt(2 / count)
        assert float(weight.var()) == pytest.approx(variance, abs=error)
        # Normal and not uniform: its fourth moment is 3, with a variance of 96.
        fourth = float((weight**4).mean()) / variance**2
        assert fourth == pytest.approx(3, abs=5 * math.sqrt(96 / count))
    bias = module[1].bias.detach().double()
    error = 5 * GELU.bias_variance * math.sqrt(2 / len(bias))
    assert float(bias.square().mean()) == pytest.approx(GELU.bias_variance, abs=error)


def test_the_rest_stays_and_the_generator_decides() -> None:
    plain = network()
    before = {name: value.clone() for name, value in plain.state_dict().items()}
    generator = torch.Generator().manual_seed(7)
    assert initialize_(plain, GELU, generator=generator) is plain
    after = plain.state_dict()
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert changed == {"1.weight", "1.bias", "3.inner.weight"}
    again, other = draw(7), draw(8)
    assert torch.equal(again[1].weight, plain[1].weight)
    assert not torch.equal(other[1].weight, plain[1].weight)
    assert plain[1].weight.requires_grad
    assert plain[1].weight.grad_fn is None


def test_scale_invariant_biases_are_zero_and_a_single_layer_is_a_module() -> None:
    layer = initialize_(nn.Linear(3, 2), criticality(torch.relu))
    assert isinstance(layer, nn.Linear)
    assert torch.equal(layer.bias, torch.zeros(2))


def test_covariance_stays_where_the_inputs_put_it() -> None:
    """GELU at its fixed point: ‖z‖²/n is K* in every layer, up to 1/n and chance."""
    n, depth = 128, 8
    K = GELU.fixed_point
    size = math.sqrt((K - GELU.bias_variance) / GELU.weight_variance)
    generator = torch.Generator().manual_seed(0)
    last: list[Tensor] = []
    for _ in range(40):
        layers = [nn.Linear(n, n, dtype=torch.float64) for _ in range(depth)]
        module = nn.Sequential(
            *(part for layer in layers for part in (layer, nn.GELU()))
        )
        initialize_(module, GELU, generator=generator)
        z = module[:-1](torch.full((n,), size, dtype=torch.float64))
        last.append(z.detach().square().mean())
    found = torch.stack(last)
    # Var ‖z‖²/n = (2 + ν·L) K²/n, ν = 1; the mean moves by less than that.
    error = 5 * K * math.sqrt((2 + depth) / n / len(found)) + depth / n * K
    assert float(found.mean()) == pytest.approx(K, abs=error)


@pytest.mark.parametrize(
    ("module", "critical", "error", "message"),
    [
        (nn.Sequential(nn.ReLU()), GELU, ValueError, "module has no nn.Linear"),
        (nn.Conv1d(1, 1, 1), GELU, ValueError, "module has no nn.Linear"),
        (torch.relu, GELU, TypeError, "module is a builtin_function_or_method"),
        (nn.Linear(2, 2), (0.0, 2.0), TypeError, "critical is a tuple; expected a"),
    ],
)
def test_bad_input(module, critical, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        initialize_(module, critical)


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_lazy_layers_are_refused_before_any_is_drawn() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.LazyLinear(3))
    before = module[0].weight.clone()
    with pytest.raises(ValueError, match="layer '1' has no size yet"):
        initialize_(module, GELU)
    assert torch.equal(module[0].weight, before)
