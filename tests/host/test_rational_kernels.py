"""kernels/rational/*.cu, launched exactly as the binding launches them, on a CPU.

The binding computes launches (kernel, grid, block, values). Here those very launches
run on the emulation, or on a GPU where there is one, with every output NaN between
guard bands: one test proves binding and kernel together. Reference: NumPy in float64.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from kanlib.ops import _launch, kernel_source
from kanlib.ops import _rational_cuda as binding
from kanlib.ops._launch import Launch
from kanlib.ops._sources import _root, expanded

DTYPES = {
    "float": torch.float32,
    "double": torch.float64,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
ROUNDING = {
    torch.float32: 2.0**-24,
    torch.float64: 2.0**-53,
    torch.bfloat16: 2.0**-8,
    torch.float16: 2.0**-11,
}
TINIEST = {torch.float16: 2.0**-25}  # half of the distance of subnormal numbers
PACKS = {
    "float": (1, 2, 4),
    "double": (1, 2),
    "bfloat16": (1, 4, 8),
    "float16": (1, 4, 8),
}
DEGREES = ((0, 0), (3, 0), (0, 2), (2, 5), (7, 6))
OUTPUTS = {
    "rational/forward.cu": (3,),
    "rational/backward.cu": (4, 5),
    "rational/reduce.cu": (1, 2),
    "rational/backward_naive.cu": (4,),
    "rational/backward_tiled.cu": (4,),
}
SUMS = {"rational/backward_naive.cu": (5, 6), "rational/backward_tiled.cu": (5, 6)}
ORDERS = (0, 1, 2)


def names(step):
    """Every instantiation that a test here launches."""
    usual = [
        (kind, 5, 4, form, pack)
        for kind, packs in PACKS.items()
        for form in "AB"
        for pack in (packs if form == "A" else packs[-1:])
    ]
    rare = [("float", *degrees, form, 1) for degrees in DEGREES for form in "AB"]
    for kind, m, n, form, pack in usual + rare:
        yield f"rational_{step}<{kind}, {m}, {n}, '{form}', {pack}>"


NAMES = {
    "rational/forward.cu": tuple(names("forward")),
    "rational/backward.cu": tuple(names("backward")),
    "rational/reduce.cu": tuple(
        f"rational_reduce<{kind}, {m}, {n}>"
        for kind, m, n in [
            ("double", 5, 4),
            *(("float", m, n) for m, n in [(5, 4), *DEGREES]),
        ]
    ),
}
STEPS = ("naive", "tiled")
for step in STEPS:
    NAMES[f"rational/backward_{step}.cu"] = tuple(
        f"rational_backward_{step}<{kind}, 5, 4, '{form}'>"
        for kind in DTYPES
        for form in "AB"
    )


def array(value):
    """A tensor as NumPy sees its memory; the types of two bytes as uint16."""
    if not isinstance(value, torch.Tensor):
        return value
    value = value.detach()
    return (value.view(torch.uint16) if value.itemsize == 2 else value).numpy()


class Machine:
    """Runs launches on built kernels, outputs guarded and inputs between NaN."""

    def __init__(self, build, sources=None):
        self.build, self.sources, self.built = build, sources or {}, {}

    def kernels(self, path):
        if path not in self.built:
            source = self.sources.get(path, _root() / path)
            self.built[path] = self.build(source, NAMES[path])
        return self.built[path]

    def run(self, launch, order=0):
        built, path = self.kernels(launch.path), launch.path
        values, guarded = [array(v) for v in launch.values], {}
        for i, value in enumerate(values):
            if not np.ndim(value):
                continue
            offset = value.ctypes.data % 16 // value.itemsize
            if i in OUTPUTS[path] or i in SUMS.get(path, ()):
                guarded[i] = built.output(value.size, value.dtype, offset)
                if i in SUMS.get(path, ()):
                    guarded[i].inside[:] = 0
                values[i] = guarded[i].inside
            else:
                values[i] = built.input(value, offset)
        built.launch(launch.name, launch.grid, launch.block, *values, order=order)
        for i, output in guarded.items():
            output.check_guards()
            array(launch.values[i]).reshape(-1)[:] = output.inside


@pytest.fixture(scope="module")
def machine(kernels):
    return Machine(kernels)


def forward(machine, x, a, b, form, *, order=0, **changes):
    y = like(x)
    launch = binding.forward_launch(x, a, b, form, y)
    machine.run(replace(launch, **changes), order)
    return y


def backward(machine, g, x, a, b, form, *, order=0, **changes):
    gx = like(x)
    launches, of_a, of_b = binding.backward_launches(g, x, a, b, form, gx)
    for launch in launches:
        machine.run(replace(launch, **changes), order)
    return gx, of_a, of_b


def step_launch(step, g, x, a, b, form):
    """The launch of a baseline kernel as its head describes it, and what it writes."""
    rows, groups = len(x), len(b)
    width = x.shape[1] // groups
    gx, of_a, of_b = like(x), torch.zeros_like(a), torch.zeros_like(b)
    count = np.int64(x.numel() if step == "naive" else rows)
    stride = a.shape[1] if len(a) > 1 else 0
    kind = next(k for k, d in DTYPES.items() if d == x.dtype)
    launch = Launch(
        f"rational/backward_{step}.cu",
        f"rational_backward_{step}<{kind}, 5, 4, '{form}'>",
        (-(-x.numel() // 256),) if step == "naive" else (-(-rows // 64), groups),
        (256,),
        (x, g, a, b, gx, of_a, of_b, count, *map(np.int32, (groups, width, stride))),
    )
    return launch, (gx, of_a, of_b)


def like(x):
    """An array on the boundary that a device allocation starts on."""
    return aligned(torch.empty_like(x))


def aligned(x, offset=0):
    whole = torch.empty(x.numel() + 256, dtype=x.dtype)
    start = -whole.data_ptr() % 256 // x.itemsize + offset
    return whole[start : start + x.numel()].view(x.shape).copy_(x)


def case(dtype, rows, width, groups=3, shared=False, degrees=(5, 4), seed=0):
    """Random g, x, a, b: zeros of both signs in x, both signs and zeros in b."""
    rng = torch.Generator().manual_seed(seed)
    work = torch.float64 if dtype == torch.float64 else torch.float32

    def normal(*shape):
        return torch.randn(shape, generator=rng, dtype=torch.float64)

    x, g = normal(rows, groups * width), normal(rows, groups * width)
    x[0, 0], x[-1, -1] = 0.0, -0.0
    m, n = degrees
    a, b = normal(1 if shared else groups, m + 1), normal(groups, n)
    if n:
        b[-1, 0] = 0.0
    return *(aligned(t.to(dtype)) for t in (g, x)), a.to(work), b.to(work)


def reference(g, x, a, b, form):
    """F, gx, ga, gb in float64, and the sizes that rounding is relative to."""
    x, g, a, b = (t.detach().double().numpy() for t in (x, g, a, b))
    groups, shared = len(b), len(a) == 1
    shape = (len(x), groups, x.shape[1] // groups)
    x, g = x.reshape(shape), g.reshape(shape)
    a, b = np.broadcast_to(a, (groups, a.shape[1])), b

    def sign(t):
        return np.where(t < 0, -1.0, 1.0)

    def polynomial(c, z, first):
        value = np.zeros_like(z)
        for column in c.T[::-1]:
            value = value * z + column[:, None]
        return value * z**first

    def powers(z, first, last):
        each = np.empty((*z.shape, last + 1 - first))
        for i in range(first, last + 1):
            each[..., i - first] = each[..., i - first - 1] * z if i > first else z**i
        return each

    def slope(c, first):
        return c * np.arange(first, first + c.shape[1])

    z = abs(x) if form == "A" else x
    c = abs(b) if form == "A" else b
    inner = polynomial(c, z, 1)
    q = 1 + sign(inner) * inner
    p = polynomial(a, x, 0)
    dp = polynomial(slope(a, 0)[:, 1:], x, 0)
    # Form A: |x|' = sgn x; form B: |sum|' = sgn(sum).
    turn = sign(x) if form == "A" else sign(inner)
    dq = turn * polynomial(slope(c, 1), z, 0)
    f = p / q
    gx = g * (dp - f * dq) / q
    outer = sign(b)[:, None, :] if form == "A" else turn[..., None]
    term_a = (g / q)[..., None] * powers(x, 0, a.shape[1] - 1)
    term_b = -(f * g / q)[..., None] * outer * powers(z, 1, b.shape[1])
    axes = (0, 1, 2) if shared else (0, 2)

    def totals(term, over):
        return term.sum(over).reshape(1 if 1 in over else groups, term.shape[-1])

    big_p = polynomial(abs(a), abs(x), 0)
    big_q = 1 + polynomial(abs(b), abs(x), 1)
    big_slopes = (
        polynomial(abs(slope(a, 0))[:, 1:], abs(x), 0)
        + big_p * polynomial(abs(slope(b, 1)), abs(x), 0) / q
    )
    flat = (len(x), -1)
    values = (
        f.reshape(flat),
        gx.reshape(flat),
        totals(term_a, axes),
        totals(term_b, (0, 2)),
    )
    sizes = (
        (big_p * big_q / q**2).reshape(flat),
        (abs(g) * big_slopes * big_q / q**2).reshape(flat),
        totals(abs(term_a * (big_q / q)[..., None]), axes),
        totals(abs(term_b * (big_p / abs(p) * (big_q / q))[..., None]), (0, 2)),
    )
    return values, sizes


def check(got, truth, size, *, steps=20):
    """Raise AssertionError unless an output is right up to the rounding it allows."""
    work = torch.float64 if got.dtype == torch.float64 else torch.float32
    allowed = steps * ROUNDING[work] * size
    if got.itemsize == 2:
        allowed += 1.001 * ROUNDING[got.dtype] * abs(truth) + TINIEST.get(got.dtype, 0)
    got = got.double().numpy()
    assert not np.isnan(got).any(), "entries are NaN or left unwritten"
    excess = abs(got - truth) - allowed
    assert (excess <= 0).all(), (
        f"Mismatch at {np.unravel_index(excess.argmax(), got.shape)}"
    )


def check_all(got, g, x, a, b, form, *, steps=20):
    values, sizes = reference(g, x, a, b, form)
    for output, truth, size in zip(got, values, sizes, strict=True):
        check(output, truth, size, steps=steps)


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize(
    ("rows", "width", "shared", "form"),
    [
        (1, 24, True, "A"),
        (127, 1, False, "A"),
        (128, 3, True, "A"),
        (129, 12, False, "A"),
        (70, 96, True, "A"),
        (70, 96, True, "B"),
        (129, 24, False, "B"),
    ],
)
def test_values_and_gradients(machine, kind, form, rows, width, shared):
    g, x, a, b = case(DTYPES[kind], rows, width, shared=shared)
    y = forward(machine, x, a, b, form)
    gradients = backward(machine, g, x, a, b, form)
    check_all((y, *gradients), g, x, a, b, form)
    for step in STEPS:
        launch, outputs = step_launch(step, g, x, a, b, form)
        machine.run(launch)
        # One by one, so that the error of a sum grows with the number of its terms.
        check_all((y, *outputs), g, x, a, b, form, steps=20 + rows * width)


@pytest.mark.parametrize("form", ["A", "B"])
@pytest.mark.parametrize("degrees", DEGREES)
def test_other_degrees(machine, degrees, form):
    g, x, a, b = case(torch.float32, 65, 5, degrees=degrees)
    y = forward(machine, x, a, b, form)
    gradients = backward(machine, g, x, a, b, form)
    check_all((y, *gradients), g, x, a, b, form, steps=40)


@pytest.mark.parametrize("kind", ["float", "bfloat16"])
def test_every_order_and_every_grid_gives_the_same_bits(machine, kind):
    g, x, a, b = case(DTYPES[kind], 300, 24)
    first = forward(machine, x, a, b, "A"), *backward(machine, g, x, a, b, "A")
    for order in ORDERS:
        for grid in ((1,), (4,), (100,)):
            options = {"order": order, "grid": grid}
            again = (
                forward(machine, x, a, b, "A", **options),
                *backward(machine, g, x, a, b, "A", **options),
            )
            for one, other in zip(first, again, strict=True):
                np.testing.assert_array_equal(array(one), array(other))


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("order", ORDERS)
def test_atomic_sums_agree_in_every_order_up_to_rounding(machine, step, order):
    g, x, a, b = case(torch.float32, 129, 12)
    launch, outputs = step_launch(step, g, x, a, b, "A")
    machine.run(launch, order)
    y = forward(machine, x, a, b, "A")
    check_all((y, *outputs), g, x, a, b, "A", steps=20 + 129 * 12)


def test_arrays_off_the_boundary_take_narrow_accesses(machine):
    g, x, a, b = case(torch.float32, 70, 12)
    expected = forward(machine, x, a, b, "A"), *backward(machine, g, x, a, b, "A")
    off = aligned(x, offset=1), aligned(g, offset=3)
    assert ", 1>" in binding.forward_launch(off[0], a, b, "A", like(x)).name
    y = forward(machine, off[0], a, b, "A")
    got = y, *backward(machine, off[1], off[0], a, b, "A")
    np.testing.assert_array_equal(got[0], expected[0])
    np.testing.assert_array_equal(got[1], expected[1])
    check_all(got, g, x, a, b, "A")


def run_through(machine, monkeypatch):
    """Let the binding's functions themselves run, on CPU tensors."""

    def compiled(path, name, device):
        def run(grid, block, *values):
            calls.append(name)
            machine.run(Launch(path, name, grid, block, values))

        return run

    calls = []
    monkeypatch.setattr(_launch, "kernel", compiled)
    # Where torch allocates is not on a device's boundary; that has a test of its own.
    monkeypatch.setattr(binding, "pack_size", lambda width, size, *_: 1)
    return calls


