"""How the ends of a box are rounded: to nearest, or outward with proved constants.

Notation. u is the unit roundoff of the module's dtype (2⁻²⁴ or 2⁻⁵³), w = 2⁻⁵³ that of
float64, in which `Outward` computes, and γ_n(u) = n u / (1 − n u). λ is the smallest
normal number of the module's dtype.

Assumptions about PyTorch's own evaluation of a layer:

1. Each of +, −, ×, / returns (exact) (1 + δ) + η with |δ| ≤ u and |η| ≤ λ: IEEE
   arithmetic with round to nearest, gradual underflow, with or without fused
   multiply-add. That is PyTorch's default on a CPU and on a GPU without TF32.
2. Sums are sums: in any order, in any blocks, started from 0 or from the bias. No
   Winograd or Fourier convolution, no reduced-precision accumulation.
3. An elementary function f returns a value within k u (|f(x)| + a(x)) + λ of f(x); the
   rule of each function states its k and a, and a test measures them.
4. Nothing overflows. `Outward` checks that, and raises where it cannot exclude it.

Induction. If every tensor that the evaluation forms on the way lies in its box, as a
real number, then so does the next one: each rule encloses the exact image of the box,
and then widens it by a bound on the error of one evaluation, and by a bound on the
error of computing the ends themselves.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from kanlib.certify._box import OWNER, Box, box, refuse

Map = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""(x, weight, bias) to an affine image of x, as `torch.nn.functional.linear`."""


class Nearest:
    """Ends in the dtype of the box, each operation rounded to nearest.

    The same formulas as `Outward` without the widening: they enclose the exact image
    up to rounding, cost less and have gradients.
    """

    def enter(self, lower: Tensor, upper: Tensor) -> Box:
        """Return the box of the input."""
        return box(lower, upper)

    def leave(self, given: Box) -> tuple[Tensor, Tensor]:
        """Return the ends for the caller."""
        return given.lower, given.upper

    def cast(self, constant: Tensor) -> Tensor:
        """Return a constant in the dtype of the computation."""
        return constant

    def number(self, value: float) -> float:
        """Return a Python number as the module uses it."""
        return value

    def affine(
        self,
        given: Box,
        image: Map,
        weight: Tensor,
        bias: Tensor | None,
        terms: int,
        where: str,
    ) -> Box:
        """Return W c + b ± |W| r, the smallest box around the affine image.

        c = (l + u)/2 and r = u − c. Written in place where nothing else reads it: on a
        CPU fresh memory costs as much as the sum.
        """
        center = (given.lower + given.upper).mul_(0.5)
        radius = image(given.upper - center, weight.abs(), None)
        center = image(center, weight, bias)
        return box(center - radius, radius.add_(center))

    def positive(
        self, given: Box, image: Callable[[Tensor], Tensor], terms: int
    ) -> Box:
        """Return the image under a linear map without negative weights."""
        return box(image(given.lower), image(given.upper))

    def widened(
        self, lower: Tensor, upper: Tensor, k: float, beside: Tensor | float = 0.0
    ) -> Box:
        """Return the ends as they are."""
        return box(lower, upper)


