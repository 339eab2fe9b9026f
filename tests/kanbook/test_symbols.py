"""The table of symbols: bad rows, undeclared symbols, first uses, and the pages."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from kanbook.build import BuildFailed, build
from kanbook.chapters import all_chapters
from kanbook.formulas import Formula
from kanbook.notation import TABLE, Table, read
from kanbook.symbols import Book, first_uses, places, read_book, row_of, rows_in
from kanbook.tex import uses
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

REPOSITORY = Path(__file__).parents[2]
ROWS = r"""
Networks:
  - {symbol: x, meaning: input, shape: "(…, I)", code: x}
  - {symbol: y, meaning: "output, near $x$ & more", unit: nat}
  - {symbol: B_m, meaning: a basis function}
  - {symbol: 'B_{j,p}', meaning: a B-spline, in: [toy]}
  - {symbol: B'_m, meaning: one on the finer grid, in: [toy]}
  - {symbol: '\hat y', meaning: an estimate of the output}
  - {symbol: '[a, b]', meaning: an interval}
  - {symbol: b, meaning: the base function}
  - {symbol: '\| g \|_\infty', meaning: a norm}
Indices:
  - {symbol: m, meaning: index of a basis function}
  - {symbol: j, meaning: index of a knot, in: [toy]}
  - {symbol: p, meaning: a degree, in: [toy]}
  - {symbol: t, meaning: time}
"""
FIRST = r"""# Toys

With $t$ and $\hat y$:

$$
y = x
$$

```{prf:definition} One
:label: one

$[a, b]$ and

$$
\| B_{j,p} \|_\infty = B_m + B'_m b
$$ (sum)
```
"""


@pytest.fixture(scope="module")
def table() -> Table:
    return read(ROWS)


def toy(*texts: str) -> nbformat.NotebookNode:
    cells = [new_markdown_cell(one, id=f"text-{n}") for n, one in enumerate(texts)]
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    code = new_code_cell("pass", id="code")
    return new_notebook(cells=[*cells, code], metadata={"kernelspec": kernel})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A: [", "line 1: no YAML: expected the node content"),
        (
            "- x",
            "line 1: not a mapping; expected groups, `Group:`, each a list of rows",
        ),
        (
            "A: [{symbol: x, meaning: y}]\nB:",
            "line 2: the group B is no list; expected",
        ),
        ("", "line 1: not a mapping"),
        ("A:\n- x", "line 2: the row is 'x'; expected symbol and meaning"),
        ("A: [{symbol: x}]", "line 1: the row x has no meaning; expected symbol and"),
        ("A:\n- {meaning: it}", "has no symbol; expected symbol and meaning"),
        (
            "A:\n- {symbol: x, meaning: it, size: 3}",
            "line 2: the row x has the unknown key size; expected symbol and meaning",
        ),
        (
            "A:\n- {symbol: x, meaning: it, unit: 1}",
            "line 2: unit of the row x is 1; expected text (in quotes, where YAML",
        ),
        (
            "A:\n- {symbol: x, meaning: it, in: kan}",
            "line 2: in of the row x is 'kan'; expected slugs, such as [kan]",
        ),
        ("A:\n- {symbol: x, meaning: it, in: []}", "in of the row x is []; expected"),
        (
            "A:\n- {symbol: '|A|', meaning: it}",
            "line 2: the row |A| declares no letter; expected TeX that begins with one",
        ),
        (
            "A:\n- {symbol: x_i, meaning: it}\nB:\n- {symbol: 'x_{i}', meaning: that}",
            "line 4: x_{i} has two meanings in the whole book, this one and 'it'; "
            "expected one, or different chapters in `in:`",
        ),
        (
            "A:\n- {symbol: x, meaning: it, in: [b, a]}\n"
            "- {symbol: x, meaning: that, in: [a]}",
            "line 3: x has two meanings in a, this one and 'it'",
        ),
    ],
)
def test_a_bad_row_is_named_with_its_line(text: str, said: str) -> None:
    (fault,) = read(text).faults
    assert fault.startswith(f"{TABLE}, line ")
    assert said in fault
    assert fault.endswith("Mend that line.")


def test_good_rows_stay_beside_a_bad_one() -> None:
    found = read("A:\n- {symbol: x}\n- {symbol: y, meaning: it}\nA: []")
    assert [(row.number, row.symbol) for row in found.rows] == [(1, "y")]
    assert len(found.faults) == 1


def test_a_letter_means_in_a_chapter_what_the_chapter_says() -> None:
    found = read(
        "A:\n- {symbol: x, meaning: input}\n- {symbol: x, meaning: state, in: [b, c]}"
        "\n- {symbol: z, meaning: code, in: [c]}"
    )
    assert found.faults == ()
    meanings = {
        slug: [row.meaning for row in found.visible(slug)] for slug in ("a", "b", "c")
    }
    assert meanings == {"a": ["input"], "b": ["state"], "c": ["state", "code"]}


@pytest.mark.parametrize(
    ("tex", "symbol"),
    [
        ("x", "x"),
        ("x_i", "x"),
        (r"\bar x", "x"),
        ("x''", "x"),
        ("B_1", "B_m"),
        ("B_{m+1}", "B_m"),
        ("B_{i,0}", "B_{j,p}"),
        ("B'_m", "B'_m"),
        ("B'_{j,p}", "B_{j,p}"),
        (r"\hat y", r"\hat y"),
        ("y", "y"),
        ("b", "b"),
        ("a", "[a, b]"),
        (r"\|x\|_\infty", "x"),
        (r"\tilde B", "B_m"),
    ],
)
def test_the_row_of_a_symbol(table: Table, tex: str, symbol: str) -> None:
    row = row_of(uses(tex)[0], table.rows)
    assert row is not None
    assert row.symbol == symbol


def test_marks_declare_no_bare_letter() -> None:
    rows = read(r"A: [{symbol: '\hat u, v''', meaning: it}]").rows
    bare, primed, hat = uses(r"u + v' + \hat u")
    assert row_of(bare, rows) is None
    assert row_of(uses("v")[0], rows) is None
    assert row_of(primed, rows) is row_of(hat, rows) is rows[0]


def test_the_running_text_needs_the_look_of_a_row(table: Table) -> None:
    def found(tex: str, display: bool) -> list[str]:
        return [row.symbol for row in rows_in(Formula(tex, display), table.rows)]

    assert found("x_i + B_1", display=True) == ["x", "B_m"]
    assert found("x_i + B_1", display=False) == ["B_m"]


def test_first_uses_prefer_formulas_on_their_own_lines(table: Table) -> None:
    # The last cell brings nothing that was not there before, except for t.
    found = list(places(toy(FIRST, "In $y$\n\n$$\nt = x\n$$ (late)")))
    rows = table.visible("toy")
    first = first_uses(found, rows)
    where = {
        row.symbol: (first[row.number].number, first[row.number].formula.label)
        for row in rows
        if row.number in first
    }
    assert where == {
        "x": (1, ""),
        "y": (1, ""),
        r"\hat y": (1, ""),
        "[a, b]": (1, ""),
        "B_m": (1, "sum"),
        "B'_m": (1, "sum"),
        "B_{j,p}": (1, "sum"),
        "b": (1, "sum"),
        r"\| g \|_\infty": (1, "sum"),
        "m": (1, "sum"),
        "j": (1, "sum"),
        "p": (1, "sum"),
        "t": (2, "late"),
    }


@pytest.fixture
def lost(tmp_path: Path, table: Table) -> Book:
    text = "# More\n\nInline $w$.\n\n$$\nr'_i = \\odot x\n$$ (more)\n\n$$\nr\n$$"
    path = tmp_path / "toy.ipynb"
    nbformat.write(toy(FIRST, text), path)
    rows = ROWS.replace("p, meaning: a degree, in: [toy]", "p, meaning: a degree")
    more = "  - {symbol: q, meaning: nothing, in: [ghost, toy]}\n"
    return Book(read(rows + more), {"chapters/part/toy": path})


def test_what_is_undeclared_and_what_is_unused(lost: Book) -> None:
    cell = "chapters/part/toy.ipynb, cell 2 (id text-1), equation more: the symbol "
    row = "expected a row in book/notation.yml, because the notation page"
    added = "Add in the group that fits: - {symbol: '"
    says = "book/notation.yml: the row q says `in: [ghost, toy]`, but "
    said = lost.problems()
    for (start, *parts), problem in zip(
        [
            (says, "no chapter is called ghost; expected some of toy. Mend this row"),
            (cell, "r'_i is not", row, f"{added}r_i', meaning: ..., in: [toy]}}"),
            (cell, "i is not", row, f"{added}i', meaning: ..., in: [toy]}}"),
            (cell, r"\odot is not", row, rf"{added}\odot', meaning: ..., in: [toy]}}"),
            (says, "toy has no such symbol. Remove toy from the row, or the row."),
        ],
        said,
        strict=True,
    ):
        assert problem.startswith(start)
        assert all(part in problem for part in parts), problem


def test_the_line_that_a_message_gives_mends_it(lost: Book) -> None:
    lines = [
        problem.rpartition("fits: ")[2]
        for problem in lost.problems()
        if "fits: " in problem
    ]
    added = "".join(f"  {line}\n" for line in lines)
    again = Book(read(ROWS + added), lost.notebooks)
    assert again.problems() == []


def test_a_broken_row_says_nothing_of_the_symbols_it_may_declare(lost: Book) -> None:
    table = read(ROWS + "  - {symbol: z}\n")
    (fault,) = Book(table, lost.notebooks).problems()
    assert "book/notation.yml, line 17: the row z has no meaning" in fault


def test_a_book_without_a_table_checks_nothing(tmp_path: Path) -> None:
    nbformat.write(toy("# T\n\n$$\nx\n$$"), tmp_path / "toy.ipynb")
    book = read_book(tmp_path / "notation.yml", {"toy": tmp_path / "toy.ipynb"})
    assert book.problems() == []


def test_the_committed_chapters_declare_their_symbols() -> None:
    notebooks = {
        f"chapters/{chapter.name}": chapter.path for chapter in all_chapters(REPOSITORY)
    }
    found = read_book(REPOSITORY / TABLE, notebooks)
    assert found.table.rows
    assert not found.problems(), "\n".join(found.problems())


def test_names_in_code_exist() -> None:
    texts = [path.read_text("utf-8") for path in (REPOSITORY / "kanlib").rglob("*.py")]
    for path in (REPOSITORY / "chapters").glob("*/*.ipynb"):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        texts += ["".join(one["source"]) for one in cells if one["cell_type"] == "code"]
    known = set(re.findall(r"\w+", "\n".join(texts)))
    table = read((REPOSITORY / TABLE).read_text("utf-8"))
    missing = {
        row.symbol: name
        for row in table.rows
        for name in re.findall(r"\w+", row.code)
        if name not in known
    }
    assert missing == {}


def write_book(root: Path, rows: str, text: str) -> Path:
    """A book of a chapter and the notation page, with the repository's own look."""
    config = (REPOSITORY / "_config.yml").read_text("utf-8")
    (root / "_config.yml").write_text(config, "utf-8")
    (root / "_toc.yml").write_text(
        "format: jb-book\nroot: book/pages/notation\nchapters:\n"
        "- file: chapters/part/toy\n"
    )
    (root / "book/pages").mkdir(parents=True)
    page = "# Notation\n\nAll of $x$.\n\n```{notation}\n```\n"
    (root / "book/pages/notation.md").write_text(page)
    (root / TABLE).write_text(rows, "utf-8")
    for name in ("static", "references.bib"):
        (root / "book" / name).symlink_to(REPOSITORY / "book" / name)
    (root / "chapters/part").mkdir(parents=True)
    nbformat.write(toy(text), root / "chapters/part/toy.ipynb")
    return root


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(
        write_book(tmp_path_factory.mktemp("good"), ROWS, FIRST), executed=None
    )


def test_a_chapter_lists_its_symbols(html: Path) -> None:
    page = (html / "chapters/part/toy.html").read_text("utf-8")
    (aside,) = re.findall(r'<aside class="kl-symbols.*?</aside>', page, re.S)
    assert 'aria-label="Symbols of this chapter"' in aside
    listed = re.findall(r'<div class="kl-symbol" id="symbol-(\d+)" data-tex="', aside)
    assert listed == [str(number) for number in range(1, 14)]
    assert (
        'data-tex="y"><dt>\\(y\\)</dt><dd>output, near \\(x\\) &amp; more '
        '<span class="kl-symbol__facts">nat</span></dd>'
    ) in aside
    assert '<span class="kl-symbol__facts">(…, I), <code>x</code></span>' in aside
    assert 'href="../../book/pages/notation.html"' in aside
    assert "symbols.js" in page
    # It stands after the text, before the block on how the page was made.
    assert page.index("equation-sum") < page.index(aside) < page.index('id="kl-run"')


def test_formulas_know_their_symbols(html: Path) -> None:
    page = (html / "chapters/part/toy.html").read_text("utf-8")
    assert re.findall(r'<div data-symbols="([\d ]+)" class="math', page) == [
        "1 2",
        "3 4 5 8 9 10 11 12",
    ]
    assert re.search(r'<div data-symbols="3[^>]*id="equation-sum">', page)


def test_the_notation_page_links_first_uses(html: Path) -> None:
    page = (html / "book/pages/notation.html").read_text("utf-8")
    assert "kl-symbols" not in page
    rows = dict(re.findall(r'<tr[^>]* id="symbol-(\d+)">(.*?)</tr>', page, re.S))
    assert sorted(map(int, rows)) == list(range(1, 14))
    chapter = "../../chapters/part/toy.html"
    assert f'href="{chapter}#equation-sum"' in rows["3"]
    assert f'href="{chapter}#one"' in rows["7"]
    assert f'href="{chapter}"' in rows["1"]
    headings = re.findall(r'<p class="rubric">(.*?)</p>', page)
    assert [re.sub(r"<[^>]+>", "", one) for one in headings] == [
        "Networks",
        "Indices",
        "Only in Toys",
    ]
    assert page.index("Only in") < page.index('id="symbol-4"')


def test_an_undeclared_symbol_fails_the_build(tmp_path: Path) -> None:
    text = f"{FIRST}\n$$\nr = x\n$$ (fresh)\n"
    root = write_book(tmp_path, ROWS, text)
    with pytest.raises(BuildFailed) as caught:
        build(root, executed=None)
    (undeclared,) = caught.value.warnings
    assert (
        "chapters/part/toy.ipynb, cell 1 (id text-0), equation fresh: the symbol r is "
        "not declared; expected a row in book/notation.yml"
    ) in undeclared
    assert "- {symbol: 'r', meaning: ..., in: [toy]}" in undeclared
