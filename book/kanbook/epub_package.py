"""What holds an EPUB together: the package file, the contents, pages mended.

Pure functions. Sphinx writes such files too, but its paths are not normal for a first
page below the root, its contents have no parts, and it does not say which pages hold
MathML.
"""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

from lxml import etree
from lxml.builder import ElementMaker

XHTML = "http://www.w3.org/1999/xhtml"
OPS = "http://www.idpf.org/2007/ops"
OPF = "http://www.idpf.org/2007/opf"
DC = "http://purl.org/dc/elements/1.1/"
MATHML = "http://www.w3.org/1998/Math/MathML"
XML = "http://www.w3.org/XML/1998/namespace"

TYPES = {".css": "text/css", ".png": "image/png", ".xhtml": "application/xhtml+xml"}
"""The kinds of files that an EPUB of ours has."""
COVER, COVER_PAGE, NAVIGATION = "_static/cover.png", "epub-cover.xhtml", "nav.xhtml"

Tree: TypeAlias = Any  # lxml has no types
Element: TypeAlias = Any


@dataclass(frozen=True)
class Entry:
    """One line of the contents.

    Args:
        title: What it says.
        address: Where it leads; empty for the caption of a part.
        below: The lines below it.
    """

    title: str
    address: str = ""
    below: tuple["Entry", ...] = field(default=())


def contents(toc: Mapping[str, Any], trees: Mapping[str, Tree]) -> tuple[Entry, ...]:
    """Return the contents: parts, pages, their sections and the pages below them.

    Args:
        toc: The table of contents as `_toc.yml` has it.
        trees: File -> page.
    """
    return tuple(_entries(toc, trees))


def _entries(toc: Mapping[str, Any], trees: Mapping[str, Tree]) -> Iterator[Entry]:
    if "root" in toc:
        yield _page(toc["root"], {}, trees)
    for part in toc.get("parts", []):
        inside = tuple(_entries(part, trees))
        if part.get("caption"):
            yield Entry(part["caption"], below=inside)
        else:
            yield from inside
    for key in ("chapters", "sections"):
        for one in toc.get(key, []):
            yield _page(one["file"], one, trees)


def _page(name: str, toc: Mapping[str, Any], trees: Mapping[str, Tree]) -> Entry:
    file = f"{name}.xhtml"
    sections = [
        Entry(_text(heading), f"{file}#{heading.getparent().get('id')}")
        for heading in trees[file].iter(f"{{{XHTML}}}h2")
        if heading.getparent().get("id")
    ]
    title = next(trees[file].iter(f"{{{XHTML}}}h1"))
    return Entry(_text(title), file, (*sections, *_entries(toc, trees)))


def _text(node: Element) -> str:
    return " ".join("".join(node.itertext()).split())


def navigation(lines: Sequence[Entry], title: str) -> bytes:
    """Return the contents as the page that readers of EPUB make their menu of."""
    make = ElementMaker(namespace=XHTML, nsmap={None: XHTML, "epub": OPS})

    def listed(entries: Sequence[Entry]) -> Element:
        items = []
        for entry in entries:
            name = make.a(entry.title, href=entry.address)
            item = make.li(name if entry.address else make.span(entry.title))
            if entry.below:
                item.append(listed(entry.below))
            items.append(item)
        return make.ol(*items)

    menu = make.nav(make.h1("Contents"), listed(lines), {f"{{{OPS}}}type": "toc"})
    page = make.html(make.head(make.title(title)), make.body(menu), lang="en")
    page.set(f"{{{XML}}}lang", "en")
    return _written(page)


def package(
    facts: Mapping[str, str], when: int, files: Sequence[str], spine: Sequence[str]
) -> bytes:
    """Return the package file: what the book is, its files, their order.

    Args:
        facts: title, creator, publisher, description, identifier, rights, language.
        when: The second since 1970 that the edition is dated with.
        files: Every file, with a note of what it holds after a blank: "a.xhtml mathml".
        spine: The pages in reading order.
    """
    make = ElementMaker(namespace=OPF, nsmap={None: OPF})
    dc = ElementMaker(namespace=DC, nsmap={"dc": DC})
    second = datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    about = [dc(key, text) for key, text in facts.items()]
    about[list(facts).index("identifier")].set("id", "book")
    metadata = make.metadata(
        *about,
        dc.date(second[:10]),
        make.meta(second, property="dcterms:modified"),
        make.meta(name="cover", content="cover"),
    )
    items = []
    for number, line in enumerate(files):
        name, _, holds = line.partition(" ")
        name_id = "cover" if name == COVER else f"file-{number}"
        item = make.item(id=name_id, href=name)
        item.set("media-type", TYPES[posixpath.splitext(name)[1]])
        if holds:
            item.set("properties", holds)
        items.append(item)
    ids = {item.get("href"): item.get("id") for item in items}
    refs = [make.itemref(idref=ids[name]) for name in spine]
    root = make.package(metadata, make.manifest(*items), make.spine(*refs))
    root.set("version", "3.0")
    root.set("unique-identifier", "book")
    root.set(f"{{{XML}}}lang", "en")
    return _written(root)


def holds(name: str, tree: Tree | None) -> str:
    """Return what the package file must say of a file."""
    if name == COVER:
        return "cover-image"
    if name == NAVIGATION:
        return "nav"
    found = tree is not None and next(tree.iter(f"{{{MATHML}}}math"), None) is not None
    return "mathml" if found else ""


def mended(tree: Tree) -> bytes:
    """Return a page with its language and without what a browser alone needs."""
    page = tree.getroot()
    page.set("lang", "en")
    page.set(f"{{{XML}}}lang", "en")
    for meta in list(tree.iter(f"{{{XHTML}}}meta")):
        if meta.get("name") == "viewport":
            meta.getparent().remove(meta)
    return _written(page, doctype="<!DOCTYPE html>")


def _written(root: Element, **how: str) -> bytes:
    return etree.tostring(root, encoding="utf-8", xml_declaration=True, **how)
