"""Directives in Markdown: read as a tree, and written with colons.

In Jupyter and Colab a fence of backticks is a block of code, whatever its name. Between
colons the content stays Markdown, formulas included; so chapters write what is prose,
a theorem or a note, between colons, and the site shows both alike.
"""

import copy
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kanbook.cells import Notebook, cells_of

OPENING = re.compile(
    r"(?P<indent>\s*)(?P<marks>`{3,}|~{3,}|:{3,})"
    r"(?:\{(?P<name>[\w:.-]+)\}[ \t]*(?P<argument>.*?)|(?P<info>[^`{]*?))\s*$"
)
OPTION = re.compile(r"\s*:?([\w-]+):\s*(.*?)\s*$")
LITERAL = frozenset(
    {
        "",
        "code",
        "code-block",
        "code-cell",
        "math",
        "parsed-literal",
        "raw",
        "sourcecode",
    }
)
"""Directives whose content is no Markdown; "" is a block of code without a name."""
PROSE = frozenset(
    {
        "admonition",
        "attention",
        "caution",
        "danger",
        "dropdown",
        "error",
        "hint",
        "important",
        "margin",
        "note",
        "seealso",
        "sidebar",
        "tip",
        "topic",
        "warning",
    }
)
"""Directives that hold prose, besides those of the domain `prf`."""


class Directive(NamedTuple):
    """A fenced block: its name, what follows it, its options and its content."""

    name: str
    argument: str
    options: Mapping[str, str]
    body: tuple[str, ...]
    marks: str
    indent: str

    @property
    def literal(self) -> bool:
        """Whether the content is code or a formula."""
        return self.name in LITERAL

    @property
    def prose(self) -> bool:
        """Whether the content is prose, which belongs between colons."""
        return self.name in PROSE or self.name.startswith("prf:")


def blocks(lines: Iterable[str]) -> Iterator[str | Directive]:
    r"""Yield the lines of some Markdown, and each fenced block as a whole.

    Example:
        >>> list(blocks("a\n:::{note} B\n:class: c\n\nd\n:::".split("\n")))[1].body
        ('d',)
    """
    left = list(lines)
    while left:
        line = left.pop(0)
        opened = OPENING.match(line)
        # Colons without a name are text, or the end of a block that never began.
        if opened is None or (opened["name"] is None and opened["marks"][0] == ":"):
            yield line
            continue
        marks, indent = opened["marks"], opened["indent"]
        closing = re.compile(rf"\s*{marks[0]}{{{len(marks)},}}\s*$")
        body: list[str] = []
        while left and not closing.match(left[0]):
            body.append(left.pop(0).removeprefix(indent))
        del left[:1]
        if opened["name"] is None:
            yield Directive("", opened["info"], {}, tuple(body), marks, indent)
            continue
        given, content = options(body)
        yield Directive(
            opened["name"], opened["argument"], given, content, marks, indent
        )


def options(body: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Split a directive's options, `:name: value` or YAML in ---, from the content."""
    left = list(body)
    block = bool(left) and left[0].strip() == "---"
    del left[:block]
    found = {}
    while left and (match := OPTION.match(left[0])):
        if not block and not left[0].lstrip().startswith(":"):
            break
        found[match[1]] = match[2].strip("\"'")
        del left[0]
    if block and left and left[0].strip() == "---":
        del left[0]
    while left and not left[0].strip():
        del left[0]
    return found, tuple(left)


def directives(lines: Iterable[str]) -> Iterator[Directive]:
    """Yield every named directive that Markdown would run, outer before inner."""
    for block in blocks(lines):
        if isinstance(block, Directive):
            if block.name:
                yield block
            if not block.literal:
                yield from directives(block.body)


def with_colons(text: str) -> str:
    r"""Return Markdown whose prose directives stand between colons.

    Example:
        >>> print(with_colons("```{note}\nA ``b``.\n```"))
        :::{note}
        A ``b``.
        :::
    """
    return "\n".join(_lines(blocks(text.split("\n"))))


def _lines(found: Iterable[str | Directive]) -> Iterator[str]:
    for block in found:
        if isinstance(block, str):
            yield block
            continue
        body = list(block.body)
        if not block.literal:
            body = list(_lines(blocks(body)))
        marks = block.marks
        if block.prose:
            # An outer fence is longer than each inner one.
            inner = [len(m[1]) for m in (re.match(r"\s*(:{3,})", b) for b in body) if m]
            marks = ":" * max([3, *(length + 1 for length in inner)])
        head = f"{{{block.name}}} {block.argument}".rstrip() if block.name else ""
        given = [f":{name}: {value}".rstrip() for name, value in block.options.items()]
        gap = [""] if given and body else []
        first = f"{marks}{head or block.argument}"
        for line in (first, *given, *gap, *body, marks):
            yield f"{block.indent}{line}".rstrip() if line else ""


def colon_fenced(notebook: Notebook) -> dict[str, Any]:
    """Return a copy of a notebook whose prose directives stand between colons."""
    made: dict[str, Any] = copy.deepcopy(dict(notebook))
    for _, cell in cells_of(made, "markdown"):
        cell["source"] = with_colons(cell["source"])  # type: ignore[index]
    return made


def fence_rules(notebook: Notebook) -> Iterator[str]:
    """Prose directives stand between colons."""
    for number, cell in cells_of(notebook, "markdown"):
        for one in directives(cell["source"].split("\n")):
            if one.prose and one.marks[0] != ":":
                yield (
                    f"cell {number} has {one.marks}{{{one.name}}}; expected "
                    f":::{{{one.name}}}, because Jupyter and Colab show a fence of "
                    "backticks as code. kanbook.fences.colon_fenced converts a notebook"
                )
