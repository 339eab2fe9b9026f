"""The edge editor: one KAN edge whose coefficients the reader drags."""

import math
from collections.abc import Sequence
from typing import Any

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from kanlib import _check, plotting
from kanlib.bases import BSpline
from kanlib.widgets._assets import script, style
from kanlib.widgets._figure import MovingFigure

_OWNER = "SplineEditor"
_EDGE = ("knots", "degree", "coefficients", "base_weight", "probe")
_ALT = (
    "One KAN edge as a curve: a spline, the sum of bumps whose heights are handles to "
    "drag, plus a weighted SiLU. A point on the axis shows value and slope."
)


class SplineEditor(MovingFigure):
    """φ(x) = w·silu(x) + Σ_m c_m B_m(x), with a handle for every c_m.

    The reader drags coefficients, moves the point x at which value and slope are shown,
    changes w, and doubles the grid by exact knot insertion, which multiplies the
    handles and leaves the curve where it is. All of that happens in the browser, with
    or without a kernel. In Jupyter the attributes follow, and may be assigned, observed
    and linked.

    Args:
        basis: a `BSpline` with shared knots.
        coefficients: its K numbers c_m.
        base_weight: w, kept in [−2, 2] by the figure's slider.
        probe: the point x; the middle of the domain if None.
        alt: the text read out in place of the figure.
        **traits: anything else an ipywidget takes, `layout` for one.

    Raises:
        TypeError: "basis is" no BSpline; "coefficients is" not a sequence of numbers.
        ValueError: "alt is empty"; "basis has" one row of knots per input;
            "coefficients has" another number of entries than the basis, or NaN or
            infinite ones; "probe is" outside the domain.
        traitlets.TraitError: an attribute is later assigned a value that does not fit.

    Notes:
        `value` and `slope` are φ(x) and φ′(x) at the probe, from the browser while it
        is dragged there and from Python when Python assigns; they agree to rounding.

    Example:
        >>> editor = SplineEditor(BSpline.uniform(2, degree=1), [0.0, 1.0, 0.0])
        >>> editor
        SplineEditor: BSpline of degree 1, 2 intervals, domain [-1, 1], w = 0
        >>> editor.probe = 0.5
        >>> editor.value, editor.slope
        (0.5, -1.0)
    """

    _esm = script("spline_editor.js")
    _css = style("figure.css", "spline_editor.css")

    knots = traitlets.List(traitlets.Float()).tag(sync=True)
    degree = traitlets.Int().tag(sync=True)
    coefficients = traitlets.List(traitlets.Float()).tag(sync=True)
    base_weight = traitlets.Float().tag(sync=True)
    probe = traitlets.Float().tag(sync=True)
    value = traitlets.Float().tag(sync=True)
    slope = traitlets.Float().tag(sync=True)
    window = traitlets.List(traitlets.Float(), minlen=4, maxlen=4).tag(sync=True)
    start = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        basis: BSpline,
        coefficients: Sequence[float] | Float[Tensor, " K"],
        *,
        base_weight: float = 0.0,
        probe: float | None = None,
        alt: str = _ALT,
        **traits: Any,
    ) -> None:
        edge = _checked(basis, coefficients, base_weight, probe)
        super().__init__(
            **edge, start=edge, alt=alt, window=_window(basis, edge), **traits
        )
        self._follow()

    @property
    def basis(self) -> BSpline:
        """The spline as it is now, after any doubling."""
        return BSpline(tuple(self.knots), self.degree)

    def edge(
        self, x: Float[Tensor, "*batch"], derivative: int = 0
    ) -> Float[Tensor, "*batch"]:
        """Return φ(x), or its first derivative, in x's dtype.

        Raises:
            TypeError: "x has dtype" not floating.
            ValueError: "derivative is" neither 0 nor 1.
        """
        _check.is_floating(_OWNER, "x", x)
        _check.is_one_of(_OWNER, "derivative", derivative, (0, 1))
        coefficients = torch.tensor(self.coefficients, dtype=x.dtype, device=x.device)
        spline = self.basis(x, derivative=derivative) @ coefficients
        return self.base_weight * _silu(x, derivative) + spline

    @traitlets.validate(*_EDGE)
    def _fits(self, proposal: Any) -> Any:
        """Refuse a value that makes no edge together with the others."""
        edge = {name: getattr(self, name) for name in _EDGE}
        edge[proposal.trait.name] = proposal.value
        try:
            basis = BSpline(tuple(edge["knots"]), edge["degree"])
            _checked(basis, edge["coefficients"], edge["base_weight"], edge["probe"])
        except (TypeError, ValueError) as error:
            raise traitlets.TraitError(str(error)) from None
        return proposal.value

    @traitlets.observe(*_EDGE)
    def _follow(self, _: Any = None) -> None:
        """Bring value, slope and window up to date with the edge."""
        for name, derivative in (("value", 0), ("slope", 1)):
            x = torch.tensor(self.probe, dtype=torch.float64)
            fresh = self.edge(x, derivative).item()
            # The browser has set them already while it drags; an echo that differs in
            # the last digit would only disturb it.
            if not math.isclose(getattr(self, name), fresh, rel_tol=0, abs_tol=1e-9):
                setattr(self, name, fresh)
        top = max(map(abs, self.coefficients))
        if top > self.window[3]:
            self.window = _window(self.basis, {n: getattr(self, n) for n in _EDGE})

    def still(self) -> plotting.Figure:
        """Draw the edge as it is now: the curve, its parts and its coefficients."""
        x = torch.linspace(*self.basis.domain, 201, dtype=torch.float64)
        c = torch.tensor(self.coefficients, dtype=torch.float64)

        def draw(axes: Any) -> None:
            base = self.base_weight * _silu(x, 0)
            axes.plot(x, self.basis(x) * c, color="C3", alpha=0.4, linewidth=0.8)
            axes.plot(x, base, "--", color="C1", label="base part w·silu")
            axes.plot(x, self.edge(x), color="C0", linewidth=2.4, label="the edge φ")
            axes.plot(
                self.basis.greville(), c, "o", color="C3", label="coefficients $c_m$"
            )
            axes.set(xlabel="x", xlim=self.window[:2], ylim=self.window[2:])
            axes.legend()

        return plotting.figure(draw, alt=self.alt)

    def _summary(self) -> str:
        return f"{self.basis}, w = {self.base_weight:g}"


