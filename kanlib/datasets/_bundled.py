"""Small real sets that come with scikit-learn: the default at book scale."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from kanlib._errors import DatasetUnavailable
from kanlib.datasets._dataset import Dataset

SOURCE = "scikit-learn (sklearn.datasets), from the UCI Machine Learning Repository"
UCI = "CC BY 4.0 (as the UCI repository states)"

DESCRIPTIONS = {
    "digits": "1797 handwritten digits of 8 x 8 pixels, gray values scaled to 0..1; "
    "y is the digit.",
    "breast_cancer": "569 breast masses, 30 measures of their cell nuclei, raw units; "
    "y is the diagnosis.",
    "wine": "178 wines, 13 chemical measures, raw units; y is the cultivar.",
    "diabetes": "442 patients, 10 measures, raw units; y is the progression of the "
    "disease after one year (a score).",
    "iris": "150 iris flowers, 4 lengths (cm); y is the species.",
}


def load_bundled(name: str) -> Dataset:
    """One of the sets of `DESCRIPTIONS`."""
    try:
        from sklearn import datasets
    except ImportError as error:
        raise DatasetUnavailable(
            name,
            because="scikit-learn is not installed; the bundled sets come with it",
            hint='Use pip install "kanlib[data]".',
        ) from error
    loader: Callable[..., Any] = getattr(datasets, f"load_{name}")
    bunch = loader(scaled=False) if name == "diabetes" else loader()
    real = name == "diabetes"
    scale = 16.0 if name == "digits" else 1.0  # the pixels count 0..16 dark points
    return Dataset(
        name=name,
        x=torch.from_numpy(np.asarray(bunch.data / scale, dtype=np.float32)),
        y=torch.from_numpy(np.asarray(bunch.target, np.float32 if real else np.int64)),
        description=DESCRIPTIONS[name],
        license="none stated" if real else UCI,
        source="scikit-learn (sklearn.datasets), from Efron et al. (2004)"
        if real
        else SOURCE,
        features=tuple(map(str, bunch.feature_names)),
        targets=("progression",) if real else tuple(map(str, bunch.target_names)),
    )
