"""The same functions as pykan, the official code, on the same numbers."""

import contextlib
import io

import torch
from kan.KANLayer import KANLayer as PeerLayer
from kan.spline import B_batch

from kanlib import BSpline, KANLayer


def test_bases_are_equal_where_both_are_defined():
    basis = BSpline.uniform(5, degree=3)
    x = 2 * torch.rand(200, 3, generator=torch.Generator().manual_seed(0)) - 1
    knots = torch.tensor(basis.knots).expand(3, -1)
    peer = B_batch(x, knots, k=3, extend=False)
    torch.testing.assert_close(basis(x), peer, rtol=0, atol=1e-5)


def test_pykan_leaves_the_right_end_without_a_function():
    """A defect the chapter names: half-open intervals all the way."""
    basis = BSpline.uniform(5, degree=0)
    end = torch.ones(1, 1)
    peer = B_batch(end, torch.tensor(basis.knots)[None], k=0, extend=False)
    assert peer.sum() == 0
    assert basis(end).sum() == 1


def test_layers_are_equal_with_the_same_parameters():
    ours = KANLayer(3, 2, BSpline.uniform(5))
    with contextlib.redirect_stdout(io.StringIO()):
        peer = PeerLayer(in_dim=3, out_dim=2, num=5, k=3, grid_eps=1.0)
    with torch.no_grad():
        peer.coef.copy_(ours.coefficients.transpose(0, 1))
        peer.scale_base.copy_(ours.base_weight.T)
        peer.scale_sp.fill_(1.0)
    x = 2 * torch.rand(100, 3, generator=torch.Generator().manual_seed(1)) - 1
    y, _, _, _ = peer(x)
    torch.testing.assert_close(ours(x), y, rtol=0, atol=1e-5)
