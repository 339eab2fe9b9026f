"""Files that are checked by hash before they are opened, and written whole or not."""

import gzip
import hashlib
import io
import os
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from kanlib._errors import DatasetUnavailable

TIMEOUT = 30
"""Seconds without an answer before a download is given up."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a data set: where it lies, and what it must hold once decompressed.

    Compressed copies of one file differ from mirror to mirror, so size and hash are of
    the content. `url` is None where no public address is known.
    """

    path: str
    size: int
    sha256: str
    url: str | None = None

    def content(self, name: str, raw: bytes, origin: str) -> bytes:
        """The decompressed `raw`; DatasetUnavailable unless it is the right one."""
        try:
            if self.path.endswith(".gz"):
                # one byte more than expected is enough to know that it is too long
                raw = gzip.GzipFile(fileobj=io.BytesIO(raw)).read(self.size + 1)
            digest = hashlib.sha256(raw).hexdigest()
        except (OSError, EOFError, zlib.error) as error:
            digest = f"none: {error}"
        if len(raw) != self.size or digest != self.sha256:
            raise DatasetUnavailable(
                name,
                because=f"{origin} has {len(raw)} bytes with sha256 {digest}; expected "
                f"{self.size} bytes with sha256 {self.sha256}, so that it is damaged "
                "or another file",
                hint="It was not opened. Delete it if it is yours, and fetch again.",
            )
        return raw


def folder(name: str) -> Path:
    """Where larger sets lie: KANLIB_DATA if it is set, else the user's cache."""
    chosen = os.environ.get("KANLIB_DATA")
    if chosen:
        return Path(chosen).expanduser()
    return Path(_pooch(name).os_cache("kanlib"))


def read(name: str, file: RemoteFile, hint: str) -> bytes:
    """The checked content of a file that lies in the folder."""
    path = folder(name) / file.path
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise DatasetUnavailable(
            name, because=f"there is no file {path}", hint=hint
        ) from error
    except OSError as error:
        raise DatasetUnavailable(
            name, because=f"{path} cannot be read: {error}", hint="Mend or delete it."
        ) from error
    return file.content(name, raw, str(path))


def download(name: str, file: RemoteFile) -> Path:
    """Download a file beside its place, check it, and only then move it there."""
    if file.url is None:
        raise ValueError(f"datasets.fetch: no public address of {file.path} is known.")
    pooch = _pooch(name)
    target = folder(name) / file.path
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as open_file:
            temporary = Path(open_file.name)
            # not streamed: pooch leaves the connection of a broken stream open;
            # identity: a .gz file must not be unpacked on its way
            get = pooch.HTTPDownloader(
                timeout=TIMEOUT, stream=False, headers={"Accept-Encoding": "identity"}
            )
            get(file.url, open_file, None)
        file.content(name, temporary.read_bytes(), file.url)
        temporary.replace(target)
    except OSError as error:  # the errors of the network are OSErrors too
        raise DatasetUnavailable(
            name,
            because=f"{file.url} could not be stored as {target}: {error}",
            hint="Nothing was left behind. See that the address can be reached and the "
            "folder written, and fetch again.",
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return target


def _pooch(name: str) -> ModuleType:
    """The module pooch, which comes with an extra."""
    try:
        import pooch
    except ImportError as error:
        raise DatasetUnavailable(
            name,
            because="pooch is not installed; it finds the cache folder and downloads",
            hint='Use pip install "kanlib[data]".',
        ) from error
    return pooch
