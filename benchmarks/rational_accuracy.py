"""Row P8: the coefficients' gradients, repeated bit by bit and held against float64.

Nothing here is a time: the numbers are the same whenever this runs on one machine.
"""

from collections.abc import Callable, Sequence

import _peers
import numpy as np
import rational_cpu
import torch
from _measure import Lines
from torch import Tensor

from kanlib.ops import group_rational

GROUPS = 1
ROWS, WIDTH = 8192, 96
"""One group of a layer of 768 features."""

THREADS = (1, 2, 3)


def data(rows: int, width: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return x, coefficients near 1/2 and a gradient of the result, in float32."""
    generator = torch.Generator().manual_seed(0)
    x, g = (torch.randn(rows, width, generator=generator) for _ in range(2))
    a = torch.rand(GROUPS, 6, generator=generator)
    b = torch.rand(GROUPS, 4, generator=generator)
    return x, a, b, g


def gradients(
    one: Callable[..., Tensor], x: Tensor, a: Tensor, b: Tensor, g: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the gradients of both rows of coefficients."""
    a, b = (t.clone().requires_grad_() for t in (a, b))
    found = torch.autograd.grad(one(x, a, b), (a, b), g)
    return found[0], found[1]


def ours(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return the compiled operation's result."""
    return group_rational(x, a, b, backend="cpu")


def error(found: Sequence[Tensor], exact: Sequence[Tensor]) -> float:
    """Return the largest error over the largest entry, of both gradients."""
    return max(
        ((f.double() - e).abs().max() / e.abs().max()).item()
        for f, e in zip(found, exact, strict=True)
    )


def one_by_one(x: Tensor, a: Tensor, b: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """Add the terms of each gradient one after the other in float32, as atomics do."""
    z, up = x.flatten().numpy(), g.flatten().numpy()
    size, weight = np.abs(z), b[0].abs().numpy()
    p = sum(a[0, i].item() * z**i for i in range(6)).astype(np.float32)
    q = (1 + sum(weight[j] * size ** (j + 1) for j in range(4))).astype(np.float32)
    of_a = [up * z**i / q for i in range(6)]
    of_b = [-up * p / (q * q) * size ** (j + 1) for j in range(4)]
    made = [_added(np.stack(terms)) for terms in (of_a, of_b)]
    return made[0][None], made[1][None]


def _added(terms: np.ndarray) -> Tensor:
    # accumulate, unlike sum, does not add pairs of partial sums
    return torch.from_numpy(np.add.accumulate(terms, axis=1, dtype=np.float32)[:, -1])


def differing(found: Sequence[Sequence[Tensor]], first: Sequence[Tensor]) -> int:
    """Count the results that differ from the first in any bit."""
    return sum(
        not all(torch.equal(f, e) for f, e in zip(one, first, strict=True))
        for one in found
    )


def main(arguments: Sequence[str] | None = None) -> list[dict[str, object]]:
    chosen = _peers.parser(__doc__).parse_args(arguments)
    lines = Lines("rational_accuracy")
    rows, width, runs = (64, 8, 3) if chosen.smoke else (ROWS, WIDTH, 100)
    given = data(rows, width)
    shape = f"{rows} × {width}, one group"
    exact = gradients(rational_cpu.horner, *(t.double() for t in given))

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        found = [gradients(ours, *given) for _ in range(runs)]
        by_threads = []
        for threads in THREADS:
            torch.set_num_threads(threads)
            by_threads.append(gradients(ours, *given))
        torch.set_num_threads(1)
        autograd = gradients(rational_cpu.horner, *given)
    finally:
        torch.set_num_threads(before)
    results = {
        "kanlib": found[0],
        "autograd on Horner's form": autograd,
        "one term after the other in float32": one_by_one(*given),
    }
    for name, result in results.items():
        lines.emit(shape=shape, contender=name, error=error(result, exact))
    lines.goal("P8", "repeats", differing(found, found[0]), shape)
    lines.goal("P8", "threads", differing(by_threads, found[0]), f"of {THREADS}")
    lines.goal("P8", "error", error(found[0], exact), shape)
    return lines.all


if __name__ == "__main__":
    main()
