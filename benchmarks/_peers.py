"""Other people's layers, read from folders that the user names; none is kept here.

`--peers FOLDER ...` takes a checkout of each, or one folder that holds them all:

    efficient-kan      github.com/Blealtan/efficient-kan
    fast-kan           github.com/ZiyaoLi/fast-kan
    FlashKAT           github.com/OSU-STARLAB/FlashKAT
    rational_kat_cu    github.com/Adamdad/rational_kat_cu
"""

import argparse
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import _machine

FILES = {
    "efficient-kan": "src/efficient_kan/kan.py",
    "fast-kan": "fastkan/fastkan.py",
    "FlashKAT": "rational_kat/kat_1dgroup_torch.py",
    "rational_kat_cu": "kat_rational/kat_1dgroup_torch.py",
}


@dataclass(frozen=True)
class Peers:
    """The checkouts that were named, by the peer's name."""

    folders: dict[str, Path]

    def module(self, name: str) -> ModuleType | None:
        """Return the one file of a peer that is measured, loaded; None without it."""
        if name not in self.folders:
            return None
        path = self.folders[name] / FILES[name]
        spec = spec_from_file_location(f"peer_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def version(self, name: str) -> str:
        """Return a peer's commit, or a hash of its file where there is no checkout."""
        folder = self.folders[name]
        content = (folder / FILES[name]).read_bytes()
        found = _machine.commit(folder)
        return found or f"sha256 {hashlib.sha256(content).hexdigest()[:16]}"

    def missing(self, name: str) -> str:
        """Say why a peer was not measured."""
        return f"no {name}: name a checkout by --peers"


def find(folders: Iterable[Path]) -> Peers:
    """Return the peers in these folders, or directly below them.

    Raises:
        ValueError: a folder holds none of them.
    """
    found = {}
    for folder in folders:
        here = {
            name: place
            for name, path in FILES.items()
            for place in (folder, folder / name)
            if (place / path).is_file()
        }
        if not here:
            raise ValueError(
                f"--peers {folder}: none of {', '.join(FILES.values())} is in it; "
                f"expected a checkout of {', '.join(FILES)}, or a folder that holds "
                "such checkouts."
            )
        found |= here
    return Peers(found)


def has_pykan() -> bool:
    """Whether pykan is installed; it comes from the registry."""
    return find_spec("kan") is not None


def parser(text: str | None) -> argparse.ArgumentParser:
    """Return the command line that all benchmarks have."""
    made = argparse.ArgumentParser(description=text)
    made.add_argument(
        "--peers",
        type=Path,
        nargs="*",
        default=[],
        metavar="FOLDER",
        help="checkouts of " + ", ".join(FILES),
    )
    made.add_argument(
        "--smoke", action="store_true", help="tiny sizes: does it run at all?"
    )
    return made
