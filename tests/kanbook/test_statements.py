"""Statements and their checks: found, matched, shown on a page, told when missing."""

import re
import textwrap
from pathlib import Path
from typing import Any

import nbformat
import pytest
from docutils import nodes
from kanbook import latex_tree, statement_pages, statements
from kanbook.build import BuildFailed, build
from kanbook.cells import INJECTED
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from sphinx_proof.nodes import NODE_TYPES

from kanlib.claims import Check, at_most, equal, evaluate, not_checkable

REPOSITORY = Path(__file__).parents[2]
Notebook = nbformat.NotebookNode
HOLDS = {"sum": equal(0.0, 3.3e-16, atol=1e-13), "rate $h^4$": at_most(0.926, 1)}
ONE = ":::{prf:theorem} One, $1$\n:label: one\n\nOne is $1$.\n:::"
TWO = "```{prf:lemma}\n---\nlabel: two\n---\nAnd *so on*.\n```"
IMPORT = "from kanlib.claims import evaluate, not_checkable"


def shows(check: Check, source: str = "shown") -> Notebook:
    """A code cell as it stands after a run."""
    data = dict(check._repr_mimebundle_())
    return new_code_cell(source, outputs=[new_output("display_data", data=data)])


def made(*cells: str | Notebook) -> Notebook:
    """A notebook of these code cells, and Markdown where a text is given."""
    notebook = new_notebook(
        cells=[new_markdown_cell(c) if isinstance(c, str) else c for c in cells]
    )
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    notebook.metadata["kernelspec"] = kernel
    return notebook


# --- finding statements ------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (ONE, [("theorem", "one", "One, $1$", 1)]),
        (TWO, [("lemma", "two", "", 1)]),
        (f"Text.\n\n{ONE}\n\n{TWO}", [("theorem", "one"), ("lemma", "two")]),
        ("~~~{prf:remark}\n:label: r\n~~~", [("remark", "r")]),
        ("```{prf:theorem} No name\n\n:label: late\n```", [("theorem", "", "No name")]),
        ("```{prf:theorem}\n:class: x\n:label: 'one'\n```", [("theorem", "one")]),
        ("```{prf:theorem}\n:nonumber:\n```", []),
        ("```{prf:theorem}\n:nonumber:\n:label: one\n```", [("theorem", "one")]),
        ("```{prf:proof}\nIt is.\n```", []),
        (f"````{{note}}\n{ONE}\n````", [("theorem", "one")]),
        (f"- a list\n\n{textwrap.indent(ONE, '  ')}", [("theorem", "one")]),
        # What Markdown shows, it does not run.
        (f"````md\n{ONE}\n````\n{TWO}", [("lemma", "two")]),
        (f"````{{code-block}} md\n{ONE}\n````", []),
        (f"`````\n````\n{TWO}\n````\n`````\n{ONE}", [("theorem", "one")]),
        (f"```not a fence```\n{ONE}", [("theorem", "one")]),
        (f"```{{math}}\nx\n```\n{ONE}", [("theorem", "one")]),
        ("```{prf:lemma} Of `code`\n:label: one\n```", [("lemma", "one", "Of `code`")]),
    ],
)
def test_statements_are_found(text: str, found: list[tuple]) -> None:
    listed = list(statements.statements(made(text)))
    assert [one[: len(known)] for one, known in zip(listed, found, strict=True)] == (
        found
    )


def test_a_statement_knows_its_cell() -> None:
    listed = statements.statements(made("Text.", new_code_cell("x = 1"), ONE))
    assert [one.cell for one in listed] == [3]


# --- rules -------------------------------------------------------------------------


def test_each_statement_has_its_check() -> None:
    notebook = made(
        *(ONE, shows(evaluate("one", HOLDS)), TWO),
        new_code_cell(IMPORT),
        shows(not_checkable("two", because="it goes on"), "not_checkable('two')"),
        "```{prf:definition}\n:label: d\n```\n```{prf:remark}\n```",
    )
    assert list(statements.statement_rules(notebook)) == []


def called(source: str) -> Notebook:
    return new_code_cell(f"{IMPORT}\n{source}")


