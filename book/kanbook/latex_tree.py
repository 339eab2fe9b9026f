"""The whole book as one tree for TeX: parts, numbers and statements as on the site.

Sphinx numbers nothing here by TeX: sections, statements and equations keep the numbers
that the pages have.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.builders.latex.nodes import thebibliography
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.texescape import escape
from sphinx_proof.nodes import NODE_TYPES, proof_node

from kanbook.print_config import captions

ENGINE = "xelatex"
# What \setcounter{secnumdepth} takes for no numbers, and for chapters and sections.
UNNUMBERED, NUMBERED = -2, 1
SHORT = 12
"""Rows of a table that is kept on one page."""
MARK = "works-cited-here"
LONG = re.compile(r"[^\s/_]*[/_]\S{18,}")
BREAKABLE = re.compile(r"([/_])(?=\w)")


def setup(app: Sphinx) -> None:
    """Register the changes that only TeX needs."""
    for change in (
        Chapters,
        Statements,
        Equations,
        LongTables,
        BibliographyPlace,
        Bibliography,
        LongWords,
    ):
        app.add_post_transform(change)


class TexTransform(SphinxPostTransform):
    """A change of the tree of the whole book."""

    builders = ("latex",)


class Chapters(TexTransform):
    """Makes the first page a chapter of its own, and opens the parts.

    Sphinx takes the first page's title for the book's and would set its sections as
    chapters.
    """

    default_priority = 300

    def run(self, **kwargs: Any) -> None:
        """Change the tree."""
        top = self.document.next_node(nodes.section)
        assert top is not None
        inside = [
            child
            for child in top.children
            if not isinstance(child, nodes.title) and not _is_contents(child)
        ]
        for child in inside:
            top.remove(child)
        title = nodes.title("", "About this book")
        name = top["ids"][-1]
        chapter = nodes.section(
            "", title, *inside, ids=[f"{name}-text"], docname=self.config.root_doc
        )
        top[1:1] = [_tex(_numbers(UNNUMBERED)), chapter]
        parts = captions(yaml.safe_load(_contents(self.app)))
        for file in list(self.document.findall(addnodes.start_of_file)):
            numbers = self.env.toc_secnumbers.get(file["docname"], {}).values()
            text = _numbers(NUMBERED if any(numbers) else UNNUMBERED)
            if caption := parts.get(file["docname"]):
                text += rf"\klpart{{{escape(caption, ENGINE)}}}"
            file.insert(0, _tex(text))


def _numbers(depth: int) -> str:
    return rf"\setcounter{{secnumdepth}}{{{depth}}}"


def _contents(app: Sphinx) -> str:
    with open(app.config.external_toc_path, encoding="utf-8") as file:
        return file.read()


def _is_contents(node: nodes.Node) -> bool:
    return isinstance(node, nodes.compound) and "toctree-wrapper" in node["classes"]


class Statements(TexTransform):
    """Sets theorems and proofs as environments of our own."""

    default_priority = 300

    def run(self, **kwargs: Any) -> None:
        """Change every statement and every proof."""
        for node in list(self.document.findall(proof_node)):
            inside = node[0].children
            if isinstance(inside[-1], nodes.paragraph):
                inside[-1] += nodes.raw("", r"\klqed{}", format="latex")
            node.replace_self(
                [_tex(r"\begin{klproof}"), *inside, _tex(r"\end{klproof}")]
            )
        kinds = tuple(NODE_TYPES.values())
        for node in list(self.document.findall(lambda one: isinstance(one, kinds))):
            number = _number(self.env, node, node["countertype"], node["ids"][0])
            head = escape(f"{node['realtype'].title()} {number}".strip(), ENGINE)
            name = escape(node["title"].strip(), ENGINE)
            begin = rf"\begin{{klstatement}}{{{head}}}{{{name}}}"
            target = nodes.target("", "", ids=[node["ids"][0]])
            inside = [part for child in node.children[1:] for part in child.children]
            node.replace_self(
                [target, _tex(begin), *inside, _tex(r"\end{klstatement}")]
            )


class Equations(TexTransform):
    """Gives labeled equations the numbers that they have on the pages."""

    default_priority = 300

    def run(self, **kwargs: Any) -> None:
        """Change every labeled equation."""
        for node in list(self.document.findall(nodes.math_block)):
            if not node.get("label"):
                continue
            number = _number(self.env, node, "displaymath", node["ids"][0])
            label = rf"\label{{equation:{node['docname']}:{node['label']}}}"
            node.replace_self(
                _tex(
                    rf"\begin{{equation}}\tag{{{number or node['number']}}}{label}"
                    f"\n{node.astext().strip()}\n" + r"\end{equation}"
                )
            )


class LongTables(TexTransform):
    """Lets every table but a short one go on on the next page."""

    default_priority = 300

    def run(self, **kwargs: Any) -> None:
        """Mark the tables."""
        for table in self.document.findall(nodes.table):
            if sum(1 for _ in table.findall(nodes.row)) > SHORT:
                table["classes"].append("longtable")


class BibliographyPlace(TexTransform):
    """Marks where the works cited stand, before Sphinx moves them to the end."""

    default_priority = 740

    def run(self, **kwargs: Any) -> None:
        """Put a mark before the first of them."""
        first = next(iter(self.document.findall(nodes.citation)), None)
        if first is not None:
            mark = nodes.comment("", ids=[MARK])
            first.parent.insert(first.parent.index(first), mark)


class Bibliography(TexTransform):
    """Puts the works cited back to where the page has them."""

    default_priority = 760

    def run(self, **kwargs: Any) -> None:
        """Move the list to the mark."""
        for mark in list(self.document.findall(nodes.comment)):
            if MARK in mark["ids"]:
                for found in list(self.document.findall(thebibliography)):
                    found.parent.remove(found)
                    mark.replace_self(found)


class LongWords(TexTransform):
    """Lets paths and names in running text break after a slash or an underscore."""

    default_priority = 950

    def run(self, **kwargs: Any) -> None:
        """Change every text outside code and formulas."""
        for text in list(self.document.findall(nodes.Text)):
            if isinstance(
                text.parent,
                (nodes.literal_block, nodes.raw, nodes.FixedTextElement, nodes.math),
            ):
                continue
            broken = breakable(text)
            if broken != text:
                text.parent.replace(text, nodes.Text(broken))


def breakable(text: str) -> str:
    r"""Return a text whose long paths and names hold spaces of no width.

    Example:
        >>> breakable("a/b but docs/of_a_long_name.rst")
        'a/b but docs/\u200bof_\u200ba_\u200blong_\u200bname.rst'
    """
    return LONG.sub(lambda word: BREAKABLE.sub("\\1\u200b", word[0]), text)


def _number(env: BuildEnvironment, node: nodes.Node, kind: str, name: str) -> str:
    numbers = env.toc_fignumbers.get(_page(node, env), {}).get(kind, {})
    return ".".join(map(str, numbers.get(name, ())))


def _page(node: nodes.Node, env: BuildEnvironment) -> str:
    # Sphinx marks the sections when it joins the pages.
    marked = (one["docname"] for one in _above(node) if one.get("docname"))
    return str(next(marked, env.config.root_doc))


def _above(node: nodes.Node) -> Iterator[nodes.Element]:
    while node.parent is not None:
        node = node.parent
        yield node


def _tex(text: str) -> nodes.raw:
    return nodes.raw("", f"\n{text}\n", format="latex")
