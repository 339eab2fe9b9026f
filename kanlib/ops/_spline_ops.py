"""What a compiled `spline_sum` is made of: three operations, on whatever device.

With features Φ⁽ⁿ⁾ (rows, F, I), the K B-splines and then, if there is a base, SiLU, all
differentiated n times, and a weight C (F, I, O):

    sum   y[r, o] = Σ_{f,i} s[r, i] Φ⁽ⁿ⁾[r, f, i] C[f, i, o]
    pull  h[r, i] = Σ_{f,o} g[r, o] Φ⁽ⁿ⁾[r, f, i] C[f, i, o]
    push  P[f, i, o] = Σ_r s[r, i] Φ⁽ⁿ⁾[r, f, i] g[r, o]

The derivative of each with respect to each argument is one of them again, with n or
n + 1 (kanlib.ops._spline_autograd). Without a scale, s = 1. Knots are (1 or I, m) and
float64; all other arguments have one dtype and may have any strides; results are new
and contiguous. Implementations for "CPU" and "CUDA" register themselves here.
"""

import torch
from torch import Tensor

# A fragment: other operations of this package share the namespace.
LIBRARY = torch.library.Library("kanlib", "FRAGMENT")
LIBRARY.define(
    "spline_sum(Tensor x, Tensor weight, Tensor? scale, Tensor knots, int degree, "
    "int derivative, bool base) -> Tensor"
)
LIBRARY.define(
    "spline_pull(Tensor x, Tensor weight, Tensor g, Tensor knots, int degree, "
    "int derivative, bool base) -> Tensor"
)
LIBRARY.define(
    "spline_push(Tensor x, Tensor? scale, Tensor g, Tensor knots, int degree, "
    "int derivative, bool base) -> Tensor"
)


@torch.library.register_fake("kanlib::spline_sum")
def _(
    x: Tensor,
    weight: Tensor,
    scale: Tensor | None,
    knots: Tensor,
    degree: int,
    derivative: int,
    base: bool,
) -> Tensor:
    return x.new_empty(x.shape[0], weight.shape[2])


@torch.library.register_fake("kanlib::spline_pull")
def _(
    x: Tensor,
    weight: Tensor,
    g: Tensor,
    knots: Tensor,
    degree: int,
    derivative: int,
    base: bool,
) -> Tensor:
    return x.new_empty(x.shape)


@torch.library.register_fake("kanlib::spline_push")
def _(
    x: Tensor,
    scale: Tensor | None,
    g: Tensor,
    knots: Tensor,
    degree: int,
    derivative: int,
    base: bool,
) -> Tensor:
    count = knots.shape[-1] - degree - 1 + int(base)
    return x.new_empty(count, x.shape[1], g.shape[1])