def test_the_binding_from_end_to_end(machine, monkeypatch):
    calls = run_through(machine, monkeypatch)
    g, x, a, b = case(torch.bfloat16, 130, 8, shared=True)
    columns = x.t().contiguous().t()  # not contiguous
    y = binding._forward(columns, a, b, "A")
    gradients = binding._backward(g[:, :1].expand_as(g), columns, a, b, "A")
    assert calls == [
        "rational_forward<bfloat16, 5, 4, 'A', 1>",
        "rational_backward<bfloat16, 5, 4, 'A', 1>",
        "rational_reduce<float, 5, 4>",
    ]
    check_all((y, *gradients), g[:, :1].expand_as(g), x, a, b, "A")


def test_coefficients_of_two_bytes_get_gradients_of_two_bytes(machine, monkeypatch):
    run_through(machine, monkeypatch)
    g, x, a, b = case(torch.bfloat16, 9, 4)
    a, b = a.bfloat16(), b.bfloat16()
    outputs = binding._forward(x, a, b, "A"), *binding._backward(g, x, a, b, "A")
    assert all(t.dtype == torch.bfloat16 for t in outputs)
    check_all(outputs, g, x, a, b, "A")


@pytest.mark.parametrize("shape", [(0, 6), (5, 0)])
def test_nothing_is_launched_for_no_entries(machine, monkeypatch, shape):
    calls = run_through(machine, monkeypatch)
    x, a, b = torch.zeros(shape), torch.ones(1, 6), torch.ones(3, 4)
    assert binding._forward(x, a, b, "A").shape == shape
    gx, of_a, of_b = binding._backward(x, x, a, b, "A")
    assert gx.shape == shape
    for gradient, coefficients in ((of_a, a), (of_b, b)):
        assert torch.equal(gradient, torch.zeros_like(coefficients))
    assert not calls


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("form", ["A", "B"])
def test_zero_has_the_sign_plus(machine, kind, form):
    # F = (1 + 2x) / (1 + |b x|): to the right of 0 the slope is 2 - b.
    x = torch.tensor([[0.0, -0.0]], dtype=DTYPES[kind])
    x = aligned(x.repeat(8, 8))
    work = torch.float64 if kind == "double" else torch.float32
    a, b = torch.zeros(1, 6, dtype=work), torch.zeros(1, 4, dtype=work)
    a[0, 0], a[0, 1], b[0, 0] = 1, 2, 0.5
    gx, _, of_b = backward(machine, torch.ones_like(x), x, a, b, form)
    expected = np.full(x.shape, 1.5)
    np.testing.assert_array_equal(gx.double(), expected)
    # At b = 0 the gradient is that from the right: a denominator at 0 does move.
    one = aligned(torch.ones_like(x))
    _, _, of_b = backward(machine, one, aligned(x + 1), a, 0 * b, form)
    np.testing.assert_allclose(of_b, np.full((1, 4), -3.0 * x.numel()), rtol=1e-6)


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("form", ["A", "B"])
def test_nan_and_infinity_stay_where_they_are(machine, kind, form):
    g, x, a, b = case(DTYPES[kind], 8, 24, groups=2)
    x[0, 0], x[1, 2], x[2, 3] = np.nan, np.inf, -np.inf
    y = forward(machine, x, a, b, form)
    gx, of_a, of_b = backward(machine, g, x, a, b, form)
    for out in (y, gx):
        assert out.isnan().nonzero().tolist() == [[0, 0], [1, 2], [2, 3]]
    assert of_a.isnan().any(1).tolist() == [True, False]
    assert of_b.isnan().any(1).tolist() == [True, False]
    # A denominator so large that 1 / Q would be subnormal counts as infinite.
    huge = aligned(torch.full((1, 8), 1e30, dtype=torch.float32))
    a, b = torch.zeros(1, 6), torch.ones(1, 4)
    a[0, 0] = 1
    assert (forward(machine, huge, a, b, form) == 0).all()


