"""What the pages need to know of the book, read once before a build."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from sphinx_external_toc.parsing import parse_toc_yaml

from kanbook import ledger, numbers, statements, symbols
from kanbook.chapters import Chapter, all_chapters
from kanbook.notebook_outputs import picture_problems
from kanbook.printed import printed, unprintable
from kanbook.reports import commit_of
from kanbook.still import drop_live_widgets

VENDORED = (
    "mathjax/tex-chtml-full.js",
    "require.js",
    "widgets-config.js",
    "html-manager/embed-amd.js",
    "anywidget.js",
)
"""Scripts that pages load, below `book/static/vendor`."""


@dataclass(frozen=True)
class Site:
    """The book as one build sees it.

    Args:
        root: The folder that holds `_toc.yml`.
        executed: The folder of executed copies; None renders the committed notebooks.
    """

    root: Path
    executed: Path | None

    @cached_property
    def chapters(self) -> dict[str, Chapter]:
        """Page -> chapter, for those that `_toc.yml` lists, in its order."""
        return {
            page: one for page, one in self._present.items() if page in self._listed
        }

    @cached_property
    def _present(self) -> dict[str, Chapter]:
        return {
            f"chapters/{chapter.name}": chapter
            for chapter in all_chapters(self.root)
            if chapter.path.is_file()
        }

    @cached_property
    def _listed(self) -> set[str]:
        return set(parse_toc_yaml(self.root / "_toc.yml"))

    @cached_property
    def records(self) -> list[ledger.Record]:
        """Every claim record of the book."""
        return ledger.collect(self.root, self.executed)

    def claims(self, page: str) -> list[ledger.Record]:
        """The claim records of one page."""
        return [record for record in self.records if record["chapter"] == page]

    @cached_property
    def statements(self) -> statements.Book:
        """The numbered statements of the chapters, and what is wrong with them."""
        return statements.read({page: self.source(page) for page in self.chapters})

    @cached_property
    def numbers(self) -> numbers.Book:
        """The numbers that prose quotes, and what is wrong with them."""
        return numbers.read({page: self.source(page) for page in self.chapters})

    @cached_property
    def symbols(self) -> symbols.Book:
        """The table of symbols, and where the chapters use them."""
        sources = {page: self.source(page) for page in self.chapters}
        return symbols.read_book(self.root / symbols.TABLE, sources)

    def source(self, page: str) -> Path:
        """The notebook that `page` shows: the executed copy or the committed one."""
        return ledger.rendered(self.chapters[page], self.executed)

    def report(self, page: str) -> dict[str, Any] | None:
        """What the runner wrote beside the executed copy; None if there is no copy."""
        source = self.source(page)
        if source == self.chapters[page].path:
            return None
        return dict(json.loads(source.with_suffix(".json").read_text("utf-8")))

    def digest(self, page: str) -> str:
        """A hash of all that a chapter's page is made of."""
        source = self.source(page)
        table = self.root / symbols.TABLE
        named = (source, source.with_suffix(".json"), table)
        parts = [path for path in named if path.is_file()]
        return hashlib.sha256(
            b"\0".join(path.read_bytes() for path in parts)
        ).hexdigest()

    @cached_property
    def commit(self) -> str:
        """The commit of the sources, for a page that was not executed."""
        return commit_of(self.root)

    def yaml(self, name: str) -> Any:
        """Read one of the book's data files.

        Raises:
            OSError: the file is missing.
        """
        return yaml.safe_load((self.root / name).read_text("utf-8"))

    def problems(self) -> list[str]:
        """What makes the book wrong before any page is read, one sentence each."""
        said = [
            f"{page}.ipynb is not listed in _toc.yml; expected every chapter there, "
            "because pages link to it. Add the line, or move the notebook away."
            for page in self._present
            if page not in self._listed
        ]
        folder = self.root / "book/static/vendor"
        said += [
            f"book/static/vendor/{name} is missing; expected a vendored script, "
            "because the site asks no other host. Run `python -m kanbook.vendor`."
            for name in VENDORED
            if not (folder / name).is_file()
        ]
        for page in self.chapters:
            notebook = json.loads(self.source(page).read_text("utf-8"))
            said += unprintable(notebook, f"{page}.ipynb")
            report = self.report(page)
            if report is not None and report["status"] != "ok":
                said.append(
                    f"the last run of {page} ended with status {report['status']}: "
                    f"{report['message']} Mend it and run `kanbook build`."
                )
        said += [*self.statements.problems, *self.numbers.problems]
        said += picture_problems({page: self.source(page) for page in self.chapters})
        return said + self.symbols.problems() + ledger.problems(self.records)


def page_source(text: str) -> str:
    """Return a notebook's text as the site shows it: without what needs a kernel."""
    notebook = json.loads(text)
    drop_live_widgets(notebook)
    return json.dumps(notebook, ensure_ascii=False)


def print_source(text: str) -> str:
    """Return a notebook's text as the print editions show it."""
    return json.dumps(printed(json.loads(text)), ensure_ascii=False)
