"""Random numbers that depend on a counter and a key alone, in plain PyTorch.

The twin of kernels/common/philox.cuh: the same bits, on any device.
"""

import math

import torch
from torch import Tensor

LOW = 0xFFFFFFFF
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
STEPS = 0x9E3779B9, 0xBB67AE85


def philox(counter: tuple[Tensor, ...], seed: int) -> tuple[Tensor, ...]:
    """Return four words of 32 random bits each, as int64, for counters of four words.

    Philox4x32 with ten rounds (Salmon, Moraes, Dror, Shaw, 2011); `seed` holds the two
    words of the key, the lower one first.
    """
    c0, c1, c2, c3 = counter
    keys = [seed & LOW, seed >> 32 & LOW]
    for _ in range(10):
        # A product of two words fills 64 bits; the sign of int64 is one of them.
        p, q = MULTIPLIERS[0] * c0, MULTIPLIERS[1] * c2
        c0, c1 = (q >> 32 & LOW) ^ c1 ^ keys[0], q & LOW
        c2, c3 = (p >> 32 & LOW) ^ c3 ^ keys[1], p & LOW
        keys = [key + step & LOW for key, step in zip(keys, STEPS, strict=True)]
    return c0, c1, c2, c3


def normals(words: tuple[Tensor, ...], dtype: torch.dtype) -> Tensor:
    """Return four independent normal numbers (..., 4) of four random words.

    By Box and Muller: √(−2 ln u) (cos 2πv, sin 2πv), u in (0, 1] and v in [0, 1].
    """
    pairs = []
    for first, second in (words[:2], words[2:]):
        u = (first.to(dtype) * 2.0**-32 + 2.0**-33).clamp(max=1.0)
        angle = second.to(dtype) * (2.0**-31 * math.pi)
        radius = (-2 * u.log()).sqrt()
        pairs += [radius * angle.cos(), radius * angle.sin()]
    return torch.stack(pairs, -1)
