"""The weight-free walk of the metric, and the random numbers it is made of."""

import math

import pytest
import torch

import kanlib as kl
from kanlib.ops import metric_walk
from kanlib.ops._philox import normals, philox
from kanlib.ops.metric_walk import ACTIVATIONS

PUBLISHED = {  # the known answers that come with the generator: counter, key, words
    (0, 0, 0, 0, 0): (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
    (2**32 - 1,) * 4 + (2**64 - 1,): (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344, 0x299F31D0A4093822): (
        *(0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
}


def walk(activation="relu", start=1.0, depth=4, **changed):
    given = {"bias_variance": 0.1, "weight_variance": 1.5, "width": 30}
    given |= {"networks": 50, "seed": 3}
    return metric_walk(activation, start, depth, **(given | changed))


@pytest.mark.parametrize("case", PUBLISHED)
def test_words_are_the_published_ones(case):
    *counter, key = case
    words = philox(tuple(torch.tensor(c) for c in counter), key)
    assert tuple(map(int, words)) == PUBLISHED[case]


def test_normal_numbers_have_the_moments_of_the_law():
    count = 250_000
    index = torch.arange(count)
    zero = torch.zeros_like(index)
    z = normals(philox((index, zero, zero, zero), 7), torch.float64)
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        error = 5 * math.sqrt(variance / z.numel())
        assert abs(z.pow(power).mean().item() - moment) < error
    products = z.T @ z / count - torch.eye(4)
    assert products.abs().max() < 6 * math.sqrt(2 / count)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_one_step_is_the_formula(activation):
    S = walk(activation, depth=2, bias_variance=0.0, networks=3, width=6)
    z = torch.zeros(2, dtype=torch.int64)
    at = torch.tensor([0, 1]), z, z + 1, z  # the eight numbers of network 1, layer 0
    xi = normals(philox(at, 3), torch.float64).flatten()[:6]
    by_hand = 1.5 * ACTIVATIONS[activation](xi).square().mean()
    torch.testing.assert_close(S[1, 1], by_hand)


def test_networks_are_the_first_of_any_larger_number():
    few, many = walk(networks=7), walk(networks=20)
    assert torch.equal(few, many[:, :7])


def test_seeds_networks_and_layers_differ():
    S = walk(depth=3)
    assert not torch.equal(S, walk(depth=3, seed=4))
    assert S[1:].flatten().unique().numel() == 100
    high = walk(depth=3, seed=3 + (1 << 32))  # the upper word of the key counts, too
    assert not torch.equal(S, high)


@pytest.mark.parametrize(("activation", "half"), [("relu", 0.5), ("linear", 1.0)])
def test_mean_and_variance_are_exact(activation, half):
    # One step: C_W half S (1 + …): the mean of n squares of f(ξ), whose square has
    # mean `half` and fourth power 3 half.
    n, nets = 64, 40_000
    S = walk(activation, depth=2, bias_variance=0.0, width=n, networks=nets)[1]
    mean, variance = 1.5 * half, 1.5**2 * (3 * half - half**2) / n
    assert abs(S.mean() - mean) < 5 * math.sqrt(variance / nets)
    assert abs(S.var() / variance - 1) < 0.06  # its own deviation is below 0.01


def test_float32_follows_float64():
    double, single = walk("tanh"), walk("tanh", dtype=torch.float32)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=0)


def test_empty_and_smallest():
    assert walk(networks=0).shape == (4, 0)
    assert torch.equal(walk(depth=1), torch.ones(1, 50, dtype=torch.float64))
    assert walk(width=1).isfinite().all()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"activation": "mish"}, ValueError, "activation is 'mish'"),
        ({"start": -1.0}, ValueError, "start must be"),
        ({"bias_variance": math.nan}, ValueError, "bias_variance must be"),
        ({"weight_variance": math.inf}, ValueError, "weight_variance must be"),
        ({"depth": 0}, ValueError, "depth must be"),
        ({"width": 0}, ValueError, "width must be"),
        ({"networks": -1}, ValueError, "networks must be"),
        ({"seed": 1 << 64}, ValueError, "seed must be"),
        ({"dtype": torch.float16}, TypeError, "dtype is torch.float16"),
        ({"backend": "cpu"}, ValueError, "backend is 'cpu'"),
    ],
)
def test_bad_arguments(change, error, words):
    with pytest.raises(error, match=f"metric_walk: {words}"):
        walk(**change)


def test_the_kernel_says_why_it_cannot_run():
    with pytest.raises(kl.KernelUnavailable, match="expected a CUDA device"):
        walk(backend="cuda")
