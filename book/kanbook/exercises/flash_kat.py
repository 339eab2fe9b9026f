"""Properties for the three exercises of the chapter on FlashKAT."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanbook.exercises import Exercise, Property
from kanlib.ops import group_rational

Answer = Callable[..., Any]


def _random(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def _has_shape(shape: tuple[int, ...], result: Any, what: str) -> None:
    got = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
    assert got == shape, f"{what} expected a tensor of shape {shape}, got {got}."


def _close(got: Tensor, wanted: Tensor, what: str) -> None:
    """Fail with where the largest difference is, and never with the value wanted."""
    gaps = (got - wanted).abs()
    gap, at = gaps.max().item(), int(gaps.argmax())
    assert gap <= 1e-9 * (1 + wanted.abs().max().item()), (
        f"{what} the two sides differ by {gap:.1e} at index {at}."
    )


# 1. derive: the backward pass with the denominator of form B


def _case(seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x, gy = _random(50, seed=seed), _random(50, seed=seed + 100)
    return x, gy, _random(6, seed=seed + 200), _random(4, seed=seed + 300)


def _gradients(x: Tensor, gy: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    inputs = [v.clone().requires_grad_() for v in (x, a, b)]
    columns, numerator, denominator = inputs[0][:, None], inputs[1][None], inputs[2]
    y = group_rational(
        columns, numerator, denominator[None], form="B", backend="reference"
    )
    return torch.autograd.grad(y, inputs, gy[:, None])


def _returns_three(answer: Answer) -> None:
    result = answer(*_case(0))
    many = len(result) if isinstance(result, tuple | list) else type(result).__name__
    assert many == 3, (
        f"For 50 random points expected a tuple of 3, gx, ga and gb, got {many}."
    )
    for value, shape, name in zip(result, (50, 6, 4), ("gx", "ga", "gb"), strict=True):
        _has_shape((shape,), value, f"For {name}")


def _matches(which: int, name: str) -> Callable[[Answer], None]:
    def test(answer: Answer) -> None:
        for seed in (1, 2, 3):
            case = _case(seed)
            got = answer(*(v.clone() for v in case))[which]
            given = f"For {name} with 50 random points and coefficients (seed {seed})"
            _close(got, _gradients(*case)[which], given)

    return test


def _learns_from_zero(answer: Answer) -> None:
    x, gy, a, _ = _case(4)
    b = torch.zeros(4, dtype=torch.float64)
    got = answer(x, gy, a, b)[2]
    _close(got, _gradients(x, gy, a, b)[2], "For gb at b = 0, where s(0) = 1,")


# 2. code: the sums that the programs of a tiled launch leave


def _has_tiles(answer: Answer) -> None:
    for rows, tile in ((8, 4), (9, 4), (1, 64)):
        shape = (math.ceil(rows / tile), 3)
        result = answer(_random(rows, 6, seed=0), 3, tile)
        _has_shape(shape, result, f"For {rows} rows, 3 groups and tiles of {tile} rows")


def _adds_up(answer: Answer) -> None:
    for rows, groups, tile in ((10, 2, 3), (64, 4, 16), (7, 1, 7)):
        terms = _random(rows, 8, seed=rows)
        by_group = terms.reshape(rows, groups, -1).sum((0, 2))
        given = f"For {rows} rows, {groups} groups and tiles of {tile}, summed over t,"
        _close(answer(terms.clone(), groups, tile).sum(0), by_group, given)


def _keeps_to_its_tile(answer: Answer) -> None:
    terms = torch.ones(10, 6, dtype=torch.float64)
    terms[4, 2] = math.nan
    result = answer(terms, 3, 4)
    poisoned = result.isnan().nonzero().tolist()
    assert poisoned == [[1, 1]], (
        "For a NaN in row 4, column 2 of 10 rows, 3 groups of 2 columns and tiles of 4 "
        f"rows, NaN arrived in the sums {poisoned}; expected one sum that has it."
    )


def _has_short_tile(answer: Answer) -> None:
    result = answer(torch.ones(10, 6, dtype=torch.float64), 3, 4)
    wanted = torch.tensor([8.0, 8.0, 4.0], dtype=torch.float64)[:, None].expand(-1, 3)
    _close(result, wanted, "For ten rows of ones and tiles of 4")


# 3. break: numbers that sum better one after the other than in a tree


def _numbers(answer: Answer) -> np.ndarray:
    values = answer()
    array = values.numpy() if isinstance(values, Tensor) else np.asarray(values)
    assert array.shape == (4096,), f"Expected 4096 numbers, got shape {array.shape}."
    assert array.dtype == np.float32, f"Expected float32, got {array.dtype}."
    return array


def _are_moderate(answer: Answer) -> None:
    array = _numbers(answer)
    largest = np.abs(array).max()
    assert largest <= 1e8, f"The largest magnitude is {largest:.3g}."


def _sum_exactly(answer: Answer) -> None:
    array = _numbers(answer)
    exact = math.fsum(array.astype(float))
    gap = abs(float(np.cumsum(array, dtype=np.float32)[-1]) - exact)
    assert gap == 0, f"One after the other, the error is {gap:.3g}."


def _defeat_the_tree(answer: Answer) -> None:
    array = _numbers(answer)
    exact, v = math.fsum(array.astype(float)), array
    while v.size > 1:
        v = v[: v.size // 2] + v[v.size // 2 :]
    gap = abs(float(v[0]) - exact)
    assert gap >= 1, f"The tree's error is {gap:.3g}, less than 1."


EXERCISES = (
    Exercise(
        1,
        "derive",
        ("x", "gy", "a", "b"),
        (
            Property("three gradients of the right shapes", _returns_three),
            Property("gx is the derivative in x", _matches(0, "gx")),
            Property("ga sums over the points", _matches(1, "ga")),
            Property("gb sums over the points", _matches(2, "gb")),
            Property("a denominator that is 0 has a gradient", _learns_from_zero),
        ),
    ),
    Exercise(
        2,
        "code",
        ("terms", "groups", "tile"),
        (
            Property("one row a tile, one column a group", _has_tiles),
            Property("the tiles of a group add up to its sum", _adds_up),
            Property("each program reads its own tile only", _keeps_to_its_tile),
            Property("the last tile may be short", _has_short_tile),
        ),
    ),
    Exercise(
        3,
        "break",
        (),
        (
            Property("4096 float32 numbers of magnitude at most 1e8", _are_moderate),
            Property("one after the other they sum exactly", _sum_exactly),
            Property("the tree is off by at least 1", _defeat_the_tree),
        ),
    ),
)
