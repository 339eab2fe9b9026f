"""The operations on an NVIDIA GPU: equal to the reference, traceable, capturable."""

import pytest
import torch

from kanlib.ops import group_rational, metric_walk, spline_sum
from kanlib.ops._cuda import cuda_refusals
from kanlib.ops.metric_walk import ACTIVATIONS
from kanlib.theory import simulate_metric, vertex_flow

REFUSALS = cuda_refusals()
pytestmark = [
    pytest.mark.device,
    pytest.mark.skipif(bool(REFUSALS), reason="; ".join(REFUSALS) or "there is a GPU"),
]
FORMS = ("A", "B")
REPEATS = 100


def draw(*shape, dtype=torch.float32, seed=0):
    rng = torch.Generator().manual_seed(seed + len(shape) + sum(shape))
    return torch.randn(shape, generator=rng, dtype=torch.float64).to("cuda", dtype)


def rational_inputs(dtype=torch.float32, rows=513, width=12, shared=True):
    work = torch.float64 if dtype == torch.float64 else torch.float32
    x = draw(rows, 8 * width, dtype=dtype)
    a, b = draw(1 if shared else 8, 6, dtype=work), draw(8, 4, dtype=work)
    return [t.requires_grad_() for t in (x, a, b)]


def spline_inputs(dtype=torch.float32, rows=300, outputs=8, size=13):
    knots = torch.arange(-4.0, size - 0.0, device="cuda", dtype=dtype)
    x = draw(rows, 7, dtype=dtype) * 3 + 4
    c, w = draw(outputs, 7, size, dtype=dtype), draw(outputs, 7, dtype=dtype)
    return [t.requires_grad_() for t in (x, c, w)], knots


def rational(backend, form="A"):
    return lambda x, a, b: group_rational(x, a, b, form=form, backend=backend)


def spline(backend, knots):
    return lambda x, c, w: spline_sum(x, c, w, knots, 3, backend=backend)


def with_gradients(f, inputs):
    y = f(*inputs)
    g = torch.linspace(-1, 1, y.numel(), device="cuda").view(y.shape).to(y.dtype)
    return [y.detach(), *torch.autograd.grad(y, inputs, g)]


def assert_close(found, expected, tolerance):
    for ours, theirs in zip(found, expected, strict=True):
        scale = theirs.double().abs().max()
        assert (ours.double() - theirs.double()).abs().max() <= tolerance * scale


TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2e-2}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("rows", [1, 127, 129, 5000])
def test_group_rational_equals_its_reference(rows, dtype, form):
    inputs = rational_inputs(dtype, rows)
    exact = [t.detach().double().requires_grad_() for t in inputs]
    expected = with_gradients(rational("reference", form), exact)
    assert_close(
        with_gradients(rational("cuda", form), inputs), expected, TOLERANCE[dtype]
    )


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float32, 1e-4), (None, 1e-12)])
@pytest.mark.parametrize(("networks", "width"), [(1, 3), (1000, 64), (100_000, 130)])
def test_metric_walk_draws_the_networks_of_the_cpu(
    networks, width, dtype, rounding, activation
):
    variances = {"bias_variance": 0.1, "weight_variance": 1.5}
    sizes = {"width": width, "networks": networks, "seed": 7 + (1 << 40)}
    given = variances | sizes | {"dtype": dtype or torch.float64}
    found = metric_walk(activation, 1.0, 5, **given, device="cuda", backend="cuda")
    few = given | {"networks": min(networks, 500)}  # they are the first of all
    expected = metric_walk(activation, 1.0, 5, **few)
    torch.testing.assert_close(
        found.cpu()[:, :500].double(), expected.double(), rtol=rounding, atol=0
    )


@pytest.mark.parametrize("activation", [torch.relu, torch.sin])
def test_simulated_networks_have_the_moments_of_the_flow(activation):
    generator = torch.Generator("cuda").manual_seed(0)
    variances = {"bias_variance": 0.1, "weight_variance": 1.5}
    sizes = {"width": 64, "networks": 20_000}
    found = simulate_metric(
        activation, 1.0, 2, **variances, **sizes, generator=generator
    )
    again = simulate_metric(
        activation, 1.0, 2, **variances, **sizes, generator=generator
    )
    exact = vertex_flow(activation, 1.0, 2, **variances)
    mean, spread = exact.covariance[1], (exact.vertex[1] / 64).sqrt()
    assert abs(found[1].mean().cpu() - mean) < 5 * spread / 20_000**0.5
    assert not torch.equal(found, again)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("rows", "outputs", "size"), [(1, 5, 9), (300, 8, 40)])
def test_spline_sum_equals_its_reference(rows, outputs, size, dtype):
    inputs, knots = spline_inputs(dtype, rows, outputs, size)
    exact = [t.detach().double().requires_grad_() for t in inputs]
    expected = with_gradients(spline("reference", knots.double()), exact)
    found = with_gradients(spline("cuda", knots), inputs)
    assert_close(found, expected, 10 * TOLERANCE[dtype])


@pytest.mark.parametrize("form", FORMS)
def test_opcheck_of_group_rational(form):
    x, a, b = (t.detach() for t in rational_inputs())
    torch.library.opcheck(torch.ops.kanlib.group_rational.default, (x, a, b, form))
    backward = torch.ops.kanlib.group_rational_backward.default
    torch.library.opcheck(backward, (torch.ones_like(x), x, a, b, form))


def test_opcheck_of_the_spline_operations():
    (x, c, w), knots = spline_inputs()
    x = x.detach()
    weight = torch.cat([c, w[..., None]], -1).detach().permute(2, 1, 0).contiguous()
    g, rows, ops = draw(len(x), 8), knots.double()[None], torch.ops.kanlib
    rest = rows, 3, 0, True
    torch.library.opcheck(ops.spline_sum.default, (x, weight, None, *rest))
    torch.library.opcheck(ops.spline_pull.default, (x, weight, g, *rest))
    torch.library.opcheck(ops.spline_push.default, (x, None, g, *rest))


@pytest.mark.parametrize("operation", ["rational", "spline"])
def test_one_graph_under_torch_compile(operation):
    f, inputs = chosen(operation)
    compiled = torch.compile(f, fullgraph=True, backend="aot_eager")
    assert_close(with_gradients(compiled, inputs), with_gradients(f, inputs), 1e-6)


@pytest.mark.parametrize("operation", ["rational", "spline"])
def test_a_cuda_graph_repeats_a_training_step(operation):
    f, inputs = chosen(operation)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # compiles outside the capture
        for _ in range(3):
            with_gradients(f, inputs)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = with_gradients(f, inputs)
    with torch.no_grad():
        inputs[0].copy_(inputs[0].flip(0))
    graph.replay()
    assert all(map(torch.equal, found, with_gradients(f, inputs)))


@pytest.mark.parametrize("operation", ["rational", "spline"])
def test_a_hundred_runs_give_the_same_bits(operation):
    f, inputs = chosen(operation, rows=20000)
    first = with_gradients(f, inputs)
    for _ in range(REPEATS):
        assert all(map(torch.equal, first, with_gradients(f, inputs)))


def chosen(operation, rows=513):
    if operation == "rational":
        return rational("cuda"), rational_inputs(rows=rows)
    inputs, knots = spline_inputs(rows=rows)
    return spline("cuda", knots), inputs
