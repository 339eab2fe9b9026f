"""The layer's operation: its compiled loops against the reference, to every order."""

import math
import multiprocessing
import subprocess
import sys
import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import grad, hessian, jacfwd, jacrev, vmap

from kanlib import KernelUnavailable
from kanlib.ops import _spline_cpu, _threads, report, spline_sum
from kanlib.ops._dispatch import choose
from kanlib.ops.bspline import bspline_basis


class _Module(torch.nn.Module):
    def forward(self, x, c, w, knots):
        return spline_sum(x, c, w, knots, 3)


BOTH = [5, 40]
"""Intervals: the dense way and the local one."""


def arguments(
    rows=7, inputs=3, outputs=4, intervals=5, degree=3, per_input=False, seed=0
):
    """x, c, w, knots in float64; x reaches beyond the knots on both sides."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    step = 2 / intervals
    count = intervals + 2 * degree + 1
    knots = -1 + step * (torch.arange(count, dtype=torch.float64) - degree)
    if per_input:
        knots = (knots + 0.3 * step * draw(inputs, count)).sort(-1).values
    reach = 2.2 + 2 * degree * step
    x = reach * (draw(rows, inputs) - 0.5)
    c = draw(outputs, inputs, intervals + degree) - 0.5
    return x, c, draw(outputs, inputs) - 0.5, knots


def both(x, c, w, knots, degree=3):
    """The compiled result and the reference's."""
    return tuple(
        spline_sum(x, c, w, knots, degree, backend=backend)
        for backend in ("cpu", "reference")
    )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    rows=st.integers(0, 9),
    inputs=st.integers(1, 9),
    outputs=st.integers(1, 5),
    intervals=st.sampled_from([1, 2, 5, 8, 13, 40]),
    degree=st.integers(0, 4),
    per_input=st.booleans(),
    base=st.booleans(),
    double=st.booleans(),
    seed=st.integers(0, 99),
)
def test_equals_the_reference(
    rows, inputs, outputs, intervals, degree, per_input, base, double, seed
):
    x, c, w, knots = arguments(
        rows, inputs, outputs, intervals, degree, per_input, seed
    )
    dtype, tolerance = (torch.float64, 1e-12) if double else (torch.float32, 2e-5)
    x, c, w = x.to(dtype), c.to(dtype), w.to(dtype)
    if degree == 0:  # which side of a jump a rounded point falls on is chance
        knots = knots.to(dtype).double()
    found, expected = both(x, c, w if base else None, knots, degree)
    assert found.dtype == dtype
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance * inputs)


@pytest.mark.parametrize("intervals", BOTH)
def test_the_ends_of_the_domain_and_of_the_knots(intervals):
    _, c, w, knots = arguments(intervals=intervals)
    ends = [knots[0], knots[3], knots[-4], knots[-1]]
    beyond = [-1e9, 1e9, float(knots[0]) - 1e-9, float(knots[-1]) + 1e-9]
    x = torch.tensor([*map(float, ends), *beyond, 0.0, -0.0], dtype=torch.float64)
    found, expected = both(x[:, None].repeat(1, 3), c, w, knots)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("intervals", BOTH)
@pytest.mark.parametrize("per_input", [False, True])
def test_nan_and_infinity_are_what_the_reference_makes_of_them(intervals, per_input):
    x, c, _, knots = arguments(intervals=intervals, per_input=per_input)
    x[0, 1], x[2, 2], x[3, 0] = math.nan, math.inf, -math.inf
    results = []
    for backend in ("cpu", "reference"):
        values = [t.clone().requires_grad_() for t in (x, c)]
        y = spline_sum(*values, None, knots, 3, backend=backend)
        y[:1].sum().backward()
        results.append([y.detach(), *(t.grad for t in values)])
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, equal_nan=True)
    assert results[0][0][0].isnan().all()
    assert not results[0][0][1:].isnan().any()


