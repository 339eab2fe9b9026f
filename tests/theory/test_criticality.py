import math
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from kanlib._errors import DidNotConverge
from kanlib.ops import group_rational
from kanlib.theory import (
    NoCriticalPoint,
    covariance_flow,
    criticality,
    gaussian_mean,
    susceptibilities,
    vertex_flow,
)


def shrunk(z):
    return torch.relu(z - 1)


def mish_like(z):
    return z * torch.tanh(z)


def snake(z):
    return z + torch.sin(z) ** 2


HALF_STABLE = [F.gelu, F.silu, F.mish, F.hardswish, mish_like, snake]
ZERO = [torch.tanh, torch.sin, torch.erf, torch.atan, F.softsign, F.elu, F.selu]


def test_published_constants() -> None:
    gelu, swish = criticality(F.gelu), criticality(F.silu)
    assert gelu.bias_variance == pytest.approx(0.17292239, abs=6e-9)
    assert gelu.weight_variance == pytest.approx(1.98305826, abs=6e-9)
    assert gelu.fixed_point == pytest.approx((3 + math.sqrt(17)) / 2, abs=1e-9)
    assert swish.bias_variance == pytest.approx(0.55514317, abs=6e-9)
    assert swish.weight_variance == pytest.approx(1.98800468, abs=6e-9)
    assert swish.fixed_point == pytest.approx(14.32017362, abs=6e-9)
    assert (gelu.side, swish.side) == ("above", "below")
    assert gelu.universality == swish.universality == "half-stable"
    for point in (gelu, swish):
        (zero,) = point.others
        assert zero.universality == "unstable zero fixed point"
        assert (zero.fixed_point, zero.weight_variance) == (0, pytest.approx(4))


@pytest.mark.parametrize(
    ("activation", "weight_variance", "growth"),
    [
        (torch.relu, 2.0, 5.0),
        (lambda z: z, 1.0, 2.0),
        (lambda z: -3 * z, 1 / 9, 2.0),
        (lambda z: F.leaky_relu(z, 0.5), 1.6, 3 * (17 / 32) / (25 / 64) - 1),
        (torch.abs, 1.0, 2.0),
    ],
)
def test_scale_invariant(activation, weight_variance, growth) -> None:
    point = criticality(activation)
    assert point.universality == "scale invariant"
    assert point.bias_variance == 0
    assert point.weight_variance == pytest.approx(weight_variance, rel=1e-14)
    assert point.growth == pytest.approx(growth)
    assert (point.exponents.norm, point.exponents.angle) == (0, 0)


@pytest.mark.parametrize(
    ("activation", "weight_variance", "norm", "angle", "growth"),
    [
        (torch.tanh, 1, 1, 1, 2 / 3),
        (torch.sin, 1, 1, 1, 2 / 3),
        (torch.erf, math.pi / 4, 1, 1, 2 / 3),
        (torch.atan, 1, 1, 1, 2 / 3),
        # σ₂ ≠ 0: p⊥ = b₁/a₁ with a₁ = σ₃/σ₁ + 3σ₂²/4σ₁², b₁ = σ₃/σ₁ + σ₂²/σ₁²
        (lambda z: torch.sin(z) + torch.sin(z) ** 2 / 4, 1, 1, 12 / 13, 2 / 3),
        # a kink of σ' at 0, and of σ: K^(3/2) moves K
        (F.softsign, 1, 2, 2, 2 / 3),
        (F.elu, 1, 2, 2, 2 / 3),
        (lambda z: F.elu(z, 0.5), 1.6, 2, 2, (3 * (17 / 32) / (25 / 64) - 1) / 3),
        # a kink of σ that K^(3/2) does not see
        (lambda z: torch.relu(torch.tanh(z)), 2, 1, 1, 5 / 3),
        # no term z³
        (lambda z: z * torch.exp(-(z**4)), 1, 1 / 2, 1 / 2, 2 / 3),
        # exactly linear around 0
        (F.hardtanh, 1, 0, 0, 2 / 3),
        (F.relu6, 2, 0, 0, 5 / 3),
    ],
)
def test_zero_fixed_point(activation, weight_variance, norm, angle, growth) -> None:
    point = criticality(activation)
    assert point.universality == "zero fixed point"
    assert (point.bias_variance, point.fixed_point) == (0, 0)
    assert point.weight_variance == pytest.approx(weight_variance, rel=1e-12)
    assert point.exponents.norm == pytest.approx(norm, rel=1e-9)
    assert point.exponents.angle == pytest.approx(angle, rel=1e-8)
    assert point.growth == pytest.approx(growth)


