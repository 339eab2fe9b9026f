"""Learnable rational activations, shared by groups of features, and their layer."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kanlib import _check
from kanlib.layers.gain import gain
from kanlib.layers.rational_fit import Rational
from kanlib.ops import group_rational
from kanlib.ops.group_rational import FORMS, Form

IDENTITY = (0.0, 1.0)


class GroupRational(nn.Module):
    """y = P(x) / Q(x) entry by entry, one learnable F = P/Q for each group of features.

    Parameters: `numerator` (1, m + 1), shared by all groups, and `denominator` (g, n).
    Together they are m + 1 + g·n numbers, 38 by default, whatever the width.

    Args:
        features: Size of the last axis, at least 1.
        groups: g; must divide the features.
        form: "A", Q = 1 + Σ |b_j| |x|ʲ, or "B", Q = 1 + |Σ b_j xʲ|.
        numerator_degree: m; at least 1 for the identity.
        denominator_degree: n ≥ 0.
        start: The function that every group is at first, such as
            `rational_fit(torch.nn.functional.silu)`; None is the identity.

    Shape:
        x (..., features), result the same.

    Raises:
        ValueError: "features must be", "groups must be", "groups=3 does not divide",
            "form is", "numerator_degree must be", "denominator_degree must be", "start
            has" another form or more coefficients. `forward`: "x has shape" of another
            last axis.
        TypeError: "start is" not a Rational. `forward`: "x has dtype" other than the
            parameters', half precision aside.

    Notes:
        A function of lower degrees is a start too: what it lacks is 0.
        From the identity b is 0 and learns all the same, for the sign of 0 is +1 here.
        A half x, as from a layer under autocast, meets float32 coefficients in float32
        and comes back rounded once.

    Example:
        >>> from kanlib.layers import rational_fit
        >>> layer = GroupRational(64, start=rational_fit(torch.nn.functional.silu))
        >>> x = torch.linspace(-3, 3, 64)
        >>> bool((layer(x) - torch.nn.functional.silu(x)).abs().max() < 2e-6)
        True

    Reference:
        [yang2024kat], arXiv:2409.10594; `form` is explicit here, because its text has
        form B and its kernels evaluate form A.
    """

    def __init__(
        self,
        features: int,
        *,
        groups: int = 8,
        form: Form = "A",
        numerator_degree: int = 5,
        denominator_degree: int = 4,
        start: Rational | None = None,
    ) -> None:
        super().__init__()
        owner = "GroupRational"
        _check.is_integer(owner, "features", features, 1)
        _check.is_integer(owner, "groups", groups, 1)
        _check.is_one_of(owner, "form", form, FORMS)
        least = 1 if start is None else 0
        _check.is_integer(owner, "numerator_degree", numerator_degree, least)
        _check.is_integer(owner, "denominator_degree", denominator_degree, 0)
        if features % groups:
            raise ValueError(
                f"{owner}: groups={groups} does not divide features={features}."
            )
        self.features, self.groups, self.form = features, groups, form
        self.start = _started(start, form, numerator_degree, denominator_degree)
        self.numerator = nn.Parameter(torch.empty(1, numerator_degree + 1))
        self.denominator = nn.Parameter(torch.empty(groups, denominator_degree))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Make every group the start again."""
        # One row, spread over the rows there are; in form A only |b| counts.
        for parameter, values in (
            (self.numerator, self.start.numerator),
            (self.denominator, self.start.denominator),
        ):
            parameter.copy_(torch.tensor(values, dtype=torch.float64))

    def forward(self, x: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch D"]:
        """Return F(x); an empty batch gives an empty result."""
        _check.is_floating("GroupRational", "x", x)
        size = self.features
        _check.last_axis("GroupRational", "x", x, size, f"features={size}")
        if x.dtype in (torch.float32, torch.float64):
            _check.same_kind("GroupRational", numerator=self.numerator, x=x)
        return group_rational(x, self.numerator, self.denominator, form=self.form)

    def extra_repr(self) -> str:
        """The shape, the function in words, and what it costs in parameters."""
        degrees = f"{self.numerator.shape[1] - 1}/{self.denominator.shape[1]}"
        count = self.numerator.numel() + self.denominator.numel()
        return (
            f"{self.features} in {self.groups} groups, P/Q of degrees {degrees}, "
            f"form={self.form}, {count} parameters"
        )


class GRKAN(nn.Module):
    """y_o = Σ_i w[o,i] F(x_i) + β_o: a GroupRational, then a linear layer.

    A Kolmogorov-Arnold layer whose edges are multiples of a few functions: the edge
    from i to o is w[o,i] F, with F the function of i's group.

    Args:
        in_features: At least 1; a multiple of the groups.
        out_features: At least 1.
        groups: As in GroupRational.
        form: As in GroupRational.
        start: As in GroupRational.
        bias: Whether there is a β; it starts at 0.
        generator: Source of the initial weights.

    Shape:
        x (..., in_features), result (..., out_features).

    Raises:
        ValueError: "in_features must be", "out_features must be", and what
            GroupRational raises.
        TypeError: "start is" not a Rational. `forward`: "x has dtype" other than the
            parameters', half precision under autocast aside.

    Notes:
        Weights are normal with the variance gain(F) / in_features: for inputs of mean 0
        and variance 1, what comes out has variance 1 too, layer after layer.
        Parameters: those of the linear layer, and 38 more by default.

    Example:
        >>> layer = GRKAN(16, 4)
        >>> layer(torch.ones(3, 16)).shape
        torch.Size([3, 4])

    Reference:
        [yang2024kat], arXiv:2409.10594; the gain by quadrature instead of samples.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        groups: int = 8,
        form: Form = "A",
        start: Rational | None = None,
        bias: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        _check.is_integer("GRKAN", "in_features", in_features, 1)
        _check.is_integer("GRKAN", "out_features", out_features, 1)
        self.in_features, self.out_features = in_features, out_features
        self.activation = GroupRational(
            in_features, groups=groups, form=form, start=start
        )
        # Left empty: to draw weights twice would use up the default generator.
        self.linear = nn.utils.skip_init(
            nn.Linear, in_features, out_features, bias=bias
        )
        self.reset_parameters(generator)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Start the functions again and draw the weights anew."""
        self.activation.reset_parameters()
        spread = math.sqrt(gain(self.activation.start) / self.in_features)
        self.linear.weight.normal_(0, spread, generator=generator)
        if self.linear.bias is not None:
            self.linear.bias.zero_()

    def forward(self, x: Float[Tensor, "*batch I"]) -> Float[Tensor, "*batch O"]:
        """Return W F(x) + β; an empty batch gives an empty result."""
        _check.is_floating("GRKAN", "x", x)
        size = self.in_features
        _check.last_axis("GRKAN", "x", x, size, f"in_features={size}")
        device = x.device.type
        if device == "meta" or not torch.is_autocast_enabled(device):
            _check.same_kind("GRKAN", weight=self.linear.weight, x=x)
        y: Tensor = self.linear(self.activation(x))
        return y

    def extra_repr(self) -> str:
        """The shape and the number of parameters."""
        count = sum(parameter.numel() for parameter in self.parameters())
        return f"{self.in_features} -> {self.out_features}, {count} parameters"


def _started(start: Rational | None, form: Form, m: int, n: int) -> Rational:
    """Return the start with so many coefficients, or raise if it has more."""
    if start is None:
        start = Rational(IDENTITY, (), form)
    if not isinstance(start, Rational):
        raise TypeError(
            f"GroupRational: start is a {type(start).__name__}; expected a Rational, "
            "such as rational_fit(torch.tanh), or None for the identity."
        )
    if start.form != form:
        raise ValueError(
            f'GroupRational: start has form "{start.form}"; expected "{form}", because '
            f'form="{form}". Fit it with rational_fit(f, form="{form}").'
        )
    padded = []
    for name, values, count in (
        ("numerator", start.numerator, m + 1),
        ("denominator", start.denominator, n),
    ):
        if len(values) > count:
            raise ValueError(
                f"GroupRational: start has {len(values)} coefficients in its {name}; "
                f"expected {count} or fewer. Fit it with a lower {name}_degree, or "
                f"give GroupRational a higher one."
            )
        padded.append((*values, *[0.0] * (count - len(values))))
    return Rational(padded[0], padded[1], form, start.max_error)
