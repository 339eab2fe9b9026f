"""What the download button of a chapter serves: the notebook as plain Markdown.

Numbers and titles are those of the page: they are taken from Sphinx when everything has
been read, so that "Theorem 1.2" and "(1.3)" mean the same in both.
"""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pybtex.plugin
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from kanbook import address, bootstrap, plain
from kanbook.address import Address
from kanbook.directives import chapter_title, site_of
from kanbook.files import write_whole
from kanbook.numbers import ROLES, quote
from kanbook.plain import Names, Role
from kanbook.refresh import text_of
from kanbook.site import Site
from kanbook.statements import statements

logger = logging.getLogger(__name__)

DOMAINS = {"eq": "math", "prf:ref": "prf", "doc": "std", "ref": "std", "numref": "std"}
CITES = ("cite", "cite:p", "cite:t", "cite:ps", "cite:ts", "cite:ct", "cite:cts")
KNOWN_ROLES = {*DOMAINS, *ROLES, *CITES, "claim"}
TITLED = re.compile(r"(?P<title>.+?)\s*<(?P<target>[^<>]+)>")


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    made: dict[str, str] = {}

    def convert(app: Sphinx, env: BuildEnvironment) -> None:
        if app.builder.name == "html":
            made.update(_converted(app))

    def write(app: Sphinx, error: Exception | None) -> None:
        if error is None:
            for page, text in made.items():
                write_whole(Path(app.outdir, "_sources", f"{page}.ipynb"), text)

    # When all is read and numbered, and a warning still fails the build.
    app.connect("env-check-consistency", convert)
    app.connect("build-finished", write)


def _converted(app: Sphinx) -> Iterator[tuple[str, str]]:
    """Yield each chapter's page with the text of its notebook for download."""
    site = site_of(app.env)
    known = address.parse(app.config.kanbook_address)
    for page in site.chapters:
        notebook = nbformat.read(site.source(page), as_version=4)
        notebook = bootstrap.with_bootstrap(notebook, known)
        try:
            names = _Page(app, site, page, known).names(notebook)
            yield page, text_of(plain.plain(notebook, names))
        except ValueError as error:
            logger.warning(
                "%s.ipynb, %s. The notebook that readers download is made of it.",
                page,
                error,
            )


