"""Row P4: bytes that one B-spline layer keeps for backward, and its peak.

The peak is the high-water mark of a process of its own for each contender, from after
a warm-up at a small batch to after forward and backward; Linux alone tells it.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import _kan
import _peers
import torch
from _kan import OURS, Case, Contender
from _measure import Lines
from torch import Tensor

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
MIB = 2**20
PROMPT = {"MALLOC_MMAP_THRESHOLD_": str(64 * 1024), "MALLOC_TRIM_THRESHOLD_": "0"}
"""Make the C library give freed memory back at once, so that none is used unseen."""


def main(arguments: Sequence[str] | None = None) -> list[dict[str, object]]:
    parser = _peers.parser(__doc__)
    parser.add_argument("--peak", metavar="NAME", help="one contender's peak, in bytes")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    peers = _peers.find(chosen.peers)
    case = Case(4, 4, 32, 5) if chosen.smoke else Case(64, 64, 16384, 5)
    if chosen.peak:
        print(json.dumps(peak(case, chosen.peak, peers)))
        return []
    lines = Lines("kan_memory")
    everyone = contenders(case, peers)
    saved = {name: kept(one, case) for name, one in everyone.items()}
    # On the smoke run one process is enough to see that the way works.
    measured = [OURS] if chosen.smoke else list(everyone)
    peaks = {name: _peak_apart(name, chosen.peers, chosen.smoke) for name in measured}
    for name, one in everyone.items():
        found = peaks.get(name)
        lines.emit(
            shape=str(case),
            contender=name,
            saved_mib=round(saved[name] / MIB, 3),
            peak_mib=None if found is None else round(found / MIB, 1),
            **({"version": one.version} if one.version else {}),
        )
    lines.goal("P4", "saved", saved[OURS] / needed(case), str(case))
    theirs = [
        found
        for name in ("efficient-kan", "efficient-kan, no scaler")
        if (found := peaks.get(name))
    ]
    own = peaks[OURS]
    if own is None:
        lines.goal("P4", "peak", None, f"{CLEAR} is not there; Linux has it")
    elif not theirs:
        lines.goal("P4", "peak", None, peers.missing("efficient-kan"))
    else:
        lines.goal("P4", "peak", min(theirs) / max(own, 1), str(case))
    return lines.all


def contenders(case: Case, peers: _peers.Peers) -> dict[str, Contender]:
    """Return everyone whose memory is looked at."""
    found = {OURS: _kan.module(_kan.ours(case))}
    found |= _kan.efficient_kan(case, peers) | _kan.fast_kan(case, peers)
    return found | _kan.pykan_layer(case) | _kan.plain(case)


def needed(case: Case) -> int:
    """Return the bytes of input and weights."""
    weights = sum(p.numel() for p in _kan.ours(case).parameters())
    return 4 * (case.batch * case.inputs + weights)


def kept(contender: Contender, case: Case) -> int:
    """Return how many bytes of different storages autograd keeps for backward."""
    x, _ = _kan.data(case)
    storages = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = contender.forward(x)
    assert y.requires_grad
    return sum(storages.values())


def peak(case: Case, name: str, peers: _peers.Peers) -> int | None:
    """Return how far this process's memory rises in one forward and backward."""
    if not CLEAR.exists():
        return None
    small = Case(case.inputs, case.outputs, 32, case.intervals)
    contenders(small, peers)[name].step(*_kan.data(small))
    contender, (x, g) = contenders(case, peers)[name], _kan.data(case)
    CLEAR.write_text("5")  # the high-water mark starts anew
    before = _memory("VmHWM")
    made = contender.step(x, g)
    risen = _memory("VmHWM") - before
    # What comes back must have risen above the mark; else the room was there before.
    least = sum(t.numel() * t.element_size() for t in made[:2])
    if least > MIB and risen < 0.9 * least:
        raise AssertionError(
            f"{name}: memory rose by {risen} bytes, less than the {least} returned."
        )
    return risen


def _memory(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", STATUS.read_text(), re.M)
    assert found, f"{STATUS} has no {name}"
    return 1024 * int(found.group(1))


def _peak_apart(name: str, peers: Sequence[Path], smoke: bool) -> int | None:
    command = [sys.executable, __file__, "--peak", name, "--peers", *map(str, peers)]
    command += ["--smoke"] if smoke else []
    environment = os.environ | PROMPT
    made = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env=environment
    )
    found = json.loads(made.stdout)
    return None if found is None else int(found)


if __name__ == "__main__":
    main()
