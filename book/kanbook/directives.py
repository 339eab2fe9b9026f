"""Directives and roles of the book's pages: what is generated, not typed."""

import json
from abc import abstractmethod
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from kanbook import address, fragments
from kanbook.site import Site

logger = logging.getLogger(__name__)


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
        """Return the table with its controls."""
        known = address.parse(self.config.kanbook_address)
        issues = f"{known.repository}/issues/new" if known else ""
        titles = {page: chapter_title(self.site, page) for page in self.site.chapters}
        root = to_root(self.env.docname)
        return self.html(fragments.ledger_html(self.site.records, titles, root, issues))


class ClaimsTally(Generated):
    """How many claims got which verdict."""

    def made(self) -> list[nodes.Node]:
        """Return the badges."""
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


class Notation(Generated):
    """The symbols of `book/notation.yml`, one table for each group."""

    def made(self) -> list[nodes.Node]:
        """Return the tables."""
        found: list[nodes.Node] = []
        for group, symbols in self.site.yaml("book/notation.yml").items():
            head = "* - Symbol\n  - Meaning\n  - Shape\n  - Unit\n  - In code"
            rows = [
                f"* - ${row['symbol']}$\n  - {row['meaning']}\n"
                f"  - {row.get('shape', 'scalar')}\n  - {row.get('unit', '–')}\n"
                f"  - {_code(row.get('code'))}"
                for row in symbols
            ]
            options = [
                ":header-rows: 1",
                ":class: kl-notation",
                ":widths: 13 41 16 12 18",
            ]
            found += self.markdown(f"```{{rubric}} {group}\n```")
            table = ["```{list-table}", *options, "", head, *rows, "```"]
            found += self.markdown(*table)
        return found


def _code(name: str | None) -> str:
    return f"`{name}`" if name else "–"


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
    """A claim's id as a link to its card: {claim}`kan.3b`."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the link; an unknown id is a warning."""
        self.env.kanbook_generated.add(self.env.docname)  # type: ignore[attr-defined]
        found = {record["id"]: record for record in site_of(self.env).records}
        if self.text not in found:
            listed = ", ".join(found) or "none"
            logger.warning(
                "claim %r is not in the ledger; expected one of: %s. Mend the id, or "
                "record the claim in its chapter.",
                self.text,
                listed,
                location=self.get_location(),
            )
            return [nodes.literal("", self.text)], []
        root = to_root(self.env.docname)
        link = fragments.claim_link_html(found[self.text], root)
        return [nodes.raw("", link, format="html")], []


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
    "notation": Notation,
    "how-to-cite": HowToCite,
    "gpu-records": GpuRecords,
}
