r"""What readers take away: each form of MyST as plain Markdown, nothing of it left."""

import re
from pathlib import Path

import nbformat
import pytest
from kanbook.chapters import all_chapters
from kanbook.plain import Names, Role, plain, relative, roles
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[2]
NAMES = Names(
    roles={
        Role("eq", "sum"): "(1.3)",
        Role("prf:ref", "one"): "Theorem 1.2",
        Role("cite", "a,b"): "[A, 2020, B, 2021]",
    },
    equations={"sum": "1.3"},
    statements={"one": "Theorem 1.2"},
    unlabelled=("Remark 1.1", "Example 1.1"),
    links={"page.md": "https://a.org/page.html"},
)


def markdown(text: str, names: Names = NAMES) -> str:
    made = plain(new_notebook(cells=[new_markdown_cell(text, id="cell")]), names)
    return str(made.cells[0].source)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # roles
        ("By {eq}`sum`\nand {prf:ref}`one`.", "By (1.3)\nand Theorem 1.2."),
        ("As {cite}`a,b`.", "As [A, 2020, B, 2021]."),
        ("{math}`x^2` {code}`a` {verdict}`not tested`", "$x^2$ `a` not tested"),
        ("{py:obj}`~kanlib.KAN` {py:func}`f <a.f>`", "`KAN` `f`"),
        ("{abbr}`MLP (multilayer perceptron)` {sub}`2`", "MLP <sub>2</sub>"),
        ("`{eq}` and ``{eq}`sum` ``", "`{eq}` and ``{eq}`sum` ``"),
        ("| {eq}`sum` | $a$ |", "| (1.3) | $a$ |"),
        # formulas
        ("$$\nx\n$$ (sum)\n\nb", "$$\nx \\tag{1.3}\n$$\n\nb"),
        ("$$ x $$ (sum)", "$$ x \\tag{1.3}\n$$"),
        ("$$\nx\n$$", "$$\nx\n$$"),
        ("```{math}\n:label: sum\n\nx\n```", "$$\nx \\tag{1.3}\n$$"),
        ("```{math}\nx\n```", "$$\nx\n$$"),
        ("costs \\$2, {eq}`sum` and 3\\$", "costs \\$2, (1.3) and 3\\$"),
        ("$`a`$ $[b](c)$", "$`a`$ $[b](c)$"),
        # statements and proofs
        (
            ":::{prf:theorem} Of $L_2$\n:label: one\n\nLet\n\n"
            "$$\nx\n$$ (sum)\n\n- a\n:::",
            "> **Theorem 1.2 (Of $L_2$).**\n>\n> Let\n>\n> $$x \\tag{1.3}$$\n>\n> - a",
        ),
        (
            "```{prf:remark}\na\n```\n\n:::{prf:example} B\nc\n:::",
            "> **Remark 1.1.**\n>\n> a\n\n> **Example 1.1 (B).**\n>\n> c",
        ),
        (":::{prf:lemma}\n:nonumber:\n\na\n:::", "> **Lemma.**\n>\n> a"),
        (":::{prf:proof}\na\n\nb.\n:::", "*Proof.* a\n\nb. ∎"),
        (":::{prf:proof}\n$$\nx\n$$\n:::", "*Proof.*\n\n$$\nx\n$$\n\n∎"),
        # admonitions and boxes
        (":::{note}\na {eq}`sum`\n:::", "> **Note.**\n>\n> a (1.3)"),
        ("```{admonition} T\n:class: tip\n\na\n```", "> **T.**\n>\n> a"),
        (":::{tip} a\nb\n:::", "> **Tip.**\n>\n> a\n>\n> b"),
        (":::{margin}\na\n:::", "> a"),
        (
            "````{dropdown} T\na\n```python\nb\n```\n````",
            "<details>\n<summary>T</summary>\n\na\n```python\nb\n```\n\n</details>",
        ),
        (
            "::::{note}\n:::{tip}\na\n:::\n::::",
            "> **Note.**\n>\n> > **Tip.**\n> >\n> > a",
        ),
        (":::{container} x\na\n:::", "a"),
        (":::{only} builder_html\na\n:::\n:::{only} not builder_html\nb\n:::", "b"),
        ("```{code-block} python\na\n```", "```python\na\n```"),
        (
            ":::{figure} page.md\n:alt: b\n\nc\n:::",
            "![b](https://a.org/page.html)\n\nc",
        ),
        (":::{figure} b.png\n:alt: b\n:::", "*Figure: b*"),
        # labels, links, lists of definitions
        ("(sec)=\n## A\n\n% said nowhere\n+++\nb", "## A\n\nb"),
        ("[a](page.md) [b](c.md) [d](https://e.f)", None),
        ("A\n: b\n  c", "- **A**\n   b\n  c"),
        ("- a\n  :::{note}\n  b\n  :::", "- a\n  > **Note.**\n  >\n  > b"),
        # what is plain stays
        ("# A\n\n> b\n> c\n\n1. d\n   e\n\n```python\nf\n```", None),
    ],
)
def test_each_form(text: str, expected: str | None) -> None:
    if "page.md) [" in text:
        expected = "[a](https://a.org/page.html) b [d](https://e.f)"
    assert markdown(text) == (text if expected is None else expected)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{eq}`lost`", r"cell 1 \(id cell\): the role \{eq\}`lost` has no plain form"),
        ("{cards}`x`", "the role {cards}`x` has no plain form; expected"),
        (":::{cards}\n:::", "the directive {cards} has no plain form; expected a stat"),
        ("$$\nx\n$$ (lost)", "the equation 'lost' has no plain form"),
    ],
)
def test_what_has_no_plain_form_is_named(text: str, says: str) -> None:
    pattern = says if says.startswith("cell") else re.escape(says)
    with pytest.raises(ValueError, match=pattern):
        markdown(text)


