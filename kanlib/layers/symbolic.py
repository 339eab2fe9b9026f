"""From curves to formulas: name the function on an edge, then train its constants."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kanlib import _check
from kanlib.layers.kan import KAN, layers_of
from kanlib.layers.kan_layer import Function, identity

CANDIDATES: dict[str, tuple[Function, float]] = {
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

TEXTS = {
    "x": "{}",
    "x^2": "{}**2",
    "x^3": "{}**3",
    "x^4": "{}**4",
    "1/x": "1/{}",
    "gaussian": "exp(-{}**2)",
}
"""How a formula writes a candidate; others are written `name(argument)`."""


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

    def formula(self, variable: str = "x", digits: int = 4) -> str:
        """Return the fit as a Python expression with `digits` significant digits."""
        term = _term(self, variable, digits)
        return _sum([term], self.d, digits)

    def module(self) -> "SymbolicEdge":
        """Return the fit as a module whose a, b, c, d can be trained."""
        return SymbolicEdge(self)


class SymbolicEdge(nn.Module):
    """x ↦ c F(a x + b) + d with trainable scalars `a`, `b`, `c`, `d` in float64.

    Args:
        fit: Where F and the starting values come from.
    """

    def __init__(self, fit: SymbolicFit) -> None:
        super().__init__()
        self.name, self.function = fit.name, fit.function
        for constant in "abcd":
            value = torch.tensor(getattr(fit, constant), dtype=torch.float64)
            self.register_parameter(constant, nn.Parameter(value))

    def forward(self, x: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Return c F(a x + b) + d, in x's dtype."""
        return self.c * self.function(self.a * x + self.b) + self.d

    def extra_repr(self) -> str:
        """The formula."""
        return _sum([_term(self, "x", 4)], self.d.item(), 4)


class SymbolicKAN(nn.Module):
    """A KAN whose edges are named functions; made by `symbolic_network`.

    Args:
        fits: `fits[l][o][i]` is the function on the edge from input i to output o of
            layer l.

    Shape:
        x (..., inputs), result (..., outputs).
    """

    def __init__(self, fits: Sequence[Sequence[Sequence[SymbolicFit]]]) -> None:
        super().__init__()
        self.fits = fits
        self.layers = nn.ModuleList(
            nn.ModuleList(nn.ModuleList(fit.module() for fit in row) for row in layer)
            for layer in fits
        )

    def forward(self, x: Float[Tensor, "*batch I"]) -> Float[Tensor, "*batch O"]:
        """Return the network's value: at every node the sum over its edges."""
        size = len(self.fits[0][0])
        _check.last_axis("SymbolicKAN", "x", x, size, f"the network has {size} inputs")
        for layer in self._rows():
            x = torch.stack(
                [sum(e(x[..., i]) for i, e in enumerate(row)) for row in layer], -1
            )
        return x

    def formula(self, names: Sequence[str] | None = None, digits: int = 4) -> list[str]:
        """Return one Python expression per output, with the constants as they are now.

        Args:
            names: Names of the inputs; x1, x2, … if left out.
            digits: Significant digits.

        Raises:
            ValueError: "names has" another length than there are inputs.
        """
        size = len(self.fits[0][0])
        texts = [f"x{i + 1}" for i in range(size)] if names is None else list(names)
        if len(texts) != size:
            raise ValueError(
                f"SymbolicKAN.formula: names has {len(texts)} entries; expected "
                f"{size}, because the network has {size} inputs."
            )
        for layer in self._rows():
            texts = [
                _sum(
                    [_term(e, t, digits) for e, t in zip(row, texts, strict=True)],
                    sum(e.d.item() for e in row),
                    digits,
                )
                for row in layer
            ]
        return texts

    def _rows(self) -> list[list[list[SymbolicEdge]]]:
        return [[list(row) for row in layer] for layer in self.layers]  # type: ignore


