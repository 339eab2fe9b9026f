"""`spline_sum` on an NVIDIA GPU: the operations of kanlib.ops._spline_ops by kernels.

Two forms. The *product form* writes all F features of a chunk of rows and lets
`torch.mm` multiply matrices, on tensor cores where the user allows TF32. The *local
form* visits only the d + 1 functions that are active at a point, so that its time does
not depend on K. `prefers_local` chooses, from sizes alone.

No value is ever read on the host: which knots are equidistant, kernels find out. So a
call waits for nothing and can be captured in a CUDA graph, after one call outside it,
in which the kernels are compiled. Launches depend on sizes, dtypes and addresses, and
not on the device: the same call gives the same bits.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from kanlib.ops._dispatch import transform_refusals
from kanlib.ops._launch import Launch, machine_refusals, run
from kanlib.ops._spline_ops import LIBRARY

THREADS = 256
"""Of a block, but for the local push."""

TILE_POINTS, PUSH_POINTS = 512, 128
"""Points that a block of the local kernels evaluates at once (as in their sources)."""

PUSH_BYTES = 1 << 15
"""Shared memory for the sums of a block of the local push (as in its source)."""

LARGEST_LOCAL_DEGREE = 8
"""A tile of points has to fit the 48 KiB of shared memory that every device offers."""

LARGEST_DEGREE = 16
"""Active functions, and the knots around a point, live in registers."""

FEWEST_BLOCKS = 512
"""Worth having: two to four on each of 108 to 148 multiprocessors."""

FEWEST_PART = 256
"""Rows of a part of the push: fewer would write more sums than they save."""

CHUNK_BYTES = 1 << 25
"""Aim for the features of one chunk: they stay in the second-level cache."""

FEWEST_CHUNK = 1024
"""Rows of a chunk: with fewer a product of matrices is too small for the device."""

_TYPES = {torch.float32: "float", torch.float64: "double"}


def refusals(x: Tensor, knots: Tensor, degree: int) -> list[str]:
    """Return why the kernels cannot take this call, one sentence each."""
    found = [*machine_refusals(), *transform_refusals()]
    if not x.is_cuda:
        found.append(f"x is on {x.device}; expected a CUDA device")
    elif knots.device != x.device:
        found.append(f"knots is on {knots.device}; expected {x.device}, as x")
    if x.dtype not in _TYPES:
        found.append(f"x has dtype {x.dtype}; expected float32 or float64")
    if degree > LARGEST_DEGREE:
        found.append(
            f"the degree is {degree}; expected at most {LARGEST_DEGREE}, because "
            "active functions are kept in registers"
        )
    return found


def prefers_local(
    step: str,
    size: int,
    degree: int,
    base: bool,
    outputs: int,
    itemsize: int,
    tf32: bool,
) -> bool:
    """Return whether the local form of a step is expected to be the faster one.

    Cycles of a multiprocessor for one point, by arithmetic (not measured on a GPU).
    Local: every multiply-add wants an entry of its own from the nearest memory, 128
    bytes a cycle; a push reads and writes it. Product: F multiply-adds an output, at
    about 80 % of the peak without tensor cores (float64: of Ampere's with them; TF32:
    half of what Hopper could), and F features written to the second-level cache and
    read again, 24 bytes a cycle. A cubic layer's sum in float32 is then local from
    F = 16 on for very many outputs and from 11 on for 64; with TF32 from 76 and 22. A
    push, in float32, from 28 and 19.

    Args:
        step: "sum", "pull" or "push".
        size: K.
        degree: d.
        base: Whether SiLU is one more feature.
        outputs: O.
        itemsize: Bytes of an entry.
        tf32: Whether the user allows TensorFloat-32 in products of float32.
    """
    if size <= degree or degree > LARGEST_LOCAL_DEGREE:
        return False
    active = degree + 1
    entries = {"sum": active + base, "pull": active + base + 1, "push": 2 * active + 1}
    if step == "push" and push_shape(size, 1, outputs, itemsize, 1) is None:
        return False
    local = entries[step] * outputs * itemsize / 128
    rate = 50 if itemsize == 8 else 500 if tf32 else 100
    return local < (size + base) * (outputs / rate + 2 * itemsize / 24)


def lane_count(outputs: int, pack: int) -> int:
    """Return how many neighboring threads share a row: a power of two up to 32."""
    return min(32, 1 << (-(-outputs // pack) - 1).bit_length())


def rows_per_thread(rows: int, slots: int, tiles: int, most: int) -> int:
    """Return `most` where a tile has room for them and enough blocks remain, else 1.

    More rows a block read each weight less often from the second-level cache.
    """
    height = slots * most
    enough = -(-rows // height) * tiles >= FEWEST_BLOCKS
    return most if height <= TILE_POINTS and enough else 1


def push_shape(
    size: int, inputs: int, outputs: int, itemsize: int, pack: int
) -> tuple[int, int] | None:
    """Return lanes and threads of a block of the local push, or None for no room.

    A thread needs K packs of shared memory, and whole warps of threads have to fit.
    """
    room = PUSH_BYTES // (size * pack * itemsize)
    if room < 32:
        return None
    lanes = lane_count(outputs, pack)
    wanted = -(-inputs * lanes // 32) * 32
    return lanes, min(room // 32 * 32, PUSH_POINTS, wanted)


def part_count(rows: int, blocks: int) -> int:
    """Return into how many parts the rows of a push are split."""
    return max(1, min(-(-FEWEST_BLOCKS // blocks), rows // FEWEST_PART))


def chunk_rows(rows: int, wide: int) -> int:
    """Return the rows of a chunk whose features take `wide` bytes a row."""
    return max(1, min(rows, max(FEWEST_CHUNK, CHUNK_BYTES // wide)))


class _Layer:
    """The arguments that all launches of one call share."""

    def __init__(
        self,
        x: Tensor,
        scale: Tensor | None,
        knots: Tensor,
        degree: int,
        derivative: int,
        base: bool,
        outputs: int,
    ) -> None:
        self.x = x.detach().contiguous()
        self.scale = None if scale is None else scale.detach().contiguous()
        self.knots = knots.detach().contiguous()
        self.rows, self.inputs = x.shape
        self.outputs, self.degree, self.base = outputs, degree, base
        self.size = knots.shape[1] - degree - 1
        self.count = self.size + base
        self.template = f"{_TYPES[x.dtype]}, {degree}, {derivative}"
        # After the sizes of arrays every kernel takes the rows of knots, K and base.
        self.tail = tuple(map(np.int32, (len(knots), self.size, base)))
        self.empty = 0 in (self.rows, self.inputs, outputs)

    def local(self, step: str) -> bool:
        tf32 = torch.get_float32_matmul_precision() != "highest"
        return prefers_local(
            step,
            self.size,
            self.degree,
            self.base,
            self.outputs,
            self.x.itemsize,
            tf32,
        )

    def pack(self, *arrays: Tensor) -> int:
        """Entries an access moves: 16 bytes where outputs and addresses allow it."""
        pack = 16 // self.x.itemsize
        aligned = all(array.data_ptr() % 16 == 0 for array in arrays)
        return pack if aligned and self.outputs % pack == 0 else 1

    def chunks(self) -> Iterator[slice]:
        wide = self.inputs * self.count * self.x.itemsize
        length = chunk_rows(self.rows, wide)
        for start in range(0, self.rows, length):
            yield slice(start, min(start + length, self.rows))

    def buffer(self) -> Tensor:
        """Room for the features of one chunk, as a matrix."""
        wide = self.inputs * self.count
        height = chunk_rows(self.rows, wide * self.x.itemsize)
        return self.x.new_empty(height, wide)

    def features(self, rows: slice, out: Tensor) -> Launch:
        scale = None if self.scale is None else self.scale[rows]
        return self._pointwise("features", rows, _pointer(scale), out)

    def contract(self, rows: slice, up: Tensor, out: Tensor) -> Launch:
        return self._pointwise("contract", rows, up, out)

    def _pointwise(
        self, step: str, rows: slice, second: Tensor | np.int64, out: Tensor
    ) -> Launch:
        x = self.x[rows]
        return Launch(
            f"bspline/{step}.cu",
            f"spline_{step}<{self.template}>",
            (min(-(-x.numel() // THREADS), 1 << 16),),
            (THREADS,),
            (
                *(x, second, self.knots, out),
                *(np.int64(x.numel()), np.int32(self.inputs), *self.tail),
            ),
        )

    def local_sum(self, weight: Tensor, y: Tensor) -> Launch:
        pack = self.pack(weight, y)
        lanes = lane_count(self.outputs, pack)
        slots, tiles = THREADS // lanes, -(-self.outputs // (lanes * pack))
        per = rows_per_thread(self.rows, slots, tiles, 32 // self.x.itemsize)
        return Launch(
            "bspline/local_sum.cu",
            f"spline_local_sum<{self.template}, {pack}, {per}>",
            (-(-self.rows // (slots * per)), tiles),
            (THREADS,),
            (
                *(self.x, _pointer(self.scale), self.knots, weight, y),
                *(np.int64(self.rows), np.int32(self.inputs), np.int32(self.outputs)),
                *(*self.tail, np.int32(lanes)),
            ),
        )

    def local_pull(self, weight: Tensor, g: Tensor, h: Tensor) -> Launch:
        pack = self.pack(weight, g)
        lanes = lane_count(self.outputs, pack)
        slots = THREADS // lanes
        # Above degree 4 more rows would not fit the registers.
        most = 16 // self.x.itemsize if self.degree <= 4 else 1
        per = rows_per_thread(self.rows, slots, 1, most)
        return Launch(
            "bspline/local_pull.cu",
            f"spline_local_pull<{self.template}, {pack}, {per}>",
            (-(-self.rows // (slots * per)),),
            (THREADS,),
            (
                *(self.x, self.knots, weight, g, h),
                *(np.int64(self.rows), np.int32(self.inputs), np.int32(self.outputs)),
                *(*self.tail, np.int32(lanes)),
            ),
        )

    def local_push(self, g: Tensor) -> tuple[Launch, Tensor]:
        """Return the launch and the parts that it writes."""
        itemsize, pack = self.x.itemsize, self.pack(g)
        sizes = self.size, self.inputs, self.outputs, itemsize
        shape = push_shape(*sizes, pack)
        if shape is None:  # one output a thread has room; `prefers_local` made sure
            pack, shape = 1, push_shape(*sizes, 1)
        assert shape is not None
        lanes, threads = shape
        slots = threads // lanes
        tiles = -(-self.inputs // slots), -(-self.outputs // (lanes * pack))
        parts = part_count(self.rows, tiles[0] * tiles[1])
        out = self.x.new_empty(parts, self.count, self.inputs, self.outputs)
        launch = Launch(
            "bspline/local_push.cu",
            f"spline_local_push<{self.template}, {pack}>",
            (*tiles, parts),
            (threads,),
            (
                *(self.x, _pointer(self.scale), self.knots, g, out),
                *(np.int64(self.rows), np.int64(-(-self.rows // parts))),
                *(np.int32(self.inputs), np.int32(self.outputs)),
                *(*self.tail, np.int32(lanes)),
            ),
        )
        return launch, out


def _pointer(tensor: Tensor | None) -> Tensor | np.int64:
    """The tensor itself, or the null pointer."""
    return np.int64(0) if tensor is None else tensor


def _sum(
    x: Tensor,
    weight: Tensor,
    scale: Tensor | None,
    knots: Tensor,
    degree: int,
    derivative: int,
    base: bool,
) -> Tensor:
    layer = _Layer(x, scale, knots, degree, derivative, base, weight.shape[2])
    if layer.empty:
        return x.new_zeros(layer.rows, layer.outputs)
    weight, device = weight.detach().contiguous(), x.get_device()
    y = x.new_empty(layer.rows, layer.outputs)
    if layer.local("sum"):
        run(layer.local_sum(weight, y), device)
        return y
    buffer = layer.buffer()
    for rows in layer.chunks():
        part = buffer[: rows.stop - rows.start]
        run(layer.features(rows, part), device)
        torch.mm(part, weight.flatten(0, 1), out=y[rows])
    return y


def _pull(
    x: Tensor,
    weight: Tensor,
    g: Tensor,
    knots: Tensor,
    degree: int,
    derivative: int,
    base: bool,
) -> Tensor:
    layer = _Layer(x, None, knots, degree, derivative, base, weight.shape[2])
    if layer.empty:
        return x.new_zeros(x.shape)
    weight, g, device = weight.detach().contiguous(), g.detach(), x.get_device()
    h = x.new_empty(x.shape)
    if layer.local("pull"):
        run(layer.local_pull(weight, g.contiguous(), h), device)
        return h
    buffer = layer.buffer()
    for rows in layer.chunks():
        up = buffer[: rows.stop - rows.start]
        torch.mm(g[rows], weight.flatten(0, 1).T, out=up)
        run(layer.contract(rows, up, h[rows]), device)
    return h


def _push(
    x: Tensor,
    scale: Tensor | None,
    g: Tensor,
    knots: Tensor,
    degree: int,
    derivative: int,
    base: bool,
) -> Tensor:
    layer = _Layer(x, scale, knots, degree, derivative, base, g.shape[1])
    g, device = g.detach().contiguous(), x.get_device()
    if layer.empty:
        return x.new_zeros(layer.count, layer.inputs, layer.outputs)
    if layer.local("push"):
        launch, parts = layer.local_push(g)
        run(launch, device)
        return parts[0] if len(parts) == 1 else parts.sum(0)
    out = x.new_empty(layer.count, layer.inputs, layer.outputs)
    matrix, buffer = out.flatten(0, 1), layer.buffer()
    for rows in layer.chunks():
        part = buffer[: rows.stop - rows.start]
        run(layer.features(rows, part), device)
        if rows.start == 0:
            torch.mm(part.T, g[rows], out=matrix)
        else:
            matrix.addmm_(part.T, g[rows])
    return out


LIBRARY.impl("spline_sum", _sum, "CUDA")
LIBRARY.impl("spline_pull", _pull, "CUDA")
LIBRARY.impl("spline_push", _push, "CUDA")
