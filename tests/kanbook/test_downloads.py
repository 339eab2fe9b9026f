"""A built book: downloads say what the pages say, and faults fail the build."""

import html
import re
from pathlib import Path

import nbformat
import pytest
from kanbook.build import BuildFailed, build
from kanbook.fences import with_colons
from kanbook.refresh import normalized
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from kanlib.claims import Ledger, not_checkable, number

REPOSITORY = Path(__file__).parents[2]
# The same statements twice: between backticks, and between colons.
STATEMENTS = """
```{prf:theorem} Of $y$
:label: LABEL-theorem

Let

$$
y = 1
$$ (LABEL-one)

1. a
   b
```

```{prf:remark}
By {eq}`LABEL-one` and {prf:ref}`LABEL-theorem`.
```

```{prf:definition} D
:nonumber:

A *word*.
```

```{prf:proof}
First.

Then $y$.
```

```{note}
Well.
```
"""
QUOTED = """
(measured-here)=
## Numbers

The slope is {measured}`toy.slope`, the error {measured}`toy.1`.
We ask for {condition}`toy.1`; {cite}`liu2024kan` print {printed}`1.46e-2`.
See {doc}`/book/pages/intro`, {doc}`the start </book/pages/intro>`,
{ref}`measured-here`, {ref}`there <intro>`, {claim}`toy.1`,
{numref}`Section %s <measured-here>` and
[the intro](/book/pages/intro.md), [here](#measured-here), [it](https://a.org/b).
"""


def toy(prose: str, code: bool = True) -> nbformat.NotebookNode:
    ledger = Ledger("toy", paper="liu2024kan")
    paper = {"paper_value": "1.46e-2", "where": "table 1", "seen": "read"}
    ledger.claim("1", "A", at_most=1e-3, **paper)
    bundles = [number("slope", -1.13).bundle(), ledger.measure("1", 2.5e-5).bundle()]
    for label in ("old-theorem", "new-theorem"):
        check = not_checkable(label, because="it is one")
        bundles.append(check._repr_mimebundle_())
    outputs = [new_output("display_data", data=bundle) for bundle in bundles]
    cells = [new_markdown_cell(prose, id="text")]
    if code:
        cells.append(new_code_cell("measure()", id="code", outputs=outputs))
    return normalized(new_notebook(cells=cells))


def write_book(root: Path, chapter: nbformat.NotebookNode, known: str = "") -> Path:
    config = (REPOSITORY / "_config.yml").read_text("utf-8")
    line = 'kanbook_address: ""'
    assert line in config
    (root / "_config.yml").write_text(
        config.replace(line, f'kanbook_address: "{known}"'), "utf-8"
    )
    (root / "_toc.yml").write_text(
        "format: jb-book\nroot: book/pages/intro\nparts:\n- caption: A\n"
        "  numbered: 2\n  chapters:\n  - file: chapters/part/toy\n"
        "- caption: B\n  chapters:\n  - file: book/pages/references\n"
    )
    pages = root / "book/pages"
    pages.mkdir(parents=True)
    intro = "(intro)=\n# An intro\n\nThe slope is {measured}`toy.slope`.\n"
    (pages / "intro.md").write_text(intro)
    (pages / "references.md").write_text("# References\n\n```{bibliography}\n```\n")
    (root / "book/notation.yml").write_text("A:\n  - {symbol: y, meaning: output}\n")
    for name in ("static", "references.bib"):
        (root / "book" / name).symlink_to(REPOSITORY / "book" / name)
    (root / "chapters/part").mkdir(parents=True)
    nbformat.write(chapter, root / "chapters/part/toy.ipynb")
    return root


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    old = STATEMENTS.replace("LABEL", "old")
    new = with_colons(STATEMENTS.replace("LABEL", "new"))
    assert "```" not in new
    prose = f"# Toys of $y$\n{old}\n{new}\n{QUOTED}"
    known = "https://github.com/Ada/engine"
    root = write_book(tmp_path_factory.mktemp("book"), toy(prose), known)
    return build(root, executed=None)


@pytest.fixture(scope="module")
def page(site: Path) -> str:
    return (site / "chapters/part/toy.html").read_text("utf-8")


@pytest.fixture(scope="module")
def download(site: Path) -> nbformat.NotebookNode:
    return nbformat.read(site / "_sources/chapters/part/toy.ipynb", as_version=4)