class _Page:
    """Asks Sphinx what a chapter's references are called on its page."""

    def __init__(self, app: Sphinx, site: Site, page: str, known: Address | None):
        self.app, self.env, self.site = app, app.env, site
        self.page, self.known = page, known
        self.cited: dict[str, None] = {}
        self.claims = {record["id"]: record for record in site.records}
        self.listed: dict[str, dict[str, Any]] = getattr(app.env, "proof_list", {})
        cited = app.env.get_domain("cite").citations  # type: ignore[attr-defined]
        self.entries = {one.key: one.formatted_entry for one in cited}

    def names(self, notebook: dict[str, Any]) -> Names:
        """Return what the page calls everything that a notebook refers to."""
        roles = {
            role: self._text(role)
            for role in plain.roles(notebook)
            if role.name in KNOWN_ROLES
        }
        labelled = [one.label for one in statements(notebook) if one.label]
        rest = [
            self._statement(label)
            for label, one in self.listed.items()
            if one["docname"] == self.page
            and label not in labelled
            and not one["nonumber"]
        ]
        math = self.env.get_domain("math")
        equations = {
            label: self._number("displaymath", nodes.make_id(f"equation-{label}"))
            or str(number)
            for label, (page, number) in math.data["objects"].items()
            if page == self.page
        }
        links = {target: self._link(target) for target in plain.relative(notebook)}
        return Names(
            roles=roles,
            equations=equations,
            statements={l: self._statement(l) for l in labelled if l in self.listed},
            unlabelled=rest,
            links={target: link for target, link in links.items() if link},
            closing=self._closing(),
        )

    def _text(self, role: Role) -> str:
        """Return what a role prints, as Markdown.

        What the page cannot resolve either stands as code: the page says so itself.
        """
        if role.name in ROLES:
            try:
                known = self.site.numbers.known
                return quote(role.name, role.content, self.claims, known).text
            except ValueError:
                return f"`{role.content}`"
        if role.name == "claim":
            record = self.claims.get(role.content)
            if record is None:
                return f"`{role.content}`"
            text = f"[{role.content}: {record['verdict']}]"
            return self._linked(text, record["chapter"], f"claim-{role.content}")
        titled = TITLED.fullmatch(role.content)
        title = titled["title"] if titled else ""
        target = titled["target"] if titled else role.content
        if role.name.startswith("cite"):
            keys = re.split(r"[\s,]+", target)
            self.cited |= dict.fromkeys(keys)
            node = None
            if self.entries.keys() >= set(keys):
                kind = role.name.partition(":")[2] or "p"
                node = self._resolved("cite", kind, target)
            return f"`{target}`" if node is None else node.astext()
        kind = role.name.rpartition(":")[2]
        node = self._resolved(DOMAINS[role.name], kind, target, title)
        if node is None:
            return f"`{target}`"
        text = node.astext()
        if role.name == "ref" and not title:
            text = f"*{text}*"
        return self._linked(text, *_place(node, self.page))

    def _resolved(
        self, domain: str, kind: str, target: str, title: str = ""
    ) -> nodes.Element | None:
        """Let a domain of Sphinx resolve a reference, as it does for the page."""
        if domain == "std" and kind != "doc":
            target = target.lower()
        # This domain would say for a second time that there is none.
        if domain == "prf" and target not in self.listed:
            return None
        inner = nodes.inline("", title or target)
        pending = addnodes.pending_xref(
            "",
            inner.deepcopy(),
            refdomain=domain,
            reftype=kind,
            reftarget=target,
            refexplicit=bool(title),
            refdoc=self.page,
            refwarn=False,
        )
        found = self.env.get_domain(domain).resolve_xref(
            self.env, self.page, self.app.builder, kind, target, pending, inner
        )
        return found if isinstance(found, nodes.Element) else None

    def _statement(self, label: str) -> str:
        one = self.listed[label]
        number = self._number(one["countertype"], label)
        return f"{one['realtype'].title()} {number}".strip()

    def _number(self, kind: str, name: str) -> str:
        numbers = self.env.toc_fignumbers.get(self.page, {}).get(kind, {})
        return ".".join(map(str, numbers.get(name, ())))

    def _link(self, target: str) -> str:
        """Return the address of a link's target, "" without one."""
        path, _, anchor = target.partition("#")
        if not path or self.known is None:
            return ""
        page = re.sub(r"\.(md|ipynb)$", "", path)
        page = self.env.relfn2path(page, self.page)[0]
        if page in self.env.found_docs:
            return self._address(page, anchor)
        file = self.env.relfn2path(path, self.page)[0]
        return f"{self.known.repository}/raw/{address.BRANCH}/{file}"

    def _address(self, page: str, anchor: str) -> str:
        assert self.known is not None
        uri = self.app.builder.get_target_uri(page)
        return f"{self.known.site}{uri}{'#' if anchor else ''}{anchor}"

    def _linked(self, text: str, page: str, anchor: str) -> str:
        """Return the text as a link if what it names is not in this notebook."""
        if self.known is None or page == self.page:
            return text
        return f"[{text}]({self._address(page, anchor)})"

    def _closing(self) -> str:
        """Return the list of what was cited, and where the notebook comes from."""
        parts = []
        found = self.entries
        backend = pybtex.plugin.find_plugin("pybtex.backends", "markdown")()
        entries = [
            found[key].text.render(backend) for key in self.cited if key in found
        ]
        if entries:
            listed = "".join(f"- {_web(entry)}\n" for entry in sorted(entries))
            parts.append(f"## References\n\n{listed}".rstrip())
        if self.known is not None:
            title = chapter_title(self.site, self.page)
            parts.append(
                f"From [{title}]({self._address(self.page, '')}), a chapter of "
                f"[{self.app.config.project}]({self.known.site})."
            )
        return "\n\n".join(parts)


def _place(node: nodes.Element, page: str) -> tuple[str, str]:
    """Return the page and the anchor that a resolved reference leads to."""
    found = next(iter(node.findall(nodes.reference)), None)
    if found is None or "refuri" not in found:
        return page, ""
    path, _, anchor = str(found["refuri"]).partition("#")
    whole = posixpath.normpath(posixpath.join(posixpath.dirname(page), path))
    return whole.removesuffix(".html"), anchor


def _web(text: str) -> str:
    r"""Return an entry of the bibliography in one line, without needless escapes.

    Example:
        >>> _web("A title\\.\nURL: \\url https://a.b/c\\.")
        'A title. URL: https://a.b/c.'
    """
    return " ".join(re.sub(r"\\url\s*|\\(?=[.()-])", "", text).split())
