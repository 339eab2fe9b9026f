"""The criticality explorer: what depth does to a signal, at any (C_b, C_W)."""

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
import traitlets

from kanlib import _check, plotting
from kanlib.theory import (
    Activation,
    Criticality,
    NoCriticalPoint,
    covariance_flow,
    criticality,
    gaussian_mean,
    susceptibilities,
)
from kanlib.widgets._assets import script, style
from kanlib.widgets._figure import MovingFigure

_OWNER = "CriticalityExplorer"
_ALT = (
    "A signal on its way through the layers: the map of its variance with the steps it "
    "takes, and over the layers its variance and the distance of two nearby inputs. At "
    "the critical weight and bias variance both stay or change slowly; elsewhere one "
    "of them grows or shrinks exponentially."
)
_ACTIVATIONS: dict[str, Activation] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "gelu": torch.nn.functional.gelu,
    "swish": torch.nn.functional.silu,
    "sin": torch.sin,
    "linear": lambda z: z,
    "sigmoid": torch.sigmoid,
}
_RANGES = {
    "weight_variance": (0.1, 4.0),
    "bias_variance": (0.0, 1.0),
    "start": (0.01, 100.0),
    "depth": (2, 128),
    "width": (4, 1024),
}
_KEYS = ("activation", "weight_variance", "depth", "values")
_POINTS = 60


