"""The NTK and its fluctuations: autograd, exact finite widths, many networks."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.func import hessian, jacrev

from kanlib.bases import BSpline
from kanlib.layers import KAN
from kanlib.theory import (
    criticality,
    empirical_ntk,
    forward_dntk,
    forward_ntk,
    learning_rates,
    ntk_flow,
    ntk_mean,
)
from kanlib.theory.covariance import covariance_flow, susceptibilities

Network = tuple[list[Tensor], list[Tensor]]
DOUBLE = torch.float64


def identity(z: Tensor) -> Tensor:
    return z


def bump(z: Tensor) -> Tensor:
    """Neither odd nor monotonic, so that no term of the recursions is 0."""
    return torch.tanh(z) + z**2 * torch.exp(-(z**2) / 4) / 4


def normals(generator: torch.Generator, *size: int) -> Tensor:
    return torch.randn(*size, dtype=DOUBLE, generator=generator)


def drawn(
    generator: torch.Generator,
    widths: list[int],
    bias_variance: float = 1.0,
    weight_variance: float = 1.0,
    networks: tuple[int, ...] = (),
) -> Network:
    weights = [
        math.sqrt(weight_variance / below) * normals(generator, *networks, above, below)
        for below, above in pairwise(widths)
    ]
    biases = [
        math.sqrt(bias_variance) * normals(generator, *networks, above)
        for above in widths[1:]
    ]
    return weights, biases


def outputs(
    network: Network, activation: Callable[[Tensor], Tensor], x: Tensor
) -> Tensor:
    z = x
    for layer, (weight, bias) in enumerate(zip(*network, strict=True)):
        signal = activation(z) if layer else z
        z = (weight @ signal[..., None])[..., 0] + bias
    return z


# --- one network ------------------------------------------------------------------


@pytest.mark.parametrize(
    "activation",
    [torch.tanh, torch.relu, nn.functional.gelu],
    ids=["tanh", "relu", "gelu"],
)
@pytest.mark.parametrize("with_biases", [True, False])
def test_forward_tensors_are_nested_derivatives(
    activation: Callable[[Tensor], Tensor], with_biases: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    widths = [3, 5, 4, 3]
    bias_rate, weight_rate = [0.5, 1.0, 2.0], [1.0, 3.0, 0.7]
    weights, biases = drawn(generator, widths)
    x = normals(generator, 2, 3)
    parameters = {f"w{i}": weight for i, weight in enumerate(weights)}
    rates = {f"w{i}": weight_rate[i] / widths[i] for i in range(3)}
    if with_biases:
        parameters |= {f"b{i}": bias for i, bias in enumerate(biases)}
        rates |= {f"b{i}": bias_rate[i] for i in range(3)}

    def network(values: dict[str, Tensor], x: Tensor) -> Tensor:
        z = x
        for i in range(3):
            z = (activation(z) if i else z) @ values[f"w{i}"].T
            z = z + values[f"b{i}"] if with_biases else z
        return z

    arguments = (weights, biases if with_biases else None, activation)
    step = {"bias_rate": bias_rate, "weight_rate": weight_rate}
    both = forward_ntk(*arguments, x, **step)
    assert [tuple(H.shape) for H in both] == [(n, n, 2, 2) for n in widths[1:]]
    expected = empirical_ntk(network, x, parameters=parameters, rates=rates)
    assert torch.allclose(both[-1], expected, rtol=0, atol=1e-11)

    one = forward_ntk(*arguments, x[1], **step)
    kernels, differentials = forward_dntk(*arguments, x[1], **step)
    for H, of_both, again in zip(one, both, kernels, strict=True):
        assert torch.allclose(H, of_both[..., 1, 1], rtol=0, atol=1e-12)
        assert torch.equal(H, again)

    sizes = [value.numel() for value in parameters.values()]
    shapes = [value.shape for value in parameters.values()]

    def of_vector(theta: Tensor) -> Tensor:
        parts = [
            part.view(shape)
            for part, shape in zip(theta.split(sizes), shapes, strict=True)
        ]
        return network(dict(zip(parameters, parts, strict=True)), x[1])

    theta = torch.cat([value.flatten() for value in parameters.values()])
    rate = torch.cat(
        [
            torch.full((size,), rates[name], dtype=DOUBLE)
            for name, size in zip(parameters, sizes, strict=True)
        ]
    )
    scaled = jacrev(of_vector)(theta) * rate
    curved = hessian(of_vector)(theta)
    expected = torch.einsum("iuv,ku,mv->ikm", curved, scaled, scaled)
    assert float(expected.abs().max()) > 1e-4
    assert torch.allclose(differentials[-1], expected, rtol=0, atol=1e-11)
    assert torch.equal(differentials[0], torch.zeros(5, 5, 5, dtype=DOUBLE))


def test_ensembles_are_their_networks() -> None:
    generator = torch.Generator().manual_seed(1)
    weights, biases = drawn(generator, [3, 4, 2], networks=(2, 3))
    x = normals(generator, 3)
    H, dH = forward_dntk(weights, biases, torch.tanh, x)
    several = forward_ntk(weights, biases, torch.tanh, torch.stack([x, -x]))
    assert [tuple(part.shape) for part in H] == [(2, 3, 4, 4), (2, 3, 2, 2)]
    assert [tuple(part.shape) for part in several] == [
        (2, 3, 4, 4, 2, 2),
        (2, 3, 2, 2, 2, 2),
    ]
    one = [weight[1, 2] for weight in weights], [bias[1, 2] for bias in biases]
    alone, alone_d = forward_dntk(*one, torch.tanh, x)
    for layer in range(2):
        assert torch.allclose(H[layer][1, 2], alone[layer], atol=1e-14)
        assert torch.allclose(dH[layer][1, 2], alone_d[layer], atol=1e-14)
        assert torch.allclose(several[layer][..., 0, 0], H[layer], atol=1e-14)


def test_gradient_step_has_the_two_orders() -> None:
    """A step of rate η: what H and dH leave unsaid falls like η³."""
    generator = torch.Generator().manual_seed(2)
    weights, biases = drawn(generator, [4, 6, 6, 3])
    x, target = normals(generator, 4), normals(generator, 3)
    H, dH = forward_dntk(weights, biases, torch.tanh, x)
    parameters = [*weights, *biases]
    for parameter in parameters:
        parameter.requires_grad_()
    z = outputs((weights, biases), torch.tanh, x)
    slopes = torch.autograd.grad((z - target).square().sum() / 2, parameters)
    error = (z - target).detach()

    def rest(eta: float) -> tuple[float, float]:
        moved = []
        for i, (parameter, slope) in enumerate(zip(parameters, slopes, strict=True)):
            rate = 1 / weights[i].shape[1] if i < 3 else 1.0
            moved.append((parameter - eta * rate * slope).detach())
        step = outputs((moved[:3], moved[3:]), torch.tanh, x) - z.detach()
        first = step + eta * H[-1] @ error
        second = first - eta**2 / 2 * torch.einsum("ikm,k,m->i", dH[-1], error, error)
        return float(first.norm()), float(second.norm())

    one, two = rest(2e-3), rest(1e-3)
    assert math.log2(one[0] / two[0]) == pytest.approx(2, abs=0.05)
    assert math.log2(one[1] / two[1]) == pytest.approx(3, abs=0.05)


# --- any network ------------------------------------------------------------------


def by_hand(module: nn.Module, x: Tensor) -> Tensor:
    rows = []
    for z in module(x).flatten():
        slopes = torch.autograd.grad(z, list(module.parameters()), retain_graph=True)
        rows.append(torch.cat([slope.flatten() for slope in slopes]))
    jacobian = torch.stack(rows).view(len(x), -1, rows[0].numel())
    return torch.einsum("aip,bkp->ikab", jacobian, jacobian)


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 2)), (5, 3)),
        (
            nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Conv2d(2, 1, 2)),
            (3, 1, 5, 4),
        ),
        (nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3)), (2, 4, 3)),
        (KAN([2, 3, 1], BSpline.uniform(4)), (4, 2)),
    ],
    ids=["dense", "convolution", "sequence", "kan"],
)
def test_empirical_ntk_is_that_of_plain_autograd(
    module: nn.Module, shape: tuple[int, ...]
) -> None:
    x = normals(torch.Generator().manual_seed(0), *shape) / 3
    module = module.double()
    H = empirical_ntk(module, x)
    assert torch.allclose(H, by_hand(module, x), rtol=1e-10, atol=1e-12)
    matrix = H.permute(0, 2, 1, 3).reshape(H.shape[0] * len(x), -1)
    assert torch.allclose(matrix, matrix.T)
    assert float(torch.linalg.eigvalsh(matrix).min()) > -1e-10
    assert not H.requires_grad


def test_rates_scale_parameters_and_frozen_ones_are_left_out() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    x = normals(torch.Generator().manual_seed(0), 5, 3)
    rate = torch.tensor([[1.0], [2.0], [3.0], [0.5]])
    names = [name for name, _ in module.named_parameters()]
    rates = {name: 0.0 for name in names} | {"0.weight": rate, "2.bias": 2.0}
    H = empirical_ntk(module, x, rates=rates)
    only = {
        name: empirical_ntk(
            module, x, rates={other: float(other == name) for other in names}
        )
        for name in names
    }
    assert torch.allclose(sum(only.values()), empirical_ntk(module, x))
    # H of the first weights, row by row of them.
    inner = 1 - torch.tanh(module[0](x)) ** 2
    rows = torch.einsum("ij,kj,aj,bj->ikabj", *[module[2].weight] * 2, inner, inner)
    first = torch.einsum("ikabj,j,ab->ikab", rows, rate[:, 0].double(), x @ x.T)
    assert torch.allclose(H, first + 2 * only["2.bias"])
    module[0].requires_grad_(False)
    frozen = empirical_ntk(module, x, rates={"2.weight": 1.0, "2.bias": 1.0})
    assert torch.allclose(frozen, only["2.weight"] + only["2.bias"])


# --- many networks ----------------------------------------------------------------


def linear_at_width(
    n: float, depth: int, K: float, C: float, rates: list[float]
) -> tuple[float, float, float]:
    """Θ, F and B of linear networks without biases at width n, by Wishart's moments.

    z' = Wz and H' = λ‖z‖²/n + WHWᵀ, so that E of ‖z‖⁴, zᵀHz, ‖z‖² tr H, tr H² and
    (tr H)² close: for M = WᵀW and fixed symmetric A, B of size n,
    E tr MA tr MB = C²(tr A tr B + 2/n tr AB) and
    E MAM = C²((1 + 1/n) A + 1/n tr A).
    """
    s, first = K, rates[0] * K / C
    q = s**2 * n * (n + 2)
    t, u = first * s * n, first * s * n**2
    h, r = first**2 * n, (first * n) ** 2
    trace = first * n
    z2 = s * n
    F = B = 0.0
    for rate in rates[1:]:
        F, B = C**2 * t / n, C**2 * h / n
        new_t = rate / n * C * q + C**2 * ((1 + 1 / n) * t + u / n)
        new_u = rate * C * q + C**2 * (u + 2 / n * t)
        square = (rate / n) ** 2 * q
        cross = rate / n * C * u
        new_h = n * square + 2 * cross + C**2 * ((1 + 1 / n) * h + r / n)
        new_r = n**2 * square + 2 * n * cross + C**2 * (r + 2 / n * h)
        trace = rate * z2 + C * trace
        q, z2 = C**2 * (1 + 2 / n) * q, C * z2
        t, u, h, r = new_t, new_u, new_h, new_r
    return trace / n, F, B


def test_linear_networks_are_exact_in_the_limit() -> None:
    """Closed forms at C_W = 1, and the exact finite width as it grows."""
    depth, K = 9, 1.7
    flow = ntk_flow(
        identity, K, depth, bias_variance=0.0, weight_variance=1.0, bias_rate=0.0
    )
    l = torch.arange(1, depth + 1, dtype=DOUBLE)
    closed = {
        "covariance": K * l**0,
        "mean": K * l,
        "F": K**2 * l * (l - 1) / 2,
        "B": K**2 * (l - 1) * l * (2 * l - 1) / 6,
        "P": 0 * l,
        "Q": K**2 * (l - 1) * l * (l + 1) / 6,
    }
    for name, expected in closed.items():
        assert torch.allclose(getattr(flow, name), expected, rtol=1e-10, atol=1e-10)

    rates = [1.0, 0.5, 2.0, 1.5, 0.7]
    flow = ntk_flow(
        identity,
        K,
        5,
        bias_variance=0.0,
        weight_variance=0.8,
        bias_rate=0.0,
        weight_rate=rates,
    )
    exact = linear_at_width(1e7, 5, K, 0.8, rates)
    for value, expected in zip((flow.mean, flow.F, flow.B), exact, strict=True):
        assert float(value[-1]) == pytest.approx(expected, rel=1e-5)


def statistics(z: Tensor, H: Tensor, dH: Tensor) -> Tensor:
    """Θ, F, B, P, Q of each network (N, 5), averaged over all neurons i ≠ k."""
    n = z.shape[-1]
    trace = H.diagonal(dim1=1, dim2=2)
    both = z[:, :, None] * z[:, None, :]
    corner = dH.diagonal(dim1=1, dim2=2).diagonal(dim1=1, dim2=2)
    last, first = dH.diagonal(dim1=2, dim2=3), dH.diagonal(dim1=1, dim2=2)
    pairs = [
        (H * both).sum((1, 2)) - (trace * z**2).sum(1),
        H.square().sum((1, 2)) - trace.square().sum(1),
        ((last.sum(2) - corner) * z).sum(1),
        ((first.sum(2) - corner) * z).sum(1),
    ]
    return torch.stack([trace.mean(1), *(pair / (n - 1) for pair in pairs)], 1)


def measured(
    activation: Callable[[Tensor], Tensor],
    n: int,
    depth: int,
    networks: int,
    constants: dict[str, float],
    rates: dict[str, list[float]],
    start: float,
) -> tuple[Tensor, Tensor]:
    """Mean over networks of width n, and its standard error, of Θ, F, B, P, Q."""
    generator = torch.Generator().manual_seed(n)
    C_b, C_W = constants["bias_variance"], constants["weight_variance"]
    x = torch.full((n,), math.sqrt((start - C_b) / C_W), dtype=DOUBLE)
    found = []
    chunk = max(1, 400_000 // n**3)
    for _ in range(math.ceil(networks / chunk)):
        network = drawn(generator, [n] * (depth + 1), C_b, C_W, (chunk,))
        H, dH = forward_dntk(*network, activation, x, **rates)
        z = outputs(network, activation, x)
        found.append(statistics(z, H[-1], dH[-1]))
    values = torch.cat(found)
    return values.mean(0), values.std(0) / len(values) ** 0.5


def flow_end(activation, start, depth, constants, rates) -> Tensor:
    flow = ntk_flow(activation, start, depth, **constants, **rates)
    return torch.stack([part[-1] for part in flow[1:]])


def test_two_layers_are_exact_at_any_width() -> None:
    """The first layer's neurons are independent: 1/n corrections start at layer 3."""
    constants = {"bias_variance": 0.05, "weight_variance": 1.0}
    rates = {"bias_rate": [0.5, 1.0], "weight_rate": [1.0, 1.5]}
    mean, error = measured(bump, 3, 2, 40_000, constants, rates, 0.8)
    expected = flow_end(bump, 0.8, 2, constants, rates)
    assert bool(((mean - expected).abs() <= 5 * error).all())
    # Sharp enough to see a term missing.
    assert bool((error < 0.03 * expected.abs()).all())


