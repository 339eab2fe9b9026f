"""The chain without weights: exact moments, the flows, and networks with weights.

Bounds are five standard errors, these computed from exact higher moments where there
are any; where a flow of leading order is met, its next order in 1/n is allowed for.
"""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from kanlib.theory import simulation
from kanlib.theory.covariance import covariance_flow, vertex_flow
from kanlib.theory.simulation import simulate_metric, simulate_neurons


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def raised(n: int, k: int) -> int:
    """E u^k of a chi-square u with n degrees of freedom."""
    return math.prod(n + 2 * i for i in range(k))


def linear_factor(n: int, k: int) -> float:
    """E (S'/S)^k of a linear layer with C_W = 1: a chi-square over n."""
    return raised(n, k) / n**k


def relu_factor(n: int, k: int) -> float:
    """E (S'/S)^k of a ReLU layer with C_W = 2: a chi-square of those active."""
    means = (math.comb(n, active) * raised(active, k) for active in range(1, n + 1))
    return 2**k * sum(means) / 2**n / n**k


@pytest.mark.parametrize(
    ("activation", "weight_variance", "factor"),
    [(lambda z: z, 1.0, linear_factor), (torch.relu, 2.0, relu_factor)],
    ids=["linear", "relu"],
)
def test_moments_of_homogeneous_networks_are_exact(
    activation: Callable[[Tensor], Tensor],
    weight_variance: float,
    factor: Callable[[int, int], float],
) -> None:
    n, depth, networks = 16, 4, 40_000
    metric = simulate_metric(
        activation,
        1.5,
        depth,
        bias_variance=0.0,
        weight_variance=weight_variance,
        width=n,
        networks=networks,
        generator=seeded(),
    )
    assert bool((metric[0] == 1.5).all())
    for layer in range(1, depth):
        for power in (1, 2):
            exact = (1.5 * 1.0) ** power * factor(n, power) ** layer
            square = 1.5 ** (2 * power) * factor(n, 2 * power) ** layer
            error = math.sqrt((square - exact**2) / networks)
            assert float((metric[layer] ** power).mean()) == pytest.approx(
                exact, abs=5 * error
            )
    # Two activations that grow together: the variance per layer is 2/n and 5/n.
    assert n * (factor(n, 2) - 1) == pytest.approx(2.0 if weight_variance == 1 else 5)


def bump(z: Tensor) -> Tensor:
    """Neither odd nor monotonic; its corrections beyond the leading one are small."""
    return torch.tanh(z) + z**2 * torch.exp(-(z**2) / 4) / 4


@pytest.mark.parametrize("activation", [torch.tanh, bump], ids=["tanh", "bump"])
def test_mean_and_variance_follow_the_flows(
    activation: Callable[[Tensor], Tensor],
) -> None:
    n, depth, networks = 128, 7, 20_000
    constants = {"bias_variance": 0.05, "weight_variance": 1.1}
    metric = simulate_metric(
        activation,
        0.8,
        depth,
        **constants,
        width=n,
        networks=networks,
        generator=seeded(),
    )
    flow = vertex_flow(activation, 0.8, depth, **constants)
    mean = flow.covariance + flow.correction / n
    deviation = (flow.vertex / n).sqrt()
    bound = 5 * deviation / networks**0.5 + 12 / n**2 * flow.covariance
    assert bool(((metric.mean(1) - mean).abs() <= bound).all())
    # The metric's fourth moment is 3.0 to 3.4, measured with 60 000 networks; what V
    # leaves out is below 2/n.
    ratio = metric.var(1)[1:] * n / flow.vertex[1:]
    assert bool(((ratio - 1).abs() <= 5 * math.sqrt(2.4 / networks) + 2 / n).all())