@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
def test_rounding_of_two_bytes_is_torchs(machine, kind):
    # F = x in float32 arithmetic would lose nothing, so this F scales to reach ties.
    dtype = DTYPES[kind]
    every = torch.arange(1 << 16, dtype=torch.int32).to(torch.uint16).view(dtype)
    x = aligned(every.reshape(-1, 64))
    a, b = torch.zeros(1, 6), torch.zeros(1, 4)
    a[0, 1] = 1 + 2.0**-8  # a product of at most 8 + 11 bits: exact in float32
    y = forward(machine, x, a, b, "A")
    # 0 x^5 is NaN where x is infinite or NaN, and x^5 may overflow for large x.
    powers = x.float().abs().double() ** 5
    fine = powers < 3e38
    np.testing.assert_array_equal(
        y.double().numpy()[fine], (x.float() * a[0, 1]).to(dtype).double().numpy()[fine]
    )
    assert y[~torch.isfinite(x)].isnan().all()


def test_sums_are_more_accurate_than_one_by_one(machine):
    """Row P8: 8192 rows x 96 columns."""
    g, x, a, b = case(torch.float32, 8192, 96, groups=1, seed=3)
    x *= 0.7
    (_, _, *truth), _ = reference(g, x, a, b, "A")

    def error(sums):
        return max(
            np.linalg.norm(s.double().numpy() - t) / np.linalg.norm(t)
            for s, t in zip(sums, truth, strict=True)
        )

    ours = error(backward(machine, g, x, a, b, "A")[1:])
    launch, outputs = step_launch("naive", g, x, a, b, "A")
    machine.run(launch)
    one_by_one = error(outputs[1:])
    print(f"relative error: ours {ours:.1e}, one by one {one_by_one:.1e}")
    assert ours <= 2e-6
    assert ours < one_by_one / 4


