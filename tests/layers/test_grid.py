"""Grid extension is exact when nested; grid update follows the data and stays sane."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from kanlib.bases import BSpline, Chebyshev
from kanlib.layers import KAN, KANLayer, extend_grid, update_grid
from kanlib.layers import grid as grid_module
from kanlib.train import lbfgs


def make(widths=(2, 5, 1), intervals=10, degree=3, **options):
    generator = torch.Generator().manual_seed(0)
    basis = BSpline.uniform(intervals, degree)
    return KAN(widths, basis, generator=generator, **options).double()


def inputs(rows, columns=2, seed=1, width=1.0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(rows, columns, generator=generator, dtype=torch.float64)
    return width * (2 * x - 1)


def test_nested_extension_keeps_the_output():
    network = make()
    fine = extend_grid(network, inputs(200), 20)
    assert [layer.basis.intervals for layer in fine.layers] == [20, 20]
    assert [layer.basis.intervals for layer in network.layers] == [10, 10]
    for x in (inputs(500, seed=7), inputs(500, seed=8, width=3.0)):  # and outside
        assert (fine(x) - network(x)).abs().max() < 1e-12


@settings(max_examples=15, deadline=None)
@given(
    intervals=st.integers(1, 6),
    factor=st.integers(1, 4),
    degree=st.integers(0, 4),
    rows=st.integers(1, 5),
    share=st.sampled_from(["edge", "input", "group"]),
)
def test_nested_extension_is_exact_with_any_number_of_rows(
    intervals, factor, degree, rows, share
):
    layer = make((2, 3), intervals, degree, share=share).layers[0]
    fine = extend_grid(layer, inputs(rows), intervals * factor)
    x = inputs(100, seed=3, width=2.0)
    assert fine.basis.intervals == intervals * factor
    assert (fine(x) - layer(x)).abs().max() < 1e-10


def test_nested_extension_works_in_float32_and_after_an_update():
    network = update_grid(make(intervals=4), inputs(300))
    single = network.float()
    x = inputs(100).float()
    fine = extend_grid(single, x, 8)
    assert fine.layers[0].coefficients.dtype == torch.float32
    assert (fine(x) - single(x)).abs().max() < 1e-5


def test_extension_without_nesting_takes_the_nearest_spline():
    network, x = make(intervals=5), inputs(500)
    fine = extend_grid(network, x, 13)
    spread = network(x).std()
    assert (fine(x) - network(x)).square().mean().sqrt() < 0.05 * spread


def test_a_finer_grid_reaches_a_smaller_loss():
    """The staircase: no step up at a nested extension, and a lower floor after it."""
    x = inputs(200)
    y = torch.sin(4 * x[:, :1]) + torch.exp(2 * x[:, 1:])
    network, errors = make((2, 1), intervals=3), []
    for intervals in (3, 6, 12):
        before = F.mse_loss(network(x), y)
        network = extend_grid(network, x, intervals)
        after = F.mse_loss(network(x), y)
        torch.testing.assert_close(after, before, rtol=1e-9, atol=0)
        current = network
        lbfgs(current, lambda: F.mse_loss(current(x), y), 25)  # noqa: B023
        errors.append(F.mse_loss(network(x), y).item())
    assert errors[0] > 10 * errors[1] > 100 * errors[2]


def test_extension_makes_new_parameters_and_keeps_masks():
    network = make()
    network.layers[0].mask[1, 1] = False
    fine = extend_grid(network, inputs(20), 20)
    assert not fine.layers[0].mask[1, 1]
    assert fine.layers[0].coefficients.requires_grad
    assert fine.layers[0].base_weight is not network.layers[0].base_weight


def test_refits_in_chunks_agree(monkeypatch):
    network, x = make((7, 3)), inputs(50, 7)
    whole = extend_grid(network, x, 15)
    monkeypatch.setattr(grid_module, "CHUNK", 1)
    parts = extend_grid(network, x, 15)
    torch.testing.assert_close(
        parts.layers[0].coefficients, whole.layers[0].coefficients
    )


def test_updated_knots_follow_each_input():
    layer = make((2, 3)).layers[0]
    x = inputs(1000) * torch.tensor([1.0, 5.0]) + torch.tensor([0.0, 10.0])
    updated = update_grid(layer, x, 1.0)
    (first, second) = updated.basis.domains
    assert first == pytest.approx((-1.02, 1.02), abs=0.01)
    assert second == pytest.approx((4.9, 15.1), abs=0.05)
    assert updated.outside(x).tolist() == [0, 0]
    steps = torch.tensor(updated.basis.rows[1]).diff()
    torch.testing.assert_close(steps, steps[:1].expand_as(steps), rtol=1e-4, atol=0)


def test_updated_knots_are_mostly_quantiles():
    layer = make((1, 1)).layers[0]
    x = inputs(2000, 1) ** 5  # piled up at 0
    row = torch.tensor(update_grid(layer, x, 0.02).basis.rows[0]).double()
    inner = row[4:-4]
    expected = torch.quantile(x.flatten(), torch.linspace(0, 1, 11).double())[1:-1]
    even = torch.linspace(row[3], row[-4], 11).double()[1:-1]
    torch.testing.assert_close(inner, 0.98 * expected + 0.02 * even, atol=1e-5, rtol=0)


def test_update_keeps_the_function_on_the_data():
    x = inputs(500)
    network = extend_grid(make(intervals=5), x, 30)
    updated = update_grid(network, x)
    assert all(layer.basis.inputs for layer in updated.layers)
    assert (updated(x) - network(x)).abs().max() < 1e-2 * network(x).std()


def test_update_with_pixels():
    """Constant, nearly constant and few-valued columns: finite, sorted, well-fitted."""
    pixels = torch.randint(0, 17, (300, 4), generator=torch.Generator().manual_seed(0))
    x = pixels.double() / 8 - 1
    x[:, 0] = -1.0  # a border pixel
    x[:, 1] = -1.0
    x[7, 1] = 1.0  # black but for one row
    x[:, 2] = (x[:, 2] > 0.9).double() * x[:, 2]  # mostly 0
    layer = make((4, 3)).layers[0]
    updated = update_grid(layer, x)
    assert updated.basis.rows[0] == layer.basis.rows[0]
    steps = torch.tensor(updated.basis.rows).diff(dim=1)
    assert steps.min() > 0.02 * 0.1 * 0.99  # the share of the shortest range, 1
    assert updated.coefficients.abs().max() < 10 * layer.coefficients.abs().max()
    assert (updated(x) - layer(x)).abs().max() < 0.05 * layer(x).std()
    assert updated(inputs(50, 4)).isfinite().all()


def test_update_of_equal_values_changes_nothing():
    layer, x = make((2, 3)).layers[0], torch.full((9, 2), 0.3).double()
    updated = update_grid(layer, x)
    torch.testing.assert_close(updated(inputs(50)), layer(inputs(50)))


def test_update_survives_values_that_float32_cannot_tell_apart():
    layer = make((1, 1)).layers[0].float()
    x = 1e4 + torch.arange(3.0).unsqueeze(1) * 1e-3
    assert update_grid(layer, x)(x).isfinite().all()


def test_groups_share_one_row_of_knots():
    layer = make((4, 2), share="group", groups=2).layers[0]
    rows = update_grid(layer, inputs(100, 4)).basis.rows
    assert rows[0] == rows[1] != rows[2] == rows[3]


def test_a_checkpoint_after_an_update_loads_into_a_fresh_network():
    updated = update_grid(make(), inputs(100))
    fresh = make()
    fresh.load_state_dict(updated.state_dict())
    x = inputs(20, seed=5)
    assert torch.equal(fresh(x), updated(x))


@pytest.mark.parametrize("change", [lambda n, x: extend_grid(n, x, 20), update_grid])
def test_common_errors(change):
    network = make()
    with pytest.raises(
        TypeError, match="network is a Linear; expected a KAN or KANLayer"
    ):
        change(torch.nn.Linear(2, 1), inputs(5))
    with pytest.raises(
        ValueError, match=r"x has shape \(0, 2\); expected at least one"
    ):
        change(network, inputs(0))
    with pytest.raises(
        ValueError, match=r"x has shape \(5, 3\); expected \(\.\.\., 2\)"
    ):
        change(network, inputs(5, 3))
    with pytest.raises(TypeError, match="x has dtype int64"):
        change(network, torch.ones(5, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match="layer 1 has 1 entries that are NaN"):
        change(network, torch.tensor([[0.0, torch.nan]]).double())
    mixed = KAN([2, 2, 1], [BSpline.uniform(3), Chebyshev.uniform(4)]).double()
    with pytest.raises(
        TypeError, match=r"layer 2 has the basis Chebyshev.*expected a BS"
    ):
        change(mixed, inputs(50))


@pytest.mark.parametrize("share", ["edge", "input", "group"])
def test_frozen_parameters_stay_frozen(share):
    network = make(share=share).requires_grad_(False)
    for changed in (
        extend_grid(network, inputs(30), 20),
        update_grid(network, inputs(30)),
    ):
        assert not any(p.requires_grad for p in changed.parameters())


def test_errors():
    with pytest.raises(TypeError, match="uniform_share is a str; expected a real"):
        update_grid(make(), inputs(5), "0.02")
    with pytest.raises(TypeError, match="x has device meta; expected cpu"):
        extend_grid(make(), inputs(5).to("meta"), 20)
    with pytest.raises(ValueError, match="intervals must be at least 10, got 5"):
        extend_grid(make(), inputs(5), 5)
    with pytest.raises(TypeError, match="intervals is a float"):
        extend_grid(make(), inputs(5), 20.0)
    doubled = KANLayer(1, 1, BSpline((0, 0, 1, 1, 2, 2), 1)).double()
    with pytest.raises(ValueError, match="repeated knots inside its domain"):
        extend_grid(doubled, inputs(5, 1), 6)
    for share in (0.0, -1.0, 1.5, float("nan")):
        with pytest.raises(ValueError, match="uniform_share must be"):
            update_grid(make(), inputs(5), share)
