"""Sorting groups of columns: laws of the map, and the loops against the reference."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vmap

from kanlib import KernelUnavailable
from kanlib.ops import groupsort

BACKENDS = ["reference", "cpu"]


def draw(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype)


def with_gradient(x, size, backend):
    x = x.detach().clone().requires_grad_()
    y = groupsort(x, size, backend=backend)
    weight = torch.cos(torch.arange(y.numel())).reshape(y.shape).to(y)
    return y.detach(), torch.autograd.grad(y, x, weight)[0]


@pytest.mark.parametrize("backend", BACKENDS)
def test_by_hand(backend):
    x = torch.tensor([[1.0, 3.0, 2.0, 2.0, 5.0, 4.0]])
    assert groupsort(x, backend=backend).tolist() == [[3, 1, 2, 2, 5, 4]]
    assert groupsort(x, 3, backend=backend).tolist() == [[3, 2, 1, 5, 4, 2]]
    assert torch.equal(groupsort(x, 1, backend=backend), x)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    rows=st.sampled_from([0, 1, 5, 70]),
    groups=st.sampled_from([0, 1, 3, 9, 300]),
    size=st.sampled_from([1, 2, 3, 4, 5, 8, 16, 32]),
    double=st.booleans(),
    ties=st.booleans(),
    seed=st.integers(0, 99),
)
def test_loops_equal_the_reference_bit_by_bit(rows, groups, size, double, ties, seed):
    dtype = torch.float64 if double else torch.float32
    x = draw(rows, groups * size, seed=seed, dtype=dtype)
    x = (2 * x).round() if ties else x
    for found, expected in zip(
        with_gradient(x, size, "cpu"), with_gradient(x, size, "reference"), strict=True
    ):
        assert found.dtype == dtype
        assert torch.equal(found, expected)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", [2, 3, 4])
def test_nan_and_infinities(backend, size):
    x = draw(7, 12)
    x[0, 1], x[1, 0], x[2, :3] = math.nan, math.inf, math.nan
    x[3, 4], x[4, 5] = -math.inf, math.nan
    expected = x.reshape(7, -1, size).sort(-1, descending=True).values.reshape(7, 12)
    found = groupsort(x, size, backend=backend)
    torch.testing.assert_close(found, expected, equal_nan=True, rtol=0, atol=0)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", [2, 5])
def test_gradients_of_first_and_second_order(backend, size):
    x = draw(3, 10).requires_grad_()

    def f(x):
        return groupsort(x, size, backend=backend)

    assert torch.autograd.gradcheck(f, x)
    assert torch.autograd.gradgradcheck(f, x)


@pytest.mark.parametrize("size", [2, 4])
def test_one_lipschitz_and_norm_preserving(size):
    x, y = draw(200, 8), draw(200, 8, seed=1)
    for p in (1, 2, math.inf):
        moved = torch.linalg.vector_norm(groupsort(x, size) - groupsort(y, size), p, 1)
        assert (moved <= torch.linalg.vector_norm(x - y, p, 1) * (1 + 1e-12)).all()
    (jacobian,) = vmap(lambda row: (jacrev(lambda v: groupsort(v, size))(row),))(x)
    torch.testing.assert_close(
        jacobian @ jacobian.mT, torch.eye(8, dtype=x.dtype).expand(200, 8, 8)
    )


@pytest.mark.parametrize("backend", ["auto", "cpu"])
def test_transforms(backend):
    x = draw(6)

    def f(v):
        return (groupsort(v, backend=backend) * torch.arange(6.0)).square().sum()

    def exact(v):
        return (groupsort(v, backend="reference") * torch.arange(6.0)).square().sum()

    torch.testing.assert_close(grad(f)(x), grad(exact)(x))
    torch.testing.assert_close(vmap(grad(f))(draw(4, 6)), vmap(grad(exact))(draw(4, 6)))
    torch.testing.assert_close(jacrev(grad(f))(x), jacrev(grad(exact))(x))
    if backend == "auto":
        torch.testing.assert_close(jacfwd(f)(x), grad(exact)(x))
        torch.testing.assert_close(hessian(f)(x), hessian(exact)(x))
        torch.testing.assert_close(jvp(f, (x,), (x,))[1], grad(exact)(x) @ x)


def test_compiles_in_one_graph():
    x = draw(5, 6, dtype=torch.float32).requires_grad_()
    f = torch.compile(
        lambda x: groupsort(x).sin().sum(), backend="aot_eager", fullgraph=True
    )
    (found,) = torch.autograd.grad(f(x), x)
    (expected,) = torch.autograd.grad(groupsort(x).sin().sum(), x)
    torch.testing.assert_close(found, expected)


def test_shapes_strides_half_and_meta():
    x = draw(2, 3, 8)
    assert torch.equal(groupsort(x.mT.contiguous().mT, 4), groupsort(x, 4))
    assert groupsort(draw(8), 4).shape == (8,)
    half = draw(3, 8, dtype=torch.bfloat16)
    assert torch.equal(groupsort(half), groupsort(half.float()).bfloat16())
    assert groupsort(torch.empty(3, 8, device="meta")).shape == (3, 8)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_change_nothing(threads):
    x, before = draw(3000, 48, dtype=torch.float32), torch.get_num_threads()
    expected = with_gradient(x, 4, "reference")
    torch.set_num_threads(threads)
    try:
        for found, wanted in zip(with_gradient(x, 4, "cpu"), expected, strict=True):
            assert torch.equal(found, wanted)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("x", "size", "error", "words"),
    [
        (torch.ones(4), 3, ValueError, "x has shape"),
        (torch.tensor(1.0), 1, ValueError, "x has shape"),
        (torch.ones(4), 0, ValueError, "size must be"),
        (torch.ones(4), 2.0, TypeError, "size"),
        (torch.arange(4), 2, TypeError, "x has dtype"),
        ([1.0, 2.0], 2, TypeError, "x is a list"),
    ],
)
def test_bad_arguments(x, size, error, words):
    with pytest.raises(error, match=f"groupsort: {words}"):
        groupsort(x, size)


def test_named_backends_say_why_not():
    with pytest.raises(KernelUnavailable, match="expected a CUDA device"):
        groupsort(torch.ones(4), backend="cuda")
    with pytest.raises(KernelUnavailable, match="dtype torch"):
        groupsort(torch.ones(4).bfloat16(), backend="cpu")
    with pytest.raises(KernelUnavailable, match="size is 64; expected at most 32"):
        groupsort(torch.ones(64), 64, backend="cpu")
    with pytest.raises(ValueError, match="backend is 'gpu'"):
        groupsort(torch.ones(4), backend="gpu")
