"""Rendering little books: what a page shows, both states of the address, and faults."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from kanbook import address
from kanbook.build import BuildFailed, build
from kanbook.directives import bibtex
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from kanlib.claims import Ledger, not_checkable

REPOSITORY = Path(__file__).parents[2]
# One transparent point: a moving figure has a picture for paper.
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    "AABJRU5ErkJggg=="
)
VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
REPORT = {
    "status": "ok",
    "message": "",
    "profile": "book",
    "seconds": 41.2,
    "cpu_seconds": 33.7,
    "peak_mib": 1536.0,
    "versions": {"python": "3.11.9", "torch": "2.13.0", "commit": "c0ffee" * 6},
    "finished": "2026-03-04T05:06:07+00:00",
}
INTRO = """
# A little book

It has a claim, {claim}`toy.1`, and a chapter.

```{chapter-figure} chapters/part/toy slider
```

```{book-chapters}
```
"""
LOST = """
```{chapter-figure} chapters/part/toy lost
```
```{chapter-figure} chapters/part/ghost slider
```
"""
LEDGER = """
# Ledger

All $n$ claims.

```{claims-ledger}
```
"""


def widget(model: str, html: str) -> nbformat.NotebookNode:
    data = {
        VIEW: {"model_id": model, "version_major": 2, "version_minor": 0},
        "image/png": PNG,
        "text/html": f"<p>{html}</p>",
        "text/plain": "Figure: a widget with two handles.",
    }
    return new_output("display_data", data=data)


def chapter(measured: float, name: str = "1") -> nbformat.NotebookNode:
    """A chapter with a claim, a widget that works without kernel, and one that not."""
    claims = Ledger("toy", paper="liu2024kan")
    claims.claim(
        name,
        "The error falls as $h^4$.",
        paper_value="4",
        where="table 1",
        seen="read",
        at_most=1.0,
    )
    card = new_output("display_data", data=claims.measure(name, measured).bundle())
    check = not_checkable("one", because="it is one")._repr_mimebundle_()
    made = new_notebook(
        cells=[
            new_markdown_cell(
                "# Toys\n\nAfter {cite:p}`liu2024kan`, by {eq}`sum` and {prf:ref}`one`."
                "\n\n```{math}\n:label: sum\ny = 1\n```\n\n"
                "```{prf:theorem} One\n:label: one\n\nOne is $1$.\n```"
            ),
            new_code_cell("claims", outputs=[card]),
            new_code_cell(
                "slider", id="slider", outputs=[widget("moves", "never shown")]
            ),
            new_code_cell("live", outputs=[widget("dead", "its last result")]),
            new_code_cell("one", outputs=[new_output("display_data", data=check)]),
        ]
    )
    made.cells[3].metadata["tags"] = ["try-it"]
    made.metadata["kernelspec"] = {
        "name": "python3",
        "language": "python",
        "display_name": "Python 3",
    }
    state = {"state": {}, "version_major": 2, "version_minor": 0}
    made.metadata["widgets"] = {STATE: state}
    return made


def write_book(root: Path, known: str = "") -> Path:
    """A book of three pages with the repository's own configuration and look."""
    config = (REPOSITORY / "_config.yml").read_text("utf-8")
    line = 'kanbook_address: ""'
    assert line in config
    (root / "_config.yml").write_text(
        config.replace(line, f'kanbook_address: "{known}"'), "utf-8"
    )
    (root / "_toc.yml").write_text(
        "format: jb-book\nroot: book/pages/intro\nchapters:\n"
        "- file: chapters/part/toy\n- file: book/pages/ledger\n"
        "- file: book/pages/references\n"
    )
    pages = root / "book/pages"
    pages.mkdir(parents=True)
    (pages / "intro.md").write_text(INTRO)
    (pages / "ledger.md").write_text(LEDGER)
    (pages / "references.md").write_text("# References\n\n```{bibliography}\n```\n")
    for name in ("static", "references.bib"):
        (root / "book" / name).symlink_to(REPOSITORY / "book" / name)
    # What tools leave in a checkout is no page of the book.
    hidden = (".pytest_cache", ".ruff_cache/0.6", ".venv/lib", "book/.checkpoints")
    for left in (*hidden, "kanlib.egg-info"):
        (root / left).mkdir(parents=True)
        (root / left / "README.md").write_text("# Nothing of ours\n")
    (root / "chapters/part").mkdir(parents=True)
    nbformat.write(chapter(2.0), root / "chapters/part/toy.ipynb")
    return root


def write_executed(root: Path, **changed: object) -> Path:
    folder = root / "_build/executed"
    (folder / "part").mkdir(parents=True)
    nbformat.write(chapter(0.5), folder / "part/toy.ipynb")
    (folder / "part/toy.json").write_text(json.dumps(REPORT | changed))
    return folder


