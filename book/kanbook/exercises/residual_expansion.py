"""Properties for the three exercises of the chapter on the residual expansion."""

import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from kanbook.exercises import Exercise, Property

Answer = Callable[..., Any]

# 1. derive: three coefficients of a tower of equal blocks of one variable


def _case(seed: int) -> tuple[Fraction, Fraction, Fraction]:
    return Fraction(seed + 2, 3), Fraction(1 - 2 * seed, 5), Fraction(3 * seed - 4, 7)


def _exact(n: int, a: Fraction, b: Fraction, c: Fraction) -> list[Fraction]:
    """Carry the polynomial in the scale, cut after third order, block by block."""
    state = [Fraction(0)] * 4
    for _ in range(n):
        square = [
            sum((state[i] * state[k - i] for i in range(k + 1)), Fraction(0))
            for k in range(4)
        ]
        value = [b * s + c * q / 2 for s, q in zip(state, square, strict=True)]
        value[0] += a
        state = [state[0], *(state[k] + value[k - 1] for k in (1, 2, 3))]
    return state[1:]


def _returns_three(answer: Answer) -> None:
    result = answer(3, 1.0, 1.0, 1.0)
    many = len(result) if isinstance(result, tuple | list) else type(result).__name__
    assert many == 3, f"For n = 3 expected a tuple of 3 numbers, got {many}."


def _order(which: int, depths: tuple[int, ...]) -> Callable[[Answer], None]:
    def test(answer: Answer) -> None:
        for n, seed in itertools.product(depths, (0, 1, 2)):
            a, b, c = _case(seed)
            wanted = float(_exact(n, a, b, c)[which])
            got = float(answer(n, float(a), float(b), float(c))[which])
            assert math.isclose(got, wanted, rel_tol=1e-9, abs_tol=1e-9), (
                f"For n = {n}, a = {a}, b = {b}, c = {c} your number is off by "
                f"{abs(got - wanted):.3g}."
            )

    return test


# 2. code: energies of levels for unequal scales


def _scales(n: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, generator=generator, dtype=torch.float64)


def _energies(answer: Answer, scales: Tensor) -> Tensor:
    result = answer(scales.clone())
    shape = (len(scales) + 1,)
    got = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
    assert got == shape, (
        f"For {len(scales)} scales expected a tensor of shape {shape}, got {got}."
    )
    return result


def _has_levels(answer: Answer) -> None:
    for n in (1, 2, 5):
        _energies(answer, _scales(n, n))


def _begins_with_identity(answer: Answer) -> None:
    scales = _scales(4, 0)
    gap = abs(float(_energies(answer, scales)[0]) - 1)
    assert gap < 1e-12, f"For 4 random scales level 0 is off by {gap:.3g}."


def _matches_paths(answer: Answer) -> None:
    scales = _scales(6, 1)
    result = _energies(answer, scales)
    squares = [float(s) ** 2 for s in scales]
    for k in range(7):
        wanted = sum(math.prod(p) for p in itertools.combinations(squares, k))
        gap = abs(float(result[k]) - wanted)
        assert gap < 1e-10, f"For 6 random scales level {k} is off by {gap:.3g}."


def _is_symmetric(answer: Answer) -> None:
    scales = _scales(7, 2)
    gap = (_energies(answer, scales) - _energies(answer, scales.flip(0))).abs().max()
    assert gap < 1e-12, (
        f"For 7 random scales in reverse order the energies move by {float(gap):.3g}."
    )


def _is_deep(answer: Answer) -> None:
    scales = _scales(300, 3) / 300**0.5
    got = float(_energies(answer, scales).sum())
    wanted = float((1 + scales**2).prod())
    assert math.isclose(got, wanted, rel_tol=1e-10), (
        f"For 300 random scales the sum of all energies is off by "
        f"{abs(got - wanted):.3g}."
    )


# 3. break: isotropic blocks whose tower explodes all the same


def _sample(answer: Answer, n: int, draws: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(draws):
        A = answer(n, generator)
        got = tuple(A.shape) if isinstance(A, Tensor) else type(A).__name__
        assert got == (n, 2, 2), (
            f"For n = {n} expected a tensor of shape ({n}, 2, 2), got {got}."
        )
        found.append(A.double())
    return torch.stack(found)


def _are_matrices(answer: Answer) -> None:
    _sample(answer, 3, 1)


def _have_mean_zero(answer: Answer) -> None:
    A = _sample(answer, 4, 4000)
    # a mean of 4000 numbers has a standard error of a sixtieth of their size
    allowed = 5 * A.square().mean().sqrt() / 4000**0.5
    worst = A.mean(0).abs().max()
    assert worst <= allowed, (
        f"In 4000 draws of 4 blocks an entry has the mean {float(worst):.3g}; chance "
        f"allows {float(allowed):.3g}."
    )


def _keep_energy(answer: Answer) -> None:
    A = _sample(answer, 4, 4000)
    gram = (A.mT @ A).mean(0)
    gap = (gram - torch.eye(2, dtype=torch.float64)).abs().max()
    assert gap <= 0.15, (
        f"In 4000 draws the mean of A^T A differs from the identity by {float(gap):.3g}"
        "; chance allows 0.15."
    )


def _explode(answer: Answer) -> None:
    n, draws = 256, 60
    A = _sample(answer, n, draws)
    z = torch.tensor([0.6, 0.8], dtype=torch.float64).expand(draws, 2)[..., None]
    for i in range(n):
        z = z + n**-0.5 * A[:, i] @ z
    growth = float(z.square().sum((1, 2)).mean())
    assert growth > 1e6, (
        f"For n = 256 the mean squared length over 60 draws is {growth:.3g}, not above "
        "a million."
    )


EXERCISES = (
    Exercise(
        1,
        "derive",
        ("n", "a", "b", "c"),
        (
            Property("three coefficients", _returns_three),
            Property("first order", _order(0, (1, 2, 7))),
            Property("second order", _order(1, (1, 2, 7))),
            Property("third order for one and two blocks", _order(2, (1, 2))),
            Property("third order for many blocks", _order(2, (3, 10, 500))),
        ),
    ),
    Exercise(
        2,
        "code",
        ("scales",),
        (
            Property("n + 1 levels", _has_levels),
            Property("level 0 is the identity", _begins_with_identity),
            Property("each level is the sum over its paths", _matches_paths),
            Property("the order of the blocks does not matter", _is_symmetric),
            Property("300 blocks add up to the product", _is_deep),
        ),
    ),
    Exercise(
        3,
        "break",
        ("n", "generator"),
        (
            Property("n matrices, two by two", _are_matrices),
            Property("each block has mean zero", _have_mean_zero),
            Property("each block keeps the mean square", _keep_energy),
            Property("the tower explodes at scale 1/sqrt(n)", _explode),
        ),
    ),
)
