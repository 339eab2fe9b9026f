"""Forward and backward time of one B-spline KAN layer, of pykan's, and of a floor."""

import argparse
import datetime
import json
import pathlib
import platform
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from kanlib.bases import BSpline
from kanlib.layers import KANLayer

INPUTS, OUTPUTS, DEGREE = 64, 64, 3


def step(forward: Callable[[Tensor], Tensor], x: Tensor) -> None:
    """One forward and one backward pass."""
    forward(x).sum().backward()


def floor(layer: KANLayer) -> Callable[[Tensor], Tensor]:
    """The product alone: features as wide as the layer's, computed for free."""
    size = layer.basis.size + 1
    product = nn.Linear(INPUTS * size, OUTPUTS, bias=False)

    def forward(x: Tensor) -> Tensor:
        return product(x.unsqueeze(-1).expand(-1, -1, size).reshape(len(x), -1))

    return forward


def pykan(layer: KANLayer, intervals: int) -> Callable[[Tensor], Tensor] | None:
    """pykan's layer with the same functions on its edges; None if it is not there."""
    try:
        from kan.KANLayer import KANLayer as Peer
    except ImportError:
        return None
    assert layer.base_weight is not None
    peer = Peer(in_dim=INPUTS, out_dim=OUTPUTS, num=intervals, k=DEGREE)
    with torch.no_grad():
        peer.coef.copy_(layer.coefficients.transpose(0, 1))
        peer.scale_base.copy_(layer.base_weight.T)
        peer.scale_sp.fill_(1.0)
    return lambda x: peer(x)[0]


def milliseconds(
    contenders: dict[str, Callable[[Tensor], Tensor]], x: Tensor, runs: int
) -> dict[str, list[float]]:
    """Times of every contender, taken in turns so that drift hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(runs + 3):
        for name, forward in contenders.items():
            start = time.perf_counter()
            step(forward, x)
            if turn >= 3:
                times[name].append(1000 * (time.perf_counter() - start))
    return times


def measure(batch: int, intervals: int, runs: int) -> list[dict[str, object]]:
    """One row per contender."""
    generator = torch.Generator().manual_seed(0)
    layer = KANLayer(
        INPUTS, OUTPUTS, BSpline.uniform(intervals, DEGREE), generator=generator
    )
    x = 1.98 * torch.rand(batch, INPUTS, generator=generator) - 0.99
    x.requires_grad_()
    contenders: dict[str, Callable[[Tensor], Tensor]] = {
        "floor: the product alone": floor(layer),
        "kanlib": layer,
    }
    if (peer := pykan(layer, intervals)) is not None:
        torch.testing.assert_close(peer(x), layer(x), rtol=1e-3, atol=1e-4)
        contenders["pykan"] = peer
    times = milliseconds(contenders, x, runs)
    ours = statistics.median(times["kanlib"])
    return [
        {
            "batch": batch,
            "intervals": intervals,
            "contender": name,
            "median_ms": statistics.median(values),
            "fastest_ms": min(values),
            "of_kanlib": statistics.median(values) / ours,
        }
        for name, values in times.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, nargs="+", default=[256, 1024])
    parser.add_argument("--intervals", type=int, nargs="+", default=[5, 32])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", type=pathlib.Path, help="write the table here too")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    print(f"{INPUTS} -> {OUTPUTS}, degree {DEGREE}, float32, one thread, ms")
    print("batch intervals contender                   median  fastest  of kanlib")
    for batch in chosen.batches:
        for intervals in chosen.intervals:
            for row in measure(batch, intervals, chosen.runs):
                rows.append(row)
                print(
                    f"{row['batch']:5} {row['intervals']:9} {row['contender']:25} "
                    f"{row['median_ms']:8.2f} {row['fastest_ms']:8.2f} "
                    f"{row['of_kanlib']:9.2f}x"
                )
    if chosen.json:
        record = {
            "rows": rows,
            "processor": platform.processor() or platform.machine(),
            "torch": torch.__version__,
            "python": platform.python_version(),
            "date": datetime.date.today().isoformat(),
        }
        chosen.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
