"""The book as an EPUB: MathML, light pictures, no script, nothing from outside."""

import posixpath
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag

import yaml
from lxml import etree

from kanbook import archive, cover
from kanbook.build import BuildFailed, rendered, replace, scratch
from kanbook.epub_package import (
    COVER,
    COVER_PAGE,
    NAVIGATION,
    XHTML,
    Tree,
    contents,
    holds,
    mended,
    navigation,
    package,
)
from kanbook.print_config import pages

TEMPLATES = Path(__file__).parent / "templates" / "epub"
STYLES = ("_static/print.css", "_static/pygments.css")
META = ("mimetype", "META-INF/container.xml", "content.opf")
"""What comes first in the file, in this order."""


def build_epub(root: Path, *, executed: Path | None) -> Path:
    """Render the book to `root/_build/NAME.epub` and return that file.

    Args:
        root: The folder that holds `_config.yml`, `_toc.yml` and `CITATION.cff`.
        executed: The folder of executed copies; None renders the committed notebooks.

    Raises:
        BuildFailed: as for `build`; and a page that no reader could open.
    """
    root = root.resolve()
    name, when = archive.name_of(root), archive.epoch(root)
    with scratch(root / "_build") as art:
        cover.draw(art / "cover.png", archive.citation(root))
        with rendered(
            root, "epub", executed=executed, settings=_settings(root, art), epoch=when
        ) as folder:
            toc = yaml.safe_load((folder.parent / "toc.yml").read_text("utf-8"))
            listed = _files(folder)
            trees, said = _parsed(folder, listed)
            said = said or list(problems(trees, listed))
            if said:
                raise BuildFailed(said)
            _complete(folder, root, toc, trees, listed)
            files = [(inside, folder / inside) for inside in (*META, *listed)]
            packed = archive.pack(folder.parent / "packed", files, when, META[0])
            return replace(root / "_build" / f"{name}.epub", packed)


def _files(folder: Path) -> list[str]:
    """Return the files that belong into the book: pages, pictures and two styles."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    return sorted(
        name
        for name in found
        if (
            name.endswith((".xhtml", ".png"))
            and (not name.startswith("_static/") or name == COVER)
        )
        or name in STYLES
    )


def _parsed(folder: Path, listed: list[str]) -> tuple[dict[str, Tree], list[str]]:
    """Return the pages as trees, and which of them no XML parser takes."""
    trees, said = {}, []
    for name in listed:
        if name.endswith(".xhtml") and name != NAVIGATION:
            try:
                trees[name] = etree.parse(folder / name)
            except etree.XMLSyntaxError as error:
                said.append(
                    f"{name} is no XML: {error}; expected well-formed XHTML, because "
                    "EPUB readers stop at the first fault. Mend the page's raw HTML."
                )
    return trees, said


def _complete(
    folder: Path,
    root: Path,
    toc: dict[str, Any],
    trees: dict[str, Tree],
    listed: list[str],
) -> None:
    """Write the contents, the package file and the mended pages."""
    facts = _facts(root)
    lines = contents(toc, trees)
    (folder / NAVIGATION).write_bytes(navigation(lines, facts["title"]))
    for name, tree in trees.items():
        (folder / name).write_bytes(mended(tree))
    notes = [f"{name} {holds(name, trees.get(name))}".strip() for name in listed]
    spine = [COVER_PAGE, *(f"{page}.xhtml" for page in pages(toc))]
    made = package(facts, archive.epoch(root), notes, spine)
    (folder / "content.opf").write_bytes(made)


def _facts(root: Path) -> dict[str, str]:
    book = archive.citation(root)
    name = archive.name_of(root)
    authors = archive.authors(book)
    return {
        "title": str(book["title"]),
        "creator": authors,
        "publisher": authors,
        "description": " ".join(str(book.get("abstract", book["title"])).split()),
        "language": "en",
        "rights": str(book.get("license", "")),
        "identifier": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, name)}",
    }


def _settings(root: Path, art: Path) -> dict[str, Any]:
    """Return what Sphinx must know; the metadata are our own, see `package`."""
    facts, version = _facts(root), str(archive.citation(root)["version"])
    return {
        "epub_author": facts["creator"],
        "epub_contributor": facts["creator"],
        "epub_publisher": facts["publisher"],
        "epub_description": facts["description"],
        "epub_identifier": facts["identifier"],
        "epub_uid": "book",
        "epub_cover": [COVER, "epub-cover.html"],
        "epub_show_urls": "no",
        "epub_css_files": ["print.css"],
        "html_static_path": [str(TEMPLATES), str(art)],
        "html_math_renderer": "mathml",
        "html_copy_source": False,
        "version": version,
        "release": version,
    }


def problems(trees: Mapping[str, Tree], listed: Sequence[str]) -> Iterator[str]:
    """Yield what a reader of EPUB would stumble over, one sentence each.

    Args:
        trees: File -> page.
        listed: The names of all files.
    """
    known = {name: _ids(tree) for name, tree in trees.items()}
    for name, tree in trees.items():
        for one, count in known[name].items():
            if count > 1:
                yield f"{name}: the id {one!r} stands {count} times; expected once."
        yield from _elements(name, tree)
        yield from _links(name, tree, known, set(listed))


def _ids(tree: Tree) -> Counter[str]:
    return Counter(node.get("id") for node in tree.iter() if node.get("id"))


def _elements(name: str, tree: Tree) -> Iterator[str]:
    for kind in ("script", "iframe", "form", "details"):
        for _ in tree.iter(f"{{{XHTML}}}{kind}"):
            yield f"{name}: a {kind} element; expected none in an EPUB."
    for image in tree.iter(f"{{{XHTML}}}img"):
        if not image.get("alt"):
            yield f"{name}: {image.get('src')} has no alternative text; give it alt."


def _links(
    name: str,
    tree: Tree,
    known: dict[str, Counter[str]],
    listed: set[str],
) -> Iterator[str]:
    for node in tree.iter():
        for key in ("href", "src"):
            address = node.get(key, "")
            if ":" in address.partition("/")[0]:
                if node.tag != f"{{{XHTML}}}a":
                    yield f"{name}: {address} is outside the book; expected a file."
                continue
            path, fragment = urldefrag(unquote(address))
            if not address:
                continue
            beside = posixpath.join(posixpath.dirname(name), path)
            target = posixpath.normpath(beside) if path else name
            if target not in listed:
                yield f"{name} links to {address}, which is not in the book."
            elif fragment and target in known and fragment not in known[target]:
                yield f"{name} links to {address}, where no such id is."