def test_linear_networks_agree_with_their_exact_width() -> None:
    n, rates = 6, {"bias_rate": 0.0, "weight_rate": [1.0, 0.5, 2.0]}
    constants = {"bias_variance": 0.0, "weight_variance": 0.8}
    mean, error = measured(identity, n, 3, 10_000, constants, rates, 1.0)
    exact = torch.tensor(
        linear_at_width(n, 3, 1.0, 0.8, rates["weight_rate"]), dtype=DOUBLE
    )
    assert bool(((mean - 0)[:3] - exact).abs().le(5 * error[:3]).all())


def test_four_layers_tend_to_the_flow() -> None:
    """Twice the mean at width 12, minus that at 6: what is left is of order 1/n².

    Every term is a tenth or more of its tensor here, or the linear networks have it.
    """
    constants = {"bias_variance": 0.05, "weight_variance": 1.0}
    rates = {"bias_rate": [0.5, 1.0, 0.8, 0.6], "weight_rate": [1.0, 1.5, 0.7, 1.0]}
    narrow, wide = (
        measured(bump, n, 4, networks, constants, rates, 0.8)
        for n, networks in ((6, 36_000), (12, 24_000))
    )
    mean = 2 * wide[0] - narrow[0]
    error = (4 * wide[1] ** 2 + narrow[1] ** 2).sqrt()
    expected = flow_end(bump, 0.8, 4, constants, rates)
    # Corrections of order 1/n are up to 27 % at width 6 and 15 % at 12, for Q.
    assert bool(((mean - expected).abs() <= 5 * error + 0.04 * expected.abs()).all())
    assert bool((error < 0.03 * expected.abs()).all())