def accept(machine):
    """Raise unless a job of three tiles, one of them ragged, comes out right."""
    g, x, a, b = case(torch.float32, 1100, 12, seed=5)
    assert binding.tile_rows(1100, 3, 12) == 512
    for grid in ((9,), (2,)):
        y = forward(machine, x, a, b, "A", grid=grid)
        gradients = backward(machine, g, x, a, b, "A", grid=grid)
        check_all((y, *gradients), g, x, a, b, "A")


def accept_steps(machine):
    g, x, a, b = case(torch.float32, 100, 24, seed=5)
    y = torch.from_numpy(reference(g, x, a, b, "A")[0][0])
    for step in STEPS:
        launch, outputs = step_launch(step, g, x, a, b, "A")
        machine.run(launch)
        check_all((y, *outputs), g, x, a, b, "A", steps=2000)


BARRIER = "__syncthreads();\n        // endregion"
MUTANTS = {
    "no barrier before the partials": ("backward", BARRIER, "// endregion", "NaN"),
    "no barrier before the total": ("reduce", BARRIER, "// endregion", "NaN"),
    "no barrier in the tree": (
        "backward_tiled",
        "__syncthreads();\n                for",
        "for",
        "NaN",
    ),
    "skips a store": (
        "backward",
        "store<bytes>(gx,",
        "if (walk.left > 1) store<bytes>(gx,",
        "unwritten",
    ),
    "skips a value": (
        "forward",
        "store<bytes>(y,",
        "if (walk.left > 1) store<bytes>(y,",
        "unwritten",
    ),
    "writes a pack past the end": (
        "backward",
        "packs = rows * walk.columns;",
        "packs = rows * walk.columns + 1;",
        "outside",
    ),
    "writes sums past the end": (
        "backward",
        "partial[i * sums",
        "partial[(i + 1) * sums",
        "outside",
    ),
    "forgets the row's end": ("backward", "at += wrap;", "", "unwritten"),
    "loses the sign of b": ("backward", "? sum : -sum", "? -sum : -sum", "Mismatch"),
    "adds the wrong tiles": (
        "reduce",
        "from[t * step]",
        "from[t * step / 2]",
        "Mismatch",
    ),
    "loses the last element": ("backward_naive", "e < count;", "e < count - 1;", "unw"),
    "leaves the group": ("backward_tiled", "|| column >= width", "", "outside"),
    "keeps sums to itself": ("backward_tiled", "apart = 16", "apart = 8", "Mismatch"),
}


