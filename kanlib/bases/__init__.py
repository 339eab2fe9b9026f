"""Families of functions of one variable, one a file; see `kanlib.bases.Basis`."""

from kanlib.bases._basis import Basis, Fit, change_of_basis, fit_coefficients
from kanlib.bases.bspline import BSpline
from kanlib.bases.chebyshev import Chebyshev
from kanlib.bases.fourier import Fourier
from kanlib.bases.gaussian import GaussianRBF
from kanlib.bases.relu_bump import ReLUBump
from kanlib.bases.wavelet import Wavelet

__all__ = [
    "BSpline",
    "Basis",
    "Chebyshev",
    "Fit",
    "Fourier",
    "GaussianRBF",
    "ReLUBump",
    "Wavelet",
    "change_of_basis",
    "fit_coefficients",
]
