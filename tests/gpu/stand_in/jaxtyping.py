"""What annotations need of jaxtyping, for a machine that has torch but not jaxtyping.

`tests/gpu/run.py` puts this folder on the path only where the real package is missing,
and the record says so. The annotations then mean nothing, which changes no result.
"""

from typing import Any


class _Anything:
    def __class_getitem__(cls, item: object) -> Any:
        return Any


Bool = Complex = Float = Inexact = Int = Integer = Num = Shaped = _Anything
