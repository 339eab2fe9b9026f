"""Hover cards, the build's side: what a page's links point to on other pages.

A browser that shows a page from a file may not read another page, so the cards for
targets elsewhere travel with the page, as `<template data-card="page.html#id">`; only
those that it refers to. They are cut out of the rendered pages after all are written:
a card is what the reader would find there, numbers and badges included.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator
from functools import cache
from html import escape, unescape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from kanbook.files import write_whole

Target = tuple[str, str]
"""A page of the site, such as "chapters/kan/kan.html", and an id on it."""

# Sphinx's own references, and raw HTML that asks for a card.
LINK = re.compile(
    r'<a\b(?=[^>]*(?:class="reference internal"|\bdata-card\b))[^>]*'
    r'\bhref="([^"#:]+\.html)#([^"]+)"'
)
WITH_MATHEMATICS = ("equation-", "claim-", "check-")
KINDS = ("proof", "citation")
ADDRESS = re.compile(r'\b(href|src)="([^"]+)"')


def targets(body: str, page: str) -> set[Target]:
    """Return what the links of a page's HTML point to on other pages.

    Args:
        body: The page's HTML.
        page: Its path in the site, such as "chapters/kan/kan.html".

    Example:
        >>> link = '<a class="reference internal" href="../b/b.html#equation-x">(2)</a>'
        >>> targets(link, "a/a.html")
        {('b/b.html', 'equation-x')}
    """
    found = {
        (_joined(page, unescape(path)), unescape(name))
        for path, name in LINK.findall(body)
    }
    return {target for target in found if target[0] != page}


def element(html: str, name: str) -> str | None:
    """Return the element with an id if it is one that cards show, else None.

    Args:
        html: A whole page.
        name: The id.

    Example:
        >>> element('<p><i id="claim-a.1">y<i></i></i></p>', "claim-a.1")
        '<i id="claim-a.1">y<i></i></i>'
        >>> element('<div id="elsewhere">y</div>', "elsewhere")
    """
    written = "|".join(re.escape(text) for text in (name, escape(name)))
    start = re.search(rf'<(\w+)\b[^>]*\bid="(?:{written})"[^>]*>', html)
    if start is None or start[1] == "section":
        return None
    classes = re.search(r'\bclass="([^"]*)"', start[0])
    kinds = classes[1].split() if classes else []
    if not (name.startswith(WITH_MATHEMATICS) or any(kind in kinds for kind in KINDS)):
        return None
    depth = 0
    for tag in re.finditer(rf"<(/?){start[1]}\b[^>]*>", html[start.start() :]):
        depth += -1 if tag[1] else 1
        if depth == 0:
            return html[start.start() : start.start() + tag.end()]
    return None


def moved(html: str, source: str, page: str) -> str:
    """Return a piece of page `source` as it must read on `page`: addresses, no ids.

    Example:
        >>> moved('<p id="a"><a href="#b">b</a></p>', "a/a.html", "b/b.html")
        '<p><a href="../a/a.html#b">b</a></p>'
    """

    def adapted(match: re.Match[str]) -> str:
        attribute, address = match[1], match[2]
        if re.match(r"[a-z]+:", address):
            return match[0]
        path, mark, name = address.partition("#")
        whole = _joined(source, path) if path else source
        return f'{attribute}="{_relative(whole, page)}{mark}{name}"'

    return re.sub(r' id="[^"]*"', "", ADDRESS.sub(adapted, html))


def with_templates(html: str, page: str, found: Iterable[tuple[Target, str]]) -> str:
    """Return a page's HTML with one template for each (target, its element)."""
    made = "".join(
        f'<template data-card="{escape(path)}#{escape(name)}">'
        f"{moved(text, path, page)}</template>\n"
        for (path, name), text in found
    )
    before, end, after = html.rpartition("</body>")
    return f"{before}{made}{end}{after}"


def _joined(page: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), path))


def _relative(path: str, page: str) -> str:
    return posixpath.relpath(path, posixpath.dirname(page) or ".")


class Cards:
    """Collects what each written page refers to, and completes the pages in the end."""

    def __init__(self) -> None:
        self.wanted: dict[str, set[Target]] = {}

    def collect(
        self,
        app: Sphinx,
        page: str,
        template: str,
        context: dict[str, Any],
        doctree: nodes.document | None,
    ) -> None:
        """Note what a page refers to; let it load MathJax if a card needs it."""
        if app.builder.name != "html" or doctree is None:
            return
        found = targets(context.get("body", ""), f"{page}.html")
        self.wanted[f"{page}.html"] = found
        statements = getattr(app.env, "proof_list", {})
        if any(
            name.startswith(WITH_MATHEMATICS) or name in statements for _, name in found
        ):
            app.env.get_domain("math").data["has_equations"][page] = True

    def complete(self, app: Sphinx, error: Exception | None) -> None:
        """Put the templates into the written pages."""
        if error is not None or app.builder.name != "html":
            return
        root = Path(app.outdir)

        @cache
        def text_of(page: str) -> str:
            path = root / page
            return path.read_text("utf-8") if path.is_file() else ""

        def elements(wanted: set[Target]) -> Iterator[tuple[Target, str]]:
            for page, name in sorted(wanted):
                found = element(text_of(page), name)
                if found:
                    yield (page, name), found

        for page, wanted in self.wanted.items():
            found = list(elements(wanted))
            if found:
                write_whole(root / page, with_templates(text_of(page), page, found))


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    cards = Cards()
    # Before the extension that decides whether a page loads MathJax.
    app.connect("html-page-context", cards.collect, priority=400)
    app.connect("build-finished", cards.complete)
