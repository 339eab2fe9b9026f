"""How deep a network of given width should be, by the information its outputs share.

Given its metric S, the outputs of a random network are independent N(0, S); the metric
itself varies from network to network, with E S = G and Var S = v·G². So m outputs are a
mixture of Gaussians p(z) = E_S N(z; 0, S·1). With u = ‖z‖²/G and S = G·(1 + δ), and q
the Gaussian of the same covariance G·1,

    p/q = E_δ (1 + δ)^(-m/2) exp(u/2 · δ/(1 + δ)) = Σ_k E[δᵏ] (-1)ᵏ L_k(u/2),

the generating function of the Laguerre polynomials L_k of index m/2 - 1, which are
orthogonal under q. As E δ = 0, the density ratio is 1 + v·L₂ + E[δ³]·(-L₃) + ..., and

    J = KL(p‖q) = E_q (1 + f) log(1 + f) = E f²/2 - E f³/6 + ...
      = v²/2 · E L₂² - v³/6 · E L₂³ + O(v⁴),

because E L₂L₃ = E L₂L₄ = 0: the third cumulant of the metric would first count at v⁴.
Moments of u, a chi-square of m degrees of freedom, give E L₂² = m(m+2)/8 and
E L₂³ = m(m+2)(m+8)/8.
"""

from fractions import Fraction

from kanlib import _check


def negentropy(outputs: int) -> tuple[Fraction, Fraction]:
    """J(m) = m(m+2)/16 · v² - m(m+2)(m+8)/48 · v³, in nats, to third order in v.

    J = KL(p‖q): how far the law p of m outputs is from the Gaussian q of the same
    covariance, when the relative variance of the metric over networks is v.

    Args:
        outputs: m, at least 1.

    Returns:
        The coefficients of v² and of v³, exact.

    Raises:
        ValueError: "outputs must be" at least 1.
        TypeError: "outputs is a" number that is no int.

    Example:
        >>> negentropy(2)
        (Fraction(1, 2), Fraction(-5, 3))

    Reference:
        [roberts2022principles], the appendix on information, arXiv:2106.10165, from
        memory; the polynomials are derived here.
    """
    _check.is_integer("negentropy", "outputs", outputs, 1)
    m = outputs
    return Fraction(m * (m + 2), 16), Fraction(-m * (m + 2) * (m + 8), 48)


def mutual_information(first: int, second: int) -> tuple[Fraction, Fraction]:
    """I = J(m₁+m₂) - J(m₁) - J(m₂) = m₁m₂/8 · v² - m₁m₂(20 + 3(m₁+m₂))/48 · v³.

    What m₁ outputs of a random network tell of m₂ others, in nats: nothing at infinite
    width, where all are independent; less than the first term says in a deep network.

    Args:
        first: m₁, at least 1.
        second: m₂, at least 1.

    Returns:
        The coefficients of v² and of v³, exact.

    Raises:
        ValueError: "first must be", "second must be" at least 1.
        TypeError: "first is a", "second is a" number that is no int.

    Example:
        >>> mutual_information(1, 1)
        (Fraction(1, 8), Fraction(-13, 24))

    Reference:
        [roberts2022principles], the appendix on information, arXiv:2106.10165, from
        memory; derived here.
    """
    _check.is_integer("mutual_information", "first", first, 1)
    _check.is_integer("mutual_information", "second", second, 1)
    together, one, other = map(negentropy, (first + second, first, second))
    return together[0] - one[0] - other[0], together[1] - one[1] - other[1]


def optimal_variance(first: int, second: int) -> Fraction:
    """v* = -2a/(3b), where a·v² + b·v³ is the mutual information; v* = 4/(20 + 3n_L).

    The relative variance of the metric at which m₁ outputs tell most of m₂ others. It
    depends on n_L = m₁ + m₂ alone, not on the split.

    Args:
        first: m₁, at least 1.
        second: m₂, at least 1.

    Returns:
        v*, exact.

    Raises:
        ValueError: "first must be", "second must be" at least 1.
        TypeError: "first is a", "second is a" number that is no int.

    Notes:
        The maximum of a series cut after v³; at v* its last term is 2/3 of the one
        before, so v* is a scale and not a precise optimum.

    Example:
        >>> optimal_variance(3, 7) == optimal_variance(5, 5) == Fraction(4, 50)
        True

    Reference:
        [roberts2022principles], the appendix on information, arXiv:2106.10165, from
        memory; derived here.
    """
    _check.is_integer("optimal_variance", "first", first, 1)
    _check.is_integer("optimal_variance", "second", second, 1)
    square, cube = mutual_information(first, second)
    return -2 * square / (3 * cube)


def optimal_aspect_ratio(outputs: int, growth: float) -> float:
    """r* = 4/(20 + 3n_L) / ν, because the metric varies by v = ν·L/n.

    Args:
        outputs: n_L, at least 1. One output has no other to inform; for it
            the formula is read on.
        growth: ν > 0, the relative variance of the metric per unit of L/n: 5 for ReLU,
            2 for a linear network, 2/3 for tanh; `Criticality.growth` is it.

    Returns:
        The depth over the width at which the outputs inform each other most.

    Raises:
        ValueError: "outputs must be" at least 1, "growth must be" finite and above 0.
        TypeError: "outputs is a" number that is no int, "growth is a" thing that is no
            number.

    Example:
        >>> round(optimal_aspect_ratio(10, growth=5), 3)
        0.016

    Reference:
        [roberts2022principles], the appendix on information, arXiv:2106.10165, from
        memory; derived here.
    """
    _check.is_integer("optimal_aspect_ratio", "outputs", outputs, 1)
    _check.is_positive("optimal_aspect_ratio", "growth", growth)
    return 4 / (20 + 3 * outputs) / growth
