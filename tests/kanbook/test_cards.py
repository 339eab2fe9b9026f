"""Hover cards in a little book: which targets travel with a page, and claim badges."""

import contextlib
import io
import re
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
from kanbook.build import build
from kanbook.cards import element, moved, targets, with_templates
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from kanlib.claims import Ledger
from kanlib.claims._cards import seeds_text

REPOSITORY = Path(__file__).parents[2]
TOY = """# Toys

After {cite:p}`liu2024kan`, by {eq}`sum` and {prf:ref}`one`.

```{math}
:label: sum
y = 1
```

```{prf:theorem} One
:label: one

One is $1$, by {eq}`sum`.
```
"""
OTHER = """# Another page

By {eq}`sum`, {eq}`sum` again, {prf:ref}`one` and {cite:p}`liu2024kan`; {claim}`toy.1`.
See [the toys](/chapters/part/toy).
"""


class Book(NamedTuple):
    root: Path
    html: Path
    said: str

    def page(self, name: str) -> str:
        return (self.html / name).read_text("utf-8")


def toy() -> nbformat.NotebookNode:
    claims = Ledger("toy", paper="liu2024kan")
    claims.claim(
        "1", "Falls as $h$.", paper_value="4", where="a", seen="read", at_most=1.0
    )
    record = claims.measure("1", [0.1, 0.2, 0.3], seeds=[7, 8, 9])
    card = new_output("display_data", data=record.bundle())
    return new_notebook(
        cells=[
            new_markdown_cell(TOY, id="title"),
            new_code_cell("claims", id="claims", outputs=[card]),
            new_markdown_cell("It holds {claim}`toy.1`.\n{claim}`toy.9`", id="prose"),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    root = tmp_path_factory.mktemp("cards")
    (root / "_config.yml").write_text((REPOSITORY / "_config.yml").read_text("utf-8"))
    pages = {
        "other": OTHER,
        "ledger": "# Ledger\n\n```{claims-ledger}\n```\n",
        "references": "# References\n\n```{bibliography}\n```\n",
    }
    (root / "_toc.yml").write_text(
        "format: jb-book\nroot: book/pages/other\nchapters:\n"
        "- file: chapters/part/toy\n- file: book/pages/ledger\n"
        "- file: book/pages/references\n"
    )
    (root / "book/pages").mkdir(parents=True)
    for name, text in pages.items():
        (root / f"book/pages/{name}.md").write_text(text)
    for name in ("static", "references.bib", "notation.yml"):
        (root / "book" / name).symlink_to(REPOSITORY / "book" / name)
    (root / "chapters/part").mkdir(parents=True)
    nbformat.write(toy(), root / "chapters/part/toy.ipynb")
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        html = build(root, executed=None, warnings_as_errors=False)
    return Book(root, html, said.getvalue())


def templates(page: str) -> dict[str, str]:
    return dict(
        re.findall(r'<template data-card="([^"]+)">(.*?)</template>', page, re.S)
    )


def test_a_page_carries_what_it_refers_to_elsewhere(book: Book) -> None:
    found = templates(book.page("book/pages/other.html"))
    work = "book/pages/references.html#id"
    names = {re.sub(r"#id\d+$", "#id", name) for name in found}
    toy = "chapters/part/toy.html#"
    assert names == {f"{toy}equation-sum", f"{toy}one", f"{toy}claim-toy.1", work}
    assert all(" id=" not in text for text in found.values())
    assert "(1)" in found[f"{toy}equation-sum"]
    assert "Theorem 1 " in found[f"{toy}one"]
    assert 'href="../../chapters/part/toy.html#equation-sum"' in found[f"{toy}one"]
    # The page has no formula of its own, but its cards have.
    assert "tex-chtml-full.js" in book.page("book/pages/other.html")


def test_what_stands_on_the_page_is_not_carried(book: Book) -> None:
    (name,) = templates(book.page("chapters/part/toy.html"))
    assert name.startswith("book/pages/references.html#id")
    assert templates(book.page("book/pages/ledger.html")) == {}
    assert templates(book.page("book/pages/references.html")) == {}


def test_a_badge_says_the_verdict_in_words_and_by_a_mark(book: Book) -> None:
    page = book.page("chapters/part/toy.html")
    (badge,) = re.findall(r'<a class="kl-claim-link.*?</a>', page, re.S)
    assert ">✓</span>toy.1<" in badge
    assert '<span class="visually-hidden">, reproduced</span>' in badge
    assert "#claim-toy.1" in badge
    assert "<strong>Seeds:</strong> 7 to 9" in page


def test_an_unknown_claim_is_named_with_its_cell_and_the_fix(book: Book) -> None:
    assert (
        "chapters/part/toy.ipynb, cell 3 (id prose): claim 'toy.9' is not in the "
        "ledger; expected one of: toy.1. Mend the id, or record the claim"
    ) in book.said


def test_only_references_and_marked_links_count() -> None:
    body = (
        '<a class="reference internal" href="b.html#one">1</a>'
        '<a data-card href="../c/c.html#claim-kan.1&#x27;">2</a>'
        '<a href="d.html#two">3</a>'
        '<a class="reference internal" href="#here">4</a>'
        '<a class="reference internal" href="a.html#here">5</a>'
        '<a class="reference external" href="https://e.org/e.html#f">6</a>'
        '<a class="reference internal" href="e.html">7</a>'
    )
    expected = {("a/b.html", "one"), ("c/c.html", "claim-kan.1'")}
    assert targets(body, "a/a.html") == expected


def test_an_element_ends_where_it_ends() -> None:
    claim = (
        '<div class="kl-claim" id="claim-kan.1&#x27;"><div>a</div><div>b</div></div>'
    )
    page = f'<div id="claim-kan.1"></div><div>{claim}</div><div id="plain"></div>'
    assert element(page, "claim-kan.1'") == claim
    assert element(page, "claim-kan.1") == '<div id="claim-kan.1"></div>'
    assert element(page, "plain") is None
    assert element(page, "nowhere") is None
    assert element('<section id="check-it">a</section>', "check-it") is None
    assert element('<div id="claim-open"><div>', "claim-open") is None


def test_addresses_are_right_on_the_other_page() -> None:
    piece = '<a href="#x">x</a><a href="../b.html#y">y</a><img src="data:image/png,">'
    there = moved(piece, "chapters/a/a.html", "index.html")
    assert 'href="chapters/a/a.html#x"' in there
    assert 'href="chapters/b.html#y"' in there
    assert 'src="data:image/png,"' in there
    page = with_templates(
        "<body></body></body>", "index.html", [(("a.html", "x"), "y")]
    )
    assert page == '<body></body><template data-card="a.html#x">y</template>\n</body>'


@pytest.mark.parametrize(
    ("seeds", "text"),
    [((), ""), ((3,), "3"), ((3, 4), "3, 4"), (range(20), "0 to 19"), ((5, 4), "5, 4")],
)
def test_seeds_are_said_in_few_words(seeds: tuple[int, ...], text: str) -> None:
    assert seeds_text(seeds) == text
