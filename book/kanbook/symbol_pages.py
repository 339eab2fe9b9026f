"""Symbols on the pages: the notation page, and each chapter's own list."""

import re
from collections.abc import Iterable
from html import escape
from itertools import groupby
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from kanbook.directives import Generated, chapter_title, site_of, to_root
from kanbook.formulas import Formula
from kanbook.notation import TABLE, Row
from kanbook.symbols import Book, rows_in, slug_of
from kanlib.claims import _cards

NOTATION_PAGE = "book/pages/notation.html"
HEAD = ("Symbol", "Meaning", "Shape", "Unit", "In code", "First use")
USED = "kanbook_symbols"
"""The attribute of a formula's node that names the rows of its symbols."""


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.add_directive("notation", Notation)
    app.connect("builder-inited", _name_symbols_of_formulas)
    # Before the block at the page's foot, which is appended by the extension itself.
    app.connect("doctree-resolved", _decorate, priority=400)


class Notation(Generated):
    """The symbols of `book/notation.yml`, one table for each group.

    What counts in some chapters only comes last, under the names of these chapters.
    """

    def made(self) -> list[nodes.Node]:
        """Return the tables; each row has the id that chapters' lists use."""
        book = self.site.symbols
        if not book.table.rows:
            raise ValueError(f"{TABLE} has no row that can be read")
        titles = {
            slug_of(page): f"{{doc}}`{chapter_title(self.site, page)} </{page}>`"
            for page in book.notebooks
        }

        def heading(row: Row) -> str:
            names = (titles.get(slug, slug) for slug in row.chapters)
            return f"Only in {', '.join(names)}" if row.chapters else row.group

        # Sorting is stable: groups and rows stay in the table's order.
        rows = sorted(book.table.rows, key=lambda row: bool(row.chapters))
        found: list[nodes.Node] = []
        order: dict[str, list[Row]] = {}
        for name, some in groupby(rows, key=heading):
            order.setdefault(name, []).extend(some)
        for name, group in order.items():
            found += self.markdown(f":::{{rubric}} {name}\n:::")
            (table,) = self.markdown(*_table(group, book))
            bodies = table.findall(nodes.tbody)
            for node, row in zip(next(iter(bodies)).children, group, strict=True):
                assert isinstance(node, nodes.row)
                node["ids"].append(f"symbol-{row.number}")
            found.append(table)
        return found


def _table(rows: Iterable[Row], book: Book) -> list[str]:
    lines = ["```{list-table}", ":header-rows: 1", ":class: kl-notation"]
    lines += [":widths: 13 32 13 11 18 13", "", _line(HEAD)]
    for row in rows:
        code = f"`{row.code}`" if row.code else "–"
        cells = (f"${row.symbol}$", row.meaning, row.shape or "–", row.unit or "–")
        lines.append(_line((*cells, code, _first_use(row, book))))
    return [*lines, "```"]


def _line(cells: Iterable[str]) -> str:
    return "\n".join(
        f"{'  ' if number else '* '}- {cell}" for number, cell in enumerate(cells)
    )


def _first_use(row: Row, book: Book) -> str:
    """Return a link to where the book has a symbol first, as exactly as it can."""
    first = book.first_page(row)
    if first is None:
        return "–"
    page, place = first
    if place.formula.label:
        return f"{{eq}}`{place.formula.label}`"
    if place.formula.statement:
        return f"{{prf:ref}}`{place.formula.statement}`"
    return f"{{doc}}`text </{page}>`"


def _name_symbols_of_formulas(app: Sphinx) -> None:
    """Let formulas carry their rows as `data-symbols`, from which cards are made."""
    if app.builder.name != "html":
        return
    renderers = app.registry.html_block_math_renderers
    name = app.builder.math_renderer_name  # type: ignore[attr-defined]
    render, depart = renderers[name]

    def visit(translator: Any, node: nodes.math_block) -> None:
        start = len(translator.body)
        try:
            render(translator, node)
        finally:  # Renderers end by raising SkipNode.
            if node.get(USED):
                mark = f'<div data-symbols="{node[USED]}"'
                body = translator.body
                body[start] = body[start].replace("<div", mark, 1)

    renderers[name] = visit, depart


def _decorate(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Give a chapter its list of symbols, and its formulas the rows of theirs."""
    site = site_of(app.env)
    if app.builder.name != "html" or page not in site.symbols.first:
        return
    rows = site.symbols.table.visible(slug_of(page))
    for node in doctree.findall(nodes.math_block):
        used = rows_in(Formula(node.astext(), display=True), rows)
        node[USED] = " ".join(str(row.number) for row in used)
    first = site.symbols.first[page]
    html = symbols_html([row for row in rows if row.number in first], to_root(page))
    title = next(iter(doctree.findall(nodes.title)), None)
    if title is not None and first:
        title.parent.append(nodes.raw("", html, format="html"))


def symbols_html(rows: Iterable[Row], root: str) -> str:
    """The list of a chapter's symbols; a script moves it to the margin if there is one.

    Args:
        rows: The symbols that the chapter uses.
        root: The way from the chapter to the site's root, such as "../../".
    """
    items = "".join(
        f'<div class="kl-symbol" id="symbol-{row.number}" '
        f'data-tex="{escape(row.symbol)}"><dt>{_math(f"${row.symbol}$")}</dt>'
        f"<dd>{_math(row.meaning)}{_facts(row)}</dd></div>"
        for row in rows
    )
    return (
        f'<aside class="kl-symbols {_cards.MATHS}" '
        'aria-label="Symbols of this chapter"><details><summary>Symbols</summary>'
        # Whoever has no mouse scrolls the list by keys, once it has the focus.
        f'<div class="kl-symbols__list" tabindex="0" role="group" aria-label="Symbols">'
        f"<dl>{items}</dl>"
        f'<p><a href="{root}{NOTATION_PAGE}">All symbols of the book</a></p></div>'
        "</details></aside>"
    )


def _math(text: str) -> str:
    return re.sub(r"\$([^$]+)\$", r"\\(\1\\)", escape(text))


def _facts(row: Row) -> str:
    facts = [escape(row.shape), escape(row.unit)]
    facts.append(f"<code>{escape(row.code)}</code>" if row.code else "")
    text = ", ".join(fact for fact in facts if fact)
    return f' <span class="kl-symbol__facts">{text}</span>' if text else ""
