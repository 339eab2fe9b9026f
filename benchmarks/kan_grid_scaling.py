"""Row P2: what a finer grid costs, forward and backward, on one thread of a CPU."""

from collections.abc import Sequence

import _kan
import _peers
import torch
from _kan import OURS, Case
from _measure import Lines, interleaved

EFFICIENT = ("efficient-kan", "efficient-kan, no scaler")


def main(arguments: Sequence[str] | None = None) -> list[dict[str, object]]:
    chosen = _peers.parser(__doc__).parse_args(arguments)
    torch.set_num_threads(1)
    peers, lines = _peers.find(chosen.peers), Lines("kan_grid_scaling")
    inputs, batch, rounds = (4, 8, 2) if chosen.smoke else (64, 1024, 25)
    cases = {g: Case(inputs, inputs, batch, g) for g in (5, 8, 16, 32, 64)}

    # Our own layers in the same turns, so that their ratio is of one moment.
    calls = {}
    for g, case in cases.items():
        layer, (x, gradient) = _kan.module(_kan.ours(case)), _kan.data(case)
        calls[g] = lambda layer=layer, x=x, gradient=gradient: layer.step(x, gradient)
    times = interleaved({f"{g} intervals": call for g, call in calls.items()}, rounds)
    shape = f"{inputs} → {inputs}, batch {batch}"
    lines.times(shape, "kanlib, forward and backward", times, "5 intervals")
    ratio = _kan.ratio(times, "32 intervals", "5 intervals")
    lines.goal("P2", "grid", ratio, shape)

    case = cases[32]
    contenders = _kan.efficient_kan(case, peers) | _kan.fast_kan(case, peers)
    found = _kan.compare(case, contenders | _kan.plain(case), lines, rounds, 15.0)
    over = _kan.ratio(found, _kan.fastest(found, EFFICIENT), OURS)
    note = str(case) if over else peers.missing(EFFICIENT[0])
    lines.goal("P2", "efficient_kan", over, note)
    return lines.all


if __name__ == "__main__":
    main()
