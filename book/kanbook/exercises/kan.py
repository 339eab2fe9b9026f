"""Properties for the three exercises of the chapter on Kolmogorov-Arnold networks."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from kanbook.exercises import Exercise, Property
from kanlib import BSpline, fit_coefficients
from kanlib.testing import shapes_law

Function = Callable[..., Tensor]


def _random(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(*shape, generator=generator, dtype=torch.float64) - 1


def _is_tensor_of(shape: tuple[int, ...], result: object, given: str) -> None:
    got = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
    assert got == shape, f"For {given} expected a tensor of shape {shape}, got {got}."


def _close(got: Tensor, wanted: Tensor, given: str, x: Tensor | None = None) -> None:
    """Fail with where the largest difference is: an index, or the point x there."""
    gaps = (got - wanted).abs()
    gap, at = gaps.max().item(), int(gaps.argmax())
    where = f"at index {at}" if x is None else f"at x = {x[at]:.4f}"
    assert gap <= 1e-10, f"For {given} the two sides differ by {gap:.1e} {where}."


# 1. derive: coefficients of the same cubic spline on the halved grid


def _has_size(refine: Function) -> None:
    for intervals in (1, 5, 8):
        c = _random(intervals + 3, seed=intervals)
        shape = (2 * intervals + 3,)
        _is_tensor_of(shape, refine(c), f"{intervals + 3} coefficients")


def _keeps_constants(refine: Function) -> None:
    ones = torch.ones(9, dtype=torch.float64)
    _close(refine(ones), torch.ones(15, dtype=torch.float64), "nine ones")


def _is_linear(refine: Function) -> None:
    a, b = _random(8, seed=1), _random(8, seed=2)
    _close(refine(2 * a - b), 2 * refine(a) - refine(b), "2 a - b with random a, b")


def _keeps_the_curve(refine: Function) -> None:
    for intervals in (1, 4, 7):
        coarse = BSpline.uniform(intervals)
        c, x = _random(coarse.size, seed=intervals), _random(200, seed=9)
        _close(
            coarse.refined()(x) @ refine(c.clone()),
            coarse(x) @ c,
            f"random coefficients and G = {intervals}",
            x,
        )


# 2. code: a cubic edge that reads four coefficients a point


def _has_point_shape(edge: Function) -> None:
    _is_tensor_of((7,), edge(_random(7, seed=1), _random(8, seed=2), 5), "seven points")


def _equals_the_sum(edge: Function) -> None:
    for intervals in (1, 5, 12):
        basis = BSpline.uniform(intervals)
        c, x = _random(basis.size, seed=3), _random(300, seed=4)
        given = f"G = {intervals} and random x"
        _close(edge(x.clone(), c, intervals), basis(x) @ c, given, x)


def _closes_the_ends(edge: Function) -> None:
    c = _random(8, seed=5)
    ends = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    given = "the two ends of the domain"
    _close(edge(ends.clone(), c, 5), BSpline.uniform(5)(ends) @ c, given, ends)


@dataclass(frozen=True, repr=False)
class _Edge:
    """The reader's edge as a basis: one function for each coefficient."""

    edge: Function
    size: int = 8
    domain: tuple[float, float] = (-1.0, 1.0)
    smoothness: float = 2.0

    def __repr__(self) -> str:
        return f"your edge with {self.size} coefficients"

    def __call__(self, x: Tensor, derivative: int = 0) -> Tensor:
        flat = x.reshape(-1)
        units = torch.eye(self.size, dtype=x.dtype)
        columns = [self.edge(flat, c, self.size - 3) for c in units]
        # A view, so that what the edge does to its input shows.
        return torch.stack(columns, -1).reshape(*x.shape, self.size)


def _keeps_the_law(edge: Function) -> None:
    shapes_law(_Edge(edge))


def _reads_four(edge: Function) -> None:
    for interval in range(5):
        x = torch.full((3,), -1 + 0.4 * (interval + 0.5), dtype=torch.float64)
        c = torch.full((8,), math.nan, dtype=torch.float64)
        c[interval : interval + 4] = 1.0
        result = edge(x, c, 5)
        assert not bool(result.isnan().any()), (
            f"For x in interval {interval} of 5, NaN in a coefficient that has no "
            "influence there reached the result."
        )


# 3. break: a continuous function whose spline error falls slowly


def _is_bounded(f: Function) -> None:
    x = torch.linspace(-1, 1, 20_001, dtype=torch.float64)
    y = f(x)
    _is_tensor_of((20_001,), y, "20001 points")
    largest = y.abs().max().item()
    assert largest <= 1, f"At x = {x[y.abs().argmax()]:.4f} |f| is {largest:.3g}."


def _is_continuous(f: Function) -> None:
    x = torch.linspace(-1, 1, 200_001, dtype=torch.float64)
    step = f(x).diff().abs()
    at = int(step.argmax())
    assert step[at] <= 0.02, (
        f"From x = {x[at]:.5f} to the next of 200001 points f jumps by {step[at]:.3f}."
    )


def _is_slow(f: Function) -> None:
    x = torch.linspace(-1, 1, 2001, dtype=torch.float64)
    between = torch.linspace(-1, 1, 7919, dtype=torch.float64)
    errors = []
    for intervals in (8, 64):
        basis = BSpline.uniform(intervals)
        c = fit_coefficients(basis, x, f(x)).coefficients
        errors.append((basis(between) @ c - f(between)).abs().max().item())
    # A function the splines reproduce has rounding for an error; it is not slow.
    power = math.log(max(errors[1], 1e-15) / max(errors[0], 1e-15)) / math.log(8)
    assert errors[0] > 1e-10, "Cubic splines reproduce this function exactly."
    assert power > -2, f"From G = 8 to G = 64 it falls as G to the power {power:.2f}."


EXERCISES = (
    Exercise(
        1,
        "derive",
        ("c",),
        (
            Property("G + 3 coefficients become 2 G + 3", _has_size),
            Property("constants stay constants", _keeps_constants),
            Property("the map is linear", _is_linear),
            Property("the curve does not move", _keeps_the_curve),
        ),
    ),
    Exercise(
        2,
        "code",
        ("x", "c", "intervals"),
        (
            Property("one value for each point", _has_point_shape),
            Property("the value is the sum over all basis functions", _equals_the_sum),
            Property("both ends of the domain belong to it", _closes_the_ends),
            Property("each point is treated alone, and x stays", _keeps_the_law),
            Property("four coefficients are read at a point, no more", _reads_four),
        ),
    ),
    Exercise(
        3,
        "break",
        ("x",),
        (
            Property("the absolute value is at most 1 on [-1, 1]", _is_bounded),
            Property("the function is continuous", _is_continuous),
            Property("the error falls slower than the grid size squared", _is_slow),
        ),
    ),
)
