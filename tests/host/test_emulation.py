"""The emulation itself: what CUDA promises holds, what it forbids is reported."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

PROBES = Path(__file__).with_name("probes.cu")
NAMES = (
    "block_sum<float>",
    "block_sum<double>",
    "reverse",
    "reverse_race",
    "warp_walk",
    "absent_lane",
    "missing_lanes",
    "early_exit",
    "split_barrier",
    "indices",
    "atomic_sum<float>",
    "atomic_sum<double>",
    "atomic_sum<int>",
    "copy_vectors",
    "store_vectors",
    "past_shared",
    "votes",
)
ORDERS = (0, 1, 2, 3)


@pytest.fixture(scope="module")
def probes(emulate):
    return emulate(PROBES, NAMES)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shuffles_barriers_and_shared_memory_sum_a_block(probes, dtype, order):
    x = np.arange(3 * 128, dtype=dtype)
    out = np.full(3, np.nan, dtype)
    name = f"block_sum<{'float' if dtype is np.float32 else 'double'}>"
    probes.launch(name, (3,), (128,), x, out, order=order)
    np.testing.assert_array_equal(out, x.reshape(3, 128).sum(-1))


@pytest.mark.parametrize("order", ORDERS)
def test_up_down_and_direct_shuffles(probes, order):
    x = np.arange(64, dtype=np.float32) ** 2
    out = np.full(64, np.nan, np.float32)
    probes.launch("warp_walk", (1,), (64,), x, out, order=order)
    warps = x.reshape(2, 32)
    after = np.concatenate([warps[:, 1:], warps[:, -1:]], axis=1)
    np.testing.assert_array_equal(
        out.reshape(2, 32), warps.cumsum(1) + warps[:, :1] - after
    )


@pytest.mark.parametrize("order", ORDERS)
def test_a_barrier_orders_shared_memory(probes, order):
    x = np.arange(2 * 96, dtype=np.float32)
    out = np.full_like(x, np.nan)
    probes.launch("reverse", (2,), (96,), x, out, order=order)
    np.testing.assert_array_equal(out.reshape(2, 96), x.reshape(2, 96)[:, ::-1])


@pytest.mark.parametrize("order", ORDERS)
def test_a_missing_barrier_shows_as_nan_in_every_block(probes, order):
    x = np.arange(2 * 96, dtype=np.float32)
    out = np.zeros_like(x)
    probes.launch("reverse_race", (2,), (96,), x, out, order=order)
    assert np.isnan(out.reshape(2, 96)).any(axis=1).all()


def test_two_libraries_do_not_share_shared_memory(emulate, probes):
    x = np.arange(2 * 96, dtype=np.float32)
    out = np.zeros_like(x)
    emulate(PROBES, ("reverse_race",)).launch("reverse_race", (2,), (96,), x, out)
    assert np.isnan(out.reshape(2, 96)).any(axis=1).all()


def test_a_lane_outside_the_mask_reads_nan(probes):
    out = np.zeros(32, np.float32)
    probes.launch("absent_lane", (1,), (32,), out)
    assert np.isnan(out[:16]).all()
    assert (out[16:] == 0).all()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing_lanes", "waits for lanes that never come"),
        ("early_exit", "ended before a barrier"),
        ("split_barrier", "two barriers met as one"),
    ],
)
def test_undefined_waiting_is_an_error_with_a_place(probes, name, words):
    place = r"block \(0, 0, 0\), thread .*, line \d+"
    with pytest.raises(RuntimeError, match=f"{words}.*{place}"):
        probes.launch(name, (1,), (64,), np.zeros(64, np.float32))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_atomics_sum_over_threads_and_blocks(probes, dtype, order):
    x, out = np.arange(96, dtype=dtype), np.zeros(1, dtype)
    name = {np.float32: "float", np.float64: "double", np.int32: "int"}[dtype]
    probes.launch(f"atomic_sum<{name}>", (3,), (32,), x, out, order=order)
    assert out[0] == 96 * 95 / 2


def test_the_order_of_threads_shows_in_a_sum_by_atomics(probes):
    x = np.random.default_rng(0).normal(size=96).astype(np.float32)
    sums = set()
    for order in ORDERS:
        out = np.zeros(1, np.float32)
        probes.launch("atomic_sum<float>", (3,), (32,), x, out, order=order)
        sums.add(out[0])
    assert len(sums) > 1


def test_votes_count_the_lanes_of_a_warp(probes):
    x = np.ones(96, np.float32)
    x[32:52], x[64:] = -1, -1
    out = np.zeros(96, np.int32)
    probes.launch("votes", (1,), (96,), x, out)
    np.testing.assert_array_equal(out, np.repeat([-32, 12, 99], 32))


@pytest.mark.parametrize("name", ["copy_vectors", "store_vectors"])
@pytest.mark.parametrize("offset", [0, 4])
def test_aligned_vectors_move_sixteen_bytes(probes, name, offset):
    x = probes.input(np.arange(64, dtype=np.float32), offset)
    out = probes.output(64, np.float32, offset)
    probes.launch(name, (1,), (16,), x, out.inside)
    out.check_guards()
    np.testing.assert_array_equal(out.inside, x)


@pytest.mark.parametrize(
    ("name", "offsets"), [("copy_vectors", (1, 0)), ("store_vectors", (0, 2))]
)
def test_a_misaligned_vector_is_an_error_with_a_place(probes, name, offsets):
    x = probes.input(np.arange(64, dtype=np.float32), offsets[0])
    out = probes.output(64, np.float32, offsets[1])
    with pytest.raises(RuntimeError, match=r"not a multiple.*thread \(0, 0, 0\), line"):
        probes.launch(name, (1,), (16,), x, out.inside)
    assert np.isnan(out.inside).all()


def test_an_index_past_a_shared_array_is_an_error_with_a_place(probes):
    out = np.zeros(33, np.float32)
    with pytest.raises(RuntimeError, match=r"outside its array.*thread \(32, 0, 0\)"):
        probes.launch("past_shared", (1,), (33,), out)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.uint16])
@pytest.mark.parametrize("offset", [0, 1, 3])
def test_an_output_starts_as_nan_at_a_chosen_address(probes, dtype, offset):
    out = probes.output(5, dtype, offset)
    assert out.inside.ctypes.data % 256 == offset * out.inside.itemsize
    bits = out.inside.astype(np.uint32) << 16 if dtype is np.uint16 else out.inside
    assert np.isnan(bits.view(np.float32)).all() or dtype is np.float64
    out.check_guards()
    for place in (-1, 5):
        out.whole[256 + offset + place] = 0
        with pytest.raises(AssertionError, match="written outside"):
            out.check_guards()
        out.whole[256 + offset + place] = 77


def test_a_source_is_built_with_what_it_includes(emulate, tmp_path):
    source = tmp_path / "twice.cu"
    source.write_text('#include "common/absent.cuh"\n__global__ void f(int *x) {}')
    with pytest.raises(ValueError, match=r"twice.cu: line 1 includes 'common/absent"):
        emulate(source, ("f",))


class OnHost(np.ndarray):
    """A byte array that looks like CuPy's."""

    data = property(lambda self: SimpleNamespace(ptr=self.ctypes.data))

    def set(self, source):
        self[:] = source

    def get(self):
        return np.array(self)


