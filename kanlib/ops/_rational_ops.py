"""The two operations behind `group_rational`, as torch knows them.

x and g are contiguous (rows, D); an implementation may rely on it. Gradients of the
coefficients have the coefficients' dtype, which may be wider than that of x.
"""

import torch

_LIBRARY = torch.library.Library("kanlib", "FRAGMENT")
_LIBRARY.define(
    "group_rational(Tensor x, Tensor numerator, Tensor denominator, str form) -> Tensor"
)
_LIBRARY.define(
    "group_rational_backward(Tensor g, Tensor x, Tensor numerator, "
    "Tensor denominator, str form) -> (Tensor, Tensor, Tensor)"
)


@torch.library.register_fake("kanlib::group_rational")
def _(x, numerator, denominator, form):  # type: ignore[no-untyped-def]
    return x.new_empty(x.shape)


@torch.library.register_fake("kanlib::group_rational_backward")
def _(g, x, numerator, denominator, form):  # type: ignore[no-untyped-def]
    return tuple(t.new_empty(t.shape) for t in (x, numerator, denominator))
