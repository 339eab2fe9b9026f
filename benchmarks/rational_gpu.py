"""Rows P6 and P7: the group-rational function on a GPU, forward and backward.

    make gpu                                    # this, after the tests on the device
    python benchmarks/rational_gpu.py --flashkat FOLDER --record FILE
    python benchmarks/rational_gpu.py --dry     # the plumbing, on a CPU, tiny

Times are medians by CUDA events, the second-level cache emptied before each call, and
contenders take turns. Results are compared before anything is timed. The floor is the
copy of a tensor on the same device: a forward pass moves as much, a backward pass half
as much again.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from math import ceil
from pathlib import Path
from typing import Any

import _gpu
import _machine
import numpy as np
import torch
from _measure import Lines, equal_only
from torch import Tensor

from kanlib.ops import group_rational, raw_kernel

ROOT = Path(__file__).resolve().parents[1]
SHAPES = ((1024, 197, 768), (1024, 197, 3072))
DRY_SHAPES = ((2, 5, 48), (2, 3, 96))
DTYPES = (torch.float32, torch.bfloat16)
GROUPS, M, N = 8, 5, 4
OURS, AUTOGRAD, COPY = "kanlib", "autograd", "copy of the tensor"
NAIVE, TILED, FLASHKAT = "naive kernel", "tiled kernel", "FlashKAT"
FLASHKAT_FILE = "rational_kat/kernels/flash_rational_triton.py"
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 2e-2}
COMPARED_ROWS = 4096
REPEATS = 100
MISSED = 3
"""Exit status when a target is missed: a result, where 1 is an accident."""
Function = Callable[[Tensor, Tensor, Tensor], Tensor]
Gradient = Callable[[Tensor, Tensor, Tensor, Tensor], Sequence[Tensor]]


def reference(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Plain PyTorch, with autograd for its gradient."""
    return group_rational(x, a, b, backend="reference")


