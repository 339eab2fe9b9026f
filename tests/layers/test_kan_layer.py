"""KANLayer against its definition: naive loops, masks, transforms, storage, errors."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from kanlib.bases import BSpline, Chebyshev, Fourier, GaussianRBF, ReLUBump, Wavelet
from kanlib.layers import KANLayer
from kanlib.testing import layer_laws

SHARES = [("edge", 1), ("input", 1), ("group", 2)]
ROWS = BSpline(
    tuple(tuple(shift + j / 2 for j in range(-5, 6)) for shift in range(4)), 3
)


def make(seed=0, i=4, o=3, basis=None, dtype=torch.float64, **options):
    generator = torch.Generator().manual_seed(seed)
    basis = basis or BSpline.uniform(5)
    return KANLayer(i, o, basis, generator=generator, **options).to(dtype)


def inputs(*shape, seed=1, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(*shape, generator=generator, dtype=torch.float64) * 2 - 1).to(
        dtype
    )


def naive(layer, x):
    """The definition, one number at a time."""
    size = layer.in_features // layer.functions
    y = torch.zeros(len(x), layer.out_features, dtype=x.dtype)
    for n in range(len(x)):
        phi = layer.basis(x[n])
        for o in range(layer.out_features):
            for i in range(layer.in_features):
                if not layer.mask[o, i]:
                    continue
                for k in range(layer.basis.size):
                    if layer.share == "edge":
                        c = layer.coefficients[o, i, k]
                    else:
                        c = layer.mixing[o, i] * layer.coefficients[i // size, k]
                    y[n, o] += c * phi[i, k]
                if layer.base is not None:
                    y[n, o] += layer.base_weight[o, i] * layer.base(x[n, i])
    return y


@pytest.mark.parametrize("basis", [BSpline.uniform(3), Chebyshev.uniform(4), ROWS])
@pytest.mark.parametrize("base", ["silu", "identity", "tanh", None, torch.sin])
@pytest.mark.parametrize(("share", "groups"), [("edge", 1), ("input", 1)])
def test_forward_is_the_definition(basis, base, share, groups):
    layer = make(basis=basis, base=base, share=share, groups=groups)
    x = inputs(3, 4)
    layer.mask[0, 1] = layer.mask[2, 3] = False
    torch.testing.assert_close(layer(x), naive(layer, x), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(layer.edges(x).sum(-1), layer(x), rtol=1e-12, atol=1e-13)


def test_grouped_forward_is_the_definition():
    layer, x = make(share="group", groups=2), inputs(3, 4)
    torch.testing.assert_close(layer(x), naive(layer, x), rtol=1e-12, atol=1e-13)


@settings(max_examples=25, deadline=None)
@given(
    i=st.integers(1, 5),
    o=st.integers(1, 4),
    batch=st.lists(st.integers(0, 3), max_size=3),
    double=st.booleans(),
    seed=st.integers(0, 99),
)
def test_any_batch_shape(i, o, batch, double, seed):
    dtype = torch.float64 if double else torch.float32
    layer = make(seed, i, o, dtype=dtype)
    x = inputs(*batch, i, seed=seed, dtype=dtype)
    y, edges = layer(x), layer.edges(x)
    assert y.shape == (*batch, o)
    assert edges.shape == (*batch, o, i)
    assert y.dtype == dtype
    tolerance = 1e-12 if double else 2e-6
    torch.testing.assert_close(edges.sum(-1), y, rtol=tolerance, atol=tolerance)


def test_float32_agrees_with_float64():
    layer, x = make(), inputs(50, 4)
    single = copy.deepcopy(layer).float()
    assert (single(x.float()) - layer(x)).abs().max() < 1e-5


def test_strides_do_not_matter():
    layer, x = make(), inputs(4, 6).T
    assert not x.is_contiguous()
    torch.testing.assert_close(layer(x), layer(x.contiguous()))


@pytest.mark.parametrize(("share", "groups"), SHARES)
def test_parameter_count_is_as_documented(share, groups):
    layer = make(share=share, groups=groups)
    expected = {"edge": 3 * 4 * 9, "input": 4 * 8 + 24, "group": 2 * 8 + 24}[share]
    assert sum(p.numel() for p in layer.parameters()) == expected
    assert f"base=silu, {expected} parameters" in repr(layer).replace(
        f"{layer.functions} shared functions, ", ""
    )
    assert "base=None" in repr(make(base=None))
    assert "base=Tanh" in repr(make(base=nn.Tanh()))


@pytest.mark.parametrize(("share", "groups"), SHARES)
def test_gradients(share, groups):
    layer, x = make(share=share, groups=groups), inputs(2, 4).requires_grad_()
    names, values = zip(*layer.named_parameters(), strict=True)

    def call(x, *values):
        return torch.func.functional_call(
            layer, dict(zip(names, values, strict=True)), x
        )

    assert torch.autograd.gradcheck(call, (x, *values))
    assert torch.autograd.gradgradcheck(call, (x, *values))


def test_masked_edges_add_nothing_and_do_not_learn():
    layer, x = make(), inputs(5, 4)
    before = layer.edges(x)
    layer.mask[1, 2] = False
    after = layer.edges(x)
    assert (after[:, 1, 2] == 0).all()
    torch.testing.assert_close(before - after, layer.mask.logical_not() * before)
    torch.testing.assert_close(layer(x), before.sum(-1) - (before - after).sum(-1))
    layer(x).square().sum().backward()
    assert (layer.coefficients.grad[1, 2] == 0).all()
    assert layer.base_weight.grad[1, 2] == 0
    assert layer.base_weight.grad[1, 1] != 0


# torch compiles its own decompositions at the first use of forward mode, and warns.
@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")
def test_forward_mode_reverse_mode_and_vmap_agree():
    layer, x = make(), inputs(3, 4)
    forward = torch.func.vmap(torch.func.jacfwd(layer))(x)
    reverse = torch.func.vmap(torch.func.jacrev(layer))(x)
    looped = torch.stack([torch.autograd.functional.jacobian(layer, row) for row in x])
    torch.testing.assert_close(forward, reverse)
    torch.testing.assert_close(forward, looped)
    assert looped.abs().min() > 0
    torch.testing.assert_close(torch.func.vmap(layer)(x), layer(x))


@pytest.mark.parametrize("basis", [BSpline.uniform(3), ROWS, Chebyshev.uniform(4)])
def test_export_keeps_the_function(basis):
    layer, x = make(basis=basis), inputs(3, 4)
    batch = torch.export.Dim("batch", min=2)
    program = torch.export.export(layer, (x,), dynamic_shapes=({0: batch},))
    other = inputs(7, 4, seed=9)
    torch.testing.assert_close(program.module()(other), layer(other))


def test_initial_values_follow_the_documented_law():
    generator = torch.Generator().manual_seed(0)
    layer = KANLayer(100, 200, BSpline.uniform(5), generator=generator)
    bound = 1 / math.sqrt(100)
    assert layer.base_weight.abs().max() <= bound + 1e-6
    assert layer.base_weight.std().item() == pytest.approx(
        bound / math.sqrt(3), rel=0.02
    )
    assert layer.coefficients.std().item() == pytest.approx(0.5 / 8, rel=0.02)
    bare = KANLayer(100, 200, BSpline.uniform(5), base=None, generator=generator)
    assert bare.coefficients.std().item() == pytest.approx(1 / math.sqrt(800), rel=0.02)
    assert bare.base_weight is None


def test_same_generator_same_layer():
    assert torch.equal(make(3).coefficients, make(3).coefficients)
    assert not torch.equal(make(3).coefficients, make(4).coefficients)


def test_construction_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    make()
    assert torch.equal(state, torch.get_rng_state())


def test_l1_entropy_and_outside():
    layer = make(i=2, o=1, base=None, basis=Chebyshev.uniform(2))
    with torch.no_grad():
        layer.coefficients.copy_(torch.tensor([[[0.0, 1.0], [3.0, 0.0]]]))  # x1 and 3
    x = torch.tensor([[0.5, 0.0], [-0.5, 2.0]], dtype=torch.float64)
    torch.testing.assert_close(layer.l1(x), x.new_tensor([[0.5, 3.0]]))
    p = torch.tensor([0.5, 3.0], dtype=torch.float64) / 3.5
    torch.testing.assert_close(layer.entropy(x), -(p * p.log()).sum())
    assert layer.outside(x).tolist() == [0.0, 0.5]
    assert layer.outside(x.new_tensor([1.0, -1.0])).tolist() == [0, 0]
    assert layer.outside(x.new_tensor([[math.nan, 0.0]])).tolist() == [1, 0]


def test_outside_uses_each_inputs_own_knots():
    layer = make(basis=ROWS)  # row i covers [i - 1, i + 1]
    assert layer.outside(torch.ones(1, 4).double()).tolist() == [0, 0, 0, 1]


def test_entropy_gradient_stays_finite_with_dead_edges():
    layer, x = make(), inputs(5, 4)
    layer.mask[0] = False
    layer.entropy(x).backward()
    assert all(p.grad.isfinite().all() for p in layer.parameters())
    layer.mask.fill_(False)
    assert layer.entropy(x) == 0


@pytest.mark.parametrize("basis", [BSpline.uniform(5), ROWS, Chebyshev.uniform(4)])
@pytest.mark.parametrize(("share", "groups"), [("edge", 1), ("input", 1)])
def test_safetensors_round_trip(tmp_path, basis, share, groups):
    from safetensors.torch import load_file, save_file

    layer = make(basis=basis, share=share, groups=groups)
    layer.mask[0, 0] = False
    save_file(layer.state_dict(), tmp_path / "layer.safetensors")
    other = make(7, basis=basis, share=share, groups=groups)
    other.load_state_dict(load_file(tmp_path / "layer.safetensors"))
    x = inputs(6, 4)
    assert torch.equal(other(x), layer(x))


def test_knots_travel_with_the_state():
    """A layer built on the plain grid takes over updated knots, also inside a model."""
    model, x = nn.Sequential(make(basis=ROWS)), inputs(6, 4)
    # 11 knots: as many as in ROWS, shared here.
    other = nn.Sequential(make(5, basis=BSpline.uniform(4))).to(torch.float64)
    assert other[0].basis != ROWS
    other.load_state_dict(model.state_dict())
    assert other[0].basis == ROWS
    assert torch.equal(other(x), model(x))


def test_knots_stay_float64_when_the_layer_is_cast():
    third = BSpline.uniform(3, domain=(0.0, 1 / 3))
    layer = make(basis=third).float()
    knots = layer.state_dict()["knots"]
    assert knots.dtype == torch.float64
    assert tuple(knots.tolist()) == third.knots
    assert copy.deepcopy(layer).double().basis == third


def test_state_errors_name_the_knots():
    layer = make()
    state = layer.state_dict()
    without = {key: value for key, value in state.items() if key != "knots"}
    with pytest.raises(RuntimeError, match=r"Missing key.*knots"):
        layer.load_state_dict(without)
    assert layer.load_state_dict(without, strict=False).missing_keys == ["knots"]
    with pytest.raises(RuntimeError, match=r"knots has shape \(7,\); expected \(12,\)"):
        layer.load_state_dict({**state, "knots": torch.arange(7.0)})
    assert layer.basis == BSpline.uniform(5)
    assert "knots" not in make(basis=Chebyshev.uniform(3)).state_dict()


@pytest.mark.parametrize(
    "knots",
    [
        torch.full((12,), math.nan),
        torch.arange(12.0).flip(0),
        torch.arange(12.0) + torch.arange(4.0)[:, None],  # a group with two rows
    ],
    ids=["nan", "unsorted", "group"],
)
def test_knots_that_make_no_basis_are_a_loading_error(knots):
    layer = make(share="group", groups=2)
    state = {**layer.state_dict(), "knots": knots}
    with pytest.raises(RuntimeError, match=r"loading state_dict(.|\n)*knots: "):
        layer.load_state_dict(state)
    assert layer.basis == BSpline.uniform(5)


def test_a_default_device_does_not_swallow_the_knots():
    layer = make()
    with torch.device("meta"):
        hollow, state = KANLayer(4, 3, BSpline.uniform(5)), layer.state_dict()
    assert state["knots"].tolist() == list(layer.basis.knots)
    hollow.load_state_dict(state, assign=True)
    assert torch.equal(hollow(inputs(3, 4)), layer(inputs(3, 4)))


FAMILIES = [
    BSpline.uniform(5),
    ROWS,
    GaussianRBF.uniform(5),
    Chebyshev.uniform(4),
    Fourier.uniform(5),
    Wavelet.uniform(5),
    ReLUBump.uniform(4),
]
SAME_ROWS = BSpline(tuple(ROWS.rows[i] for i in (0, 0, 1, 1)), 3)


@pytest.mark.parametrize("basis", FAMILIES, ids=lambda basis: type(basis).__name__)
@pytest.mark.parametrize(("share", "groups"), SHARES)
def test_every_kind_of_layer_obeys_the_laws_and_is_saved(
    basis, share, groups, tmp_path
):
    from safetensors.torch import load_file, load_model, save_file, save_model

    basis = SAME_ROWS if basis is ROWS and groups > 1 else basis
    layer = make(basis=basis, share=share, groups=groups)
    layer.mask[1, 2] = False
    x = inputs(5, 4)
    layer_laws(layer, x)
    one, two = str(tmp_path / "one.safetensors"), str(tmp_path / "two.safetensors")
    save_model(layer, one)
    save_file(layer.state_dict(), two)
    for load in (
        lambda other: load_model(other, one),
        lambda other: other.load_state_dict(load_file(two)),
    ):
        other = make(9, basis=basis, share=share, groups=groups)
        load(other)
        assert torch.equal(other(x), layer(x))
    half = copy.deepcopy(layer).half()
    y = half(x.half())
    assert y.dtype == half.l1(x.half()).dtype == torch.float16
    assert (y - layer(x)).abs().max() < 0.02
    program = torch.export.export(layer, (x,))
    torch.testing.assert_close(program.module()(x), layer(x))


@pytest.mark.parametrize(("share", "groups"), SHARES)
def test_attributes_make_the_same_kind_of_layer_again(share, groups):
    layer = make(share=share, groups=groups)
    again = KANLayer(4, 3, layer.basis, base=layer.base, share=share, groups=groups)
    assert (layer.share, layer.groups) == (again.share, again.groups) == (share, groups)
    part = layer.selected([0], [0, 1])
    assert part.share == ("edge" if share == "edge" else "input")
    assert part.groups == 1
    assert layer.functions == {"edge": 4, "input": 4, "group": 2}[share]


def test_frozen_parameters_stay_frozen():
    for share in ("edge", "input"):
        layer = make(share=share).requires_grad_(False)
        copies = (
            layer.selected([0], [1]),
            layer.with_basis(BSpline.uniform(5), layer.coefficients + 1),
        )
        for other in copies:
            assert not any(p.requires_grad for p in other.parameters())
    assert all(p.requires_grad for p in make().selected([0], [1]).parameters())


class Waves(nn.Module):
    """A learned family: sines of trained frequencies."""

    size, domain, smoothness = 3, (-1.0, 1.0), math.inf

    def __init__(self):
        super().__init__()
        self.frequency = nn.Parameter(torch.arange(1.0, 4.0))

    def forward(self, x, derivative=0):
        turned = self.frequency * x.unsqueeze(-1) + derivative * math.pi / 2
        return torch.sin(turned) * self.frequency**derivative


def test_a_learned_basis_trains_saves_and_is_copied_with_its_layer():
    layer, x = make(basis=Waves()), inputs(3, 4)
    layer(x).square().sum().backward()
    assert (layer.basis.frequency.grad != 0).all()
    assert "basis.frequency" in layer.state_dict()
    part = layer.selected([0, 1, 2], [0, 1, 2, 3])
    with torch.no_grad():
        before = layer(x)
        assert torch.equal(part(x), before)
        part.basis.frequency.zero_()
        assert torch.equal(layer(x), before)
    plain = layer.with_basis(Chebyshev.uniform(3), layer.coefficients)
    assert plain.basis == Chebyshev.uniform(3)
    assert [name for name, _ in plain.named_parameters()] == [
        "coefficients",
        "base_weight",
    ]


def test_deepcopy_is_independent():
    layer, x = make(), inputs(3, 4)
    twin = copy.deepcopy(layer)
    with torch.no_grad():
        twin.coefficients.zero_()
    assert not torch.equal(twin(x), layer(x))


def test_nan_in_nan_out():
    x = inputs(3, 4)
    x[1, 2] = math.nan
    y = make()(x)
    assert y[1].isnan().all()
    assert y[[0, 2]].isfinite().all()


def test_far_outside_only_the_base_acts():
    layer, x = make(), torch.full((1, 4), 100.0, dtype=torch.float64)
    torch.testing.assert_close(layer(x), F.linear(F.silu(x), layer.base_weight))


def test_autocast_takes_half_precision_activations():
    network = nn.Sequential(
        make(i=4, o=4, dtype=torch.float32), make(dtype=torch.float32)
    )
    x = inputs(5, 4, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = network(x)
    assert (y - network(x)).abs().max() < 0.1


def test_selected_is_the_part_between_those_nodes():
    x = inputs(5, 4)
    for share, groups in SHARES:
        layer = make(share=share, groups=groups)
        layer.mask[2, 3] = False
        part = layer.selected([2, 0], [3, 1, 0])
        expected = layer.edges(x)[:, [2, 0]][:, :, [3, 1, 0]]
        torch.testing.assert_close(part.edges(x[:, [3, 1, 0]]), expected)
        assert (part.in_features, part.out_features) == (3, 2)
    rows = make(basis=ROWS).selected([0], [3, 1])
    assert rows.basis.rows == (ROWS.rows[3], ROWS.rows[1])


def test_forward_does_not_keep_edge_values():
    """What forward saves for the gradient grows with inputs, never inputs x outputs."""

    def saved(call):
        sizes = []

        def pack(tensor):
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            call()
        return max(sizes)

    layer, x = make(i=8, o=50), inputs(100, 8)
    assert saved(lambda: layer(x)) <= 100 * 8 * layer.basis.size
    assert saved(lambda: layer.edges(x).square()) >= 100 * 8 * 50


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: KANLayer(0, 1, BSpline.uniform(3)), ValueError, "in_features must be"),
        (
            lambda: KANLayer(1, 2.0, BSpline.uniform(3)),
            TypeError,
            "out_features is a fl",
        ),
        (
            lambda: KANLayer(1, 1, BSpline),
            TypeError,
            "basis is BSpline; expected a Basis value",
        ),
        (lambda: KANLayer(1, 1, 8), TypeError, "basis is int; expected a Basis"),
        (lambda: KANLayer(2, 1, ROWS), ValueError, "basis has 4 rows of knots; expec"),
        (
            lambda: make(base="gelu"),
            ValueError,
            "base is 'gelu'; expected one of 'silu'",
        ),
        (lambda: make(base=5), TypeError, "base is a int; expected a function, None"),
        (lambda: make(share="group", groups=2.0), TypeError, "groups is a float"),
        (
            lambda: make().selected([], [0]),
            ValueError,
            r"selected: outputs has the entries \[\]; expected one or more of 0 to 2",
        ),
        (
            lambda: make().selected([0], [1, 4]),
            ValueError,
            r"inputs has the entries \[1, 4\]; expected one or more of 0 to 3",
        ),
        (
            lambda: make().with_basis(Chebyshev.uniform(4), make().coefficients),
            ValueError,
            r"with_basis: coefficients has shape \(3, 4, 8\); expected \(\.\.\., 4\)",
        ),
        (
            lambda: make().with_basis(Chebyshev, make().coefficients),
            TypeError,
            "with_basis: basis is Chebyshev; expected a Basis value",
        ),
        (
            lambda: make().l1(torch.ones(5, 0).double()),
            ValueError,
            r"\(\.\.\., 4\), bec",
        ),
        (lambda: make(share="all"), ValueError, "share is 'all'; expected one of"),
        (lambda: make(groups=2), ValueError, 'groups=2 needs share="group"'),
        (lambda: make(share="group", groups=3), ValueError, "groups=3 does not divide"),
        (
            lambda: make(share="group", basis=ROWS),
            ValueError,
            "different rows of knots inside a group",
        ),
        (
            lambda: make()(inputs(32, 5)),
            ValueError,
            r"KANLayer: x has shape \(32, 5\); expected \(\.\.\., 4\), because in_feat",
        ),
        (lambda: make()(torch.tensor(1.0)), ValueError, r"x has shape \(\)"),
        (lambda: make()(torch.ones(2, 4, dtype=int)), TypeError, "x has dtype int64"),
        (lambda: make()([1.0] * 4), TypeError, "x is a list"),
        (
            lambda: make()(torch.ones(2, 4)),
            TypeError,
            "x has dtype torch.float32; expec",
        ),
        (
            lambda: make()(torch.ones(2, 4, dtype=torch.float64, device="meta")),
            TypeError,
            "x has device meta; expected cpu",
        ),
        (
            lambda: make().l1(inputs(0, 4)),
            ValueError,
            "l1: x has shape .0, 4.; expected",
        ),
        (lambda: make().entropy(inputs(0, 4)), ValueError, "at least one row"),
        (lambda: make().outside(inputs(0, 4)), ValueError, "at least one row"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_empty_batch_gives_empty_result():
    layer = make()
    assert layer(inputs(0, 4)).shape == (0, 3)
    assert layer.edges(inputs(2, 0, 4)).shape == (2, 0, 3, 4)


@pytest.mark.parametrize(
    ("basis", "share", "groups"),
    [
        *((basis, "edge", 1) for basis in FAMILIES),
        *((BSpline.uniform(5), share, groups) for share, groups in SHARES[1:]),
    ],
    ids=str,
)
def test_compiles_whole(basis, share, groups):
    layer, x = make(basis=basis, share=share, groups=groups), inputs(5, 4)
    torch._dynamo.reset()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), layer(x))


@pytest.mark.parametrize(("share", "groups"), SHARES)
@pytest.mark.parametrize("shape", [(0, 4), (2, 0, 4), (4,)])
def test_no_rows_and_no_batch_axis(share, groups, shape):
    layer, x = make(share=share, groups=groups), inputs(*shape).requires_grad_()
    y, edges = layer(x), layer.edges(x)
    assert y.shape == (*shape[:-1], 3)
    assert edges.shape == (*shape[:-1], 3, 4)
    torch.testing.assert_close(edges.sum(-1), y)
    y.sum().backward()
    assert x.grad.shape == shape