class CriticalityExplorer(MovingFigure):
    """K ← C_b + C_W ⟨σ²⟩_K layer by layer, with sliders for C_W, C_b, depth and width.

    On the left the map with the steps that the covariance K takes, beside it K over the
    layers and the distance of two nearby inputs, on a logarithmic axis: a straight line
    is an exponential. Both susceptibilities stand below it, and the dial of L/n with
    the best ratio r*. All is computed in the browser, with or without a kernel; in
    Jupyter the attributes follow, and may be assigned, observed and linked.

    Args:
        accuracy: what training gave, shown as a map with the reader's place in it: a
            dict with "activation" (a name), "weight_variance" and "depth" (increasing)
            and "values", one row a weight variance, one entry a depth, in [0, 1]; NaN
            for what was not trained. None shows no map.
        activation: one of `CriticalityExplorer.ACTIVATIONS`.
        weight_variance: C_W in [0.1, 4]; the critical one if None, 1 if there is none.
        bias_variance: C_b in [0, 1]; the critical one if None, 0 if there is none.
        start: K of the first layer in [0.01, 100]; if None the critical fixed point
            where that is a number above 0, and else 1.
        depth: L, the layers, 2 to 128.
        width: n, the neurons of a layer, 4 to 1024.
        alt: the text read out in place of the figure.
        **traits: anything else an ipywidget takes, `layout` for one.

    Raises:
        TypeError: "accuracy is" no mapping; a number "is" none.
        ValueError: "activation is" none of those there are; a number "must lie in" its
            range; "accuracy has" a missing key, or lists that do not fit.
        traitlets.TraitError: an attribute is later assigned a value that does not fit.

    Notes:
        The critical points are those of `kanlib.theory.criticality`, found once in a
        process. The integrals of the page agree with `kanlib.theory` to 1e-6.

    Example:
        >>> explorer = CriticalityExplorer(
        ...     {
        ...         "activation": "tanh",
        ...         "weight_variance": [0.5, 1.0, 2.0],
        ...         "depth": [4, 16],
        ...         "values": [[0.9, 0.1], [0.95, 0.94], [0.93, 0.5]],
        ...     },
        ...     depth=16,
        ...     width=64,
        ... )
        >>> explorer
        CriticalityExplorer: tanh, C_W = 1, C_b = 0, depth 16, width 64
        >>> explorer.ratio
        0.25
        >>> [round(k, 4) for k in explorer.covariance[:3]]
        [1.0, 0.3943, 0.2365]

    Reference:
        [roberts2022principles], arXiv:2106.10165 (from memory); the drawing is ours.
    """

    ACTIVATIONS = tuple(_ACTIVATIONS)

    _esm = script("criticality_explorer.js")
    _css = style("figure.css", "panel.css", "criticality_explorer.css")

    activation = traitlets.Enum(ACTIVATIONS, default_value="tanh").tag(sync=True)
    weight_variance = traitlets.Float(1.0).tag(sync=True)
    bias_variance = traitlets.Float(0.0).tag(sync=True)
    start = traitlets.Float(1.0).tag(sync=True)
    depth = traitlets.Int(32).tag(sync=True)
    width = traitlets.Int(64).tag(sync=True)
    _critical: Any = traitlets.Dict().tag(sync=True)
    _accuracy: Any = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    _ranges: Any = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        accuracy: Mapping[str, Any] | None = None,
        *,
        activation: str = "tanh",
        weight_variance: float | None = None,
        bias_variance: float | None = None,
        start: float | None = None,
        depth: int = 32,
        width: int = 64,
        alt: str = _ALT,
        **traits: Any,
    ) -> None:
        _check.is_one_of(_OWNER, "activation", activation, self.ACTIVATIONS)
        first = _shown(activation)
        numbers: dict[str, Any] = {
            "weight_variance": _or(weight_variance, first["weight_variance"]),
            "bias_variance": _or(bias_variance, first["bias_variance"]),
            "start": _or(start, _or(first["fixed_point"], 1.0)),
            "depth": depth,
            "width": width,
        }
        for name in ("depth", "width"):
            _check.is_integer(_OWNER, name, numbers[name], int(_RANGES[name][0]))
        for name, value in numbers.items():
            _check.is_number(_OWNER, name, value)
            if problem := _range_problem(name, value):
                raise ValueError(problem)
        super().__init__(
            **numbers,
            activation=activation,
            alt=alt,
            _critical={name: _shown(name) for name in self.ACTIVATIONS},
            _accuracy=None if accuracy is None else _checked(accuracy),
            _ranges=_RANGES,
            **traits,
        )

    @property
    def critical(self) -> Criticality | None:
        """The critical point of the activation, None if it has none."""
        return _critical_point(self.activation)

    @property
    def covariance(self) -> list[float]:
        """K of layers 1 to L."""
        f = _ACTIVATIONS[self.activation]
        both = {
            "bias_variance": self.bias_variance,
            "weight_variance": self.weight_variance,
        }
        return covariance_flow(f, self.start, self.depth, **both).tolist()

    @property
    def distance(self) -> list[float]:
        """Squared distance of two nearby inputs, layer by layer, 1 in the first."""
        f, found = _ACTIVATIONS[self.activation], [1.0]
        for k in self.covariance[:-1]:
            chi = susceptibilities(f, k, weight_variance=self.weight_variance)
            found.append(found[-1] * chi.perpendicular)
        return found

    @property
    def ratio(self) -> float:
        """The ratio r = L/n: how far the network is from a Gaussian process."""
        return self.depth / self.width

    @traitlets.validate("weight_variance", "bias_variance", "start", "depth", "width")
    def _is_in_range(self, proposal: Any) -> float:
        if problem := _range_problem(proposal.trait.name, proposal.value):
            raise traitlets.TraitError(problem)
        return proposal.value

    def still(self) -> plotting.Figure:
        """Draw the map, the flow over the layers, and the measured accuracy."""
        flow, distance = self.covariance, self.distance
        low, high = _decades(flow)
        k = np.geomspace(low / 10, high * 10, _POINTS)
        f = _ACTIVATIONS[self.activation]
        square = [gaussian_mean(lambda z: f(z) ** 2, v, tolerance=1e-6) for v in k]
        after = self.bias_variance + self.weight_variance * np.array(square)
        measured = self._accuracy

        def draw(axes: Any) -> None:
            left, middle, *right = axes
            left.loglog(k, k, color="gray", lw=4, alpha=0.4, label="K unchanged")
            left.loglog(k, after, color="C0", label="next layer")
            x = np.repeat(flow, 2)
            left.loglog(x[:-1], x[1:], color="C1", lw=1, label="_steps")
            left.set(xlabel="K", title=f"{self.activation}: K, then the next")
            left.legend()
            layers = range(1, self.depth + 1)
            middle.semilogy(layers, flow, ".-", color="C0", label="K")
            middle.semilogy(layers, distance, "--", color="C1", label="distance²")
            middle.set(xlabel="layer", title="straight lines are exponentials")
            middle.set_ylim(_decades([*flow, *distance]))
            middle.legend()
            for axis in (left, middle):
                axis.minorticks_off()  # a hundred labels to lay out, none to read
            for axis in right:
                _draw_accuracy(axis, measured)

        columns = 3 if measured else 2
        size = (3.2 * columns, 3.2)
        return plotting.figure(draw, alt=self.alt, columns=columns, size=size)

    def _summary(self) -> str:
        return (
            f"{self.activation}, C_W = {self.weight_variance:.6g}, "
            f"C_b = {self.bias_variance:.6g}, depth {self.depth}, width {self.width}"
        )