def _checked(
    basis: BSpline, coefficients: Any, base_weight: float, probe: float | None
) -> dict[str, Any]:
    """Return the edge as the traits hold it, or raise as `SplineEditor` says."""
    if not isinstance(basis, BSpline):
        raise TypeError(
            f"{_OWNER}: basis is a {type(basis).__name__}; expected a BSpline, because "
            "the handles stand over its knots. Use BSpline.uniform(5)."
        )
    if basis.inputs is not None:
        raise ValueError(
            f"{_OWNER}: basis has {basis.inputs} rows of knots; expected shared knots, "
            "because the figure shows one edge. Use basis.row(0)."
        )
    try:
        numbers = torch.as_tensor(coefficients, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(
            f"{_OWNER}: coefficients is a {type(coefficients).__name__}; expected "
            f"{basis.size} numbers."
        ) from None
    because = f"the basis has {basis.size} functions"
    _check.has_shape(_OWNER, "coefficients", numbers, (basis.size,), because)
    _check.is_finite(_OWNER, "coefficients", numbers)
    _check.is_finite(_OWNER, "base_weight", torch.tensor(float(base_weight)))
    low, high = basis.domain
    probe = (low + high) / 2 if probe is None else float(probe)
    if not low <= probe <= high:
        raise ValueError(
            f"{_OWNER}: probe is {probe:g}; expected a number in [{low:g}, {high:g}], "
            "the domain of the basis."
        )
    return {
        "knots": list(basis.rows[0]),
        "degree": basis.degree,
        "coefficients": numbers.tolist(),
        "base_weight": float(base_weight),
        "probe": probe,
    }


def _window(basis: BSpline, edge: dict[str, Any]) -> list[float]:
    """Return the part of the plane to show: all handles, and room to drag them."""
    x = torch.linspace(*basis.domain, 101, dtype=torch.float64)
    c = torch.tensor(edge["coefficients"], dtype=torch.float64)
    curve = basis(x) @ c + edge["base_weight"] * _silu(x, 0)
    reach = max(1.0, c.abs().max().item(), curve.abs().max().item())
    top = math.ceil(1.25 * reach * 2) / 2
    centers = basis.greville()
    low, high = basis.domain
    return [min(low, centers[0].item()), max(high, centers[-1].item()), -top, top]


def _silu(x: Tensor, derivative: int) -> Tensor:
    sigmoid = torch.sigmoid(x)
    return sigmoid * (1 + x * (1 - sigmoid)) if derivative else x * sigmoid
