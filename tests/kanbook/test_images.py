"""Pictures are files beside their page, loaded when they are seen; pages stay light."""

import base64
import re
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from kanbook.build import BuildFailed, build
from kanbook.images import HEAVIEST, apart, heavy
from kanbook.notebook_outputs import figure_rules, picture_problems
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from playwright.sync_api import Page, sync_playwright

from kanlib.plotting import figure

REPOSITORY = Path(__file__).parents[2]
FIGURE = figure(lambda axes: axes.plot([1, 2]), alt='A "line" & more.', size=(2, 1))
BUNDLE = FIGURE._repr_mimebundle_()
PYPLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 2])"
CHECKED = "shows a figure without alt text; expected kanlib.plotting.figure"

# --- pure functions ----------------------------------------------------------------


def test_pictures_are_taken_out_and_keep_everything_else() -> None:
    kept: dict[str, bytes] = {}

    def keep(name: str, content: bytes) -> str:
        kept[name] = content
        return f"../{name}"

    body = f"<p>before</p>{FIGURE._repr_html_()}<p>after</p>"
    made = apart(body, keep)
    assert sorted(kept.values()) == sorted([FIGURE.light, FIGURE.dark])
    assert "data:image" not in made
    images = re.findall("<img[^>]*>", made)
    assert len(images) == 2
    for image, name in zip(images, kept, strict=True):
        assert f'src="../{name}"' in image
        assert 'loading="lazy" decoding="async"' in image
        assert 'width="200" height="100"' in image
        assert 'alt="A &quot;line&quot; &amp; more."' in image
    assert "hidden" in images[1]
    # Nothing else has moved.
    back = made.replace(' loading="lazy" decoding="async"', "")
    for name, content in kept.items():
        url = f"data:image/png;base64,{base64.b64encode(content).decode()}"
        back = back.replace(f"../{name}", url)
    assert back == body


def test_equal_pictures_are_one_file() -> None:
    names: list[str] = []
    apart(FIGURE._repr_html_() * 2, lambda name, _: names.append(name) or name)
    assert len(names) == 4
    assert len(set(names)) == 2


@pytest.mark.parametrize(
    "body",
    [
        "<p>no picture</p>",
        '<img src="a.png" alt="A">',
        '<p>data:image/png;base64,AA=="',
    ],
)
def test_other_html_stays(body: str) -> None:
    assert apart(body, lambda *_: pytest.fail("no picture was there")) == body


def test_a_broken_picture_is_named() -> None:
    tag = '<img alt="A dot." src="data:image/png;base64,A">'
    with pytest.raises(ValueError, match=r'the picture <img alt="A dot\." .* broken'):
        apart(tag, lambda name, _: name)


def test_heavy_pages_are_named(tmp_path: Path) -> None:
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / "theirs.html").write_text("x" * HEAVIEST)
    (tmp_path / "light.html").write_text("x" * (HEAVIEST - 1))
    assert list(heavy(tmp_path)) == []
    (tmp_path / "heavy.html").write_text("é" * (HEAVIEST // 2))
    (tmp_path / "inline.html").write_text('<img src="data:image/png;base64,AAAA">')
    first, second = heavy(tmp_path)
    assert first.startswith("heavy.html has 1000000 bytes; expected less than 1000000")
    assert second.startswith("inline.html holds a picture as a data URL; expected a")


# --- rules -------------------------------------------------------------------------


def cell(source: str = "x", name: str = "mine", **data: str) -> nbformat.NotebookNode:
    bundle = {name.replace("_", "/", 1): value for name, value in data.items()}
    outputs = [new_output("display_data", data=bundle)] if bundle else []
    return new_code_cell(source, id=name, outputs=outputs)


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        (cell(image_png="AA"), f"cell 2 (id mine) {CHECKED}"),
        (cell(image_png="AA", text_plain="<Figure size 640x480>"), CHECKED),
        (cell(image_png="AA", text_plain="Figure: "), CHECKED),
        (
            cell(image_png="AA", text_plain="Figure: A line."),
            "shows a figure in one form; expected image/png and text/html",
        ),
        (cell(text_html="<img src='a'>"), "shows an <img> without alt text"),
        (cell(text_html='<img alt="" src="a">'), "shows an <img> without alt text"),
        (cell(text_html='<img alt=" " src="a">'), "shows an <img> without alt text"),
        (cell(PYPLOT), "imports matplotlib.pyplot; expected kanlib.plotting.figure"),
        (cell("from matplotlib import pyplot"), "imports matplotlib.pyplot; expected"),
        (cell("from matplotlib.pyplot import plot"), "imports matplotlib.pyplot.plot"),
        (cell("import pylab"), "imports pylab; expected"),
        (new_markdown_cell("![](a.png)", id="mine"), "cell 2 (id mine) has an image"),
    ],
)
def test_bad_pictures_are_named_with_file_and_cell(
    tmp_path: Path, made: nbformat.NotebookNode, problem: str
) -> None:
    path = tmp_path / "toy.ipynb"
    injected = cell("profile = 1", "injected")
    injected.metadata["tags"] = ["injected-parameters"]
    nbformat.write(new_notebook(cells=[cell(name="first"), injected, made]), path)
    (said,) = picture_problems({"chapters/part/toy": path})
    assert said.startswith("chapters/part/toy.ipynb: cell 2 (id mine) ")
    assert problem in said


