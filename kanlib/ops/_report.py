"""What can run on this machine, and why the rest cannot."""

from dataclasses import dataclass
from pathlib import Path
from pkgutil import iter_modules

from kanlib.ops._cuda import cuda_refusals
from kanlib.ops._dispatch import numba_refusals
from kanlib.ops._sources import kernel_files, kernel_names


@dataclass(frozen=True)
class Row:
    """One way to run one operation; `reasons` lists why it cannot run here."""

    operation: str
    backend: str
    reasons: tuple[str, ...] = ()

    @property
    def runs(self) -> bool:
        """True if nothing speaks against it."""
        return not self.reasons


@dataclass(frozen=True)
class Report:
    """The rows of `report()`; prints as a table."""

    rows: tuple[Row, ...]

    def __str__(self) -> str:
        first = max(len(row.operation) for row in self.rows)
        second = max(len(row.backend) for row in self.rows)
        return "\n".join(
            f"{row.operation:{first}}  {row.backend:{second}}  "
            + ("runs" if row.runs else "no: " + "; ".join(row.reasons))
            for row in self.rows
        )

    __repr__ = __str__


def report() -> Report:
    """Return what can run on this machine, and why the rest cannot.

    Returns:
        One row per reference (plain PyTorch, so it always runs), one for what numba
        compiles for CPUs, and one per CUDA kernel, which `raw_kernel` compiles.
        Printing it gives a table.

    Example:
        >>> from kanlib import ops
        >>> ops.report().rows[0]
        Row(operation='bspline', backend='reference', reasons=())
    """
    names = [found.name for found in iter_modules([str(Path(__file__).parent)])]
    references = [Row(name, "reference") for name in names if name[0] != "_"]
    loops = [
        Row(name, "cpu", tuple(numba_refusals()))
        for name in ("group_rational", "groupsort", "spline_sum")
    ]
    refusals = tuple(cuda_refusals())
    kernels = [
        Row(f"{name} of {path}", "cuda", refusals)
        for path in kernel_files()
        for name in kernel_names(path)
    ]
    return Report((*references, *loops, *kernels))
