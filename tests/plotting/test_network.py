import re
from types import SimpleNamespace
from typing import Any

import matplotlib.axes
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from kanlib.bases import BSpline
from kanlib.layers import KAN
from kanlib.plotting import DARK, LIGHT, contrast, network
from kanlib.plotting._theme import LINE


def kan() -> KAN:
    return KAN(
        [2, 3, 1], BSpline.uniform(3), generator=torch.Generator().manual_seed(0)
    )


def test_network_draws_every_edge_that_is_not_masked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    panels = []
    add = matplotlib.axes.Axes.inset_axes

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        panels.append(add(self, *args, **kwargs))
        return panels[-1]

    monkeypatch.setattr(matplotlib.axes.Axes, "inset_axes", counted)
    model, x = kan(), torch.rand(50, 2) * 2 - 1
    model.layers[0].mask[1, 0] = 0
    shown = network(model, x, names=("u", "v"))
    assert repr(shown) == (
        "Figure: KAN with 2-3-1 nodes and the curve of each of its 8 edges."
    )
    assert len(panels) == 2 * 8  # once a theme
    order = x[:, 0].argsort()
    drawn = panels[0].lines[0].get_data()
    np.testing.assert_allclose(drawn[0], x[order, 0])
    curve = model.layers[0].edges(x)[order, 0, 0].detach()
    np.testing.assert_allclose(drawn[1], curve, rtol=1e-6)


def test_network_takes_anything_of_that_shape() -> None:
    layer = SimpleNamespace(
        in_features=1,
        out_features=1,
        edges=lambda x: x[..., None] ** 2,
        l1=lambda x: torch.ones(1, 1),
    )
    other = SimpleNamespace(layers=[layer], activations=lambda x: [x])
    shown = network(other, torch.rand(5, 1), alt="One square.")
    assert repr(shown) == "Figure: One square."


@pytest.mark.parametrize(
    ("model", "x", "names", "error", "message"),
    [
        (torch.nn.Linear(2, 1), torch.rand(3, 2), (), TypeError, "kan is a Linear"),
        (kan(), [[1.0, 2.0]], (), TypeError, "x is a list"),
        (kan(), torch.ones(3, 2, dtype=torch.long), (), TypeError, "x has dtype int64"),
        (kan(), torch.rand(2), (), ValueError, r"x has shape \(2,\)"),
        (kan(), torch.rand(0, 2), (), ValueError, r"x has shape \(0, 2\)"),
        (kan(), torch.rand(3, 2), ("u",), ValueError, "names has 1 entries"),
        (
            KAN([2, 33], BSpline.uniform(2)),
            torch.rand(3, 2),
            (),
            ValueError,
            "a layer has 2 x 33 edges; expected at most 64",
        ),
    ],
)
def test_bad_network(
    model: Any, x: Any, names: tuple, error: type, message: str
) -> None:
    with pytest.raises(error, match=f"network: {message}"):
        network(model, x, names=names)


def test_network_has_the_title_it_is_given() -> None:
    kan = KAN([1, 1], BSpline.uniform(3))
    plain, titled = (
        network(kan, torch.rand(9, 1), title=title) for title in ("", "A line")
    )
    assert plain.light != titled.light


def test_network_lists_every_edge_over_its_input() -> None:
    model, x = kan(), torch.rand(50, 2) * 2 - 1
    model.layers[0].mask[1, 0] = 0
    table = network(model, x, names=("u", "v"), tolerance=0.1).table
    heads = re.findall(r'<th scope="col">(.*?)</th>', table)
    layer = "edge to node 1."
    assert heads[:3] == ["u", f"{layer}1", f"{layer}3"]
    assert heads[3:7] == ["v", *(f"{layer}{k}" for k in (1, 2, 3))]
    hidden = [(f"node 1.{k}", "edge to node 2.1") for k in (1, 2, 3)]
    assert list(zip(heads[7::2], heads[8::2], strict=True)) == hidden
    first = re.findall(r"<td>(.*?)</td>", table)[:3]
    lowest = x[:, 0].argmin()
    edges = model.layers[0].edges(x)[lowest, :, 0].tolist()
    assert first == [f"{v:.4g}" for v in (x[lowest, 0].item(), edges[0], edges[2])]


def test_faint_edges_are_compared_on_the_scale_of_their_layer() -> None:
    model, x = kan(), torch.rand(50, 2) * 2 - 1
    table = network(model, x).table
    scales = re.findall(r'<table data-tolerance="0.001" data-scale="(.*?)">', table)
    first, second = (
        f"{layer.edges(inputs).abs().max().item():.4g}"
        for layer, inputs in zip(model.layers, model.activations(x), strict=False)
    )
    assert scales == [first] * 2 + [second] * 3


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_the_faintest_edge_is_a_line_of_one_pixel(
    monkeypatch: pytest.MonkeyPatch, theme: Any
) -> None:
    panels = []
    add = matplotlib.axes.Axes.inset_axes

    def kept(self: Any, *args: Any, **kwargs: Any) -> Any:
        panels.append(add(self, *args, **kwargs))
        return panels[-1]

    monkeypatch.setattr(matplotlib.axes.Axes, "inset_axes", kept)
    model = kan()
    with torch.no_grad():
        model.layers[0].coefficients[0] *= 1e-6
        model.layers[0].base_weight[0] *= 1e-6
    network(model, torch.rand(50, 2))
    half = len(panels) // 2
    mine = panels[:half] if theme is LIGHT else panels[half:]
    for panel in mine:
        for mark in (*panel.lines, *panel.axes.figure.axes[0].lines[:-3]):
            assert contrast(to_hex(mark.get_color()), theme.background) >= LINE
            assert mark.get_linewidth() >= 0.72  # points: one CSS pixel
    widths = [panel.lines[0].get_linewidth() for panel in mine]
    assert max(widths) > 1.9 * min(widths)


def test_network_of_nan_is_refused() -> None:
    model = kan()
    with torch.no_grad():
        model.layers[1].base_weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"network: the l1 of layer 1 has 1 entries"):
        network(model, torch.rand(5, 2))