def test_the_sources_are_accepted(machine):
    accept(machine)
    accept_steps(machine)


@pytest.mark.parametrize("slip", MUTANTS)
def test_a_slip_in_a_source_is_noticed(emulate, tmp_path, machine, monkeypatch, slip):
    step, right, wrong, words = MUTANTS[slip]
    path = f"rational/{step}.cu"
    text = expanded(path)
    assert text.count(right) == 1, f"{right!r} is not in the source once"
    mutant = tmp_path / "mutant.cu"
    mutant.write_text(text.replace(right, wrong))
    ending = {"reduce": "", "forward": ", 'A', 4", "backward": ", 'A', 4"}
    name = f"rational_{step}<float, 5, 4" + ending.get(step, ", 'A'") + ">"
    monkeypatch.setitem(NAMES, path, (name,))
    changed = Machine(emulate, {path: mutant})
    changed.built = {p: k for p, k in machine.built.items() if p != path}
    with pytest.raises(AssertionError, match=words):
        (accept_steps if "_" in step else accept)(changed)


def test_regions_for_the_chapter():
    """The parts that the chapter shows are marked."""
    wanted = {
        "forward": {"kernel"},
        "backward_naive": {"kernel", "element", "atomics"},
        "backward_tiled": {"kernel", "element", "tree", "atomics"},
        "backward": {"kernel", "element", "tree", "partials"},
        "reduce": {"kernel", "tree"},
    }
    for step, regions in wanted.items():
        source = kernel_source(f"rational/{step}.cu")
        found = {part.split("\n")[0] for part in source.split("// region: ")[1:]}
        assert found == regions
