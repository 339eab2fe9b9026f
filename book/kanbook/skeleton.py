"""`kanbook new-chapter`: a notebook that runs and keeps every rule of a chapter."""

import re
from importlib.resources import files
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from kanbook.address import Address
from kanbook.bootstrap import known_address, with_bootstrap
from kanbook.chapters import BookError, Chapter, all_chapters
from kanbook.files import write_whole
from kanbook.refresh import normalized, text_of

PARTS = {
    "depth": "Depth",
    "kan": "Kolmogorov–Arnold networks",
    "inference": "Inference and adaptation",
    "certificates": "Certificates",
    "sparsity": "Sparsity",
    "dynamics": "Dynamics",
}
"""Folder -> caption of each part."""

CAPTION = re.compile(r"(\s*- caption:\s*).*")


def new_chapter(root: Path, name: str) -> Path:
    """Write the skeleton of a chapter, and its line in `_toc.yml` if it has none.

    Args:
        root: The folder that holds `_toc.yml`.
        name: `part/slug`; the slug stays for life, because claim ids begin with it.

    Returns:
        The new notebook, without outputs.

    Raises:
        BookError: `name` is not a known part and a plain slug, "expected"; the slug is
            taken, "is taken"; `_toc.yml` has no place for it, "add the line".
    """
    chapter = Chapter(root, *_split(name))
    same = [c for c in all_chapters(root) if c.slug == chapter.slug]
    taken = [c for c in same if c != chapter or c.path.exists()]
    if taken:
        raise BookError(
            f"new-chapter: the slug {chapter.slug} is taken by {taken[0].path}; "
            "expected a new one, because claim ids begin with it. Nothing was written."
        )
    toc = root / "_toc.yml"
    old = toc.read_text("utf-8")
    contents = old if same else _with_line(old, chapter, PARTS[chapter.part])
    made = skeleton(chapter.slug, known_address(root))
    write_whole(chapter.path, text_of(made))
    write_whole(toc, contents)
    return chapter.path


def _split(name: str) -> tuple[str, str]:
    part, _, slug = name.partition("/")
    if part not in PARTS or not re.fullmatch(r"[a-z][a-z0-9_]*", slug):
        raise BookError(
            f"new-chapter: got {name!r}; expected PART/SLUG with PART one of "
            f"{', '.join(PARTS)} and SLUG of lower-case letters, digits and "
            "underscores, such as kan/my_layer."
        )
    return part, slug


def skeleton(slug: str, known: Address | None = None) -> nbformat.NotebookNode:
    """Return the notebook of a chapter called `slug`, not executed.

    Args:
        slug: The chapter's name.
        known: The book's public address, which its bootstrap cell installs kanlib from.
    """
    text = files("kanbook").joinpath("templates/chapter.txt").read_text("utf-8")
    title = slug.replace("_", " ").capitalize()
    names = {"@SLUG@": slug, "@LABEL@": slug.replace("_", "-"), "@TITLE@": title}
    for mark, value in names.items():
        text = text.replace(mark, value)
    cells = []
    for number, block in enumerate(re.split(r"^%% ", text, flags=re.MULTILINE)[1:], 1):
        head, _, source = block.partition("\n")
        kind, *tags = head.split()
        make = new_markdown_cell if kind == "markdown" else new_code_cell
        cell = make(source.rstrip("\n"), id=f"{slug.replace('_', '-')[:40]}-{number}")
        if tags:
            cell.metadata["tags"] = tags
        cells.append(cell)
    return normalized(with_bootstrap(new_notebook(cells=cells), known))


def _with_line(toc: str, chapter: Chapter, caption: str) -> str:
    """Put the chapter after the last one of its part, or into a part of its own.

    The text is edited, not parsed and written anew, so that comments and order stay.
    """
    lines = toc.splitlines()
    entry = re.compile(r"(\s*)- file:\s*chapters/(\w+)/\w+")
    places = [
        (i, match) for i, line in enumerate(lines) if (match := entry.match(line))
    ]
    same = [place for place in places if place[1][2] == chapter.part]
    file = f"- file: chapters/{chapter.name}"
    if same or places:
        index, match = (same or places)[-1]
        new = [match[1] + file]
        heads = [i for i in range(index) if CAPTION.match(lines[i])]
        if not same and heads:
            # A part looks like the one before it, from its caption to its first file.
            start = heads[-1]
            stop = next(i for i, _ in places if i > start)
            head = CAPTION.sub(rf"\1{caption}", lines[start])
            new = [head, *lines[start + 1 : stop], *new]
            after = [i for i in range(index, len(lines)) if CAPTION.match(lines[i])]
            index = after[0] - 1 if after else len(lines) - 1
        # What is indented further belongs to that entry, such as its solutions.
        deeper = re.compile(rf"{match[1]}\s+\S")
        while index + 1 < len(lines) and deeper.match(lines[index + 1]):
            index += 1
        lines[index + 1 : index + 1] = new
        return "\n".join(lines) + "\n"
    for index, line in enumerate(lines[:-1]):
        if re.match(r"\s*chapters:\s*$", line):
            first = lines[index + 1]
            lines.insert(index + 1, first[: len(first) - len(first.lstrip())] + file)
            return "\n".join(lines) + "\n"
    raise BookError(
        f"new-chapter: _toc.yml has no list of chapters; add the line {file!r} to it "
        "where the chapter shall stand, and call again."
    )
