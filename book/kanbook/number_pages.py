"""Numbers on the pages: the roles that print what a cell or a record holds."""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

from kanbook.directives import place_of, site_of
from kanbook.numbers import ROLES, Quote, quote

logger = logging.getLogger(__name__)


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    for name in ROLES:
        app.add_role(name, QuoteRole())


class QuoteRole(SphinxRole):
    """A number from where it is recorded: {measured}`kan.exponent` and the like."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the number, on a screen as a link; an unknown name is a warning."""
        page = self.env.docname
        self.env.kanbook_generated.add(page)  # type: ignore[attr-defined]
        site = site_of(self.env)
        claims = {record["id"]: record for record in site.records}
        try:
            found = quote(self.name, self.text, claims, site.numbers.known)
        except ValueError as error:
            logger.warning(
                "%s: %s",
                place_of(site, page, self.lineno),
                error,
                location=self.get_location(),
            )
            return [nodes.literal("", self.text)], []
        shown = _nodes(found.text)
        builder = self.env.app.builder
        if builder.name != "html" or not found.page:
            return [nodes.inline("", "", *shown, classes=["kl-quoted"])], []
        path = "" if found.page == page else builder.get_relative_uri(page, found.page)
        link = nodes.reference(
            "",
            "",
            *shown,
            internal=True,
            refuri=f"{path}#{found.anchor}",
            reftitle=_title(self.name, found),
            classes=["kl-quoted"],
        )
        return [link], []


def _title(role: str, found: Quote) -> str:
    kind, _, name = found.anchor.partition("-")
    if kind == "number":
        return "The cell that measured it"
    said = {"measured": "measured", "printed": "as the paper prints it"}
    return f"Claim {name}, {said.get(role, 'condition fixed beforehand')}"


def _nodes(text: str) -> list[nodes.Node]:
    """Return Markdown that holds nothing but text and formulas as nodes."""
    parts = re.split(r"\$([^$]+)\$", text)
    return [
        nodes.math("", part) if index % 2 else nodes.Text(part)
        for index, part in enumerate(parts)
        if part
    ]
