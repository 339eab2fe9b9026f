"""GroupSort, MaxMin and Householder: 1-Lipschitz, and orthogonal almost everywhere."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.func import jacrev, vmap

from kanlib.layers import GroupSort, Householder, MaxMin
from kanlib.testing import layer_laws


def draw(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def layers():
    generator = torch.Generator().manual_seed(2)
    return [
        GroupSort(4),
        GroupSort(),
        MaxMin(),
        Householder(8, generator=generator),
        Householder(8, 4, generator=generator),
    ]


@pytest.mark.parametrize("layer", layers(), ids=str)
def test_one_lipschitz_and_norm_preserving(layer):
    layer = copy.deepcopy(layer).double()
    x, y = draw(300, 8), draw(300, 8, seed=1)
    moved = (layer(x) - layer(y)).norm(dim=1)
    assert (moved <= (x - y).norm(dim=1) * (1 + 1e-12)).all()
    jacobian = vmap(jacrev(layer))(x)
    eye = torch.eye(8, dtype=torch.float64).expand(300, 8, 8)
    torch.testing.assert_close(jacobian @ jacobian.mT, eye)


@pytest.mark.parametrize("layer", layers(), ids=str)
def test_laws_of_layers(layer):
    layer_laws(copy.deepcopy(layer).double(), draw(5, 8))


def test_householder_with_the_diagonal_is_maxmin():
    layer = Householder(6).double()
    layer.direction.data[:] = 3.0 * torch.tensor([1.0, -1.0])  # its length is free
    x = draw(50, 6)
    torch.testing.assert_close(layer(x), MaxMin()(x))


def test_householder_is_continuous_and_reflects():
    layer = Householder(2).double()
    layer.direction.data[:] = torch.tensor([[0.6, 0.8]])
    on_plane = torch.tensor([0.8, -0.6], dtype=torch.float64)
    v = torch.tensor([0.6, 0.8], dtype=torch.float64)
    torch.testing.assert_close(layer(on_plane + 1e-9 * v), on_plane + 1e-9 * v)
    torch.testing.assert_close(layer(on_plane - 1e-9 * v), on_plane + 1e-9 * v)
    torch.testing.assert_close(layer(-v), v)


def test_householder_learns_its_direction():
    layer = Householder(4, 2).double()
    assert torch.autograd.gradcheck(
        lambda d, x: torch.func.functional_call(layer, {"direction": d}, (x,)),
        (layer.direction, draw(3, 4).requires_grad_()),
    )


def test_images_are_sorted_along_their_channels():
    x = draw(2, 4, 3, 3)
    y = MaxMin(axis=1)(x)
    assert torch.equal(y[:, 0], x[:, :2].amax(1))
    assert torch.equal(y[:, 3], x[:, 2:].amin(1))
    assert y.shape == x.shape


def test_in_a_network_with_orthogonal_maps_gradients_keep_their_norm():
    q = [torch.linalg.qr(draw(8, 8, seed=k)).Q for k in range(6)]
    x = draw(8).requires_grad_()
    y = x
    for matrix in q:
        y = GroupSort(4)(matrix @ y)
    (g,) = torch.autograd.grad(y @ draw(8, seed=9), x)
    assert math.isclose(g.norm(), draw(8, seed=9).norm(), rel_tol=1e-12)


def test_reprs():
    net = nn.Sequential(GroupSort(4, axis=1), MaxMin(), Householder(4))
    for words in ("size=4, axis=1", "MaxMin(size=2)", "Householder(4, size=2)"):
        assert words in repr(net)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: GroupSort(0), ValueError, "GroupSort: size must be"),
        (lambda: MaxMin(axis=0.5), TypeError, "MaxMin: axis must be"),
        (lambda: Householder(5), ValueError, "Householder: features is 5"),
        (lambda: Householder(0), ValueError, "Householder: features must be"),
        (lambda: Householder(4)(torch.ones(3)), ValueError, "x has shape"),
        (lambda: MaxMin()(torch.ones(3)), ValueError, "x has shape"),
    ],
)
def test_bad_arguments(make, error, words):
    with pytest.raises(error, match=words):
        make()
