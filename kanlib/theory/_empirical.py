"""The tangent kernel of any network, from its derivatives by its parameters."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from kanlib import _check

Parameters = Mapping[str, Tensor]


def empirical_ntk(
    module: nn.Module | Callable[[Any, Tensor], Tensor],
    x: Float[Tensor, "inputs ..."],
    *,
    parameters: Parameters | None = None,
    rates: Mapping[str, float | Tensor] | None = None,
) -> Float[Tensor, "outputs outputs inputs inputs"]:
    """H_ik(x_α, x_β) = Σ_μ λ_μ ∂z_i(x_α)/∂θ_μ ∂z_k(x_β)/∂θ_μ, by autograd.

    A step of gradient descent of small rate η moves output i at x_α by
    -η·Σ_kβ H_ik(x_α, x_β) ∂loss/∂z_k(x_β).

    Args:
        module: Any network with an axis of inputs in front, or a function
            f(parameters, x) of the same kind.
        x: The inputs.
        parameters: The θ of a function, tensors by name; of a module they are its own,
            those that require gradients.
        rates: λ by parameter name, each a number or a tensor that broadcasts to the
            parameter; None is 1 for all. In this package's convention a bias has λ_b,
            and a weight with n inputs λ_W/n.

    Shape:
        x (A, *features), outputs (A, *shape) flattened to O each; result (O, O, A, A):
        pairs of outputs, then pairs of inputs. A network of one output has the matrix
        result[0, 0].

    Raises:
        ValueError: "x has shape" of no input, "module has no parameters", "rates has"
            other names than the parameters, "parameters is needed" for a function and
            not wanted for a module, "the output has" no tensor with the inputs' axis.
        TypeError: "x has dtype" that is not floating.

    Notes:
        One input at a time under `vmap`, so a layer that mixes inputs (batch
        normalization in training) has no NTK here, and one that draws random numbers
        (dropout) raises: call module.eval() first. Cost A·O backward passes, memory
        A·O numbers for every parameter.
        Symmetric and, as a matrix over (output, input) pairs, positive semidefinite.

    Example:
        >>> network = nn.Linear(3, 1).double()
        >>> x = torch.eye(3, dtype=torch.float64)
        >>> H = empirical_ntk(network, x, rates={"weight": 1 / 3, "bias": 0.0})
        >>> bool(torch.allclose(H[0, 0], x / 3))
        True

    Reference:
        [roberts2022principles], the definition of the NTK with a learning-rate tensor,
        arXiv:2106.10165, from memory; its indices are in our order here.
    """
    owner = "empirical_ntk"
    _check.is_floating(owner, "x", x)
    if x.ndim == 0 or not x.numel():
        raise ValueError(
            f"{owner}: x has shape {tuple(x.shape)}; expected (inputs, *features), "
            f"at least one of each."
        )
    function, theta = _as_function(owner, module, parameters)
    if not theta:
        raise ValueError(
            f"{owner}: module has no parameters to train; expected at least one that "
            f"requires gradients."
        )
    if rates is not None and set(rates) != set(theta):
        raise ValueError(
            f"{owner}: rates has the names {sorted(rates)}; expected "
            f"{sorted(theta)}, because these are the parameters. A rate 0 freezes one."
        )

    def outputs(values: dict[str, Tensor], sample: Tensor) -> Tensor:
        z = function(values, sample[None])
        if not isinstance(z, Tensor) or z.shape[:1] != (1,):
            raise ValueError(
                f"{owner}: the output has no axis of inputs in front; expected "
                f"a tensor (inputs, ...), because x has one. Got {type(z).__name__}."
            )
        return z.flatten()

    jacobians = vmap(jacrev(outputs), (None, 0))(theta, x)
    total: Tensor | None = None
    for name, jacobian in jacobians.items():
        rows = jacobian.flatten(2)
        scaled = rows
        if rates is not None:
            rate = torch.as_tensor(rates[name], dtype=x.dtype, device=x.device)
            scaled = rows * rate.expand(theta[name].shape).flatten()
        part = torch.einsum("aip,bkp->ikab", scaled, rows)
        total = part if total is None else total + part
    assert total is not None
    return total


def _as_function(
    owner: str,
    module: nn.Module | Callable[[Any, Tensor], Tensor],
    parameters: Parameters | None,
) -> tuple[Callable[[Any, Tensor], Tensor], dict[str, Tensor]]:
    """Return f(parameters, x) and the parameters at which to differentiate it."""
    if not isinstance(module, nn.Module):
        if parameters is None:
            raise ValueError(
                f"{owner}: parameters is needed, because a function has none of its "
                f"own. Pass a dict of tensors."
            )
        return module, {name: value.detach() for name, value in parameters.items()}
    if parameters is not None:
        raise ValueError(
            f"{owner}: parameters is not wanted, because the module has its own. "
            f"Pass a function f(parameters, x) to choose them."
        )
    own = {
        name: value.detach()
        for name, value in module.named_parameters()
        if value.requires_grad
    }
    return (lambda values, inputs: functional_call(module, values, (inputs,))), own