# --- flows ------------------------------------------------------------------------


def test_flow_has_the_covariance_and_the_mean_of_the_others() -> None:
    constants = {"bias_variance": 0.1, "weight_variance": 1.3}
    rates = {"bias_rate": [1.0, 0.5, 2.0, 0.0], "weight_rate": 0.7}
    flow = ntk_flow(nn.functional.gelu, 0.9, 4, **constants, **rates)
    covariance = covariance_flow(nn.functional.gelu, 0.9, 4, **constants)
    assert torch.allclose(flow.covariance, covariance, rtol=1e-10)
    start = torch.tensor([[0.9, 0.3], [0.3, 0.5]], dtype=DOUBLE)
    mean = ntk_mean(nn.functional.gelu, start, 4, **constants, **rates)
    assert mean.shape == (4, 2, 2)
    assert torch.allclose(mean[:, 0, 0], flow.mean, rtol=1e-8)
    assert torch.equal(mean, mean.mT)
    # F and B do not know the sign of an input, nor what the layers' biases do with H.
    chi = susceptibilities(
        nn.functional.gelu, float(covariance[2]), weight_variance=1.3
    )
    assert float(flow.mean[3]) == pytest.approx(
        0.7 * float(covariance[3] - 0.1) / 1.3 + chi.perpendicular * float(flow.mean[2])
    )