def flashkat(folder: Path) -> Function:
    """Return FlashKAT's released function on (batch, tokens, channels).

    Raises:
        ValueError: the folder is no checkout of FlashKAT.
    """
    path = folder / FLASHKAT_FILE
    if not path.is_file():
        raise ValueError(
            f"--flashkat {folder}: {FLASHKAT_FILE} is not in it; expected a checkout "
            "of github.com/OSU-STARLAB/FlashKAT."
        )
    spec = spec_from_file_location("flash_rational_triton", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    apply = module.FlashRationalTriton1DGroup.apply
    # It wants a numerator for each group; autograd adds their gradients again.
    return lambda x, a, b: apply(x, a.expand(len(b), -1).contiguous(), b)


def by_kernel(step: str, g: Tensor, x: Tensor, a: Tensor, b: Tensor) -> list[Tensor]:
    """Run the naive or the tiled kernel, launched as its head says."""
    rows, width = x.numel() // x.shape[-1], x.shape[-1] // len(b)
    gx, of_a, of_b = torch.empty_like(x), torch.zeros_like(a), torch.zeros_like(b)
    kind = "float" if x.dtype == torch.float32 else "bfloat16"
    name = f"rational_backward_{step}"
    kernel = raw_kernel_of(f"rational/backward_{step}.cu", f"{name}<{kind}, 5, 4, 'A'>")
    naive = step == "naive"
    grid = (ceil(x.numel() / 256),) if naive else (ceil(rows / 64), len(b))
    count = np.int64(x.numel() if naive else rows)
    sizes = len(b), width, M + 1 if len(a) > 1 else 0
    values = (x, g, a, b, gx, of_a, of_b, count, *map(np.int32, sizes))
    kernel(grid, (256,), *values)
    return [gx, of_a, of_b]


_KERNELS: dict[str, Any] = {}


def raw_kernel_of(path: str, name: str) -> Any:
    """Compile a kernel once."""
    if name not in _KERNELS:
        _KERNELS[name] = raw_kernel(path, name)
    return _KERNELS[name]


def by_autograd(
    f: Function, g: Tensor, x: Tensor, a: Tensor, b: Tensor
) -> Sequence[Tensor]:
    """Return the gradients of a function, forward pass included."""
    inputs = tuple(t.detach().requires_grad_() for t in (x, a, b))
    y = f(*inputs)
    return torch.autograd.grad(y, inputs, g.to(y.dtype))


class Case:
    """One shape and dtype: its tensors, on the device."""

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype, device: str) -> None:
        rng = torch.Generator(device).manual_seed(0)
        draw = partial(torch.randn, generator=rng, device=device)
        self.shape, self.dtype = shape, dtype
        self.x, self.g = draw(shape).to(dtype), draw(shape).to(dtype)
        self.a, self.b = draw(1, M + 1), draw(GROUPS, N)

    @property
    def name(self) -> str:
        return f"{self.shape} {str(self.dtype).removeprefix('torch.')}"

    def part(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return g, x, a, b with so few rows that sums in any order agree."""
        images = max(1, COMPARED_ROWS // self.shape[1])
        return self.g[:images], self.x[:images], self.a, self.b


class Benchmark:
    """Runs all cases; every line of JSON is in the record as soon as it is known."""

    def __init__(
        self, lines: Lines, record: _gpu.Record | None, peer: Function | None, dry: bool
    ) -> None:
        self.lines, self.record, self.peer, self.dry = lines, record, peer, dry
        self.device = "cpu" if dry else "cuda"
        self.clock = _gpu.processor_clock if dry else _gpu.CudaClock()
        self.rounds = 3 if dry else 60
        self.best: dict[str, list[float]] = {}
        self.ours: Function = partial(
            group_rational, backend="reference" if dry else "cuda"
        )

    def run(self) -> None:
        """Measure everything, then judge."""
        for shape in DRY_SHAPES if self.dry else SHAPES:
            for dtype in DTYPES:
                case = Case(shape, dtype, self.device)
                self.forward(case)
                self.backward(case)
                if dtype == torch.bfloat16:
                    self.autocast(case)
                else:
                    self.repeats(case)
                del case
        self.judge()

    def forward(self, case: Case) -> None:
        contenders = {OURS: self.ours, AUTOGRAD: reference}
        if self.peer is not None:
            contenders[FLASHKAT] = self.peer
        _, x, a, b = case.part()
        ours = [self.ours(x, a, b)]
        results = {name: [f(x, a, b)] for name, f in contenders.items()}
        contenders = self.accepted(case, "forward", contenders, results, ours)
        target = torch.empty_like(case.x)
        calls: dict[str, Callable[[], object]] = {
            name: partial(f, case.x, case.a, case.b) for name, f in contenders.items()
        }
        calls[COPY] = partial(target.copy_, case.x)
        with torch.no_grad():
            times = self.times(case, "forward", calls)
        self.share(case, "forward", times, 1.0)

    def backward(self, case: Case) -> None:
        """The gradient alone: a graph is built once and walked many times."""
        gradients: dict[str, Gradient] = {
            OURS: partial(by_autograd, self.ours),
            AUTOGRAD: partial(by_autograd, reference),
        }
        if not self.dry:
            gradients[NAIVE] = partial(by_kernel, "naive")
            gradients[TILED] = partial(by_kernel, "tiled")
        if self.peer is not None:
            gradients[FLASHKAT] = partial(by_autograd, self.peer)
        part = case.part()
        ours = by_autograd(self.ours, *part)
        results = {name: f(*part) for name, f in gradients.items()}
        accepted = self.accepted(case, "backward", gradients, results, ours)
        del results
        functions = {OURS: self.ours, FLASHKAT: self.peer, AUTOGRAD: reference}
        target = torch.empty_like(case.x)
        copy = {COPY: partial(target.copy_, case.x)}
        fast, slow = dict(copy), dict(copy)
        for name in accepted:
            if name in (NAIVE, TILED):
                step = name.split()[0]
                call = partial(by_kernel, step, case.g, case.x, case.a, case.b)
            else:
                call = self.walk(case, functions[name])
            (slow if name in (NAIVE, AUTOGRAD) else fast)[name] = call
        self.share(case, "backward", self.times(case, "backward", fast), 1.5)
        del fast
        for name in slow.keys() - copy.keys():  # alone: one of them fills the memory
            self.times(case, "backward", {**copy, name: slow[name]}, report=(name,))

    def walk(self, case: Case, f: Function) -> Callable[[], object]:
        """Return a call that computes the gradients of a forward pass done before."""
        graph: list[Any] = []

        def call() -> object:
            if not graph:
                inputs = [t.detach().requires_grad_() for t in (case.x, case.a, case.b)]
                y = f(*inputs)
                graph.extend((y, inputs, case.g.to(y.dtype)))
            y, inputs, g = graph
            return torch.autograd.grad(y, inputs, g, retain_graph=True)

        return call

    def autocast(self, case: Case) -> None:
        """A training step's forward and backward under autocast, activations bf16."""
        functions: dict[str, Function] = {OURS: self.ours}
        if self.peer is not None:
            functions[FLASHKAT] = self.peer

        def step(f: Function) -> object:
            with torch.autocast(self.device, dtype=torch.bfloat16):
                inputs = [t.detach().requires_grad_() for t in (case.x, case.a, case.b)]
                y = f(*inputs)
            return torch.autograd.grad(y, inputs, case.g.to(y.dtype))

        calls = {name: partial(step, f) for name, f in functions.items()}
        times = self.times(case, "forward and backward, autocast", calls)
        self.against_peer("autocast", times)

    def repeats(self, case: Case) -> None:
        """Count the backward passes whose result differs from the first in a bit."""
        first = by_autograd(self.ours, case.g, case.x, case.a, case.b)
        count = 3 if self.dry else REPEATS
        different = 0
        for _ in range(count):
            again = by_autograd(self.ours, case.g, case.x, case.a, case.b)
            different += not all(map(torch.equal, first, again))
        self.emit(shape=case.name, what="repeats", runs=count, different=different)
        self.best.setdefault("repeats", []).append(float(different))

    def accepted(
        self,
        case: Case,
        what: str,
        contenders: dict[str, Any],
        results: dict[str, Any],
        ours: Sequence[Tensor],
    ) -> dict[str, Any]:
        """Return those whose results are ours."""
        why = equal_only(results, ours, TOLERANCE[case.dtype])
        for name, reason in why.items():
            self.emit(shape=case.name, what=what, contender=name, disqualified=reason)
        return {name: f for name, f in contenders.items() if name not in why}

    def times(
        self,
        case: Case,
        what: str,
        calls: dict[str, Callable[[], object]],
        report: Sequence[str] = (),
    ) -> dict[str, float]:
        """Time contenders and return their medians; what does not fit is said so."""
        try:
            found = _gpu.interleaved(calls, self.clock, self.rounds)
        except torch.cuda.OutOfMemoryError:
            torch.cuda.empty_cache()
            if len(calls) <= 2:
                name = next(n for n in calls if n != COPY)
                reason = "does not fit into the device's memory"
                self.emit(
                    shape=case.name, what=what, contender=name, not_measured=reason
                )
                return {}
            raise
        for name, times in found.items():
            if not report or name in report:
                facts = _gpu.facts(times)
                self.emit(shape=case.name, what=what, contender=name, **facts)
        return {name: statistics.median(times) for name, times in found.items()}

    def share(
        self, case: Case, what: str, times: dict[str, float], copies: float
    ) -> None:
        """Note which share of the copy's bandwidth compulsory bytes move at."""
        if OURS not in times:
            return
        share = copies * times[COPY] / times[OURS]
        moved = 2 * case.x.nbytes / times[COPY] / 1e6
        self.emit(
            shape=case.name, what=what, share=round(share, 4), copy_gb_s=round(moved, 1)
        )
        self.best.setdefault(what, []).append(share)
        if what == "backward" and case.dtype == torch.float32:
            self.against_peer("flashkat", times)

    def against_peer(self, key: str, times: dict[str, float]) -> None:
        if FLASHKAT in times and OURS in times:
            self.best.setdefault(key, []).append(times[FLASHKAT] / times[OURS])

    def judge(self) -> None:
        """Hold the worst case of each goal against its target."""
        missing = "" if self.peer else "FlashKAT was not named by --flashkat"
        goals = (
            ("P6", "forward", min, "forward", "the worst of all shapes and dtypes"),
            ("P6", "backward", min, "backward", "the worst of all shapes and dtypes"),
            ("P7", "backward", min, "flashkat", missing or "the worst of all shapes"),
            ("P7", "autocast", min, "autocast", missing or "the worst of all shapes"),
            ("P7", "repeats", max, "repeats", f"of {REPEATS} runs a shape"),
        )
        for row, goal, worst, key, note in goals:
            found = self.best.get(key)
            measured = None if found is None or self.dry else worst(found)
            self.lines.goal(
                row, goal, measured, "dry run, on a CPU" if self.dry else note
            )
        self.save()

    def emit(self, **facts: Any) -> None:
        self.lines.emit(**facts)
        self.save()

    def save(self) -> None:
        if self.record is not None:
            lines = self.lines.all
            self.record.content["goals"] = [x for x in lines if "goal" in x]
            self.record.add("measurements", [x for x in lines if "goal" not in x])


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument(
        "--flashkat", type=Path, metavar="FOLDER", help="a checkout of FlashKAT"
    )
    made.add_argument("--record", type=Path, metavar="FILE", help="written all along")
    made.add_argument("--commit", default="", help="where this is no git checkout")
    made.add_argument("--dry", action="store_true", help="tiny, on a CPU, no verdict")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser()
    chosen = options.parse_args(arguments)
    if not chosen.dry and not torch.cuda.is_available():
        options.error("torch finds no CUDA device; --dry runs without one")
    record = None
    if chosen.record is not None:
        record = _gpu.Record.at(
            chosen.record, _gpu.head(ROOT, chosen.commit, chosen.dry)
        )
    try:
        peer = None if chosen.flashkat is None else flashkat(chosen.flashkat)
    except ValueError as error:
        options.error(str(error))
    lines = Lines("rational_gpu")
    if chosen.flashkat is not None:
        version = _machine.commit(chosen.flashkat)
        lines.emit(contender=FLASHKAT, version=version or "no git checkout")
    Benchmark(lines, record, peer, chosen.dry).run()
    return MISSED if any(x.get("gate_held") is False for x in lines.all) else 0


if __name__ == "__main__":
    sys.exit(main())
