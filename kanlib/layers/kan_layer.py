"""The Kolmogorov-Arnold layer: one function on every edge, sums at the nodes."""

import copy
import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from kanlib import _check
from kanlib.bases import Basis, BSpline
from kanlib.bases._basis import is_basis
from kanlib.layers._arguments import (
    Function,
    base_function,
    check_basis,
    check_groups,
    functions_of,
    with_rows,
)
from kanlib.layers._measures import domains, mean_size, share_entropy
from kanlib.layers._state import StoresKnots
from kanlib.ops import spline_sum


class KANLayer(StoresKnots):
    """y_o = Σ_i [ w[o,i] b(x_i) + Σ_k c[o,i,k] φ_k(x_i) ], acting on the last axis.

    The basis φ is evaluated once per input, whatever the number of outputs; one matrix
    product over the flattened (input, function) axis then serves all edges.

    What the edges share decides what `coefficients` holds (I inputs, O outputs, K
    functions, b the base):

    - `"edge"`: nothing; `coefficients` (O, I, K), in all O·I·(K + 1) parameters.
    - `"input"`: one function per input, mixed by a weight per edge, so that the second
      term is u[o,i] Σ_k c[i,k] φ_k(x_i); `coefficients` (I, K), `mixing` (O, I), in all
      I·K + 2·O·I parameters.
    - `"group"`: the same with one function for each of `groups` runs of I / groups
      consecutive inputs; `coefficients` (groups, K), in all groups·K + 2·O·I.

    Without a base there are O·I parameters fewer. The buffer `mask` (O, I) is True
    where an edge exists; a masked edge adds nothing and gets no gradient.

    Args:
        in_features: I, at least 1.
        out_features: O, at least 1.
        basis: The family of functions on every edge, a plain value such as
            `BSpline.uniform(5)`. Knots given as one row per input need I rows.
        base: The function b: "silu", "identity", "tanh", any callable that acts entry
            by entry, or None for no base part.
        share: What the edges share, as above.
        groups: How many shared functions `share="group"` has; must divide I.
        generator: Source of the initial values.

    Shape:
        x (..., I), result (..., O).

    Raises:
        ValueError: "in_features must be", "out_features must be", "base is",
            "share is", "groups": a value outside the choices; "basis has": knots of
            another number of inputs. `forward`: "x has shape" of another last axis.
        TypeError: "basis is": not a Basis; "base is": not callable. `forward`: "x has
            dtype" or device other than the parameters'.

    Notes:
        Initial values. With a base: w uniform in ±1/√I and c normal with standard
        deviation 0.5 / K, so a layer starts near its base part. Without: c normal with
        standard deviation 1 / √(I·K). `mixing` starts uniform in ±√3/√I.
        B-splines that are not shared run as `kanlib.ops.spline_sum`: compiled where it
        can be, with SiLU in the same product, equal to plain PyTorch up to rounding
        (bounds there), and keeping only x and the weights for the gradient.
        Cost for N rows of other bases: N·I basis evaluations and 2·N·O·I·(K + 1)
        operations; forward
        keeps N·I·(K + 1) numbers for the gradient beside what the basis keeps itself,
        never N·O·I. `edges`, `l1` and `entropy` do form N·O·I numbers.
        B-spline knots travel in the state dictionary as float64 under `knots`, for they
        change when a grid is updated; `.to(float32)` does not round them.

    Example:
        >>> import torch
        >>> from kanlib.bases import BSpline
        >>> layer = KANLayer(3, 2, BSpline.uniform(5))
        >>> layer(torch.zeros(4, 3)).shape, tuple(layer.coefficients.shape)
        (torch.Size([4, 2]), (2, 3, 8))

    Reference:
        [liu2024kan] eq. (2.10) (place from memory), arXiv:2404.19756; no separate scale
        on the spline part.
    """

    mask: Tensor

    def __init__(
        self,
        in_features: int,
        out_features: int,
        basis: Basis,
        *,
        base: str | Function | None = "silu",
        share: Literal["edge", "input", "group"] = "edge",
        groups: int = 1,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        _check.is_integer("KANLayer", "in_features", in_features, 1)
        _check.is_integer("KANLayer", "out_features", out_features, 1)
        check_groups(share, in_features, groups)
        self.in_features, self.out_features = in_features, out_features
        self.share, self.groups = share, groups
        check_basis(basis, in_features, self.functions)
        base = base_function(base)
        self.basis, self.base = basis, base
        edges = (out_features, in_features)
        functions = edges if share == "edge" else (self.functions,)
        self.coefficients = nn.Parameter(torch.empty(*functions, basis.size))
        self.mixing = None if share == "edge" else nn.Parameter(torch.empty(edges))
        self.base_weight = None if base is None else nn.Parameter(torch.empty(edges))
        self.register_buffer("mask", torch.ones(edges, dtype=torch.bool))
        self.reset_parameters(generator)

    @property
    def functions(self) -> int:
        """How many different functions the inputs have: `groups`, or one for each.

        With `share="edge"` each of them is a bundle of one function per output.
        """
        return functions_of(self.share, self.in_features, self.groups)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw all parameters anew, as the class's notes say."""
        size, bound = self.basis.size, 1 / math.sqrt(self.in_features)
        spread = bound / math.sqrt(size) if self.base is None else 0.5 / size
        if self.mixing is not None:
            spread *= math.sqrt(self.in_features)  # the mixing brings its own 1 / √I
            self.mixing.uniform_(
                -math.sqrt(3) * bound, math.sqrt(3) * bound, generator=generator
            )
        self.coefficients.normal_(0, spread, generator=generator)
        if self.base_weight is not None:
            self.base_weight.uniform_(-bound, bound, generator=generator)

    def forward(self, x: Float[Tensor, "*batch I"]) -> Float[Tensor, "*batch O"]:
        """Return the layer's outputs; an empty batch gives an empty result."""
        x = self._checked(x)
        silu = self.base is F.silu
        if self.mixing is not None:
            phi = self.basis(x)  # (..., I, K)
            shared = torch.einsum("...ik,ik->...i", phi, self._per_input())
            y = F.linear(shared, self.mixing * self.mask)
        elif isinstance(self.basis, BSpline):
            w = None
            if silu and self.base_weight is not None:
                w = self.base_weight * self.mask
            knots = self.basis.tensor(x.device)
            y = spline_sum(x, self.edge_coefficients(), w, knots, self.basis.degree)
            if silu:
                return y
        else:
            phi = self.basis(x)
            y = F.linear(phi.flatten(-2), self.edge_coefficients().flatten(1))
        if self.base is None or self.base_weight is None:
            return y
        return y + F.linear(self.base(x), self.base_weight * self.mask)

    def edges(self, x: Float[Tensor, "*batch I"]) -> Float[Tensor, "*batch O I"]:
        """Return the value of every edge function; their sum over I is `forward(x)`."""
        x = self._checked(x)
        values = torch.einsum(
            "...ik,oik->...oi", self.basis(x), self.edge_coefficients()
        )
        if self.base is None or self.base_weight is None:
            return values
        return values + self.base(x).unsqueeze(-2) * (self.base_weight * self.mask)

    def edge_coefficients(self) -> Float[Tensor, "O I K"]:
        """Return the coefficients of every edge, with sharing and mask applied."""
        if self.mixing is None:
            return self.coefficients * self.mask.unsqueeze(-1)
        return self._per_input() * (self.mixing * self.mask).unsqueeze(-1)

    def l1(self, x: Float[Tensor, "*batch I"]) -> Float[Tensor, "O I"]:
        """Return the mean of |edge value| over the rows of x, edge by edge.

        Raises:
            ValueError: "x has shape" with no rows.
        """
        return mean_size(self.edges(with_rows("KANLayer.l1", x)))

    def entropy(self, x: Float[Tensor, "*batch I"]) -> Float[Tensor, ""]:
        """Return −Σ p log p of p = l1 / Σ l1: 0 when a single edge is alive.

        Raises:
            ValueError: "x has shape" with no rows.

        Reference:
            [liu2024kan] section 2.5.1 (place from memory); one entropy for the layer,
            where pykan has one a row and one a column.
        """
        return share_entropy(self.l1(x))

    @torch.no_grad()
    def outside(self, x: Float[Tensor, "*batch I"]) -> Float[Tensor, " I"]:
        """Return the share of values outside the basis's domain, for each input.

        NaN counts as outside. Splines fade to 0 out there and only the base acts: a
        share above a few percent asks for `update_grid`.

        Raises:
            ValueError: "x has shape" with no rows.
        """
        x = self._checked(with_rows("KANLayer.outside", x))
        low, high = domains(self.basis, x)
        inside = (x >= low) & (x <= high)
        return 1 - inside.to(x.dtype).reshape(-1, self.in_features).mean(0)

    @torch.no_grad()
    def selected(self, outputs: Sequence[int], inputs: Sequence[int]) -> "KANLayer":
        """Return the layer between these inputs and outputs only, in this order.

        Grouped functions come back as one function per input, since a run of inputs
        that lost some of its members is no longer an equal group.

        Args:
            outputs: Numbers of the output nodes, from 0.
            inputs: Numbers of the input nodes.

        Raises:
            ValueError: "outputs has" or "inputs has" no entry, or one beyond the layer.
        """
        for name, chosen, size in (
            ("outputs", outputs, self.out_features),
            ("inputs", inputs, self.in_features),
        ):
            if not len(chosen) or not all(0 <= node < size for node in chosen):
                raise ValueError(
                    f"KANLayer.selected: {name} has the entries {list(chosen)}; "
                    f"expected one or more of 0 to {size - 1}."
                )
        rows = torch.as_tensor(outputs, device=self.mask.device)
        columns = torch.as_tensor(inputs, device=self.mask.device)

        def pick(edges: Tensor) -> Tensor:
            return edges[rows][:, columns]

        basis = self.basis
        if isinstance(basis, BSpline) and basis.inputs is not None:
            basis = BSpline(tuple(basis.rows[i] for i in inputs), basis.degree)
        if self.mixing is None:
            part = self.with_basis(basis, pick(self.coefficients))
        else:
            part = self.with_basis(basis, self._per_input()[columns])
            part.share, part.groups = "input", 1
            part.mixing = _like(self.mixing, pick(self.mixing))
        part.in_features, part.out_features = len(inputs), len(outputs)
        part.mask = pick(self.mask)
        if self.base_weight is not None:
            part.base_weight = _like(self.base_weight, pick(self.base_weight))
        return part

    @torch.no_grad()
    def with_basis(self, basis: Basis, coefficients: Tensor) -> "KANLayer":
        """Return a copy that has another basis and the coefficients that go with it.

        Raises:
            TypeError: "basis is" not a Basis.
            ValueError: "coefficients has shape" without the basis's K as last axis.
        """
        owner = "KANLayer.with_basis"
        is_basis(owner, "basis", basis)
        because = f"the basis has {basis.size} functions"
        _check.last_axis(owner, "coefficients", coefficients, basis.size, because)
        layer = copy.deepcopy(self)
        layer.zero_grad()  # the gradients copied along belong to the old basis
        del layer.basis  # else torch refuses a plain value in the place of a module
        layer.basis = copy.deepcopy(basis)  # a learned one must not be shared
        layer.coefficients = _like(self.coefficients, coefficients)
        return layer

    def extra_repr(self) -> str:
        """The shape, the choices, and what they cost in parameters."""
        parts = [f"{self.in_features} -> {self.out_features}", str(self.basis)]
        base = None if self.base is None else type(self.base).__name__
        parts.append(f"base={getattr(self.base, '__name__', base)}")
        if self.share != "edge":
            parts.append(f"{self.functions} shared functions")
        dropped = int((~self.mask).sum()) if self.mask.device.type == "cpu" else 0
        if dropped:
            parts.append(f"{dropped} of {self.mask.numel()} edges masked")
        count = sum(parameter.numel() for parameter in self.parameters())
        return ", ".join([*parts, f"{count} parameters"])

    def _per_input(self) -> Tensor:
        """Shared coefficients, repeated for the inputs of each group: (I, K)."""
        repeats = self.in_features // self.functions
        return self.coefficients.repeat_interleave(repeats, dim=0)

    def _checked(self, x: Tensor) -> Tensor:
        _check.is_floating("KANLayer", "x", x)
        size = self.in_features
        _check.last_axis("KANLayer", "x", x, size, f"in_features={size}")
        dtype, device = self.coefficients.dtype, x.device.type
        if x.dtype != dtype and device != "meta" and torch.is_autocast_enabled(device):
            # The layer before may answer in half precision; knots need the full one.
            x = x.to(dtype)
        _check.same_kind("KANLayer", coefficients=self.coefficients, x=x)
        return x


def _like(old: nn.Parameter, values: Tensor) -> nn.Parameter:
    """Return a parameter with new values, of the old one's kind; frozen if that was."""
    return nn.Parameter(values.to(old).clone(), requires_grad=old.requires_grad)
