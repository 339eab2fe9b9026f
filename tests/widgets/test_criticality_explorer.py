import ipywidgets
import numpy as np
import pytest
import torch
import traitlets

from kanlib.theory import covariance_flow, criticality, susceptibilities
from kanlib.widgets import CriticalityExplorer

MEASURED = {
    "activation": "tanh",
    "weight_variance": torch.tensor([0.5, 1.0, 2.0]),
    "depth": (4, 16),
    "values": np.array([[0.9, np.nan], [0.95, 0.94], [0.93, 0.5]]),
}


def test_it_starts_at_the_critical_point_of_the_activation():
    for name, f in (("relu", torch.relu), ("gelu", torch.nn.functional.gelu)):
        explorer, point = CriticalityExplorer(activation=name), criticality(f)
        assert explorer.weight_variance == point.weight_variance
        assert explorer.bias_variance == point.bias_variance
        # There the covariance stays as it is.
        flow = explorer.covariance
        assert flow == pytest.approx([flow[0]] * 32, rel=1e-9)
    assert explorer.start == pytest.approx((3 + 17**0.5) / 2)
    assert explorer.critical == point


def test_an_activation_without_a_critical_point_starts_somewhere():
    explorer = CriticalityExplorer(activation="sigmoid")
    assert explorer.critical is None
    assert (explorer.weight_variance, explorer.bias_variance) == (1.0, 0.0)


def test_what_is_given_is_kept_and_the_flow_follows():
    explorer = CriticalityExplorer(
        weight_variance=1.5, bias_variance=0.1, start=2.0, depth=8, width=16
    )
    assert explorer.ratio == 0.5
    explorer.activation = "sin"
    expected = covariance_flow(
        torch.sin, 2.0, 8, bias_variance=0.1, weight_variance=1.5
    )
    assert explorer.covariance == expected.tolist()
    chi = susceptibilities(torch.sin, 2.0, weight_variance=1.5).perpendicular
    assert explorer.distance[:2] == [1.0, chi]
    assert len(explorer.distance) == 8
    explorer.depth = 2
    assert explorer.covariance == expected[:2].tolist()
    explorer.width = 8
    assert explorer.ratio == 0.25


def test_a_measured_map_is_carried_as_plain_numbers():
    carried = CriticalityExplorer(MEASURED)._accuracy
    assert carried["depth"] == [4, 16]
    assert carried["values"] == [[0.9, None], [0.95, 0.94], [0.93, 0.5]]
    assert CriticalityExplorer()._accuracy is None


def test_it_composes_with_ipywidgets():
    explorer, slider = CriticalityExplorer(), ipywidgets.FloatSlider(min=0.1, max=4)
    ipywidgets.link((slider, "value"), (explorer, "weight_variance"))
    slider.value = 2.5
    assert explorer.weight_variance == 2.5


# A flow that dies and one that explodes, beyond the axes of the picture.
@pytest.mark.parametrize(
    ("accuracy", "activation", "weight"),
    [(None, "linear", 0.1), (MEASURED, "relu", 4.0)],
)
def test_repr_still_and_bundle(accuracy, activation, weight):
    explorer = CriticalityExplorer(
        accuracy, activation=activation, weight_variance=weight, depth=64
    )
    assert repr(explorer) == (
        f"CriticalityExplorer: {activation}, C_W = {weight:g}, C_b = 0, depth 64, "
        "width 64"
    )
    data, _ = explorer._repr_mimebundle_()
    assert {"image/png", "text/plain"} <= set(data)
    assert data["text/plain"].startswith("Figure: A signal on its way")


@pytest.mark.parametrize(
    ("accuracy", "kind", "text"),
    [
        ([], TypeError, "accuracy is a list; expected a dict"),
        ({"activation": "tanh"}, ValueError, "accuracy has no 'weight_variance'"),
        (
            MEASURED | {"activation": "mish"},
            ValueError,
            r"accuracy\['activation'\] is 'mish'; expected one of 'relu'",
        ),
        (
            MEASURED | {"depth": [16, 4]},
            ValueError,
            r"accuracy has depth \[16, 4\]; expected increasing",
        ),
        (
            MEASURED | {"depth": [1, 2, 3]},
            ValueError,
            r"accuracy has values of shape \(3, 2\); expected \(3, 3\)",
        ),
        (
            MEASURED | {"values": [[2.0, 0], [0, 0], [0, 0]]},
            ValueError,
            r"accuracy has values outside \[0, 1\]",
        ),
    ],
)
def test_bad_maps(accuracy, kind, text):
    with pytest.raises(kind, match=f"CriticalityExplorer: {text}"):
        CriticalityExplorer(accuracy)


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"activation": "mish"}, ValueError, "activation is 'mish'; expected one of"),
        ({"weight_variance": 5.0}, ValueError, "weight_variance must lie in"),
        ({"bias_variance": -0.1}, ValueError, "bias_variance must lie in"),
        ({"start": float("nan")}, ValueError, "start must lie in"),
        ({"weight_variance": "1"}, TypeError, "weight_variance is a str"),
        ({"depth": 1}, ValueError, "depth must be at least 2"),
        ({"depth": 129}, ValueError, "depth must lie in"),
        ({"width": 8.0}, TypeError, "width is a float"),
    ],
)
def test_bad_numbers(options, kind, text):
    with pytest.raises(kind, match=f"CriticalityExplorer: {text}"):
        CriticalityExplorer(**options)


def test_bad_assignments_are_refused():
    explorer = CriticalityExplorer()
    for name, value in (
        ("activation", "mish"),
        ("weight_variance", 0.0),
        ("bias_variance", float("nan")),
        ("start", 0.0),
        ("depth", 1000),
        ("width", 2),
    ):
        with pytest.raises(traitlets.TraitError):
            setattr(explorer, name, value)
    assert explorer.depth == 32