def texts(html: Path) -> Iterator[tuple[str, str]]:
    for page in sorted(html.rglob("*.html")):
        if "_static" not in page.parts:
            yield page.relative_to(html).as_posix(), page.read_text("utf-8")


@pytest.fixture(scope="module")
def unknown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The book without address, from the committed notebook, by Jupyter Book itself."""
    root = write_book(tmp_path_factory.mktemp("unknown"))
    command = "from jupyter_book.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", command, "build", "."],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return root / "_build/html"


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The book with an address, from an executed copy."""
    root = tmp_path_factory.mktemp("known")
    write_book(root, "https://github.com/Ada/engine")
    return build(root, executed=write_executed(root))


def test_without_address_no_page_names_one(unknown: Path) -> None:
    for name, text in texts(unknown):
        assert 'rel="canonical"' not in text, name
        assert "og:url" not in text, name
        assert "og:image" not in text, name
        assert "github.com" not in text, name
        assert "mybinder" not in text, name
        assert "colab" not in text, name


def test_with_address_every_page_has_it(known: Path) -> None:
    site = "https://ada.github.io/engine"
    for name in ("chapters/part/toy.html", "book/pages/ledger.html"):
        text = (known / name).read_text("utf-8")
        assert f'rel="canonical" href="{site}/{name}"' in text
        assert f'property="og:url" content="{site}/{name}"' in text
        assert 'href="https://github.com/Ada/engine"' in text
        image = re.search(r'property="og:image" content="([^"]+)"', text)
        assert image is not None
        assert (known / image[1].removeprefix(f"{site}/")).is_file()
    text = (known / "chapters/part/toy.html").read_text("utf-8")
    path = "chapters/part/toy.ipynb"
    assert f"mybinder.org/v2/gh/Ada/engine/main?urlpath=lab/tree/{path}" in text
    assert f"colab.research.google.com/github/Ada/engine/blob/main/{path}" in text
    ledger = (known / "book/pages/ledger.html").read_text("utf-8")
    assert "https://github.com/Ada/engine/issues/new?title=Claim%20toy.1" in ledger


def test_the_page_of_lost_links(unknown: Path, known: Path) -> None:
    assert 'href="index.html"' in (unknown / "404.html").read_text("utf-8")
    text = (known / "404.html").read_text("utf-8")
    assert 'href="/engine/index.html"' in text
    assert 'action="/engine/search.html"' in text


def test_a_page_says_how_it_was_made(unknown: Path, known: Path) -> None:
    text = (unknown / "chapters/part/toy.html").read_text("utf-8")
    assert "not executed for this build" in text
    text = (known / "chapters/part/toy.html").read_text("utf-8")
    assert "not executed" not in text
    for fact in ("2026-03-04", "41 s (34 s CPU)", "1.5 GiB", "1 of 1 claims tested"):
        assert fact in text
    assert "torch&nbsp;2.13.0" in text
    assert "c0ffee" in text


def test_the_executed_copy_is_what_shows(unknown: Path, known: Path) -> None:
    for html, verdict, measured in (
        (unknown, "not reproduced", 2.0),
        (known, "reproduced", 0.5),
    ):
        (record,) = json.loads((html / "claims.json").read_text("utf-8"))
        assert (record["verdict"], record["measured"]) == (verdict, measured)
        page = (html / "chapters/part/toy.html").read_text("utf-8")
        assert f'kl-verdict">{verdict}<' in page or f">{verdict}</span>" in page
        row = (html / "book/pages/ledger.html").read_text("utf-8")
        assert f'data-verdict="{verdict}"' in row
        assert "../../chapters/part/toy.html#claim-toy.1" in row
        assert "toy.1" in (html / "claims.csv").read_text("utf-8")


def test_a_claim_is_linked_from_any_page(known: Path) -> None:
    text = (known / "book/pages/intro.html").read_text("utf-8")
    assert 'href="../../chapters/part/toy.html#claim-toy.1"' in text
    assert 'id="claim-toy.1"' in (known / "chapters/part/toy.html").read_text("utf-8")


def test_live_cells_show_their_last_result(known: Path) -> None:
    text = (known / "chapters/part/toy.html").read_text("utf-8")
    assert "its last result" in text
    assert '"model_id": "moves"' in text
    assert "never shown" not in text
    assert '"model_id": "dead"' not in text


def test_a_figure_of_a_chapter_lives_on_another_page(known: Path) -> None:
    text = (known / "book/pages/intro.html").read_text("utf-8")
    assert text.count('"model_id": "moves"') == 1
    assert f'<script type="{STATE}">' in text
    assert text.count("widgets.js?v=") == 1
    plain = (known / "book/pages/ledger.html").read_text("utf-8")
    assert "widgets.js" not in plain


