"""How the covariance of one neuron, and its first correction in 1/n, run with depth."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from kanlib import _check
from kanlib.theory._activation import Activation, check_elementwise, derivative
from kanlib.theory._gaussian import gaussian_mean_pair
from kanlib.theory._rule import Rule
from kanlib.theory._skips import SkipVertices

# A rule serves variances within this factor of the one for which it was made.
SPAN = 4.0


class Susceptibilities(NamedTuple):
    """χ∥, χ⊥ and h = χ⊥'(K)/2: how two nearby inputs move apart in one layer."""

    parallel: float
    perpendicular: float
    mixing: float


class VertexFlow(NamedTuple):
    """K, V, G⁽¹⁾ and U of layers 1 … L, each (L,)."""

    covariance: Float[Tensor, " depth"]
    vertex: Float[Tensor, " depth"]
    correction: Float[Tensor, " depth"]
    odd: Float[Tensor, " depth"]


def covariance_flow(
    activation: Activation,
    start: float | Tensor,
    depth: int,
    *,
    bias_variance: float,
    weight_variance: float,
    residual: float = 0.0,
) -> Float[Tensor, "depth ..."]:
    """Return K⁽ˡ⁾ of an infinitely wide network: K' = γ²K + C_b + C_W ⟨σ σ⟩_K.

    Layer 1 has the covariance `start`, and z' = γ z + b + W σ(z).

    Args:
        activation: σ.
        start: K⁽¹⁾ = C_b + C_W x·x/n₀ of one input, or the (A, A) matrix of several.
        depth: L ≥ 1.
        bias_variance: C_b ≥ 0.
        weight_variance: C_W ≥ 0; weights have the variance C_W/n.
        residual: γ.

    Shape:
        start () or (A, A); result (depth,) or (depth, A, A).

    Raises:
        ValueError: "start must be" finite and non-negative, "start has shape" not
            (A, A), "start is not" symmetric positive semidefinite; "bias_variance must
            be", "weight_variance must be" non-negative; "activation is not
            elementwise"; what `gaussian_mean` raises.

    Notes:
        One input costs about 0.1 ms a layer, a pair of inputs a few ms.

    Example:
        >>> flow = covariance_flow(
        ...     torch.relu, 1.5, 4, bias_variance=0.0, weight_variance=2.0
        ... )
        >>> flow.round(decimals=10)
        tensor([1.5000, 1.5000, 1.5000, 1.5000], dtype=torch.float64)

    Reference:
        [roberts2022principles], eq. (4.41) for layer 2, arXiv:2106.10165; the residual
        form is derived in the chapter.
    """
    owner = "covariance_flow"
    _check_flow(owner, activation, depth, bias_variance, weight_variance, residual)
    means = _Means(owner, lambda z: activation(z)[None] ** 2)

    def step(variance: float) -> float:
        mean = float(means(variance)[0]) if weight_variance else 0.0
        return residual**2 * variance + bias_variance + weight_variance * mean

    if not isinstance(start, Tensor) or start.ndim == 0:
        _check.is_number(owner, "start", start)
        flow = [float(start)]
        _check.is_non_negative(owner, "start", flow[0])
        while len(flow) < depth:
            flow.append(step(flow[-1]))
        return torch.tensor(flow, dtype=torch.float64)
    matrix = _covariance_matrix(owner, start)
    size = len(matrix)
    rows, columns = torch.triu_indices(size, size, 1)
    flows = [matrix]
    while len(flows) < depth:
        matrix = flows[-1]
        diagonal = [step(float(variance)) for variance in matrix.diagonal()]
        following = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
        if len(rows):
            pairs = torch.stack([rows, columns], 1)
            blocks = matrix[pairs[:, :, None], pairs[:, None, :]]
            mean = gaussian_mean_pair(activation, activation, blocks)
            entries = residual**2 * matrix[rows, columns] + bias_variance
            entries = entries + weight_variance * mean
            following[rows, columns] = following[columns, rows] = entries
        flows.append(following)
    return torch.stack(flows)


