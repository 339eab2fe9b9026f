"""The formulas of a text, found by the parser that renders the page."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

EXTENSIONS = {"amsmath", "colon_fence", "deflist", "dollarmath", "substitution"}
"""As in `_config.yml`: what stands there decides what the page calls a formula."""

DIRECTIVE = re.compile(r"\{(?P<name>[^}]+)\}\s*(?P<argument>.*)")
OPTION = re.compile(r":(?P<key>[\w-]+):\s*(?P<value>.*)")
VERBATIM = frozenset(
    {"code", "code-block", "code-cell", "sourcecode", "raw", "parsed-literal"}
)
"""Directives whose content is no Markdown."""


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
    if match is None or match["name"] in VERBATIM:
        return
    options, content = _options(token.content)
    if match["name"] == "math":
        tex = f"{match['argument']}\n{content}".strip()
        yield Formula(tex, True, options.get("label", ""), statement)
        return
    if match["name"].startswith("prf:"):
        statement = options.get("label", statement)
    title = match["argument"]
    yield from formulas(f"{title}\n\n{content}" if title else content, statement)


def _options(content: str) -> tuple[dict[str, str], str]:
    """Split a directive's content into its options and the rest."""
    lines = content.splitlines()
    if lines and lines[0].strip() == "---":
        stop = next((i for i, one in enumerate(lines[1:], 1) if one == "---"), 0)
        return _pairs(f":{line.strip()}" for line in lines[1:stop]), "\n".join(
            lines[stop + 1 :]
        )
    count = next((i for i, one in enumerate(lines) if not OPTION.match(one)), None)
    return _pairs(lines[:count]), "" if count is None else "\n".join(lines[count:])


def _pairs(lines: Iterable[str]) -> dict[str, str]:
    found = (OPTION.match(line) for line in lines)
    return {match["key"]: match["value"].strip() for match in found if match}
