"""Every format of the book from one execution, and how its pages offer them."""

from pathlib import Path
from typing import Any

from docutils import nodes

from kanbook import address, archive
from kanbook.build import build
from kanbook.directives import Generated, to_root
from kanbook.epub import build_epub
from kanbook.latex import TexMissing, build_pdf

FORMATS = ("html", "epub", "pdf", "zip", "all")
WHAT = {
    ".epub": "EPUB, for readers and phones",
    ".pdf": "PDF, for paper",
    ".zip": "these pages as one file, to unpack and open without a network",
}


def make(root: Path, kind: str, *, executed: Path | None) -> list[str]:
    """Make the book in one format, or in all, and say in a line each what was made.

    Args:
        root: The folder that holds `_config.yml` and `_toc.yml`.
        kind: "html", "epub", "pdf", "zip", or "all": the site with the others beside
            it, offered on its first page.
        executed: The folder of executed copies; None renders the committed notebooks.

    Raises:
        BuildFailed: something gives a warning; every old file stays.
    """
    made: list[Path] = []
    said: list[str] = []
    if kind in ("html", "zip", "all"):
        html = build(root, executed=executed)
    if kind == "html":
        return [f"the book: {html / 'index.html'}"]
    if kind in ("zip", "all"):
        made.append(archive.build_zip(root))
    if kind in ("epub", "all"):
        made.append(build_epub(root, executed=executed))
    if kind in ("pdf", "all"):
        try:
            made.append(build_pdf(root, executed=executed))
        except TexMissing as error:
            said.append(f"pdf skipped: {error}")
    said += [f"the book: {path} ({size_text(path.stat().st_size)})" for path in made]
    if kind == "all":
        html = build(root, executed=executed, downloads=made)
        said.append(f"the book: {html / 'index.html'}")
    return said


def size_text(size: int) -> str:
    """A file's size in megabytes.

    Example:
        >>> size_text(381478)
        '0.4 MB'
    """
    return f"{size / 1e6:.1f} MB"


class Editions(Generated):
    """What there is besides the pages; on paper, what this edition leaves out."""

    def made(self) -> list[nodes.Node]:
        """Return the links, or nothing where there is nothing to download."""
        if self.on_paper:
            return self.markdown(self._about())
        if not self.config.kanbook_downloads:
            return []
        items = "".join(map(self._item, self.config.kanbook_downloads))
        return self.html(f'<p>To take away:</p><ul class="kl-editions">{items}</ul>')

    def _item(self, download: Any) -> str:
        name, size = download
        root = to_root(self.env.docname)
        return (
            f'<li><a href="{root}downloads/{name}" download>{name}</a> '
            f"({size_text(size)}): {WHAT[Path(name).suffix]}</li>"
        )

    def _about(self) -> str:
        known = address.parse(self.config.kanbook_address)
        where = f"on the book's site, <{known.site}>" if known else "on the book's site"
        commit = f", commit `{self.site.commit[:12]}`" if self.site.commit else ""
        return (
            "**This edition** shows the notebooks as they were executed for the site"
            f"{commit}. Figures that move are pictures here, live cells show their "
            "last result, code that is folded on the pages is left out, and so is the "
            f"reference of `kanlib`. All of that is {where}."
        )