def susceptibilities(
    activation: Activation,
    variance: float,
    *,
    weight_variance: float,
    residual: float = 0.0,
) -> Susceptibilities:
    """Return χ∥ = γ² + C_W ⟨zσσ'⟩/K, χ⊥ = γ² + C_W ⟨σ'σ'⟩ and h = χ⊥'(K)/2.

    For inputs x₀ ± δx/2, D₁ = (K₊₊ − K₋₋)/2 and D₂ = (K₊₊ + K₋₋ − 2K₊₋)/4, a quarter of
    the variance of the difference, one layer makes D₁' = χ∥ D₁ and
    D₂' = χ⊥ D₂ + h D₁².

    Args:
        activation: σ.
        variance: K > 0.
        weight_variance: C_W ≥ 0.
        residual: γ.

    Raises:
        ValueError: "variance must be" positive, "weight_variance must be" non-negative,
            "activation is not elementwise"; what `gaussian_mean` raises.

    Notes:
        No second derivative is taken: χ∥ = γ² + C_W ⟨σ²⟩' and ⟨f⟩' = ⟨f (z² − K)⟩/2K²
        for every f, integration by parts having moved the derivatives onto the density.
        So kinks of σ are exact. A jump of σ makes χ⊥ infinite, which autograd, whose
        slope there is 0, cannot see.

    Example:
        >>> chi = susceptibilities(torch.relu, 3.0, weight_variance=2.0)
        >>> round(chi.parallel, 10), round(chi.perpendicular, 10)
        (1.0, 1.0)

    Reference:
        [roberts2022principles], arXiv:2106.10165 (from memory; derived in the chapter).
    """
    owner = "susceptibilities"
    _check.is_positive(owner, "variance", variance)
    _check.is_non_negative(owner, "weight_variance", weight_variance)
    _check.is_number(owner, "residual", residual)
    check_elementwise(owner, activation)
    slope = derivative(activation)
    K = float(variance)

    def functions(z: Tensor) -> Tensor:
        first, second = activation(z.clone()), slope(z)
        square = second**2
        return torch.stack([z * first * second, square, square * (z**2 / K - 1)])

    rule = Rule(owner, functions, K, name="activation")
    along, across, mixing = rule(K).tolist()
    carried = residual**2
    return Susceptibilities(
        carried + weight_variance * along / K,
        carried + weight_variance * across,
        weight_variance * mixing / (4 * K),
    )


def vertex_flow(
    activation: Activation,
    start: float,
    depth: int,
    *,
    bias_variance: float,
    weight_variance: float,
    residual: float = 0.0,
) -> VertexFlow:
    """Return K, V, G⁽¹⁾ and U of layers of equal width n, z' = γ z + b + W σ(z).

    For neurons i ≠ j of one input, to first order in 1/n, E z_i² = K + G⁽¹⁾/n,
    Cov(z_i², z_j²) = V/n and E z_i² z_j = U/n. With g = ⟨σ²⟩ and χ = γ² + C_W g',

        K' = γ²K + C_b + C_W g
        V' = χ²V + C_W² (⟨σ⁴⟩ − g²) + 4γ²C_W K²g' + 2√2 C_W χ K Σ_p f_p u_p
        G' = χG + C_W g'' V/2 + C_W Σ_p f_{p+2} u_p √((p + 1)(p + 2)/2)
        u_p' = ρ^p (χK u_p + C_W f_p/√2)/K',    ρ = γ √(K/K'),    p = 1, 3, 4, 5, …

    where f_p = ⟨σ² h_p⟩ with the normalized Hermite polynomials h_p of z/√K, u_p/n =
    E h₂(z_i) h_p(z_j), and U = √(2K³) u₁.

    Args:
        activation: σ.
        start: K⁽¹⁾ > 0; layer 1 is Gaussian, so its V, G⁽¹⁾ and U are 0.
        depth: L ≥ 1.
        bias_variance: C_b ≥ 0.
        weight_variance: C_W ≥ 0.
        residual: γ.

    Raises:
        ValueError: "start must be" positive; "bias_variance must be", "weight_variance
            must be" non-negative; "activation is not elementwise"; "the covariance of
            layer" has become 0 or infinite; what `gaussian_mean` raises.

    Notes:
        V of layer l is counted in 1/n of the layer below. Without skip connections all
        u are 0. With them no finite set of vertices closes, except for linear σ: a
        neuron is a part of the mean in which the next variance consists, and what it
        keeps of its past correlates with that mean in every power. u₁ is the largest,
        the others change V and G⁽¹⁾ of ReLU by a few percent. The sums are cut at
        p = 64, which costs ReLU about 1e-7 of V at γ = 0.99 and less at others. Odd σ
        has U = 0, but u₄, u₆, … are not.
        No derivative of σ is taken: ⟨f⟩' and ⟨f⟩'' are means of f times (z² − K)/2K²
        and (z⁴ − 6Kz² + 3K²)/4K⁴. About 0.1 ms a layer, 0.3 ms with skips.

    Example:
        >>> flow = vertex_flow(
        ...     torch.relu, 1.0, 4, bias_variance=0.0, weight_variance=2.0
        ... )
        >>> flow.vertex.round(decimals=8)
        tensor([ 0.,  5., 10., 15.], dtype=torch.float64)

    Reference:
        [roberts2022principles], arXiv:2106.10165 (from memory; derived in the chapter)
        for γ = 0. The u_p are ours.
    """
    owner = "vertex_flow"
    _check_flow(owner, activation, depth, bias_variance, weight_variance, residual)
    _check.is_positive(owner, "start", start)
    C, K = weight_variance, float(start)
    V, G, U = 0.0, 0.0, 0.0
    rows = [(K, V, G, U)]

    def functions(z: Tensor) -> Tensor:
        f = activation(z.clone()) ** 2
        return torch.stack([f, f**2, f * z**2, f * z**4])

    means = _Means(owner, functions)
    skips = SkipVertices(owner, activation) if residual else None
    while len(rows) < depth:
        g, fourth, two, four = means(K).tolist()
        slope = (two - K * g) / (2 * K**2)
        bend = (four - 6 * K * two + 3 * K**2 * g) / (4 * K**4)
        chi = residual**2 + C * slope
        following = residual**2 * K + bias_variance + C * g
        if not 0 < following < math.inf:
            raise ValueError(
                f"{owner}: the covariance of layer {len(rows) + 1} is {following}; "
                f"expected a finite number above 0. Take fewer layers or another C_W."
            )
        G = chi * G + C * bend * V / 2
        V = chi**2 * V + C**2 * (fourth - g**2) + 4 * residual**2 * C * K**2 * slope
        if skips is not None:
            to_vertex, to_correction = skips.step(K, following, chi, C, residual)
            V, G, U = V + to_vertex, G + to_correction, skips.odd(following)
        K = following
        rows.append((K, V, G, U))
    return VertexFlow(*torch.tensor(rows, dtype=torch.float64).T.contiguous())


