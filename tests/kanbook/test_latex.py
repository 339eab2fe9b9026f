"""The PDF: what TeX's log must not say, and the pages of a little book."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from kanbook import latex
from kanbook.build import BuildFailed
from kanbook.latex import TexMissing, build_pdf, problems
from kanbook.latex_tree import breakable

NEEDED = (*latex.PROGRAMS, "pdftotext")


def test_without_tex_it_says_what_to_install(
    paper_book: Callable[[Path], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(latex.shutil, "which", lambda _: None)
    with pytest.raises(TexMissing, match="xelatex and latexmk not found; install tex"):
        build_pdf(paper_book(tmp_path), executed=None)
    assert not (tmp_path / "_build").exists()


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (
            "Missing character: There is no φ (U+03C6) in font [lmroman10]/OT:x!\n" * 2,
            "no glyph for 'φ' in the font [lmroman10]/OT:x",
        ),
        (
            "Overfull \\hbox (42.4pt too wide) in paragraph at lines 1--2\nwords\n",
            "a line stands 42.4 points out of the text; expected at most 20",
        ),
        (
            "Overfull \\vbox (99.1pt too high) has occurred while \\output is active",
            "a page stands 99.1 points out of the text",
        ),
        ("LaTeX Warning: Reference `a' on page 1 undefined on input line 2.", "`a'"),
    ],
)
def test_what_is_wrong_with_the_pages_is_said_once(log: str, said: str) -> None:
    (found,) = problems(log)
    assert said in found


def test_a_little_overhang_is_no_fault() -> None:
    log = "Overfull \\hbox (6.1pt too wide) in paragraph\nUnderfull \\hbox (badness 99)"
    assert list(problems(log)) == []


with_tex = pytest.mark.skipif(
    any(shutil.which(name) is None for name in NEEDED),
    reason=f"the PDF needs {', '.join(NEEDED)}: {latex.PACKAGES}",
)


@pytest.fixture(scope="module")
def text(
    paper_book: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> str:
    """What the pages of the little book say."""
    path = build_pdf(paper_book(tmp_path_factory.mktemp("pdf")), executed=None)
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    command = ["pdftotext", "-layout", path, "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    return " ".join(done.stdout.decode("utf-8").split())


@with_tex
def test_title_and_contents(text: str) -> None:
    assert text.startswith("Deep Learning, Settled papers derived, run and checked")
    assert "Nov 24, 2026" in text
    for line in ("About this book", "Things", "1 Toys", "1.1 A section", "The rest"):
        assert line in text


@with_tex
def test_numbers_are_those_of_the_pages(text: str) -> None:
    assert "by (1.1), Remark 1.1 and [✓ toy.1]" in text
    assert "Remark 1.1 (One)" in text
    assert "Proof. Clear. □" in text


@with_tex
def test_records_tables_and_letters(text: str) -> None:
    for line in (
        "Verdict: reproduced",
        "1 reproduced.",
        "Claim Statement Measured",
        "φ, π, ² — ′",
        "This edition",
        "Ziming Liu",
    ):
        assert line in text
    assert "hidden" not in text


@with_tex
def test_what_tex_refuses_is_said(
    paper_book: Callable[[Path], Path], tmp_path: Path
) -> None:
    root = paper_book(tmp_path)
    intro = root / "book/pages/intro.md"
    intro.write_text(intro.read_text() + "\nA formula: $\\lostcommand$.\n")
    with pytest.raises(BuildFailed, match="TeX stopped: ! Undefined control seq"):
        build_pdf(root, executed=None)
    assert list((root / "_build").iterdir()) == []


def test_long_names_may_break() -> None:
    told = breakable("see docs/Example/Example_1_function.rst, a/b and x_1")
    assert told.split("\u200b") == [
        "see docs/",
        "Example/",
        "Example_",
        "1_",
        "function.rst, a/b and x_1",
    ]
