"""The tangent kernel of one network and how a step changes it, layer by layer."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from kanlib import _check
from kanlib.theory._activation import Activation, check_elementwise, derivative
from kanlib.theory._rates import Rate, per_layer


def forward_ntk(
    weights: Sequence[Tensor],
    biases: Sequence[Tensor] | None,
    activation: Activation,
    x: Float[Tensor, "*inputs features"],
    *,
    bias_rate: Rate = 1.0,
    weight_rate: Rate = 1.0,
) -> list[Tensor]:
    """H_ik = Σ_μ λ_μ ∂_μz_i ∂_μz_k of every layer, without a derivative of a parameter.

    With layer l given, and δ for one input or a pair of inputs α, β,

        H'_ik = δ_ik·(λ_b + λ_W/n Σ_j σ_jα σ_jβ) + Σ_jm W_ij σ'_jα H_jm σ'_mβ W_km,

    where the first term is the layer's own parameters and the second the ones below.

    Args:
        weights: One matrix (n_l, n_(l-1)) a layer, from the first; leading axes, the
            same in all, are an ensemble of networks.
        biases: One vector (n_l,) a layer with the same leading axes, or None: then
            there are none, and none to train.
        activation: σ between the layers; the last one has none after it.
        x: One input, or several.
        bias_rate: λ_b, a number or one a layer.
        weight_rate: λ_W, likewise; a weight of layer l has the rate λ_W/n_(l-1).

    Shape:
        x (n₀,): item l of the result is (*networks, n_l, n_l).
        x (A, n₀): item l is (*networks, n_l, n_l, A, A), pairs of outputs, then pairs
            of inputs, as `empirical_ntk` has them.

    Returns:
        H of layers 1 to L; the last is the network's NTK.

    Raises:
        ValueError: "weights is empty", "weights[1] has shape", "biases[1] has shape",
            "biases has" another number of layers, "x has shape", "bias_rate has",
            "bias_rate must be", likewise weight_rate; "activation is not elementwise".
        TypeError: "weights[1] has dtype" other than x's, or a value is no tensor.

    Notes:
        Exact for any weights. Cost A²·n³ a layer and network.

    Example:
        >>> weights = [torch.ones(3, 2), torch.ones(1, 3)]
        >>> H = forward_ntk(weights, None, torch.relu, torch.tensor([1.0, 1.0]))
        >>> H[0].diag().tolist(), H[1].tolist()
        ([1.0, 1.0, 1.0], [[7.0]])

    Reference:
        [roberts2022principles], the forward equation of the NTK, arXiv:2106.10165, from
        memory; derived in the chapter and tested against autograd.
    """
    owner = "forward_ntk"
    rates = _checked(owner, weights, biases, activation, x, bias_rate, weight_rate)
    inputs = x if x.ndim == 2 else x[None]
    kernels = _kernels(weights, biases, activation, inputs, rates)
    if x.ndim == 1:
        return [kernel[..., 0, 0, :, :] for kernel in kernels]
    return [kernel.movedim((-2, -1), (-4, -3)) for kernel in kernels]


def forward_dntk(
    weights: Sequence[Tensor],
    biases: Sequence[Tensor] | None,
    activation: Activation,
    x: Float[Tensor, " features"],
    *,
    bias_rate: Rate = 1.0,
    weight_rate: Rate = 1.0,
) -> tuple[list[Tensor], list[Tensor]]:
    """dH_ikm = Σ_μν λ_μ λ_ν ∂_μ∂_νz_i ∂_μz_k ∂_νz_m of every layer, beside H.

    A step of gradient descent of rate η, with ε = ∂loss/∂z, moves z_i by
    -η·Σ_k H_ik ε_k + η²/2·Σ_km dH_ikm ε_k ε_m + O(η³), and H_ik itself by
    -η·Σ_m (dH_ikm + dH_kim) ε_m + O(η²). With layer l given,

        dH'_ikm = λ_W/n (δ_ik w_m + δ_im w_k)
                  + Σ_jpq W_ij W_kp W_mq σ'_p σ'_q (σ''_j H_jp H_jq + σ'_j dH_jpq),
        w_k = Σ_jp W_kp σ'_p H_pj σ'_j σ_j,   dH⁽¹⁾ = 0.

    Args:
        weights: One matrix (n_l, n_(l-1)) a layer, from the first; leading axes, the
            same in all, are an ensemble of networks.
        biases: One vector (n_l,) a layer with the same leading axes, or None: then
            there are none, and none to train.
        activation: σ between the layers; the last one has none after it.
        x: One input.
        bias_rate: λ_b, a number or one a layer.
        weight_rate: λ_W, likewise; a weight of layer l has the rate λ_W/n_(l-1).

    Shape:
        item l of the first list (*networks, n_l, n_l), of the second
        (*networks, n_l, n_l, n_l).

    Returns:
        H of layers 1 to L, and dH of layers 1 to L, which is symmetric in its last two
        indices only.

    Raises:
        ValueError: "weights is empty", "weights[1] has shape", "biases[1] has shape",
            "biases has" another number of layers, "x has shape" of more than one input,
            "bias_rate has", "bias_rate must be", likewise weight_rate; "activation is
            not elementwise".
        TypeError: "weights[1] has dtype" other than x's, or a value is no tensor.

    Notes:
        Exact for any weights. Cost n⁴ a layer and network, and n³ numbers: meant for
        widths up to about 32. σ'' is autograd's, 0 on both sides of a kink
        and at it, as the second derivative of a ReLU network is at almost all weights.

    Example:
        >>> weights = [torch.ones(3, 2), torch.ones(1, 3)]
        >>> H, dH = forward_dntk(weights, None, torch.relu, torch.tensor([1.0, 1.0]))
        >>> float(H[1]), float(dH[1])
        (7.0, 4.0)

    Reference:
        [roberts2022principles], the forward equation of the dNTK, arXiv:2106.10165,
        from memory; derived in the chapter and tested against autograd.
    """
    owner = "forward_dntk"
    if isinstance(x, Tensor) and x.ndim != 1:
        raise ValueError(
            f"{owner}: x has shape {tuple(x.shape)}; expected (features,), because it "
            f"takes one input."
        )
    rates = _checked(owner, weights, biases, activation, x, bias_rate, weight_rate)
    kernels = [
        kernel[..., 0, 0, :, :]
        for kernel in _kernels(weights, biases, activation, x[None], rates)
    ]
    size = kernels[0].shape
    differentials = [x.new_zeros(*size, size[-1])]
    below = _preactivations(weights, biases, activation, x[None])[:-1]
    values, slopes, bends = (
        [f(z.clone()).squeeze(-2) for z in below]
        for f in (activation, derivative(activation), derivative(activation, 2))
    )
    for layer, weight in enumerate(weights[1:]):
        value, slope, bend = values[layer], slopes[layer], bends[layer]
        # sloped[j, p] = H_jp σ'_p; inner[j, p, q] is what the three W meet above.
        sloped = kernels[layer] * slope[..., None, :]
        inner = bend[..., None, None] * sloped[..., :, None] * sloped[..., None, :]
        edges = slope[..., :, None, None] * slope[..., None, :, None]
        inner = inner + edges * slope[..., None, None, :] * differentials[layer]
        moved = _rotated(weight, inner)
        reach = torch.einsum("...kp,...jp,...j->...k", weight, sloped, slope * value)
        identity = _identity(weight)
        shared = identity[:, :, None] * reach[..., None, None, :]
        shared = shared + identity[:, None, :] * reach[..., None, :, None]
        differentials.append(rates[layer + 1][1] * shared + moved)
    return kernels, differentials


def _preactivations(
    weights: Sequence[Tensor],
    biases: Sequence[Tensor] | None,
    activation: Activation,
    inputs: Tensor,
) -> list[Tensor]:
    """Return z (*networks, A, n_l) of every layer."""
    found: list[Tensor] = []
    for layer, weight in enumerate(weights):
        z = (activation(found[-1].clone()) if layer else inputs) @ weight.mT
        found.append(z if biases is None else z + biases[layer][..., None, :])
    return found


def _kernels(
    weights: Sequence[Tensor],
    biases: Sequence[Tensor] | None,
    activation: Activation,
    inputs: Tensor,
    rates: list[tuple[float, float]],
) -> list[Tensor]:
    """Return H (*networks, A, A, n_l, n_l): matrices last, where matmul has them."""
    slope = derivative(activation)
    preactivations = _preactivations(weights, biases, activation, inputs)
    kernels: list[Tensor] = []
    for layer, (weight, (for_bias, for_weight)) in enumerate(
        zip(weights, rates, strict=True)
    ):
        signal = activation(preactivations[layer - 1].clone()) if layer else inputs
        own = for_bias + for_weight * (signal @ signal.mT)
        kernel = own[..., None, None] * _identity(weight)
        if layer:
            rows = weight[..., None, None, :, :]
            gain = slope(preactivations[layer - 1])
            left, right = gain[..., :, None, :, None], gain[..., None, :, None, :]
            kernel = kernel + rows @ (left * kernels[-1] * right) @ rows.mT
        kernels.append(kernel.expand(*weight.shape[:-2], *kernel.shape[-4:]))
    return kernels


def _identity(weight: Tensor) -> Tensor:
    """Return δ_ik over the outputs of a layer."""
    return torch.eye(weight.shape[-2], dtype=weight.dtype, device=weight.device)


def _rotated(weight: Tensor, inner: Tensor) -> Tensor:
    """Return Σ_jpq W_ij W_kp W_mq inner_jpq: the last index turns and comes first."""
    for _ in range(3):
        turned = inner.flatten(-3, -2) @ weight.mT
        inner = turned.unflatten(-2, inner.shape[-3:-1]).movedim(-1, -3)
    return inner


def _checked(
    owner: str,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor] | None,
    activation: Activation,
    x: Tensor,
    bias_rate: Rate,
    weight_rate: Rate,
) -> list[tuple[float, float]]:
    """Check that the layers fit, and return (λ_b, λ_W/n) of each; no bias, no λ_b."""
    _check.is_floating(owner, "x", x)
    if x.ndim not in (1, 2) or not x.numel():
        raise ValueError(
            f"{owner}: x has shape {tuple(x.shape)}; expected (features,) or "
            f"(inputs, features), none of them 0."
        )
    depth = len(weights)
    if not depth:
        raise ValueError(f"{owner}: weights is empty; expected one matrix a layer.")
    if biases is not None and len(biases) != depth:
        raise ValueError(
            f"{owner}: biases has {len(biases)} entries; expected {depth}, because "
            f"there are {depth} weights. Pass None for a network without biases."
        )
    features, networks = x.shape[-1], None
    for layer, weight in enumerate(weights):
        name = f"weights[{layer}]"
        _check.is_tensor(owner, name, weight)
        networks = weight.shape[:-2] if networks is None else networks
        outputs = weight.shape[-2] if weight.ndim > 1 else 0
        _check.has_shape(
            owner,
            name,
            weight,
            (*networks, outputs, features),
            "x or the layer below has as many entries, and all have the same networks",
        )
        _check.same_kind(owner, x=x, **{name: weight})
        if biases is not None:
            name = f"biases[{layer}]"
            _check.is_tensor(owner, name, biases[layer])
            wanted = (*networks, outputs)
            _check.has_shape(owner, name, biases[layer], wanted, "weights has it")
            _check.same_kind(owner, x=x, **{name: biases[layer]})
        features = outputs
    check_elementwise(owner, activation)
    for_bias = per_layer(owner, "bias_rate", bias_rate, depth)
    for_weight = per_layer(owner, "weight_rate", weight_rate, depth)
    return [
        (0.0 if biases is None else b, w / weight.shape[-1])
        for b, w, weight in zip(for_bias, for_weight, weights, strict=True)
    ]
