"""A new chapter runs as it is written, and keeps every rule."""

from pathlib import Path

import nbformat
import pytest
from kanbook.chapters import BookError, Chapter, all_chapters
from kanbook.notebooks import problems
from kanbook.refresh import refresh
from kanbook.runner import execute
from kanbook.skeleton import new_chapter

TOC = """\
# the order of the book
format: jb-book
root: book/pages/intro
parts:
  - caption: Depth
    chapters:
      - file: chapters/depth/first
  - caption: KAN
    chapters:
      - file: chapters/kan/kan
      - file: book/pages/zoo
  - caption: Back matter
    chapters:
      - file: book/pages/ledger
"""


@pytest.fixture
def book(tmp_path: Path) -> Path:
    (tmp_path / "_toc.yml").write_text(TOC)
    (tmp_path / "chapters" / "kan").mkdir(parents=True)
    return tmp_path


def names(root: Path) -> list[str]:
    return [chapter.name for chapter in all_chapters(root)]


def test_new_chapter_runs_and_keeps_every_rule(book: Path) -> None:
    path = new_chapter(book, "kan/my_layer")
    assert path == book / "chapters" / "kan" / "my_layer.ipynb"
    chapter = Chapter(book, "kan", "my_layer")
    (execution,) = execute([chapter])
    assert execution.ok, execution.message
    refresh(chapter, nbformat.read(execution.executed, as_version=4))
    committed = nbformat.read(path, as_version=4)
    nbformat.validate(committed)
    assert problems(committed, "my_layer", path.stat().st_size) == []


def test_line_goes_after_the_last_chapter_of_its_part(book: Path) -> None:
    new_chapter(book, "kan/mine")
    text = (book / "_toc.yml").read_text()
    old = "      - file: chapters/kan/kan\n"
    assert text == TOC.replace(old, old + "      - file: chapters/kan/mine\n")


def test_pages_below_a_chapter_stay_below_it(book: Path) -> None:
    entry = "      - file: chapters/kan/kan\n"
    below = "        sections:\n          - file: book/pages/solutions_kan\n"
    (book / "_toc.yml").write_text(TOC.replace(entry, entry + below))
    new_chapter(book, "kan/mine")
    text = (book / "_toc.yml").read_text()
    mine = "      - file: chapters/kan/mine\n"
    assert text == TOC.replace(entry, entry + below + mine)


def test_listed_chapter_that_nobody_wrote_gets_its_notebook(book: Path) -> None:
    path = new_chapter(book, "depth/first")
    assert path.is_file()
    assert (book / "_toc.yml").read_text() == TOC


def test_part_without_chapters_comes_after_the_others(book: Path) -> None:
    new_chapter(book, "dynamics/mine")
    assert names(book) == ["depth/first", "kan/kan", "dynamics/mine"]
    part = (
        "  - caption: Dynamics\n    chapters:\n      - file: chapters/dynamics/mine\n"
    )
    assert (book / "_toc.yml").read_text() == TOC.replace(
        "  - caption: Back", part + "  - caption: Back"
    )


def test_new_part_is_numbered_as_the_one_before(book: Path) -> None:
    head = "  - caption: KAN\n"
    numbered = TOC.replace(head, head + "    numbered: true\n")
    (book / "_toc.yml").write_text(numbered)
    new_chapter(book, "sparsity/mine")
    new = "  - caption: Sparsity\n    numbered: true\n    chapters:\n"
    assert (
        new + "      - file: chapters/sparsity/mine\n"
        in (book / "_toc.yml").read_text()
    )


def test_book_without_chapters(book: Path) -> None:
    (book / "_toc.yml").write_text(
        "root: book/pages/intro\nchapters:\n- file: book/pages/ledger\n"
    )
    new_chapter(book, "kan/mine")
    assert names(book) == ["kan/mine"]


def test_table_of_contents_without_a_list(book: Path) -> None:
    (book / "_toc.yml").write_text("root: book/pages/intro\n")
    with pytest.raises(BookError, match=r"add the line '- file: chapters/kan/mine'"):
        new_chapter(book, "kan/mine")
    assert names(book) == []


@pytest.mark.parametrize("name", ["kan/kan", "depth/kan"])
def test_taken_slug_is_refused(name: str, book: Path) -> None:
    (book / "chapters/kan/kan.ipynb").write_text("mine")
    with pytest.raises(BookError, match=r"is taken by .*kan\.ipynb; expected a new"):
        new_chapter(book, name)
    assert (book / "chapters/kan/kan.ipynb").read_text() == "mine"
    assert (book / "_toc.yml").read_text() == TOC


@pytest.mark.parametrize(
    "name", ["mine", "kan/", "kan/Mine", "kan/my-layer", "kan/../x", "zoo/mine", "/x"]
)
def test_bad_name_is_refused(name: str, book: Path) -> None:
    with pytest.raises(BookError, match="expected PART/SLUG with PART one of depth"):
        new_chapter(book, name)
    assert (book / "_toc.yml").read_text() == TOC


def test_cells_have_lasting_ids(book: Path) -> None:
    one = nbformat.read(new_chapter(book, "kan/one"), as_version=4).cells
    two = nbformat.read(new_chapter(book, "kan/two"), as_version=4).cells
    assert [cell.id.replace("one", "two") for cell in one] == [cell.id for cell in two]
