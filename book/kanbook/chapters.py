"""Where the book is and which chapters it has: the one place that reads the tree."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml


class BookError(Exception):
    """The book cannot be found or a request names something that it does not have."""


@dataclass(frozen=True, order=True)
class Chapter:
    """One notebook of the book, present or not.

    Args:
        root: The folder that holds `_toc.yml`.
        part: The folder below `chapters`.
        slug: The file's name without `.ipynb`.
    """

    root: Path
    part: str
    slug: str

    @property
    def name(self) -> str:
        """`part/slug`, the chapter's name in every message."""
        return f"{self.part}/{self.slug}"

    @property
    def path(self) -> Path:
        """The committed notebook."""
        return self.root / "chapters" / self.part / f"{self.slug}.ipynb"


def find_root(start: Path | None = None) -> Path:
    """Return the nearest folder above `start` that holds `_toc.yml`.

    Args:
        start: Where to begin; the working directory by default.

    Returns:
        The book's root folder.

    Raises:
        BookError: No folder on the way up has one, "no _toc.yml".
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "_toc.yml").is_file():
            return folder
    raise BookError(
        f"no _toc.yml in {here} or above it; expected to be called inside the book's "
        "repository. Change into it and call again."
    )


def all_chapters(root: Path) -> list[Chapter]:
    """List the chapters of `_toc.yml` in its order, then those that only lie on disk.

    Args:
        root: The folder that holds `_toc.yml`.

    Returns:
        The chapters, without repetition. One that `_toc.yml` lists but nobody wrote is
        among them, so that running the book reports it.

    Raises:
        BookError: `_toc.yml` is no YAML or no mapping, "cannot read".
    """
    try:
        contents = yaml.safe_load((root / "_toc.yml").read_text("utf-8"))
        if not isinstance(contents, dict):
            raise ValueError(f"it holds {contents!r:.40}; expected a mapping")
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise BookError(
            f"cannot read {root / '_toc.yml'}: {error}. `git diff` shows what changed."
        ) from error
    names = [name.removesuffix(".ipynb") for name in _files(contents)]
    listed = [Path(name).parts for name in names]
    pairs = [(p[1], p[2]) for p in listed if len(p) == 3 and p[0] == "chapters"]
    on_disk = sorted(
        (path.parent.name, path.stem)
        for path in (root / "chapters").glob("*/*.ipynb")
        if not path.parent.name.startswith(".")
    )
    # Markdown pages among the chapters are not executed.
    pages = {
        pair
        for pair in pairs
        if (root / "chapters" / pair[0] / f"{pair[1]}.md").exists()
    }
    unique = dict.fromkeys(pair for pair in [*pairs, *on_disk] if pair not in pages)
    return [Chapter(root, part, slug) for part, slug in unique]


def _files(node: object) -> Iterable[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "file" and isinstance(value, str):
                yield value
            else:
                yield from _files(value)
    elif isinstance(node, list):
        for value in node:
            yield from _files(value)


def find_chapters(root: Path, names: Sequence[str] = ()) -> list[Chapter]:
    """Return the chapters called `names`, or all of them.

    Args:
        root: The folder that holds `_toc.yml`.
        names: Slugs (`kan`), or `part/slug`, or paths of notebooks.

    Returns:
        The chapters in the order of `names`, without repetition.

    Raises:
        BookError: A name fits none, "unknown chapter", or several, "ambiguous".
    """
    known = all_chapters(root)
    if not names:
        return known
    chosen: dict[Chapter, None] = {}
    for name in names:
        chosen[_match(known, name)] = None
    return list(chosen)


def _match(known: Sequence[Chapter], name: str) -> Chapter:
    plain = name.removesuffix(".ipynb").rstrip("/")
    tail = "/".join(Path(plain).parts[-2:])
    fits = [chapter for chapter in known if tail in (chapter.name, chapter.slug)]
    if len(fits) == 1:
        return fits[0]
    listed = ", ".join(chapter.name for chapter in known) or "none yet"
    if fits:
        names = " and ".join(chapter.name for chapter in fits)
        raise BookError(
            f"ambiguous chapter {name!r}: it may be {names}; name the part."
        )
    choices = {word: c.name for c in known for word in (c.slug, c.name)}
    close = difflib.get_close_matches(tail, choices, n=1, cutoff=0.5)
    hint = f" Did you mean {choices[close[0]]}?" if close else ""
    raise BookError(f"unknown chapter {name!r}; expected one of: {listed}.{hint}")
