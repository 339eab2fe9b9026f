"""The rational editor: ten coefficients to drag, and twelve layers of the curve."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from kanlib import _check, plotting
from kanlib.layers import Rational, gain
from kanlib.widgets._assets import script, style
from kanlib.widgets._figure import MovingFigure

_OWNER = "RationalEditor"
_ALT = (
    "A rational function with its coefficients as sliders, beside the activation it is "
    "to be, and the variances after twelve layers of it as bars."
)
_COEFFICIENTS = {"numerator": 6, "denominator": 4}
_POINTS = 161
_HALF, _STEP = 1000, 0.01
"""Simpson's rule, as in rational.js: steps on either side of 0, and their length."""

_LARGEST = 1e12
_WIDTH, _SMALL = 256, 0.02

OWN = "this curve's gain"
"""The rule for the weights that keeps every variance at 1."""


class Preset(NamedTuple):
    """A function to start from, and the activation that it stands for."""

    function: Rational
    activation: Callable[[Tensor], Tensor]


class RationalEditor(MovingFigure):
    """F(x) = P(x)/Q(x) with sliders for a_0 … a_5 and b_1 … b_4, form A or B.

    Beside the curve stand the variances v of 12 layers, v ← c E[F(√v X)²] with
    X ~ N(0, 1), where the factor c says how the layers' weights are scaled: by the
    curve's own gain, by that of the activation, by 2, or by a standard deviation of
    0.02 at width 256. All of that happens in the browser, with or without a kernel; in
    Jupyter the attributes follow, and may be assigned, observed and linked.

    Args:
        presets: name -> (a `Rational` of degrees up to 5/4, its activation); each is a
            button.
        start: the name of the preset shown first; the first one if None.
        weights: one of `RationalEditor.WEIGHTS`.
        alt: the text read out in place of the figure.
        **traits: anything else an ipywidget takes, `layout` for one.

    Raises:
        TypeError: "presets is" no mapping, or a preset "is" no pair of a Rational and a
            function.
        ValueError: "presets is empty"; a preset "has" more coefficients; "start is" or
            "weights is" none of those there are; "alt is empty".
        traitlets.TraitError: an attribute is later assigned a value that does not fit.

    Notes:
        `gain` and `variances` are computed as in the browser, by Simpson's rule with
        steps of 0.01, good to eight digits where F is smooth but for 0; to three where
        form B has sharp bends elsewhere.

    Example:
        >>> silu = torch.nn.functional.silu
        >>> editor = RationalEditor({"line": (Rational((0.0, 1.0), (), "A"), silu)})
        >>> editor
        RationalEditor: line, form A, weights by this curve's gain
        >>> editor.numerator = [0, 2, 0, 0, 0, 0]
        >>> round(editor.gain, 4)
        0.25
    """

    WEIGHTS = (OWN, "the activation's gain", "He's 2", "std 0.02, width 256")

    _esm = script("rational_editor.js")
    _css = style("figure.css", "panel.css", "rational_editor.css")

    numerator = traitlets.List(traitlets.Float(), minlen=6, maxlen=6).tag(sync=True)
    denominator = traitlets.List(traitlets.Float(), minlen=4, maxlen=4).tag(sync=True)
    form: Any = traitlets.Enum(("A", "B"), default_value="A").tag(sync=True)
    target = traitlets.Unicode().tag(sync=True)
    weights = traitlets.Enum(WEIGHTS, default_value=OWN).tag(sync=True)
    _presets: Any = traitlets.List().tag(sync=True)
    _x = traitlets.List(traitlets.Float()).tag(sync=True)
    _scales: Any = traitlets.List().tag(sync=True)

    def __init__(
        self,
        presets: Mapping[str, tuple[Rational, Callable[[Tensor], Tensor]]],
        *,
        start: str | None = None,
        weights: str = OWN,
        alt: str = _ALT,
        **traits: Any,
    ) -> None:
        self._activations = _checked(presets)
        names = tuple(self._activations)
        start = names[0] if start is None else start
        _check.is_one_of(_OWNER, "start", start, names)
        _check.is_one_of(_OWNER, "weights", weights, self.WEIGHTS)
        x = torch.linspace(-4, 4, _POINTS, dtype=torch.float64)
        shown = [_shown(name, *pair, x) for name, pair in self._activations.items()]
        first = shown[names.index(start)]
        scales = zip(self.WEIGHTS, (None, "target", 2, _WIDTH * _SMALL**2), strict=True)
        super().__init__(
            **{name: first[name] for name in ("numerator", "denominator", "form")},
            target=start,
            weights=weights,
            alt=alt,
            _presets=shown,
            _x=x.tolist(),
            _scales=[{"name": name, "scale": scale} for name, scale in scales],
            **traits,
        )

    @property
    def function(self) -> Rational:
        """The curve as it is now."""
        return Rational(tuple(self.numerator), tuple(self.denominator), self.form)

    @property
    def gain(self) -> float:
        """1 / E[F(X)²] of the curve as it is now; infinite for F = 0."""
        moment = _second_moment(self.function, 1.0)
        return 1 / moment if moment else math.inf

    @property
    def variances(self) -> list[float]:
        """The variances before and after each of 12 layers."""
        scale = {row["name"]: row["scale"] for row in self._scales}[self.weights]
        if scale is None:
            scale = self.gain
        elif scale == "target":
            scale = gain(self._activations[self.target].activation)
        found = [1.0]
        for _ in range(12):
            after = scale * _second_moment(self.function, found[-1])
            found.append(after if after < _LARGEST else _LARGEST)
        return found

    @traitlets.validate("target")
    def _is_there(self, proposal: Any) -> str:
        if proposal.value not in self._activations:
            raise traitlets.TraitError(
                f"{_OWNER}: target is {proposal.value!r}; expected one of "
                f"{', '.join(map(repr, self._activations))}."
            )
        return str(proposal.value)

    @traitlets.validate("numerator", "denominator")
    def _is_finite(self, proposal: Any) -> list[float]:
        if not all(map(math.isfinite, proposal.value)):
            raise traitlets.TraitError(
                f"{_OWNER}: {proposal.trait.name} is {proposal.value}; expected finite "
                "numbers."
            )
        return list(proposal.value)

    def still(self) -> plotting.Figure:
        """Draw the curve as it is now, its activation, and the twelve variances."""
        x = torch.tensor(self._x, dtype=torch.float64)
        activation = self._activations[self.target].activation

        def draw(axes: Any) -> None:
            left, right = axes
            left.plot(x, activation(x), color="gray", lw=4, alpha=0.4, label="target")
            left.plot(x, self.function(x), color="C0", label=f"F, form {self.form}")
            left.set(xlabel="x", ylim=(-2, 4), title="F(x) = P(x) / Q(x)")
            left.legend()
            right.bar(range(1, 13), self.variances[1:], color="C0")
            right.axhline(1, color="gray")
            right.set(yscale="log", ylim=(1e-6, 1e3), title="variance after a layer")
            right.set_xlabel(f"layer; weights: {self.weights}")

        return plotting.figure(draw, alt=self.alt, columns=2)

    def _summary(self) -> str:
        return f"{self.target}, form {self.form}, weights by {self.weights}"


