"""Properties for the three exercises of the chapter on shallow residual networks."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from kanbook.exercises import Exercise, Property
from kanlib.theory import parallel_gap_bound

Answer = Callable[..., Any]
PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "mv", "addmv", "dot", "mkldnn_linear")


def _random(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


# 1. derive: the bracket for layers with different constants


def _bracket(answer: Answer, l: Tensor, t: float) -> float:
    value = answer(l.clone(), t)
    given = f"For l = {[round(v, 3) for v in l.tolist()]} and t = {t}"
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    number = value if isinstance(value, int | float) else math.nan
    assert math.isfinite(number), f"{given} expected one finite number, got {value!r}."
    return float(number)


def _constants(seed: int) -> Tensor:
    return 0.6 * _random(5, seed=seed).abs()


def _is_the_theorem(answer: Answer) -> None:
    for size, depth in ((0.1, 4), (0.5, 8), (0.3, 1)):
        l = torch.full((depth,), size, dtype=torch.float64)
        for t in (0.25, 1.0):
            wanted = parallel_gap_bound(t * size, depth) / t
            got = _bracket(answer, l, t)
            assert abs(got - wanted) <= 1e-9 * (1 + wanted), (
                f"For {depth} constants of {size} and t = {t} it differs from the "
                "proposition's bracket."
            )


def _vanishes(answer: Answer) -> None:
    got = _bracket(answer, _constants(0), 0.0)
    assert abs(got) <= 1e-12, (
        f"At t = 0 the layouts are equal, but the bracket is {got:.3g}."
    )


def _moved(slopes: Tensor, x: Tensor, t: float, rectified: bool) -> float:
    """|y(t) - y_par| / |x| of the layers a x, or of their positive parts."""
    once = (lambda v: v.clamp(min=0)) if rectified else (lambda v: v)
    total = torch.zeros_like(x)
    for a in slopes:
        total = total + once(a * (x + t * total))
    side_by_side = sum(once(a * x) for a in slopes)
    return ((total - side_by_side).norm() / x.norm()).item()


def _bounds(answer: Answer) -> None:
    for seed in range(8):
        l, signs = _constants(seed), _random(5, seed=seed + 50).sign()
        x = _random(3, seed=seed + 100)
        for t, rectified in itertools.product((0.3, 1.0), (False, True)):
            got = _bracket(answer, l, t)
            moved = _moved(signs * l, x, t, rectified)
            assert moved <= got + 1e-12, (
                f"For layers with these constants (seed {seed}, t = {t}) the distance "
                "is larger."
            )


def _is_attained(answer: Answer) -> None:
    for seed in range(4):
        l = _constants(seed)
        for t in (0.3, 1.0):
            moved = _moved(l, torch.ones(1, dtype=torch.float64), t, False)
            got = _bracket(answer, l, t)
            assert got <= moved + 1e-9, (
                f"For l of seed {seed} and t = {t} no layers come near it: the layers "
                "l_h x move less, and nothing moves more."
            )


# 2. code: one broad layer, one matrix product


class _Products(TorchDispatchMode):
    """Counts the matrix products that PyTorch is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = func.name().removeprefix("aten::").partition(".")[0]
        self.count += name in PRODUCTS or "convolution" in name
        return func(*args, **(kwargs or {}))


def _layer_case(H: int, d: int, *rows: int) -> tuple[Tensor, Tensor, Tensor]:
    return _random(H, d, d, seed=H), _random(H, d, seed=d), _random(*rows, d, seed=7)


def _side_by_side(W: Tensor, b: Tensor, x: Tensor) -> Tensor:
    y = x
    for W_h, b_h in zip(W, b, strict=True):
        y = y + (x @ W_h.T + b_h).clamp(min=0)
    return y


def _has_shape(answer: Answer) -> None:
    for rows in ((5,), (2, 3), ()):
        W, b, x = _layer_case(3, 4, *rows)
        got = answer(W, b, x)
        shape = tuple(got.shape) if isinstance(got, Tensor) else type(got).__name__
        assert shape == tuple(x.shape), (
            f"For x of shape {tuple(x.shape)} expected the same shape, got {shape}."
        )


def _is_equal(answer: Answer) -> None:
    for H, d in ((1, 3), (4, 6), (8, 2)):
        W, b, x = _layer_case(H, d, 10)
        gap = (answer(W, b, x) - _side_by_side(W, b, x)).abs().max().item()
        assert gap <= 1e-10, (
            f"For H = {H}, d = {d} and ten rows it differs from the sum by {gap:.1e}."
        )


def _multiplies_once(answer: Answer) -> None:
    for H in (1, 2, 16):
        W, b, x = _layer_case(H, 4, 5)
        with _Products() as products:
            answer(W, b, x)
        assert products.count == 1, (
            f"For H = {H} it made {products.count} matrix products; expected one."
        )


# 3. break: a stack that is not convex


def _layers(answer: Answer) -> list[Tensor]:
    found = answer()
    many = len(found) if isinstance(found, tuple | list) else type(found).__name__
    assert many == 2, f"Expected w and b, got {many}."
    values = []
    for name, value in zip("wb", found, strict=True):
        try:
            tensor = torch.as_tensor(value, dtype=torch.float64)
        except (TypeError, ValueError, RuntimeError):
            raise AssertionError(f"{name} is {value!r}; expected numbers.") from None
        shape = tuple(tensor.shape)
        assert shape == (2,), f"{name} has shape {shape}; expected two numbers."
        values.append(tensor)
    return values


def _are_moderate(answer: Answer) -> None:
    largest = torch.stack(_layers(answer)).abs().max().item()
    assert largest <= 2, f"The largest magnitude is {largest:.3g}."


def _hump(answer: Answer) -> Tensor:
    """By how much the stack exceeds its mean at equal distances, over all of them."""
    w, b = _layers(answer)
    x = torch.linspace(-2, 2, 401, dtype=torch.float64)
    y = x
    for w_h, b_h in zip(w, b, strict=True):
        y = y + (w_h * y + b_h).clamp(min=0)
    steps = range(1, 200)
    return torch.stack(
        [(y[s:-s] - (y[: -2 * s] + y[2 * s :]) / 2).max() for s in steps]
    )


def _is_bent(answer: Answer) -> None:
    most = _hump(answer).max().item()
    assert most > 1e-9, "The stack is convex on [-2, 2], as every parallel layer is."


def _is_far_from_convex(answer: Answer) -> None:
    most = _hump(answer).max().item()
    assert most >= 0.2 - 1e-12, f"It exceeds the mean by {most:.3g} at most."


EXERCISES = (
    Exercise(
        1,
        "derive",
        ("l", "t"),
        (
            Property("equal constants give the proposition's bracket", _is_the_theorem),
            Property("it vanishes at t = 0", _vanishes),
            Property("it bounds the distance of random layers", _bounds),
            Property("some layers attain it", _is_attained),
        ),
    ),
    Exercise(
        2,
        "code",
        ("W", "b", "x"),
        (
            Property("the result has the shape of x", _has_shape),
            Property("it is x plus the sum of the layers", _is_equal),
            Property("one matrix product, whatever H", _multiplies_once),
        ),
    ),
    Exercise(
        3,
        "break",
        (),
        (
            Property("four numbers of magnitude at most 2", _are_moderate),
            Property("the stack is not convex", _is_bent),
            Property("it is far from every convex function", _is_far_from_convex),
        ),
    ),
)
