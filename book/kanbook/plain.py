"""A chapter's notebook as readers take it away: plain Markdown, nothing of MyST.

`plain` is a pure function: what numbers and titles the site gives to equations,
statements, sections and citations comes in as `Names`, made by `kanbook.downloads`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import nbformat
from nbformat.v4 import new_markdown_cell

from kanbook.cells import Notebook, bundles_of, cells_of, code_cells, without_injected
from kanbook.fences import PROSE, Directive, blocks
from kanbook.refresh import normalized

CODE_ROLES = {"code", "command", "file", "kbd", "literal", "samp"}
TEXT_ROLES = {"abbr", "verdict"}
BOXES = {"container", "div"}
DROPPED = {"tableofcontents", "contents", "index"}
TOKEN = re.compile(
    r"\{(?P<role>[\w:.+-]+)\}(?P<ticks>`+)(?P<content>.+?)(?<!`)(?P=ticks)(?!`)"
    r"|(?P<marks>`+)(?P<code>.+?)(?<!`)(?P=marks)(?!`)"
    r"|(?<!\\)\$\$(?P<tex>.+?)\$\$(?:[ \t]*\((?P<label>[\w:.+-]+)\))?"
    r"|(?<![\\$])\$(?![\s$])(?P<inline>(?:\\.|[^$\\])+?)(?<!\s)\$(?!\d)"
    r"|(?P<bang>!?)\[(?P<text>[^\]\n]*)\]\((?P<target>[^)\s]*)\)",
    re.DOTALL,
)


class Role(NamedTuple):
    """One role in the text, such as {eq}`kan-layer`."""

    name: str
    content: str


@dataclass(frozen=True)
class Names:
    """What the site calls things; everything is Markdown.

    Args:
        roles: What each role prints.
        equations: Label -> number, such as "1.3".
        statements: Label -> kind and number, such as "Theorem 1.2".
        unlabelled: The same for statements without a label, in their order.
        links: Target of a relative link or image -> its address; without one, the
            link becomes its text.
        closing: Markdown for the notebook's end, such as the list of references.
    """

    roles: Mapping[Role, str] = field(default_factory=dict)
    equations: Mapping[str, str] = field(default_factory=dict)
    statements: Mapping[str, str] = field(default_factory=dict)
    unlabelled: Sequence[str] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    closing: str = ""


def plain(notebook: Notebook, names: Names) -> nbformat.NotebookNode:
    """Return the notebook that a reader downloads.

    Args:
        notebook: An executed chapter; it is not changed.
        names: What its roles and labels are on the site.

    Returns:
        A notebook of plain Markdown with the outputs of the execution, ready for
        Jupyter and Colab.

    Raises:
        ValueError: a role or directive has no plain form ("has no plain form"), with
            the cell.
    """
    made = normalized(notebook)
    made.cells = without_injected(made.cells)
    writer = _Writer(names)
    for cell, text in writer.cells(made):
        cell["source"] = text
    for _, cell in code_cells(made):
        for data in bundles_of(cell):
            if "text/html" in data:
                data["text/html"] = _light("".join(data["text/html"]))  # type: ignore[index]
    if names.closing:
        made.cells.append(new_markdown_cell(names.closing, id="closing"))
    return made


def roles(notebook: Notebook) -> list[Role]:
    """Return the roles of a notebook's Markdown, each once.

    Raises:
        ValueError: as for `plain`.
    """
    found: dict[Role, None] = {}

    def note(role: Role) -> str:
        found[role] = None
        return ""

    writer = _Writer(Names(), note)
    list(writer.cells(notebook))
    return list(found)


def relative(notebook: Notebook) -> list[str]:
    """Return the targets of links and images that are no address of their own."""
    found: dict[str, None] = {}
    for _, cell in cells_of(notebook, "markdown"):
        for match in TOKEN.finditer(cell["source"]):
            if match["target"] is not None and not _absolute(match["target"]):
                found[match["target"]] = None
    return list(found)


def _light(html: str) -> str:
    """Return a figure's HTML with its light picture only.

    Jupyter strips the style of a notebook that it does not trust yet, as every notebook
    just downloaded is; without the style both pictures would show.
    """
    if 'class="kl-figure"' not in html:
        return html
    html = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    return re.sub(r"<img\b[^>]*\bkl-dark\b[^>]*>", "", html)


def _absolute(target: str) -> bool:
    return re.match(r"[a-z][a-z+.-]*:", target) is not None


class _Writer:
    """Writes Markdown; counts the statements that have no label."""

    def __init__(self, names: Names, lookup: Callable[[Role], str] | None = None):
        self.names = names
        self.lookup = lookup or self._known
        self.strict = lookup is None
        self.unlabelled = iter(names.unlabelled)

    def cells(self, notebook: Notebook) -> Iterator[tuple[Any, str]]:
        """Yield the cells of Markdown with their text as plain Markdown."""
        for number, cell in cells_of(notebook, "markdown"):
            try:
                yield cell, self.text(cell["source"])
            except ValueError as error:
                raise ValueError(f"cell {number} (id {cell['id']}): {error}") from None

    def text(self, source: str) -> str:
        """Return a cell's Markdown as plain Markdown."""
        made = "\n".join(self._lines(blocks(source.split("\n"))))
        return re.sub(r"\n{3,}", "\n\n", made).strip("\n")

    def _lines(self, found: Iterable[str | Directive]) -> Iterator[str]:
        prose: list[str] = []
        for block in found:
            if isinstance(block, str):
                prose.append(block)
                continue
            yield from self._prose(prose)
            prose = []
            for line in self._directive(block):
                yield block.indent + line if line else ""
        yield from self._prose(prose)

    def _prose(self, lines: Sequence[str]) -> Iterator[str]:
        kept = [
            line
            for line in lines
            # labels of sections, comments, breaks of MyST
            if not re.match(r"\([\w:.+-]+\)=\s*$|%|\+\+\+", line)
        ]
        if kept:
            yield from _definitions(self._inline("\n".join(kept)).split("\n"))

    def _inline(self, text: str) -> str:
        return TOKEN.sub(self._token, text)

    def _token(self, match: re.Match[str]) -> str:
        if match["role"]:
            content = " ".join(match["content"].split())
            return self._role(Role(match["role"], content))
        if match["label"]:
            return self._equation(match["tex"], match["label"])
        if match["target"] is not None and not _absolute(match["target"]):
            return self._link(match)
        return match[0]

    def _role(self, role: Role) -> str:
        if role.name == "math":
            return f"${role.content}$"
        if role.name in CODE_ROLES:
            return f"`{role.content}`"
        if role.name in TEXT_ROLES:
            return role.content.partition(" (")[0]
        if role.name in ("sub", "sup"):
            return f"<{role.name}>{role.content}</{role.name}>"
        if role.name.startswith("py:"):
            return f"`{_named(role.content)}`"
        return self.lookup(role)

    def _known(self, role: Role) -> str:
        if role not in self.names.roles:
            raise ValueError(
                f"the role {{{role.name}}}`{role.content}` has no plain form; expected "
                "one that kanbook.downloads can resolve. Mend the name, or teach it"
            )
        return self.names.roles[role]

    def _link(self, match: re.Match[str]) -> str:
        address = self.names.links.get(match["target"])
        text = self._inline(match["text"])
        if address:
            return f"{match['bang']}[{text}]({address})"
        return f"*Figure: {text}*" if match["bang"] else text

    def _equation(self, tex: str, label: str) -> str:
        number = self.names.equations.get(label)
        if number is None and self.strict:
            raise ValueError(
                f"the equation {label!r} has no plain form; expected its number from "
                "the site"
            )
        return f"$${tex.rstrip()} \\tag{{{number}}}\n$$"

    def _directive(self, block: Directive) -> Iterator[str]:
        name, argument = block.name, block.argument
        if name == "math":
            tex = "\n" + "\n".join([argument, *block.body]).strip("\n")
            label = block.options.get("label")
            yield from (self._equation(tex, label) if label else f"$${tex}\n$$").split(
                "\n"
            )
        elif block.literal:
            language = argument or "text" if name else argument
            marks = block.marks if block.marks[0] != ":" else "```"
            yield from (marks + language.strip(), *block.body, marks)
        elif name == "prf:proof":
            yield from _ended(["*Proof.*", *self._lines(blocks(block.body))])
        elif name.startswith("prf:"):
            head = self._head(block)
            yield from _quoted([f"**{head}.**", "", *self._body(block)])
        elif name == "dropdown":
            yield from ("<details>", f"<summary>{self._inline(argument)}</summary>", "")
            yield from (*self._body(block), "", "</details>")
        elif name in PROSE:
            titled = name in ("admonition", "topic", "sidebar") and argument
            head = argument if titled else name.title()
            lead = [] if name == "margin" else [f"**{self._inline(head)}.**", ""]
            first = [argument, ""] if argument and not titled else []
            yield from _quoted([*lead, *map(self._inline, first), *self._body(block)])
        elif name in ("figure", "image"):
            alt = block.options.get("alt", "")
            yield self._inline(f"![{alt}]({argument})")
            yield from ("", *self._body(block))
        elif name == "only":
            # What a print edition says holds without the page's decorations.
            yield from self._body(block) if argument != "builder_html" else ()
        elif name in BOXES:
            yield from self._body(block)
        elif name == "rubric":
            yield f"**{self._inline(argument)}**"
        elif name not in DROPPED:
            raise ValueError(
                f"the directive {{{name}}} has no plain form; expected a statement, a "
                "proof, an admonition, a dropdown, a figure, mathematics or code. "
                "Write it otherwise, or give it a form in kanbook/plain.py"
            )

    def _body(self, block: Directive) -> Iterator[str]:
        return self._lines(blocks(block.body))

    def _head(self, block: Directive) -> str:
        kind = block.name.removeprefix("prf:").title()
        label = block.options.get("label", "")
        if "nonumber" in block.options:
            head = kind
        elif label:
            head = self.names.statements.get(label, kind)
        else:
            head = next(self.unlabelled, kind)
        title = self._inline(block.argument)
        return f"{head} ({title})" if title else head