def test_mean_of_several_inputs_has_the_arc_cosine_form() -> None:
    """ReLU: ⟨σσ⟩ and ⟨σ'σ'⟩ of an angle in closed form, layer by layer."""
    x = normals(torch.Generator().manual_seed(0), 4, 3)
    K = 2 * x @ x.T / 3
    depth = 4
    mean = ntk_mean(torch.relu, K, depth, bias_variance=0.0, weight_variance=2.0)
    expected = 1 + K / 2
    assert torch.allclose(mean[0], expected)
    for layer in range(1, depth):
        size = torch.outer(K.diagonal(), K.diagonal()).sqrt()
        angle = torch.acos((K / size).clamp(-1, 1))
        flat = angle.sin() + (math.pi - angle) * angle.cos()
        expected = (
            1 + size * flat / (2 * math.pi) + expected * (math.pi - angle) / math.pi
        )
        K = size * flat / math.pi
        assert torch.allclose(mean[layer], expected, rtol=1e-7, atol=1e-7)
    assert float(torch.linalg.eigvalsh(mean[-1]).min()) > 0


def test_mean_is_that_of_wide_networks() -> None:
    generator = torch.Generator().manual_seed(0)
    n, networks = 64, 100
    x = normals(generator, 3, n)
    start = 0.1 + 1.2 * (x[:, None] * x).mean(-1)
    expected = ntk_mean(
        torch.tanh, start, 3, bias_variance=0.1, weight_variance=1.2, weight_rate=2.0
    )[-1]
    network = drawn(generator, [n, n, n, 4], 0.1, 1.2, (networks,))
    H = forward_ntk(*network, torch.tanh, x, weight_rate=2.0)[-1]
    own = H.diagonal(dim1=1, dim2=2).mean(-1)
    error = own.std(0) / networks**0.5
    assert bool(((own.mean(0) - expected).abs() <= 5 * error + 2 * expected / n).all())


