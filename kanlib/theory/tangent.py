"""The tangent kernel of wide networks, layer by layer: its mean and what varies.

The NTK of outputs i and k, H_ik = Σ_μ λ_μ ∂_μz_i ∂_μz_k, says how a step of gradient
descent on one output moves the other. Over random networks of equal width n it has, for
one input and i ≠ k, to leading order in 1/n,

    E H_ii = Θ,   E[H_ik z_i z_k] = F/n,   E[H_ik²] = B/n,
    E[dH_ikk z_i] = P/n,   E[dH_iik z_k] = Q/n,

where dH_ikm = Σ_μν λ_μλ_ν ∂_μ∂_νz_i ∂_μz_k ∂_νz_m is how a step changes the NTK itself.
In a network of layers `forward_ntk` and `forward_dntk` give H' and dH' of the next
layer; the weights between are Gaussian, so pairing them two by two (Wick) leaves sums
over the neurons of layer l. Each has a diagonal part, where two indices agree: a mean
over one Gaussian neuron. And it has a part with different neurons j ≠ k, to which only
their correlation of order 1/n contributes: E[H_jk f(z_j) g(z_k)] = E f' E g' F/n.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from kanlib import _check
from kanlib.theory._activation import Activation, check_elementwise, derivative
from kanlib.theory._gaussian import gaussian_mean_pair
from kanlib.theory._rates import Rate, per_layer
from kanlib.theory.covariance import _Means, covariance_flow


class NTKFlow(NamedTuple):
    """Covariance, mean and fluctuations of the NTK of layers 1 to L, each (depth,)."""

    covariance: Tensor
    mean: Tensor
    F: Tensor
    B: Tensor
    P: Tensor
    Q: Tensor


def ntk_flow(
    activation: Activation,
    start: float,
    depth: int,
    *,
    bias_variance: float,
    weight_variance: float,
    bias_rate: Rate = 1.0,
    weight_rate: Rate = 1.0,
) -> NTKFlow:
    """Θ' = λ_b + λ_W⟨σ²⟩ + C_W⟨σ'²⟩Θ, and its fluctuations F, B, P, Q of order 1/n.

    With ⟨f⟩ = E f(z), z ~ N(0, K), χ∥ = C_W⟨zσσ'⟩/K and χ⊥ = C_W⟨σ'²⟩ of layer l,

        F' = C_W²⟨σ²σ'²⟩Θ + χ∥² F
        B' = C_W²⟨σ'⁴⟩Θ² + χ⊥² B
        P' = C_W²(⟨σ''σ'²σ⟩Θ² + ⟨σ''σ⟩⟨σ'²⟩ B) + χ∥χ⊥ P
        Q' = λ_W(C_W⟨σ²σ'²⟩Θ + χ∥² F/C_W)
             + C_W²⟨σ''σ'²σ⟩Θ² + C_Wχ∥⟨zσ''σ'⟩/K · ΘF + χ∥χ⊥ Q

    from F = B = P = Q = 0 at layer 1 and Θ⁽¹⁾ = λ_b + λ_W‖x‖²/n₀.

    Args:
        activation: σ, elementwise, differentiable with torch.
        start: K⁽¹⁾ = C_b + C_W‖x‖²/n₀ > 0, the variance of the first layer.
        depth: L, at least 1.
        bias_variance: C_b ≥ 0.
        weight_variance: C_W > 0.
        bias_rate: λ_b, a number, or one for each of the layers.
        weight_rate: λ_W, likewise; a weight of layer l has the rate λ_W/n_(l-1).

    Shape:
        each field of the result (depth,), float64; entry 0 is layer 1.

    Returns:
        K, Θ, F, B, P, Q.

    Raises:
        ValueError: "start must be" above 0, "start is below bias_variance", "depth must
            be", "bias_variance must be", "weight_variance must be", "bias_rate has" a
            wrong number of entries, "bias_rate must be", likewise weight_rate; "the
            covariance of layer" has become 0 or infinite; "activation is not
            elementwise"; what `gaussian_mean` raises.
        TypeError: where a number is no number.

    Notes:
        One input, equal widths, a continuous σ. No second derivative is taken; by
        parts ⟨σ''σ⟩ = ⟨zσσ'⟩/K - ⟨σ'²⟩, ⟨σ''σ'²σ⟩ = (⟨zσσ'³⟩/K - ⟨σ'⁴⟩)/3 and
        ⟨zσ''σ'⟩ = (⟨z²σ'²⟩/K - ⟨σ'²⟩)/2. So a kinked σ has the values of the smooth
        ones that tend to it. A kink at 0 where σ(0) = 0, as in ReLU, adds nothing to
        any of the three, and P = 0 for ReLU. A kink elsewhere, as in hardtanh, adds to
        P and Q what autograd, and so `forward_dntk`, does not see.
        About 0.2 ms a layer. Where K is small, ⟨σ''σ⟩ and ⟨zσ''σ'⟩/K are small
        differences, with a relative error of about 1e-15/K.

    Example:
        >>> flow = ntk_flow(torch.relu, 1.0, 3, bias_variance=0.0, weight_variance=2.0)
        >>> [round(float(mean), 9) for mean in flow.mean]
        [1.5, 3.0, 4.5]

    Reference:
        [roberts2022principles], the chapters on the NTK and on representation learning,
        arXiv:2106.10165, from memory; rederived, tested against whole networks.
    """
    owner = "ntk_flow"
    _check_start(owner, depth, bias_variance, weight_variance)
    _check.is_positive(owner, "start", start)
    if start < bias_variance:
        raise ValueError(
            f"{owner}: start is below bias_variance={bias_variance}, got {start}; "
            f"expected K = C_b + C_W‖x‖²/n₀ of an input x."
        )
    for_bias = per_layer(owner, "bias_rate", bias_rate, depth)
    for_weight = per_layer(owner, "weight_rate", weight_rate, depth)
    check_elementwise(owner, activation)
    means = _Means(owner, _integrands(activation))
    K, C = float(start), weight_variance
    mean = for_bias[0] + for_weight[0] * (K - bias_variance) / C
    F = B = P = Q = 0.0
    rows = [(K, mean, F, B, P, Q)]
    for layer in range(2, depth + 1):
        m = _Moments.at(K, means(K))
        rates = for_bias[layer - 1], for_weight[layer - 1]
        mean, F, B, P, Q = _next(m, C, rates, mean, F, B, P, Q)
        K = bias_variance + C * m.ss
        if not 0 < K < math.inf:
            raise ValueError(
                f"{owner}: the covariance of layer {layer} is {K}; expected a finite "
                f"number above 0. Take fewer layers, or the critical weight_variance."
            )
        rows.append((K, mean, F, B, P, Q))
    return NTKFlow(*torch.tensor(rows, dtype=torch.float64).T.contiguous())


def _integrands(activation: Activation) -> Callable[[Tensor], Tensor]:
    """Return z (N,) -> the seven products (7, N) whose means `_Moments` takes."""
    slope = derivative(activation)

    def functions(z: Tensor) -> Tensor:
        s, d = activation(z.clone()), slope(z)
        along = z * s * d
        ss, dd = s**2, d**2
        return torch.stack([ss, dd, along, ss * dd, dd**2, along * dd, z**2 * dd])

    return functions


class _Moments(NamedTuple):
    """Means over one neuron z ~ N(0, K), named by their factors z, s=σ, d=σ', c=σ''."""

    ss: float
    dd: float
    zsd: float  # over K
    ssdd: float
    dddd: float
    cs: float
    cdds: float
    zcd: float  # over K

    @classmethod
    def at(cls, variance: float, means: Tensor) -> "_Moments":
        """Integrate by parts what has σ'' in it: E f' = E zf/K."""
        ss, dd, zsd, ssdd, dddd, zsddd, zzdd = means.tolist()
        return cls(
            ss=ss,
            dd=dd,
            zsd=zsd / variance,
            ssdd=ssdd,
            dddd=dddd,
            cs=zsd / variance - dd,
            cdds=(zsddd / variance - dddd) / 3,
            zcd=(zzdd / variance - dd) / (2 * variance),
        )


