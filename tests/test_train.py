"""fit and lbfgs: they learn, they repeat, they refuse bad input and bad losses."""

import math
import sys
import types

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from kanlib import train
from kanlib.bases import BSpline
from kanlib.layers import KAN
from kanlib.train import History, cosine, fit, lbfgs

X = torch.linspace(-1, 1, 128).unsqueeze(1)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def line():
    torch.manual_seed(0)
    return nn.Linear(1, 1)


def kan(seed=0):
    return KAN([1, 1], BSpline.uniform(8), generator=seeded(seed))


def test_fit_learns_a_sine():
    network, y = kan(), torch.sin(torch.pi * X)
    fit(
        network,
        X,
        y,
        steps=400,
        learning_rate=0.03,
        schedule=cosine,
        generator=seeded(),
    )
    assert (network(X) - y).abs().max() < 0.02


def test_lbfgs_learns_a_sine_to_the_accuracy_of_the_spline():
    network, x = kan().double(), X.double()
    y = torch.sin(torch.pi * x)
    history = lbfgs(network, lambda: F.mse_loss(network(x), y), 60)
    assert (network(x) - y).abs().max() < 2e-3
    assert history.losses[-1] < 1e-3 * history.losses[0]


def test_same_generator_same_run():
    def run(seed):
        network = kan()
        return fit(network, X, X**2, steps=20, batch_size=16, generator=seeded(seed))

    assert run(1) == run(1)
    assert run(1).losses != run(2).losses


def test_every_pass_visits_every_row_once():
    seen = []

    class Spy(nn.Linear):
        def forward(self, x):
            seen.append(x.flatten())
            return super().forward(x)

    history = fit(Spy(1, 1), X[:10], X[:10], steps=6, batch_size=4, generator=seeded())
    assert [len(batch) for batch in seen] == [4, 4, 2] * 2
    assert history.steps == 6
    first, second = torch.cat(seen[:3]), torch.cat(seen[3:])
    assert torch.equal(first.sort().values, X[:10, 0])
    assert torch.equal(second.sort().values, X[:10, 0])
    assert not torch.equal(first, second)


def test_the_order_is_drawn_on_the_cpu_whatever_the_default_device():
    with torch.device("meta"):
        first = next(train._batches(10, 4, seeded()))
    assert first.tolist() == torch.randperm(10, generator=seeded())[:4].tolist()


def test_one_step_is_adams():
    model, twin = line(), line()
    optimizer = torch.optim.Adam(twin.parameters(), 0.1)
    F.mse_loss(twin(X), X).backward()
    optimizer.step()
    fit(model, X, X, steps=1, batch_size=len(X), learning_rate=0.1)
    torch.testing.assert_close(model.state_dict(), twin.state_dict())


def test_schedule_scales_the_step():
    asked = []

    def none(share):
        asked.append(share)
        return 0.0

    model = line()
    before = model.weight.clone()
    fit(model, X, X, steps=4, schedule=none)
    assert asked == [0, 0.25, 0.5, 0.75]
    assert torch.equal(model.weight, before)


def test_penalty_and_weight_decay_shrink():
    plain, shrunk, decayed = line(), line(), line()
    options = {"steps": 200, "learning_rate": 0.05, "batch_size": 128}
    fit(plain, X, 2 * X, **options)
    history = fit(
        shrunk, X, 2 * X, penalty=lambda batch: shrunk.weight.square().sum(), **options
    )
    fit(decayed, X, 2 * X, weight_decay=2.0, **options)
    assert plain.weight.item() == pytest.approx(2, abs=0.05)
    assert shrunk.weight.item() == pytest.approx(0.5, abs=0.1)  # 2 s / (s + 1), s = 1/3
    assert decayed.weight.item() < 1.8
    assert history.losses[-1] > 0.5


def test_frozen_parameters_stay():
    model = line()
    model.bias.requires_grad_(False)
    before = model.bias.clone()
    fit(model, X, X + 1, steps=5)
    lbfgs(model, lambda: F.mse_loss(model(X), X + 1), 5)
    assert torch.equal(model.bias, before)


def test_labels_and_cross_entropy():
    model = nn.Linear(1, 2)
    labels = (X[:, 0] > 0).long()
    fit(model, X, labels, loss=F.cross_entropy, steps=200, learning_rate=0.1)
    assert (model(X).argmax(1) == labels).float().mean() > 0.95


def test_history_shows_no_time_and_is_frozen():
    history = History((1.0, 0.5), 12.0)
    assert repr(history) == "History(2 losses, 1.00e+00 -> 5.00e-01)"
    assert history == History((1.0, 0.5), 13.0)
    with pytest.raises(AttributeError):
        history.seconds = 0.0