def test_kinks_have_the_limit_of_smooth_activations() -> None:
    """P and Q of hardtanh are those of ever sharper smooth ones; of ReLU, P = 0."""
    constants = {"bias_variance": 0.1, "weight_variance": 1.5}

    def sharp(z: Tensor) -> Tensor:
        scaled = 2000 * torch.stack([z + 1, z - 1])
        upper, lower = nn.functional.softplus(scaled)
        return (upper - lower) / 2000 - 1

    kinked = ntk_flow(nn.functional.hardtanh, 1.0, 3, **constants)
    smooth = ntk_flow(sharp, 1.0, 3, **constants)
    for one, other in zip(kinked, smooth, strict=True):
        assert torch.allclose(one, other, rtol=3e-3)
    assert float(kinked.P[-1]) < -0.1
    relu = ntk_flow(torch.relu, 1.0, 5, bias_variance=0.0, weight_variance=2.0)
    assert float(relu.P.abs().max()) < 1e-9


# --- learning rates ---------------------------------------------------------------


def contributions(activation, critical, start: float, rates) -> Tensor:
    """Part of each layer in the NTK of the last one."""
    depth = len(rates.bias)
    constants = {
        "bias_variance": critical.bias_variance,
        "weight_variance": critical.weight_variance,
    }
    whole = ntk_flow(
        activation, start, depth, **constants, bias_rate=0.0, weight_rate=0.0
    )
    K = whole.covariance
    g = (torch.cat([K[:1], K[1:]]) - critical.bias_variance) / critical.weight_variance
    across = [
        susceptibilities(
            activation, float(variance), weight_variance=critical.weight_variance
        ).perpendicular
        for variance in K[:-1]
    ]
    products = torch.tensor([*across, 1.0], dtype=DOUBLE).flip(0).cumprod(0).flip(0)
    parts = (rates.bias + rates.weight * g) * products
    step = {"bias_rate": rates.bias, "weight_rate": rates.weight.tolist()}
    mean = ntk_flow(activation, start, depth, **constants, **step).mean[-1]
    assert float(parts.sum()) == pytest.approx(float(mean))
    return parts


