"""A learnable rational function on every group of columns, as one operation."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from kanlib import _check
from kanlib.ops._dispatch import Backend, choose, numba_refusals, transform_refusals
from kanlib.ops._rational_reference import rational

OPERATION = "group_rational"
FORMS = ("A", "B")

Form = Literal["A", "B"]


def group_rational(
    x: Float[Tensor, "*batch D"],
    numerator: Float[Tensor, "shared m1"],
    denominator: Float[Tensor, "groups n"],
    *,
    form: Form = "A",
    backend: Backend = "auto",
) -> Float[Tensor, "*batch D"]:
    """Return F(x) = P(x) / Q(x) entry by entry, one F for each group of columns.

    P = Σ_{i=0}^{m} a_i xⁱ. Q = 1 + Σ_{j=1}^{n} |b_j| |x|ʲ in form A and
    Q = 1 + |Σ_{j=1}^{n} b_j xʲ| in form B; both are at least 1, so F has no pole.

    Args:
        x: Points; column c belongs to group ⌊c g / D⌋.
        numerator: a, one row for all groups or one row for each.
        denominator: b, one row for each group; their number is the number g of groups.
        form: "A" or "B", as above. The two agree only where all b_j xʲ have one sign.
        backend: "reference" (plain PyTorch, defines the result), "cpu" (compiled by
            numba at first use), "cuda" (kernels of this package, through CuPy), or
            "auto": the first that can take this call.

    Shape:
        x (..., D), numerator (1, m + 1) or (g, m + 1), denominator (g, n); g divides D;
        result (..., D).

    Returns:
        F(x) in x's dtype, differentiable in x, a and b to every order.

    Raises:
        TypeError: "x has dtype" not floating; "numerator has dtype" or "denominator has
            dtype" or device other than what goes with x.
        ValueError: "numerator has shape", "denominator has shape", "x has shape",
            "form is", "backend is".
        KernelUnavailable: the backend asked for by name cannot take this call; lists
            every reason.

    Notes:
        Coefficients go with x: float64 with float64, float32 with float32; a half x
        takes either float32 (better) or its own dtype. Half is computed in float32 and
        rounded once, at the end.
        The sign of 0 is +1, of x, of b and of the sum inside form B alike: at b = 0 the
        derivative with respect to b is that from the right, so that a denominator which
        starts at 0 does learn. NaN gives NaN, and so does an infinite x where both P
        and Q are infinite. Gradients for such an x may then be NaN where the reference
        has 0.
        "cpu" and "cuda" keep x and the coefficients for backward and nothing else.
        Their coefficient gradients are sums in blocks of rows, combined in float64 in a
        fixed order: the same bits at every run, whatever the number of threads.

    Example:
        >>> a = torch.tensor([[0.0, 1.0, 0.0]])  # P = x for both groups
        >>> b = torch.tensor([[0.0], [1.0]])  # Q = 1, and Q = 1 + |x|
        >>> group_rational(torch.tensor([3.0, 3.0]), a, b)
        tensor([3.0000, 0.7500])

    Reference:
        [yang2024kat], arXiv:2409.10594, writes form B; the kernels released with it
        evaluate form A. Rational activations: [molina2019pade].
    """
    _check_arguments(x, numerator, denominator, form)
    # Half is for memory: the coefficients, and all sums, are float32 at least.
    work = torch.float64 if x.dtype == torch.float64 else torch.float32
    a, b = numerator.to(work), denominator.to(work)
    refusals = {
        "cuda": lambda: _cuda_refusals(x, a, b, form, backend == "cuda"),
        "cpu": lambda: _cpu_refusals(x),
    }
    chosen = choose(OPERATION, backend, refusals)
    if chosen == "reference":
        return rational(x, a, b, form)
    if chosen == "cpu":
        from kanlib.ops import _rational_cpu  # noqa: F401
    else:
        from kanlib.ops import _rational_cuda  # noqa: F401
    from kanlib.ops._autograd import apply
    from kanlib.ops._rational_autograd import Rational

    rows = x.reshape(x.shape[:-1].numel(), x.shape[-1])
    y: Tensor = apply(Rational, rows, a, b, form)
    return y.reshape(x.shape)


def _cpu_refusals(x: Tensor) -> Sequence[str]:
    """Why the compiled loops cannot take this call."""
    found = numba_refusals() + transform_refusals()
    if x.device.type != "cpu":
        found.append(f"x is on {x.device}; expected the CPU")
    if x.dtype not in (torch.float32, torch.float64):
        found.append(f"x has dtype {x.dtype}; expected float32 or float64")
    return found


def _cuda_refusals(
    x: Tensor, a: Tensor, b: Tensor, form: str, named: bool
) -> Sequence[str]:
    """Why the CUDA kernels cannot take this call."""
    found = transform_refusals()
    if not (named or x.is_cuda):
        # Asking the driver takes longer than a small call: not for "auto" on a CPU.
        return [*found, f"x is on {x.device}; expected a CUDA device"]
    from kanlib.ops import _rational_cuda

    # Both may name a transform that is under way.
    return list(dict.fromkeys([*found, *_rational_cuda.refusals(x, a, b, form)]))


def _check_arguments(
    x: Tensor, numerator: Tensor, denominator: Tensor, form: str
) -> None:
    _check.is_floating(OPERATION, "x", x)
    _check.is_tensor(OPERATION, "numerator", numerator)
    _check.is_tensor(OPERATION, "denominator", denominator)
    _check.is_one_of(OPERATION, "form", form, FORMS)
    if denominator.ndim != 2 or not len(denominator):
        raise ValueError(
            f"{OPERATION}: denominator has shape {tuple(denominator.shape)}; expected "
            "(g, n), one row of n coefficients for each of the g groups."
        )
    groups = len(denominator)
    if (
        numerator.ndim != 2
        or len(numerator) not in (1, groups)
        or not numerator.numel()
    ):
        raise ValueError(
            f"{OPERATION}: numerator has shape {tuple(numerator.shape)}; expected "
            f"(1, m + 1) or ({groups}, m + 1), because denominator has {groups} rows, "
            "one for each group."
        )
    if x.ndim == 0 or x.shape[-1] % groups:
        raise ValueError(
            f"{OPERATION}: x has shape {tuple(x.shape)}; expected (..., D) with D a "
            f"multiple of {groups}, because denominator has a row for each of {groups} "
            "groups of equal width."
        )
    if x.dtype in (torch.float32, torch.float64):
        _check.same_kind(OPERATION, x=x, numerator=numerator, denominator=denominator)
        return
    _check.same_kind(OPERATION, numerator=numerator, denominator=denominator)
    if numerator.dtype not in (torch.float32, x.dtype):
        raise TypeError(
            f"{OPERATION}: numerator has dtype {numerator.dtype}; expected float32 or "
            f"{x.dtype}, because x has dtype {x.dtype}. Use numerator.float()."
        )
    if numerator.device != x.device:
        raise TypeError(
            f"{OPERATION}: numerator has device {numerator.device}; expected "
            f"{x.device}, because x is there. Use numerator.to(x.device)."
        )
