"""The three named failures; bad arguments are ValueError or TypeError."""

import copyreg
from collections.abc import Sequence
from typing import Any


class _Failure(RuntimeError):
    """An error that survives pickling, as on its way out of a worker process.

    Python would rebuild it from its message alone, which is not what its constructor
    takes.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return copyreg.__newobj__, (type(self), *self.args), vars(self)  # type: ignore[attr-defined]


class KernelUnavailable(_Failure):
    """A backend asked for by name cannot take this call; `reasons` lists why."""

    def __init__(self, operation: str, backend: str, reasons: Sequence[str]) -> None:
        self.operation, self.backend, self.reasons = operation, backend, tuple(reasons)
        listed = "".join(f"\n    - {reason}" for reason in self.reasons)
        super().__init__(
            f'{operation} cannot run with backend="{backend}":{listed}\n'
            '  Use backend="reference", or backend="auto" to choose by device.'
        )


class DidNotConverge(_Failure):
    """An iteration stopped short; `residual` is where, `iterations` after how many."""

    def __init__(
        self, solver: str, *, residual: float, wanted: float, iterations: int, hint: str
    ) -> None:
        self.residual, self.wanted, self.iterations = residual, wanted, iterations
        super().__init__(
            f"{solver}: residual {residual:.1e} after {iterations} iterations, "
            f"wanted {wanted:.1e}. {hint}"
        )


class DatasetUnavailable(_Failure):
    """A data set is not on this machine; the message says how to get it."""

    def __init__(self, name: str, *, because: str, hint: str) -> None:
        self.name = name
        super().__init__(f'datasets.load("{name}"): {because}. {hint}')
