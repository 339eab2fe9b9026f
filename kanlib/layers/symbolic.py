"""From curves to formulas: name the function on an edge, then train its constants."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kanlib import _check
from kanlib.layers._arguments import Function, identity
from kanlib.layers._formula import Sum, edge, variable
from kanlib.layers._search import best_fit

Candidates = Mapping[str, tuple[Function, int | float]]

CANDIDATES: Candidates = {
    "constant": (lambda u: 0 * u, 0),
    "x": (identity, 1),
    "x^2": (torch.square, 2),
    "exp": (torch.exp, 2),
    "log": (torch.log, 2),
    "sqrt": (torch.sqrt, 2),
    "1/x": (torch.reciprocal, 2),
    "x^3": (lambda u: u**3, 3),
    "sin": (torch.sin, 3),
    "abs": (torch.abs, 3),
    "tanh": (torch.tanh, 3),
    "gaussian": (lambda u: torch.exp(-u.square()), 3),
    "x^4": (lambda u: u**4, 4),
}
"""What `snap` tries: name, function and complexity; a caller may pass its own."""

POINTS = 200
"""How many points of a curve `snap` looks at; more cost time and change no name."""


@dataclass(frozen=True)
class SymbolicFit:
    """y ≈ c F(a x + b) + d, callable, with what it explains and what it costs."""

    r2: float
    """Share of y's variance explained; 1 for an exact fit."""
    name: str
    """Which F."""
    a: float
    b: float
    c: float
    d: float
    complexity: float
    """Price of F in the table of candidates."""
    score: float
    """−log₁₀ max(1 − r2, noise) − complexity: fits are sorted by it, largest first."""
    function: Function = field(repr=False, compare=False)

    def __call__(self, x: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Return c F(a x + b) + d."""
        return self.c * self.function(self.a * x + self.b) + self.d

    def formula(self, name: str = "x", digits: int = 4) -> str:
        """Return the fit as a Python expression with `digits` significant digits."""
        constants = (self.a, self.b, self.c, self.d)
        return edge(self.name, constants, variable(name), digits).text(digits)

    def module(self) -> "SymbolicEdge":
        """Return the fit as a module whose a, b, c, d can be trained."""
        return SymbolicEdge(self)


class SymbolicEdge(nn.Module):
    """x ↦ c F(a x + b) + d with trainable scalars `a`, `b`, `c`, `d` in float64.

    Args:
        fit: Where F and the starting values come from.
    """

    a: Tensor
    b: Tensor
    c: Tensor
    d: Tensor
    function: Function

    def __init__(self, fit: SymbolicFit) -> None:
        super().__init__()
        self.name: str
        self.name, self.function = fit.name, fit.function
        for constant in "abcd":
            value = torch.tensor(getattr(fit, constant), dtype=torch.float64)
            self.register_parameter(constant, nn.Parameter(value))

    def forward(self, x: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Return c F(a x + b) + d, in x's dtype."""
        return (self.c * self.function(self.a * x + self.b) + self.d).to(x.dtype)

    def of(self, inner: Sum, digits: int) -> Sum:
        """Return c F(a u + b) + d as text, for an argument u that is text already."""
        constants = [getattr(self, constant).item() for constant in "abcd"]
        return edge(self.name, constants, inner, digits)

    def extra_repr(self) -> str:
        """The formula."""
        return self.of(variable("x"), 4).text(4)


def snap(
    x: Float[Tensor, " points"],
    y: Float[Tensor, " points"],
    candidates: Candidates | None = None,
    *,
    noise: float = 1e-5,
) -> list[SymbolicFit]:
    """Fit y ≈ c F(a x + b) + d for every candidate F and sort by evidence less price.

    The score is −log₁₀ max(1 − r2, noise) − complexity: a function that costs one unit
    more has to leave ten times less unexplained. Below `noise` nothing counts as
    evidence, since an edge was itself only trained to about that: so among a sine, a
    Gaussian and a square that all fit a near-parabola, the square is taken.

    Args:
        x: Where the curve is known.
        y: The curve.
        candidates: Name → (F, complexity); `CANDIDATES` if left out.
        noise: Share of y's variance that is not worth explaining. For exact data, make
            it small.

    Returns:
        One fit per candidate, best first. An (a, b) for which F is not finite on all
        points, such as a logarithm of negative numbers, is no fit; a candidate without
        any is left out.

    Raises:
        TypeError: "x has dtype", "y has dtype": not floating.
        ValueError: "x has shape", "y has shape": not two equal rows of at least 5
            points; "entries that are NaN"; "noise must be"; "x has one distinct value".

    Notes:
        (a, b) is searched on a 41 × 41 grid over [−10, 10]² (with x moved to [−1, 1])
        and the best starts are refined by Levenberg–Marquardt; c and d are solved for
        in closed form throughout. Then a = ±1 and b = 0 are tried and kept where the
        misfit stays within `noise` or 1 % of the best, so that an exponential comes
        without its redundant b. At most 200 points are used, evenly picked along x.

    Example:
        >>> x = torch.linspace(-1, 1, 50)
        >>> best = snap(x, 2 * torch.sin(3 * x) + 1)[0]
        >>> best.formula(digits=3)
        '2*sin(3*x) + 1'

    Reference:
        [liu2024kan] section 2.5.1 (place from memory); the score is ours.
    """
    _check_curve(x, y)
    _check.is_positive("snap", "noise", noise)
    curve = _picked(x.detach().double().cpu(), y.detach().double().cpu())
    fits = []
    table = CANDIDATES if candidates is None else candidates
    for name, (function, complexity) in table.items():
        found = best_fit(function, *curve, noise)
        if found is not None:
            constants, misfit = found
            price = float(complexity)
            score = -math.log10(max(misfit, noise)) - price
            fits.append(
                SymbolicFit(1 - misfit, name, *constants, price, score, function)
            )
    return sorted(fits, key=lambda fit: (-fit.score, fit.complexity, -fit.r2))


def constant_fit(value: float) -> SymbolicFit:
    """Return the fit of a curve that is `value` everywhere."""
    function, complexity = CANDIDATES["constant"]
    return SymbolicFit(
        1.0, "constant", 1.0, 0.0, 0.0, value, float(complexity), math.inf, function
    )


def _picked(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return at most `POINTS` points of a curve, evenly picked along x."""
    order = torch.argsort(x)
    places = torch.linspace(0, len(x) - 1, min(len(x), POINTS), device=x.device)
    picked = order[places.long()]
    return x[picked], y[picked]


def _check_curve(x: Tensor, y: Tensor) -> None:
    _check.is_floating("snap", "x", x)
    _check.is_floating("snap", "y", y)
    if x.ndim != 1 or len(x) < 5:
        raise ValueError(
            f"snap: x has shape {tuple(x.shape)}; expected one row of at least 5 "
            "points, because each fit has 4 constants."
        )
    shape = tuple(x.shape)
    _check.has_shape("snap", "y", y, shape, f"x has shape {shape}")
    _check.is_finite("snap", "x", x)
    _check.is_finite("snap", "y", y)
    if not bool((x != x[0]).any()):
        raise ValueError(
            f"snap: x has one distinct value, {float(x[0]):g}; expected a range."
        )
