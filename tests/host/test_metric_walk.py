"""kernels/metric/walk.cu, launched exactly as the binding launches it, on a CPU."""

from pathlib import Path

import numpy as np
import pytest
import torch

from kanlib.ops.metric_walk import ACTIVATIONS, FILL, metric_walk, walk_launch

SOURCE = Path(__file__).parents[2] / "kernels" / "metric" / "walk.cu"
KINDS = {torch.float32: np.float32, torch.float64: np.float64}
NAMES = tuple(
    f"metric_walk<{kind}, {name.capitalize()}>"
    for kind in ("float", "double")
    for name in ACTIVATIONS
)
RULE = 0.1, 1.5
SEED = 5 + (9 << 32)


@pytest.fixture(scope="module")
def walks(kernels):
    return kernels(SOURCE, NAMES)


def launched(walks, activation, dtype, networks, depth, width, *, grid=None, order=0):
    out = walks.output(depth * networks, KINDS[dtype])
    metric = torch.empty(depth, networks, dtype=dtype)
    launch = walk_launch(activation, 0.7, RULE, width, SEED, metric)
    values = (out.inside, *launch.values[1:])
    walks.launch(launch.name, grid or launch.grid, launch.block, *values, order=order)
    out.check_guards()
    return out.inside.reshape(depth, networks)


def expected(activation, dtype, networks, depth, width):
    rule = dict(zip(("bias_variance", "weight_variance"), RULE, strict=True))
    shape = {"width": width, "networks": networks, "seed": SEED}
    return metric_walk(activation, 0.7, depth, **rule, **shape, dtype=dtype).numpy()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", KINDS)
def test_same_networks_as_the_reference(walks, activation, dtype):
    case = activation, dtype, 11, 3, 37
    rounding = {torch.float32: 2e-5, torch.float64: 1e-13}[dtype]
    np.testing.assert_allclose(launched(walks, *case), expected(*case), rtol=rounding)


@pytest.mark.parametrize("width", [1, 3, 4, 5, 9, 33, 127, 128, 129])
def test_odd_widths(walks, width):
    case = "tanh", torch.float64, 9, 2, width
    np.testing.assert_allclose(launched(walks, *case), expected(*case), rtol=1e-13)


@pytest.mark.parametrize("order", [1, 2])
def test_neither_order_nor_grid_changes_a_bit(walks, order):
    case = "relu", torch.float32, 20, 3, 40
    first = launched(walks, *case)
    assert np.array_equal(first, launched(walks, *case, order=order))
    assert np.array_equal(first, launched(walks, *case, grid=(1,)))


def test_a_device_is_filled_and_not_more():
    metric = torch.empty(2, 10**6)
    launch = walk_launch("relu", 1.0, RULE, 64, 0, metric)
    assert launch.grid == (FILL,)
    few = walk_launch("relu", 1.0, RULE, 64, 0, torch.empty(2, 17))
    assert few.grid == (2,)  # 16 lanes a network, 16 networks a block
