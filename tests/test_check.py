"""Argument checks say what, got and expected, whatever kind of thing was given."""

import math
import pickle

import pytest
import torch

from kanlib import DatasetUnavailable, DidNotConverge, KernelUnavailable, _check


class OnGpu(torch.Tensor):
    """A tensor that says it lies on a GPU, on machines that have none."""

    @property
    def device(self):
        return torch.device("cuda")


def test_values_are_read_on_any_device():
    bad = torch.tensor([1.0, math.nan]).as_subclass(OnGpu)
    assert bad.device.type == "cuda"
    with pytest.raises(ValueError, match="f: x has 1 entries that are NaN or infinite"):
        _check.is_finite("f", "x", bad)
    _check.is_finite("f", "x", bad[:1])
    _check.is_finite("f", "x", torch.empty(0))


@pytest.mark.parametrize("value", [2, 0.5, torch.tensor(0.5), torch.ones(1), True])
def test_any_one_real_number_will_do(value):
    _check.is_positive("f", "width", value)
    _check.is_non_negative("f", "width", value)


@pytest.mark.parametrize("value", ["1", None, [1.0], torch.ones(2), 1j, {}])
def test_what_is_no_number_is_a_type_error(value):
    kind = type(value).__name__
    for check in (_check.is_positive, _check.is_non_negative):
        with pytest.raises(
            TypeError, match=f"f: width is a {kind}; expected a real number"
        ):
            check("f", "width", value)


@pytest.mark.parametrize("value", [1.0, None, "12", ("a", "b"), (None, 1.0)])
def test_what_is_no_sequence_of_numbers_is_a_type_error(value):
    with pytest.raises(TypeError, match=r"f: domain is .*; expected a sequence of num"):
        _check.is_interval("f", "domain", value)
    with pytest.raises(TypeError, match=r"f: domain is .*; expected a sequence of num"):
        _check.is_increasing("f", "domain", value, 2)


def test_an_interval_is_two_rising_numbers():
    _check.is_interval("f", "domain", [0, 1])
    _check.is_interval("f", "domain", torch.tensor([0.0, 1.0]))
    for value in ((1, 0), (0, 0), (0,), (0, 1, 2), (0, math.nan), (-math.inf, 0)):
        with pytest.raises(ValueError, match="domain must be two finite numbers a < b"):
            _check.is_interval("f", "domain", value)


@pytest.mark.parametrize(
    "error",
    [
        KernelUnavailable("bspline", "cuda", ["no CuPy", "no GPU"]),
        DidNotConverge("newton", residual=0.1, wanted=0.0, iterations=3, hint="More."),
        DatasetUnavailable("mnist", because="it is not here", hint="Fetch it."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_failures_come_back_from_a_worker_process(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error) != ""
    assert vars(again) == vars(error)
