"""Formulas as MathML: what latex2mathml leaves to be mended, and what it cannot set."""

import pytest
from kanbook.mathml import NAMESPACE, block_html, inline_html, mathml, pieces
from lxml import etree

ROOT = f"{{{NAMESPACE}}}"


def tree(tex: str, *, block: bool = False) -> etree._Element:
    return etree.fromstring(mathml(tex, block=block))


def text(tex: str) -> str:
    return "".join(tree(tex).itertext())


def kinds(tex: str, *, block: bool = False) -> list[str]:
    """The tokens of a formula with the space that stands around them."""
    found = []
    for node in tree(tex, block=block).iter():
        name = node.tag.removeprefix(ROOT)
        if name == "mspace":
            found.append("_")
        elif node.text:
            found.append(node.text)
    return found


def test_the_source_is_the_alternative_text() -> None:
    made = tree("x \n < y")
    assert made.get("alttext") == "x < y"
    assert made.tag == f"{ROOT}math"
    assert tree("x", block=True).get("display") == "block"


def test_functions_have_the_space_that_tex_gives_them() -> None:
    assert kinds(r"\sin \pi x") == ["sin", "_", "π", "x"]
    assert kinds(r"2 \sin(x)") == ["2", "_", "sin", "(", "x", ")"]
    assert kinds(r"-\log_{10} x") == ["−", "log", "10", "_", "x"]
    assert kinds(r"\sin x \sin y") == ["sin", "_", "x", "_", "sin", "_", "y"]
    assert kinds(r"\max |x|") == ["max", "_", "|", "x", "|"]
    assert kinds(r"\exp(x) + \ln y") == ["exp", "(", "x", ")", "+", "ln", "_", "y"]


def test_limits_stand_below_in_a_display_only() -> None:
    assert tree(r"\max_i x", block=True).find(f".//{ROOT}munder") is not None
    assert tree(r"\max_i x").find(f".//{ROOT}munder") is None
    assert tree(r"\log_i x", block=True).find(f".//{ROOT}munder") is None


def forms(tex: str) -> list[tuple[str | None, ...]]:
    signs = [one for one in tree(tex).iter(f"{ROOT}mo") if one.text in "−±"]
    return [(one.get("form"), one.get("lspace")) for one in signs]


def test_a_sign_is_no_difference() -> None:
    assert forms("-x") == forms("[-1, 1]") == forms("= -x") == [("prefix", "0")]
    assert forms(r"\pm x") == [("prefix", "0")]
    assert forms("a - x") == forms("(a) - x") == forms("|a| - x") == [(None, None)]
    assert forms(r"B(\cdot - 1)") == [(None, None)]
    assert forms("a^2 - x") == forms("n! - x") == [(None, None)]


def test_fences_and_slashes_stand_close() -> None:
    for tex in (r"|x|", r"\| x \|_\infty", "a/b", r"\Big( x \Big)^2"):
        for node in tree(tex).iter(f"{ROOT}mo"):
            assert (node.get("lspace"), node.get("rspace")) == ("0", "0"), tex
    opened, closed = tree(r"f \big[ x \big]^2").iter(f"{ROOT}mo")
    assert (opened.get("form"), closed.get("form")) == ("prefix", "postfix")
    # A fence with an exponent grows only if it stands in a row of its own.
    assert closed.getparent().tag == f"{ROOT}mrow"
    assert closed.getparent().getparent().tag == f"{ROOT}msup"


def test_dots_stand_as_high_as_their_neighbors() -> None:
    assert text(r"a + \dots + b") == "a+⋯+b"
    assert text(r"a, \dots, b") == "a,…,b"
    assert text(r"a + b + \dots") == "a+b+…"


def test_letters() -> None:
    assert text(r"\mathbb{1}_{[0,1)}") == "𝟙[0,1)"
    assert kinds(r"\mathrm{ReLU}(x)") == ["ReLU", "(", "x", ")"]
    assert kinds(r"\operatorname{KL}(x)")[0] == "KL"
    (phi,) = tree(r"\Phi").iter(f"{ROOT}mi")
    assert phi.get("mathvariant") == "normal"
    (small,) = tree(r"\varphi").iter(f"{ROOT}mi")
    assert small.get("mathvariant") is None


@pytest.mark.parametrize("name", ["aligned", "split"])
def test_aligned_lines_are_columns(name: str) -> None:
    body = r"a &= \frac1b, & c &= d \\ e &= f, & g &= h"
    made = tree(rf"\begin{{{name}}} {body} \end{{{name}}}", block=True)
    (table,) = made.iter(f"{ROOT}mtable")
    assert table.get("displaystyle") == "true"
    rows = [list(row) for row in table.iter(f"{ROOT}mtr")]
    assert [len(row) for row in rows] == [4, 4]
    for row in rows:
        sides = [cell.get("style").partition(";")[0] for cell in row]
        assert sides == ["text-align: right", "text-align: left"] * 2
    assert "&" not in "".join(made.itertext())


def test_lines_without_a_name_are_aligned() -> None:
    made = tree(r"a &= b \\ &= c", block=True)
    assert [len(row) for row in made.iter(f"{ROOT}mtr")] == [2, 2]


def test_a_matrix_is_no_alignment() -> None:
    (table,) = tree(r"\begin{pmatrix} 1 & 2 \end{pmatrix}").iter(f"{ROOT}mtable")
    assert table.get("displaystyle") == "false"


@pytest.mark.parametrize(
    ("tex", "said"),
    [
        (r"\unknown x", "is not known"),
        (r"a & b", "is not known"),
        (r"\begin{multline} a \end{multline}", "is not known"),
        (r"\frac{1}", "a mfrac lacks an argument"),
        (r"a_b_c", "cannot set"),
        (r"x \tag{1}", "label the equation"),
    ],
)
def test_what_cannot_be_set_is_refused(tex: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"cannot set .* as MathML") as caught:
        mathml(tex)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("tex", "parts"),
    [
        (r"a = {b \qquad c}, \qquad d", [r"a = {b \qquad c},", "d"]),
        (r"\begin{split} a \qquad b \end{split}", None),
        (r"\left( a \qquad b \right)", None),
        (r"\{ a \qquad b \}", [r"\{ a", r"b \}"]),
        (r"\qquad a", ["a"]),
    ],
)
def test_a_line_may_break_at_a_wide_space(tex: str, parts: list[str] | None) -> None:
    assert pieces(tex) == (parts or [tex])
    assert block_html(tex).count("<math") == len(parts or [tex])


def test_numbers_and_links() -> None:
    made = block_html("x", number="1.2", name="equation-one")
    assert made.startswith('<div class="math" id="equation-one">')
    assert '<span class="eqno">(1.2)</span>' in made
    assert "eqno" not in block_html("x")
    assert inline_html("x").startswith('<span class="math"><math')
