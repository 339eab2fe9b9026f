"""What a loaded data set is."""

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs and targets as CPU tensors, with what a reader must know to use them.

    `features` names the columns of x, `targets` the classes of an integer y or the
    columns of a real one; both are empty where there is nothing to name.

    Example:
        >>> from kanlib import datasets
        >>> datasets.load("iris")
        Dataset('iris', x: (150, 4) float32, y: (150,) int64)
    """

    name: str
    x: Tensor
    y: Tensor
    description: str
    license: str
    source: str
    features: tuple[str, ...] = field(default=())
    targets: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        tensors = ", ".join(
            f"{name}: {tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
            for name, tensor in (("x", self.x), ("y", self.y))
        )
        return f"Dataset({self.name!r}, {tensors})"