RULES: list[tuple[list[str | Notebook], list[str]]] = [
    (
        [ONE],
        [
            "cell 1 states the theorem 'one', but no cell checks it; expected one "
            "check. End a code cell with kanlib.claims.evaluate('one', {...}), or with "
            "not_checkable('one', because=...)"
        ],
    ),
    (
        ["Text.", "```{prf:lemma}\nNo label.\n```"],
        ["cell 2 states a lemma without a label; expected one, because its check"],
    ),
    (
        [ONE, shows(evaluate("on", HOLDS))],
        [
            "cell 1 states the theorem 'one', but no cell",
            "cell 2 checks 'on', but no statement of this notebook has that label; "
            "expected one of: one. Mend the label here or at the statement; did you "
            "mean 'one'?",
        ],
    ),
    (
        [shows(evaluate("one", HOLDS))],
        ["cell 1 checks 'one', but no statement of this"],
    ),
    (
        [ONE, shows(evaluate("one", HOLDS)), shows(evaluate("one", HOLDS))],
        ["the statement 'one' is checked 2 times, in cells 2, 3; expected once"],
    ),
    (
        [ONE, called("evaluate('one', a)\nevaluate('one', b)")],
        ["cell 2 checks", "cell 2 checks", "is checked 2 times, in cells 2, 2;"],
    ),
    (
        [ONE, called("check = evaluate('one', a)")],
        ["cell 2 checks 'one' but shows no record; expected the call as the cell's"],
    ),
    ([ONE, called("kl.claims.evaluate('one', a)")], ["but shows no record"]),
    ([ONE, called("not_checkable(statement='one')")], ["but shows no record"]),
    (
        [ONE, new_code_cell("from kanlib.claims import evaluate as e\ne('one', a)")],
        ["but shows no record"],
    ),
    (
        [ONE, shows(evaluate("one", HOLDS)), ONE],
        ["the label 'one' stands at 2 statements, in cells 1, 3; expected one"],
    ),
    # Another function of that name is no check.
    ([ONE, new_code_cell("evaluate('one', a)")], ["states the theorem 'one', but no"]),
    ([ONE, called("net.evaluate('one', a)")], ["states the theorem 'one', but no"]),
    ([ONE, called("evaluate(")], ["states the theorem 'one', but no"]),
]


@pytest.mark.parametrize(("cells", "said"), RULES)
def test_a_broken_rule_is_told(cells: list[str | Notebook], said: list[str]) -> None:
    found = list(statements.statement_rules(made(*cells)))
    assert len(found) == len(said), found
    for problem, expected in zip(found, said, strict=True):
        assert expected in problem


# --- committed and fresh outputs ------------------------------------------------------


def outputs(*checks: Check) -> list[Any]:
    return [output for check in checks for output in shows(check).outputs]


def test_only_gaps_may_move() -> None:
    old = outputs(evaluate("one", {"sum": equal(0.0, 1e-15, atol=1e-13)}))
    new = outputs(evaluate("one", {"sum": equal(0.0, 5e-14, atol=1e-13)}))
    assert statements.moved(old, new) == []
    assert statements.moved([], []) == []


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ([], "the check of one is gone"),
        (
            [evaluate("one", {"sum": equal(0, 0, atol=1e-12)})],
            "the check of one is another: sum equal 1e-13; rate $h^4$ at most 1 became "
            "sum equal 1e-12",
        ),
        (
            [evaluate("one", dict(reversed(HOLDS.items())))],
            "the check of one is another: sum equal 1e-13; rate",
        ),
        (
            [not_checkable("one", because="it is a limit")],
            "became not checkable, because it is a limit",
        ),
    ],
)
def test_a_check_that_moved_is_told(new: list[Check], said: str) -> None:
    (problem,) = statements.moved(outputs(evaluate("one", HOLDS)), outputs(*new))
    assert said in problem


def test_a_new_check_and_a_gap_beyond_its_bound_are_told() -> None:
    fresh = outputs(evaluate("one", {"sum": equal(0.0, 1e-15, atol=1e-13)}))
    assert statements.moved([], fresh) == ["the check of one is new"]
    for data in (output["data"] for output in fresh):
        data[statements.CHECK_MIME]["sides"][0]["gap"] = 1.0
    (problem,) = statements.moved(fresh, fresh)
    assert problem == "the check of one: sum has a gap of 1; expected at most 1e-13"


# --- pages -------------------------------------------------------------------------


