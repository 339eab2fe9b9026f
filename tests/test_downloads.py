"""What readers download of each chapter: it says what the page says, and it runs."""

import html
import re
from pathlib import Path

import nbformat
import pytest
from kanbook.chapters import Chapter, all_chapters
from kanbook.runner import execute

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = all_chapters(ROOT) if (ROOT / "_toc.yml").is_file() else []
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda c: c.name)
# What Markdown does not know: roles, fences of colons, labels, options.
MYST = re.compile(r"\{[\w:.-]+\}`|^ *:::|^```\{|^\([\w-]+\)=|^:\w+:", re.MULTILINE)


def download(site: Path, chapter: Chapter) -> Path:
    return site / "_sources" / "chapters" / chapter.part / f"{chapter.slug}.ipynb"


def prose(notebook: nbformat.NotebookNode) -> str:
    return "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


@each_chapter
def test_the_download_runs_as_it_is_in_an_empty_folder(
    chapter: Chapter, site: Path, tmp_path: Path
) -> None:
    """At the smoke profile, so that every branch runs."""
    alone = Chapter(tmp_path, "part", chapter.slug)
    alone.path.parent.mkdir(parents=True)
    alone.path.write_bytes(download(site, chapter).read_bytes())
    (execution,) = execute([alone], profile="smoke", workers=1, out=tmp_path / "out")
    assert execution.ok, execution.message
    assert list(alone.path.parent.iterdir()) == [alone.path]


@each_chapter
def test_the_download_has_the_code_of_the_chapter(chapter: Chapter, site: Path) -> None:
    committed, taken = (
        [c.source for c in nbformat.read(path, as_version=4).cells if "outputs" in c]
        for path in (chapter.path, download(site, chapter))
    )
    assert taken == committed


@each_chapter
def test_the_download_is_plain_and_numbered_as_the_page(
    chapter: Chapter, site: Path
) -> None:
    text = prose(nbformat.read(download(site, chapter), as_version=4))
    assert MYST.findall(text) == []
    page = (site / "chapters" / f"{chapter.name}.html").read_text("utf-8")
    # What a card shows of another chapter has the other chapter's numbers.
    own = re.sub(r"<template\b.*?</template>", "", page, flags=re.DOTALL)
    numbers = re.findall(r'class="eqno">\(([\d.]+)\)', own)
    assert re.findall(r"\\tag\{([\d.]+)\}", text) == numbers
    heads = re.findall(r'class="caption-number">([^<]*\d) *</span>', own)
    stated = re.findall(r"^> \*\*(\w+ [\d.]*\d)", text, re.MULTILINE)
    assert stated == [html.unescape(head).strip() for head in heads]
