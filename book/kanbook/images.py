"""The pictures of a page: files beside it, asked for when they come into sight.

In a notebook a figure carries its two pictures inside its HTML, so that it works
everywhere. On the site they are files: a page stays light, and the picture of the theme
that is not shown is never loaded.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

from kanbook.cells import cells_of
from kanbook.files import write_whole

logger = logging.getLogger(__name__)

FOLDER = "_images"
HEAVIEST = 1_000_000
"""Bytes of HTML that no page may have; its pictures do not count."""

TAG = re.compile(r"<img\b[^>]*>")
INLINE = re.compile(r'\bsrc="data:image/png;base64,([^"]*)"')
DECIDE = (
    "(page => { if (page.mode !== 'light' && page.mode !== 'dark') page.theme = "
    "matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'; })"
    "(document.documentElement.dataset);"
)
"""Settles before the first paint whether a page is dark, as its reader's system has it.

The theme's own script comes later: until then a dark page could be light, and load the
light pictures.
"""

LATE = ("loading", "lazy"), ("decoding", "async")


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.connect("doctree-resolved", _need_words)
    # After the listeners that write HTML into the body.
    app.connect("html-page-context", _move, priority=950)
    app.connect("build-finished", _weigh)


def apart(body: str, keep: Callable[[str, bytes], str]) -> str:
    """Return HTML whose PNG pictures are files that the browser may ask for late.

    Args:
        body: HTML with pictures as data URLs, in tags with double quotes.
        keep: Called with a file's name and its bytes; returns the file's address.

    Raises:
        ValueError: a data URL is broken ("the picture").

    Example:
        >>> png = base64.b64encode(b"png").decode()
        >>> tag = f'<img alt="A dot." src="data:image/png;base64,{png}">'
        >>> apart(tag, lambda name, content: f"../{name[-4:]}")
        '<img loading="lazy" decoding="async" alt="A dot." src="../.png">'
    """
    return TAG.sub(lambda match: _one(match[0], keep), body)


def _one(tag: str, keep: Callable[[str, bytes], str]) -> str:
    found = INLINE.search(tag)
    if not found:
        return tag
    try:
        content = base64.b64decode(found[1], validate=True)
    except binascii.Error as error:
        raise ValueError(
            f"the picture {tag[:60]}... has a broken data URL: {error}; expected "
            "base64, as kanlib.plotting writes it"
        ) from None
    name = f"{hashlib.sha256(content).hexdigest()[:20]}.png"
    tag = f'{tag[: found.start()]}src="{keep(name, content)}"{tag[found.end() :]}'
    late = [f' {key}="{value}"' for key, value in LATE if f" {key}=" not in tag]
    return "<img" + "".join(late) + tag.removeprefix("<img")


def _move(
    app: Sphinx,
    page: str,
    template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Write the pictures of a page beside it, and see to it that few are loaded."""
    if app.builder.name != "html" or "body" not in context:
        return

    def keep(name: str, content: bytes) -> str:
        path = Path(app.outdir, FOLDER, name)
        if not path.is_file():
            write_whole(path, content)
        return str(context["pathto"](f"{FOLDER}/{name}", 1))

    app.add_js_file(None, body=DECIDE)
    try:
        context["body"] = apart(context["body"], keep)
    except ValueError as error:
        logger.warning("%s.", error, location=page)


def _need_words(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Warn of a picture without alternative text: Sphinx would read out its path."""
    if app.builder.name != "html":
        return
    for image in doctree.findall(nodes.image):
        # What a cell shows has rules of its own, kanbook.notebook_outputs.
        if not (str(image.get("alt", "")).strip() or _shown(image)):
            name = Path(image["uri"]).name
            logger.warning(
                "%sthe picture %s has no alternative text; expected what it shows, "
                "because some readers do not see it. Write ![what it shows](%s), or "
                "give the directive the option `:alt: what it shows`.",
                _place(Path(app.env.doc2path(page)), name),
                name,
                name,
                location=page,
            )


def _shown(image: nodes.Element) -> bool:
    """Whether a picture is the output of a cell."""
    node: nodes.Element | None = image
    while node is not None and "cell_output" not in node.get("classes", ()):
        node = node.parent
    return node is not None


def _place(source: Path, name: str) -> str:
    """Say in which cell or line of a page a picture is; nodes do not tell."""
    text = source.read_text("utf-8")
    if source.suffix == ".ipynb":
        for number, cell in cells_of(nbformat.reads(text, as_version=4), "markdown"):
            if name in cell["source"]:
                return f"cell {number} (id {cell['id']}): "
    else:
        for number, line in enumerate(text.splitlines(), 1):
            if name in line:
                return f"line {number}: "
    return ""


def _weigh(app: Sphinx, error: Exception | None) -> None:
    """Warn of a page that would be slow to come."""
    if error is None and app.builder.name == "html":
        for problem in heavy(Path(app.outdir)):
            logger.warning(problem)


def heavy(site: Path) -> Iterator[str]:
    """Yield what is wrong with the weight of a site's pages, one sentence each."""
    for path in sorted(site.rglob("*.html")):
        name = path.relative_to(site)
        if name.parts[0] == "_static":
            continue
        size, text = path.stat().st_size, path.read_text("utf-8")
        if size >= HEAVIEST:
            yield (
                f"{name.as_posix()} has {size} bytes; expected less than {HEAVIEST}, "
                "because it shall open at once on a phone. Split the page, or make "
                "its moving figures smaller."
            )
        if "data:image/png" in text:
            yield (
                f"{name.as_posix()} holds a picture as a data URL; expected a file in "
                f'{FOLDER}. Write the picture as <img src="..."> in a cell\'s HTML.'
            )