def test_roles_and_relative_links_are_listed_once() -> None:
    text = ":::{note}\n{eq}`a` {ref}`b <c>` {eq}`a`\n:::\n`{eq}` [d](e.md) [f](g:h)"
    made = new_notebook(cells=[new_markdown_cell(text)])
    assert roles(made) == [Role("eq", "a"), Role("ref", "b <c>")]
    assert relative(made) == ["e.md"]


def test_code_and_outputs_stay_and_noise_goes() -> None:
    output = new_output("stream", name="stdout", text="1\n")
    cells = [
        new_markdown_cell("# A", id="a"),
        new_code_cell("p = 1", id="p", metadata={"tags": ["injected-parameters"]}),
        new_code_cell("print(1)", id="b", outputs=[output], execution_count=7),
    ]
    cells[2].metadata["execution"] = {"iopub.status.busy": "2026"}
    given = new_notebook(cells=cells, metadata={"papermill": {"duration": 3}})
    made = plain(given, Names(closing="## References"))
    assert [cell.id for cell in made.cells] == ["a", "b", "closing"]
    assert made.cells[1].outputs == [output]
    assert made.cells[1].execution_count == 1
    assert made.cells[1].metadata == {}
    assert made.metadata.kernelspec.name == "python3"
    assert "papermill" not in made.metadata
    nbformat.validate(made)
    assert given.cells[2].execution_count == 7


def test_a_figure_shows_its_light_picture_where_styles_are_stripped() -> None:
    figure = (
        '<figure class="kl-figure"><style>.kl-dark{display:none}</style>'
        '<img class="kl-light" alt="a" src="data:,1">'
        '<img class="kl-dark" alt="" src="data:,2" style="display:none">'
        "<details>b</details></figure>"
    )
    other = '<style>p{}</style><img class="kl-dark" alt="" src="data:,">'
    outputs = [
        new_output("display_data", data={"text/html": html}) for html in (figure, other)
    ]
    given = new_notebook(cells=[new_code_cell("f()", outputs=outputs)])
    first, second = plain(given, Names()).cells[0].outputs
    assert first.data["text/html"] == (
        '<figure class="kl-figure"><img class="kl-light" alt="a" src="data:,1">'
        "<details>b</details></figure>"
    )
    assert second.data["text/html"] == other


def left_over(text: str) -> list[str]:
    """What plain Markdown does not know, outside code and formulas."""
    bare = re.sub(r"^(`{3,}).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)
    bare = re.sub(r"\$\$.*?\$\$|\$[^$]*\$|`[^`]*`", "", bare, flags=re.DOTALL)
    return re.findall(r"\{[\w:]+\}|:::.*|^\([\w-]+\)=|^:\w+:.*", bare, re.MULTILINE)


@pytest.mark.parametrize("chapter", all_chapters(ROOT), ids=lambda c: c.name)
def test_nothing_of_myst_is_left_in_a_chapter(chapter: object) -> None:
    notebook = nbformat.read(chapter.path, as_version=4)  # type: ignore[attr-defined]
    prose = [c.source for c in notebook.cells if c.cell_type == "markdown"]
    labels = re.findall(r"\$\$ *\(([\w-]+)\)|:label: *([\w-]+)", "\n".join(prose))
    names = Names(
        roles={role: "it" for role in roles(notebook)},
        equations={name: "1.1" for pair in labels for name in pair},
    )
    for cell in plain(notebook, names).cells:
        if cell.cell_type == "markdown":
            assert left_over(cell.source) == [], cell.id
            dollars = re.sub(r"\\.|`[^`]*`", "", cell.source).count("$")
            assert dollars % 2 == 0, f"{cell.id}: {dollars} marks of formulas"