def _checked(presets: Any) -> dict[str, Preset]:
    if not isinstance(presets, Mapping):
        raise TypeError(
            f"{_OWNER}: presets is a {type(presets).__name__}; expected a dict from "
            "names to pairs (Rational, activation)."
        )
    if not presets:
        raise ValueError(f"{_OWNER}: presets is empty; expected at least one.")
    found = {}
    for name, pair in presets.items():
        if not (
            isinstance(pair, tuple)
            and len(pair) == 2
            and isinstance(pair[0], Rational)
            and callable(pair[1])
        ):
            raise TypeError(
                f"{_OWNER}: preset {name!r} is a {type(pair).__name__}; expected a "
                "pair (Rational, activation)."
            )
        for part, most in _COEFFICIENTS.items():
            count = len(getattr(pair[0], part))
            if count > most:
                raise ValueError(
                    f"{_OWNER}: preset {name!r} has {count} coefficients in its "
                    f"{part}; expected at most {most}, one for each slider."
                )
        found[str(name)] = Preset(*pair)
    return found


def _shown(
    name: str, function: Rational, activation: Callable[[Tensor], Tensor], x: Tensor
) -> dict[str, Any]:
    """Return a preset as the page carries it."""
    padded = {
        part: [*getattr(function, part), *[0.0] * most][:most]
        for part, most in _COEFFICIENTS.items()
    }
    target = activation(x).tolist()
    known = {"name": name, "form": function.form, "target": target}
    return known | padded | {"gain": gain(activation)}


def _second_moment(
    f: Callable[[Float[Tensor, " n"]], Tensor], variance: float
) -> float:
    """E[f(√v X)²] by Simpson's rule on each side of 0."""
    i = np.arange(-_HALF, _HALF + 1)
    ends = np.where(np.abs(i) == _HALF, 1, np.where(i % 2, 4, 2))
    z = torch.from_numpy(i * _STEP)
    weight = torch.from_numpy(ends * _STEP / 3) * torch.exp(-(z**2) / 2)
    value = f(math.sqrt(variance) * z)
    return float((value**2 * weight).sum()) / math.sqrt(2 * math.pi)