def test_variance_grows_exactly_as_for_relu() -> None:
    """Var S = K²((1 + 5/n)^(l-1) - 1), with the error of a variance of heavy tails."""
    n, depth, networks = 64, 6, 20_000
    metric = simulate_metric(
        torch.relu,
        1.0,
        depth,
        bias_variance=0.0,
        weight_variance=2.0,
        width=n,
        networks=networks,
        generator=seeded(4),
    )
    for layer in range(1, depth):
        raw = [relu_factor(n, k) ** layer for k in range(1, 5)]
        assert raw[0] == pytest.approx(1.0)
        variance = raw[1] - 1
        assert variance == pytest.approx((1 + 5 / n) ** layer - 1)
        fourth = raw[3] - 4 * raw[2] + 6 * raw[1] - 3
        error = math.sqrt((fourth - variance**2) / networks)
        assert float(metric[layer].var()) == pytest.approx(variance, abs=5 * error)


@pytest.mark.parametrize("residual", [0.0, 0.6])
def test_law_is_that_of_networks_with_weights(residual: float) -> None:
    n, depth, networks = 5, 4, 40_000
    C_b, C_W = 0.2, 1.4
    generator = seeded(3)

    def normals(*size: int) -> Tensor:
        return torch.randn(*size, dtype=torch.float64, generator=generator)

    z = math.sqrt(0.8) * normals(networks, n)
    whole = [z]
    for _ in range(depth - 1):
        weights = math.sqrt(C_W / n) * normals(networks, n, n)
        fresh = (weights @ torch.tanh(z)[..., None])[..., 0]
        z = residual * z + math.sqrt(C_b) * normals(networks, n) + fresh
        whole.append(z)
    layers = list(
        simulate_neurons(
            torch.tanh,
            0.8,
            depth,
            bias_variance=C_b,
            weight_variance=C_W,
            width=n,
            networks=networks,
            residual=residual,
            generator=generator,
        )
    )
    assert len(layers) == depth
    for drawn, simulated in zip(whole, layers, strict=True):
        for statistic in (
            lambda z: z[:, 0],
            lambda z: z.square().mean(1),
            lambda z: z[:, 0] * z[:, 1],
            lambda z: z[:, 0] ** 2 * z[:, 1] ** 2,
            lambda z: torch.cos(z.sum(1)),
        ):
            a, b = statistic(drawn), statistic(simulated)
            error = math.sqrt(float(a.var() + b.var()) / networks)
            assert abs(float(a.mean() - b.mean())) <= 5 * error


def test_neurons_of_a_residual_chain_have_the_vertex_of_the_flow() -> None:
    """n·Cov(z_i², z_j²) of linear networks with a skip: 2(1 - γ⁴) a layer."""
    n, depth, networks, gamma = 256, 5, 6000, 0.5
    layers = simulate_neurons(
        lambda z: z,
        1.0,
        depth,
        bias_variance=0.0,
        weight_variance=1 - gamma**2,
        width=n,
        networks=networks,
        residual=gamma,
        generator=seeded(1),
    )
    flow = vertex_flow(
        lambda z: z,
        1.0,
        depth,
        bias_variance=0.0,
        weight_variance=1 - gamma**2,
        residual=gamma,
    )
    for layer, z in enumerate(layers):
        square = z**2
        pairs = (square.sum(1) ** 2 - (square**2).sum(1)) / (n * (n - 1))
        vertex = n * float(pairs.mean() - square.mean() ** 2)
        assert float(flow.vertex[layer]) == pytest.approx(2 * (1 - gamma**4) * layer)
        # The variance of ‖z‖²/n is (2 + V)/n, all but Gaussian, and V sits on top of 2.
        whole = 2 + float(flow.vertex[layer])
        error = 5 * whole * math.sqrt(2 / networks) + whole**2 / n
        assert vertex == pytest.approx(float(flow.vertex[layer]), abs=error)


def test_metric_of_a_residual_chain_is_what_the_skip_does_not_bring() -> None:
    depth, gamma, networks = 4, 0.7, 20_000
    constants = {"bias_variance": 0.1, "weight_variance": 0.9, "residual": gamma}
    metric = simulate_metric(
        torch.tanh,
        1.0,
        depth,
        **constants,
        width=200,
        networks=networks,
        generator=seeded(5),
    )
    K = covariance_flow(torch.tanh, 1.0, depth, **constants)
    error = 5 * metric.std(1)[1:] / networks**0.5 + 0.2 / 200 * K[1:]
    assert bool(((metric.mean(1)[1:] - K[1:] + gamma**2 * K[:-1]).abs() < error).all())


