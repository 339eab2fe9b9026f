"""The CUDA sources: where they lie, what they are called, which kernels they hold.

The compile check reads this file in an environment without torch, so that it imports
the standard library only.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_WHEEL, _CHECKOUT = _PACKAGE / "_cuda", _PACKAGE.parent / "kernels"

_BOUNDS = r"(?:__launch_bounds__\s*\([^)]*\)\s*)?"
_KERNEL = re.compile(rf"__global__\s+{_BOUNDS}void\s+{_BOUNDS}(\w+)\s*\(")
_INCLUDE = re.compile(r'\s*#\s*include\s+"([^"]+)"')


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
    return names_in(kernel_source(path))


def names_in(text: str) -> tuple[str, ...]:
    """Return the names of the kernels in the text of a CUDA source."""
    return tuple(_KERNEL.findall(text))


def expanded(path: str) -> str:
    """Return one CUDA source with the files that it includes, as compilers get it.

    Args:
        path: One of `kernel_files()`.

    Raises:
        ValueError: no such file; "line 9 includes" a file that is not there.
    """
    return inlined(kernel_source(path), path, _root())


def inlined(text: str, name: str, root: Path) -> str:
    """Return a source with each `#include "..."` replaced by that file, the first time.

    Args:
        text: The source.
        name: What compilers shall call it in their messages.
        root: The folder that the included paths start from.

    Raises:
        ValueError: "line 9 includes" a file that is not there.
    """
    return "\n".join(_lines(text, name, root, set())) + "\n"


def _lines(text: str, name: str, root: Path, seen: set[str]) -> Iterator[str]:
    """Yield the lines of a source, those of what it includes among them."""
    yield f'#line 1 "{name}"'
    for number, line in enumerate(text.splitlines(), start=1):
        included = _INCLUDE.match(line)
        if included is None:
            # Each file stands here once anyway, and in a main file compilers warn.
            yield "" if line.strip() == "#pragma once" else line
        elif (path := included[1]) in seen:
            yield ""
        else:
            seen.add(path)
            if not (root / path).is_file():
                raise ValueError(
                    f"{name}: line {number} includes {path!r}; expected the path "
                    "of a file below the kernels' folder, such as 'common/vector.cuh'."
                )
            yield from _lines((root / path).read_text("utf-8"), path, root, seen)
            yield f'#line {number + 1} "{name}"'


def listed(names: Sequence[str]) -> str:
    """Return names as an error message shows them."""
    return ", ".join(names)
