"""Activations as functions of one number: checked, differentiated, expanded at 0."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from kanlib import _check

Activation = Callable[[Tensor], Tensor]
"""σ, a function of tensors that acts on each entry alone, such as `torch.tanh`."""

# Irregular, on both sides of 0, and not in the order in which anything is sorted.
PROBES = (0.3, -1.7, 2.9, -0.2, 1.1, -2.3, 0.7, -0.9, 1.9, -3.1, 0.05, -0.6)
# Where one-sided limits at 0 are read off: near enough that the next term is 1e-12.
NEAR = 1e-6


def derivative(activation: Activation, order: int = 1) -> Activation:
    """Return σ⁽ⁿ⁾ of an elementwise σ, by automatic differentiation.

    Args:
        activation: σ, elementwise.
        order: n ≥ 0.

    Returns:
        A function of a tensor of any shape, itself differentiable.

    Raises:
        ValueError: "order must be" non-negative. "activation is not elementwise".
        TypeError: "order is" not an int.

    Notes:
        By `torch.autograd`; inside transforms of torch.func take `torch.func.grad`.
        At a kink it is what autograd says (0 for `torch.relu` at 0), and a jump of
        σ⁽ⁿ⁻¹⁾ leaves no delta function in σ⁽ⁿ⁾: a mean of σ'' over a Gaussian lacks
        what sits at a kink. Integrate by parts instead, as `susceptibilities` does.
        With `torch.where` the slope is NaN wherever the branch not taken overflows.

    Example:
        >>> derivative(torch.tanh, 3)(torch.zeros(2, dtype=torch.float64))
        tensor([-2., -2.], dtype=torch.float64)
    """
    _check.is_integer("derivative", "order", order, 0)
    check_elementwise("derivative", activation)
    return _derived(activation, order)


def _derived(activation: Activation, order: int) -> Activation:
    """Return σ⁽ⁿ⁾ without a check."""
    if order == 0:
        return activation
    below = _derived(activation, order - 1)

    def slope(z: Tensor) -> Tensor:
        x = z if z.requires_grad else z.detach().requires_grad_()
        with torch.enable_grad():
            # The clone lets σ work in place.
            total = below(x.clone()).sum()
        if not total.requires_grad:  # it does not depend on z
            return torch.zeros_like(z)
        (result,) = torch.autograd.grad(
            total, x, create_graph=z.requires_grad, allow_unused=True
        )
        return torch.zeros_like(z) if result is None else result

    return slope


def check_elementwise(
    owner: str, activation: Activation, name: str = "activation"
) -> None:
    """Raise ValueError or TypeError unless σ maps each float64 number by itself."""
    z = torch.tensor(PROBES, dtype=torch.float64)
    order = torch.arange(len(PROBES)) * 5 % len(PROBES)
    with torch.no_grad():
        try:
            whole, again, turned, alone = (
                activation(part.clone()) for part in (z, z, z[order], z[2:3])
            )
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            raise ValueError(
                f"{owner}: {name} is not elementwise: it fails on a float64 tensor of "
                f"shape ({len(PROBES)},), or on one number of it: {error}. "
                f"Expected a function of each number by itself; make a module "
                f"with .double() and give it the axes that it needs."
            ) from error
    _check.is_tensor(owner, f"{name}(z)", whole)
    if whole.dtype.is_floating_point and whole.dtype != torch.float64:
        kind = str(whole.dtype).removeprefix("torch.")
        raise TypeError(
            f"{owner}: {name}(z) has dtype {kind} for a float64 z; expected float64, "
            f"because the error of the integrals is held far below float32's rounding. "
            f"Let the function keep the dtype of z."
        )
    if whole.shape != z.shape or alone.shape != (1,):
        raise ValueError(
            f"{owner}: {name} is not elementwise: z of shape {tuple(z.shape)} gives "
            f"{tuple(whole.shape)}; expected the same shape."
        )
    if not _same(whole, again):
        raise ValueError(
            f"{owner}: {name} is not elementwise: two calls with the same z differ; "
            f"expected a fixed function. Put a random layer into .eval()."
        )
    moved = not _same(whole[order], turned)
    if moved or not _same(whole[2:3], alone):
        raise ValueError(
            f"{owner}: {name} is not elementwise: a value changes with the other "
            f"entries of z or with their order; expected a function of each number "
            f"by itself."
        )


def _same(first: Tensor, second: Tensor) -> bool:
    """Whether both agree up to rounding; NaN is like NaN."""
    return torch.allclose(first, second, rtol=1e-9, atol=1e-12, equal_nan=True)


def slopes_if_scale_invariant(
    activation: Activation, reach: float
) -> tuple[float, float] | None:
    """Return (a₊, a₋) if σ(z) = a₊z for z ≥ 0 and a₋z for z ≤ 0, up to |z| = reach."""
    sizes = torch.logspace(-4, 0, 65, dtype=torch.float64) * reach
    with torch.no_grad():
        at_zero = float(activation(torch.zeros(1, dtype=torch.float64))[0])
        up = activation(sizes.clone()) / sizes
        down = activation(-sizes) / -sizes
    scale = float(torch.maximum(up.abs().amax(), down.abs().amax()))
    spread = float(torch.maximum(up.max() - up.min(), down.max() - down.min()))
    # What is not finite is reported by the integrals.
    if at_zero == 0 and math.isfinite(spread) and spread <= 1e-14 * scale:
        return float(up[0]), float(down[0])
    return None


def sided_taylor(activation: Activation, order: int) -> Float[Tensor, "2 orders"]:
    """Return t with σ(±x) = Σ_k t[±, k] xᵏ for small x > 0: rows are right and left.

    Where both sides agree with the value at 0, that value is exact; else each is a
    limit, from points close by. NaN where there is none.
    """
    steps = torch.arange(1.0, 4.0, dtype=torch.float64)
    sizes = NEAR * torch.cat([steps, steps / 64])
    near = torch.cat([torch.zeros(1, dtype=torch.float64), sizes, -sizes])
    sides = torch.empty(2, order + 1, dtype=torch.float64)
    for k in range(order + 1):
        with torch.no_grad():
            values = _derived(activation, k)(near.clone()) / math.factorial(k)
        limits = []
        for row in values[1:].view(2, 2, 3).tolist():
            limit, closer = (3 * one - 3 * two + three for one, two, three in row)
            agree = abs(limit - closer) <= 1e-5 * (1 + abs(closer))
            limits.append(limit if agree else math.nan)
        center = float(values[0])
        if all(abs(limit - center) <= 1e-8 * (1 + abs(center)) for limit in limits):
            limits = [center, center]
        sides[0, k], sides[1, k] = limits[0], (-1) ** k * limits[1]
    return sides


def sided_slopes(activation: Activation) -> tuple[float, float]:
    """Return the slopes of σ at +0 and −0, σ(0) being 0; NaN where there is none.

    Where σ has no Taylor series, as z + z |z|^½, the slope is the limit a of
    σ(z)/z = a + c |z|^q, which three points in a geometric row give exactly.
    """
    right, left = sided_taylor(activation, 1)[:, 1].tolist()
    if not math.isnan(right + left):
        return right, -left
    near = NEAR * torch.tensor([1.0, 1e-2, 1e-4], dtype=torch.float64)
    limits = []
    for z in (near, -near):
        with torch.no_grad():
            first, second, third = (activation(z.clone()) / z).tolist()
        ratio = (third - second) / (second - first) if second != first else 0.0
        converges = abs(ratio) < 0.9
        limit = (
            third + (third - second) * ratio / (1 - ratio) if converges else math.nan
        )
        limits.append(limit)
    return limits[0], limits[1]