def text_of(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", markup)).split())


def links(markup: str) -> list[tuple[str, str]]:
    found = re.findall(
        r'<a class="kl-quoted[^"]*" href="([^"]+)"[^>]*>(.*?)</a>', markup, re.DOTALL
    )
    return [(href, text_of(inner)) for href, inner in found]


def test_roles_link_to_the_cell_that_measured(site: Path, page: str) -> None:
    assert links(page) == [
        ("#number-slope", "−1.13"),
        ("#claim-toy.1", r"\(2.5 \cdot 10^{-5}\) (one value)"),
        ("#claim-toy.1", r"at most 0.001"),
    ]
    assert 'id="number-slope"' in page
    assert r"\(1.46 \cdot 10^{-2}\)" in page
    intro = (site / "book/pages/intro.html").read_text("utf-8")
    assert links(intro) == [("../../chapters/part/toy.html#number-slope", "−1.13")]


def test_colons_and_backticks_make_one_page(page: str) -> None:
    shown = {}
    for name in ("old", "new"):
        start = page.index(f'id="{name}-theorem"')
        end = page.index("Well.", start)
        made = page[start:end].replace(f"{name}-", "")
        made = re.sub(r"(Theorem|Remark) 1\.\d|\(1\.\d\)|equation-\w+-\d", "N", made)
        shown[name] = re.sub(r'id="[^"]*"|-\d+"', "", made)
    assert shown["old"] == shown["new"]


def test_statements_and_equations_have_the_numbers_of_the_page(
    page: str, download: nbformat.NotebookNode
) -> None:
    prose = download.cells[0].source
    titles = re.findall(r'<p class="admonition-title"[^>]*>(.*?)</p>', page, re.DOTALL)
    on_page = [
        re.sub(r" ?not checkable here", "", text_of(title)).strip()
        for title in titles
        if "caption-number" in title
    ]
    taken_away = re.findall(r"\*\*((?:Theorem|Remark|Definition).*?)\.\*\*", prose)
    assert [one.replace("$y$", r"\(y\)") for one in taken_away] == on_page
    assert on_page[0] == r"Theorem 1.1 (Of \(y\))"
    numbers = [text_of(one) for one in re.findall(r'"eqno">(\([\d.]+\))', page)]
    assert [f"({one})" for one in re.findall(r"\\tag\{(.*?)\}", prose)] == numbers
    assert numbers == ["(1.1)", "(1.2)"]
    assert "> By (1.1) and Theorem 1.1." in prose
    assert "> By (1.2) and Theorem 1.2." in prose


def test_what_is_elsewhere_is_linked_and_what_is_here_is_not(
    download: nbformat.NotebookNode,
) -> None:
    intro = "https://ada.github.io/engine/book/pages/intro.html"
    assert download.cells[0].source.partition("## Numbers\n\n")[2] == (
        r"The slope is −1.13, the error $2.5 \cdot 10^{-5}$ (one value)."
        "\n"
        r"We ask for at most 0.001; [Liu et al., 2024] print $1.46 \cdot 10^{-2}$."
        "\n"
        f"See [An intro]({intro}), [the start]({intro}),\n*Numbers*, "
        f"[there]({intro}#intro), [toy.1: reproduced],\nSection 1.1 and\n"
        f"[the intro]({intro}), here, [it](https://a.org/b)."
    )
    closing = download.cells[-1].source
    assert closing.startswith("## References\n\n- Ziming Liu, Yixuan Wang, ")
    assert closing.endswith(
        "From [Toys of $y$](https://ada.github.io/engine/chapters/part/toy.html), a "
        "chapter of [Deep Learning, Settled](https://ada.github.io/engine/)."
    )


def test_it_installs_what_it_needs_and_keeps_its_outputs(
    page: str, download: nbformat.NotebookNode
) -> None:
    first, second = [cell for cell in download.cells if cell.cell_type == "code"]
    assert "https://github.com/Ada/engine/archive/refs/heads/main.zip" in first.source
    assert "importlib" not in page
    assert len(second.outputs) == 4
    nbformat.validate(download)
    assert 'href="../../_sources/chapters/part/toy.ipynb"' in page


def test_faults_fail_the_build_with_cell_and_fix(tmp_path: Path) -> None:
    prose = "# Toy\n\n{measured}`toy.slop` {cite}`nobody`\n\n```{rst-class} a\n```\n\nb"
    with pytest.raises(BuildFailed) as caught:
        build(write_book(tmp_path, toy(prose)), executed=None)
    said = [one for one in caught.value.warnings if "checks '" not in one]
    place = "chapters/part/toy.ipynb, cell 1 (id text): "
    for expected in (
        place + "{measured} of 'toy.slop': expected a claim (toy.1) or a number (toy.s",
        "Did you mean 'toy.slope'?",
        'could not find bibtex key "nobody"',
        place + "the directive {rst-class} has no plain form; expected a statement",
    ):
        assert sum(expected in one for one in said) == 1, (expected, said)
    assert len(said) == 3