def test_lbfgs_finds_the_minimum_of_rosenbrock():
    class Point(nn.Module):
        def __init__(self):
            super().__init__()
            self.at = nn.Parameter(torch.tensor([-1.2, 1.0], dtype=torch.float64))

    point = Point()

    def loss():
        u, v = point.at
        return (1 - u) ** 2 + 100 * (v - u**2) ** 2

    history = lbfgs(point, loss, 100)
    assert (point.at - 1).abs().max() < 1e-6
    assert history.losses[0] == pytest.approx(24.2)
    assert history.losses[-1] == loss().item() < 1e-15
    assert history.steps < 100  # it stops when nothing is left to gain


def test_lbfgs_steps_over_a_wall():
    """log is NaN below 0; the first trial step lands there and is refused."""

    class Point(nn.Module):
        def __init__(self):
            super().__init__()
            self.at = nn.Parameter(torch.tensor(0.5, dtype=torch.float64))

    point, seen = Point(), []

    def loss():
        value = 20 * point.at - 10 * torch.log(point.at - 0.2)  # least at 0.7
        seen.append(value.item())
        return value

    lbfgs(point, loss, 30, learning_rate=50.0)
    assert any(math.isnan(value) for value in seen)
    assert point.at.item() == pytest.approx(0.7, abs=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fit(line(), X[:0], X[:0]), ValueError, "x has no rows"),
        (lambda: fit(line(), torch.tensor(1.0), X), ValueError, "x has no rows"),
        (
            lambda: fit(line(), X, X[:5]),
            ValueError,
            r"y has shape \(5, 1\); expected \(128",
        ),
        (lambda: fit(line(), X.tolist(), X), TypeError, "x is a list"),
        (lambda: fit(line(), X, 3), TypeError, "y is a int"),
        (
            lambda: fit(line(), X, X.to("meta")),
            TypeError,
            "y has device meta; expected cpu, because x has it",
        ),
        (lambda: fit(torch.sin, X, X), TypeError, "fit: model is a builtin_function"),
        (lambda: lbfgs(None, X.sum), TypeError, "lbfgs: model is a NoneType; expected"),
        (
            lambda: fit(line(), X, X, learning_rate="1"),
            TypeError,
            "learning_rate is a str; expected a real number",
        ),
        (
            lambda: fit(line(), X, X, loss=torch.sub),
            ValueError,
            r"fit: the loss has shape \(64, 1\); expected a scalar. Use .mean",
        ),
        (
            lambda: fit(line(), X, X, loss=lambda a, b: 1.0),
            TypeError,
            "fit: the loss is a float; expected a scalar tensor",
        ),
        (
            lambda: lbfgs(line(), lambda: X * line().weight),
            ValueError,
            r"lbfgs: the loss has shape \(128, 1\); expected a scalar",
        ),
        (
            lambda: lbfgs(line(), X.sum),
            ValueError,
            "lbfgs: the loss does not depend on a parameter to train",
        ),
        (lambda: fit(line(), X, X, steps=0), ValueError, "steps must be at least 1"),
        (lambda: fit(line(), X, X, batch_size=0), ValueError, "batch_size must be"),
        (lambda: fit(line(), X, X, batch_size=2.5), TypeError, "batch_size is a float"),
        (
            lambda: fit(line(), X, X, learning_rate=0.0),
            ValueError,
            "learning_rate must",
        ),
        (lambda: fit(line(), X, X, weight_decay=-1.0), ValueError, "weight_decay must"),
        (lambda: fit(nn.Flatten(), X, X), ValueError, "the model has no parameter"),
        (lambda: lbfgs(nn.Flatten(), X.sum), ValueError, "the model has no parameter"),
        (lambda: lbfgs(line(), X.sum, 0), ValueError, "steps must be at least 1"),
        (
            lambda: lbfgs(line(), lambda: X.sum() * math.nan + line().weight.sum()),
            FloatingPointError,
            "lbfgs: the loss is nan at step 0",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_bad_loss_stops_before_the_step():
    model, y = line(), X.clone()
    y[100] = math.nan
    with pytest.raises(FloatingPointError, match=r"fit: the loss is nan at step \d+;"):
        fit(model, X, y, steps=100, batch_size=8, generator=seeded())
    assert model.weight.isfinite().all()


def kernel(allow_stdin):
    shell = types.SimpleNamespace(
        kernel=types.SimpleNamespace(_allow_stdin=allow_stdin)
    )
    return types.SimpleNamespace(get_ipython=lambda: shell)


@pytest.mark.parametrize("present", [True, False])
def test_progress_only_where_a_person_watches(monkeypatch, capsys, present):
    monkeypatch.setitem(sys.modules, "IPython", kernel(present))
    assert list(train._watched(5)) == list(range(5))
    assert ("0/5" in capsys.readouterr().err) == present


def test_no_progress_in_a_pipe(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    fit(line(), X, X, steps=3)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""
