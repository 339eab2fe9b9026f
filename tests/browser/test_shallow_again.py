"""The chapter's moving figure on its page: stack and broad layer as Python has them."""

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from playwright.sync_api import Locator, expect
from torch import Tensor, nn

from kanlib.datasets import load
from kanlib.layers import ResidualTower
from kanlib.theory import parallel_gap_bound

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PAGE = "chapters/depth/shallow_again.html"
CHOICES = {
    "t": [k / 10 for k in range(11)],
    "size s": [0.02, 0.05, 0.1, 0.2, 0.5, 1.0],
}
STATES = [(0.0, 0.02), (1.0, 1.0), (0.3, 0.2), (0.0, 1.0), (1.0, 0.02)]


class Layer(nn.Module):
    """x -> tanh(s W x) with a convolution W of norm 1."""

    def __init__(self, kernel: Tensor) -> None:
        super().__init__()
        self.kernel = kernel

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(F.conv2d(x, self.kernel, padding=1))


@pytest.fixture(scope="module")
def start() -> tuple[Tensor, Tensor]:
    """The digit behind its stem, and eight kernels; drawn as the chapter draws them."""
    generator = torch.Generator().manual_seed(0)
    draw = functools.partial(torch.randn, generator=generator, dtype=torch.float64)
    stem, kernels = draw(8, 1, 3, 3), draw(8, 8, 8, 3, 3)
    image = load("digits").x[0].double().reshape(1, 1, 8, 8)
    x = F.max_pool2d(F.conv2d(image, stem / 3, padding=1).relu(), 2)
    unit = torch.eye(128, dtype=torch.float64).reshape(128, 8, 4, 4)
    maps = [F.conv2d(unit, K, padding=1).flatten(1) for K in kernels]
    norms = torch.stack([torch.linalg.svdvals(one)[0] for one in maps])
    return x, kernels / norms[:, None, None, None, None]


def between(x: Tensor, kernels: Tensor, t: float, s: float) -> Tensor:
    """y(t) - x by the stack of the layers t F_h, where the chapter loops over t."""
    layers = [Layer(s * K) for K in kernels]
    if t == 0:
        return sum((layer(x) for layer in layers), torch.zeros_like(x))
    return (ResidualTower(layers, scale=t)(x) - x) / t


def assert_shows(
    figure: Locator,
    start: tuple[Tensor, Tensor],
    state: tuple,
    curves_in: Callable,
    said: Callable,
) -> None:
    (x, kernels), (t, s) = start, state
    size = x.norm().item()
    added = {share: between(x, kernels, share, s) for share in (0.0, t, 1.0)}
    distance = [
        (between(x, kernels[:h], t, s) - between(x, kernels[:h], 0.0, s)).norm().item()
        for h in range(2, 9)
    ]
    bounds = [parallel_gap_bound(t * s, h) / max(t, 1e-9) for h in range(2, 9)]
    left, middle, right = figure.locator(".panel").all()
    curves, pixel = curves_in(left)
    for curve, share in zip(curves, (t, 0.0, 1.0), strict=True):
        wanted = added[share][0, 0].flatten().numpy()
        assert abs(curve[:, 1] - wanted).max() <= 0.02 * pixel[1] + 2e-4
    status = figure.locator(".status")
    if t == 0:
        expect(status).to_contain_text("distance: 0 · bound: 0")
        expect(middle.locator(".plot path.curve[d]:not([d=''])")).to_have_count(0)
        return
    expect(status).to_contain_text(f"distance: {said(distance[-1] / size)} ·")
    expect(status).to_contain_text(f"bound: {said(bounds[-1])}")
    (moved, allowed), pixel = curves_in(middle, log=True)
    wanted = np.log10(np.array(distance) / size)
    assert abs(moved[:, 1] - wanted).max() <= 0.02 * pixel[1] + 1e-3
    assert abs(allowed[:, 1] - np.log10(bounds)).max() <= 0.02 * pixel[1] + 1e-3
    assert (moved[:, 1] < allowed[:, 1]).all()
    ((orders,), pixel) = curves_in(right, log=True)
    first = np.log10(added[0.0].norm().item() / size)
    assert abs(orders[0, 1] - first) <= 0.02 * pixel[1] + 1e-3


def test_the_sliders_move_from_side_by_side_to_in_turn(
    site: Path,
    start: tuple[Tensor, Tensor],
    open_page: Callable,
    curves_in: Callable,
    state_of: Callable,
    slide: Callable,
    said: Callable,
) -> None:
    page = open_page((site / PAGE).as_uri())
    figure = page.locator(".kanlib-sweep")
    figure.scroll_into_view_if_needed()
    expect(figure.locator(".plot path.curve").first).to_be_visible()
    for state in STATES:
        for (name, choices), value in zip(CHOICES.items(), state, strict=True):
            slider = figure.get_by_role("slider", name=name, exact=True)
            slide(slider, choices, value)
        assert state_of(figure)["selected"] == dict(zip(CHOICES, state, strict=True))
        assert_shows(figure, start, state, curves_in, said)