@pytest.mark.parametrize("activation", [torch.tanh, F.softsign, F.selu, F.elu])
def test_exponents_are_those_of_the_flow(activation) -> None:
    point, depth = criticality(activation), 3000
    flow = vertex_flow(
        activation, 1.0, depth, bias_variance=0, weight_variance=point.weight_variance
    )
    K = flow.covariance
    halves = math.log2(float(K[depth // 2 - 1] / K[depth - 1]))
    assert halves == pytest.approx(point.exponents.norm, rel=0.02)
    chi = susceptibilities(
        activation, float(K[-1]), weight_variance=point.weight_variance
    )
    assert depth * (1 - chi.perpendicular) == pytest.approx(
        point.exponents.angle, rel=0.02
    )
    assert depth * (1 - chi.parallel) == pytest.approx(
        1 + point.exponents.norm, rel=0.02
    )
    ratio = float(flow.vertex[-1] / K[-1] ** 2 / depth)
    assert ratio == pytest.approx(point.growth, rel=0.02)


def test_function_without_taylor_series() -> None:
    point = criticality(lambda z: z - z * z.abs().sqrt() / (1 + z**2))
    assert point.universality == "zero fixed point"
    assert point.weight_variance == pytest.approx(1)
    assert point.exponents.norm == pytest.approx(4, rel=0.05)


@pytest.mark.parametrize("activation", [*HALF_STABLE, shrunk, F.softshrink])
def test_both_susceptibilities_are_one_at_the_fixed_point(activation) -> None:
    point = criticality(activation)
    K, C = point.fixed_point, point.weight_variance
    assert point.bias_variance >= 0
    chi = susceptibilities(activation, K, weight_variance=C)
    assert chi.parallel == pytest.approx(1, abs=1e-10)
    assert chi.perpendicular == pytest.approx(1, abs=1e-10)
    square = gaussian_mean(lambda z: activation(z) ** 2, K)
    assert point.bias_variance + C * square == pytest.approx(K, rel=1e-10)
    fourth = gaussian_mean(lambda z: activation(z) ** 4, K)
    growth = C**2 * (fourth - square**2) / K**2
    assert point.growth == pytest.approx(growth, rel=1e-9)


@pytest.mark.parametrize("activation", [*HALF_STABLE, shrunk])
def test_side_is_the_one_that_attracts(activation) -> None:
    point = criticality(activation)
    step = 0.003 * point.fixed_point
    for sign in (1, -1):
        start = point.fixed_point + sign * step
        flow = covariance_flow(
            activation,
            start,
            2,
            bias_variance=point.bias_variance,
            weight_variance=point.weight_variance,
        )
        towards = sign * float(flow[1] - flow[0]) < 0
        assert towards == (point.side == ("above" if sign > 0 else "below"))


def test_exponent_of_the_angle_on_arrival() -> None:
    # x = K − K* falls like 1/ℓ and χ⊥ = 1 − p/ℓ
    point = criticality(snake)
    flow = covariance_flow(
        snake,
        point.fixed_point * 1.5,
        8000,
        bias_variance=point.bias_variance,
        weight_variance=point.weight_variance,
    )
    chi = susceptibilities(
        snake, float(flow[-1]), weight_variance=point.weight_variance
    )
    assert 8000 * (1 - chi.perpendicular) == pytest.approx(
        point.exponents.angle, rel=0.05
    )
    assert 8000 * (1 - chi.parallel) == pytest.approx(2, rel=0.05)


@given(st.floats(0.05, 20))
@settings(max_examples=5, deadline=None)
def test_scale_of_the_output(c: float) -> None:
    one, two = criticality(F.gelu), criticality(lambda z: c * F.gelu(z))
    assert two.weight_variance * c**2 == pytest.approx(one.weight_variance, rel=1e-9)
    assert two.bias_variance == pytest.approx(one.bias_variance, rel=1e-8)
    assert two.fixed_point == pytest.approx(one.fixed_point, rel=1e-8)
    assert two.growth == pytest.approx(one.growth, rel=1e-8)


@given(st.floats(0.3, 3))
@settings(max_examples=5, deadline=None)
def test_scale_of_the_input(c: float) -> None:
    # σ(cz): K* and C_b shrink by c², and so does C_W.
    for activation in (F.mish, F.elu):
        one = criticality(activation)
        two = criticality(lambda z, a=activation: a(c * z))
        for name in ("fixed_point", "bias_variance", "weight_variance"):
            assert getattr(two, name) * c**2 == pytest.approx(
                getattr(one, name), rel=1e-7
            )
        assert two.exponents.angle == pytest.approx(one.exponents.angle, rel=1e-5)


@pytest.mark.parametrize("activation", [F.gelu, torch.tanh, F.elu, torch.relu])
@pytest.mark.parametrize("mirror", [lambda f, z: f(-z), lambda f, z: -f(z)])
def test_mirror_images(activation, mirror) -> None:
    one, two = criticality(activation), criticality(lambda z: mirror(activation, z))
    assert two.universality == one.universality
    assert two.weight_variance == pytest.approx(one.weight_variance, rel=1e-10)
    assert two.bias_variance == pytest.approx(one.bias_variance, rel=1e-9)
    assert two.exponents.angle == pytest.approx(one.exponents.angle, rel=1e-6)


def test_several_points_come_in_the_order_of_their_variance() -> None:
    point = criticality(lambda z: z - z * z.abs().sqrt() / (1 + z**2))
    later = [other.fixed_point for other in point.others]
    assert later == sorted(later)
    assert all(K > 0 for K in later)
    # A narrower search finds fewer.
    assert criticality(F.gelu, search=(1.0, 10.0)).others == point.others[:0] + (
        criticality(F.gelu).others
    )
    with pytest.raises(NoCriticalPoint, match=r"K\* in \[0.01, 2\]"):
        criticality(F.gelu, search=(0.01, 2.0))


def test_rational_activation_of_the_book() -> None:
    # form A of a GroupRational, near silu
    numerator = torch.tensor([[0.0, 0.5, 0.25, 0.0532, 0.0058, 0.00027]])
    denominator = torch.tensor([[0.0, 0.1065, 0.0, 0.00055]])

    def rational(z):
        return group_rational(z[:, None], numerator.double(), denominator.double())[
            :, 0
        ]

    point = criticality(rational)
    chi = susceptibilities(
        rational, point.fixed_point, weight_variance=point.weight_variance
    )
    assert chi.parallel == pytest.approx(1, abs=1e-10)
    assert chi.perpendicular == pytest.approx(1, abs=1e-10)
    (zero,) = point.others
    assert (zero.weight_variance, zero.exponents.norm) == (pytest.approx(4), 1)


@pytest.mark.parametrize(
    ("activation", "parts"),
    [
        (torch.sigmoid, ["χ∥ < χ⊥ all over", "not 0.5", "[1e-06, 1000]"]),
        (F.softplus, ["χ∥ > χ⊥ all over", "not 0.6931"]),
        (lambda z: z**2, ["χ∥ > χ⊥ all over", "finite and not both 0"]),
        (lambda z: z**3, ["χ∥ > χ⊥ all over", "finite and not both 0"]),
        (torch.cos, ["χ∥ < χ⊥ all over", "not 1"]),
        (torch.ones_like, ["slope of the activation is 0"]),
        (torch.zeros_like, ["slope of the activation is 0"]),
        (lambda z: z + z**3, ["K* = 0 with C_W = 1 repels"]),
        (lambda z: torch.relu(z + 1), ["χ∥ = χ⊥ all over", "negative C_b"]),
    ],
)
def test_no_critical_point_says_why(activation, parts) -> None:
    with pytest.raises(NoCriticalPoint, match="no critical point") as caught:
        criticality(activation)
    for part in parts:
        assert part in str(caught.value)


def test_no_critical_point_is_a_value_error_with_what_repels() -> None:
    with pytest.raises(ValueError, match="repels") as caught:
        criticality(lambda z: z + z**3)
    (zero,) = caught.value.others
    assert zero.universality == "unstable zero fixed point"
    assert zero.exponents.norm == pytest.approx(1)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.others) == (str(caught.value), (zero,))


@pytest.mark.parametrize(
    ("activation", "error", "message"),
    [
        (torch.exp, ValueError, r"activation\(z\) has NaN or infinite"),
        (torch.sinh, ValueError, r"activation\(z\) has NaN or infinite"),
        (
            lambda z: torch.where(z > -5, z, z.abs().exp().exp().log()),
            ValueError,
            "torch.where hides",
        ),
        (torch.sign, ValueError, "activation jumps"),
        (F.hardshrink, ValueError, "activation jumps"),
        (lambda z: torch.tanh(z.detach()), ValueError, "gradient is not its slope"),
        (lambda z: F.softmax(z, 0), ValueError, "not elementwise"),
        (F.dropout, ValueError, "not elementwise"),
        (lambda z: torch.tanh(z.float()), TypeError, "has dtype float32"),
        (lambda z: torch.tanh(z.float()).double(), DidNotConverge, "float32 inside"),
    ],
)
def test_bad_activations_are_refused(activation, error, message) -> None:
    with pytest.raises(error, match=message):
        criticality(activation)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"outputs": 0}, ValueError, "outputs must be"),
        ({"outputs": 1.0}, TypeError, "outputs is a float"),
        ({"search": (0.0, 1.0)}, ValueError, "search must be"),
        ({"search": (2.0, 1.0)}, ValueError, "search must be"),
        ({"search": 3.0}, TypeError, "search is"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, message) -> None:
    with pytest.raises(error, match=message):
        criticality(torch.tanh, **arguments)


def test_depth_and_aspect_ratio() -> None:
    point = criticality(torch.relu, outputs=10)
    assert point.aspect_ratio == pytest.approx(4 / 50 / 5)
    assert point.depth(500) == pytest.approx(8)
    with pytest.raises(ValueError, match="width must be"):
        point.depth(0)


def test_a_point_prints_compares_and_hashes() -> None:
    point = criticality(torch.tanh)
    assert repr(point) == (
        "Criticality(zero fixed point: C_b=0, C_W=1, K*=0, "
        "Exponents(norm=1, angle=1), growth=0.6667, "
        "aspect_ratio=0.2609 for 1 output(s))"
    )
    assert point == criticality(torch.tanh)
    assert len({point, criticality(torch.tanh), criticality(torch.sin)}) <= 2