class _Means:
    """⟨f_m⟩_K for one K after the other: a rule is kept while K stays near."""

    def __init__(self, owner: str, functions: Callable[[Tensor], Tensor]) -> None:
        self.owner, self.functions = owner, functions
        self.rule: Rule | None = None

    def __call__(self, variance: float) -> Float[Tensor, " M"]:
        """Return the means (M,); at K = 0 the functions at 0."""
        if variance == 0:
            return self.functions(torch.zeros(1, dtype=torch.float64))[:, 0].detach()
        if self.rule is None or not self.rule.low <= variance <= self.rule.high:
            _check.is_positive(self.owner, "the covariance", variance)
            low, high = variance / SPAN, variance * SPAN
            self.rule = Rule(self.owner, self.functions, low, high, name="activation")
        return self.rule(variance)


def _check_flow(
    owner: str,
    activation: Activation,
    depth: int,
    bias_variance: float,
    weight_variance: float,
    residual: float,
) -> None:
    """Check what all flows take."""
    check_elementwise(owner, activation)
    _check.is_integer(owner, "depth", depth, 1)
    _check.is_non_negative(owner, "bias_variance", bias_variance)
    _check.is_non_negative(owner, "weight_variance", weight_variance)
    _check.is_number(owner, "residual", residual)


def _covariance_matrix(owner: str, start: Tensor) -> Float[Tensor, "A A"]:
    """Return `start` as float64; ValueError unless symmetric positive semidefinite."""
    _check.is_floating(owner, "start", start)
    if start.ndim != 2 or start.shape[0] != start.shape[1]:
        raise ValueError(
            f"{owner}: start has shape {tuple(start.shape)}; expected () for one input "
            f"or (A, A) for several."
        )
    _check.is_finite(owner, "start", start)
    matrix = start.detach().to(torch.float64)
    scale = float(matrix.abs().max())
    least = float(torch.linalg.eigvalsh(matrix).min())
    skew = float((matrix - matrix.T).abs().max())
    if max(skew, -least) > 1e-10 * scale:
        raise ValueError(
            f"{owner}: start is not symmetric positive semidefinite (least eigenvalue "
            f"{least:.3g}); expected a covariance matrix."
        )
    return (matrix + matrix.T) / 2
