"""Rational functions without poles that follow a given function."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from kanlib import _check
from kanlib.ops.group_rational import FORMS, Form, group_rational

POINTS = 400
"""Points of a fit, denser toward the ends, where polynomials err most."""

STEPS = 300
"""Steps of one refinement at most; ten or twenty are usual."""


@dataclass(frozen=True)
class Rational:
    """F(x) = P(x) / Q(x) as a plain value: prints, compares, hashes, and is a function.

    Args:
        numerator: a_0 … a_m of P = Σ a_i xⁱ.
        denominator: b_1 … b_n of Q, as `kanlib.ops.group_rational` has it.
        form: "A" or "B", what Q is.
        max_error: Largest error of the fit it comes from; None if it comes from none.

    Raises:
        TypeError: "numerator is" or "denominator is" not a sequence of numbers.
        ValueError: "numerator must be" one or more finite numbers; "form is".

    Example:
        >>> Rational((0.0, 1.0), (1.0,), "A")(torch.tensor([3.0, -3.0]))
        tensor([ 0.7500, -0.7500])
    """

    numerator: tuple[float, ...]
    denominator: tuple[float, ...]
    form: Form
    max_error: float | None = None

    def __post_init__(self) -> None:
        _check.is_one_of("Rational", "form", self.form, FORMS)
        for name, least in (("numerator", 1), ("denominator", 0)):
            values = _check.finite_numbers("Rational", name, getattr(self, name), least)
            object.__setattr__(self, name, values)

    def __call__(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return F(x), in the dtype and on the device of x."""
        _check.is_floating("Rational", "x", x)
        kind = torch.float64 if x.dtype == torch.float64 else torch.float32
        a, b = (
            torch.tensor([values], dtype=kind, device=x.device)
            for values in (self.numerator, self.denominator)
        )
        return group_rational(x.unsqueeze(-1), a, b, form=self.form).squeeze(-1)


def rational_fit(
    f: Callable[[Tensor], Tensor],
    *,
    numerator_degree: int = 5,
    denominator_degree: int = 4,
    form: Form = "A",
    interval: tuple[float, float] = (-3.0, 3.0),
) -> Rational:
    """Return F ≈ f by least squares in the points of an interval: min Σ (F − f)².

    Args:
        f: A function of tensors, such as `torch.tanh`; gets float64.
        numerator_degree: m ≥ 0.
        denominator_degree: n ≥ 0.
        form: "A", Q = 1 + Σ |b_j| |x|ʲ, or "B", Q = 1 + |Σ b_j xʲ|.
        interval: Where F shall follow f.

    Returns:
        The fit with the smallest largest error that was found; `max_error` is that
        error on a fine grid of the interval.

    Raises:
        TypeError: "f is" not callable; "interval is", "numerator_degree is".
        ValueError: "numerator_degree must be", "denominator_degree must be", "form is",
            "interval must be", "f(x) has shape", "f(x) has 3 entries that are NaN".

    Notes:
        Multiplied by Q the problem is linear but for a sign, which is where the search
        starts; Levenberg–Marquardt steps refine it from there and from a few fixed
        other denominators, for there are local minima. The same call gives the same
        coefficients. Takes about a tenth of a second.
        Outside of the interval nothing is promised but that F has no pole.

    Example:
        >>> fit = rational_fit(torch.tanh)
        >>> fit.max_error < 3e-6
        True

    Reference:
        [molina2019pade], arXiv:1907.06732; [yang2024kat], arXiv:2409.10594, starts its
        layers from such fits.
    """
    owner = "rational_fit"
    if not callable(f):
        raise TypeError(f"{owner}: f is a {type(f).__name__}; expected a function.")
    _check.is_integer(owner, "numerator_degree", numerator_degree, 0)
    _check.is_integer(owner, "denominator_degree", denominator_degree, 0)
    _check.is_one_of(owner, "form", form, FORMS)
    _check.is_interval(owner, "interval", interval)
    low, high = map(float, interval)
    # In units of the far end all powers are at most 1.
    unit = max(abs(low), abs(high))
    angles = np.pi * (np.arange(POINTS) + 0.5) / POINTS
    points = (low + high) / 2 - (high - low) / 2 * np.cos(angles)
    values = _values(f, points)
    problem = _Problem(points / unit, values, numerator_degree, form)
    fine = np.linspace(low, high, 4001)
    target = _values(f, fine)
    check = _Problem(fine / unit, target, numerator_degree, form)
    best, least = np.zeros(0), np.inf
    for start in problem.starts(denominator_degree):
        found = problem.refined(start)
        error = float(np.abs(check.residual(found)).max())
        if error < least:
            best, least = found, error
    split = numerator_degree + 1
    a = best[:split] / unit ** np.arange(split)
    b = best[split:] / unit ** np.arange(1, denominator_degree + 1)
    if form == "A":
        b = np.abs(b)
    return Rational(tuple(a.tolist()), tuple(b.tolist()), form, least)