def _next(
    m: _Moments,
    weight_variance: float,
    rates: tuple[float, float],
    mean: float,
    F: float,
    B: float,
    P: float,
    Q: float,
) -> tuple[float, float, float, float, float]:
    """Return Θ', F', B', P', Q' from those of the layer below."""
    for_bias, for_weight = rates
    # Products and not powers, of which Python's raise where they overflow.
    square = weight_variance * weight_variance
    parallel, perpendicular = weight_variance * m.zsd, weight_variance * m.dd
    both = parallel * perpendicular
    return (
        for_bias + for_weight * m.ss + perpendicular * mean,
        square * m.ssdd * mean + parallel * parallel * F,
        square * m.dddd * mean * mean + perpendicular * perpendicular * B,
        square * (m.cdds * mean * mean + m.cs * m.dd * B) + both * P,
        for_weight * weight_variance * (m.ssdd * mean + m.zsd * m.zsd * F)
        + square * (m.cdds * mean * mean + m.zcd * m.zsd * mean * F)
        + both * Q,
    )


def ntk_mean(
    activation: Activation,
    start: Float[Tensor, "inputs inputs"],
    depth: int,
    *,
    bias_variance: float,
    weight_variance: float,
    bias_rate: Rate = 1.0,
    weight_rate: Rate = 1.0,
) -> Float[Tensor, "depth inputs inputs"]:
    """Θ'_αβ = λ_b + λ_W⟨σ_ασ_β⟩ + C_W⟨σ'_ασ'_β⟩Θ_αβ, the NTK of infinite width.

    With X the training inputs and y their targets, gradient descent on the squared
    error of an infinitely wide network ends, on average over initializations, at
    z(x) = Θ(x, X) Θ(X, X)⁻¹ y.

    Args:
        activation: σ, elementwise, differentiable with torch.
        start: K⁽¹⁾_αβ = C_b + C_W x_α·x_β/n₀ of all inputs, training and test together.
        depth: L, at least 1.
        bias_variance: C_b ≥ 0.
        weight_variance: C_W > 0.
        bias_rate: λ_b, a number, or one for each of the layers.
        weight_rate: λ_W, likewise; a weight of layer l has the rate λ_W/n_(l-1).

    Shape:
        start (A, A), result (depth, A, A), float64; entry 0 is layer 1.

    Returns:
        Θ of layers 1 to L.

    Raises:
        ValueError: "start has shape" of no square matrix, and what `covariance_flow`
            says of one that is no covariance; "depth must be", "bias_variance must be",
            "weight_variance must be", "bias_rate has" a wrong number of entries,
            "bias_rate must be", likewise weight_rate; "activation is not elementwise".
        TypeError: "start is a" thing that is no tensor.

    Notes:
        Cost two two-dimensional quadratures a layer for each of the A(A + 1)/2 pairs.

    Example:
        >>> start = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
        >>> Theta = ntk_mean(
        ...     torch.relu, start, 2, bias_variance=0.0, weight_variance=2.0
        ... )
        >>> [[round(float(entry), 6) for entry in row] for row in Theta[1]]
        [[3.0, 1.659155], [1.659155, 3.0]]

    Reference:
        [roberts2022principles], the chapter on the NTK at infinite width,
        arXiv:2106.10165, from memory; derived in the chapter.
    """
    owner = "ntk_mean"
    _check_start(owner, depth, bias_variance, weight_variance)
    _check.is_tensor(owner, "start", start)
    inputs = len(start) if start.ndim else 0
    _check.has_shape(
        owner, "start", start, (inputs, inputs), "it is the covariance of all inputs"
    )
    for_bias = per_layer(owner, "bias_rate", bias_rate, depth)
    for_weight = per_layer(owner, "weight_rate", weight_rate, depth)
    covariance = covariance_flow(
        activation,
        start,
        depth,
        bias_variance=bias_variance,
        weight_variance=weight_variance,
    )
    # ‖x‖²/n₀ of the first layer and ⟨σσ⟩ of the others, which the flow has in it.
    signal = (covariance - bias_variance) / weight_variance
    slope = derivative(activation)
    one, other = torch.triu_indices(inputs, inputs)
    mean = for_bias[0] + for_weight[0] * signal[0]
    means = [mean]
    for layer in range(1, depth):
        below = covariance[layer - 1]
        diagonal = below.diagonal()
        pairs = torch.stack(
            [diagonal[one], below[one, other], below[one, other], diagonal[other]], -1
        ).unflatten(-1, (2, 2))
        slopes = torch.empty_like(below)
        slopes[one, other] = gaussian_mean_pair(slope, slope, pairs)
        slopes[other, one] = slopes[one, other]
        own = for_bias[layer] + for_weight[layer] * signal[layer]
        mean = own + weight_variance * slopes * mean
        means.append(mean)
    return torch.stack(means)


def _check_start(
    owner: str, depth: int, bias_variance: float, weight_variance: float
) -> None:
    _check.is_integer(owner, "depth", depth, 1)
    _check.is_non_negative(owner, "bias_variance", bias_variance)
    _check.is_positive(owner, "weight_variance", weight_variance)