def write_book(root: Path, chapter: Notebook, intro: str) -> Path:
    """A book of two pages with the repository's own configuration and look."""
    config = (REPOSITORY / "_config.yml").read_text("utf-8")
    (root / "_config.yml").write_text(config, "utf-8")
    (root / "_toc.yml").write_text(
        "format: jb-book\nroot: book/pages/intro\nchapters:\n"
        "- file: chapters/part/toy\n"
    )
    (root / "book/pages").mkdir(parents=True)
    (root / "book/pages/intro.md").write_text(intro)
    for name in ("static", "references.bib"):
        (root / "book" / name).symlink_to(REPOSITORY / "book" / name)
    (root / "chapters/part").mkdir(parents=True)
    nbformat.write(chapter, root / "chapters/part/toy.ipynb")
    return root


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book with a check of each kind, and the list of its statements."""
    chapter = made(
        *("# Toys", ONE, shows(evaluate("one", HOLDS))),
        *(TWO, shows(not_checkable("two", because="it goes on"))),
        ":::{prf:corollary} Unnumbered\n:nonumber:\n:label: three\n\nHm.\n:::",
        shows(evaluate("three", {"all": equal(1, 1, atol=1e-9)})),
        "```{prf:definition}\n:label: free\n\nNothing to check.\n```",
    )
    root = tmp_path_factory.mktemp("stated")
    write_book(root, chapter, "# A book\n\n```{statements}\n```\n")
    return build(root, executed=None)


def test_a_badge_leads_from_the_title_to_the_check(html: Path) -> None:
    text = (html / "chapters/part/toy.html").read_text("utf-8")
    for label, said in (
        ("one", "checked to 4e-16, 0.93 of the bound"),
        ("two", "not checkable here"),
        ("three", "checked exactly"),
    ):
        badge = f'<a class="kl-badge" data-card href="#check-{label}">{said}</a></p>'
        start = text.index(f'id="{label}"')
        assert badge in text[start : text.index("</div>", start)], label
        assert text.count(f'id="check-{label}"') == 1
    assert text.count("kl-badge") == 3
    assert 'id="free"' in text


def test_a_check_names_its_statement(html: Path) -> None:
    text = (html / "chapters/part/toy.html").read_text("utf-8")
    for name in (
        '<a href="#one">Theorem 1 (One, $1$)</a>',
        '<a href="#two">Lemma 1</a>',
        '<a href="#three">Corollary (Unnumbered)</a>',
    ):
        assert f'<strong class="kl-check__id">{name}</strong>' in text


def test_the_list_holds_every_statement(html: Path) -> None:
    text = (html / "book/pages/intro.html").read_text("utf-8")
    table = re.sub(r"\s+", " ", re.sub("<[^>]+>", "", text[text.index("<thead>") :]))
    for row in (
        "Theorem 1 (One, \\(1\\)) checked to 4e-16, 0.93 of the bound sum: largest "
        "difference 3.3e-16, allowed 1e-13 rate \\(h^4\\): left side at most 0.93 of",
        "Lemma 1 not checkable here because it goes on",
        "Corollary (Unnumbered) checked exactly",
        "Definition 1 – –",
    ):
        assert row in table
    assert 'href="../../chapters/part/toy.html#one"' in text


def test_a_book_without_chapters_has_no_statement() -> None:
    assert statements.read({}) == statements.Book((), ())


def test_on_paper_a_line_stands_below_the_statement() -> None:
    node = NODE_TYPES["theorem"]()
    node += nodes.title("", "One")
    node += nodes.section()
    record = evaluate("one", HOLDS).to_dict()
    statement_pages.add_line(node, record)
    assert node.astext() == "One\n\nChecked to 4e-16, 0.93 of the bound."
    assert not list(node.findall(nodes.raw))
    # The PDF sets statements as environments; the line must be there before.
    edition = latex_tree.Statements.default_priority
    assert statement_pages.Lines.default_priority < edition


def test_faults_fail_the_build(tmp_path: Path) -> None:
    chapter = made(
        *("# Toys", ONE, TWO, shows(evaluate("two", HOLDS))),
        *("Again.", shows(evaluate("two", HOLDS)), "And", shows(evaluate("2", HOLDS))),
        "> :::{prf:lemma}\n> :label: quoted\n>\n> Hidden.\n> :::",
    )
    injected = new_code_cell("", metadata={"tags": [INJECTED]})
    chapter.cells[-1].id = "last"
    chapter.cells.insert(1, injected)
    intro = f"# A book\n\n{ONE.replace('one', 'far')}\n\n```{{prf:lemma}}\nHm.\n```\n"
    root = write_book(tmp_path, chapter, intro)
    with pytest.raises(BuildFailed) as caught:
        build(root, executed=None)
    said = caught.value.warnings
    page = "chapters/part/toy.ipynb: "
    for expected in (
        f"{page}cell 2 states the theorem 'one', but no cell checks it; expected one",
        f"{page}the statement 'two' is checked 2 times, in cells 4, 6; expected once",
        f"{page}cell 8 checks '2', but no statement of this notebook has that label",
        "chapters/part/toy.ipynb, cell 9 (id last): the lemma 'quoted' stands where "
        "no cell can check it; expected it in a Markdown cell",
        "book/pages/intro.md:3: WARNING: book/pages/intro: the theorem 'far' stands",
        "book/pages/intro.md:9: WARNING: book/pages/intro: the lemma 'lemma-",
    ):
        assert sum(expected in warning for warning in said) == 1, (expected, said)
    assert len(said) == 6
