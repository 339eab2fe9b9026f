"""The larger real sets: their files, hashes, licenses, and how a file becomes tensors.

Hashes and sizes are of the decompressed content.
"""

import csv
import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kanlib.datasets._files import RemoteFile

Tensors = tuple[Tensor, Tensor, tuple[str, ...], tuple[str, ...]]
"""x, y, the names of the features, the names of the targets."""


@dataclass(frozen=True)
class LargeSet:
    """Files of each split (the first is the default) and the parser of their contents.

    `where` tells a person where the set comes from when it cannot be fetched.
    """

    splits: Mapping[str, tuple[RemoteFile, ...]]
    parse: Callable[[str, Sequence[bytes]], Tensors]
    description: str
    license: str
    source: str
    where: str = ""

    @property
    def files(self) -> tuple[RemoteFile, ...]:
        """Every file once."""
        return tuple(dict.fromkeys(f for group in self.splits.values() for f in group))


# --- parsers -----------------------------------------------------------------------


def idx(content: bytes) -> np.ndarray:
    """The array of bytes in an IDX file: a header of sizes, then the values."""
    axes = content[3]
    shape = np.frombuffer(content, ">i4", axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def mnist(split: str, contents: Sequence[bytes]) -> Tensors:
    """Images as rows of gray values in 0..1, digits as classes."""
    images, labels = map(idx, contents)
    x = torch.from_numpy(images.reshape(len(images), -1) / np.float32(255))
    y = torch.from_numpy(labels.astype(np.int64))
    return x, y, (), tuple("0123456789")


def fashion(split: str, contents: Sequence[bytes]) -> Tensors:
    """Images as rows of gray values in 0..1, kinds of clothes as classes."""
    arrays = npz(contents[0])
    images = arrays["images"]
    x = torch.from_numpy(images.reshape(len(images), -1) / np.float32(255))
    y = torch.from_numpy(arrays["labels"].astype(np.int64))
    return x, y, (), CLOTHES


def darcy(split: str, contents: Sequence[bytes]) -> Tensors:
    """Permeability (0 or 1) and pressure on a grid."""
    arrays = npz(contents[0])
    x, y = (arrays[f"darcy_{split}_{name}"].astype(np.float32) for name in "xy")
    return torch.from_numpy(x), torch.from_numpy(y), (), ()


def ett(split: str, contents: Sequence[bytes]) -> Tensors:
    """Seven hourly series; the target is the oil temperature, the last of them."""
    header, *rows = csv.reader(io.StringIO(contents[0].decode()))
    values = [[float(cell) for cell in row[1:]] for row in rows]
    x = torch.tensor(values, dtype=torch.float32)
    return x, x[:, -1].clone(), tuple(header[1:]), (header[-1],)


def alloys(split: str, contents: Sequence[bytes]) -> Tensors:
    """Mole fractions of the elements, and what was measured (NaN where it was not)."""
    rows = list(csv.DictReader(io.StringIO(contents[0].decode())))
    formulas = [composition(row["FORMULA"]) for row in rows]
    elements = tuple(sorted({element for parts in formulas for element in parts}))
    shares = [[parts.get(e, 0.0) for e in elements] for parts in formulas]
    x = torch.tensor(shares, dtype=torch.float32)
    y = torch.tensor(
        [
            [float(PHASES.index(row["PROPERTY: BCC/FCC/other"]))]
            + [float(row[key] or math.nan) for key in MEASURED]
            for row in rows
        ],
        dtype=torch.float32,
    )
    return x, y, elements, ("phase", *MEASURED.values())


def composition(formula: str) -> dict[str, float]:
    """Mole fractions of a formula such as "Al0.25 Co1 Fe1 Ni1".

    Example:
        >>> composition("Al0.5 Co1 Ni0.5")
        {'Al': 0.25, 'Co': 0.5, 'Ni': 0.25}
    """
    parts: dict[str, float] = {}
    for element, amount in re.findall(r"([A-Z][a-z]?)([\d.]*)", formula):
        parts[element] = parts.get(element, 0.0) + float(amount or 1)
    total = sum(parts.values())
    return {element: amount / total for element, amount in parts.items()}


def npz(content: bytes) -> Mapping[str, np.ndarray]:
    """The arrays of an npz file; pickled objects are refused."""
    return np.load(io.BytesIO(content), allow_pickle=False)


CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
PHASES = ("BCC", "FCC", "other")
MEASURED = {
    "PROPERTY: Test temperature ($^\\circ$C)": "test temperature (°C)",
    "PROPERTY: HV": "hardness (HV)",
    "PROPERTY: YS (MPa)": "yield strength (MPa)",
    "PROPERTY: UTS (MPa)": "ultimate strength (MPa)",
    "PROPERTY: Elongation (%)": "elongation (%)",
}

# --- the sets ----------------------------------------------------------------------

MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
ETT_URL = (
    "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/"
    "1d16c8f4f943005d613b5bc962e9eeb06058cf07/ETT-small/"
)
ALLOYS_URL = (
    "https://raw.githubusercontent.com/CitrineInformatics/MPEA_dataset/"
    "d31e2510cccc3fb9e79d43ad62652f64ef8c2c5e/"
)


def _mnist_file(name: str, size: int, sha256: str) -> RemoteFile:
    return RemoteFile(f"mnist/{name}", size, sha256, MNIST_URL + name)


def _ett(name: str, size: int, sha256: str) -> LargeSet:
    file = RemoteFile(f"ett/{name}.csv", size, sha256, f"{ETT_URL}{name}.csv")
    return LargeSet(
        splits={"all": (file,)},
        parse=ett,
        description="17420 hourly rows of a power transformer from 2016-07-01 00:00: "
        "six loads and the oil temperature OT, which is y.",
        license="CC BY-ND 4.0; cite Zhou et al., Informer, AAAI 2021",
        source="github.com/zhouhaoyi/ETDataset, ETT-small, commit 1d16c8f",
    )


_FASHION = RemoteFile(
    "fashion_mnist_900/fashion_mnist_900.npz",
    382_088,
    "2547a18b9b5136d55c9492bf046028527a8f1ee84e9620916801f38bb632cc2b",
)
_DARCY = RemoteFile(
    "darcy/darcy_neuraloperator.npz",
    1_198_149,
    "93ef5d8660282176e971ad993bdd4e9fd99d79532ed4c4172fc273143fa3de38",
)
_ALLOYS = RemoteFile(
    "mpea_alloys/MPEA_dataset.csv",
    332_126,
    "c5504d93fd324d1be26cf814d0694ee9ee95578d68a0b38aba6813b939fa2c5d",
    ALLOYS_URL + "MPEA_dataset.csv",
)

LARGE = {
    "mnist": LargeSet(
        splits={
            "train": (
                _mnist_file(
                    "train-images-idx3-ubyte.gz",
                    47_040_016,
                    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                ),
                _mnist_file(
                    "train-labels-idx1-ubyte.gz",
                    60_008,
                    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                ),
            ),
            "test": (
                _mnist_file(
                    "t10k-images-idx3-ubyte.gz",
                    7_840_016,
                    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                ),
                _mnist_file(
                    "t10k-labels-idx1-ubyte.gz",
                    10_008,
                    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                ),
            ),
        },
        parse=mnist,
        description="70000 handwritten digits of 28 x 28 pixels, gray values scaled to "
        "0..1; y is the digit.",
        license="CC BY-SA 3.0 (as commonly redistributed); cite LeCun et al. 1998",
        source="LeCun, Cortes, Burges; PyTorch's mirror",
    ),
    "fashion_mnist_900": LargeSet(
        splits={"all": (_FASHION,)},
        parse=fashion,
        description="900 images of clothes of 28 x 28 pixels, 90 a class in the order "
        "of classes, scaled to 0..1. Which belong to the official test split is not "
        "known: make your own split, and compare with no published accuracy.",
        license="MIT (c) 2017 Zalando SE",
        source="github.com/zalandoresearch/fashion-mnist, commit b2617bb",
        where="It was cut from doc/img/fashion-mnist-sprite.png of "
        "github.com/zalandoresearch/fashion-mnist (30 x 30 tiles, three rows a class), "
        "saved as uint8 arrays images (900, 28, 28) and labels (900,)",
    ),
    "etth1": _ett(
        "ETTh1",
        2_589_657,
        "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066",
    ),
    "etth2": _ett(
        "ETTh2",
        2_417_960,
        "a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b",
    ),
    "darcy": LargeSet(
        splits={"train_16": (_DARCY,), "test_16": (_DARCY,), "test_32": (_DARCY,)},
        parse=darcy,
        description="Darcy flow: two-phase permeability (0 or 1) on a grid, and the "
        "pressure scaled by the authors. Good for comparing operators, not for "
        "checking the equation: the last row and column are not the boundary.",
        license="MIT (c) 2023 NeuralOperator developers",
        source="github.com/neuraloperator/neuraloperator, commit 93d3f06",
        where="It is darcy_train_16.pt, darcy_test_16.pt and darcy_test_32.pt of "
        "neuralop/data/datasets/data in github.com/neuraloperator/neuraloperator, "
        "saved again as arrays darcy_<split>_x (bool) and _y (float32)",
    ),
    "mpea_alloys": LargeSet(
        splits={"all": (_ALLOYS,)},
        parse=alloys,
        description="1545 measurements of multi-principal element alloys: x are mole "
        "fractions; y is the phase (0 BCC, 1 FCC, 2 other) and what was measured, NaN "
        "where it was not. Split by composition, never at random.",
        license="Apache-2.0; cite Borg et al., Scientific Data 2020",
        source="github.com/CitrineInformatics/MPEA_dataset, commit d31e251",
    ),
}
