"""The emulation itself: what CUDA promises holds, what it forbids is reported."""

from pathlib import Path

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