@pytest.mark.parametrize(
    ("activation", "start"),
    [
        (torch.tanh, 1.0),
        (torch.sin, 1.0),
        (lambda z: torch.tanh(z) + z**2 / 5 * torch.exp(-(z**2)), 1.0),
        (torch.relu, 1.0),
        (nn.functional.gelu, (3 + math.sqrt(17)) / 2),
    ],
    ids=["tanh", "sin", "skewed", "relu", "gelu"],
)
def test_learning_rates_make_layers_equal(activation, start: float) -> None:
    depth = 200
    critical = criticality(activation)
    rates = learning_rates(critical, depth)
    parts = contributions(activation, critical, start, rates) * depth
    later = parts[4:]
    assert float(later.max() / later.min()) < 1.15
    assert 0.1 < float(parts.sum()) / depth < 10
    if activation is torch.tanh:
        flat = type(rates)(torch.ones(depth), torch.ones(depth))
        unscaled = contributions(activation, critical, start, flat)[4:]
        assert float(unscaled.max() / unscaled.min()) > 20


# --- bad input --------------------------------------------------------------------

FLOW = {"bias_variance": 0.1, "weight_variance": 1.0}
MATRIX = torch.eye(2, dtype=DOUBLE)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"start": 0.0}, ValueError, "start must be finite and above 0"),
        ({"start": 0.05}, ValueError, "start is below bias_variance=0.1, got 0.05"),
        ({"depth": 0}, ValueError, "depth must be at least 1"),
        ({"bias_variance": -1.0}, ValueError, "bias_variance must be"),
        ({"weight_variance": 0.0}, ValueError, "weight_variance must be finite and ab"),
        ({"bias_rate": [1.0, 2.0]}, ValueError, "bias_rate has 2 entries; expected 3"),
        ({"weight_rate": [1.0, 2.0, -1.0]}, ValueError, "weight_rate must be at least"),
        ({"weight_rate": -1.0}, ValueError, "weight_rate must be finite and at least"),
        ({"weight_rate": "fast"}, TypeError, "weight_rate is"),
        ({"weight_rate": math.nan}, ValueError, "weight_rate must be finite"),
        ({"activation": lambda z: z.sum()}, ValueError, "activation is not elementwi"),
        (
            {"activation": identity, "weight_variance": 1e200},
            ValueError,
            "the covariance of layer 3 is inf",
        ),
    ],
)
def test_bad_input_of_flows(changed, error: type[Exception], message: str) -> None:
    good = {"activation": torch.tanh, "start": 1.0, "depth": 3, **FLOW}
    with pytest.raises(error, match=message):
        ntk_flow(**{**good, **changed})
    if "start" not in changed and "inf" not in message:
        with pytest.raises(error, match=message):
            ntk_mean(**{**good, "start": MATRIX, **changed})


