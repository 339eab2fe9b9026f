"""Statements on the pages: a badge at each title, and the list of them all."""

import re
from collections.abc import Iterator
from html import escape
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx_proof.nodes import NODE_TYPES, unenumerable_node

from kanbook.directives import Generated, place_of, site_of
from kanbook.print_records import escaped, table
from kanbook.statements import NEED_A_CHECK, Record, Stated
from kanlib.claims import _statement

logger = logging.getLogger(__name__)

PROVED = (*NODE_TYPES.values(), unenumerable_node)
HEADS, WIDTHS = ("Statement", "Outcome", "Evaluated"), (26, 22, 52)


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.add_directive("statements", Statements)
    app.add_post_transform(Lines)
    app.connect("doctree-resolved", _decorate)


class Lines(SphinxPostTransform):
    """On paper, a line below each statement says how its check came out."""

    default_priority = 200  # before an edition gives statements a form of its own

    def is_supported(self) -> bool:
        """Whether this is an edition for paper; a screen has badges."""
        return bool(self.app.builder.name != "html")

    def run(self, **kwargs: Any) -> None:
        """Add the lines."""
        known = _by_label(self.app)
        for node in _proved(self.document):
            if node["label"] in known:
                add_line(node, known[node["label"]].record)


def _by_label(app: Sphinx) -> dict[str, Stated]:
    return {one.statement.label: one for one in site_of(app.env).statements.stated}


def _proved(doctree: nodes.document) -> Iterator[nodes.Element]:
    for node in doctree.findall(nodes.Element):
        if isinstance(node, PROVED):
            yield node


def add_line(node: nodes.Element, record: Record | None) -> None:
    """Say below a statement how its check came out."""
    if record is None:
        return
    said = _statement.check_badge(record)
    section = node.children[-1]
    assert isinstance(section, nodes.Element)
    line = nodes.emphasis("", f"{said[0].upper()}{said[1:]}.")
    section += nodes.paragraph("", "", line, classes=["kl-checked"])


def add_badge(node: nodes.Element, record: Record | None) -> None:
    """Let a small link in a statement's title lead to the card of its check."""
    if record is None:
        return
    title = node.children[0]
    assert isinstance(title, nodes.Element)
    name, said = escape(record["statement"]), _statement.check_badge(record)
    badge = f' <a class="kl-badge" data-card href="#check-{name}">{said}</a>'
    title += nodes.raw("", badge, format="html")


def _decorate(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Put the badges on a page, the statements' names on the cards of their checks."""
    if app.builder.name != "html":
        return
    site, known = site_of(app.env), _by_label(app)
    for node in _proved(doctree):
        if node["label"] in known:
            add_badge(node, known[node["label"]].record)
        elif _needs_a_cell(node, page in site.chapters):
            logger.warning(
                "%s: the %s %r stands where no cell can check it; expected it in a "
                "Markdown cell of a chapter, as a directive of its own. Move it "
                "there, or write `:nonumber:` in place of its label.",
                place_of(site, page, node.line or 0),
                node["realtype"],
                node["label"],
                location=node,
            )
    for raw in doctree.findall(nodes.raw):
        if 'class="kl-check ' in raw.astext():
            _name(app, raw, known)


def _needs_a_cell(node: nodes.Element, in_chapter: bool) -> bool:
    """Whether nothing else would say that a statement has no check."""
    if isinstance(node, unenumerable_node) or node["realtype"] not in NEED_A_CHECK:
        return False
    # Without a label it has one like theorem-3, and in a chapter a rule that says so.
    unlabelled = re.fullmatch(rf"{node['realtype']}-\d+", node["label"])
    return not (in_chapter and unlabelled)


def _name(app: Sphinx, node: nodes.raw, known: dict[str, Stated]) -> None:
    """Give a check's card the statement's number and title in place of its label."""
    for label, one in known.items():
        old = f'<strong class="kl-check__id">{escape(label)}</strong>'
        if one.record is not None and old in node.astext():
            name = f"{one.statement.kind.title()} {_number(app, label)}".strip()
            if one.statement.title:
                name += f" ({one.statement.title})"
            link = f'<a href="#{escape(label)}">{escape(name)}</a>'
            new = f'<strong class="kl-check__id">{link}</strong>'
            node.children[0] = nodes.Text(node.astext().replace(old, new))
            node.rawsource = ""


def _number(app: Sphinx, label: str) -> str:
    one = app.env.proof_list[label]  # type: ignore[attr-defined]
    numbers = app.env.toc_fignumbers.get(one["docname"], {})
    return ".".join(map(str, numbers.get(one["countertype"], {}).get(label, ())))


class Statements(Generated):
    """Every labelled statement of the book, with what became of its check."""

    def made(self) -> list[nodes.Node]:
        """Return one table for each chapter that has statements."""
        pages: dict[str, list[Stated]] = {}
        for one in self.site.statements.stated:
            pages.setdefault(one.page, []).append(one)
        if not pages:
            return self.markdown("No statement is numbered yet.")
        found: list[nodes.Node] = []
        for page, stated in pages.items():
            # A fence of backticks may not have backticks in its first line.
            found += self.markdown(f":::{{rubric}} {{doc}}`/{page}`\n:::")
            rows = [tuple(_row(one)) for one in stated]
            box = nodes.container(classes=["kl-statements"])
            box += self.markdown(table(HEADS, rows, WIDTHS))
            found.append(box)
        return found


def _row(one: Stated) -> Iterator[str]:
    title = f" ({one.statement.title})" if one.statement.title else ""
    yield f"{{prf:ref}}`{one.statement.label}`{title}"
    record = one.record
    if record is None:
        yield from ("–", "–")
        return
    yield _statement.check_badge(record)
    yield "\n\n".join(_sides(record)) or f"because {escaped(record['because'])}"


def _sides(record: Record) -> Iterator[str]:
    for side in record["sides"]:
        yield f"{escaped(side['name'])}: {escaped(_statement.side_text(side))}"