def test_a_device_gets_copies_and_gives_all_of_their_memory_back(
    probes, device_launches, monkeypatch
):
    """The way to a GPU, with this machine's memory as the device's."""
    stream = SimpleNamespace(synchronize=lambda: None)
    fake = ModuleType("cupy")
    fake.empty = lambda size, dtype: np.full(size, 7, dtype).view(OnHost)
    fake.uint8 = np.uint8
    fake.cuda = SimpleNamespace(get_current_stream=lambda: stream)
    monkeypatch.setitem(sys.modules, "cupy", fake)
    seen = []

    def function(name):
        def launch(grid, block, values):
            seen.extend(values)
            probes.launch(name, grid, block, *values)

        return launch

    device = device_launches(SimpleNamespace(get_function=function))
    x = device.input(np.arange(64, dtype=np.float32), 4)
    out = device.output(64, np.float32, 4)
    device.launch("atomic_sum<float>", (2,), (32,), x, out.inside)
    out.check_guards()
    assert np.isnan(out.inside).all()  # a sum that starts at NaN
    device.launch("reverse", (2,), (32,), x, out.inside)
    out.check_guards()
    np.testing.assert_array_equal(out.inside.reshape(2, 32), x.reshape(2, 32)[:, ::-1])
    assert x.ctypes.data not in seen
    assert all(pointer % 16 == x.ctypes.data % 16 for pointer in seen)
    device.launch("reverse", (1,), (32,), x[:32], x[32:])  # one array, two pointers
    np.testing.assert_array_equal(x[32:], np.arange(31, -1, -1))
    device.launch("indices", (0,), (1,), np.zeros(0, np.int32))
    before = out.whole.copy()
    device.launch("reverse", (1,), (33,), x[:33], out.inside[31:])
    assert (out.whole != before).any()
    device.launch("reverse", (1,), (34,), x[:34], out.inside[31:])
    with pytest.raises(AssertionError, match="written outside 0 to 63"):
        out.check_guards()


def test_indices_in_three_dimensions(probes):
    out = np.full(24 * 12, -1, np.int32)
    probes.launch("indices", (2, 3, 4), (3, 2, 2), out, order=5)
    expected = np.arange(24)[:, None] * 1000 + np.arange(12)
    np.testing.assert_array_equal(out.reshape(24, 12), expected)


@pytest.mark.parametrize(
    "values",
    [(), (np.zeros(1), np.zeros(1)), (np.int32(0),)],
    ids=["none", "too many", "too small"],
)
def test_values_that_do_not_fit_the_parameters_are_refused(probes, values):
    with pytest.raises(RuntimeError, match="not those of the kernel's parameters"):
        probes.launch("indices", (1,), (1,), *values)


def test_a_block_that_is_too_large_is_refused(probes):
    with pytest.raises(RuntimeError, match="1 to 1024 threads"):
        probes.launch("indices", (1,), (1025,), np.zeros(1025, np.int32))
