"""kernels/bspline for `spline_sum`, launched exactly as the binding launches them.

The operations of kanlib.ops._spline_cuda run here on tensors of the CPU: where they
would launch a compiled kernel, the emulation (or a GPU, where there is one) runs the
unmodified source, with the very grid, block and values, and every output NaN between
guard bands. So one test proves binding and kernel together.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from kanlib.ops import _launch, bspline_basis, kernel_source, spline_sum
from kanlib.ops import _spline_cuda as binding
from kanlib.ops._spline_autograd import Sum

KERNELS = Path(__file__).parents[2] / "kernels" / "bspline"
DTYPES = {"float": torch.float32, "double": torch.float64}
ORDERS = (0, 1, 2)
FORMS = ("product", "local")
# Instantiations: all derivatives that a second gradient needs, and the rare cases once.
DEGREES = [("float", 3, 0), ("float", 3, 1), *(("double", 3, n) for n in (0, 1, 2))]
RARE = [("double", 0, 0), ("double", 2, 0), ("double", 3, 4)]
POINTWISE = tuple(f"<{t}, {d}, {n}>" for t, d, n in DEGREES + RARE)
PACKED = tuple(
    f"<{t}, {d}, {n}, {pack}"
    for t, d, n in DEGREES + RARE
    for pack in ((1, 4 if t == "float" else 2) if (d, n) == (3, 0) else (1,))
)
OUTPUTS = {
    "features": 3,
    "contract": 3,
    "local_sum": 4,
    "local_pull": 4,
    "local_push": 4,
}
MORE = {"local_sum": 8, "local_pull": 4}


def names(step):
    """Every instantiation of a kernel that a test here launches."""
    if step in ("features", "contract"):
        return tuple(f"spline_{step}{end}" for end in POINTWISE)
    if step == "local_push":
        return tuple(f"spline_{step}{start}>" for start in PACKED)
    single = tuple(f"spline_{step}{start}, 1>" for start in PACKED)
    return *single, f"spline_{step}<float, 3, 0, 4, {MORE[step]}>"


def beyond(array):
    """How many entries past a multiple of 16 bytes an array starts."""
    return array.ctypes.data % 16 // array.itemsize


class Machine:
    """Stands where the binding looks kernels up; keeps what was launched."""

    def __init__(self, build):
        self.build, self.built = build, {}
        self.launched, self.order = [], 0

    def kernel(self, path, name, device):
        step = Path(path).stem

        def launch(grid, block, *values):
            self.launched.append((name, grid, block))
            kernels = self.kernels(step)
            values = [v.numpy() if torch.is_tensor(v) else v for v in values]
            result = values[OUTPUTS[step]]
            out = kernels.output(result.size, result.dtype, beyond(result))
            inputs = [kernels.input(v, beyond(v)) if np.ndim(v) else v for v in values]
            inputs[OUTPUTS[step]] = out.inside
            kernels.launch(name, grid, block, *inputs, order=self.order)
            out.check_guards()
            result[...] = out.inside.reshape(result.shape)

        return launch

    def kernels(self, step):
        if step not in self.built:
            self.built[step] = self.build(KERNELS / f"{step}.cu", names(step))
        return self.built[step]


@pytest.fixture(scope="module")
def built(kernels):
    return Machine(kernels)


@pytest.fixture
def machine(built, monkeypatch):
    monkeypatch.setattr(_launch, "kernel", built.kernel)
    built.launched.clear()
    built.order = 0
    return built


@pytest.fixture
def use(monkeypatch):
    """Return use(form): make the binding take this form."""

    def force(form):
        monkeypatch.setattr(binding, "prefers_local", lambda *_: form == "local")

    return force


def knot_rows(kind, size, degree, inputs):
    """Knots of a kind, (1 or inputs, size + degree + 1), float64."""
    count = size + degree + 1
    even = torch.linspace(-1.3, 1.7, count, dtype=torch.float64)[None]
    if kind == "uniform":
        return even
    generator = torch.Generator().manual_seed(count)
    rows = inputs if kind == "rows" else 1
    noise = torch.rand(rows, count, generator=generator, dtype=torch.float64)
    knots = (even + 0.2 * noise).sort(-1).values
    if kind == "clamped":
        knots[:, : degree + 1], knots[:, size:] = -1.0, 1.0
    return knots


def example(
    rows=9, inputs=3, outputs=4, size=9, degree=3, kind="uniform", dtype=torch.float64
):
    """x, weight, scale, g and knots; x reaches beyond the knots and hits some."""
    generator = torch.Generator().manual_seed(rows + 7 * inputs + 31 * outputs)

    def draw(*shape):
        made = torch.rand(*shape, generator=generator, dtype=torch.float64) - 0.5
        return made.to(dtype)

    knots = knot_rows(kind, size, degree, inputs)
    x = 4 * draw(rows, inputs) + 0.2
    if x.numel() > 8:
        x.view(-1)[1:8:2] = knots[0, [0, degree, -degree - 1, -1]].to(dtype)
    return (
        x,
        draw(size + 1, inputs, outputs),
        draw(rows, inputs),
        draw(rows, outputs),
        knots,
    )


def features(x, knots, degree, derivative, base):
    """(rows, F, inputs), by the reference."""
    t = (knots[0] if len(knots) == 1 else knots).to(x.dtype)
    parts = [bspline_basis(x, t, degree, derivative).movedim(-1, 1)]
    if base:
        point = x.detach().requires_grad_()
        silu = torch.nn.functional.silu(point)
        for _ in range(derivative):
            (silu,) = torch.autograd.grad(silu.sum(), point, create_graph=True)
        parts.append(silu.detach()[:, None])
    return torch.cat(parts, 1)


def expected(step, x, weight, scale, g, knots, degree, derivative, base):
    """The operation as its definition says."""
    phi = features(x, knots, degree, derivative, base)
    if step == "pull":
        return torch.einsum("ro,rfi,fio->ri", g, phi, weight)
    phi = phi if scale is None else scale[:, None] * phi
    if step == "sum":
        return torch.einsum("rfi,fio->ro", phi, weight)
    return torch.einsum("rfi,ro->fio", phi, g)


def found(step, x, weight, scale, g, knots, *options):
    """The operation as the binding runs it."""
    if step == "sum":
        return binding._sum(x, weight, scale, knots, *options)
    if step == "pull":
        return binding._pull(x, weight, g, knots, *options)
    return binding._push(x, scale, g, knots, *options)


STEPS = ("sum", "pull", "push")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kind", ["uniform", "rows", "clamped"])
@pytest.mark.parametrize("derivative", [0, 1, 2, 4])
def test_equals_the_definition(machine, use, step, form, kind, derivative):
    use(form)
    x, weight, scale, g, knots = example(kind=kind, outputs=3 if derivative else 4)
    for base, factor in ((True, None), (False, scale)):
        given = x, weight[: 9 + base], factor, g, knots, 3, derivative, base
        torch.testing.assert_close(
            found(step, *given),
            expected(step, *given),
            rtol=0,
            atol=1e-12 * 9**derivative,
        )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("degree", [0, 2])
def test_other_degrees(machine, use, step, form, degree):
    use(form)
    x, weight, scale, g, knots = example(degree=degree, size=5, outputs=3)
    given = x, weight, scale, g, knots, degree, 0, True
    torch.testing.assert_close(
        found(step, *given), expected(step, *given), rtol=0, atol=1e-13
    )


@pytest.mark.parametrize("kind", ["uniform", "rows"])
@pytest.mark.parametrize("derivative", [0, 1])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("step", STEPS)
def test_error_in_float_is_at_most_twice_pytorchs(
    machine, use, step, form, derivative, kind
):
    use(form)
    x, weight, scale, g, knots = example(
        rows=200, outputs=5, kind=kind, dtype=torch.float32
    )
    given = [x, weight, scale, g]
    exact = [t.double() for t in given]
    knots = knots.float().double()
    options = knots, 3, derivative, True
    truth = expected(step, *exact, *options)
    theirs = (expected(step, *given, *options) - truth).abs().max()
    ours = (found(step, *given, *options) - truth).abs().max()
    assert ours <= 2 * theirs


@pytest.mark.parametrize("rows", [1, 127, 128, 129])
@pytest.mark.parametrize(("inputs", "outputs"), [(5, 4), (1, 1), (9, 132)])
@pytest.mark.parametrize("step", STEPS)
def test_every_order_gives_the_same_bits(machine, use, step, rows, inputs, outputs):
    use("local")
    dtype = torch.float32
    x, weight, scale, g, knots = example(rows, inputs, outputs, dtype=dtype)
    given = x, weight, scale, g, knots, 3, 0, True
    results = []
    for machine.order in ORDERS if rows == 129 else ORDERS[:2]:
        results.append(found(step, *given))
    for other in results[1:]:
        assert torch.equal(other, results[0])
    truth = expected(step, *(t.double() for t in given[:4]), *given[4:])
    torch.testing.assert_close(results[0].double(), truth, rtol=0, atol=3e-5)


@pytest.mark.parametrize("step", ["sum", "pull"])
def test_more_rows_a_thread_change_no_bit(machine, use, monkeypatch, step):
    use("local")
    given = *example(70, 3, 12, dtype=torch.float32), 3, 0, True
    few = found(step, *given)
    monkeypatch.setattr(binding, "FEWEST_BLOCKS", 1)
    many = found(step, *given)
    assert machine.launched[0][0] != machine.launched[1][0]
    assert torch.equal(few, many)


def test_parts_of_a_push_are_added(machine, use, monkeypatch):
    use("local")
    monkeypatch.setattr(binding, "FEWEST_PART", 8)
    given = *example(70, 3, 4), 3, 0, True
    got = found("push", *given)
    assert machine.launched[0][1][2] > 1
    torch.testing.assert_close(got, expected("push", *given), rtol=0, atol=1e-13)


@pytest.mark.parametrize("step", STEPS)
def test_chunks_of_rows_are_put_together(machine, use, monkeypatch, step):
    use("product")
    monkeypatch.setattr(binding, "FEWEST_CHUNK", 4)
    monkeypatch.setattr(binding, "CHUNK_BYTES", 1)
    given = *example(11), 3, 1, True
    got = found(step, *given)
    assert len(machine.launched) == 3
    torch.testing.assert_close(got, expected(step, *given), rtol=0, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["uniform", "rows"])
def test_nan_reaches_what_it_reaches_in_the_reference(machine, use, form, kind):
    use(form)
    x, weight, scale, g, knots = example(rows=6, kind=kind)
    x[0, 1], x[2, 2], x[3, 0] = np.nan, np.inf, -1e30
    scale[4, 0] = np.nan
    for step in STEPS:
        given = x, weight[:9], scale, g, knots, 3, 0, False
        torch.testing.assert_close(
            found(step, *given),
            expected(step, *given),
            equal_nan=True,
            rtol=0,
            atol=1e-13,
        )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(0, 3, 4), (5, 0, 4), (5, 3, 0)])
def test_nothing_in_zeros_out(machine, use, form, shape):
    use(form)
    rows, inputs, outputs = shape
    x, g = torch.ones(rows, inputs), torch.ones(rows, outputs)
    weight, knots = torch.ones(10, inputs, outputs), knot_rows("uniform", 9, 3, inputs)
    for step, size in (
        ("sum", (rows, outputs)),
        ("pull", (rows, inputs)),
        ("push", weight.shape),
    ):
        got = found(step, x, weight, None, g, knots, 3, 0, True)
        assert torch.equal(got, torch.zeros(size))
    assert not machine.launched


@pytest.mark.parametrize("form", FORMS)
def test_strides_do_not_matter(machine, use, form):
    use(form)
    x, weight, scale, g, knots = example(kind="rows")
    for step in STEPS:
        plain = found(step, x, weight, scale, g, knots, 3, 0, True)
        turned = [
            t.movedim(0, -1).contiguous().movedim(-1, 0)
            for t in (x, weight, scale, g, knots)
        ]
        assert not turned[0].is_contiguous()
        got = found(step, *turned, 3, 0, True)
        torch.testing.assert_close(got, plain, rtol=0, atol=1e-14)


@pytest.mark.parametrize("form", FORMS)
def test_gradients_of_first_and_second_order(machine, use, monkeypatch, form):
    use(form)
    for step in STEPS:
        monkeypatch.setattr(
            torch.ops.kanlib, f"spline_{step}", getattr(binding, f"_{step}")
        )
    x, weight, _, g, knots = example(rows=3, inputs=2, outputs=3, size=6)
    results = []
    for emulated in (True, False):
        leaves = [t.clone().requires_grad_() for t in (x, weight, g)]
        if emulated:
            y = Sum.apply(*leaves[:2], None, knots, 3, 0, True)
        else:
            c, w = leaves[1][:-1].permute(2, 1, 0), leaves[1][-1].T
            y = spline_sum(leaves[0], c, w, knots[0], 3, backend="reference")
        first = torch.autograd.grad((y * leaves[2]).sum(), leaves, create_graph=True)
        total = sum((t * t).sum() for t in first)
        second = torch.autograd.grad(total, leaves)
        results.append([y, *first, *second])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)
    derivatives = {name.split(", ")[2][0] for name, *_ in machine.launched}
    assert derivatives == {"0", "1", "2"}


def test_an_address_between_packs_is_taken_one_by_one(machine, use):
    use("local")
    x, weight, scale, g, knots = example()
    apart = torch.empty(weight.numel() + 1, dtype=weight.dtype)[1:].view_as(weight)
    apart.copy_(weight)
    given = x, apart, scale, g, knots, 3, 0, True
    torch.testing.assert_close(
        found("sum", *given), expected("sum", *given), rtol=0, atol=1e-13
    )
    assert machine.launched[0][0] == "spline_local_sum<double, 3, 0, 1, 1>"


def accept(step):
    """Raise AssertionError unless an operation does a small ragged job right."""
    for kind in ("rows", "uniform"):
        x, weight, scale, g, knots = example(
            rows=37, inputs=3, outputs=6, kind=kind, dtype=torch.float32
        )
        given = x, weight, scale, g, knots, 3, 0, True
        truth = expected(step, *(t.double() for t in given[:4]), *given[4:])
        got = found(step, *given)
        assert not got.isnan().any(), "entries left unwritten"
        torch.testing.assert_close(got.double(), truth, rtol=0, atol=1e-5)


MUTANTS = {
    # slip: (file, right, wrong, words of the message)
    "features, one missing": (
        "features",
        "k < size; ++k",
        "k < size - 1; ++k",
        "left unwritten",
    ),
    "features, no scale": ("features", "value[m] *= factor", "value[m] *= 1", "close"),
    "contract, next one": ("contract", "k = first + m", "k = first + m + 1", "close"),
    "sum, a row too many": ("local_sum", "outputs && r < rows", "outputs", "outside"),
    "sum, one block": ("local_sum", "blockIdx.x * height", "0 * height", "unwritten"),
    "sum, no SiLU": ("local_sum", "if (!base) break", "break", "close"),
    "sum, no barrier": (
        "local_sum",
        "base);\n        __syncthreads();",
        "base);",
        "unwritten|close",
    ),
    "pull, one exchange less": ("local_pull", "apart > 0", "apart > 1", "close"),
    "pull, one slot": ("local_pull", "tile[(slot + p", "tile[(0 * slot + p", "close"),
    "push, sums from NaN": (
        "local_push",
        "++k) store<bytes>(col",
        "k += 2) store<bytes>(col",
        "unwritten",
    ),
    "push, too many inputs": ("local_push", "if (!mine) return;", "", "outside"),
    "push, shared column": (
        "local_push",
        "sums + threadIdx.x",
        "sums + slot",
        "unwritten|close",
    ),
}
STEP_OF = {"features": "sum", "contract": "pull"}


@pytest.fixture(scope="module")
def mutants(emulate, tmp_path_factory):
    """All slips, each in a namespace of its own: one build for all of them."""
    text, kernels = '#include "bspline/active.cuh"\n#include "common/vector.cuh"\n', []
    for number, (file, right, wrong, _) in enumerate(MUTANTS.values()):
        source = kernel_source(f"bspline/{file}.cu")
        assert source.count(right) == 1, f"{right!r} is no longer in the source once"
        text += f"namespace m{number} {{\n{source.replace(right, wrong)}\n}}\n"
        end = {"local_push": ", 1", "local_sum": ", 1, 1", "local_pull": ", 1, 1"}
        kernels.append(f"m{number}::spline_{file}<float, 3, 0{end.get(file, '')}>")
    path = tmp_path_factory.mktemp("mutants") / "mutants.cu"
    path.write_text(text)
    return emulate(path, kernels)


class Mutant(Machine):
    """The real kernels, but for the one with the slip."""

    def __init__(self, build, mutants, number, file):
        super().__init__(build)
        self.mutants, self.prefix, self.file = mutants, f"m{number}::", file

    def kernels(self, step):
        if step != self.file:
            return super().kernels(step)
        return self

    def output(self, *arguments):
        return self.mutants.output(*arguments)

    def input(self, *arguments):
        return self.mutants.input(*arguments)

    def launch(self, name, *arguments, order):
        self.mutants.launch(self.prefix + name, *arguments, order=order)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("step", STEPS)
def test_the_sources_are_accepted(machine, use, step, form):
    use(form)
    accept(step)


@pytest.mark.parametrize("slip", MUTANTS)
def test_a_slip_in_a_source_is_noticed(emulate, mutants, use, monkeypatch, slip):
    file, *_, words = MUTANTS[slip]
    machine = Mutant(emulate, mutants, list(MUTANTS).index(slip), file)
    monkeypatch.setattr(_launch, "kernel", machine.kernel)
    use("local" if file.startswith("local") else "product")
    with pytest.raises(AssertionError, match=words):
        accept(STEP_OF.get(file, file.removeprefix("local_")))


def test_the_form_is_chosen_by_size_alone():
    def first(step, outputs, itemsize=4, tf32=False):
        wanted = 3, True, outputs, itemsize, tf32
        return next(
            size + 1
            for size in range(1, 300)
            if binding.prefers_local(step, size, *wanted)
        )

    assert [first(step, 64) for step in STEPS] == [11, 13, 19]
    assert [first(step, 4096) for step in STEPS] == [16, 19, 28]
    assert [first(step, 64, tf32=True) for step in STEPS] == [22, 27, 40]
    assert [first(step, 64, itemsize=8) for step in STEPS] == [11, 13, 19]
    # No window of d + 1 functions, no room for a tile, no room for the sums.
    assert not binding.prefers_local("sum", 3, 3, True, 1, 4, False)
    assert not binding.prefers_local("sum", 500, 9, True, 64, 4, False)
    assert not binding.prefers_local("push", 257, 3, True, 64, 4, False)
    assert binding.prefers_local("sum", 257, 3, True, 64, 4, False)


@pytest.mark.parametrize("outputs", [1, 2, 3, 4, 5, 63, 64, 65, 128, 1000])
@pytest.mark.parametrize("pack", [1, 4])
@pytest.mark.parametrize("size", [4, 16, 40, 64])
def test_launches_are_what_the_sources_demand(outputs, pack, size):
    lanes = binding.lane_count(outputs, pack)
    assert lanes in (1, 2, 4, 8, 16, 32)
    assert lanes == 32 or lanes * pack >= outputs
    slots = binding.THREADS // lanes
    for most in (4, 8):
        per = binding.rows_per_thread(1 << 22, slots, 1, most)
        assert per in (1, most)
        assert slots * per <= binding.TILE_POINTS
        assert binding.rows_per_thread(64, slots, 1, most) == 1
    for inputs in (1, 5, 100):
        lanes, threads = binding.push_shape(size, inputs, outputs, 4, pack)
        assert threads % 32 == 0 < threads // lanes <= binding.PUSH_POINTS
        assert size * threads * pack * 4 <= binding.PUSH_BYTES


def test_parts_and_chunks_cover_all_rows():
    assert binding.part_count(100, 1) == 1
    assert binding.part_count(10_000, 1) == 39
    assert binding.part_count(1 << 20, 100) == 6
    assert binding.chunk_rows(10, 1 << 30) == 10
    assert binding.chunk_rows(10_000, 1 << 30) == binding.FEWEST_CHUNK
    assert binding.chunk_rows(10_000, 1 << 13) == 4096


def test_every_reason_to_refuse_is_told():
    x, knots = torch.ones(2, 3, dtype=torch.float16), torch.ones(60)
    told = "\n".join(binding.refusals(x, knots, 17))
    for words in ("x is on cpu", "x has dtype torch.float16", "the degree is 17"):
        assert words in told
