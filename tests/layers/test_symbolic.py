"""Snapping names the right function, the simplest among equals, and no NaN."""

import math

import pytest
import torch
import torch.nn.functional as F

from kanlib.bases import BSpline
from kanlib.layers import KAN, SymbolicFit, SymbolicKAN, snap, symbolic_network
from kanlib.layers.symbolic import CANDIDATES
from kanlib.train import lbfgs

X = torch.linspace(-1, 1, 200, dtype=torch.float64)

CURVES = {
    "constant": lambda x: 0 * x + 3,
    "x": lambda x: 2 * x + 1,
    "x^2": lambda x: 0.7 * (x - 0.1) ** 2 - 0.2,
    "x^3": lambda x: (x - 0.2) ** 3,
    "x^4": lambda x: 3 * (x + 0.3) ** 4,
    "exp": lambda x: torch.exp(1.3 * x),
    "log": lambda x: torch.log(2 - x),
    "sqrt": lambda x: torch.sqrt(x + 1),
    "1/x": lambda x: 1 / (x + 1.5),
    "sin": lambda x: torch.sin(torch.pi * x),
    "abs": lambda x: (x - 0.3).abs(),
    "tanh": lambda x: torch.tanh(3 * x - 1),
    "gaussian": lambda x: torch.exp(-4 * (x - 0.3) ** 2),
}


@pytest.mark.parametrize("name", CURVES)
def test_each_candidate_is_recognized(name):
    y = CURVES[name](X)
    best = snap(X, y)[0]
    assert best.name == name
    assert best.r2 > 1 - 1e-6
    torch.testing.assert_close(best(X), y, rtol=1e-3, atol=2e-3)


def test_every_candidate_has_its_curve():
    assert set(CURVES) == set(CANDIDATES)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 50.0])
def test_the_range_of_x_does_not_matter(scale):
    x = scale * (X + 3)
    best = snap(x, torch.sin(5 * x / scale) - 2)[0]
    assert best.name == "sin"
    assert abs(best.a) * scale == pytest.approx(5, rel=1e-5)
    assert best.d == pytest.approx(-2, abs=1e-5)


def test_constants_are_found_to_rounding():
    fit = snap(X, 2.5 * torch.sin(3.7 * X + 0.4) - 1, noise=1e-14)[0]
    assert (fit.a, fit.b, fit.c, fit.d) == pytest.approx((3.7, 0.4, 2.5, -1), abs=1e-7)
    assert fit.formula() == "2.5*sin(3.7*x + 0.4) - 1"


def test_the_simplest_of_equals_wins():
    """A sine and a Gaussian bend like a parabola too; they cost more."""
    wiggle = 1e-3 * torch.sin(40 * X)
    fits = {fit.name: fit for fit in snap(X, X.square() + wiggle)}
    assert all(fits[name].r2 > 0.9999 for name in ("x^2", "sin", "gaussian"))
    assert snap(X, X.square() + wiggle)[0].name == "x^2"
    assert fits["x^2"].score > max(fits["sin"].score, fits["gaussian"].score)
    assert fits["x^2"].formula() == "x**2"


def test_the_score_is_as_documented():
    for fit in snap(X, torch.exp(X) + 0.01 * torch.sin(30 * X)):
        expected = -math.log10(max(1 - fit.r2, 1e-5)) - CANDIDATES[fit.name][1]
        assert fit.score == pytest.approx(expected)
    scores = [fit.score for fit in snap(X, X.sin())]
    assert scores == sorted(scores, reverse=True)


def test_impossible_domains_are_left_out():
    def picky(u):
        return torch.where(u.abs() < 100, math.nan, u)

    table = {"x": CANDIDATES["x"], "log": CANDIDATES["log"], "picky": (picky, 1)}
    fits = snap(X, torch.sin(3 * X), table)
    assert {fit.name for fit in fits} == {"x", "log"}
    assert all(math.isfinite(value) for fit in fits for value in (fit.r2, fit.a, fit.d))
    assert fits[0](X).isfinite().all()


def test_own_candidates():
    table = {"cosh": (torch.cosh, 2), "x^2": CANDIDATES["x^2"]}
    best = snap(X, torch.cosh(2 * X), table)[0]
    assert best.formula() == "cosh(2*x)"


