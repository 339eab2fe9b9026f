"""Load a data set by name."""

from pathlib import Path

from kanlib import _check
from kanlib._errors import DatasetUnavailable
from kanlib.datasets._bundled import DESCRIPTIONS, load_bundled
from kanlib.datasets._dataset import Dataset
from kanlib.datasets._files import download, folder, read
from kanlib.datasets._large import LARGE


def names() -> tuple[str, ...]:
    """The names that `load` knows, the bundled sets first.

    Example:
        >>> names()[:2]
        ('digits', 'breast_cancer')
    """
    return (*DESCRIPTIONS, *LARGE)


def available(name: str) -> bool:
    """Whether `load(name)` finds its files on this machine (they are not read).

    Args:
        name: one of `names()`.

    Returns:
        True for the bundled sets, and where all files of a larger set are present.

    Raises:
        ValueError: no such data set ("datasets.available: ...").

    Example:
        >>> available("iris")
        True
    """
    _check.is_one_of("datasets.available", "name", name, names())
    if name in DESCRIPTIONS:
        return True
    try:
        place = folder(name)
    except DatasetUnavailable:
        return False
    return all((place / file.path).is_file() for file in LARGE[name].files)


def load(name: str, *, split: str | None = None) -> Dataset:
    """Load a data set from this machine; the network is never used.

    Larger sets are looked for in the folder that KANLIB_DATA names, else in the user's
    cache, where `fetch` puts them; they are checked by hash before they are opened.

    Args:
        name: one of `names()`.
        split: which part, for sets that come in parts ("train" and "test" of mnist);
            the first of them when None.

    Returns:
        The data set, as CPU tensors.

    Raises:
        ValueError: no such data set or split ("datasets.load: ...").
        DatasetUnavailable: the set is not on this machine, or a file is not the
            published one; says how to get it.

    Notes:
        The training images of mnist take 190 MB.

    Example:
        >>> digits = load("digits")
        >>> digits.x.shape, float(digits.x.max())
        (torch.Size([1797, 64]), 1.0)
    """
    owner = "datasets.load"
    _check.is_one_of(owner, "name", name, names())
    if name in DESCRIPTIONS:
        _check.is_one_of(owner, f"split of {name}", split, (None,))
        return load_bundled(name)
    large = LARGE[name]
    part = next(iter(large.splits)) if split is None else split
    _check.is_one_of(owner, f"split of {name}", part, tuple(large.splits))
    contents = [read(name, file, _hint(name)) for file in large.splits[part]]
    x, y, features, targets = large.parse(part, contents)
    return Dataset(
        name=name,
        x=x,
        y=y,
        description=large.description,
        license=large.license,
        source=large.source,
        features=features,
        targets=targets,
    )


def fetch(name: str) -> Path:
    """Download the files of a larger data set to where `load` looks for them.

    Each file is written whole or not at all, and only if its hash is the published one;
    files that are there already and whole are kept.

    Args:
        name: one of `names()` that is not bundled.

    Returns:
        The folder of the data set.

    Raises:
        ValueError: no such data set, or a bundled one ("datasets.fetch: ...").
        DatasetUnavailable: no public address is known (says where a person gets the
            set), or the download failed.

    Example:
        >>> fetch("digits")
        Traceback (most recent call last):
            ...
        ValueError: datasets.fetch: digits is bundled; expected one of mnist, ...
    """
    owner = "datasets.fetch"
    _check.is_one_of(owner, "name", name, names())
    if name in DESCRIPTIONS:
        raise ValueError(
            f"{owner}: {name} is bundled; expected one of {', '.join(LARGE)}. "
            f'Use load("{name}") at once.'
        )
    for file in LARGE[name].files:
        if file.url is None:
            raise DatasetUnavailable(
                name, because="no public address is known", hint=_hint(name)
            )
        try:
            read(name, file, "")
        except DatasetUnavailable:
            download(name, file)
    return (folder(name) / LARGE[name].files[0].path).parent


def _hint(name: str) -> str:
    """How to get a set that is not here."""
    large = LARGE[name]
    if large.where:
        return f"{large.where}. Put it there, or let KANLIB_DATA name its folder."
    command = f"python -c \"from kanlib import datasets; datasets.fetch('{name}')\""
    return f"Fetch it with: {command}"