@pytest.mark.parametrize("intervals", [4, 20])
@pytest.mark.parametrize("per_input", [False, True])
def test_gradients_of_first_and_second_order(intervals, per_input):
    x, c, w, knots = arguments(
        rows=3, inputs=2, outputs=2, intervals=intervals, per_input=per_input
    )
    values = [t.requires_grad_() for t in (x, c, w)]

    def call(x, c, w):
        return spline_sum(x, c, w, knots, 3, backend="cpu")

    assert torch.autograd.gradcheck(call, values)
    assert torch.autograd.gradgradcheck(call, values)


TRANSFORMS = {
    "jacrev": lambda f, x, c, w: jacrev(f, (0, 1, 2))(x, c, w),
    "jacfwd": lambda f, x, c, w: jacfwd(f, (0, 1, 2))(x, c, w),
    "hessian": lambda f, x, c, w: hessian(lambda x: f(x, c, w).square().sum())(x),
    "vmap over rows": lambda f, x, c, w: vmap(lambda row: f(row, c, w))(x),
    "vmap of grad": lambda f, x, c, w: vmap(grad(lambda r: f(r, c, w).sum()))(x),
    "vmap of jacrev": lambda f, x, c, w: vmap(jacrev(lambda r: f(r, c, w)))(x),
    "vmap over weights": lambda f, x, c, w: vmap(f, (None, 1, None), 1)(
        x, torch.stack([c, 2 * c], 1), w
    ),
    "per-sample gradients": lambda f, x, c, w: vmap(
        grad(lambda c, row: f(row, c, w).square().sum()), (None, 0)
    )(c, x),
    "third order": lambda f, x, c, w: jacrev(
        jacrev(jacrev(lambda x: f(x, c, w).sin().sum()))
    )(x),
    "Laplacian, then weights": lambda f, x, c, w: grad(
        lambda c: (
            vmap(lambda r: hessian(lambda r: f(r, c, w)[0])(r).trace())(x)
            .square()
            .sum()
        )
    )(c),
}


@pytest.mark.parametrize("intervals", [4, 20])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_every_transform_gives_what_the_reference_gives(transform, intervals):
    x, c, w, knots = arguments(rows=3, inputs=2, outputs=2, intervals=intervals)
    auto, reference = (
        TRANSFORMS[transform](
            lambda x, c, w, b=backend: spline_sum(x, c, w, knots, 3, backend=b), x, c, w
        )
        for backend in ("auto", "reference")
    )
    torch.testing.assert_close(auto, reference, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("intervals", "compiler"), [(5, "aot_eager"), (40, "aot_eager"), (5, "inductor")]
)
def test_compiles_whole_with_gradients(intervals, compiler):
    x, c, w, knots = arguments(intervals=intervals)
    torch._dynamo.reset()

    def call(x, c):
        return spline_sum(x, c, w, knots, 3)

    compiled = torch.compile(call, fullgraph=True, backend=compiler)
    for f in (compiled, call):
        x.grad = None
        f(x.requires_grad_(), c).square().sum().backward()
        first = x.grad if f is compiled else first  # noqa: F821
    torch.testing.assert_close(first, x.grad)


@pytest.mark.parametrize("operation", ["spline_sum", "spline_pull", "spline_push"])
def test_the_operations_keep_torchs_contract(operation):
    x, c, w, knots = arguments()
    weight = torch.cat([c.permute(2, 1, 0), w.T[None]])
    g, scale = torch.ones(7, 4, dtype=torch.float64), x.cos()
    given = {
        "spline_sum": (x, weight, scale),
        "spline_pull": (x, weight, g),
        "spline_push": (x, scale, g),
    }[operation]
    torch.library.opcheck(
        getattr(torch.ops.kanlib, operation).default,
        (*given, knots[None], 3, 0, True),
        test_utils=("test_schema", "test_faketensor"),
    )


