"""The CUDA sources: where they lie, what they are called, which kernels they hold."""

import re
from collections.abc import Sequence
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_WHEEL, _CHECKOUT = _PACKAGE / "_cuda", _PACKAGE.parent / "kernels"


def _root() -> Path:
    """Return the folder of the sources: in the wheel, or beside a source checkout."""
    return _WHEEL if _WHEEL.is_dir() else _CHECKOUT


def kernel_files() -> tuple[str, ...]:
    """Return the path of every CUDA source, as `kernel_source` takes it.

    Example:
        >>> from kanlib import ops
        >>> "bspline/basis.cu" in ops.kernel_files()
        True
    """
    root = _root()
    return tuple(
        sorted(path.relative_to(root).as_posix() for path in root.glob("**/*.cu"))
    )


def kernel_source(path: str) -> str:
    """Return the text of one CUDA source.

    Args:
        path: One of `kernel_files()`, such as "bspline/basis.cu".

    Raises:
        ValueError: no such file; the message lists those there are.

    Example:
        >>> from kanlib import ops
        >>> print(ops.kernel_source("bspline/basis.cu").splitlines()[0])
        // Operation: out[n, k] = B_k(x[n]), all K B-splines of a degree at each point.
    """
    files = kernel_files()
    if path not in files:
        raise ValueError(
            f"kernel_source: there is no {path!r}; expected one of {listed(files)}."
        )
    return (_root() / path).read_text(encoding="utf-8")


def kernel_names(path: str) -> tuple[str, ...]:
    """Return the names of the kernels (`__global__` functions) in one CUDA source.

    Args:
        path: One of `kernel_files()`.

    Raises:
        ValueError: no such file; the message lists those there are.

    Example:
        >>> from kanlib import ops
        >>> ops.kernel_names("bspline/basis.cu")
        ('bspline_basis',)
    """
    return tuple(re.findall(r"__global__\s+void\s+(\w+)\s*\(", kernel_source(path)))


def listed(names: Sequence[str]) -> str:
    """Return names as an error message shows them."""
    return ", ".join(names)