def test_good_pictures_have_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "toy.ipynb"
    output = new_output("display_data", data=BUNDLE)
    made = new_code_cell("import matplotlib.colors", outputs=[output])
    view = "application/vnd.jupyter.widget-view+json"
    moving = {view: {}, "image/png": "AA", "text/plain": "Figure: It moves."}
    widget = new_code_cell("w", outputs=[new_output("display_data", data=moving)])
    nbformat.write(new_notebook(cells=[made, widget]), path)
    assert picture_problems({"toy": path}) == []
    notebook = nbformat.read(path, as_version=4)
    assert list(figure_rules(notebook)) == []
    data = notebook.cells[0].outputs[0].data
    data["text/html"] = re.sub("<details.*</details>", "", data["text/html"])
    (said,) = figure_rules(notebook)
    assert said.startswith("cell 1 shows a figure without its data; expected the table")


# --- the site ----------------------------------------------------------------------


def write_book(root: Path, *cells: nbformat.NotebookNode, intro: str = "") -> Path:
    """A book of two pages with the repository's configuration and look."""
    (root / "_config.yml").write_text((REPOSITORY / "_config.yml").read_text("utf-8"))
    (root / "_toc.yml").write_text(
        "format: jb-book\nroot: book/pages/intro\nchapters:\n"
        "- file: chapters/part/toy\n"
    )
    (root / "book/pages").mkdir(parents=True)
    (root / "book/pages/intro.md").write_text(f"# A little book\n\nWords.\n\n{intro}")
    (root / "book/pages/dot.png").write_bytes(FIGURE.small)
    for name in ("static", "references.bib"):
        (root / "book" / name).symlink_to(REPOSITORY / "book" / name)
    (root / "chapters/part").mkdir(parents=True)
    made = new_notebook(cells=[new_markdown_cell("# Toys", id="title"), *cells])
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    made.metadata["kernelspec"] = kernel
    nbformat.write(made, root / "chapters/part/toy.ipynb")
    return root


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    outputs = [new_output("display_data", data=BUNDLE)]
    shown = new_code_cell("figure", id="shown", outputs=outputs)
    word = "\n\n![a dot](dot.png)\n"
    root = write_book(tmp_path_factory.mktemp("toys"), shown, intro=word)
    return build(root, executed=None) / "chapters/part/toy.html"


def test_a_page_links_its_pictures(toys: Path) -> None:
    sources = re.findall(
        r'<img[^>]* src="(\.\./[^"]*_images/\w+\.png)"', toys.read_text()
    )
    found = [(toys.parent / source).read_bytes() for source in sources]
    assert found == [FIGURE.light, FIGURE.dark]
    for png in found:
        assert struct.unpack(">II", png[16:24]) == (400, 200)
    assert list(heavy(toys.parents[2])) == []


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    names = ("chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=next(filter(None, map(shutil.which, names)), None),
            args=["--no-sandbox", "--disable-gpu"],
        )
        yield browser.new_page()
        browser.close()


@pytest.mark.browser
@pytest.mark.parametrize(("mode", "other"), [("light", "dark"), ("dark", "light")])
def test_only_the_picture_that_shows_is_loaded(
    toys: Path, page: Page, mode: str, other: str
) -> None:
    asked: list[str] = []
    page.emulate_media(color_scheme=mode)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(toys.as_uri())
    loaded = "name => document.querySelector(`img.kl-${name}`).naturalWidth"
    page.locator(f"img.kl-{mode}").scroll_into_view_if_needed()
    page.wait_for_function(f"({loaded})('{mode}') === 400")
    page.wait_for_load_state("load")
    pictures = [url for url in asked if "/_images/" in url]
    assert pictures == [page.locator(f"img.kl-{mode}").evaluate("e => e.src")]
    # The reader turns the light on or off: the other one comes then.
    page.evaluate("mode => { document.documentElement.dataset.theme = mode }", other)
    page.wait_for_function(f"({loaded})('{other}') === 400")


@pytest.mark.browser
def test_a_dark_page_prints_its_light_pictures(toys: Path, page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto(toys.as_uri())
    page.locator("img.kl-dark").scroll_into_view_if_needed()
    page.pdf()
    assert page.locator("img.kl-light").evaluate("e => e.naturalWidth") == 400


def test_bad_pictures_fail_the_build(tmp_path: Path) -> None:
    raw = {"image/png": BUNDLE["image/png"], "text/plain": "<Figure size 200x100>"}
    bad = new_code_cell(
        PYPLOT, id="raw", outputs=[new_output("display_data", data=raw)]
    )
    words = new_markdown_cell("```{image} ../../book/pages/dot.png\n```", id="words")
    root = write_book(tmp_path, bad, words, intro="```{image} dot.png\n```\n")
    with pytest.raises(BuildFailed) as failure:
        build(root, executed=None)
    said = "\n".join(failure.value.warnings)
    assert f"chapters/part/toy.ipynb: cell 2 (id raw) {CHECKED}" in said
    assert "chapters/part/toy.ipynb: cell 2 (id raw) imports matplotlib.pyplot" in said
    lacks = "the picture dot.png has no alternative text; expected what it shows"
    assert f"book/pages/intro.md: WARNING: line 5: {lacks}" in said
    assert f"chapters/part/toy.ipynb: WARNING: cell 3 (id words): {lacks}" in said
    assert "give the directive the option `:alt: what it shows`" in said


def test_every_page_of_the_book_is_light(site: Path) -> None:
    assert list(heavy(site)) == []