def test_nothing_as_wide_as_the_basis_is_kept():
    x, c, w, knots = arguments(rows=4096, inputs=16, outputs=16, intervals=5)
    x, c, w = (t.float().requires_grad_() for t in (x, c, w))
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        spline_sum(x, c, w, knots, 3, backend="cpu")
    expected = sum(t.numel() * t.element_size() for t in (x, c, w))
    assert sum(kept.values()) <= 1.05 * expected


@pytest.mark.parametrize("degree", [1, 3, 5])
def test_many_rows_in_every_interval(degree):
    # Rows of one interval are added four at a time, the rest one by one.
    x, c, w, knots = arguments(rows=203, intervals=20, degree=degree)
    gradients = []
    for backend in ("cpu", "reference"):
        given = [t.clone().requires_grad_() for t in (x, c, w)]
        y = spline_sum(*given, knots, degree, backend=backend)
        gradients.append(torch.autograd.grad(y.sin().sum(), given))
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-10)


def test_a_tensor_that_a_transform_left_behind_gets_its_gradient():
    x, c, w, knots = arguments()
    kept, leaf = [], x.clone().requires_grad_()

    def loss(z):
        kept.append(z * leaf)
        return z.sum()

    grad(loss)(torch.ones_like(x))
    results = [
        torch.autograd.grad(y.sum(), leaf, retain_graph=True)
        for y in both(kept[0], c, w, knots)
    ]
    torch.testing.assert_close(*results)


def test_strides_do_not_matter():
    x, c, w, knots = arguments(rows=6)
    wide = torch.empty(6, 6, dtype=x.dtype)
    wide[:, ::2] = x
    turned = c.permute(2, 1, 0).contiguous().permute(2, 1, 0)
    expected = spline_sum(x, c, w, knots, 3, backend="reference")
    found = spline_sum(wide[:, ::2], turned, w.T.contiguous().T, knots, 3)
    torch.testing.assert_close(found, expected)
    deep = spline_sum(x.reshape(2, 3, 1, 3), c, w, knots, 3)
    torch.testing.assert_close(deep.reshape(6, 4), expected)


