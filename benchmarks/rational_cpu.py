"""Row P5: the group-rational function, forward and backward, on one thread of a CPU."""

from collections.abc import Callable, Sequence

import _peers
import torch
import torch.nn.functional as F
from _measure import Lines, Times, equal_only, interleaved
from torch import Tensor

from kanlib.ops import group_rational

GROUPS, M, N = 8, 5, 4
OURS, COPY = "kanlib", "copy of the tensor"
CLONE = "copy into a new tensor, for scale"
POWERS, COMPILED = "autograd on powers", "torch.compile of Horner's form"
TOLERANCE = 2e-5
Function = Callable[[Tensor, Tensor, Tensor], Tensor]


def powers(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Form A as one would write it down: Σ a_i xⁱ / (1 + Σ |b_j| |x|ʲ)."""
    z = x.unflatten(-1, (len(b), -1))
    p = sum(a[:, i, None] * z**i for i in range(a.shape[1]))
    q = 1 + sum(b[:, j, None].abs() * z.abs() ** (j + 1) for j in range(b.shape[1]))
    return (p / q).flatten(-2)


def horner(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Form A by Horner's rule."""
    z = x.unflatten(-1, (len(b), -1))
    size, weight = z.abs(), b.abs()
    p, q = a[:, -1, None], weight[:, -1, None]
    for i in reversed(range(a.shape[1] - 1)):
        p = p * z + a[:, i, None]
    for j in reversed(range(b.shape[1] - 1)):
        q = q * size + weight[:, j, None]
    return (p / (1 + q * size)).flatten(-2)


def functions(peers: _peers.Peers, with_compiler: bool) -> dict[str, Function]:
    """Return everyone who computes the function itself."""
    found: dict[str, Function] = {
        OURS: lambda x, a, b: group_rational(x, a, b, backend="cpu"),
        "kanlib, reference": lambda x, a, b: group_rational(
            x, a, b, backend="reference"
        ),
        POWERS: powers,
        "autograd on Horner's form": horner,
    }
    if with_compiler:
        found[COMPILED] = torch.compile(horner, dynamic=False)
    for name in ("FlashKAT", "rational_kat_cu"):
        module = peers.module(name)
        if module is not None:
            # The form that both have for a CPU. It forms |b_j| xʲ, not |b_j| |x|ʲ, and
            # is held against ours where the two agree: see `main`.
            peer = module.Rational_CUDA_A_1DGroup
            found[f"{name}, torch form"] = _three_axes(peer)
    return found


def _three_axes(peer: Callable[..., Tensor]) -> Function:
    return lambda x, a, b: peer(x.unsqueeze(0), a.repeat(len(b), 1), b, len(b))[0]


def data(rows: int, width: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return x, coefficients and a gradient of the result."""
    generator = torch.Generator().manual_seed(0)
    x, g = (torch.randn(rows, width, generator=generator) for _ in range(2))
    a = torch.randn(1, M + 1, generator=generator)
    b = torch.randn(GROUPS, N, generator=generator)
    return x.requires_grad_(), a.requires_grad_(), b.requires_grad_(), g


def main(arguments: Sequence[str] | None = None) -> list[dict[str, object]]:
    parser = _peers.parser(__doc__)
    parser.add_argument(
        "--compile", action="store_true", help="measure torch.compile, which needs g++"
    )
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    peers, lines = _peers.find(chosen.peers), Lines("rational_cpu")
    rows, width = (6, 16) if chosen.smoke else (16 * 197, 768)
    rounds = 2 if chosen.smoke else 15
    shape = f"{rows} × {width}, {GROUPS} groups, {M}/{N}, form A"
    x, a, b, g = data(rows, width)
    everyone = functions(peers, chosen.compile)
    # Peers that leave out the |.| of x are given |x|: the time is the same.
    inputs = {name: x for name in everyone}
    for name in everyone:
        if name.endswith("torch form"):
            inputs[name] = x.detach().abs().requires_grad_()
    # Each one's result on its own input, and the gradients of what it returns.
    results = {
        name: _gradients(one, inputs[name], a, b, g) for name, one in everyone.items()
    }
    expected = {
        name: _gradients(
            horner, *(t.detach().double() for t in (inputs[name], a, b)), g
        )
        for name in everyone
    }
    why: dict[str, str] = {}
    for name in everyone:
        why |= equal_only({name: results[name]}, expected[name], TOLERANCE)
    if OURS in why:
        raise AssertionError(f"kanlib at {shape}: {why[OURS]}")
    lines.disqualified(shape, why)
    running = {n: one for n, one in everyone.items() if n not in why}
    del results, expected
    versions = {
        f"{name}, torch form": {"version": peers.version(name)}
        for name in ("FlashKAT", "rational_kat_cu")
        if name in peers.folders
    }

    target = torch.empty_like(x)
    calls: dict[str, Callable[[], object]] = {
        COPY: lambda: target.copy_(x.detach()),
        # Memory for a result, which everyone but the copy above has to ask for.
        CLONE: lambda: x.detach().clone(),
        "GELU, for scale": lambda: F.gelu(x),
    }
    backward: dict[str, Callable[[], object]] = {COPY: calls[COPY]}
    made = F.gelu(x)
    backward["GELU, for scale"] = lambda: torch.autograd.grad(
        made, x, g, retain_graph=True
    )
    for name, one in running.items():
        calls[name] = lambda one=one, at=inputs[name]: one(at, a, b)
        backward[name] = _backward(one, inputs[name], a, b, g)
    forward_times = interleaved(calls, rounds, min(5, rounds), 20.0)
    lines.times(shape, "forward", forward_times, OURS, **versions)
    times = interleaved(backward, rounds, min(5, rounds), 30.0)
    lines.times(shape, "backward", times, OURS, **versions)
    lines.goal("P5", "forward", _over(forward_times, OURS, COPY), shape)
    lines.goal("P5", "backward", _over(times, OURS, COPY), shape)
    lines.goal("P5", "autograd", _over(times, POWERS, OURS), shape)
    if COMPILED in times:
        lines.goal("P5", "compiled", _over(times, COMPILED, OURS), shape)
    else:
        lines.goal("P5", "compiled", None, why.get(COMPILED, "needs --compile and g++"))
    return lines.all


def _over(times: dict[str, Times], above: str, below: str) -> float | None:
    if above not in times or below not in times:
        return None
    return times[above].median / times[below].median


def _gradients(
    one: Function, x: Tensor, a: Tensor, b: Tensor, g: Tensor
) -> tuple[Tensor, ...]:
    wanted = tuple(t if t.requires_grad else t.requires_grad_() for t in (x, a, b))
    y = one(*wanted)
    return y.detach(), *torch.autograd.grad(y, wanted, g.to(y.dtype))


def _backward(
    one: Function, x: Tensor, a: Tensor, b: Tensor, g: Tensor
) -> Callable[[], object]:
    y = one(x, a, b)
    return lambda: torch.autograd.grad(y, (x, a, b), g, retain_graph=True)


if __name__ == "__main__":
    main()
