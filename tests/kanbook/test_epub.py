"""The EPUB: of a little book, with its faults, and of this book."""

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from kanbook import epub
from kanbook.build import BuildFailed
from kanbook.epub import build_epub
from kanbook.epub_package import Entry, contents, holds, mended, navigation, package
from kanbook.reports import Execution, executed_folder
from lxml import etree

X = "{http://www.w3.org/1999/xhtml}"
M = "{http://www.w3.org/1998/Math/MathML}"
O = "{http://www.idpf.org/2007/opf}"
LARGEST = 5_000_000

Book = dict[str, bytes]


def opened(path: Path) -> Book:
    with zipfile.ZipFile(path) as file:
        first = file.infolist()[0]
        assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
        return {name: file.read(name) for name in file.namelist()}


def trees(book: Book) -> dict[str, etree._Element]:
    return {
        name: etree.fromstring(text)
        for name, text in book.items()
        if name.endswith(".xhtml")
    }


@pytest.fixture(scope="module")
def little(
    paper_book: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return build_epub(paper_book(tmp_path_factory.mktemp("little")), executed=None)


def test_a_little_book(little: Path) -> None:
    book = opened(little)
    assert book["mimetype"] == b"application/epub+zip"
    assert little.name == "deep-learning-settled.epub"
    assert [path.name for path in little.parent.iterdir()] == [little.name]
    pages = trees(book)
    chapter = pages["chapters/part/toy.xhtml"]
    said = " ".join(" ".join(chapter.itertext()).split())
    assert "hidden" not in said
    assert "φ, π, ² — ′" in said
    assert "Verdict: reproduced" in said
    assert "Outputs as committed; not executed for this edition." in said
    (image,) = chapter.iter(f"{X}img")
    assert image.get("alt") == "A curve that a reader drags."
    (number,) = [one for one in chapter.iter(f"{X}span") if one.get("class") == "eqno"]
    assert number.text == "(1.1)"
    assert {one.get("alttext") for one in chapter.iter(f"{M}math")} == {
        r"\begin{aligned} y &= 1 \end{aligned}",
        "1",
        "h^4",
    }
    first = " ".join(" ".join(pages["book/pages/intro.xhtml"].itertext()).split())
    assert "This edition" in first
    assert "1 reproduced." in first
    assert "book/pages/api/one.xhtml" not in pages
    ledger = pages["book/pages/ledger.xhtml"]
    links = [one.get("href") for one in ledger.iter(f"{X}a")]
    assert "../../chapters/part/toy.xhtml#claim-toy-1" in links


def test_the_package_says_what_is_there_and_in_which_order(little: Path) -> None:
    book = opened(little)
    root = etree.fromstring(book["content.opf"])
    items = {item.get("id"): item for item in root.iter(f"{O}item")}
    named = {item.get("href"): item.get("properties") for item in items.values()}
    assert named.keys() | set(epub.META) == book.keys()
    assert named["nav.xhtml"] == "nav"
    assert named["_static/cover.png"] == "cover-image"
    assert named["chapters/part/toy.xhtml"] == "mathml"
    assert named["book/pages/references.xhtml"] is None
    order = [items[one.get("idref")].get("href") for one in root.iter(f"{O}itemref")]
    assert order == [
        "epub-cover.xhtml",
        "book/pages/intro.xhtml",
        "chapters/part/toy.xhtml",
        "book/pages/ledger.xhtml",
        "book/pages/references.xhtml",
    ]
    about = {etree.QName(one).localname: one.text for one in root.find(f"{O}metadata")}
    assert about["title"].startswith("Deep Learning, Settled")
    assert about["creator"] == "The kanlib authors"
    assert about["language"] == "en"
    assert about["date"] == "2026-11-24"
    assert about["identifier"].startswith("urn:uuid:")


def test_the_same_book_is_the_same_file(
    little: Path, paper_book: Callable[[Path], Path], tmp_path: Path
) -> None:
    again = build_epub(paper_book(tmp_path), executed=None)
    assert again.read_bytes() == little.read_bytes()


def test_faults_are_named_and_the_old_file_stays(
    paper_book: Callable[[Path], Path], tmp_path: Path
) -> None:
    root = paper_book(tmp_path)
    path = root / "chapters/part/toy.ipynb"
    chapter = json.loads(path.read_text("utf-8"))
    chapter["cells"][0]["source"] += [r"Here is $\unknown x$. "]
    html = "<canvas></canvas>"
    chapter["cells"][2]["outputs"][1]["data"] = {"text/html": html}
    path.write_text(json.dumps(chapter), "utf-8")
    intro = root / "book/pages/intro.md"
    intro.write_text(intro.read_text() + "\n<p>unclosed\n")
    (root / "_build").mkdir()
    (root / "_build/deep-learning-settled.epub").write_text("the old one")
    with pytest.raises(BuildFailed) as caught:
        build_epub(root, executed=None)
    said = caught.value.warnings
    for expected in (
        "chapters/part/toy.ipynb, cell 1 (id text): cannot set '\\\\unknown x' as",
        "chapters/part/toy.ipynb, cell figure: an output is text/html only",
        "book/pages/intro: a piece of HTML has no form on paper: '<p>unclosed",
        "no picture in a cell with the id 'figure'",
    ):
        assert sum(expected in one for one in said) == 1, (expected, said)
    assert len(said) == 4
    (left,) = (root / "_build").iterdir()
    assert left.read_text() == "the old one"


def page(body: str) -> etree._ElementTree:
    text = f'<html xmlns="{X[1:-1]}"><head><title>t</title></head>{body}</html>'
    return etree.ElementTree(etree.fromstring(text))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<body><script/></body>", "a script element"),
        ("<body><details/></body>", "a details element"),
        ('<body><img src="b.png"/></body>', "b.png has no alternative text"),
        ('<body><p id="a"/><p id="a"/></body>', "the id 'a' stands 2 times"),
        ('<body><a href="lost.xhtml">x</a></body>', "links to lost.xhtml, which is"),
        ('<body><a href="../b.xhtml#c">x</a></body>', "#c, where no such id is"),
        (
            '<body><img alt="x" src="https://x.org/a.png"/></body>',
            "is outside the book",
        ),
    ],
)
def test_what_readers_stumble_over(body: str, said: str) -> None:
    pages = {"a/a.xhtml": page(body), "b.xhtml": page("<body/>")}
    (found,) = epub.problems(pages, [*pages, "a/b.png"])
    assert found.startswith("a/a.xhtml")
    assert said in found


