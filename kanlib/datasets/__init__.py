"""Data sets as tensors: bundled ones at once, larger ones from checked files.

`load` never uses the network; `fetch` is the one function that does. Larger sets lie in
the folder that the environment variable KANLIB_DATA names, or else in the user's cache.
"""

from kanlib._errors import DatasetUnavailable
from kanlib.datasets._dataset import Dataset
from kanlib.datasets._load import available, fetch, load, names
from kanlib.datasets._sample import sample_function

__all__ = [
    "Dataset",
    "DatasetUnavailable",
    "available",
    "fetch",
    "load",
    "names",
    "sample_function",
]
