"""Kolmogorov-Arnold layers, kernels and certificates, in PyTorch.

The names below are there at once; submodules such as `kanlib.plotting` load when first
used, so that `import kanlib` costs little more than `import torch`.
"""

from importlib import import_module
from types import ModuleType

from kanlib._errors import DatasetUnavailable, DidNotConverge, KernelUnavailable
from kanlib.bases import (
    Basis,
    BSpline,
    Chebyshev,
    Fourier,
    GaussianRBF,
    ReLUBump,
    Wavelet,
    change_of_basis,
    fit_coefficients,
)
from kanlib.claims import Ledger, Verdict
from kanlib.layers import (
    GRKAN,
    KAN,
    GroupRational,
    GroupSort,
    Householder,
    KANLayer,
    MaxMin,
    ParallelResidual,
    ResidualTower,
    TinyViT,
    extend_grid,
    snap,
    update_grid,
)

__version__ = "0.1.0"
__all__ = [
    "GRKAN",
    "KAN",
    "BSpline",
    "Basis",
    "Chebyshev",
    "DatasetUnavailable",
    "DidNotConverge",
    "Fourier",
    "GaussianRBF",
    "GroupRational",
    "GroupSort",
    "Householder",
    "KANLayer",
    "KernelUnavailable",
    "Ledger",
    "MaxMin",
    "ParallelResidual",
    "ReLUBump",
    "ResidualTower",
    "TinyViT",
    "Verdict",
    "Wavelet",
    "change_of_basis",
    "extend_grid",
    "fit_coefficients",
    "snap",
    "update_grid",
]

_SUBMODULES = (
    "bases",
    "certify",
    "claims",
    "datasets",
    "layers",
    "ops",
    "plotting",
    "show",
    "testing",
    "theory",
    "train",
    "widgets",
)


def __getattr__(name: str) -> ModuleType:
    if name in _SUBMODULES:
        return import_module(f"kanlib.{name}")
    raise AttributeError(f"module 'kanlib' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_SUBMODULES, "__version__"])