def test_float32_curves_and_any_order():
    order = torch.randperm(200, generator=torch.Generator().manual_seed(0))
    x = X[order].float()
    assert snap(x, torch.tanh(3 * x - 1))[0].name == "tanh"


def test_a_formula_is_python():
    for name, curve in CURVES.items():
        (fit,) = snap(X, curve(X), {name: CANDIDATES[name]})
        scope = {"x": X, "exp": torch.exp, "log": torch.log, "sqrt": torch.sqrt}
        scope |= {"sin": torch.sin, "abs": torch.abs, "tanh": torch.tanh}
        value = eval(fit.formula(digits=12), scope) + 0 * X
        torch.testing.assert_close(value, fit(X), rtol=1e-8, atol=1e-8)


def test_a_fit_as_a_module_trains_its_constants():
    """K3a in small: exp(sin(pi x) + y^2) from rough constants to rounding."""
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(300, 2, generator=generator, dtype=torch.float64) * 2 - 1
    x, y = points.unbind(1)
    target = torch.exp(torch.sin(torch.pi * x) + y**2)
    sine = snap(X, 1.1 * torch.sin(3 * X))[0].module()
    square = snap(X, 0.9 * X**2)[0].module()
    outer = snap(X, torch.exp(X))[0].module()
    model = torch.nn.ModuleList([sine, square, outer])

    def loss():
        return F.mse_loss(outer(sine(x) + square(y)), target)

    lbfgs(model, loss, 200)
    assert loss().sqrt() < 1e-6
    assert sine.a.item() == pytest.approx(math.pi, abs=1e-5)
    assert "sin(3.142*x" in repr(sine)


def test_a_network_becomes_its_formula():
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(400, 2, generator=generator, dtype=torch.float64) * 2 - 1
    y = torch.sin(3 * x[:, :1]) + x[:, 1:] ** 2
    network = KAN([2, 1], BSpline.uniform(8), generator=generator).double()
    lbfgs(network, lambda: F.mse_loss(network(x), y), 60)
    symbolic = symbolic_network(network, x)
    assert isinstance(symbolic, SymbolicKAN)
    assert [fit.name for fit in symbolic.fits[0][0]] == ["sin", "x^2"]
    assert (symbolic(x) - y).abs().max() < 0.05
    lbfgs(symbolic, lambda: F.mse_loss(symbolic(x), y), 100)
    assert symbolic.formula(["u", "v"], digits=3) == ["sin(3*u) + v**2"]
    assert symbolic.formula() != symbolic.formula(["u", "v"])


def test_a_masked_edge_leaves_the_formula():
    network = KAN([3, 1], BSpline.uniform(4)).double()
    network.layers[0].mask[0, 1] = False
    x = torch.stack([X, X.flip(0), X**3], 1)
    symbolic = symbolic_network(network, x, {"x": CANDIDATES["x"]})
    (text,) = symbolic.formula(["p", "q", "r"])
    assert "p" in text
    assert "q" not in text
    assert "r" in text
    assert symbolic(x).shape == (200, 1)


def test_an_edge_behind_a_dead_node_is_a_constant():
    network = KAN([1, 2, 1], BSpline.uniform(4)).double()
    network.layers[0].mask[1] = False
    symbolic = symbolic_network(network, X[:, None], {"sin": CANDIDATES["sin"]})
    assert symbolic.fits[0][1][0].d == 0
    assert symbolic.fits[1][0][1].name == "constant"
    dead = network.layers[1].edges(torch.zeros(2).double())[0, 1].item()
    assert symbolic.fits[1][0][1].d == pytest.approx(dead)