def test_links_that_lead_somewhere_are_fine() -> None:
    links = ("b.xhtml#c", "#here", "https://x.org", "b%20c.xhtml")
    body = "".join(f'<a href="{link}">x</a>' for link in links)
    pages = {
        "a.xhtml": page(f'<body id="here">{body}</body>'),
        "b.xhtml": page('<body id="c"/>'),
        "b c.xhtml": page("<body/>"),
    }
    assert list(epub.problems(pages, list(pages))) == []


def test_contents_have_parts_pages_and_sections() -> None:
    section = '<section id="s"><h2><span>1.1. </span>S</h2></section>'
    pages = {
        "a.xhtml": page("<body><h1>A</h1></body>"),
        "b.xhtml": page(f"<body><section><h1>B</h1>{section}</section></body>"),
        "c.xhtml": page("<body><h1>C</h1></body>"),
    }
    below = {"file": "b", "sections": [{"file": "c"}]}
    toc = {"root": "a", "parts": [{"caption": "P", "chapters": [below]}]}
    lines = contents(toc, pages)
    b = Entry("B", "b.xhtml", (Entry("1.1. S", "b.xhtml#s"), Entry("C", "c.xhtml")))
    assert lines == (Entry("A", "a.xhtml"), Entry("P", below=(b,)))
    made = etree.fromstring(navigation(lines, "Title"))
    shown = [one.text for one in made.iter(f"{X}a", f"{X}span")]
    assert shown == ["A", "P", "B", "1.1. S", "C"]
    assert made.get("lang") == "en"


def test_a_file_of_an_unknown_kind_is_refused() -> None:
    facts = {"identifier": "urn:x", "title": "t"}
    with pytest.raises(KeyError, match=r"\.js"):
        package(facts, 0, ["a.js"], [])
    assert holds("a.png", None) == ""


def test_pages_say_their_language() -> None:
    made = etree.fromstring(mended(page('<body><meta name="viewport"/></body>')))
    assert made.get("lang") == "en"
    assert list(made.iter(f"{X}meta")) == []


def test_this_book(
    executed: Mapping[str, Execution], request: pytest.FixtureRequest
) -> None:
    failed = [one.message for one in executed.values() if not one.ok]
    assert failed == []
    root = request.config.rootpath
    path = build_epub(root, executed=executed_folder(root))
    assert path.stat().st_size < LARGEST
    book = opened(path)
    pages = trees(book)
    for name in executed:
        chapter = pages[f"chapters/{name}.xhtml"]
        formulas = list(chapter.iter(f"{M}math"))
        assert len(formulas) > 20
        assert all(one.get("alttext") for one in formulas)
        pictures = [one.get("src") for one in chapter.iter(f"{X}img")]
        assert len(pictures) >= 2
        said = " ".join(" ".join(chapter.itertext()).split())
        assert "It runs in Jupyter." in said or "runs in Jupyter" in said
        assert "not executed for this edition" not in said
        tables = list(chapter.iter(f"{X}table"))
        assert any("Condition:" in "".join(one.itertext()) for one in tables)
    assert not any(name.endswith((".js", ".svg")) for name in book)
