"""`group_rational` and its gradient on an NVIDIA GPU: which kernels, launched how.

Two kernels make the gradient: one that leaves the sums of every tile (some rows of one
group) in a workspace, and one that adds the tiles in a fixed order. What is launched
depends on sizes, dtypes and addresses alone, never on a value, so that the same call
gives the same bits, waits for nothing, and can be captured in a CUDA graph (after one
call outside it, in which the kernels are compiled).
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanlib.ops import _rational_ops
from kanlib.ops._launch import Launch, machine_refusals, run

THREADS = 256
"""Of a block. The order of the sums depends on it, so no device chooses it."""

FEWEST_ROWS = 64
"""Of a tile: fewer would write more sums than they save."""

SMALL_TILE, LARGE_TILE = 1 << 12, 1 << 15
"""Entries of a tile: below, a block's beginning and end would cost more than its work;
above, there is nothing left to gain."""

FEWEST_BLOCKS = 1024
"""Worth having: two for each of four places on a device of 132 multiprocessors."""

LARGEST_DEGREE = 16
"""Coefficients and their sums live in registers, of which a thread has 255."""

WIDEST = 1 << 24
"""Columns of a group: positions inside a tile are 32-bit integers."""

_TYPES = {
    torch.float32: "float",
    torch.float64: "double",
    torch.bfloat16: "bfloat16",
    torch.float16: "float16",
}


def refusals(x: Tensor, numerator: Tensor, denominator: Tensor, form: str) -> list[str]:
    """Return why the kernels cannot take this call, one sentence each."""
    found = list(machine_refusals())
    for name, tensor in (
        ("x", x),
        ("numerator", numerator),
        ("denominator", denominator),
    ):
        if not tensor.is_cuda:
            found.append(f"{name} is on {tensor.device}; expected a CUDA device")
        elif tensor.device != x.device:
            found.append(f"{name} is on {tensor.device}; expected {x.device}, as x")
    if x.dtype not in _TYPES:
        found.append(
            f"x has dtype {x.dtype}; expected float32, float64, bfloat16 or float16"
        )
    m, n = numerator.shape[-1] - 1, denominator.shape[-1]
    if max(m, n) > LARGEST_DEGREE:
        found.append(
            f"the degrees are {m} and {n}; expected at most {LARGEST_DEGREE}, because "
            "coefficients and their sums are kept in registers"
        )
    if (width := x.shape[-1] // len(denominator)) > WIDEST:
        found.append(f"a group has {width} columns; expected at most {WIDEST}")
    return found


def tile_rows(rows: int, groups: int, width: int) -> int:
    """Return the rows of a tile, a power of two.

    From 64 on they double while the tile stays within 32768 entries and either it is
    too small to be worth a block, or enough tiles remain to fill a device.
    """
    height = FEWEST_ROWS
    while height < rows and 2 * height * width <= LARGE_TILE:
        enough = -(-rows // (2 * height)) * groups >= FEWEST_BLOCKS
        if height * width >= SMALL_TILE and not enough:
            break
        height *= 2
    return height


def pack_size(width: int, itemsize: int, *addresses: int) -> int:
    """Return how many entries one access moves: 16 bytes, or what fits.

    Rows of a group must be whole packs, and every array must start on a multiple of
    the pack's bytes.
    """
    pack = 16 // itemsize
    while width % pack or any(address % (pack * itemsize) for address in addresses):
        pack //= 2
    return pack


def forward_launch(x: Tensor, a: Tensor, b: Tensor, form: str, y: Tensor) -> Launch:
    """Return the launch that writes y."""
    kernel, sizes, items = _tiled("forward", x, a, b, form, x, y)
    return Launch(
        "rational/forward.cu",
        kernel,
        (_blocks(items),),
        (THREADS,),
        (x, a, b, y, *sizes),
    )


def backward_launches(
    g: Tensor, x: Tensor, a: Tensor, b: Tensor, form: str, gx: Tensor
) -> tuple[tuple[Launch, Launch], Tensor, Tensor]:
    """Return the two launches that write gx and the coefficients' gradients.

    Returns:
        The launches, in order, and the two gradients, which the second one writes.
    """
    kernel, sizes, items = _tiled("backward", x, a, b, form, x, g, gx)
    groups, n = b.shape
    m = a.shape[1] - 1
    partial = x.new_empty((items, m + 1 + n), dtype=a.dtype)
    of_a, of_b = torch.empty_like(a), torch.empty_like(b)
    shared = np.int32(len(a) == 1 and groups > 1)
    return (
        (
            Launch(
                "rational/backward.cu",
                kernel,
                (_blocks(items),),
                (THREADS,),
                (x, g, a, b, gx, partial, *sizes),
            ),
            Launch(
                "rational/reduce.cu",
                f"rational_reduce<{_TYPES[a.dtype]}, {m}, {n}>",
                (_blocks(of_a.numel() + of_b.numel()),),
                (THREADS,),
                (
                    *(partial, of_a, of_b),
                    *(np.int64(items // groups), np.int32(groups), shared),
                ),
            ),
        ),
        of_a,
        of_b,
    )


def _tiled(
    step: str, x: Tensor, a: Tensor, b: Tensor, form: str, *arrays: Tensor
) -> tuple[str, tuple[Any, ...], int]:
    """Return what both kernels need: name, sizes, number of tiles times groups."""
    rows, groups = len(x), len(b)
    width, m = x.shape[1] // groups, a.shape[1] - 1
    height = tile_rows(rows, groups, width)
    pack = pack_size(width, x.itemsize, *(array.data_ptr() for array in arrays))
    degrees = f"{m}, {b.shape[1]}, '{form}', {pack}"
    stride = m + 1 if len(a) > 1 else 0
    sizes = np.int64(rows), *map(np.int32, (groups, width, height, stride))
    name = f"rational_{step}<{_TYPES[x.dtype]}, {degrees}>"
    return name, sizes, -(-rows // height) * groups


def _blocks(items: int) -> int:
    """One block an item, up to what a grid can hold; the kernels go on in strides."""
    return min(items, (1 << 31) - 1)


def _coefficients(x: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
    """In the dtype that the kernels compute in."""
    work = torch.float64 if x.dtype == torch.float64 else torch.float32
    return tuple(t.detach().to(work).contiguous() for t in tensors)


def _forward(x: Tensor, numerator: Tensor, denominator: Tensor, form: str) -> Tensor:
    x = x.detach().contiguous()
    y = torch.empty_like(x)
    if x.numel():
        a, b = _coefficients(x, numerator, denominator)
        run(forward_launch(x, a, b, form, y), x.get_device())
    return y


def _backward(
    g: Tensor, x: Tensor, numerator: Tensor, denominator: Tensor, form: str
) -> tuple[Tensor, Tensor, Tensor]:
    g, x = g.detach().contiguous(), x.detach().contiguous()
    gx = torch.empty_like(x)
    if not x.numel():
        return gx, torch.zeros_like(numerator), torch.zeros_like(denominator)
    a, b = _coefficients(x, numerator, denominator)
    launches, of_a, of_b = backward_launches(g, x, a, b, form, gx)
    for launch in launches:
        run(launch, x.get_device())
    return gx, of_a.to(numerator.dtype), of_b.to(denominator.dtype)


_rational_ops._LIBRARY.impl("group_rational", _forward, "CUDA")
_rational_ops._LIBRARY.impl("group_rational_backward", _backward, "CUDA")
