"""Rows P1 and P3: one B-spline layer, forward and backward, on one thread of a CPU."""

from collections.abc import Sequence

import _kan
import _peers
import torch
from _kan import OURS, PRODUCTS, Case
from _measure import Lines

EFFICIENT = ("efficient-kan", "efficient-kan, no scaler")
Found = list[tuple[float, str]]
"""Ratios, each with the shape it was measured at."""


def shapes(smoke: bool) -> list[Case]:
    """Return the shapes of row P1."""
    if smoke:
        return [Case(3, 4, 8, 5)]
    small = [Case(64, 64, batch, g) for batch in (256, 1024, 4096) for g in (5, 8)]
    return [*small, Case(784, 64, 1024, 5)]


def main(arguments: Sequence[str] | None = None) -> list[dict[str, object]]:
    chosen = _peers.parser(__doc__).parse_args(arguments)
    torch.set_num_threads(1)
    peers, lines = _peers.find(chosen.peers), Lines("kan_cpu")
    efficient: Found = []
    products: dict[bool, Found] = {True: [], False: []}
    layer: dict[bool, Found] = {True: [], False: []}
    default: Found = []
    rounds = 2 if chosen.smoke else 15
    for case in shapes(chosen.smoke):
        contenders = _kan.efficient_kan(case, peers) | _kan.fast_kan(case, peers)
        contenders |= _kan.plain(case)
        with_pykan = case.intervals == 5 and case.inputs <= 64
        if with_pykan:
            contenders |= _kan.pykan_layer(case)
        times = _kan.compare(case, contenders, lines, rounds, 8.0)
        small, shape = case.batch <= 256, str(case)
        _add(efficient, _kan.ratio(times, _kan.fastest(times, EFFICIENT), OURS), shape)
        _add(products[small], _kan.ratio(times, OURS, PRODUCTS), shape)
        _add(layer[small], _kan.ratio(times, "pykan KANLayer", OURS), shape)
        if with_pykan and small:
            networks = _kan.pykan_network(case)
            times = _kan.compare(case, networks, lines, rounds, 15.0)
            _add(default, _kan.ratio(times, "pykan KAN, default", OURS), shape)
    too_small = "not at this size"
    no_pykan = too_small if _peers.has_pykan() else "pykan is not installed"
    lines.goal("P1", "efficient_kan", *_least(efficient, peers.missing(EFFICIENT[0])))
    lines.goal("P1", "products", *_most(products[False], too_small))
    lines.goal("P1", "products_256", *_most(products[True], too_small))
    lines.goal("P3", "layer", *_least(layer[False], no_pykan))
    lines.goal("P3", "layer_256", *_least(layer[True], no_pykan))
    lines.goal("P3", "default", *_least(default, no_pykan))
    return lines.all


def _add(found: Found, ratio: float | None, shape: str) -> None:
    if ratio is not None:
        found.append((ratio, shape))


def _least(found: Found, why_not: str) -> tuple[float | None, str]:
    return min(found, default=(None, why_not))


def _most(found: Found, why_not: str) -> tuple[float | None, str]:
    return max(found, default=(None, why_not))


if __name__ == "__main__":
    main()
