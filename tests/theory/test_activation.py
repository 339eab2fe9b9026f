import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from kanlib.theory import derivative
from kanlib.theory._activation import (
    check_elementwise,
    sided_slopes,
    sided_taylor,
    slopes_if_scale_invariant,
)

SMOOTH = [torch.tanh, torch.sin, torch.erf, F.gelu, F.silu, F.mish, F.softplus]


@pytest.mark.parametrize("activation", SMOOTH)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivative_is_the_slope_of_the_one_below(activation, order) -> None:
    z = torch.linspace(-3, 3, 13, dtype=torch.float64)
    below, step = derivative(activation, order - 1), 1e-4
    # Of fourth order in the step: (8 (f₊ − f₋) − (f₊₊ − f₋₋)) / 12h.
    near = below(z + step) - below(z - step)
    far = below(z + 2 * step) - below(z - 2 * step)
    slope = (8 * near - far) / (12 * step)
    torch.testing.assert_close(
        derivative(activation, order)(z), slope, rtol=1e-9, atol=1e-10
    )


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=6))
@settings(max_examples=25, deadline=None)
def test_derivative_of_tanh_is_exact_and_elementwise(values) -> None:
    z = torch.tensor(values, dtype=torch.float64)
    expected = 1 - torch.tanh(z) ** 2
    torch.testing.assert_close(derivative(torch.tanh)(z), expected)
    torch.testing.assert_close(
        derivative(torch.tanh)(z[:1]), derivative(torch.tanh)(z)[:1]
    )


def test_derivative_keeps_shape_and_leaves_no_graph() -> None:
    slope = derivative(torch.relu)(torch.zeros(2, 3, 1, dtype=torch.float64))
    assert slope.shape == (2, 3, 1)
    assert not slope.requires_grad
    assert float(slope.abs().max()) == 0  # autograd's choice at the kink


def test_derivative_can_be_differentiated() -> None:
    z = torch.tensor([0.3, -1.2], dtype=torch.float64, requires_grad=True)
    (bend,) = torch.autograd.grad(derivative(torch.sin)(z).sum(), z)
    torch.testing.assert_close(bend, -torch.sin(z.detach()))


def test_derivative_of_what_does_not_depend_on_z_is_zero() -> None:
    z = torch.ones(3, dtype=torch.float64)
    assert derivative(torch.ones_like)(z).tolist() == [0, 0, 0]
    assert derivative(lambda z: 2 * z, 2)(z).tolist() == [0, 0, 0]
    assert derivative(lambda z: 2 * z, 3)(z).tolist() == [0, 0, 0]


def test_derivative_of_order_zero_is_the_function() -> None:
    assert derivative(torch.tanh, 0) is torch.tanh


def test_derivative_works_under_no_grad_and_in_place() -> None:
    z = torch.tensor([-1.0, 2.0], dtype=torch.float64)
    with torch.no_grad():
        assert derivative(nn.ReLU(inplace=True))(z).tolist() == [0, 1]
    assert z.tolist() == [-1, 2]


@pytest.mark.parametrize(
    ("activation", "message"),
    [
        (lambda z: F.softmax(z, 0), "with the other entries"),
        (lambda z: z.cumsum(0), "with the other entries"),
        (lambda z: z.flip(0), "with the other entries"),
        (lambda z: z.sort().values, "with the other entries"),
        (lambda z: z - z.mean(), "with the other entries"),
        (lambda z: F.layer_norm(z, z.shape), "with the other entries"),
        (F.dropout, "two calls with the same z differ"),
        (lambda z: z.sum(), "expected the same shape"),
        (lambda z: z[:, None], "expected the same shape"),
        (nn.Linear(3, 3).double(), "it fails on a float64 tensor"),
        (math.tanh, "it fails on a float64 tensor"),
    ],
)
def test_what_is_not_elementwise_is_refused(activation, message) -> None:
    with pytest.raises(ValueError, match="activation is not elementwise") as caught:
        check_elementwise("f", activation)
    assert message in str(caught.value)


def test_bad_results_and_orders_are_refused() -> None:
    with pytest.raises(TypeError, match="has dtype float32"):
        check_elementwise("f", lambda z: torch.tanh(z.float()))
    with pytest.raises(TypeError, match=r"activation\(z\) is a list"):
        check_elementwise("f", lambda z: z.tolist())
    with pytest.raises(ValueError, match="order must be"):
        derivative(torch.tanh, -1)
    with pytest.raises(TypeError, match="order is a float"):
        derivative(torch.tanh, 1.0)


@pytest.mark.parametrize(
    "activation",
    [
        torch.relu,
        nn.PReLU().double(),
        nn.Dropout().eval(),
        lambda z: (z > 0).double(),
        lambda z: (z + z**3) / (1 + z**4),
    ],
)
def test_any_function_of_one_number_is_taken(activation) -> None:
    check_elementwise("f", activation)


def test_slopes_of_scale_invariant_functions() -> None:
    assert slopes_if_scale_invariant(torch.relu, 300.0) == (1, 0)
    assert slopes_if_scale_invariant(lambda z: -3 * z, 300.0) == (-3, -3)
    right, left = slopes_if_scale_invariant(lambda z: F.leaky_relu(z, 0.3), 300.0)
    assert (right, left) == (1, pytest.approx(0.3, abs=1e-15))


@pytest.mark.parametrize("activation", [F.gelu, F.hardtanh, torch.tanh, F.relu6])
def test_nearly_linear_is_not_scale_invariant(activation) -> None:
    assert slopes_if_scale_invariant(activation, 300.0) is None
    assert slopes_if_scale_invariant(lambda z: torch.relu(z) + 1e-9, 300.0) is None


def test_taylor_coefficients_are_exact_where_smooth() -> None:
    smooth = sided_taylor(lambda z: torch.exp(z) - 1, 4)
    expected = torch.tensor([[0, 1, 1 / 2, 1 / 6, 1 / 24]], dtype=torch.float64)
    signs = torch.tensor([1.0, -1, 1, -1, 1], dtype=torch.float64)
    torch.testing.assert_close(smooth, torch.cat([expected, expected * signs]))


def test_taylor_coefficients_on_both_sides_of_a_kink() -> None:
    # 2z + z² on the right, 1 − e^(−z) = z − z²/2 + z³/6 on the left.
    def kinked(z):
        return torch.where(z > 0, 2 * z + z**2, 1 - torch.exp(-z))

    found = sided_taylor(kinked, 3)
    expected = [[0, 2, 1, 0], [0, -1, -1 / 2, -1 / 6]]
    torch.testing.assert_close(
        found, torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-9
    )


def test_slopes_without_a_taylor_series() -> None:
    assert sided_slopes(lambda z: 2 * z + z * z.abs().sqrt()) == pytest.approx((2, 2))
    assert sided_slopes(lambda z: z * z.abs().sqrt()) == pytest.approx((0, 0), abs=1e-9)
    assert all(map(math.isnan, sided_slopes(lambda z: z.sign() * z.abs().sqrt())))
