"""Every format from one execution: zips, what is offered, and reading from a file."""

import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kanbook import archive, cli, editions
from kanbook.archive import build_zip, pack
from kanbook.build import BuildFailed
from kanbook.latex import TexMissing
from kanbook.print_config import captions, without
from playwright.sync_api import Browser, expect, sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
WAIT = 20_000
"""Milliseconds after which something that should appear counts as missing."""


def test_a_zip_depends_on_nothing_but_its_content(tmp_path: Path) -> None:
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "a.txt").write_text("a" * 100)
        (folder / "b.txt").write_text("b")
    (tmp_path / "second/a.txt").chmod(0o600)
    made = [
        pack(
            tmp_path / f"{name}.zip",
            [(file, tmp_path / name / file) for file in ("b.txt", "a.txt")],
            1_700_000_000,
            "b.txt",
        ).read_bytes()
        for name in ("first", "second")
    ]
    assert made[0] == made[1]
    with zipfile.ZipFile(tmp_path / "first.zip") as file:
        entries = file.infolist()
        assert [(one.filename, one.compress_type) for one in entries] == [
            ("b.txt", zipfile.ZIP_STORED),
            ("a.txt", zipfile.ZIP_DEFLATED),
        ]
        assert {one.date_time for one in entries} == {(2023, 11, 14, 22, 13, 20)}
    # A zip file knows no year before 1980.
    assert pack(tmp_path / "old.zip", [("b", tmp_path / "first/b.txt")], 0).is_file()


def test_a_book_without_citation_says_so(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match=r"CITATION\.cff cannot be read"):
        archive.name_of(tmp_path)


def test_a_release_is_dated_where_there_is_no_commit(tmp_path: Path) -> None:
    (tmp_path / "CITATION.cff").write_text("title: B\ndate-released: '2026-01-02'\n")
    assert archive.epoch(tmp_path) == 1_767_312_000


def test_names_of_authors() -> None:
    people = [{"name": "We"}, {"given-names": "Ada", "family-names": "L"}]
    assert archive.authors({"authors": people}) == "We, Ada L"


def test_without_a_site_there_is_no_zip(
    paper_book: Callable[[Path], Path], tmp_path: Path
) -> None:
    with pytest.raises(BuildFailed, match="_build/html is missing; `kanbook build`"):
        build_zip(paper_book(tmp_path))


def test_contents_without_what_is_left_out() -> None:
    chapters = [{"file": "book/pages/api/index", "sections": []}, {"file": "a"}]
    toc = {"root": "r", "parts": [{"caption": "P", "chapters": chapters}]}
    kept = {"root": "r", "parts": [{"caption": "P", "chapters": [{"file": "a"}]}]}
    assert without(toc) == kept
    assert captions(kept) == {"a": "P"}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Stand-ins for the builders, which write down that they were called."""
    said: list[str] = []

    def site(root: Path, *, executed: Path | None, downloads: tuple = ()) -> Path:
        said.append(" ".join(["html", *(one.name for one in downloads)]))
        return root

    def one(kind: str) -> Callable[..., Path]:
        def made(root: Path, **_: object) -> Path:
            said.append(kind)
            path = tmp_path / f"book.{kind}"
            path.write_bytes(b"x" * 250_000)
            return path

        return made

    monkeypatch.setattr(editions, "build", site)
    monkeypatch.setattr(editions, "build_epub", one("epub"))
    monkeypatch.setattr(editions, "build_pdf", one("pdf"))
    monkeypatch.setattr(editions.archive, "build_zip", one("zip"))
    return said


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("html", ["html"]),
        ("epub", ["epub"]),
        ("pdf", ["pdf"]),
        ("zip", ["html", "zip"]),
        # The zip is of pages that offer nothing: a download in it would lead nowhere.
        ("all", ["html", "zip", "epub", "pdf", "html book.zip book.epub book.pdf"]),
    ],
)
def test_one_format_or_all(
    calls: list[str], tmp_path: Path, kind: str, expected: list[str]
) -> None:
    said = editions.make(tmp_path, kind, executed=None)
    assert calls == expected
    if kind not in ("html", "all"):
        assert said == [f"the book: {tmp_path / f'book.{kind}'} (0.2 MB)"]


def test_without_tex_the_pdf_is_skipped_and_the_rest_is_made(
    calls: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object, **__: object) -> Path:
        raise TexMissing("xelatex not found; install it")

    monkeypatch.setattr(editions, "build_pdf", missing)
    said = editions.make(tmp_path, "pdf", executed=None)
    assert said == ["pdf skipped: xelatex not found; install it"]
    editions.make(tmp_path, "all", executed=None)
    assert calls[-1] == "html book.zip book.epub"


def test_the_command_knows_the_formats(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["build", "--format", "docx"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert all(one in said for one in editions.FORMATS)


def test_pages_offer_what_there_is(
    paper_book: Callable[[Path], Path], tmp_path: Path
) -> None:
    root = paper_book(tmp_path / "book")
    files = [tmp_path / f"a-book{end}" for end in editions.WHAT]
    for path in files:
        path.write_bytes(b"x" * 1_250_000)
    html = editions.build(root, executed=None, downloads=files)
    page = (html / "book/pages/intro.html").read_text("utf-8")
    for path in files:
        assert f'href="../../downloads/{path.name}" download' in page
        assert (html / "downloads" / path.name).read_bytes() == path.read_bytes()
    assert page.count("(1.2 MB)") == 3
    assert "This edition" not in page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next(filter(None, map(shutil.which, names)), None)
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield made
        made.close()


@pytest.mark.browser
def test_the_unpacked_zip_works_without_a_server(
    site: Path, browser: Browser, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path = build_zip(request.config.rootpath)
    with zipfile.ZipFile(path) as file:
        assert {name.partition("/")[0] for name in file.namelist()} == {path.stem}
        file.extractall(tmp_path)
    amiss: list[str] = []
    page = browser.new_page()
    page.set_default_timeout(WAIT)
    page.on("pageerror", lambda error: amiss.append(str(error)))
    page.on("requestfailed", lambda one: amiss.append(one.url))
    page.goto((tmp_path / path.stem / "index.html").as_uri())
    expect(page.locator("h1")).to_contain_text("Deep Learning, Settled", timeout=WAIT)
    # The moving figure of the first page draws, and moves. By its name: before the
    # handles are drawn, the figure's first slider is another one.
    handle = page.get_by_role("slider", name="coefficient 0 of")
    handle.focus()
    before = handle.get_attribute("aria-valuenow")
    page.keyboard.press("ArrowUp")
    expect(handle).not_to_have_attribute("aria-valuenow", before or "", timeout=WAIT)
    page.goto((tmp_path / path.stem / "search.html").as_uri() + "?q=partition")
    expect(page.locator("#search-results li").first).to_be_visible(timeout=WAIT)
    assert amiss == []