def _named(content: str) -> str:
    r"""Return what a role for Python's names shows.

    Example:
        >>> _named("evaluate <kanlib.claims.evaluate>"), _named("~kanlib.KAN")
        ('evaluate', 'KAN')
    """
    titled = re.fullmatch(r"(.+?)\s*<[^>]+>", content)
    if titled:
        return titled[1]
    return content.rpartition(".")[2] if content.startswith("~") else content


def _definitions(lines: Sequence[str]) -> Iterator[str]:
    """Write lists of definitions as ordinary lists: Jupyter knows no others."""
    for index, line in enumerate(lines):
        following = lines[index + 1] if index + 1 < len(lines) else ""
        if line.strip() and following.startswith(": "):
            yield f"- **{line.strip()}**"
        elif line.startswith(": "):
            yield f"  {line[1:]}"
        else:
            yield line


def _quoted(lines: Iterable[str]) -> Iterator[str]:
    """Write a block as a quotation, with each formula on one line.

    Jupyter takes formulas out before it reads Markdown, so the marks of a quotation
    would stand inside a formula of several lines.
    """
    text = re.sub(
        r"\$\$(.+?)\$\$",
        lambda match: f"$${' '.join(match[1].split())}$$",
        "\n".join(lines).strip("\n"),
        flags=re.DOTALL,
    )
    for line in text.split("\n"):
        yield f"> {line}".rstrip()


def _ended(lines: Sequence[str]) -> list[str]:
    """Return a proof with its opening words before, and its mark behind, the text."""
    kept = [*lines]
    while kept and not kept[-1].strip():
        kept.pop()
    first = kept[1] if len(kept) > 1 else ""
    if first and not re.match(r"\s|\$\$|[-*+] |\d+[.)] |[>#|`]", first):
        kept[:2] = [f"{kept[0]} {first}"]
    else:
        kept.insert(1, "")
    if re.search(r"\$\$$|^\s|^>|^```", kept[-1]):
        return [*kept, "", "∎"]
    kept[-1] += " ∎"
    return kept
