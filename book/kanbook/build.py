"""Rendering the book: one function, whole or not at all."""

import contextlib
import errno
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from kanbook import address
from kanbook.chapters import BookError, all_chapters

DISK_FULL = os.strerror(errno.ENOSPC)
ANSI = re.compile(r"\x1b\[[0-9;]*m")
# How a message of Sphinx begins; the lines after it belong to it.
STARTS = re.compile(
    r"^(?:\S.*: )?(?:WARNING|ERROR|CRITICAL|SEVERE): |^\S.* (?:error|occurred):$"
)


class BuildFailed(Exception):
    """The book could not be rendered; `warnings` says what is wrong, one each."""

    def __init__(self, warnings: Sequence[str]) -> None:
        self.warnings = tuple(warnings)
        count = f"{len(self.warnings)} warning{'s' * (len(self.warnings) != 1)}"
        listed = "".join(f"\n  - {warning}" for warning in self.warnings)
        super().__init__(
            f"the book was not rendered: {count}; the last good site stays.{listed}"
        )


def build(
    root: Path,
    *,
    executed: Path | None,
    warnings_as_errors: bool = True,
    downloads: Sequence[Path] = (),
) -> Path:
    """Render the book to `root/_build/html` and return that folder.

    Every page is made anew, in a process of its own, beside the old site; the new site
    takes its place only when it is whole.

    Args:
        root: The folder that holds `_config.yml` and `_toc.yml`.
        executed: The folder of executed copies; None renders the committed notebooks. A
            chapter without a copy is rendered as committed, and its page says so.
        warnings_as_errors: Fail on every warning; else warnings go to standard error.
        downloads: Files that the site carries in `downloads` and offers on its first
            page.

    Raises:
        BuildFailed: `_config.yml` or `_toc.yml` is missing or broken, a page gives a
            warning, or Sphinx fails.
    """
    root = root.resolve()
    offered = [[path.name, path.stat().st_size] for path in downloads]
    with rendered(
        root,
        "html",
        executed=executed,
        strict=warnings_as_errors,
        settings={"kanbook_downloads": offered},
    ) as made:
        for path in downloads:
            (made / "downloads").mkdir(exist_ok=True)
            shutil.copy2(path, made / "downloads")
        return replace(root / "_build" / "html", made)


@contextlib.contextmanager
def rendered(
    root: Path,
    builder: str,
    *,
    executed: Path | None,
    strict: bool = True,
    settings: Mapping[str, Any] | None = None,
    epoch: int | None = None,
) -> Iterator[Path]:
    """Render the book with one of Sphinx's builders and yield the folder, whole.

    It lies in a scratch folder that is removed afterwards; move out what shall stay.

    Args:
        root: The folder that holds `_config.yml` and `_toc.yml`.
        builder: Sphinx's name for it: "html", "epub" or "latex".
        executed: The folder of executed copies; None renders the committed notebooks.
        strict: Fail on every warning; else warnings go to standard error.
        settings: Sphinx's own settings, over those of `_config.yml`.
        epoch: The second since 1970 that is taken for now; None asks the clock.

    Raises:
        BuildFailed: as for `build`.
    """
    root = root.resolve()
    if problems := _broken(root):
        raise BuildFailed(problems)
    with scratch(root / "_build") as folder:
        job = {
            "root": str(root),
            "builder": builder,
            "folder": str(folder / builder),
            "executed": "" if executed is None else str(executed.resolve()),
            "strict": strict,
            "settings": dict(settings or {}),
        }
        done = subprocess.run(
            [sys.executable, "-m", "kanbook.render"],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            encoding="utf-8",
            cwd=root,
            env=_dated(epoch),
            check=False,
        )
        # A first page is resolved more than once, and says the same each time.
        said = list(dict.fromkeys(_messages(done.stderr, root)))
        if done.returncode and DISK_FULL in done.stderr:
            # Sphinx says it once for each file that it could not write.
            raise BuildFailed(
                [f"{DISK_FULL}: _build. Free some space and build again."]
            )
        if done.returncode:
            tail = done.stderr.strip().splitlines()[-20:]
            raise BuildFailed(said or ["\n    ".join(["Sphinx stopped.", *tail])])
        for message in said:
            print(message, file=sys.stderr)
        yield folder / builder


def _broken(root: Path) -> list[str]:
    """Say what is wrong with the two files that everything starts from."""
    missing = [
        f"{name} is missing in {root}; expected it there, because the book starts from "
        "it. Restore it with git."
        for name in ("_config.yml", "_toc.yml")
        if not (root / name).is_file()
    ]
    if missing:
        return missing
    from sphinx_external_toc.parsing import MalformedError, parse_toc_yaml

    try:
        config = yaml.safe_load((root / "_config.yml").read_text("utf-8"))
        address.parse(config["sphinx"]["config"]["kanbook_address"])
    except (KeyError, TypeError, yaml.YAMLError) as error:
        return [f"_config.yml is malformed: {error!r}. `git diff` shows what changed."]
    except ValueError as error:
        return [str(error)]
    try:
        all_chapters(root)
        pages = list(parse_toc_yaml(root / "_toc.yml"))
    except (MalformedError, BookError) as error:
        return [f"_toc.yml is malformed: {error}"]
    return [
        f"_toc.yml lists {page}, but there is no {page}.md or {page}.ipynb. Mend the "
        "line, or write the page; `kanbook new-chapter` makes a chapter."
        for page in pages
        if not any((root / f"{page}{end}").is_file() for end in ("", ".md", ".ipynb"))
    ]


def _dated(epoch: int | None) -> dict[str, str] | None:
    return None if epoch is None else {**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}


@contextlib.contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """Yield a folder inside `parent` that is removed afterwards."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=parent, prefix=".site-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def replace(target: Path, fresh: Path) -> Path:
    """Put a fresh file or folder in the place of an old one and return its path.

    The old one goes beside the fresh one, into the scratch folder that is removed.
    """
    if target.exists():
        target.rename(fresh.with_name("old"))
    fresh.rename(target)
    return target


def _messages(stderr: str, root: Path) -> Iterator[str]:
    """Yield each warning with the lines that belong to it, paths relative to `root`."""
    message: list[str] = []
    for line in ANSI.sub("", stderr).replace(f"{root}/", "").splitlines():
        if STARTS.match(line):
            if message:
                yield "\n    ".join(message)
            message = [line]
        elif message and line.strip():
            message.append(line.strip())
    if message:
        yield "\n    ".join(message)
