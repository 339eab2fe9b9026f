"""Directives and roles of the book's pages: what is generated, not typed."""

import json
from abc import abstractmethod
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from kanbook import address, fragments, print_records
from kanbook.cells import without_injected
from kanbook.site import Site
from kanlib.claims import _cards

logger = logging.getLogger(__name__)

LINES_A_CELL = 10_000
"""How myst-nb numbers a notebook's lines: line 3 of cell 2 is 20,003."""


def site_of(env: BuildEnvironment) -> Site:
    """Return the book as this build sees it."""
    return env.kanbook_site  # type: ignore[attr-defined]


def to_root(page: str) -> str:
    """Return the way from a page to the site's root.

    Example:
        >>> to_root("chapters/kan/kan"), to_root("intro")
        ('../../', '')
    """
    return "../" * page.count("/")


class Generated(SphinxDirective):
    """A directive whose content depends on more than its page's source."""

    def run(self) -> list[nodes.Node]:
        """Return the nodes, and remember that the page must be made in each build."""
        self.env.kanbook_generated.add(self.env.docname)  # type: ignore[attr-defined]
        try:
            return self.made()
        except (ImportError, OSError, ValueError, KeyError, yaml.YAMLError) as error:
            logger.warning(
                "%s: %s. Mend the file that it reads.",
                self.name,
                error,
                location=self.get_location(),
            )
            return []

    @abstractmethod
    def made(self) -> list[nodes.Node]:
        """Return the nodes."""

    @property
    def site(self) -> Site:
        """The book as this build sees it."""
        return site_of(self.env)

    @property
    def on_paper(self) -> bool:
        """Whether this build is a print edition, which shows no HTML of ours."""
        return bool(self.env.app.builder.name != "html")

    def html(self, text: str) -> list[nodes.Node]:
        """Return `text` as HTML that stands as it is."""
        return [nodes.raw("", text, format="html")]

    def markdown(self, *lines: str) -> list[nodes.Node]:
        """Return the nodes of some Markdown."""
        box = nodes.container()
        source = f"<{self.name}>"
        split = [part for line in lines for part in line.split("\n")]
        self.state.nested_parse(StringList(split, source=source), 0, box)
        return list(box.children)


class ClaimsLedger(Generated):
    """Every claim of the book in one table."""

    def made(self) -> list[nodes.Node]:
        """Return the table with its controls; on paper a short one a chapter."""
        if self.on_paper:
            tally = print_records.tally_text(self.site.records)
            return self.markdown(tally, "", *map(self._printed, self.site.chapters))
        known = address.parse(self.config.kanbook_address)
        issues = f"{known.repository}/issues/new" if known else ""
        titles = {page: chapter_title(self.site, page) for page in self.site.chapters}
        root = to_root(self.env.docname)
        return self.html(fragments.ledger_html(self.site.records, titles, root, issues))

    def _printed(self, page: str) -> str:
        table = print_records.index_markdown(self.site.claims(page))
        return f":::{{rubric}} {{doc}}`/{page}`\n:::\n\n{table}\n"


class ClaimsTally(Generated):
    """How many claims got which verdict."""

    def made(self) -> list[nodes.Node]:
        """Return the badges."""
        if self.on_paper:
            return self.markdown(print_records.tally_text(self.site.records))
        return self.html(fragments.tally_html(self.site.records))


class BookChapters(Generated):
    """The chapters that exist, with their claims."""

    def made(self) -> list[nodes.Node]:
        """Return one row for each chapter."""
        found = {page: self.site.claims(page) for page in self.site.chapters}
        rows = [
            f"* - {{doc}}`/{page}`\n  - {fragments.share_tested(claims)}\n"
            f"  - {_verdicts(claims)}"
            for page, claims in found.items()
        ]
        if not rows:
            return self.markdown("No chapter is written yet.")
        head = "* - Chapter\n  - Tested\n  - Verdicts"
        return self.markdown(
            "```{list-table}", ":header-rows: 1", "", head, *rows, "```"
        )


def _verdicts(found: list[dict[str, Any]]) -> str:
    counts = fragments.tally(found)
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items()) or "–"


class Roadmap(Generated):
    """The papers of `book/roadmap.yml` that have no chapter yet."""

    def made(self) -> list[nodes.Node]:
        """Return one line for each part."""
        written = {page.rpartition("/")[2] for page in self.site.chapters}
        lines = []
        for part, papers in self.site.yaml("book/roadmap.yml").items():
            open_ = [title for slug, title in papers.items() if slug not in written]
            if open_:
                lines.append(f"{part}\n: {'; '.join(open_)}.\n")
        return self.markdown(*lines) if lines else []


