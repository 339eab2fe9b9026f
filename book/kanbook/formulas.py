"""The formulas of a text, found by the parser that renders the page."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

from kanbook.fences import LITERAL, options

EXTENSIONS = {"amsmath", "colon_fence", "deflist", "dollarmath", "substitution"}
"""As in `_config.yml`: what stands there decides what the page calls a formula."""

DIRECTIVE = re.compile(r"\{(?P<name>[^}]+)\}\s*(?P<argument>.*)")


@dataclass(frozen=True)
class Formula:
    """One formula of a text.

    Args:
        tex: What stands between the marks.
        display: Whether it stands on lines of its own.
        label: Its label; empty without one.
        statement: The label of the numbered statement that contains it, or empty.
    """

    tex: str
    display: bool
    label: str = ""
    statement: str = ""


def formulas(markdown: str, statement: str = "") -> Iterator[Formula]:
    r"""Yield the formulas of a Markdown text in their order.

    Args:
        markdown: A cell's source, or the content of a directive.
        statement: The label of the numbered statement that the text is.

    Example:
        >>> for found in formulas("With $x$ `$no$`:\n\n$$\ny = x\n$$ (line)"):
        ...     print(found)
        Formula(tex='x', display=False, label='', statement='')
        Formula(tex='y = x', display=True, label='line', statement='')
    """
    for token in _parser().parse(markdown):
        if token.type in ("math_block", "amsmath"):
            yield Formula(token.content.strip(), display=True, statement=statement)
        elif token.type in ("math_block_label", "math_block_eqno"):
            yield Formula(token.content.strip(), True, token.info, statement)
        elif token.type in ("fence", "colon_fence"):
            yield from _of_directive(token, statement)
        for child in token.children or ():
            if child.type.startswith("math_"):
                yield Formula(child.content, display=False, statement=statement)


@cache
def _parser() -> MarkdownIt:
    return create_md_parser(MdParserConfig(enable_extensions=EXTENSIONS), RendererHTML)


def _of_directive(token: Token, statement: str) -> Iterator[Formula]:
    match = DIRECTIVE.match(token.info.strip())
    if match is None or match["name"] in LITERAL - {"math"}:
        return
    given, body = options(token.content.splitlines())
    content = "\n".join(body)
    if match["name"] == "math":
        tex = f"{match['argument']}\n{content}".strip()
        yield Formula(tex, True, given.get("label", ""), statement)
        return
    if match["name"].startswith("prf:"):
        statement = given.get("label", statement)
    title = match["argument"]
    yield from formulas(f"{title}\n\n{content}" if title else content, statement)
