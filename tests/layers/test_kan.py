"""KAN: composition, the paper's penalty, pruning, storage."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from kanlib.bases import BSpline, Chebyshev, Fourier
from kanlib.layers import KAN, KANLayer, extend_grid, symbolic_network, update_grid
from kanlib.train import lbfgs


def make(widths=(2, 5, 1), seed=0, basis=None, **options):
    generator = torch.Generator().manual_seed(seed)
    basis = basis or BSpline.uniform(5)
    return KAN(widths, basis, generator=generator, **options).double()


def inputs(rows, columns=2, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(rows, columns, generator=generator, dtype=torch.float64) * 2 - 1


def test_a_network_is_its_layers_in_a_row():
    network, x = make((2, 4, 3, 1)), inputs(6)
    h = network.activations(x)
    assert [tuple(a.shape) for a in h] == [(6, 2), (6, 4), (6, 3)]
    assert torch.equal(network(x), network.layers[2](h[2]))
    assert torch.equal(h[2], network.layers[1](network.layers[0](x)))
    assert network.widths == [2, 4, 3, 1]


def test_repr_shows_widths_and_parameters():
    text = repr(make())
    assert "widths=[2, 5, 1], 135 parameters" in text  # 15 edges of 8 + 1
    assert "2 -> 5" in text


def test_one_basis_for_each_layer():
    bases = [Chebyshev.uniform(4), Fourier.uniform(5)]
    assert [layer.basis for layer in make(basis=bases).layers] == bases


def test_penalty_is_the_papers_sum():
    network, x = make((2, 4, 3)), inputs(20)
    expected = 0.0
    for layer, h in zip(network.layers, network.activations(x), strict=True):
        size = layer.edges(h).abs().mean(0)
        p = size / size.sum()
        expected += 0.7 * size.sum() - 1.5 * (p * p.log()).sum()
    torch.testing.assert_close(network.penalty(x, 0.7, 1.5), expected)
    torch.testing.assert_close(
        network.penalty(x),
        network.penalty(x, 1.0, 0.0) + 2 * network.penalty(x, 0.0, 1.0),
    )


def test_penalty_descends_by_its_own_gradient():
    network, x = make(), inputs(20)
    before = network.penalty(x)
    before.backward()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter -= 1e-3 * parameter.grad
    assert network.penalty(x) < before


@pytest.mark.parametrize(("share", "groups"), [("edge", 1), ("input", 1), ("group", 1)])
def test_pruning_dead_nodes_keeps_the_output(share, groups):
    network, x = make((2, 5, 4, 1), share=share, groups=groups), inputs(30)
    network.layers[1].mask[:, [1, 3]] = False  # nothing leaves nodes 1 and 3
    network.layers[2].mask[:, 2] = False  # nor node 2 of the next layer
    smaller = network.prune(x, 1e-9)
    assert smaller.widths == [2, 3, 3, 1]
    torch.testing.assert_close(smaller(x), network(x), rtol=1e-12, atol=1e-14)
    assert network.widths == [2, 5, 4, 1]


def test_pruning_changes_the_output_by_the_dropped_edges_only():
    network, x = make(), inputs(30)
    with torch.no_grad():
        for parameter in (
            network.layers[1].coefficients,
            network.layers[1].base_weight,
        ):
            parameter[:, 2] *= 1e-3
    smaller = network.prune(x, 1e-3)
    assert smaller.widths == [2, 4, 1]
    dropped = network.layers[1].edges(network.activations(x)[1])[:, :, 2]
    torch.testing.assert_close(network(x) - smaller(x), dropped)


def test_pruning_keeps_knot_rows_of_the_kept_nodes():
    rows = tuple(tuple(shift + j / 2 for j in range(-8, 9)) for shift in (0, 0.1, 0.2))
    network = make((1, 3, 1), basis=[BSpline.uniform(5), BSpline(rows, 3)])
    network.layers[0].mask[1] = False
    x = inputs(10, 1)
    smaller = network.prune(x, 1e-9)
    assert smaller.layers[1].basis.rows == (rows[0], rows[2])
    torch.testing.assert_close(
        smaller(x),
        network(x) - network.layers[1].edges(network.activations(x)[1])[:, :, 1],
    )


def test_small_edges_are_masked_on_request():
    network, x = make(), inputs(30)
    sizes = network.layers[0].l1(x)
    limit = sizes.flatten().sort().values[3].item()
    smaller = network.prune(x, 0.0, edge_threshold=limit)
    assert torch.equal(smaller.layers[0].mask, sizes > limit)
    assert network.layers[0].mask.all()


def test_a_pruned_network_trains_and_saves(tmp_path):
    from safetensors.torch import load_model, save_model

    network, x = make(), inputs(30)
    network.layers[0].mask[2] = False
    smaller = network.prune(x, 1e-9)
    assert smaller.widths == [2, 4, 1]
    y = x.prod(1, keepdim=True)
    history = lbfgs(smaller, lambda: F.mse_loss(smaller(x), y), 5)
    assert history.losses[-1] < history.losses[0]
    save_model(smaller, str(tmp_path / "kan.safetensors"))
    other = make((2, 4, 1), seed=9)
    load_model(other, str(tmp_path / "kan.safetensors"))
    assert torch.equal(other(x), smaller(x))


def test_transforms_pass_through_a_network():
    network, x = make(), inputs(3)
    reverse = torch.func.vmap(torch.func.jacrev(network))(x)
    looped = torch.stack([torch.autograd.functional.jacobian(network, r) for r in x])
    torch.testing.assert_close(reverse, looped)
    program = torch.export.export(network, (x,))
    torch.testing.assert_close(program.module()(x), network(x))
    twin = copy.deepcopy(network)
    assert torch.equal(twin(x), network(x))
    assert isinstance(twin, nn.Module)


def test_a_small_network_learns_a_product():
    """x y is a sum of functions of sums: [2, 5, 1] gets far below its spread of 1/3."""
    network, x = make(), inputs(300)
    y = x.prod(1, keepdim=True)
    lbfgs(network, lambda: F.mse_loss(network(x), y), 60)
    fresh = inputs(300, seed=5)
    error = F.mse_loss(network(fresh), fresh.prod(1, keepdim=True)).sqrt()
    assert error < 0.02


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: make((3,)), ValueError, "widths has 1 entries; expected at least 2"),
        (lambda: make(5), TypeError, "widths is a int; expected a sequence of ints"),
        (lambda: make().prune(inputs(9), None), TypeError, "threshold is a NoneType"),
        (
            lambda: make().prune(inputs(9).to("meta")),
            TypeError,
            "x has device meta; expected cpu",
        ),
        (lambda: make()(inputs(3).to("meta")), TypeError, "x has device meta; expecte"),
        (lambda: make()(inputs(3).float()), TypeError, "x has dtype torch.float32"),
        (lambda: make((2, 0, 1)), ValueError, "out_features must be at least 1"),
        (
            lambda: make((2, 2, 1), basis=[BSpline.uniform(3)]),
            ValueError,
            "basis has 1 entries; expected 2, because",
        ),
        (lambda: make()(inputs(3, 4)), ValueError, r"x has shape \(3, 4\)"),
        (lambda: make().prune(inputs(9), 1e3), ValueError, "hidden layer 1 would lose"),
        (lambda: make().prune(inputs(9), -1.0), ValueError, "threshold must be"),
        (
            lambda: make((2, 1)).prune(inputs(9) * torch.nan),
            ValueError,
            "KAN.prune: x has 18 entries that are NaN",
        ),
        (lambda: make().prune(inputs(0)), ValueError, "expected at least one row"),
        (lambda: make().penalty(inputs(0)), ValueError, "expected at least one row"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_default_device_elsewhere_changes_nothing():
    """Helper tensors go where the data are, not where new tensors go by default."""
    network, x = make((2, 2, 1)), inputs(40)

    def everything():
        finer = update_grid(extend_grid(network, x, 10), x)
        small = finer.prune(x, 0.0)
        outside = small.layers[0].outside(x)
        return small(x), outside, symbolic_network(small, x).fits

    y, outside, fits = everything()
    with torch.device("meta"):
        again = everything()
    assert torch.equal(again[0], y)
    assert torch.equal(again[1], outside)
    assert again[2] == fits


def test_a_stranger_among_the_layers_is_an_error():
    """What reads the layers must not skip one that `forward` uses."""
    network = make()
    network.layers.insert(1, nn.LayerNorm(5).double())
    assert len(network.activations(inputs(4))) == 3
    for read in (network.prune, network.penalty):
        with pytest.raises(AttributeError, match="LayerNorm"):
            read(inputs(4))


def test_a_layer_alone_cannot_be_hidden_in_a_network():
    """`widths` reads the layers, so replacing one keeps the network consistent."""
    network = make()
    network.layers[1] = KANLayer(5, 2, BSpline.uniform(3)).double()
    assert network.widths == [2, 5, 2]
    assert network(inputs(4)).shape == (4, 2)