def test_chunks_are_seams_that_nobody_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "CHUNK", 32)
    arguments = {"bias_variance": 0.0, "weight_variance": 1.0, "width": 8}
    metric = simulate_metric(
        torch.tanh, 1.0, 3, **arguments, networks=10, generator=seeded()
    )
    generator = seeded()
    parts = [
        simulate_metric(
            torch.tanh, 1.0, 3, **arguments, networks=size, generator=generator
        )
        for size in (4, 4, 2)
    ]
    assert torch.equal(metric, torch.cat(parts, 1))
    wide = simulate_metric(
        torch.tanh, 1.0, 2, **{**arguments, "width": 100}, networks=3
    )
    assert wide.shape == (2, 3)


def test_result_follows_generator_and_dtype() -> None:
    arguments = {
        "bias_variance": 0.0,
        "weight_variance": 1.0,
        "width": 4,
        "networks": 3,
    }
    one, same, other = (
        simulate_metric(torch.tanh, 1.0, 3, **arguments, generator=seeded(seed))
        for seed in (0, 0, 1)
    )
    assert one.dtype == torch.float64
    assert torch.equal(one, same)
    assert not torch.equal(one[1:], other[1:])
    half = simulate_metric(torch.tanh, 1.0, 3, **arguments, dtype=torch.float32)
    assert half.dtype == torch.float32


def test_activation_may_work_in_place_and_have_parameters() -> None:
    arguments = {"bias_variance": 0.0, "weight_variance": 2.0, "residual": 0.5}
    sizes = {"width": 4, "networks": 3}
    plain = list(
        simulate_neurons(torch.relu, 1.0, 3, **arguments, **sizes, generator=seeded())
    )
    in_place = list(
        simulate_neurons(
            torch.nn.ReLU(inplace=True),
            1.0,
            3,
            **arguments,
            **sizes,
            generator=seeded(),
        )
    )
    assert all(map(torch.equal, plain, in_place))
    metric = simulate_metric(
        torch.nn.PReLU(dtype=torch.float64), 1.0, 3, **arguments, **sizes
    )
    assert not metric.requires_grad


GOOD = {
    "activation": torch.tanh,
    "start": 1.0,
    "depth": 3,
    "bias_variance": 0.0,
    "weight_variance": 1.0,
    "width": 4,
    "networks": 5,
}


@pytest.mark.parametrize("simulate", [simulate_metric, simulate_neurons])
@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"start": -1.0}, ValueError, "start must be finite and at least 0"),
        ({"start": "one"}, TypeError, "start is a str"),
        ({"depth": 0}, ValueError, "depth must be at least 1"),
        ({"depth": 2.0}, TypeError, "depth is a float"),
        ({"bias_variance": -0.1}, ValueError, "bias_variance must be"),
        ({"weight_variance": -1.0}, ValueError, "weight_variance must be"),
        ({"width": 0}, ValueError, "width must be at least 1"),
        ({"networks": 0}, ValueError, "networks must be at least 1"),
        ({"residual": math.inf}, ValueError, "residual is inf; expected a finite"),
        ({"dtype": torch.int64}, TypeError, "dtype is torch.int64; expected a float"),
        ({"activation": lambda z: z.sum()}, ValueError, "activation is not elementw"),
        (
            {"activation": lambda z: torch.softmax(z, -1)},
            ValueError,
            "activation is not elementwise",
        ),
        (
            {"activation": lambda z: z, "weight_variance": 1e9, "depth": 60},
            ValueError,
            "the metric is not finite at layer",
        ),
    ],
)
def test_bad_input(simulate, changed, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        list(simulate(**{**GOOD, **changed}))
