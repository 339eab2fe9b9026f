"""Recursions that say what depth and width do to a network before it is trained."""

from kanlib.theory._activation import Activation, derivative
from kanlib.theory._empirical import empirical_ntk
from kanlib.theory._forward import forward_dntk, forward_ntk
from kanlib.theory._gaussian import gaussian_mean, gaussian_mean_pair
from kanlib.theory._rates import LearningRates, learning_rates
from kanlib.theory.aspect_ratio import (
    mutual_information,
    negentropy,
    optimal_aspect_ratio,
    optimal_variance,
)
from kanlib.theory.complexity import geometric_complexity
from kanlib.theory.covariance import (
    Susceptibilities,
    VertexFlow,
    covariance_flow,
    susceptibilities,
    vertex_flow,
)
from kanlib.theory.critical_point import Criticality, Exponents, NoCriticalPoint
from kanlib.theory.criticality import criticality
from kanlib.theory.initialization import initialize_
from kanlib.theory.paths import parallel_gap_bound, path_energy
from kanlib.theory.residual import level_vectors, residual_series
from kanlib.theory.simulation import simulate_metric, simulate_neurons
from kanlib.theory.tangent import NTKFlow, ntk_flow, ntk_mean

__all__ = [
    "Activation",
    "Criticality",
    "Exponents",
    "LearningRates",
    "NTKFlow",
    "NoCriticalPoint",
    "Susceptibilities",
    "VertexFlow",
    "covariance_flow",
    "criticality",
    "derivative",
    "empirical_ntk",
    "forward_dntk",
    "forward_ntk",
    "gaussian_mean",
    "gaussian_mean_pair",
    "geometric_complexity",
    "initialize_",
    "learning_rates",
    "level_vectors",
    "mutual_information",
    "negentropy",
    "ntk_flow",
    "ntk_mean",
    "optimal_aspect_ratio",
    "optimal_variance",
    "parallel_gap_bound",
    "path_energy",
    "residual_series",
    "simulate_metric",
    "simulate_neurons",
    "susceptibilities",
    "vertex_flow",
]