def _decades(values: list[float]) -> tuple[float, float]:
    """Return powers of ten below and above positive numbers, within [1e-13, 1e13]."""
    low, high = max(min(values), 1e-12), min(max(values), 1e12)
    return (
        10.0 ** math.floor(math.log10(low) - 1e-9),
        10.0 ** math.ceil(math.log10(high) + 1e-9),
    )


def _or(given: Any, otherwise: float) -> Any:
    return otherwise if given is None else given


def _range_problem(name: str, value: float) -> str:
    low, high = _RANGES[name]
    if low <= value <= high:
        return ""
    return f"{_OWNER}: {name} must lie in [{low}, {high}], got {value}."


@cache
def _critical_point(name: str) -> Criticality | None:
    try:
        return criticality(_ACTIVATIONS[name])
    except NoCriticalPoint:
        return None


def _shown(name: str) -> dict[str, Any]:
    """Return the critical constants of an activation as the page carries them."""
    found = _critical_point(name)
    if found is None:
        return {
            "there": False,
            "weight_variance": 1.0,
            "bias_variance": 0.0,
            "fixed_point": None,
            "aspect_ratio": None,
        }
    fixed = found.fixed_point
    return {
        "there": True,
        "weight_variance": found.weight_variance,
        "bias_variance": found.bias_variance,
        "fixed_point": fixed if 0 < fixed < math.inf else None,
        "aspect_ratio": found.aspect_ratio,
    }


def _checked(accuracy: Any) -> dict[str, Any]:
    """Return a measured map as plain lists, its unmeasured entries as None."""
    if not isinstance(accuracy, Mapping):
        raise TypeError(
            f"{_OWNER}: accuracy is a {type(accuracy).__name__}; expected a dict with "
            f"the keys {', '.join(_KEYS)}."
        )
    for key in _KEYS:
        if key not in accuracy:
            raise ValueError(
                f"{_OWNER}: accuracy has no {key!r}; expected the keys "
                f"{', '.join(_KEYS)}."
            )
    name = accuracy["activation"]
    _check.is_one_of(_OWNER, "accuracy['activation']", name, tuple(_ACTIVATIONS))
    axes = {}
    for key in ("weight_variance", "depth"):
        axis = np.asarray(accuracy[key], dtype=float)
        if axis.ndim != 1 or axis.size == 0 or not np.all(np.diff(axis) > 0):
            raise ValueError(
                f"{_OWNER}: accuracy has {key} {accuracy[key]}; expected increasing "
                "numbers."
            )
        axes[key] = axis.tolist()
    values = np.asarray(accuracy["values"], dtype=float)
    expected = tuple(map(len, axes.values()))
    if values.shape != expected:
        raise ValueError(
            f"{_OWNER}: accuracy has values of shape {values.shape}; expected "
            f"{expected}, one row a weight variance and one entry a depth."
        )
    if np.any((values < 0) | (values > 1)):
        raise ValueError(f"{_OWNER}: accuracy has values outside [0, 1].")
    rows = [[None if math.isnan(v) else v for v in row] for row in values.tolist()]
    return {"activation": name, **axes, "values": rows}


def _draw_accuracy(axes: Any, measured: dict[str, Any]) -> None:
    weights, depths = measured["weight_variance"], measured["depth"]
    values = np.array(measured["values"], dtype=float).T
    axes.grid(False)
    axes.imshow(values, origin="lower", aspect="auto", vmin=0, vmax=1, cmap="Blues")
    axes.set_xticks(range(len(weights)), [f"{w:.3g}" for w in weights])
    axes.set_yticks(range(len(depths)), [f"{d:g}" for d in depths])
    name = measured["activation"]
    axes.set(
        xlabel="$C_W$", ylabel="depth", title=f"accuracy after training (%), {name}"
    )
    for (row, column), value in np.ndenumerate(values):
        if not math.isnan(value):
            color = "white" if value > 0.6 else "black"
            text = f"{100 * value:.0f}"
            axes.text(column, row, text, ha="center", va="center", color=color)
