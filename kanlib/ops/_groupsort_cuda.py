"""`groupsort` on an NVIDIA GPU: which kernel, launched how."""

import numpy as np
import torch
from torch import Tensor

from kanlib.ops import _groupsort_ops
from kanlib.ops._launch import Launch, machine_refusals, run

THREADS = 256
SIZES = (2, 4, 8, 16)
"""Groups whose keys and values stay in the registers of one thread."""

_TYPES = {
    torch.float32: "float",
    torch.float64: "double",
    torch.bfloat16: "bfloat16",
    torch.float16: "float16",
}


def refusals(x: Tensor, size: int) -> list[str]:
    """Return why the kernels cannot take this call, one sentence each."""
    found = list(machine_refusals())
    if not x.is_cuda:
        found.append(f"x is on {x.device}; expected a CUDA device")
    if x.dtype not in _TYPES:
        found.append(
            f"x has dtype {x.dtype}; expected float32, float64, bfloat16 or float16"
        )
    if size not in SIZES:
        found.append(f"size is {size}; expected one of {SIZES}")
    return found


def permute_launch(step: str, key: Tensor, value: Tensor, out: Tensor) -> Launch:
    """Return the launch of one step, "gather" or "scatter"."""
    size, item = key.shape[1], key.itemsize
    count = max(size, 16 // item)
    if key.numel() % count:
        count = size
    bytes_ = min(16, count * item)
    while any(t.data_ptr() % bytes_ for t in (key, value, out)):
        bytes_ //= 2
    steps = key.numel() // count
    name = f"groupsort_{step}<{_TYPES[key.dtype]}, {size}, {count}, {bytes_}>"
    blocks = min(-(-steps // THREADS), (1 << 31) - 1)
    values = key, value, out, np.int64(steps)
    return Launch("groupsort/permute.cu", name, (blocks,), (THREADS,), values)


def _permuted(step: str, key: Tensor, value: Tensor) -> Tensor:
    key, value = key.detach().contiguous(), value.detach().contiguous()
    out = torch.empty_like(value)
    if value.numel():
        run(permute_launch(step, key, value, out), key.get_device())
    return out


def _gather(key: Tensor, value: Tensor) -> Tensor:
    return _permuted("gather", key, value)


def _scatter(key: Tensor, value: Tensor) -> Tensor:
    return _permuted("scatter", key, value)


_groupsort_ops._LIBRARY.impl("groupsort_gather", _gather, "CUDA")
_groupsort_ops._LIBRARY.impl("groupsort_scatter", _scatter, "CUDA")