class HowToCite(Generated):
    """The book's own BibTeX entry, made of `CITATION.cff`."""

    def made(self) -> list[nodes.Node]:
        """Return the entry as text to copy."""
        known = address.parse(self.config.kanbook_address)
        entry = bibtex(self.site.yaml("CITATION.cff"), known)
        return [nodes.literal_block(entry, entry, language="bibtex")]


def bibtex(citation: dict[str, Any], known: address.Address | None) -> str:
    """Return a citation file's content as a BibTeX entry."""
    authors = " and ".join(
        f"{who['family-names']}, {who['given-names']}"
        if "family-names" in who
        else f"{{{who['name']}}}"
        for who in citation["authors"]
    )
    facts = {
        "title": f"{{{citation['title']}}}",
        "author": authors,
        "year": str(citation["date-released"])[:4],
        "version": str(citation["version"]),
    }
    if known:
        facts["url"] = known.site
    lines = "".join(f"  {name:<7} = {{{text}}},\n" for name, text in facts.items())
    return f"@software{{kanlib,\n{lines}}}"


class GpuRecords(Generated):
    """What was measured on GPUs, from `book/records/*.json`."""

    def made(self) -> list[nodes.Node]:
        """Return one row for each record, or the sentence that there is none."""
        rows = []
        for path in sorted((self.site.root / "book/records").glob("*.json")):
            if path.name.startswith("cpu-"):
                continue  # those stand on the page of benchmarks
            record = json.loads(path.read_text("utf-8"))
            rows.append(
                f"* - `{path.stem}`\n  - {record['device']}\n  - {record['date']}\n"
                f"  - `{record['commit']}`"
            )
        if not rows:
            return self.markdown(
                "No record stands in `book/records` yet: nothing in this book has been "
                "run on a GPU so far."
            )
        head = "* - Record\n  - Device\n  - Date\n  - Commit"
        return self.markdown(
            "```{list-table}", ":header-rows: 1", "", head, *rows, "```"
        )


class ClaimRole(SphinxRole):
    """A claim's badge, id and verdict, as a link to its card: {claim}`kan.3b`."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the badge; an unknown id is a warning."""
        self.env.kanbook_generated.add(self.env.docname)  # type: ignore[attr-defined]
        site = site_of(self.env)
        found = {record["id"]: record for record in site.records}
        if self.text not in found:
            listed = ", ".join(found) or "none"
            logger.warning(
                "%s: claim %r is not in the ledger; expected one of: %s. Mend the id, "
                "or record the claim in its chapter.",
                place_of(site, self.env.docname, self.lineno),
                self.text,
                listed,
                location=self.get_location(),
            )
            return [nodes.literal("", self.text)], []
        record = found[self.text]
        if self.env.app.builder.name == "html":
            badge = fragments.claim_link_html(record, to_root(self.env.docname))
            return [nodes.raw("", badge, format="html")], []
        words = f"[{_cards.MARKS[record['verdict']]} {self.text}]"
        paper = addnodes.pending_xref(
            "",
            nodes.inline("", words),
            refdomain="std",
            reftype="ref",
            reftarget=print_records.label(record["id"]).lower(),
            refdoc=self.env.docname,
            refexplicit=True,
            refwarn=True,
        )
        return [paper], []


class VerdictRole(SphinxRole):
    """A verdict in its color: {verdict}`not tested`."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the word with the class that colors it."""
        slug = self.text.replace(" ", "-")
        classes = ["kl-verdict", f"kl-verdict--{slug}"]
        return [nodes.inline("", self.text, classes=classes)], []


def place_of(site: Site, page: str, line: int) -> str:
    """Say where on a page a message is about: file, and cell of a notebook.

    Args:
        site: The book.
        page: The page, such as "chapters/kan/kan".
        line: What docutils holds for a line; in a notebook it counts 10,000 a cell.
    """
    if page not in site.chapters:
        return page
    number = line // LINES_A_CELL
    cells = json.loads(site.source(page).read_text("utf-8"))["cells"]
    if not 0 < number <= len(cells):
        return f"{page}.ipynb, cell {number}"
    name = cells[number - 1]["id"]
    return f"{page}.ipynb, cell {len(without_injected(cells[:number]))} (id {name})"


def chapter_title(site: Site, page: str) -> str:
    """Return the first heading of a chapter's notebook, its slug if it has none."""
    notebook = json.loads(site.chapters[page].path.read_text("utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            for line in "".join(cell["source"]).splitlines():
                if line.startswith("# "):
                    return line[2:].strip()
    return Path(page).name


DIRECTIVES: dict[str, type[Generated]] = {
    "claims-ledger": ClaimsLedger,
    "claims-tally": ClaimsTally,
    "book-chapters": BookChapters,
    "roadmap": Roadmap,
    "how-to-cite": HowToCite,
    "gpu-records": GpuRecords,
}