@pytest.mark.parametrize(
    ("start", "error", "message"),
    [
        (1.0, TypeError, "start is a float"),
        (torch.ones(2, 3, dtype=DOUBLE), ValueError, r"start has shape \(2, 3\)"),
        (-MATRIX, ValueError, "start is not symmetric positive semidefinite"),
    ],
)
def test_mean_refuses_what_is_no_covariance(start, error, message: str) -> None:
    with pytest.raises(error, match=message):
        ntk_mean(torch.tanh, start, 3, **FLOW)


WEIGHTS = [torch.ones(3, 2), torch.ones(1, 3)]
BIASES = [torch.zeros(3), torch.zeros(1)]


@pytest.mark.parametrize("function", [forward_ntk, forward_dntk])
@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"weights": []}, ValueError, "weights is empty"),
        (
            {"weights": [WEIGHTS[0], torch.ones(1, 4)]},
            ValueError,
            r"weights\[1\] has shape \(1, 4\); expected \(1, 3\)",
        ),
        (
            {"weights": [WEIGHTS[0], torch.ones(5, 1, 3)]},
            ValueError,
            r"weights\[1\] has shape \(5, 1, 3\); expected \(1, 3\)",
        ),
        ({"biases": BIASES[:1]}, ValueError, "biases has 1 entries; expected 2"),
        (
            {"biases": [torch.zeros(2), BIASES[1]]},
            ValueError,
            r"biases\[0\] has shape \(2,\); expected \(3,\)",
        ),
        (
            {"x": torch.ones(3)},
            ValueError,
            r"weights\[0\] has shape \(3, 2\); expected",
        ),
        ({"x": torch.ones(2, 2, 2)}, ValueError, r"x has shape \(2, 2, 2\)"),
        ({"x": torch.ones(2).double()}, TypeError, r"weights\[0\] has dtype"),
        ({"x": torch.ones(2).long()}, TypeError, "x has dtype int64"),
        ({"x": [1.0, 1.0]}, TypeError, "x is a list"),
        ({"bias_rate": [1.0]}, ValueError, "bias_rate has 1 entries; expected 2"),
        ({"weight_rate": -1.0}, ValueError, "weight_rate must be"),
        ({"activation": torch.sum}, ValueError, "activation is not elementwise"),
    ],
)
def test_bad_input_of_forward(
    function, changed, error: type[Exception], message: str
) -> None:
    good = {
        "weights": WEIGHTS,
        "biases": BIASES,
        "activation": torch.tanh,
        "x": torch.ones(2),
    }
    with pytest.raises(error, match=message):
        function(**{**good, **changed})


def test_several_inputs_of_a_dntk_are_refused() -> None:
    with pytest.raises(ValueError, match="because it takes one input"):
        forward_dntk(WEIGHTS, None, torch.tanh, torch.ones(4, 2))


@pytest.mark.parametrize(
    ("module", "arguments", "error", "message"),
    [
        (nn.Linear(2, 1), {"x": torch.ones(0, 2)}, ValueError, r"x has shape \(0, 2\)"),
        (nn.Linear(2, 1), {"x": torch.tensor(1.0)}, ValueError, r"x has shape \(\)"),
        (nn.Linear(2, 1), {"x": torch.ones(1, 2).long()}, TypeError, "x has dtype int"),
        (nn.ReLU(), {}, ValueError, "module has no parameters to train"),
        (
            nn.Linear(2, 1),
            {"rates": {"weight": 1.0}},
            ValueError,
            "rates has the names",
        ),
        (nn.Linear(2, 1), {"parameters": {}}, ValueError, "parameters is not wanted"),
        (lambda p, x: x, {}, ValueError, "parameters is needed"),
        (
            lambda p, x: (x * p["a"]).sum(),
            {"parameters": {"a": torch.ones(2)}},
            ValueError,
            "the output has no axis of inputs in front",
        ),
    ],
)
def test_bad_input_of_empirical_ntk(
    module, arguments, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        empirical_ntk(module, **{"x": torch.ones(3, 2), **arguments})


def test_learning_rates_of_what_has_none_are_refused() -> None:
    (unstable,) = criticality(nn.functional.gelu).others
    with pytest.raises(ValueError, match="critical is an unstable fixed point"):
        learning_rates(unstable, 5)
    with pytest.raises(TypeError, match="critical is a tuple"):
        learning_rates((0.0, 1.0), 5)
    with pytest.raises(ValueError, match="depth must be at least 1"):
        learning_rates(criticality(torch.tanh), 0)
