"""Operations: a reference in plain PyTorch each, and the CUDA kernels beside them."""

from kanlib.ops._cuda import RawKernel, raw_kernel
from kanlib.ops._report import Report, Row, report
from kanlib.ops._sources import kernel_files, kernel_names, kernel_source
from kanlib.ops.bspline import bspline_basis
from kanlib.ops.group_rational import group_rational
from kanlib.ops.groupsort import groupsort
from kanlib.ops.metric_walk import metric_walk
from kanlib.ops.spline_sum import spline_sum

__all__ = [
    "RawKernel",
    "Report",
    "Row",
    "bspline_basis",
    "group_rational",
    "groupsort",
    "kernel_files",
    "kernel_names",
    "kernel_source",
    "metric_walk",
    "raw_kernel",
    "report",
    "spline_sum",
]
