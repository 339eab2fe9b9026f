"""Kolmogorov-Arnold networks: layers in a row, and what reads or shrinks them."""

import copy
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kanlib import _check
from kanlib.bases import Basis
from kanlib.layers._arguments import Function, with_rows
from kanlib.layers._measures import mean_size, share_entropy
from kanlib.layers.kan_layer import KANLayer

__all__ = ["KAN", "KANLayer"]


class KAN(nn.Module):
    """f = Φ_L ∘ … ∘ Φ_1 with one `KANLayer` Φ_l between each pair of widths.

    Args:
        widths: Number of nodes, layer by layer, inputs first: [2, 5, 1].
        basis: The functions on every edge, or a sequence with one basis per layer.
        base: As in `KANLayer`.
        share: As in `KANLayer`.
        groups: As in `KANLayer`, for every layer.
        generator: Source of the initial values.

    Shape:
        x (..., widths[0]), result (..., widths[-1]).

    Raises:
        TypeError: "widths is" not a sequence.
        ValueError: "widths has" fewer than two entries; "basis has" another number of
            entries than there are layers.

    Example:
        >>> import torch
        >>> from kanlib.bases import BSpline
        >>> network = KAN([2, 5, 1], BSpline.uniform(5))
        >>> network.widths, network(torch.zeros(10, 2)).shape
        ([2, 5, 1], torch.Size([10, 1]))

    Reference:
        [liu2024kan] section 2.2 (place from memory), arXiv:2404.19756.
    """

    def __init__(
        self,
        widths: Sequence[int],
        basis: Basis | Sequence[Basis],
        *,
        base: str | Function | None = "silu",
        share: Literal["edge", "input", "group"] = "edge",
        groups: int = 1,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(widths, Sequence):
            raise TypeError(
                f"KAN: widths is a {type(widths).__name__}; expected a sequence of "
                "ints, such as [2, 5, 1]."
            )
        pairs = list(pairwise(widths))
        if not pairs:
            raise ValueError(
                f"KAN: widths has {len(widths)} entries; expected at least 2, the "
                "inputs and the outputs, such as [2, 5, 1]."
            )
        bases = list(basis) if isinstance(basis, Sequence) else [basis] * len(pairs)
        if len(bases) != len(pairs):
            raise ValueError(
                f"KAN: basis has {len(bases)} entries; expected {len(pairs)}, because "
                f"widths={list(widths)} makes {len(pairs)} layers."
            )
        self.layers = nn.ModuleList(
            KANLayer(
                *pair,
                one,
                base=base,
                share=share,
                groups=groups,
                generator=generator,
            )
            for pair, one in zip(pairs, bases, strict=True)
        )

    @property
    def widths(self) -> list[int]:
        """The number of nodes, layer by layer, inputs first."""
        layers = layers_of(self)
        return [layers[0].in_features, *(layer.out_features for layer in layers)]

    def forward(self, x: Float[Tensor, "*batch I"]) -> Float[Tensor, "*batch O"]:
        """Return f(x)."""
        for layer in self.layers:
            x = layer(x)
        return x

    def activations(self, x: Float[Tensor, "*batch I"]) -> list[Tensor]:
        """Return the input of every layer, x itself first (the output is not in it)."""
        inputs = [x]
        for layer in layers_of(self)[:-1]:
            inputs.append(layer(inputs[-1]))
        return inputs

    def penalty(
        self, x: Float[Tensor, "*batch I"], l1: float = 1.0, entropy: float = 2.0
    ) -> Float[Tensor, ""]:
        """Return Σ_l (l1 · |Φ_l|₁ + entropy · S(Φ_l)), the paper's sparsity penalty.

        |Φ_l|₁ is the sum of `KANLayer.l1` over the edges and S is `KANLayer.entropy`.

        Args:
            x: The rows over which edges are averaged.
            l1: Weight of the sizes.
            entropy: Weight of the entropies.

        Raises:
            ValueError: "x has shape" with no rows.

        Notes:
            One pass through the network, in which every edge value is formed: N·O·I
            numbers a layer, kept for the gradient.

        Reference:
            [liu2024kan] section 2.5.1 (place from memory).
        """
        with_rows("KAN.penalty", x)
        total = x.new_zeros(())
        for layer in layers_of(self):
            edges = layer.edges(x)
            sizes = mean_size(edges)
            total = total + l1 * sizes.sum() + entropy * share_entropy(sizes)
            x = edges.sum(-1)
        return total

    @torch.no_grad()
    def prune(
        self,
        x: Float[Tensor, "*batch I"],
        threshold: float = 1e-2,
        edge_threshold: float = 0.0,
    ) -> "KAN":
        """Return a smaller network without the hidden nodes that hardly matter at x.

        A hidden node stays if its largest incoming and its largest outgoing `l1` both
        exceed `threshold`. Edges whose `l1` is at most `edge_threshold` are masked; the
        default masks only edges that are 0 at every row. The output is the same but for
        what the dropped edges carried, and that can be a large constant: a node that is
        always 0 still sends φ(0) on. Train on afterwards. This network stays as it is.

        Args:
            x: The rows over which edges are averaged.
            threshold: For hidden nodes.
            edge_threshold: For single edges.

        Raises:
            ValueError: "hidden layer" would lose all its nodes; "x has shape" with no
                rows; "entries that are NaN"; "threshold must be", "edge_threshold must
                be" non-negative.

        Reference:
            [liu2024kan] section 2.5.1 (place from memory); pykan has since changed it.
        """
        _check.is_non_negative("KAN.prune", "threshold", threshold)
        _check.is_non_negative("KAN.prune", "edge_threshold", edge_threshold)
        layers = layers_of(self)
        inputs = self.activations(with_rows("KAN.prune", x))
        # A size that is NaN exceeds no threshold: every edge would go.
        _check.is_finite("KAN.prune", "x", x)
        sizes = [layer.l1(h) for layer, h in zip(layers, inputs, strict=True)]
        kept = [list(range(layers[0].in_features))]
        for index, (before, after) in enumerate(pairwise(sizes), 1):
            score = torch.minimum(before.amax(1), after.amax(0))
            kept.append(torch.nonzero(score > threshold).flatten().tolist())
            if not kept[-1]:
                raise ValueError(
                    f"KAN.prune: hidden layer {index} would lose all its "
                    f"{len(score)} nodes, because the largest score "
                    f"{score.max().item():.1e} is not above threshold={threshold:g}. "
                    "Lower the threshold, or train with a smaller penalty."
                )
        kept.append(list(range(layers[-1].out_features)))
        parts = []
        for layer, size, columns, rows in zip(
            layers, sizes, kept[:-1], kept[1:], strict=True
        ):
            part = layer.selected(rows, columns)
            part.mask &= size[rows][:, columns] > edge_threshold
            parts.append(part)
        return self.with_layers(parts)

    def with_layers(self, layers: Sequence[KANLayer]) -> "KAN":
        """Return a copy that has these layers."""
        network = copy.deepcopy(self)
        network.layers = nn.ModuleList(layers)
        return network

    def extra_repr(self) -> str:
        """The widths and the number of parameters."""
        count = sum(parameter.numel() for parameter in self.parameters())
        return f"widths={self.widths}, {count} parameters"


def layers_of(network: KAN | KANLayer) -> list[KANLayer]:
    """Return the layers of a network, or a layer as a list of one."""
    if isinstance(network, KANLayer):
        return [network]
    return cast(list[KANLayer], list(network.layers))
