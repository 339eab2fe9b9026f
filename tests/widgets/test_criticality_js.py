"""criticality.js against kanlib.theory over a grid of states."""

import itertools

import pytest
import torch

from kanlib.theory import (
    NoCriticalPoint,
    covariance_flow,
    criticality,
    gaussian_mean,
    susceptibilities,
)
from kanlib.widgets.criticality_explorer import _ACTIVATIONS

FILE = "criticality.js"
VARIANCES = (1e-4, 0.3, 1.0, 6.0, 90.0)


@pytest.mark.parametrize("name", _ACTIVATIONS)
def test_moments_and_susceptibilities_are_those_of_python(javascript, name):
    f, weight = _ACTIVATIONS[name], 1.3
    calls = [["susceptibilities", name, k, weight] for k in VARIANCES]
    maps = [["mapped", name, k, 0.1, weight] for k in VARIANCES]
    got = javascript(FILE, *calls, *maps)
    for k, chi, after in zip(VARIANCES, got, got[len(VARIANCES) :], strict=False):
        expected = susceptibilities(f, k, weight_variance=weight)
        assert chi["parallel"] == pytest.approx(expected.parallel, rel=1e-6)
        assert chi["perpendicular"] == pytest.approx(expected.perpendicular, rel=1e-6)
        square = gaussian_mean(lambda z: f(z) ** 2, k)
        assert after == pytest.approx(0.1 + weight * square, rel=1e-8)


STATES = list(
    itertools.product(_ACTIVATIONS, [(0.0, 0.1), (0.0, 1.0), (0.3, 2.5), (1.0, 4.0)])
)


def test_flows_are_those_of_python(javascript):
    calls = [["flow", name, 0.8, 24, *both] for name, both in STATES]
    for (name, (bias, weight)), got in zip(
        STATES, javascript(FILE, *calls), strict=True
    ):
        f = _ACTIVATIONS[name]
        both = {"bias_variance": bias, "weight_variance": weight}
        covariance = covariance_flow(f, 0.8, 24, **both)
        assert got["covariance"] == pytest.approx(covariance.tolist(), rel=1e-6)
    # The last distance is the product of the susceptibilities on the way.
    chi = [
        susceptibilities(f, k, weight_variance=weight).perpendicular
        for k in covariance[:-1].tolist()
    ]
    product = torch.tensor(chi, dtype=torch.float64).prod().item()
    assert got["distance"][-1] == pytest.approx(product, rel=1e-6)


@pytest.mark.parametrize("name", _ACTIVATIONS)
def test_the_critical_point_of_python_is_critical_on_the_page(javascript, name):
    try:
        point = criticality(_ACTIVATIONS[name])
    except NoCriticalPoint:
        assert name == "sigmoid"
        return
    at = point.fixed_point if 0 < point.fixed_point < 100 else 0.0
    chi, after = javascript(
        FILE,
        ["susceptibilities", name, at, point.weight_variance],
        ["mapped", name, at, point.bias_variance, point.weight_variance],
    )
    assert list(chi.values()) == pytest.approx([1, 1], abs=1e-7)
    assert after == pytest.approx(at, abs=1e-7)
