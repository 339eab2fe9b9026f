"""Launches as values: worked out by pure functions, and run by one."""

from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import torch

from kanlib.ops._cuda import RawKernel, cuda_refusals, raw_kernel


@dataclass(frozen=True)
class Launch:
    """One launch of one kernel: source, name, and what `RawKernel` takes."""

    path: str
    name: str
    grid: tuple[int, ...]
    block: tuple[int, ...]
    values: tuple[Any, ...]


@cache
def machine_refusals() -> tuple[str, ...]:
    """Why no kernel runs here: that stays so for the process, and is long to ask."""
    return tuple(cuda_refusals())


@cache
def kernel(path: str, name: str, device: int) -> RawKernel:
    """Compile once per device: a launch only looks this up."""
    with torch.cuda.device(device):
        return raw_kernel(path, name)


def run(launch: Launch, device: int) -> None:
    """Launch on torch's current stream of that device; an empty grid does nothing."""
    if prod(launch.grid):
        compiled = kernel(launch.path, launch.name, device)
        compiled(launch.grid, launch.block, *launch.values)