class Outward:
    """Ends in float64, widened so that evaluation in `dtype` stays inside.

    Args:
        dtype: float32 or float64, the dtype of the module and its input.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.u, self.w = unit(dtype), unit(torch.float64)
        self.least = torch.finfo(dtype).tiny
        self.limit = torch.finfo(dtype).max / 4

    def enter(self, lower: Tensor, upper: Tensor) -> Box:
        """Return the box of the input in float64, which is exact."""
        return box(lower.double(), upper.double())

    def leave(self, given: Box) -> tuple[Tensor, Tensor]:
        """Return the ends in the module's dtype, the lower down, the upper up."""
        lower, upper = given.lower.to(self.dtype), given.upper.to(self.dtype)
        lower = torch.where(lower.double() > given.lower, down(lower), lower)
        upper = torch.where(upper.double() < given.upper, up(upper), upper)
        return lower, upper

    def cast(self, constant: Tensor) -> Tensor:
        """Return a floating constant in float64, which is exact."""
        return constant.double() if constant.is_floating_point() else constant

    def number(self, value: float) -> float:
        """Return a Python number as the module uses it: rounded to its dtype."""
        return float(torch.tensor(value, dtype=self.dtype))

    def affine(
        self,
        given: Box,
        image: Map,
        weight: Tensor,
        bias: Tensor | None,
        terms: int,
        where: str,
    ) -> Box:
        """Return a box around every evaluation of W x + b, n = `terms` products each.

        An evaluation adds n products and the bias in some order. Each product meets one
        rounding of its own and at most n of additions, adding 0 is exact, hence
        |fl(W x + b) − (W x + b)| ≤ γ_{n+1}(u) (|W||x| + |b|) + 2 n λ, with |x| ≤ m :=
        max(|l|, |u|). Ends: with ĉ = fl((l + u)/2), |ĉ − c| ≤ w m, and its image ĉ'
        computed by the same kind of sums,
        |ĉ' − (W c + b)| ≤ (γ_{n+1}(w) (1 + w) + w) (|W| m + |b|) + 2 n λ.
        With r̂ = fl((u − l)/2), r ≤ r̂ (1 + 2w). So all evaluations are in ĉ' ± R with
        R = |W| (r̂ (1 + 2w) + g m) + g |b| + 4 n λ and g = γ_{n+1}(u) + γ_{n+4}(w):
        still two products, none more than to nearest. R is a sum of non-negative
        terms, so that its computed value is at least R (1 − γ_{n+8}(w)); it is
        multiplied by 1 + 2 γ_{n+8}(w). The last addition is rounded outward.
        """
        weight = self.cast(weight)
        bias = None if bias is None else self.cast(bias)
        self.check_reach(given.size, weight, bias, where)
        g = gamma(terms + 1, self.u) + gamma(terms + 4, self.w)
        center = (given.lower + given.upper) / 2
        spread = (given.upper - given.lower) * ((1 + 2 * self.w) / 2) + g * given.size
        radius = image(spread, weight.abs(), None if bias is None else g * bias.abs())
        radius = radius + 4 * (terms + 1) * self.least
        radius = radius * (1 + 2 * gamma(terms + 8, self.w))
        center = image(center, weight, bias)
        return box(down(center - radius), up(center + radius))

    def positive(
        self, given: Box, image: Callable[[Tensor], Tensor], terms: int
    ) -> Box:
        """Return a box around a weighted sum of n = `terms` entries, weights ≥ 0.

        The map A is monotone; an evaluation errs by γ_{n+2}(u) A|x| + 2 n λ at most (n
        additions, a product or division, a rounded weight), and so does an end by
        γ_{n+2}(w) A m.
        """
        g = gamma(terms + 2, self.u) + gamma(terms + 2, self.w)
        if given.size.numel():
            self.within(float(given.size.amax()) * max(1, terms), OWNER)
        slack = g * image(given.size) + 4 * (terms + 1) * self.least
        slack = slack * (1 + 2 * gamma(terms + 8, self.w))
        return box(
            down(image(given.lower) - slack),
            up(image(given.upper) + slack),
        )

    def widened(
        self, lower: Tensor, upper: Tensor, k: float, beside: Tensor | float = 0.0
    ) -> Box:
        """Return a box around every fl(v), v from [`lower`, `upper`], by assumption 3.

        fl(v) ≥ v − k u (|v| + a) − λ, which increases with v because k u < 1, so that
        its least value is at the lower end. That end itself was computed in float64
        with an error of k w (|v| + a) + λ. Hence the slack 2 k' (|v| + a) + 4 λ with
        k' = k (u + w); the factor 2 covers the roundings of this very line.
        """
        k = 2 * k * (self.u + self.w)
        reach = torch.maximum(-lower, upper)
        if reach.numel():
            self.within(float(reach.amax()), OWNER)
        return box(
            down(lower - (k * (lower.abs() + beside) + 4 * self.least)),
            up(upper + (k * (upper.abs() + beside) + 4 * self.least)),
        )

    def check_reach(
        self, size: Tensor, weight: Tensor, bias: Tensor | None, where: str
    ) -> None:
        """Raise where |W| m + |b| may exceed the largest number, or is NaN."""
        if not size.numel() or not weight.numel():
            return
        reach = float(size.detach().amax()) * float(
            weight.detach().abs().flatten(1).sum(1).amax()
        )
        reach += 0.0 if bias is None else float(bias.detach().abs().amax())
        self.within(reach, where)

    def within(self, reach: float, where: str) -> None:
        """Raise unless all that an evaluation forms on the way stays below the limit.

        A quarter of the largest number: room for the errors of evaluation and check.
        """
        if not reach < self.limit:
            refuse(
                where,
                f"values may reach {reach:.1e}",
                f"less than {self.limit:.1e}",
                f"beyond it {str(self.dtype).removeprefix('torch.')} overflows",
                "Scale the weights or the box down.",
            )


Rounding = Nearest | Outward


def unit(dtype: torch.dtype) -> float:
    """U = eps / 2."""
    return torch.finfo(dtype).eps / 2


def gamma(n: int, u: float) -> float:
    """γ_n(u) = n u / (1 − n u), rounded up; infinite from n u = 1 on."""
    return n * u / (1 - n * u) * (1 + 2**-50) if n * u < 1 else math.inf


def down(x: Tensor) -> Tensor:
    """Return the next number below."""
    return torch.nextafter(x, x.new_tensor(-math.inf))


def up(x: Tensor) -> Tensor:
    """Return the next number above."""
    return torch.nextafter(x, x.new_tensor(math.inf))