class _Problem:
    """Least squares for c = (a_0 … a_m, b_1 … b_n) in given points."""

    def __init__(self, x: np.ndarray, y: np.ndarray, m: int, form: Form) -> None:
        self.x, self.y, self.form, self.split = x, y, form, m + 1
        self.powers = x[:, None] ** np.arange(m + 1)
        self.base = np.abs(x) if form == "A" else x

    def residual(self, c: np.ndarray) -> np.ndarray:
        """F − y."""
        p, q, _ = self._parts(c)
        return p / q - self.y

    def refined(self, c: np.ndarray) -> np.ndarray:
        """Return the end of Levenberg–Marquardt steps from c."""
        damping = 1e-3
        p, q, inner = self._parts(c)
        r = p / q - self.y
        for _ in range(STEPS):
            jacobian = np.hstack(
                [self.powers / q[:, None], -(p / q**2)[:, None] * inner]
            )
            size = np.linalg.norm(jacobian, axis=0)
            scale = np.diag(np.sqrt(damping) * np.where(size > 0, size, 1))
            right = np.concatenate([-r, np.zeros(len(c))])
            step = np.linalg.lstsq(np.vstack([jacobian, scale]), right, rcond=None)[0]
            trial = c + step
            tp, tq, tinner = self._parts(trial)
            moved = tp / tq - self.y
            gained = r @ r - moved @ moved
            if gained <= 0:
                damping *= 8
                if damping > 1e12:
                    break
                continue
            small = gained < 1e-13 * (r @ r)
            c, p, q, inner, r = trial, tp, tq, tinner, moved
            damping = max(damping / 4, 1e-15)
            if small:
                break
        return c

    def starts(self, n: int) -> Iterator[np.ndarray]:
        """Yield where to start: the linear problem's solution, fixed denominators."""
        yield self._linear(n)
        generator = np.random.default_rng(0)
        yield self._with(np.zeros(n))
        if n:
            for spread in (0.3, 1.0, 1.0, 3.0, 3.0, 10.0):
                yield self._with(spread * generator.standard_normal(n))

    def _parts(self, c: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """P, Q, and the derivatives of Q with respect to b."""
        a, b = c[: self.split], c[self.split :]
        powers = self.base[:, None] ** np.arange(1, len(b) + 1)
        if self.form == "A":
            inner = powers * np.where(b < 0, -1, 1)
        else:
            inner = powers * np.where(powers @ b < 0, -1, 1)[:, None]
        return self.powers @ a, 1 + inner @ b, inner

    def _with(self, b: np.ndarray) -> np.ndarray:
        """Return b with the best numerator for it, which is a linear problem."""
        _, q, _ = self._parts(np.concatenate([np.zeros(self.split), b]))
        a = np.linalg.lstsq(self.powers / q[:, None], self.y, rcond=None)[0]
        return np.concatenate([a, b])

    def _linear(self, n: int) -> np.ndarray:
        """Minimize |P − y Σ b_j vʲ − y|², divided by the Q before: nearly |F − y|²."""
        c, weight = np.zeros(self.split + n), np.ones(len(self.x))
        wide = self.base[:, None] ** np.arange(1, n + 1)
        for _ in range(5):
            columns = np.hstack([self.powers, -self.y[:, None] * wide])
            scaled, right = columns * weight[:, None], self.y * weight
            c = np.asarray(np.linalg.lstsq(scaled, right, rcond=None)[0])
            weight = 1 / self._parts(c)[1]
        return self._with(c[self.split :])


def _values(f: Callable[[Tensor], Tensor], points: np.ndarray) -> np.ndarray:
    """Return f in these points, or raise if it is no function of one variable there."""
    owner = "rational_fit"
    with torch.no_grad():
        y = f(torch.from_numpy(points.copy()))
    _check.is_tensor(owner, "f(x)", y)
    _check.has_shape(owner, "f(x)", y, points.shape, "x has it")
    _check.is_finite(owner, "f(x)", y)
    return y.double().numpy()
