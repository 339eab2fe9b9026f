import math

import pytest
import torch
from torch.nn import functional as F

from kanlib.theory import (
    covariance_flow,
    criticality,
    gaussian_mean,
    gaussian_mean_pair,
    susceptibilities,
    vertex_flow,
)

ACTIVATIONS = [torch.tanh, F.gelu, F.silu, torch.relu, F.elu, F.hardtanh, F.softplus]


def test_one_input_follows_the_recursion() -> None:
    flow = covariance_flow(
        F.gelu, 0.7, 5, bias_variance=0.1, weight_variance=1.7, residual=0.3
    )
    for before, after in zip(flow[:-1].tolist(), flow[1:].tolist(), strict=True):
        square = gaussian_mean(lambda z: F.gelu(z) ** 2, before)
        expected = 0.09 * before + 0.1 + 1.7 * square
        assert after == pytest.approx(expected, rel=1e-11)


def test_relu_at_criticality_turns_angles_and_keeps_norms() -> None:
    start = torch.tensor([[1.0, 0.5], [0.5, 1.0]], dtype=torch.float64)
    flow = covariance_flow(torch.relu, start, 6, bias_variance=0, weight_variance=2)
    theta = math.acos(0.5)
    for matrix in flow:
        expected = torch.tensor(
            [[1.0, math.cos(theta)], [math.cos(theta), 1.0]], dtype=torch.float64
        )
        torch.testing.assert_close(matrix, expected, rtol=1e-10, atol=1e-10)
        cosine = (math.sin(theta) + (math.pi - theta) * math.cos(theta)) / math.pi
        theta = math.acos(cosine)


def test_erf_matrix_has_the_arcsine_form() -> None:
    rows = torch.tensor([[1.0, 0.2], [0.3, -1.4], [-0.5, 0.0]], dtype=torch.float64)
    start = rows @ rows.T
    flow = covariance_flow(torch.erf, start, 3, bias_variance=0.2, weight_variance=1.3)
    K = start
    for matrix in flow:
        torch.testing.assert_close(matrix, K, rtol=1e-9, atol=1e-11)
        norm = torch.sqrt(1 + 2 * K.diagonal())
        K = 0.2 + 1.3 * 2 / math.pi * torch.asin(2 * K / norm[:, None] / norm)


def test_linear_network_multiplies() -> None:
    start = torch.tensor([[2.0, -1.0], [-1.0, 0.5]], dtype=torch.float64)
    flow = covariance_flow(
        lambda z: z, start, 4, bias_variance=0, weight_variance=0.5, residual=0.5
    )
    for layer, matrix in enumerate(flow):
        torch.testing.assert_close(matrix, start * 0.75**layer)


