"""Layers as `nn.Module`s: Kolmogorov-Arnold networks, their grids, their formulas."""

from kanlib.layers.broad import broad
from kanlib.layers.gain import gain
from kanlib.layers.grid import extend_grid, update_grid
from kanlib.layers.group_rational import GRKAN, GroupRational
from kanlib.layers.kan import KAN
from kanlib.layers.kan_layer import KANLayer
from kanlib.layers.norm_preserving import GroupSort, Householder, MaxMin
from kanlib.layers.rational_fit import Rational, rational_fit
from kanlib.layers.residual import ParallelResidual, ResidualTower
from kanlib.layers.symbolic import SymbolicEdge, SymbolicFit, snap
from kanlib.layers.symbolic_kan import SymbolicKAN, symbolic_network
from kanlib.layers.vision_transformer import TinyViT

__all__ = [
    "GRKAN",
    "KAN",
    "GroupRational",
    "GroupSort",
    "Householder",
    "KANLayer",
    "MaxMin",
    "ParallelResidual",
    "Rational",
    "ResidualTower",
    "SymbolicEdge",
    "SymbolicFit",
    "SymbolicKAN",
    "TinyViT",
    "broad",
    "extend_grid",
    "gain",
    "rational_fit",
    "snap",
    "symbolic_network",
    "update_grid",
]
