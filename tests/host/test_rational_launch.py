"""How kanlib.ops._rational_cuda launches its kernels, and what it refuses."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kanlib.ops import _rational_cuda as binding
from kanlib.ops import kernel_names

sizes = st.integers(1, 1 << 22), st.integers(1, 300), st.integers(1, 4000)


@settings(max_examples=50, deadline=None)
@given(*sizes)
def test_tiles_are_worth_a_block_and_leave_enough_blocks(rows, groups, width):
    height = binding.tile_rows(rows, groups, width)
    assert height >= 64
    assert math.log2(height).is_integer()
    assert height == 64 or height * width <= binding.LARGE_TILE
    assert height < 2 * max(rows, 64)
    # A height that was doubled left enough tiles, or was too small before.
    if height > 64:
        blocks = -(-rows // height) * groups
        too_small = height // 2 * width < binding.SMALL_TILE
        assert too_small or blocks >= binding.FEWEST_BLOCKS


@pytest.mark.parametrize(
    ("rows", "groups", "width", "height"),
    [
        (1024 * 197, 8, 96, 256),  # the hidden size of the paper's base model
        (1024 * 197, 8, 384, 64),  # and the hidden layer of its MLP
        (8192, 1, 96, 64),
        (1, 1, 1, 64),
        (10**6, 1, 1, 4096),
    ],
)
def test_the_rule_by_examples(rows, groups, width, height):
    assert binding.tile_rows(rows, groups, width) == height


@pytest.mark.parametrize(
    ("width", "itemsize", "addresses", "pack"),
    [
        (96, 2, (0, 256), 8),
        (96, 4, (0, 256), 4),
        (96, 8, (0, 256), 2),
        (12, 2, (0,), 4),
        (6, 4, (0,), 2),
        (3, 4, (0,), 1),
        (96, 4, (0, 8), 2),
        (96, 4, (0, 4), 1),
        (96, 2, (16, 2), 1),
    ],
)
def test_a_pack_fits_the_width_and_every_address(width, itemsize, addresses, pack):
    assert binding.pack_size(width, itemsize, *addresses) == pack


def arguments(rows=130, groups=3, width=8, dtype=torch.float32, shared=False):
    work = torch.float64 if dtype == torch.float64 else torch.float32
    x = torch.zeros(rows, groups * width, dtype=dtype)
    a = torch.zeros(1 if shared else groups, 6, dtype=work)
    return x, a, torch.zeros(groups, 4, dtype=work)


def test_arguments_stand_in_the_order_of_the_kernels_parameters():
    x, a, b = arguments(rows=5000)
    g, y, gx = torch.ones_like(x), torch.ones_like(x), torch.ones_like(x)
    forward = binding.forward_launch(x, a, b, "A", y)
    (backward, reduce), of_a, of_b = binding.backward_launches(g, x, a, b, "A", gx)
    height = binding.tile_rows(5000, 3, 8)
    tiles = -(-5000 // height)
    scalars = (5000, 3, 8, height, 6)
    partial = backward.values[5]

    assert [v is t for v, t in zip(forward.values, (x, a, b, y), strict=False)] == [
        1
    ] * 4
    assert [
        v is t for v, t in zip(backward.values, (x, g, a, b, gx), strict=False)
    ] == [1] * 5
    for launch in (forward, backward):
        assert launch.values[-5:] == scalars
        assert [v.itemsize for v in launch.values[-5:]] == [8, 4, 4, 4, 4]
        assert launch.grid == (tiles * 3,)
        assert launch.block == (256,)
    assert partial.shape == (tiles * 3, 10)
    assert [
        v is t for v, t in zip(reduce.values, (partial, of_a, of_b), strict=False)
    ] == [1] * 3
    assert reduce.values[3:] == (tiles, 3, 0)
    assert [v.itemsize for v in reduce.values[3:]] == [8, 4, 4]
    assert reduce.grid == (3 * 6 + 3 * 4,)
    for launch in (forward, backward, reduce):
        assert launch.name.split("<")[0] in kernel_names(launch.path)


@pytest.mark.parametrize("dtype", binding._TYPES)
def test_a_shared_numerator_has_stride_0_and_its_groups_are_added(dtype):
    x, a, b = arguments(dtype=dtype, shared=True)
    (backward, reduce), of_a, _ = binding.backward_launches(x, x, a, b, "B", x)
    assert backward.values[-1] == 0
    assert reduce.values[-1] == 1
    assert of_a.shape == a.shape
    assert of_a.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert f"<{binding._TYPES[dtype]}, 5, 4, 'B', " in backward.name


def test_sizes_beyond_32_bits():
    # 2^33 elements, as shapes only: nothing is allocated.
    x = torch.empty(1 << 23, 1024, device="meta")
    a, b = torch.empty(8, 6, device="meta"), torch.empty(8, 4, device="meta")
    launch = binding.forward_launch(x, a, b, "A", torch.empty_like(x))
    rows, *others = launch.values[-5:]
    assert isinstance(rows, np.int64)
    assert rows == 1 << 23
    assert all(isinstance(value, np.int32) for value in others)
    height = binding.tile_rows(1 << 23, 8, 128)
    assert launch.grid == ((1 << 23) // height * 8,)
    # A grid holds 2^31 - 1 blocks; a kernel's blocks go on in strides of the grid.
    assert binding._blocks(1 << 40) == (1 << 31) - 1


def test_refusals_name_every_reason():
    x, a, _ = arguments()
    found = binding.refusals(x.int(), a[:, :1], torch.zeros(3, 17), "A")
    text = "\n".join(found)
    for words in (
        "x is on cpu; expected a CUDA device",
        "numerator is on cpu",
        "denominator is on cpu",
        "x has dtype torch.int32; expected float32, float64, bfloat16 or float16",
        "the degrees are 0 and 17; expected at most 16",
    ):
        assert words in text


def test_too_wide_a_group_is_refused():
    x = torch.empty(1, (1 << 24) + 1, device="meta")
    found = binding.refusals(x, torch.zeros(1, 6), torch.zeros(1, 4), "A")
    assert any(
        "a group has 16777217 columns; expected at most 16777216" in f for f in found
    )


def test_a_call_on_a_gpu_is_refused_only_by_the_machine(monkeypatch):
    class Fake:
        """What `refusals` looks at of a CUDA tensor."""

        is_cuda, device, dtype = True, "cuda:0", torch.bfloat16

        def __init__(self, *shape):
            self.shape = shape

        def __len__(self):
            return self.shape[0]

    monkeypatch.setattr(binding, "machine_refusals", tuple)
    x, a, b = Fake(130, 768), Fake(1, 6), Fake(8, 4)
    assert binding.refusals(x, a, b, "A") == []
    b.device = "cuda:1"
    assert binding.refusals(x, a, b, "A") == [
        "denominator is on cuda:1; expected cuda:0, as x"
    ]
    monkeypatch.setattr(binding, "machine_refusals", lambda: ("no driver",))
    b.device = "cuda:0"
    assert binding.refusals(x, a, b, "A") == ["no driver"]