@pytest.mark.parametrize("intervals", BOTH)
def test_threads_change_nothing(intervals):
    x, c, w, knots = arguments(rows=300, inputs=40, intervals=intervals)
    x, c = x.requires_grad_(), c.requires_grad_()

    def run():
        y = spline_sum(x, c, w, knots, 3, backend="cpu")
        return [y.detach(), *torch.autograd.grad(y.square().sum(), (x, c))]

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = run()
        torch.set_num_threads(2)
        several = run()
        found = {}
        threads = [
            threading.Thread(target=lambda n=n: found.update({n: run()}))
            for n in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        torch.set_num_threads(before)
    for results in (several, *found.values()):
        torch.testing.assert_close(results, alone, rtol=1e-12, atol=1e-12)


def _in_a_fork(queue):
    found = []
    _threads.parallel(64, lambda start, stop: found.append((start, stop)), 1)
    queue.put(sorted(found))


# Python 3.12 warns that a fork with threads may hang: what is tested is that it won't.
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_threads_work_after_a_fork():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        _threads.parallel(64, lambda start, stop: None, 1)  # the parent's pool
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        child = context.Process(target=_in_a_fork, args=(queue,))
        child.start()
        assert queue.get(timeout=60) == [(0, 32), (32, 64)]
        child.join()
    finally:
        torch.set_num_threads(before)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_does_not_inherit_a_lock_that_is_held():
    with _threads._lock:
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        before = torch.get_num_threads()
        torch.set_num_threads(2)
        try:
            child = context.Process(target=_in_a_fork, args=(queue,))
            child.start()
            assert queue.get(timeout=60) == [(0, 32), (32, 64)]
            child.join()
        finally:
            torch.set_num_threads(before)


def test_threads_work_while_the_interpreter_exits():
    program = """
import threading, torch
from kanlib.ops._threads import parallel

torch.set_num_threads(2)
parallel(64, lambda start, stop: None, 1)


def late():
    threading.main_thread().join()
    found = []
    parallel(64, lambda start, stop: found.append((start, stop)), 1)
    print(sorted(found))


threading.Thread(target=late).start()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[(0, 32), (32, 64)]", done.stderr


def test_an_error_comes_out_after_all_threads_are_done():
    running, raised, finished = threading.Event(), threading.Event(), []

    def work(start, stop):
        if threading.current_thread().name.startswith("kanlib"):
            running.set()
            raised.wait(60)
            finished.append(start)
            return
        running.wait(60)
        raised.set()
        raise IndexError(start)

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(IndexError):
            _threads.parallel(64, work, 1)
    finally:
        torch.set_num_threads(before)
    assert len(finished) == 1


def test_an_error_in_a_thread_comes_out():
    def fail(start, stop):
        raise ZeroDivisionError(start)

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(ZeroDivisionError):
            _threads.parallel(64, fail, 1)
    finally:
        torch.set_num_threads(before)


def test_sigmoid_polynomials_are_its_derivatives():
    t = torch.tensor(0.7, dtype=torch.float64)
    s, f = torch.sigmoid(t).item(), torch.sigmoid
    for n in range(5):
        now, before = _spline_cpu.sigmoid_polynomials(n)
        assert sum(a * s**p for p, a in enumerate(now[::-1])) == pytest.approx(
            f(t).item(), abs=1e-14
        )
        assert len(now) == len(before)
        f = grad(f)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 12])
@pytest.mark.parametrize(
    ("rows", "inputs", "outputs"), [(0, 3, 2), (2, 0, 2), (2, 3, 0), (4, 2, 3)]
)
def test_no_size_is_too_small(size, rows, inputs, outputs):
    generator = torch.Generator().manual_seed(0)
    for degree in range(6):
        results = []
        for backend in ("cpu", "reference"):
            generator.manual_seed(0)
            x, c, w = (
                torch.rand(*shape, generator=generator, dtype=torch.float64)
                for shape in (
                    (rows, inputs),
                    (outputs, inputs, size),
                    (outputs, inputs),
                )
            )
            knots = torch.arange(size + degree + 1).double()
            given = [(9 * x).requires_grad_(), c.requires_grad_(), w.requires_grad_()]
            y = spline_sum(*given, knots, degree, backend=backend)
            results.append([y, *torch.autograd.grad(y.sin().sum(), given)])
        torch.testing.assert_close(*results, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("degree", range(5))
@pytest.mark.parametrize("intervals", [2, 20])
@pytest.mark.parametrize("repeats", [1, 2, 9])
def test_repeated_knots_exactly_at_the_knots(degree, intervals, repeats):
    inner = torch.linspace(0, 1, intervals + 1).double()[1:-1]
    inner = inner.repeat_interleave(min(repeats, degree + 1))
    ends = torch.ones(degree + 1).double()
    knots = torch.cat([0 * ends, inner, ends])
    x = torch.cat([knots, torch.tensor([-1.0, 2.0, math.inf, -math.inf]).double()])
    c = torch.rand(3, 1, len(knots) - degree - 1, dtype=torch.float64)
    results = []
    for backend in ("cpu", "reference"):
        given = [x[:, None].clone().requires_grad_(), c.clone().requires_grad_()]
        y = spline_sum(*given, None, knots, degree, backend=backend)
        results.append([y, *torch.autograd.grad(y.sum(), given)])
    torch.testing.assert_close(*results, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("intervals", BOTH)
@pytest.mark.parametrize("backend", ["auto", "reference"])
def test_half_precision_and_autocast_are_single_inside(intervals, backend):
    x, c, w, knots = (t.float() for t in arguments(intervals=intervals))
    exact = spline_sum(x, c, w, knots, 3, backend=backend)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(
            spline_sum(x, c, w, knots, 3, backend=backend), exact, rtol=0, atol=0
        )
    half = x.bfloat16()
    once = spline_sum(half.float(), c, w, knots, 3, backend=backend).bfloat16()
    found = spline_sum(half, c, w, knots, 3, backend=backend)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, once, rtol=0, atol=0)


def test_gradients_are_formed_for_what_asks_for_them():
    x, c, w, knots = arguments()
    whole = [t.clone().requires_grad_() for t in (x, c, w)]
    spline_sum(*whole, knots, 3, backend="cpu").sum().backward()
    for place in range(3):
        alone = [t.clone() for t in (x, c, w)]
        alone[place].requires_grad_()
        spline_sum(*alone, knots, 3, backend="cpu").sum().backward()
        torch.testing.assert_close(alone[place].grad, whole[place].grad)
    for mode in (torch.no_grad(), torch.inference_mode()):
        with mode:
            torch.testing.assert_close(*both(x, c, w, knots))


def test_numba_loads_at_the_first_call_that_needs_it():
    script = """
import sys, torch, kanlib as kl
kl.KANLayer(3, 2, kl.Chebyshev.uniform(5))(torch.zeros(2, 3))
kl.KANLayer(3, 2, kl.BSpline.uniform(5), share="input")(torch.zeros(2, 3))
assert "numba" not in sys.modules
kl.KANLayer(3, 2, kl.BSpline.uniform(5))(torch.zeros(2, 3))
assert "numba" in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_read_only_package_is_cached_for_the_user(monkeypatch, tmp_path):
    from numba.core import caching

    from kanlib.ops import _spline_numba

    def refuse(self):
        raise OSError("read-only")

    monkeypatch.setattr(caching.InTreeCacheLocator, "ensure_cache_path", refuse)
    monkeypatch.setattr(
        caching.UserProvidedCacheLocator, "from_function", lambda *given: None
    )
    function = _spline_numba.local_sum.py_func
    found = caching.CompileResultCacheImpl(function).locator
    assert isinstance(found, caching.UserWideCacheLocator)


def test_knots_under_vmap_get_their_gradient():
    x, c, w, knots = arguments()
    many = torch.stack([knots, 1.01 * knots, knots - 0.01])

    def loss(knots, x=x, backend="auto"):
        return spline_sum(x, c, w, knots, 3, backend=backend).square().sum()

    found, expected = (
        grad(lambda k, name=name: vmap(lambda k: loss(k, backend=name))(k).sum())(many)
        for name in ("auto", "reference")
    )
    assert expected.abs().sum() > 0
    torch.testing.assert_close(found, expected)
    leaf = many.clone().requires_grad_()
    vmap(loss)(leaf).sum().backward()
    torch.testing.assert_close(leaf.grad, expected)


def test_an_empty_batch_under_transforms():
    x, c, w, knots = arguments()
    for backend in ("cpu", "reference"):

        def of(x, c, w, backend=backend):
            return spline_sum(x, c, w, knots, 3, backend=backend)

        per_entry = vmap(grad(lambda *t: of(*t).sum(), (0, 1, 2)), (0, None, None))
        shapes = [tuple(t.shape) for t in per_entry(x.new_empty(0, 5, 3), c, w)]
        assert shapes == [(0, 5, 3), (0, 4, 3, 8), (0, 4, 3)]
        shapes = [tuple(t.shape) for t in jacrev(of, (0, 1))(x[:0], c, w)]
        assert shapes == [(0, 4, 0, 3), (0, 4, 4, 3, 8)]
        assert vmap(of, (None, 0, None))(x, c.new_empty(0, 4, 3, 8), w).shape[0] == 0


def test_no_input_with_knots_of_its_own():
    x, c, w, knots = arguments()
    for backend in ("cpu", "reference"):
        y = spline_sum(
            x[:, :0], c[:, :0], w[:, :0], knots.expand(0, -1), 3, backend=backend
        )
        assert torch.equal(y, torch.zeros(7, 4, dtype=torch.float64))


def test_batched_cotangents():
    x, c, w, knots = arguments()
    results = []
    for backend in ("cpu", "reference"):
        z = x.clone().requires_grad_()
        y = spline_sum(z, c, w, knots, 3, backend=backend)
        many = torch.stack([torch.ones_like(y), y.detach()])
        results.append(torch.autograd.grad(y, z, many, is_grads_batched=True))
    torch.testing.assert_close(*results)


def test_auto_leaves_to_the_reference_what_the_loops_cannot_do():
    x, c, w, knots = arguments()
    program = torch.export.export(_Module(), (x, c, w, knots))
    assert "kanlib" not in str(program.graph)
    half = spline_sum(x.half(), c.half(), w.half(), knots, 3)
    assert half.dtype == torch.float16
    torch.testing.assert_close(
        half.double(), spline_sum(x, c, w, knots, 3), atol=0.02, rtol=0.02
    )
    knots = knots.requires_grad_()
    spline_sum(x, c, w, knots, 3).sum().backward()
    assert knots.grad.abs().sum() > 0
    expected = bspline_basis(x, knots, 3)
    assert expected.requires_grad


def test_a_backend_asked_for_by_name_says_all_that_speaks_against_it(monkeypatch):
    x, c, w, knots = arguments()
    monkeypatch.setattr("kanlib.ops._dispatch.find_spec", lambda name: None)
    with pytest.raises(KernelUnavailable, match="spline_sum") as caught:
        spline_sum(
            x.half(), c.half(), w.half(), knots.requires_grad_(), 3, backend="cpu"
        )
    reasons = " ".join(caught.value.reasons)
    for word in ("numba is not installed", "knots need a grad"):
        assert word in reasons
    # and "auto" runs all the same
    assert spline_sum(x, c, w, knots, 3).shape == (7, 4)


def test_choose_takes_the_first_that_refuses_nothing():
    refusals = {"cuda": lambda: ["no GPU"], "cpu": lambda: []}
    assert choose("op", "auto", refusals) == "cpu"
    assert choose("op", "auto", {"cuda": lambda: ["no GPU"]}) == "reference"
    assert choose("op", "reference", refusals) == "reference"
    with pytest.raises(KernelUnavailable, match="no GPU"):
        choose("op", "cuda", refusals)
    with pytest.raises(ValueError, match="backend"):
        choose("op", "tpu", refusals)


def test_the_report_has_a_row_for_each_backend():
    rows = {(row.operation, row.backend) for row in report().rows}
    assert {("spline_sum", "reference"), ("spline_sum", "cpu")} <= rows


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"x": torch.ones(2, 5).double()}, ValueError, r"x has shape \(2, 5\)"),
        ({"x": torch.ones(2, 3).long()}, TypeError, "x has dtype int64"),
        ({"x": torch.ones(2, 3)}, TypeError, "float32|float64"),
        ({"x": torch.tensor(1.0).double()}, ValueError, r"x has shape \(\)"),
        ({"c": torch.ones(3, 8).double()}, ValueError, "coefficients has shape"),
        ({"c": [1.0]}, TypeError, "coefficients is a list"),
        ({"w": torch.ones(4, 9).double()}, ValueError, "base_weight has shape"),
        ({"knots": torch.arange(5.0).double()}, ValueError, r"knots has shape \(5,\)"),
        ({"knots": [0.0] * 12}, TypeError, "knots is a list"),
        ({"knots": torch.ones(12, device="meta")}, TypeError, "device meta"),
        ({"knots": torch.ones(12) * 1j}, TypeError, "knots has dtype torch.complex64"),
        ({"w": [[1.0] * 3] * 4}, TypeError, "base_weight is a list"),
        ({"degree": -1}, ValueError, "degree must be"),
        ({"backend": "fast"}, ValueError, "backend is"),
    ],
)
def test_bad_arguments_are_named(change, error, says):
    x, c, w, knots = arguments()
    given = {"x": x, "c": c, "w": w, "knots": knots, "degree": 3, "backend": "auto"}
    given |= change
    with pytest.raises(error, match=says):
        spline_sum(
            given["x"],
            given["c"],
            given["w"],
            given["knots"],
            given["degree"],
            backend=given["backend"],
        )
