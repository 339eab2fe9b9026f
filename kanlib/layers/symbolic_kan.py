"""A network of named functions, and the formula that it stands for."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kanlib import _check
from kanlib.layers._arguments import with_rows
from kanlib.layers._formula import added, variable
from kanlib.layers.kan import KAN, layers_of
from kanlib.layers.kan_layer import KANLayer
from kanlib.layers.symbolic import (
    Candidates,
    SymbolicEdge,
    SymbolicFit,
    constant_fit,
    snap,
)


class SymbolicKAN(nn.Module):
    """A KAN whose edges are named functions; made by `symbolic_network`.

    Args:
        fits: `fits[l][o][i]` is the function on the edge from input i to output o of
            layer l.

    Shape:
        x (..., inputs), result (..., outputs).

    Raises:
        ValueError: "fits has" no layer, or "layer 2 has" an output without one edge
            from each output of the layer before.
    """

    def __init__(self, fits: Sequence[Sequence[Sequence[SymbolicFit]]]) -> None:
        super().__init__()
        _check_fits(fits)
        self.fits = fits
        self.layers = nn.ModuleList(
            nn.ModuleList(nn.ModuleList(fit.module() for fit in row) for row in layer)
            for layer in fits
        )

    def forward(self, x: Float[Tensor, "*batch I"]) -> Float[Tensor, "*batch O"]:
        """Return the network's value: at every node the sum over its edges.

        Raises:
            TypeError: "x has dtype" not floating.
            ValueError: "x has shape" of another last axis.
        """
        size = len(self.fits[0][0])
        _check.is_floating("SymbolicKAN", "x", x)
        _check.last_axis("SymbolicKAN", "x", x, size, f"the network has {size} inputs")
        for layer in self._rows():
            columns = x.unbind(-1)
            nodes = []
            for row in layer:
                edges = [e(h) for e, h in zip(row, columns, strict=True)]
                nodes.append(torch.stack(edges, -1).sum(-1))
            x = torch.stack(nodes, -1)
        return x

    def formula(self, names: Sequence[str] | None = None, digits: int = 4) -> list[str]:
        """Return one Python expression per output, with the constants as they are now.

        Constants are gathered where that is exact: factors go into sums, powers give up
        theirs, an exponential gives up its summand.

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
        sums = [variable(text) for text in texts]
        for layer in self._rows():
            sums = [
                added([e.of(u, digits) for e, u in zip(row, sums, strict=True)])
                for row in layer
            ]
        return [one.text(digits) for one in sums]

    def _rows(self) -> list[list[list[SymbolicEdge]]]:
        return [[list(row) for row in layer] for layer in self.layers]  # type: ignore


def symbolic_network(
    network: KAN,
    x: Float[Tensor, "*batch I"],
    candidates: Candidates | None = None,
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
        TypeError: "network is" not a KAN.
        ValueError: as `snap`; "no candidate is finite" on an edge.

    Example:
        >>> from kanlib.bases import BSpline, fit_coefficients
        >>> x = torch.linspace(-1, 1, 100).unsqueeze(1)
        >>> network = KAN([1, 1], BSpline.uniform(20), base=None)
        >>> layer = network.layers[0]
        >>> fit = fit_coefficients(layer.basis, x[:, 0], 2 * x.T.square())
        >>> layer.coefficients.data = fit.coefficients.unsqueeze(1)
        >>> symbolic_network(network, x).formula(["t"])
        ['2*t**2']
    """
    if not isinstance(network, KAN):
        raise TypeError(
            f"symbolic_network: network is a {type(network).__name__}; expected a KAN."
        )
    with torch.no_grad():
        inputs = network.activations(with_rows("symbolic_network", x))
        return SymbolicKAN(
            [
                _snap_layer(layer, h.reshape(-1, layer.in_features), candidates, noise)
                for layer, h in zip(layers_of(network), inputs, strict=True)
            ]
        )


def _check_fits(fits: Sequence[Sequence[Sequence[SymbolicFit]]]) -> None:
    if not fits:
        raise ValueError("SymbolicKAN: fits has no layer; expected at least one.")
    nodes = len(fits[0][0]) if fits[0] else 0
    for number, layer in enumerate(fits, 1):
        sizes = [len(row) for row in layer]
        if not sizes or not nodes or set(sizes) != {nodes}:
            raise ValueError(
                f"SymbolicKAN: layer {number} has rows of {sizes} fits; expected one "
                f"row or more, each with one fit per input of the layer, here {nodes}."
            )
        nodes = len(layer)


def _snap_layer(
    layer: KANLayer, x: Tensor, candidates: Candidates | None, noise: float
) -> list[list[SymbolicFit]]:
    edges = layer.edges(x)
    rows: list[list[SymbolicFit]] = []
    for o in range(layer.out_features):
        rows.append([])
        for i in range(layer.in_features):
            y = edges[:, o, i]
            if bool((y == y[0]).all()):  # masked, or behind a dead node
                rows[-1].append(constant_fit(y[0].item()))
                continue
            fits = snap(x[:, i], y, candidates, noise=noise)
            if not fits:
                raise ValueError(
                    f"symbolic_network: no candidate is finite on the edge from input "
                    f"{i} to output {o} of {layer}. Add one to candidates."
                )
            rows[-1].append(fits[0])
    return rows
