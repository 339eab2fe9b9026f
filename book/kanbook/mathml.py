"""TeX as MathML, for readers that run no script: EPUB.

latex2mathml does the parsing. It knows no spacing of functions, fences and signs, no
`aligned`, and passes on silently what it does not know; this module mends the first two
and refuses the third.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, TypeAlias

from latex2mathml import exceptions
from latex2mathml.converter import convert
from lxml import etree

NAMESPACE = "http://www.w3.org/1998/Math/MathML"
THIN = "0.167em"
RELATION = "0.278em"

ALIGNED = re.compile(r"\\begin\{(aligned|split|gathered)\}(.*?)\\end\{\1\}", re.DOTALL)
INSIDE = re.compile(r"\\begin\{(\w+)\}.*?\\end\{\1\}", re.DOTALL)
ENVIRONMENT = re.compile(r"\\begin\{([^}]*)\}")
ENVIRONMENTS = {
    *("aligned", "split", "gathered", "array", "cases", "matrix", "smallmatrix"),
    *("pmatrix", "bmatrix", "Bmatrix", "vmatrix", "Vmatrix"),
}
WIDE = re.compile(r"(\\(?:qquad|begin|end|left|right)(?![A-Za-z]))")
OPENING = re.compile(r"\\begin$|\\left$|(?<!\\)\{")
CLOSING = re.compile(r"\\end$|\\right$|(?<!\\)\}")
CELLS = re.compile(r"(?<!\\)&")
FUNCTIONS = re.compile(
    "arccos|arcsin|arctan|arg|cosh?|coth?|csc|deg|det|dim|exp|gcd|hom|inf|ker|lg|lim|"
    "ln|log|max|min|Pr|sec|sinh?|sup|tanh?"
)
LIMITS = {"det", "gcd", "inf", "lim", "max", "min", "Pr", "sup"}
OPEN, CLOSE, BARS = set("([{⟨⌊⌈"), set(")]}⟩⌋⌉"), set("|‖∥")
SCRIPTS = {"msub", "msup", "msubsup", "munder", "mover", "munderover"}
CHILDREN = {"mfrac": 2, "mroot": 2, "msub": 2, "msup": 2, "munder": 2, "mover": 2}
CHILDREN |= {"msubsup": 3, "munderover": 3}
GROUPS = {"mrow", "mstyle", "mtd", "math", "mpadded", "mphantom"}
TOKENS = {"mi", "mn", "mo", "mtext"}
FAULTS = (
    *(one for one in vars(exceptions).values() if isinstance(one, type)),
    IndexError,
    KeyError,
    StopIteration,
    etree.XMLSyntaxError,
)
"""What a formula that it cannot set raises in latex2mathml."""

Element: TypeAlias = Any  # lxml has no types


def mathml(tex: str, *, block: bool = False) -> str:
    r"""Return a formula as a `math` element, with its source as alternative text.

    Args:
        tex: What stands between the dollars.
        block: Whether it stands on a line of its own.

    Raises:
        ValueError: a command is unknown or the formula broken, "cannot set".

    Example:
        >>> mathml("x").partition("<mrow>")[2]
        '<mi>x</mi></mrow></math>'
    """
    display = "block" if block else "inline"
    try:
        text = convert(_prepared(tex), display=display)
        # It writes a column sign that it did not understand as it is.
        root = etree.fromstring(text.replace("<mi>&</mi>", "<mi>&amp;</mi>"))
    except FAULTS as error:
        raise ValueError(f"cannot set {tex!r} as MathML: {error!r}") from error
    for token in root.iter():
        if token.text and ("\\" in token.text or token.text.strip() == "&"):
            raise ValueError(
                f"cannot set {tex!r} as MathML: {token.text.strip()!r} is not known"
            )
    _mend(root)
    for node in root.iter(*CHILDREN):
        if len(node) != CHILDREN[node.tag]:
            raise ValueError(
                f"cannot set {tex!r} as MathML: a {node.tag} lacks an argument"
            )
    root.set("alttext", " ".join(tex.split()))
    etree.cleanup_namespaces(root)
    return etree.tostring(root, encoding="unicode")


def _prepared(tex: str) -> str:
    """Return the formula in the words that latex2mathml knows."""
    if r"\tag" in tex:
        raise ValueError(
            f"cannot set {tex!r} as MathML: \\tag is not known; label the equation"
        )
    for name in ENVIRONMENT.findall(tex):
        if name not in ENVIRONMENTS:
            raise ValueError(f"cannot set {tex!r} as MathML: {name!r} is not known")
    if r"\\" in INSIDE.sub("", tex):
        # As on the pages and in TeX.
        tex = rf"\begin{{split}}{tex}\end{{split}}"
    return ALIGNED.sub(_array, tex).replace(r"\operatorname", r"\mathrm")


def _array(match: re.Match[str]) -> str:
    kind, body = match[1], match[2].strip()
    rows = [row.count("&") for row in re.split(r"\\\\", CELLS.sub("&", body))]
    columns = "c" if kind == "gathered" else "rl" * (max(rows) // 2 + 1)
    return rf"\begin{{array}}{{{columns}}}{body}\end{{array}}"


def _mend(root: Element) -> None:
    for node in list(root.iter()):
        node.tag = etree.QName(node).localname
    block = root.get("display") == "block"
    for node in list(root.iter()):
        if node.tag == "mrow":
            _join_letters(node)
    for node in root.iter():
        _mend_token(node)
        _mend_table(node)
        if block and node.tag in ("msub", "msup", "msubsup") and _name(node) in LIMITS:
            node.tag = {"msub": "munder", "msup": "mover"}.get(node.tag, "munderover")
    for node in list(root.iter()):
        if node.tag in GROUPS:
            _mend_row(list(node))
    root.set("xmlns", NAMESPACE)


def _join_letters(row: Element) -> None:
    """Make one word of upright letters: ReLU is not R e L U."""
    letters = list(row)
    upright = all(
        node.tag == "mi" and node.get("mathvariant") == "normal" for node in letters
    )
    if len(letters) > 1 and upright:
        word = etree.Element("mi")
        word.text = "".join(node.text or "" for node in letters)
        row[:] = [word]


def _mend_token(node: Element) -> None:
    text = (node.text or "").strip()
    if node.tag == "mn" and node.get("mathvariant") == "double-struck":
        del node.attrib["mathvariant"]
        node.text = "".join(chr(0x1D7D8 + int(digit)) for digit in text)
    elif node.tag == "mi" and len(text) == 1 and _upright_greek(text):
        node.set("mathvariant", "normal")
    elif text in ("…", "∞", "∂", "∇", "⊤"):
        node.tag = "mi"
        if text in ("∂", "∇"):
            node.set("mathvariant", "normal")
    elif node.tag == "mi" and text in (":", "′", "±", "∓"):
        node.tag = "mo"
    elif node.tag in ("mi", "mo") and FUNCTIONS.fullmatch(text):
        node.tag = "mi"
    if node.tag == "mo":
        _space_operator(node, text)
        parent = node.getparent()
        if node.get("minsize") and parent.tag in SCRIPTS and parent[0] is node:
            # A fence grows in a row only.
            row = etree.Element("mrow")
            parent.replace(node, row)
            row.append(node)


def _upright_greek(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith("GREEK CAPITAL")


def _space_operator(node: Element, text: str) -> None:
    if text in OPEN | CLOSE | BARS:
        if text not in BARS:
            node.set("form", "prefix" if text in OPEN else "postfix")
        _spaces(node, "0", "0")
    elif text in ("/", "′"):
        _spaces(node, "0", "0")
    elif text in (":", "∣"):
        _spaces(node, RELATION, RELATION)
    elif text == ",":
        _spaces(node, "0", THIN)


def _spaces(node: Element, before: str, after: str) -> None:
    node.set("lspace", before)
    node.set("rspace", after)


def _mend_table(node: Element) -> None:
    if node.tag != "mtable":
        return
    alignment = _is_alignment(node)
    node.set("displaystyle", "true" if alignment else "false")
    for row in node.iter("mtr"):
        for number, cell in enumerate(row):
            # MathML Core aligns by CSS; Chromium has its own word for it.
            side = cell.get("columnalign")
            style = f"text-align: {side}; text-align: -webkit-{side}" if side else ""
            if alignment:
                left = "2em" if number and number % 2 == 0 else "0"
                style += f"; padding: 0.3em 0 0.3em {left}"
            if style:
                cell.set("style", style)


def _is_alignment(table: Element) -> bool:
    first = table.find("mtr/mtd")
    return first is not None and first.get("columnalign") == "right"


def _mend_row(row: Sequence[Element]) -> None:
    """Set signs as signs and give functions the space that TeX gives them."""
    spaced = list(_with_neighbors(row))
    for before, node, after in spaced:
        text = _name(node)
        if text == "…" and _is_operator(before) and _is_operator(after):
            node.text = "⋯"
        if text in ("−", "+", "±", "∓") and _expects_operand(before):
            core = _core(node)
            core.set("form", "prefix")
            _spaces(core, "0", "0")
        if _core(node).tag == "mi" and FUNCTIONS.fullmatch(text):
            if before is not None and _ends_operand(before):
                _insert_space(node, 0)
            if after is not None and _begins_operand(after):
                _insert_space(node, 1)


def _with_neighbors(
    row: Sequence[Element],
) -> Iterator[tuple[Element | None, Element, Element | None]]:
    for place, node in enumerate(row):
        yield (
            row[place - 1] if place else None,
            node,
            row[place + 1] if place + 1 < len(row) else None,
        )


def _insert_space(node: Element, offset: int) -> None:
    parent = node.getparent()
    assert parent is not None
    space = etree.Element("mspace", width=THIN)
    parent.insert(parent.index(node) + offset, space)


def _core(node: Element) -> Element:
    """Return what a script or a group of one is attached to."""
    while (node.tag in SCRIPTS and len(node)) or (
        node.tag in ("mrow", "mstyle") and len(node) == 1
    ):
        node = node[0]
    return node


def _name(node: Element) -> str:
    core = _core(node)
    return (core.text or "").strip() if core.tag in TOKENS else ""


def _expects_operand(before: Element | None) -> bool:
    """Whether a sign after `before` belongs to what follows it."""
    if before is None:
        return True
    core = _core(before)
    if core.tag != "mo" or before.tag in SCRIPTS:
        return False
    return _name(before) not in CLOSE | BARS | {"!", "′", "%", "·"}


def _is_operator(node: Element | None) -> bool:
    """Whether dots beside `node` stand at the height of operators."""
    found = node is not None and _core(node).tag == "mo"
    return found and _name(node) not in OPEN | CLOSE | BARS | {",", ";"}


def _ends_operand(before: Element) -> bool:
    core = _core(before)
    if core.tag == "mspace":
        return False
    return core.tag != "mo" or _name(before) in CLOSE | BARS or before.tag in SCRIPTS


def _begins_operand(after: Element) -> bool:
    core = _core(after)
    return core.tag != "mspace" and (core.tag != "mo" or _name(after) in BARS)


def inline_html(tex: str) -> str:
    """A formula within a line."""
    return f'<span class="math">{mathml(tex)}</span>'


def block_html(tex: str, number: str = "", name: str = "") -> str:
    r"""A formula on a line of its own, with its number and the id that links name.

    Where a reader's page is narrow, the line may break at a `\qquad`.
    """
    attribute = f' id="{escape(name)}"' if name else ""
    shown = f'<span class="eqno">({escape(number)})</span>' if number else ""
    parts = "\n".join(
        f'<span class="part">{mathml(part, block=True)}</span>' for part in pieces(tex)
    )
    return f'<div class="math"{attribute}>{shown}{parts}</div>\n'


def pieces(tex: str) -> list[str]:
    r"""Return the parts of a formula between its outermost wide spaces.

    Example:
        >>> pieces(r"a = {b \qquad c}, \qquad d \qquad e")
        ['a = {b \\qquad c},', 'd', 'e']
    """
    found, depth = [""], 0
    for token in WIDE.split(tex):
        depth += len(OPENING.findall(token)) - len(CLOSING.findall(token))
        if token == r"\qquad" and not depth:
            found.append("")
        else:
            found[-1] += token
    return [part.strip() for part in found if part.strip()]
