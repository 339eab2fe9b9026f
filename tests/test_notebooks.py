"""The committed chapters keep the rules of a chapter."""

from pathlib import Path

import nbformat
import pytest
from kanbook.bootstrap import known_address, stale
from kanbook.chapters import Chapter, all_chapters
from kanbook.notebooks import median_length, problems

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = all_chapters(ROOT) if (ROOT / "_toc.yml").is_file() else []
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda c: c.name)


@each_chapter
def test_structure(chapter: Chapter) -> None:
    size = chapter.path.stat().st_size
    notebook = nbformat.read(chapter.path, as_version=4)
    found = problems(notebook, chapter.slug, size)
    found += stale(notebook, known_address(ROOT))
    assert not found, "\n".join([f"{chapter.path}:", *found])
    assert median_length(notebook) <= 12, "the aim is a median of 8 lines a cell"


def test_every_chapter_is_in_the_table_of_contents_and_on_disk() -> None:
    on_disk = {p.relative_to(ROOT) for p in (ROOT / "chapters").glob("*/*.ipynb")}
    assert {chapter.path.relative_to(ROOT) for chapter in CHAPTERS} == on_disk
