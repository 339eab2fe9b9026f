"""kernels/groupsort/permute.cu, launched as the binding launches it, on a CPU."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from kanlib.ops._groupsort_cuda import SIZES, permute_launch

SOURCE = Path(__file__).parents[2] / "kernels" / "groupsort" / "permute.cu"
ORDERS = (0, 1)
KINDS = {
    torch.float32: ("float", np.float32),
    torch.float64: ("double", np.float64),
    torch.bfloat16: ("bfloat16", np.uint16),
    torch.float16: ("float16", np.uint16),
}


def names():
    for kind, item in (("float", 4), ("double", 8), ("bfloat16", 2), ("float16", 2)):
        for size in SIZES if kind in ("float", "bfloat16") else (2, 4):
            for count in sorted({size, max(size, 16 // item)}):
                for narrow in (1, 2):
                    width = max(item, min(16, count * item) // narrow)
                    yield f"{kind}, {size}, {count}, {width}"


NAMES = tuple(
    f"groupsort_{step}<{name}>"
    for step in ("gather", "scatter")
    for name in dict.fromkeys(names())
)


@pytest.fixture(scope="module")
def permute(kernels):
    return kernels(SOURCE, NAMES)


def bits(tensor):
    """The array of a tensor; half types as their bits."""
    return tensor.view(torch.uint16).numpy() if tensor.itemsize == 2 else tensor.numpy()


def launched(permute, step, key, value, *, offset=0, order=0):
    kind = KINDS[key.dtype][1]
    inputs = [permute.input(bits(t), offset) for t in (key, value)]
    out = permute.output(value.numel(), kind, offset)
    # The binding reads addresses of tensors: those of the guarded arrays.
    arrays = [*inputs, out.inside]
    tensors = [torch.from_numpy(a).view(key.dtype).view(key.shape) for a in arrays]
    launch = permute_launch(step, *tensors)
    permute.launch(
        launch.name, launch.grid, launch.block, *arrays, launch.values[-1], order=order
    )
    out.check_guards()
    return torch.from_numpy(out.inside.copy()).view(key.dtype).view(key.shape)


def expected(step, key, value):
    order = key.double().argsort(stable=True, dim=1, descending=True)
    if step == "gather":
        return value.gather(1, order)
    return torch.empty_like(value).scatter(1, order, value)


def case(groups, size, dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)
    key = (4 * torch.randn(groups, size, generator=generator)).round().to(dtype)  # ties
    value = torch.randn(groups, size, generator=generator).to(dtype)
    return key, value


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("step", ["gather", "scatter"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("groups", [1, 16, 129, 256])
def test_equals_torch_bit_by_bit(permute, groups, dtype, size, step, order):
    key, value = case(groups, size, dtype)
    found = launched(permute, step, key, value, order=order)
    assert torch.equal(found, expected(step, key, value))


@pytest.mark.parametrize("step", ["gather", "scatter"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
@pytest.mark.parametrize("size", [2, 4])
def test_other_types(permute, dtype, size, step):
    key, value = case(129, size, dtype)
    assert torch.equal(launched(permute, step, key, value), expected(step, key, value))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_addresses_that_are_no_multiple_of_16(permute, dtype):
    key, value = case(64, 2, dtype)
    half = 16 // dtype.itemsize // 2  # elements that displace by 8 bytes
    found = launched(permute, "gather", key, value, offset=half)
    assert torch.equal(found, expected("gather", key, value))


def test_nan_comes_first(permute):
    key, _ = case(40, 4, torch.float32)
    key[3, 2] = key[4, 0] = key[5, 1] = key[5, 3] = math.nan
    key[6, 3], key[7, 0] = math.inf, -math.inf
    found = launched(permute, "gather", key, key)
    wanted = key.sort(dim=1, descending=True, stable=True).values
    torch.testing.assert_close(found, wanted, equal_nan=True, rtol=0, atol=0)