def test_equal_and_vanishing_inputs_stay_so() -> None:
    start = torch.tensor(
        [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64
    )
    flow = covariance_flow(F.gelu, start, 4, bias_variance=0, weight_variance=2)
    torch.testing.assert_close(flow[:, 0, 0], flow[:, 0, 1])
    assert flow[:, 2].abs().max() == 0
    assert covariance_flow(
        torch.cos, 0.0, 2, bias_variance=0.1, weight_variance=2
    ).tolist() == [0, 2.1]
    assert covariance_flow(
        torch.cos, 3.0, 2, bias_variance=0.1, weight_variance=0
    ).tolist() == [3, 0.1]


def test_scale_covariance_of_flows() -> None:
    # c σ with C_W/c² is the same network.
    one = vertex_flow(F.gelu, 0.8, 5, bias_variance=0.1, weight_variance=1.8)
    two = vertex_flow(
        lambda z: 3 * F.gelu(z), 0.8, 5, bias_variance=0.1, weight_variance=0.2
    )
    for first, second in zip(one, two, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-9, atol=1e-11)


def test_mirror_image_flips_only_the_odd_vertex() -> None:
    constants = {"bias_variance": 0.1, "weight_variance": 1.2, "residual": 0.6}
    one = vertex_flow(F.gelu, 0.8, 5, **constants)
    two = vertex_flow(lambda z: F.gelu(-z), 0.8, 5, **constants)
    assert float(one.odd[-1]) > 0.01
    torch.testing.assert_close(two.odd, -one.odd)
    for name in ("covariance", "vertex", "correction"):
        torch.testing.assert_close(getattr(one, name), getattr(two, name))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("variance", [0.05, 1.0, 30.0])
def test_susceptibilities_are_derivatives(activation, variance: float) -> None:
    C, residual, step = 1.4, 0.5, 1e-4 * variance
    chi = susceptibilities(activation, variance, weight_variance=C, residual=residual)

    def following(K: float) -> float:
        mean = gaussian_mean(lambda z: activation(z) ** 2, K)
        return residual**2 * K + C * mean

    slope = (following(variance + step) - following(variance - step)) / (2 * step)
    assert chi.parallel == pytest.approx(slope, rel=1e-6)
    beside = [
        susceptibilities(activation, K, weight_variance=C).perpendicular
        for K in (variance + step, variance - step)
    ]
    mixing = (beside[0] - beside[1]) / (4 * step)
    assert chi.mixing == pytest.approx(mixing, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("activation", [torch.tanh, F.gelu, torch.relu])
def test_two_nearby_inputs_move_as_the_susceptibilities_say(activation) -> None:
    K, C, step = 1.3, 1.7, 1e-3
    chi = susceptibilities(activation, K, weight_variance=C)

    def layer(first: float, second: float, both: float) -> tuple[float, float]:
        """Return D₁' and D₂' after one layer, and so read their definitions."""
        matrices = [
            [first, first, first],
            [second, second, second],
            [first, both, second],
        ]
        batch = torch.tensor(
            [[[a, b], [b, d]] for a, b, d in matrices], dtype=torch.float64
        )
        means = C * gaussian_mean_pair(activation, activation, batch)
        plus, minus, cross = means.tolist()
        return (plus - minus) / 2, (plus + minus - 2 * cross) / 4

    across = layer(K, K, K - 2 * step)  # D₁ = 0, D₂ = step
    assert across[0] == pytest.approx(0, abs=1e-12)
    # A kink makes the distance shrink by a power 3/2 of it beyond the linear term.
    assert across[1] / step == pytest.approx(
        chi.perpendicular, rel=0.03 if activation is torch.relu else 3e-3
    )
    # Parallel inputs of different lengths: D₁ = step and D₂ a term of second order.
    both = math.sqrt(K**2 - step**2)
    along = layer(K + step, K - step, both)
    assert along[0] / step == pytest.approx(chi.parallel, rel=1e-5)
    expected = chi.perpendicular * (K - both) / 2 + chi.mixing * step**2
    assert along[1] == pytest.approx(expected, rel=1e-3)


def test_kinks_cost_nothing() -> None:
    chi = susceptibilities(F.hardtanh, 1.0, weight_variance=1.0)
    inside = math.erf(1 / math.sqrt(2))
    edge = math.sqrt(2 / math.pi) * math.exp(-1 / 2)
    assert chi.perpendicular == pytest.approx(inside, rel=1e-12)
    assert chi.parallel == pytest.approx(inside - edge, rel=1e-12)
    # χ⊥ = erf(1/√2K), so χ⊥'/2 at K = 1 is −edge/4
    assert chi.mixing == pytest.approx(-edge / 4, rel=1e-11)


def test_linear_network_with_residual_is_exact() -> None:
    # Given z, the next layer is N(γz, C_W z·z/n): V + 2K² moves by a closed rule.
    C, skip = 0.6, 0.5
    flow = vertex_flow(
        lambda z: z, 1.5, 6, bias_variance=0, weight_variance=C, residual=skip
    )
    chi = C + skip**2
    K, V = 1.5, 0.0
    for k, v, g, u in zip(*(part.tolist() for part in flow), strict=True):
        assert (k, v) == (pytest.approx(K), pytest.approx(V, abs=1e-12))
        assert (g, u) == (pytest.approx(0, abs=1e-12), pytest.approx(0, abs=1e-12))
        V = chi**2 * V + (2 * C**2 + 4 * skip**2 * C) * K**2
        K = chi * K


def test_scale_invariant_growth_with_residual() -> None:
    # ν(γ) = (1 − γ²) ((1 − γ²)(3A₄/A₂² − 1) + 4γ²) for odd σ.
    skip = 0.9
    flow = vertex_flow(
        lambda z: 2 * z,
        1.0,
        9,
        bias_variance=0,
        weight_variance=(1 - skip**2) / 4,
        residual=skip,
    )
    expected = 2 * (1 - skip**4) * 8
    assert float(flow.vertex[-1]) == pytest.approx(expected, rel=1e-10)


def test_vertex_of_tanh_grows_by_two_thirds_a_layer() -> None:
    flow = vertex_flow(torch.tanh, 1.0, 3000, bias_variance=0, weight_variance=1)
    ratio = flow.vertex / flow.covariance**2 / torch.arange(1, 3001)
    assert abs(float(ratio[-1]) - 2 / 3) < 0.003


def test_half_stable_growth_falls_to_a_fifth_on_arrival() -> None:
    point = criticality(lambda z: z + torch.sin(z) ** 2)
    assert point.side == "above"
    constants = {
        "bias_variance": point.bias_variance,
        "weight_variance": point.weight_variance,
    }

    def snake(z):
        return z + torch.sin(z) ** 2

    there = vertex_flow(snake, point.fixed_point, 20, **constants)
    growth = there.vertex / point.fixed_point**2
    assert float(growth[-1] / 19) == pytest.approx(point.growth, rel=1e-3)
    arriving = vertex_flow(snake, point.fixed_point * 1.5, 4000, **constants)
    steps = arriving.vertex.diff()[-1] / point.fixed_point**2
    assert float(steps) == pytest.approx(point.growth / 5, rel=0.02)


def simulated(activation, mean_square, skip, C, width, networks, depth, generator):
    """Return per network z̄ z² statistics of the last layer: the law, no weights drawn.

    `mean_square(m, s)` is E σ(m + sξ)²; D has mean 0 by construction and serves as
    control for the noise of the mean.
    """
    shape = networks, width
    z = torch.randn(shape, generator=generator, dtype=torch.float64)
    controls = [z.mean(1), (z**2).mean(1) - 1]
    square = activation(z) ** 2
    controls.append((square - mean_square(torch.zeros(1), torch.ones(1))).mean(1))
    for _ in range(depth - 1):
        S = C * square.mean(1, keepdim=True)
        expected = mean_square(skip * z, S.sqrt().expand(shape))
        noise = torch.randn(shape, generator=generator, dtype=torch.float64)
        controls.append((2 * skip * z * S.sqrt() * noise + S * (noise**2 - 1)).mean(1))
        z = skip * z + S.sqrt() * noise
        square = activation(z) ** 2
        controls.append((square - expected).mean(1))
    return z, torch.stack(controls, 1)


def relu_square(m, s):
    ratio = m / s
    density = torch.exp(-(ratio**2) / 2) / math.sqrt(2 * math.pi)
    share = (1 + torch.erf(ratio / math.sqrt(2))) / 2
    return (m**2 + s**2) * share + m * s * density


def test_finite_networks_have_these_moments() -> None:
    # ReLU with a skip: all of V, G⁽¹⁾ and U are at work, and σ is not odd.
    skip, C, depth, networks = 0.6, 1.1, 4, 25000
    flow = vertex_flow(
        torch.relu, 1.0, depth, bias_variance=0, weight_variance=C, residual=skip
    )
    generator = torch.Generator().manual_seed(5)
    found, errors = [], []
    for width in (24, 48, 96):
        z, controls = simulated(
            torch.relu, relu_square, skip, C, width, networks, depth, generator
        )
        mean, square = z.mean(1), (z**2).mean(1)
        K = float(flow.covariance[-1])
        # sums over i ≠ j of z_i z_j² and of (z_i² − K)(z_j² − K), per pair, times n
        pairs = width - 1
        odd = (width * mean * square - (z**3).mean(1)) * width / pairs
        shifted = z**2 - K
        vertex = shifted.mean(1) ** 2 * width - (shifted**2).mean(1)
        vertex = vertex * width / pairs
        correction = (square - K) * width
        estimates = torch.stack([vertex, correction, odd], 1)
        # Remove what is explained by controls of mean 0.
        fit = torch.linalg.lstsq(controls, estimates - estimates.mean(0)).solution
        estimates = estimates - controls @ fit
        found.append(estimates.mean(0))
        errors.append(estimates.std(0) / math.sqrt(networks))
    # The next order in 1/n is removed by comparing a width with its double.
    predicted = torch.stack([flow.vertex[-1], flow.correction[-1], flow.odd[-1]])
    limit = 2 * found[2] - found[1]
    error = torch.sqrt(4 * errors[2] ** 2 + errors[1] ** 2)
    assert ((limit - predicted).abs() <= 5 * error).all(), (limit, predicted, error)


@pytest.mark.parametrize("activation", [torch.relu, F.gelu, torch.tanh])
@pytest.mark.parametrize("skip", [0.6, -0.9])
def test_skip_vertices_sum_to_the_covariance_of_two_layers(activation, skip) -> None:
    # Layer 3 of V: the covariance of σ² at two layers, less its second Hermite term.
    C, start = 0.7, 1.3
    flow = vertex_flow(
        activation, start, 3, bias_variance=0.1, weight_variance=C, residual=skip
    )

    def square(z):
        return activation(z) ** 2

    K1, K2, _ = flow.covariance.tolist()
    both = torch.tensor([[K1, skip * K1], [skip * K1, K2]], dtype=torch.float64)
    g = [gaussian_mean(square, K) for K in (K1, K2)]
    fourth = gaussian_mean(lambda z: square(z) ** 2, K2)
    chi = susceptibilities(activation, K1, weight_variance=C)
    chi2 = susceptibilities(activation, K2, weight_variance=C)
    slopes = chi.parallel / C, chi2.parallel / C
    rho = skip * math.sqrt(K1 / K2)
    joint = float(gaussian_mean_pair(square, square, both)) - g[0] * g[1]
    joint -= rho**2 * 2 * K1 * K2 * slopes[0] * slopes[1]
    full = skip**2 + chi2.parallel
    expected = full**2 * float(flow.vertex[1]) + C**2 * (fourth - g[1] ** 2)
    expected += 4 * skip**2 * C * K2**2 * slopes[1] + 2 * C**2 * full * joint
    assert float(flow.vertex[2]) == pytest.approx(expected, rel=1e-6)


def test_odd_vertex_closes_by_itself() -> None:
    # U' = γ (χ U + C_W ⟨zσ²⟩)
    C, skip = 0.7, 0.6
    flow = vertex_flow(
        F.gelu, 1.3, 6, bias_variance=0.1, weight_variance=C, residual=skip
    )
    U = 0.0
    for K, found in zip(flow.covariance.tolist(), flow.odd.tolist(), strict=True):
        assert found == pytest.approx(U, rel=1e-9, abs=1e-14)
        chi = susceptibilities(F.gelu, K, weight_variance=C, residual=skip).parallel
        U = skip * (chi * U + C * gaussian_mean(lambda z: z * F.gelu(z) ** 2, K))


FLOWS = [covariance_flow, vertex_flow]


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"start": -1.0}, ValueError, "start must be"),
        ({"start": math.inf}, ValueError, "start must be"),
        ({"depth": 0}, ValueError, "depth must be"),
        ({"depth": 2.0}, TypeError, "depth is a float"),
        ({"bias_variance": -0.1}, ValueError, "bias_variance must be"),
        ({"weight_variance": math.nan}, ValueError, "weight_variance must be"),
        ({"residual": "half"}, TypeError, "residual is a str"),
        ({"activation": lambda z: z.cumsum(0)}, ValueError, "not elementwise"),
    ],
)
def test_bad_arguments_are_refused(flow, changed, error, message) -> None:
    arguments = {
        "activation": torch.tanh,
        "start": 1.0,
        "depth": 3,
        "bias_variance": 0.0,
        "weight_variance": 1.0,
    }
    with pytest.raises(error, match=message):
        flow(**(arguments | changed))


@pytest.mark.parametrize(
    ("start", "error", "message"),
    [
        (torch.ones(2, 3), ValueError, "start has shape"),
        (torch.ones(2), ValueError, "start has shape"),
        (torch.tensor([[1.0, 2.0], [2.0, 1.0]]), ValueError, "start is not symmetric"),
        (torch.tensor([[1.0, 0.3], [0.2, 1.0]]), ValueError, "start is not symmetric"),
        (torch.full((1, 1), math.nan), ValueError, "NaN or infinite"),
        (torch.ones(2, 2, dtype=torch.int64), TypeError, "start has dtype"),
    ],
)
def test_bad_start_matrix_is_refused(start, error, message) -> None:
    with pytest.raises(error, match=message):
        covariance_flow(torch.tanh, start, 3, bias_variance=0, weight_variance=1)


def test_flows_that_end_are_refused() -> None:
    with pytest.raises(ValueError, match="covariance of layer 2 is 0"):
        vertex_flow(torch.relu, 1.0, 3, bias_variance=0, weight_variance=0)
    with pytest.raises(ValueError, match="variance must be"):
        susceptibilities(torch.tanh, 0.0, weight_variance=1)