def snap(
    x: Float[Tensor, " points"],
    y: Float[Tensor, " points"],
    candidates: Mapping[str, tuple[Function, float]] | None = None,
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
        without its redundant b. At most 500 points are used, evenly picked along x.

    Example:
        >>> x = torch.linspace(-1, 1, 50)
        >>> best = snap(x, 2 * torch.sin(3 * x) + 1)[0]
        >>> best.formula(digits=3)
        '2*sin(3*x) + 1'

    Reference:
        [liu2024kan] section 2.5.1; the score is ours.
    """
    _check_curve(x, y)
    _check.is_positive("snap", "noise", noise)
    order = torch.argsort(x.detach().double().flatten())
    picked = order[torch.linspace(0, len(order) - 1, min(len(order), 500)).long()]
    curve = x.detach().double()[picked].cpu(), y.detach().double()[picked].cpu()
    fits = []
    for name, (function, complexity) in (candidates or CANDIDATES).items():
        found = _best(function, *curve, noise)
        if found is not None:
            (a, b, c, d), misfit = found
            score = -math.log10(max(misfit, noise)) - complexity
            fits.append(
                SymbolicFit(1 - misfit, name, a, b, c, d, complexity, score, function)
            )
    return sorted(fits, key=lambda fit: (-fit.score, fit.complexity, -fit.r2))


def symbolic_network(
    network: KAN,
    x: Float[Tensor, "*batch I"],
    candidates: Mapping[str, tuple[Function, float]] | None = None,
    *,
    noise: float = 1e-5,
) -> SymbolicKAN:
    """Return the network with every edge snapped to its best named function.

    Prune first: each edge costs one `snap`. Masked edges become 0. Afterwards train the
    constants, `kanlib.train.lbfgs(symbolic, …)`, and read `symbolic.formula()`.

    Args:
        network: The trained KAN.
        x: The network's inputs, from which it finds each layer's inputs.
        candidates: As in `snap`.
        noise: As in `snap`.

    Raises:
        ValueError: as `snap`.
    """
    fits = []
    with torch.no_grad():
        inputs = network.activations(x)
        for layer, h in zip(layers_of(network), inputs, strict=True):
            h = h.reshape(-1, layer.in_features)
            edges = layer.edges(h)
            fits.append(
                [
                    [
                        snap(h[:, i], edges[:, o, i], candidates, noise=noise)[0]
                        for i in range(layer.in_features)
                    ]
                    for o in range(layer.out_features)
                ]
            )
    return SymbolicKAN(fits)


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


def _best(
    function: Function, x: Tensor, y: Tensor, noise: float
) -> tuple[tuple[float, float, float, float], float] | None:
    """(a, b, c, d) and the unexplained share of the variance; None if never finite."""
    middle, half = (x.max() + x.min()) / 2, (x.max() - x.min()) / 2
    line = torch.linspace(-10, 10, 41, dtype=x.dtype)
    a, b = torch.cartesian_prod(line, line).unbind(1)
    misfit = _project(function(a[:, None] * ((x - middle) / half) + b[:, None]), y)[2]
    # Half of the starts have a small b, the simplest among equals of a periodic F.
    small = torch.where(b.abs() <= 2, misfit, math.inf)
    starts = torch.cat([m.topk(4, largest=False).indices for m in (misfit, small)])
    starts = starts[misfit[starts].isfinite()]
    if not len(starts):
        return None
    a = a[starts] / half
    b = b[starts] - a * middle
    both = torch.ones(len(a), 2, dtype=torch.bool)
    a, b, misfit = _refine(function, x, y, a, b, both)
    near = misfit <= 1.01 * misfit.min() + 1e-12
    best = torch.where(near, a.abs() + b.abs(), math.inf).argmin()
    a, b, misfit = _simplify(function, x, y, a[best], b[best], misfit[best], noise)
    value = function(a * x + b)
    c, d, _ = _project(value, y)
    return (float(a), float(b), float(c), float(d)), float(misfit)


def _simplify(
    function: Function,
    x: Tensor,
    y: Tensor,
    a: Tensor,
    b: Tensor,
    misfit: Tensor,
    noise: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Take the first simpler (a, b) with a misfit within the noise, or 1 % of ours."""
    one, zero, shift = a.new_ones(()), a.new_zeros(()), b / a.abs().clamp(min=1e-300)
    trials = [
        (one, zero, (False, False)),
        (-one, zero, (False, False)),
        (a.abs(), zero, (True, False)),
        (-a.abs(), zero, (True, False)),
        (one, shift, (False, True)),
        (one, -shift, (False, True)),
        (-one, shift, (False, True)),
        (a.abs(), b * a.sign(), (True, True)),
    ]
    firsts, seconds, free = zip(*trials, strict=True)
    new_a, new_b, new_misfit = _refine(
        function, x, y, torch.stack(firsts), torch.stack(seconds), torch.tensor(free)
    )
    allowed = (1.01 * misfit).clamp(min=noise)
    good = torch.nonzero(new_misfit <= allowed).flatten()
    if not len(good):
        return a, b, misfit
    return new_a[good[0]], new_b[good[0]], new_misfit[good[0]]


def _project(value: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Regress y on c · value + d along the last axis: c, d, unexplained share."""
    centered = value - value.mean(-1, keepdim=True)
    target = y - y.mean()
    power = centered.square().sum(-1)
    # A value that is constant but for rounding explains nothing.
    varies = power > 1e-24 * value.square().sum(-1)
    c = torch.where(varies, (centered @ target) / torch.where(varies, power, 1), 0.0)
    rest = (target - c.unsqueeze(-1) * centered).square().sum(-1)
    total = target.square().sum()
    if total <= 1e-24 * y.square().sum():  # y is constant: so is every perfect fit
        c, misfit = torch.zeros_like(c), torch.zeros_like(rest)
    else:
        misfit = rest / total
    d = y.mean() - c * value.mean(-1)
    finite = value.isfinite().all(-1) & misfit.isfinite()
    return c, d, torch.where(finite, misfit, math.inf)


def _refine(
    function: Function, x: Tensor, y: Tensor, a: Tensor, b: Tensor, free: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Levenberg–Marquardt in (a, b), many starts at once; c and d are projected out."""
    point = torch.stack([a, b], -1)  # (starts, 2)
    misfit = _misfit(function, x, y, point)
    damping = torch.full_like(misfit, 1e-3)
    idle = 0  # rounds in a row in which no start gained a thousandth
    for _ in range(60):
        jacobian, residual = _linearized(function, x, y, point)
        jacobian = jacobian * free.unsqueeze(1)
        normal = jacobian.mT @ jacobian
        slope = (jacobian.mT @ residual.unsqueeze(-1)).squeeze(-1)
        # A fixed constant has a zero row; 1 on its diagonal keeps the system regular.
        scale = torch.diagonal(normal, dim1=1, dim2=2)
        scale = torch.where(scale > 0, scale, 1) * (1 + damping.unsqueeze(-1))
        off = normal[:, 0, 1]
        determinant = scale[:, 0] * scale[:, 1] - off.square()
        step = torch.stack(
            [
                scale[:, 1] * slope[:, 0] - off * slope[:, 1],
                scale[:, 0] * slope[:, 1] - off * slope[:, 0],
            ],
            -1,
        ) / determinant.unsqueeze(-1)
        trial = point + step
        reached = _misfit(function, x, y, trial)
        better = reached < misfit
        idle = 0 if bool((reached < 0.999 * misfit - 1e-14).any()) else idle + 1
        if idle == 6:
            break
        point = torch.where(better.unsqueeze(-1), trial, point)
        misfit = torch.where(better, reached, misfit)
        damping = torch.where(better, damping / 5, damping * 5)
    return point[:, 0], point[:, 1], misfit


def _misfit(function: Function, x: Tensor, y: Tensor, point: Tensor) -> Tensor:
    return _project(function(point[:, :1] * x + point[:, 1:]), y)[2]


def _linearized(
    function: Function, x: Tensor, y: Tensor, point: Tensor
) -> tuple[Tensor, Tensor]:
    """Derivative of c F in (a, b), orthogonal to F and 1, and the present residual."""
    u = point[:, :1] * x + point[:, 1:]
    with torch.enable_grad():
        value = function(u.requires_grad_())
        (slope,) = torch.autograd.grad(value.sum(), u)
    value = value.detach()
    c, d, _ = _project(value, y)
    # A root has an infinite slope at 0; that point then does not steer the search.
    slope = torch.where(slope.isfinite(), c.unsqueeze(-1) * slope, 0.0)
    jacobian = torch.stack([slope * x, slope], -1)  # (starts, points, 2)
    jacobian = jacobian - jacobian.mean(1, keepdim=True)
    centered = value - value.mean(-1, keepdim=True)
    power = centered.square().sum(-1, keepdim=True).clamp(min=1e-300)
    direction = (centered / power.sqrt()).unsqueeze(-1)
    jacobian = jacobian - direction * (direction.mT @ jacobian)
    return jacobian, y - c.unsqueeze(-1) * value - d.unsqueeze(-1)


def _term(fit: SymbolicFit | SymbolicEdge, variable: str, digits: int) -> str:
    """Write c F(a x + b); empty when c is 0."""
    a, b, c, _ = _constants(fit)
    if c == 0:
        return ""
    argument = _sum([_times(a, variable, digits)], b, digits)
    if fit.name not in TEXTS:
        return _times(c, f"{fit.name}({argument})", digits)
    closed = argument if argument.isidentifier() else f"({argument})"
    return _times(c, TEXTS[fit.name].format(closed), digits)


def _constants(fit: SymbolicFit | SymbolicEdge) -> list[float]:
    values = [getattr(fit, name) for name in "abcd"]
    return [v.item() if isinstance(v, Tensor) else v for v in values]


def _times(factor: float, text: str, digits: int) -> str:
    number = f"{factor:.{digits}g}"
    if number == "1":
        return text
    product = f"({text})" if _is_sum(text) else text
    return f"-{product}" if number == "-1" else f"{number}*{product}"


def _is_sum(text: str) -> bool:
    depth = 0
    for sign in text:
        depth += (sign == "(") - (sign == ")")
        if sign == " " and depth == 0:
            return True
    return False


def _sum(terms: Sequence[str], constant: float, digits: int) -> str:
    """Join terms; a constant below the last shown digit of 1 is not shown."""
    shown = [term for term in terms if term]
    if abs(constant) >= 10.0**-digits or not shown:
        shown.append(f"{constant:.{digits}g}")
    return " + ".join(shown).replace("+ -", "- ")