def test_citations_equations_and_statements_are_linked(known: Path) -> None:
    text = (known / "chapters/part/toy.html").read_text("utf-8")
    assert 'title="Ziming Liu' in text
    assert 'href="#equation-sum"' in text
    assert 'href="#one"' in text


def test_the_old_site_is_replaced_whole(known: Path) -> None:
    assert {path.name for path in known.parent.iterdir()} == {"executed", "html"}


def test_faults_are_listed_together_and_the_old_site_stays(tmp_path: Path) -> None:
    root = write_book(tmp_path)
    (root / "book/static").unlink()
    shutil.copytree(
        REPOSITORY / "book/static",
        root / "book/static",
        ignore=shutil.ignore_patterns("require.js"),
    )
    nbformat.write(chapter(0.0), root / "chapters/part/unlisted.ipynb")
    intro = root / "book/pages/intro.md"
    intro.write_text(INTRO + "\nSee {claim}`toy.7` and {ref}`nowhere`.\n" + LOST)
    (root / "_build/html").mkdir(parents=True)
    (root / "_build/html/index.html").write_text("the old site")
    executed = write_executed(root, status="failed", message="cell 3 raised.")
    with pytest.raises(BuildFailed) as caught:
        build(root, executed=executed)
    said = caught.value.warnings
    for expected in (
        "chapters/part/unlisted.ipynb is not listed in _toc.yml",
        "book/static/vendor/require.js is missing",
        "claim toy.1 is recorded 2 times",
        "ended with status failed: cell 3 raised.",
        "claim 'toy.7' is not in the ledger; expected one of: toy.1",
        "undefined label: 'nowhere'",
        "no widget in a cell with the id 'lost'",
        "no chapter 'chapters/part/ghost'; expected one of chapters/part/toy",
    ):
        assert sum(expected in warning for warning in said) == 1, (expected, said)
    assert len(said) == 8, "\n".join(said)
    assert str(root) not in str(caught.value)
    assert [path.name for path in (root / "_build/html").iterdir()] == ["index.html"]
    assert not list((root / "_build").glob(".site-*"))


def test_a_full_disk_is_one_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_book(tmp_path)
    line = "WARNING: cannot copy a.css: [Errno 28] No space left on device\n"
    failed = subprocess.CompletedProcess([], 1, "", 3 * line)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(BuildFailed, match="1 warning; the last good site") as caught:
        build(root, executed=None)
    assert "Free some space and build again" in str(caught.value)
    assert list((root / "_build").iterdir()) == []


def test_a_wrong_address_is_refused(tmp_path: Path) -> None:
    root = write_book(tmp_path, "example.org/engine")
    with pytest.raises(BuildFailed, match="expected https://github\\.com/OWNER"):
        build(root, executed=None)
    assert not (root / "_build/html").exists()


@pytest.mark.parametrize(
    ("toc", "said"),
    [
        (None, "_toc.yml is missing"),
        ("format: jb-book\nchapters: [", "_toc.yml is malformed"),
        ("format: jb-book\nchapters: []", "_toc.yml is malformed"),
        (
            "format: jb-book\nroot: book/pages/intro\nchapters:\n- file: lost",
            "_toc.yml lists lost, but there is no lost.md",
        ),
    ],
)
def test_a_broken_table_of_contents_is_named(
    tmp_path: Path, toc: str | None, said: str
) -> None:
    root = write_book(tmp_path)
    (root / "_toc.yml").unlink()
    if toc is not None:
        (root / "_toc.yml").write_text(toc)
    with pytest.raises(BuildFailed, match=said):
        build(root, executed=None)


def test_a_broken_configuration_is_named(tmp_path: Path) -> None:
    root = write_book(tmp_path)
    (root / "_config.yml").write_text("sphinx: [")
    with pytest.raises(BuildFailed, match=r"_config\.yml is malformed"):
        build(root, executed=None)


def test_addresses() -> None:
    assert address.parse("https://github.com/Ada/ada.github.io") == address.Address(
        "Ada", "ada.github.io"
    )
    assert address.Address("Ada", "ada.github.io").site == "https://ada.github.io/"
    assert address.parse("https://github.com/a/b.git") == address.Address("a", "b")
    with pytest.raises(ValueError, match="kanbook_address is 'a/b'"):
        address.parse("a/b")


def test_the_book_is_cited_from_its_citation_file() -> None:
    citation = {
        "title": "A Book",
        "authors": [{"family-names": "Ada", "given-names": "A."}, {"name": "We"}],
        "version": "1.2",
        "date-released": "2026-01-02",
    }
    text = bibtex(citation, address.Address("a", "b"))
    assert "author  = {Ada, A. and {We}}," in text
    assert "url     = {https://a.github.io/b/}," in text
    assert "url" not in bibtex(citation, None)
