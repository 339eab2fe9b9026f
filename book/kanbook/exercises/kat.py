"""Properties for the exercises of the chapter on the Kolmogorov-Arnold transformer."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from kanbook.exercises import Exercise, Property
from kanlib.layers import Rational, gain
from kanlib.ops import group_rational

Function = Callable[..., Tensor]


def _random(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def _number(result: object, given: str) -> float:
    """Return one finite number, or fail."""
    kind = type(result).__name__
    assert isinstance(result, int | float | Tensor), (
        f"For {given} expected a number, got {kind}."
    )
    if isinstance(result, Tensor):
        assert result.numel() == 1, (
            f"For {given} expected one number, got a tensor of shape "
            f"{tuple(result.shape)}."
        )
    value = float(result)
    assert math.isfinite(value), f"For {given} got {value}."
    return value


def _near(got: float, wanted: float, given: str) -> None:
    assert abs(got - wanted) <= 1e-9 * max(1, abs(wanted)), (
        f"For {given} the result is {got:.10g}, which differs from what it must be by "
        f"{abs(got - wanted):.1e}."
    )


# 1. derive: E[F(X)^2] of a polynomial, exactly


def _knows_the_identity(moment: Function) -> None:
    a = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    _near(_number(moment(a), "a = 0, 1, 0, 0, 0, 0"), 1.0, "the identity")
    one = torch.tensor([-3.0], dtype=torch.float64)
    _near(_number(moment(one), "the one coefficient -3"), 9.0, "the constant -3")


def _is_quadratic(moment: Function) -> None:
    a, b = _random(6, seed=1), _random(6, seed=2)
    both = _number(moment(a + b), "a + b") + _number(moment(a - b), "a - b")
    apart = 2 * _number(moment(a), "a") + 2 * _number(moment(b), "b")
    _near(both, apart, "a + b and a - b with random a and b")


def _is_the_integral(moment: Function) -> None:
    for size in (2, 6, 9):
        a = _random(size, seed=size)
        value = _number(moment(a.clone()), f"{size} random coefficients")
        f = Rational(tuple(a.tolist()), (), "A")
        _near(value, 1 / gain(f), f"{size} random coefficients")


# 2. code: the gradient with respect to the coefficients, in form A


def _pair(result: object, given: str) -> tuple[Tensor, Tensor]:
    kind = type(result).__name__
    assert isinstance(result, tuple | list), f"For {given} got {kind}, no pair."
    assert len(result) == 2, f"For {given} expected a pair, got {len(result)} things."
    for part, name, size in zip(result, "ab", (6, 4), strict=True):
        got = tuple(part.shape) if isinstance(part, Tensor) else type(part).__name__
        assert got == (size,), (
            f"For {given} expected a gradient of shape ({size},) for {name}, got {got}."
        )
    first, second = result
    return first, second


def _without_autograd(backward: Function, *given: Tensor) -> object:
    with torch.inference_mode():
        return backward(*(tensor.clone() for tensor in given))


def _agrees(backward: Function, x: Tensor, b: Tensor, given: str) -> None:
    pull, a = _random(len(x), seed=7), _random(6, seed=8)
    leaves = [a.clone().requires_grad_(), b.clone().requires_grad_()]
    rows = (leaf[None] for leaf in leaves)
    y = group_rational(x[:, None], *rows, form="A")[:, 0]
    wanted = torch.autograd.grad(y, leaves, pull)
    got = _pair(_without_autograd(backward, pull, x, a, b), given)
    for name, left, right in zip("ab", got, wanted, strict=True):
        gap = (left - right).abs()
        at = int(gap.argmax()) + (name == "b")
        size = right.abs().max().item()
        assert bool(gap.max() <= 1e-10 * max(1, size)), (
            f"For {given} the gradient of {name}_{at} is off by {gap.max():.1e}."
        )


def _has_shapes(backward: Function) -> None:
    x = _random(7, seed=1)
    given = (_random(7, seed=2), x, _random(6, seed=3), _random(4, seed=4))
    _pair(_without_autograd(backward, *given), "seven points")


def _positive(backward: Function) -> None:
    x, b = _random(40, seed=5).abs(), _random(4, seed=6).abs()
    _agrees(backward, x, b, "positive x and b")


def _signs(backward: Function) -> None:
    _agrees(backward, _random(40, seed=5), _random(4, seed=6), "x and b of any sign")


def _zeros(backward: Function) -> None:
    zero = torch.zeros(4, dtype=torch.float64)
    _agrees(backward, _random(40, seed=5), zero, "b = 0")
    x = torch.tensor([0.0, -0.0, 1.0], dtype=torch.float64)
    _agrees(backward, x, _random(4, seed=6), "x = 0, -0 and 1")


# 3. break: inputs for which the gain does not preserve the variance

_COUNTS = (1000, 4000)


def _values(inputs: Function, count: int) -> Tensor:
    x = inputs(count)
    got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
    assert got == (count,), f"For count = {count} expected {count} numbers, got {got}."
    return x.double()


def _has_count(inputs: Function) -> None:
    for count in _COUNTS:
        assert bool(_values(inputs, count).isfinite().all()), (
            f"For count = {count} some numbers are not finite."
        )


def _is_standardized(inputs: Function) -> None:
    for count in _COUNTS:
        x = _values(inputs, count)
        mean, variance = x.mean().item(), x.var(correction=0).item()
        assert abs(mean) < 1e-3, f"For count = {count} the mean is {mean:.4f}."
        assert abs(variance - 1) < 1e-3, (
            f"For count = {count} the variance is {variance:.4f}."
        )


def _shrinks(inputs: Function) -> None:
    silu = torch.nn.functional.silu
    alpha = gain(silu)
    for count in _COUNTS:
        # Weights of variance alpha / inputs: the outputs' variance.
        after = alpha * silu(_values(inputs, count)).square().mean().item()
        assert after < 0.5, (
            f"For count = {count} the outputs have the variance {after:.3f}."
        )


EXERCISES = (
    Exercise(
        1,
        "derive",
        ("a",),
        (
            Property("the identity and a constant have theirs", _knows_the_identity),
            Property("it is quadratic in the coefficients", _is_quadratic),
            Property("it is the integral, for any number of them", _is_the_integral),
        ),
    ),
    Exercise(
        2,
        "code",
        ("pull", "x", "a", "b"),
        (
            Property("six numbers for a, four for b", _has_shapes),
            Property("right for positive x and b", _positive),
            Property("right for x and b of any sign", _signs),
            Property("the sign of 0 is +1", _zeros),
        ),
    ),
    Exercise(
        3,
        "break",
        ("count",),
        (
            Property("as many numbers as asked for", _has_count),
            Property("their mean is 0 and their variance 1", _is_standardized),
            Property("the outputs' variance is below one half", _shrinks),
        ),
    ),
)
