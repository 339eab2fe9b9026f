"""Zip files that are the same bytes for the same content, and the zip of the site."""

import subprocess
import zipfile
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import yaml

from kanbook.build import BuildFailed, replace, scratch

EARLIEST = 315_532_800
"""1980-01-01, before which a zip file has no dates."""


def name_of(root: Path) -> str:
    """Return the name of the book's files without their ending: its title's words.

    Example:
        >>> slug("Deep Learning, Settled: papers derived")
        'deep-learning-settled'
    """
    return slug(citation(root)["title"])


def slug(title: str) -> str:
    """Return the part of a title before the colon as one word of a file's name."""
    words = title.partition(":")[0].lower()
    return "-".join("".join(c if c.isalnum() else " " for c in words).split())


def citation(root: Path) -> Mapping[str, Any]:
    """Return what `CITATION.cff` says of the book.

    Raises:
        BuildFailed: the file is missing or broken.
    """
    try:
        found = yaml.safe_load((root / "CITATION.cff").read_text("utf-8"))
        return {"title": found["title"], **found}
    except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
        raise BuildFailed(
            [
                f"CITATION.cff cannot be read: {error!r}; expected the book's title, "
                "authors, version and date. Restore it with git."
            ]
        ) from error


def authors(book: Mapping[str, Any]) -> str:
    """Return the authors of a citation file in one line."""
    return ", ".join(
        who.get("name") or f"{who['given-names']} {who['family-names']}"
        for who in book["authors"]
    )


def epoch(root: Path) -> int:
    """Return the second that an edition is dated with: that of the last commit.

    Without a repository it is the release's day.
    """
    done = subprocess.run(
        ["git", "-C", str(root), "log", "-1", "--format=%ct"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0 and done.stdout.strip().isdigit():
        return int(done.stdout)
    day = date.fromisoformat(str(citation(root)["date-released"]))
    return int(datetime.combine(day, time(), UTC).timestamp())


def pack(
    target: Path, files: Iterable[tuple[str, Path]], when: int, stored: str = ""
) -> Path:
    """Write a zip file of some files, in the given order, and return its path.

    Args:
        target: The zip file.
        files: The name inside, and the file.
        when: The second since 1970 that every file is dated with.
        stored: The name of a file that is not compressed.
    """
    dated = datetime.fromtimestamp(max(when, EARLIEST), UTC).timetuple()[:6]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as made:
        for name, path in files:
            entry = zipfile.ZipInfo(name, dated)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3  # Unix, wherever it is written
            packed = zipfile.ZIP_STORED if name == stored else zipfile.ZIP_DEFLATED
            entry.compress_type = packed
            made.writestr(entry, path.read_bytes())
    return target


def build_zip(root: Path) -> Path:
    """Pack the rendered site into one file, below one folder, and return its path.

    Args:
        root: The folder whose `_build/html` holds the site.

    Raises:
        BuildFailed: there is no site, "is missing".
    """
    root = root.resolve()
    site, name = root / "_build" / "html", name_of(root)
    if not (site / "index.html").is_file():
        raise BuildFailed(["_build/html is missing; `kanbook build` renders it."])
    found = sorted(
        (f"{name}/{path.relative_to(site).as_posix()}", path)
        for path in site.rglob("*")
        if path.is_file()
    )
    with scratch(root / "_build") as folder:
        made = pack(folder / "site.zip", found, epoch(root))
        return replace(root / "_build" / f"{name}.zip", made)
