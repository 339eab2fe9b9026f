"""The rational operation: the reference by hand, the loops against the reference."""

import io
import math
import threading
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vmap

from kanlib import KernelUnavailable
from kanlib.ops import _rational_autograd, _rational_cpu, group_rational, report

FORMS = ["A", "B"]


def arguments(rows=5, columns=6, groups=2, m=5, n=4, shared=True, seed=0):
    """x, a, b in float64."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return draw(rows, columns), draw(1 if shared else groups, m + 1), draw(groups, n)


def results(x, a, b, form, backend, weight=None):
    """The value and its gradients, of x, a and b."""
    values = [t.detach().clone().requires_grad_() for t in (x, a, b)]
    y = group_rational(*values, form=form, backend=backend)
    weight = (
        torch.cos(torch.arange(y.numel())).reshape(y.shape) if weight is None else 1
    )
    return [y.detach(), *torch.autograd.grad((y * weight).sum(), values)]


def largest_error(found, expected):
    scale = expected.abs().max().clamp_min(1e-30) if expected.numel() else 1
    return float(((found - expected).abs() / scale).max()) if found.numel() else 0.0


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize(
    ("form", "expected"),
    # P = 1 + 2x − x², b = (−3, 0.5); x = −2: P = −7, Q = 1 + 6 + 2 or 1 + |6 + 2|;
    # x = 1/2: P = 7/4, Q = 1 + 3/2 + 1/8 or 1 + |−3/2 + 1/8|
    [("A", [-7 / 9, 1.0, 1.75 / 2.625]), ("B", [-7 / 9, 1.0, 1.75 / 2.375])],
)
def test_values_by_hand(backend, form, expected):
    x = torch.tensor([[-2.0], [0.0], [0.5]], dtype=torch.float64)
    a = torch.tensor([[1.0, 2.0, -1.0]], dtype=torch.float64)
    b = torch.tensor([[-3.0, 0.5]], dtype=torch.float64)
    y = group_rational(x, a, b, form=form, backend=backend)
    torch.testing.assert_close(y[:, 0], torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("form", FORMS)
def test_each_group_has_its_own_columns(backend, form):
    x, a, b = arguments(rows=4, columns=90, groups=3, shared=False)
    y = group_rational(x, a, b, form=form, backend=backend)
    for k in range(3):
        part = slice(30 * k, 30 * (k + 1))
        alone = group_rational(
            x[:, part], a[k : k + 1], b[k : k + 1], form=form, backend="reference"
        )
        torch.testing.assert_close(y[:, part], alone)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    rows=st.sampled_from([0, 1, 3, 65, 130]),
    wide=st.sampled_from([1, 2, 7, 8, 31, 32, 33, 70]),
    groups=st.integers(1, 9),
    degrees=st.sampled_from([(5, 4), (3, 2), (0, 0), (0, 3), (4, 0), (7, 5), (1, 1)]),
    form=st.sampled_from(FORMS),
    shared=st.booleans(),
    double=st.booleans(),
    seed=st.integers(0, 99),
)
def test_the_loops_equal_the_reference(
    rows, wide, groups, degrees, form, shared, double, seed
):
    x, a, b = arguments(rows, wide * groups, groups, *degrees, shared, seed)
    # Single entries may cancel, hence more than the few roundings of 6e-8 each.
    dtype, bound = (torch.float64, 1e-13) if double else (torch.float32, 2e-5)
    x, a, b = x.to(dtype), a.to(dtype), b.to(dtype)
    found = results(x, a, b, form, "cpu")
    expected = results(x.double(), a.double(), b.double(), form, "reference")
    assert [t.dtype for t in found] == [dtype] * 4
    for f, e in zip(found, expected, strict=True):
        assert f.shape == e.shape
        assert largest_error(f.double(), e) <= bound


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("degrees", [(5, 4), (6, 5), (1, 1), (2, 0)])
def test_gradients_of_first_and_second_order(backend, form, degrees):
    values = [t.requires_grad_() for t in arguments(3, 4, 2, *degrees)]

    def call(x, a, b):
        return group_rational(x, a, b, form=form, backend=backend)

    assert torch.autograd.gradcheck(call, values)
    assert torch.autograd.gradgradcheck(call, values)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("form", FORMS)
def test_the_sign_of_zero_is_plus_one(backend, form):
    # b = 0, and x = ±0: derivatives are those from the right.
    x = torch.tensor([[0.0], [-0.0], [2.0], [-4.0]], dtype=torch.float64)
    a = torch.tensor([[1.0, 1.0, 0, 0, 0, 0]], dtype=torch.float64)
    b = torch.zeros(1, 4, dtype=torch.float64)
    y, of_x, _, of_b = results(x, a, b, form, backend, weight=1)
    torch.testing.assert_close(y, 1 + x)
    torch.testing.assert_close(of_x, torch.ones_like(x))
    v = x.abs() if form == "A" else x
    expected = torch.stack([-((1 + x) * v**j).sum() for j in range(1, 5)])
    torch.testing.assert_close(of_b[0], expected)
    assert of_b.abs().min() > 0
    # At x = 0 with b_1 > 0: F′ = a_1 − a_0 b_1, as from the right, in both forms.
    b = b.clone()
    b[0, 0] = 0.5
    _, of_x, _, _ = results(x[:2], a, b, form, backend, weight=1)
    torch.testing.assert_close(of_x, torch.full_like(x[:2], 0.5))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("degrees", [(5, 4), (3, 2), (0, 2), (2, 0), (0, 0), (6, 5)])
def test_nan_and_infinity_are_what_the_reference_makes_of_them(form, degrees):
    x, a, b = arguments(70, 12, 2, *degrees)
    x[0, 1], x[66, 8], x[3, 0] = math.nan, math.inf, -math.inf
    found, expected = (
        group_rational(x, a, b, form=form, backend=name)
        for name in ("cpu", "reference")
    )
    torch.testing.assert_close(found, expected, equal_nan=True)
    assert found[0, 1].isnan()
    keep = torch.ones_like(x, dtype=torch.bool)
    keep[0, 1] = keep[66, 8] = keep[3, 0] = False
    assert found[keep].isfinite().all()
    # One NaN in a group is NaN in all of the group's sums.
    x = torch.where(x.isinf(), torch.zeros_like(x), x)
    for f, e in zip(
        results(x, a, b, form, "cpu"),
        results(x, a, b, form, "reference"),
        strict=True,
    ):
        torch.testing.assert_close(f, e, equal_nan=True)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("degrees", [(1, 0), (3, 0), (0, 1), (0, 0)])
def test_gradients_at_infinity_are_what_the_reference_makes_of_them(form, degrees):
    x, a, b = arguments(130, 12, 2, *degrees)
    x[0, 1], x[3, 0], x[100, 0] = math.inf, -math.inf, math.inf
    found, expected = (
        results(x, a, b, form, backend) for backend in ("cpu", "reference")
    )
    torch.testing.assert_close(found, expected, equal_nan=True)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("degrees", [(5, 4), (6, 4)])
def test_powers_that_overflow_where_their_share_does_not(form, degrees):
    # P = x and Q ≈ x⁴ / 10: x⁵ exceeds float32, x⁵ / Q does not.
    m, n = degrees
    a, b = torch.zeros(1, m + 1), torch.full((1, n), 0.1)
    a[0, 1] = 1
    for size in (1e8, 1e9, 1e10, 1e12):
        x = size * torch.tensor([[1.0, -1.0, 0.5]])
        found, expected = (
            results(x, a, b, form, backend, weight=1)
            for backend in ("cpu", "reference")
        )
        for f, e in zip(found, expected, strict=True):
            torch.testing.assert_close(f, e, rtol=1e-5, atol=1e-30)


def test_an_empty_batch_under_transforms():
    x, a, b = arguments(3, 4, 2, 2, 2)
    for backend in ("cpu", "reference"):

        def of(x, a, b, backend=backend):
            return group_rational(x, a, b, backend=backend).sum(-1)

        per_entry = vmap(grad(lambda *t: of(*t).sum(), (0, 1, 2)), (0, None, None))
        shapes = [tuple(t.shape) for t in per_entry(x.new_empty(0, 3, 4), a, b)]
        assert shapes == [(0, 3, 4), (0, 1, 3), (0, 2, 2)]
        shapes = [tuple(t.shape) for t in jacrev(of, (0, 1, 2))(x[:0], a, b)]
        assert shapes == [(0, 0, 4), (0, 1, 3), (0, 2, 2)]


def test_a_traced_program_can_be_saved():
    class Model(torch.nn.Module):
        def forward(self, x, a, b):
            return group_rational(x, a, b)

    given = arguments()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing is deprecated, and warns of checks
        traced = torch.jit.trace(Model(), given)
        file = io.BytesIO()
        torch.jit.save(traced, file)
        file.seek(0)
        again = torch.jit.load(file)
    torch.testing.assert_close(again(*given), group_rational(*given))


TRANSFORMS = {
    "grad": lambda f, x, a, b: grad(lambda *t: f(*t).sum(), (0, 1, 2))(x, a, b),
    "jacrev": lambda f, x, a, b: jacrev(f, (0, 1, 2))(x, a, b),
    "jacfwd": lambda f, x, a, b: jacfwd(f, (0, 1, 2))(x, a, b),
    "jvp": lambda f, x, a, b: jvp(f, (x, a, b), (x, a, b)),
    "hessian": lambda f, x, a, b: hessian(lambda *t: f(*t).square().sum(), (0, 1, 2))(
        x, a, b
    ),
    "vmap over rows": lambda f, x, a, b: vmap(lambda r: f(r, a, b))(x),
    "vmap over the last axis": lambda f, x, a, b: vmap(lambda z: f(z, a, b), 2, 1)(
        torch.stack([x, x.sin()], 2)
    ),
    "vmap of grad": lambda f, x, a, b: vmap(grad(lambda r: f(r, a, b).sum()))(x),
    "vmap over a": lambda f, x, a, b: vmap(f, (None, 1, None))(
        x, torch.stack([a, 2 * a], 1), b
    ),
    "vmap over all": lambda f, x, a, b: vmap(f)(
        torch.stack([x, x.sin()]), torch.stack([a, 2 * a]), torch.stack([b, -b])
    ),
    "per-sample gradients": lambda f, x, a, b: vmap(
        grad(lambda a, b, r: f(r, a, b).square().sum(), (0, 1)), (None, None, 0)
    )(a, b, x),
    "gradients of several coefficients": lambda f, x, a, b: vmap(
        jacrev(f, (1, 2)), (None, 0, 0)
    )(x, torch.stack([a, 2 * a]), torch.stack([b, -b])),
    "vmap of vmap": lambda f, x, a, b: vmap(lambda x: vmap(lambda r: f(r, a, b))(x))(
        torch.stack([x, x.sin()])
    ),
    "third order": lambda f, x, a, b: jacrev(
        jacrev(jacrev(lambda b: f(x, a, b).sin().sum()))
    )(b),
    "vmap of hessian": lambda f, x, a, b: vmap(
        hessian(lambda r: f(r, a, b).square().sum())
    )(x),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_every_transform_gives_what_the_reference_gives(transform, shared, form):
    given = arguments(3, 4, 2, 2, 2, shared)
    auto, reference = (
        TRANSFORMS[transform](
            lambda x, a, b, name=name: group_rational(x, a, b, form=form, backend=name),
            *given,
        )
        for name in ("auto", "reference")
    )
    torch.testing.assert_close(auto, reference, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("needed", [(0,), (1,), (2,), (0, 2)])
def test_only_what_needs_a_gradient_gets_one(needed):
    values = list(arguments())
    for k in needed:
        values[k].requires_grad_()
    y = group_rational(*values, backend="cpu")
    y.sum().backward()
    expected = results(*values, "A", "reference", weight=1)[1:]
    for k, value in enumerate(values):
        if k in needed:
            torch.testing.assert_close(value.grad, expected[k])
        else:
            assert value.grad is None
    plain = group_rational(*(v.detach() for v in values), backend="cpu")
    assert not plain.requires_grad


@pytest.mark.parametrize("form", FORMS)
def test_compiles_whole_with_gradients(form):
    x, a, b = arguments(64, 64, 8)
    torch._dynamo.reset()
    values = [t.requires_grad_() for t in (x, a, b)]

    def call(x, a, b):
        return group_rational(x, a, b, form=form)

    compiled = torch.compile(call, fullgraph=True, backend="aot_eager")
    y = compiled(*values)
    found = torch.autograd.grad(y.square().sum(), values)
    y = call(*values)
    torch.testing.assert_close(found, torch.autograd.grad(y.square().sum(), values))


def test_a_program_is_exported_with_the_reference():
    class Model(torch.nn.Module):
        def forward(self, x, a, b):
            return group_rational(x, a, b)

    given = arguments()
    program = torch.export.export(Model(), given)
    assert not any("group_rational" in str(n.target) for n in program.graph.nodes)
    torch.testing.assert_close(program.module()(*given), group_rational(*given))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(0, 6), (70, 6)])
@pytest.mark.parametrize("shared", [True, False])
def test_the_operations_keep_torchs_contract(form, shape, shared):
    x, a, b = arguments(*shape, shared=shared)
    checks = ("test_schema", "test_faketensor")
    op = torch.ops.kanlib
    torch.library.opcheck(op.group_rational.default, (x, a, b, form), test_utils=checks)
    torch.library.opcheck(
        op.group_rational_backward.default, (x.cos(), x, a, b, form), test_utils=checks
    )


def test_only_x_and_the_coefficients_are_kept():
    x, a, b = (t.float().requires_grad_() for t in arguments(512, 64, 8))
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = group_rational(x, a, b, backend="cpu")
    assert sum(kept.values()) == sum(t.numel() * t.element_size() for t in (x, a, b))
    assert y.untyped_storage().data_ptr() not in kept


@pytest.mark.parametrize("form", FORMS)
def test_coefficient_gradients_are_accurate(form):
    """Row P8 of the performance page: a bound of 2e-6 at 8192 rows of 96."""
    x, a, b = arguments(8192, 96, 8, seed=1)
    b = 0.3 * b
    generator = torch.Generator().manual_seed(2)
    g = torch.randn(8192, 96, generator=generator)
    x, a, b = x.float(), a.float(), b.float()
    gradient = torch.ops.kanlib.group_rational_backward
    found = gradient(g, x, a, b, form)
    exact = gradient(g.double(), x.double(), a.double(), b.double(), form)
    for f, e in zip(found[1:], exact[1:], strict=True):
        # Relative to the size of the gradient: single entries may cancel to 0.
        assert float((f.double() - e).norm() / e.norm()) <= 2e-6
    again = gradient(g, x, a, b, form)
    assert all(torch.equal(p, q) for p, q in zip(found, again, strict=True))


@pytest.mark.parametrize("columns", [16, 800])
@pytest.mark.parametrize("degrees", [(5, 4), (6, 5)])
def test_threads_change_no_bit(columns, degrees, monkeypatch):
    # On few entries too, so that there is work for every thread.
    monkeypatch.setattr(_rational_cpu, "LEAST", 1 << 8)
    x, a, b = (t.float() for t in arguments(700, columns, 8, *degrees))

    def run():
        return results(x, a, b, "A", "cpu")

    before = torch.get_num_threads()
    found = {}
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            found[count] = run()
        threads = [
            threading.Thread(target=lambda n=n: found.update({n: run()}))
            for n in range(10, 13)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        torch.set_num_threads(before)
    assert len(found) == 6
    for several in found.values():
        assert all(torch.equal(p, q) for p, q in zip(several, found[1], strict=True))


@pytest.mark.parametrize("form", FORMS)
def test_strides_and_shapes_do_not_matter(form):
    x, a, b = arguments(rows=8, shared=False)
    wide = torch.empty(8, 12, dtype=x.dtype)
    wide[:, ::2] = x
    expected = results(x, a, b, form, "reference")
    turned = [t.T.contiguous().T for t in (x, a, b)]
    for values in ((wide[:, ::2], a, b), turned):
        for f, e in zip(results(*values, form, "cpu"), expected, strict=True):
            torch.testing.assert_close(f, e)
    y = group_rational(x.reshape(2, 4, 1, 6), a, b, form=form)
    torch.testing.assert_close(y.reshape(8, 6), expected[0])
    torch.testing.assert_close(group_rational(x[0], a, b, form=form), expected[0][0])


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("shape", [(0, 6), (3, 0, 6), (4, 0)])
def test_nothing_in_nothing_out(backend, shape):
    _, a, b = arguments()
    x = torch.empty(shape, dtype=torch.float64)
    y, of_x, of_a, of_b = results(x, a, b, "A", backend, weight=1)
    assert y.shape == of_x.shape == shape
    assert not of_a.any()
    assert not of_b.any()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("own", [True, False])
def test_half_is_computed_in_single_and_rounded_once(form, dtype, own):
    x, a, b = arguments()
    x = x.to(dtype)
    a, b = (t.to(dtype) if own else t.float() for t in (a, b))
    found = results(x, a, b, form, "auto", weight=1)
    exact = results(x.float(), a.float(), b.float(), form, "reference", weight=1)
    assert [t.dtype for t in found] == [dtype, dtype, a.dtype, b.dtype]
    for f, e in zip(found, exact, strict=True):
        torch.testing.assert_close(f, e.to(f.dtype), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_computes_in_single(dtype):
    x, a, b = (t.float() for t in arguments(4, 8))
    outside = group_rational(x, a, b)
    half = group_rational(x.to(dtype), a, b)
    with torch.autocast("cpu", dtype=dtype):
        assert torch.equal(group_rational(x, a, b), outside)
        assert torch.equal(group_rational(x.to(dtype), a, b), half)
        linear = torch.nn.functional.linear(x, torch.eye(8))
        assert group_rational(linear, a, b).dtype == dtype


def test_a_backend_asked_for_by_name_says_all_that_speaks_against_it(monkeypatch):
    x, a, b = arguments()
    monkeypatch.setattr("kanlib.ops._dispatch.find_spec", lambda name: None)
    with pytest.raises(KernelUnavailable, match="group_rational") as caught:
        jvp(lambda x: group_rational(x.half(), a.half(), b.half(), backend="cpu"),
            (x,), (x,))  # fmt: skip
    reasons = " ".join(caught.value.reasons)
    for word in ("numba is not installed", "dtype torch.float16", "forward-mode"):
        assert word in reasons
    assert group_rational(x, a, b).shape == x.shape  # and "auto" runs all the same


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_asked_for_by_name_says_why_not():
    with pytest.raises(KernelUnavailable, match="CUDA") as caught:
        group_rational(*arguments(), backend="cuda")
    assert len(caught.value.reasons) == len(set(caught.value.reasons)) >= 2


def test_auto_takes_the_loops_where_it_can(monkeypatch):
    taken = []
    original = _rational_autograd.Rational.forward

    def spy(*given):
        taken.append(given[0].dtype)
        return original(*given)

    monkeypatch.setattr(_rational_autograd.Rational, "forward", staticmethod(spy))
    x, a, b = arguments()
    for dtype in (torch.float64, torch.float32, torch.float16):
        group_rational(x.to(dtype), a.to(dtype), b.to(dtype))
    assert taken == [torch.float64, torch.float32]


def test_the_report_has_a_row_for_each_backend():
    rows = {(row.operation, row.backend) for row in report().rows}
    assert {("group_rational", "reference"), ("group_rational", "cpu")} <= rows


D = torch.float64


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"x": torch.ones(2, 5, dtype=D)}, ValueError, r"x has shape \(2, 5\)"),
        ({"x": torch.tensor(1.0, dtype=D)}, ValueError, r"x has shape \(\)"),
        ({"x": torch.ones(2, 6).long()}, TypeError, "x has dtype int64"),
        ({"x": [1.0]}, TypeError, "x is a list"),
        ({"x": torch.ones(2, 6)}, TypeError, "numerator has dtype torch.float64"),
        ({"x": torch.ones(2, 6).half()}, TypeError, "expected float32 or"),
        ({"x": torch.ones(2, 6, dtype=D, device="meta")}, TypeError, "has device cpu"),
        ({"numerator": torch.ones(6, dtype=D)}, ValueError, "numerator has shape"),
        ({"numerator": torch.ones(3, 6, dtype=D)}, ValueError, r"\(2, m \+ 1\)"),
        ({"numerator": torch.ones(1, 0, dtype=D)}, ValueError, "numerator has shape"),
        ({"numerator": torch.ones(1, 6)}, TypeError, "numerator has dtype"),
        ({"numerator": None}, TypeError, "numerator is a NoneType"),
        ({"denominator": torch.ones(4, dtype=D)}, ValueError, "denominator has shape"),
        ({"denominator": torch.ones(0, 4, dtype=D)}, ValueError, "denominator has"),
        ({"denominator": torch.ones(2, 4)}, TypeError, "denominator has dtype"),
        ({"denominator": 1.0}, TypeError, "denominator is a float"),
        ({"form": "C"}, ValueError, "form is 'C'"),
        ({"backend": "fast"}, ValueError, "backend is"),
    ],
)
def test_bad_arguments_are_errors_that_name_them(change, error, says):
    x, a, b = arguments()
    given = {"x": x, "numerator": a, "denominator": b, "form": "A", "backend": "auto"}
    given |= change
    with pytest.raises(error, match=says):
        group_rational(
            given["x"],
            given["numerator"],
            given["denominator"],
            form=given["form"],
            backend=given["backend"],
        )
