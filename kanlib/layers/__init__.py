"""Layers as `nn.Module`s: Kolmogorov-Arnold networks, their grids, their formulas."""

from kanlib.layers.grid import extend_grid, update_grid
from kanlib.layers.kan import KAN
from kanlib.layers.kan_layer import KANLayer
from kanlib.layers.symbolic import SymbolicEdge, SymbolicFit, snap
from kanlib.layers.symbolic_kan import SymbolicKAN, symbolic_network

__all__ = [
    "KAN",
    "KANLayer",
    "SymbolicEdge",
    "SymbolicFit",
    "SymbolicKAN",
    "extend_grid",
    "snap",
    "symbolic_network",
    "update_grid",
]