def test_nested_formulas_evaluate_like_the_network():
    network = KAN([2, 2, 1], BSpline.uniform(4)).double()
    x = torch.stack([X, torch.cos(5 * X)], 1)
    table = {name: CANDIDATES[name] for name in ("x^2", "sin", "exp")}
    symbolic = symbolic_network(network, x, table)
    (text,) = symbolic.formula(digits=14)
    scope = {"x1": x[:, 0], "x2": x[:, 1], "exp": torch.exp, "sin": torch.sin}
    torch.testing.assert_close(eval(text, scope), symbolic(x)[:, 0].detach())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: snap(X[:4], X[:4]),
            ValueError,
            r"x has shape \(4,\); expected one row",
        ),
        (lambda: snap(X[:, None], X), ValueError, r"x has shape \(200, 1\)"),
        (lambda: snap(X, X[:9]), ValueError, r"y has shape \(9,\); expected \(200,\)"),
        (lambda: snap(X, X * math.nan), ValueError, "y has 200 entries that are NaN"),
        (lambda: snap(X.square() * 0, X), ValueError, "x has one distinct value, 0"),
        (lambda: snap(X.long(), X), TypeError, "x has dtype int64"),
        (lambda: snap(X, X.tolist()), TypeError, "y is a list"),
        (lambda: snap(X, X, noise=0.0), ValueError, "noise must be"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_module_keeps_the_dtype_of_x():
    edge = snap(X, X.sin())[0].module()
    for dtype in (torch.float16, torch.float32, torch.float64):
        for x in (torch.tensor(0.5, dtype=dtype), X.to(dtype)):
            assert edge(x).dtype == dtype


def test_no_candidates_give_no_fits():
    assert snap(X, X, {}) == []


def test_symbolic_network_errors():
    with pytest.raises(TypeError, match="network is a Linear; expected a KAN"):
        symbolic_network(torch.nn.Linear(1, 1), X[:, None])
    good = snap(X, X)[0]
    for fits, words in (
        ([], "fits has no layer"),
        ([[]], r"layer 1 has rows of \[\] fits"),
        ([[[]]], r"layer 1 has rows of \[0\] fits"),
        ([[[good, good], [good]]], r"layer 1 has rows of \[2, 1\] fits.*here 2"),
        ([[[good, good]], [[good, good]]], r"layer 2 has rows of \[2\] fits.*here 1"),
    ):
        with pytest.raises(ValueError, match=words):
            SymbolicKAN(fits)
    with pytest.raises(TypeError, match="SymbolicKAN: x is a list"):
        SymbolicKAN([[[good]]])([1.0])
    fit = snap(X, X)[0]
    model = SymbolicKAN([[[fit, fit]]])
    with pytest.raises(
        ValueError, match=r"x has shape \(3, 1\); expected \(\.\.\., 2\)"
    ):
        model(torch.ones(3, 1))
    network = KAN([1, 1], BSpline.uniform(4)).double()
    table = {"never": (lambda u: u + math.nan, 1)}
    with pytest.raises(ValueError, match="no candidate is finite on the edge from inp"):
        symbolic_network(network, X[:, None], table)
    with pytest.raises(ValueError, match=r"symbolic_network: x has shape \(0, 1"):
        symbolic_network(network, X[:0, None])
    with pytest.raises(ValueError, match="names has 1 entries; expected 2"):
        model.formula(["x"])


def _fit(name, a, b, c, d):
    return SymbolicFit(1.0, name, a, b, c, d, 1.0, 0.0, CANDIDATES[name][0])


@pytest.mark.parametrize(
    ("edges", "outer", "text"),
    [
        # e^(2 (1/2 sin 3u + 1/2 v^2 - 1) + 2) is e^(sin 3u + v^2)
        (
            [("sin", 3, 0, 0.5, 0), ("x^2", 2, 0, 0.125, -1)],
            ("exp", 2, 2, 1, 0),
            "exp(sin(3*u) + v**2)",
        ),
        ([("x", 2, 1, 3, 0), ("x", 1, 0, -1, 0)], ("x", 2, 0, 1, 5), "12*u - 2*v + 11"),
        ([("x", 2, 0, 1, 0), ("x", 1, 0, 0, 0)], ("1/x", 2, 0, 8, 0), "2*1/u"),
        ([("x", 1, 0, 1, 0), ("x", 1, 0, 1, 0)], ("x^2", 3, 0, 1, 0), "(3*u + 3*v)**2"),
    ],
)
def test_constants_are_gathered_where_that_is_exact(edges, outer, text):
    symbolic = SymbolicKAN([[[_fit(*edge) for edge in edges]], [[_fit(*outer)]]])
    assert symbolic.formula(["u", "v"]) == [text]
    scope = {"u": X + 2, "v": X.flip(0), "exp": torch.exp, "sin": torch.sin}
    value = symbolic(torch.stack([scope["u"], scope["v"]], 1))[:, 0]
    torch.testing.assert_close(eval(text, scope), value.detach())
