"""The scripts that the book vendors: where each file comes from, and its checksum.

`python -m kanbook.vendor` downloads the packages with `npm pack` and replaces the files
under `book/static/vendor`, after every checksum in `SHA256SUMS` has matched. To take a
new version, change it in `PACKAGES` and run `python -m kanbook.vendor --accept`, which
writes `SHA256SUMS` anew. Readers and builds never need npm: the files are committed.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

FOLDER = Path(__file__).resolve().parents[1] / "static" / "vendor"
SUMS = "SHA256SUMS"
OWN_FILES = frozenset({SUMS, "LICENSES.txt", "widgets-config.js"})
"""Files in the folder that we write ourselves."""

TYPED_LICENSES = frozenset({"licenses/requirejs.txt", "licenses/html-manager.txt"})
"""License texts that the npm package leaves out: kept by hand and checked too."""

PACKAGES: dict[str, dict[str, str]] = {
    "mathjax@3.2.2": {
        "es5/tex-chtml-full.js": "mathjax/",
        "es5/output/chtml/fonts/woff-v2/*.woff": "mathjax/output/chtml/fonts/woff-v2/",
        "LICENSE": "licenses/mathjax.txt",
    },
    "requirejs@2.3.8": {"require.js": "require.js"},
    "@jupyter-widgets/html-manager@1.0.15": {
        "dist/embed-amd.js": "html-manager/",
        "dist/*.woff2": "html-manager/",
        "dist/embed.js.LICENSE.txt": "licenses/html-manager-bundled.txt",
    },
    "anywidget@0.11.0": {
        "dist/index.js": "anywidget.js",
        "LICENSE": "licenses/anywidget.txt",
    },
}
"""npm package -> {pattern inside it: destination, a folder if it ends with a slash}."""


def sha256(path: Path) -> str:
    """The SHA-256 of a file, as hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_sums(folder: Path = FOLDER) -> dict[str, str]:
    """File name -> SHA-256, as `SHA256SUMS` in the format of `sha256sum` lists them."""
    lines = (folder / SUMS).read_text().splitlines()
    pairs = (line.split("  ", 1) for line in lines)
    return {name: digest for digest, name in pairs}


def differences(folder: Path, sums: dict[str, str]) -> list[str]:
    """What is wrong in `folder`: one sentence a file, none if it is as listed."""
    present = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
    } - OWN_FILES
    found = [f"{name} is not listed in {SUMS}" for name in present - sums.keys()]
    found += [f"{name} is missing" for name in sums.keys() - present]
    found += [
        f"{name} has another SHA-256 than {SUMS} lists"
        for name in present & sums.keys()
        if sha256(folder / name) != sums[name]
    ]
    return sorted(found)


def copies(names: Iterable[str], wanted: dict[str, str]) -> dict[str, str]:
    """Member of a package -> destination, for the members that a pattern asks for."""
    result = {}
    for name in names:
        for pattern, destination in wanted.items():
            if fnmatch(name, pattern) and name.count("/") == pattern.count("/"):
                is_folder = destination.endswith("/")
                tail = PurePosixPath(name).name if is_folder else ""
                result[name] = destination + tail
    return result


def download(folder: Path) -> None:
    """Fetch every package of `PACKAGES` and lay its files out in `folder`."""
    for package, wanted in PACKAGES.items():
        with tempfile.TemporaryDirectory() as scratch:
            subprocess.run(
                ["npm", "pack", "--silent", package],
                cwd=scratch,
                check=True,
                stdout=subprocess.DEVNULL,
            )
            (archive,) = Path(scratch).glob("*.tgz")
            with tarfile.open(archive) as bundle:
                # Members are read one by one; nothing is unpacked by its own path.
                members = {
                    member.name.removeprefix("package/"): member
                    for member in bundle.getmembers()
                    if member.isfile()
                }
                for name, destination in copies(members, wanted).items():
                    content = bundle.extractfile(members[name])
                    assert content is not None  # a regular file, checked above
                    target = folder / destination
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content.read())


def main(arguments: Sequence[str] | None = None) -> int:
    """Download, verify and replace the vendored files; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m kanbook.vendor", description="")
    parser.description = (__doc__ or "").split("\n\n")[1]
    parser.add_argument(
        "--check", action="store_true", help="only compare the files with SHA256SUMS"
    )
    parser.add_argument(
        "--accept", action="store_true", help="write SHA256SUMS from what npm delivers"
    )
    options = parser.parse_args(arguments)
    if options.check:
        return _report(differences(FOLDER, read_sums()))
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch) / "vendor"
        fresh.mkdir()
        for name in OWN_FILES | TYPED_LICENSES:
            target = fresh / name
            target.parent.mkdir(exist_ok=True)
            if (FOLDER / name).exists():
                shutil.copy(FOLDER / name, target)
        try:
            download(fresh)
        except (FileNotFoundError, subprocess.CalledProcessError) as error:
            return _report([f"npm delivered nothing ({error}); nothing was replaced"])
        if options.accept:
            listed = sorted(
                path.relative_to(fresh).as_posix()
                for path in fresh.rglob("*")
                if path.is_file()
            )
            lines = [
                f"{sha256(fresh / name)}  {name}\n"
                for name in listed
                if name not in OWN_FILES
            ]
            (fresh / SUMS).write_text("".join(lines))
        problems = differences(fresh, read_sums(fresh))
        if not problems:
            shutil.rmtree(FOLDER)
            shutil.move(fresh, FOLDER)
        return _report(problems)


def _report(problems: list[str]) -> int:
    for problem in problems:
        print(f"kanbook.vendor: {problem}.", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
