"""The API pages: directives that set what `kanbook.api` reads from the library."""

import json
from collections.abc import Mapping
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.domains.python import PythonDomain

from kanbook import api, docstrings
from kanbook.api_usage import users
from kanbook.directives import Generated

# Kinds that are named before the signature, and those that belong to a class.
NAMED = {"class", "exception", "classmethod", "property"}
MEMBERS = {"method", "classmethod", "property"}
# Longer signatures are set with one parameter a line.
ONE_LINE = 64

MODULES = (
    "kanlib.bases",
    "kanlib.layers",
    "kanlib.ops",
    "kanlib.theory",
    "kanlib.certify",
    "kanlib.train",
    "kanlib.claims",
    "kanlib.plotting",
    "kanlib.show",
    "kanlib.widgets",
    "kanlib.datasets",
    "kanlib.testing",
    "kanlib._errors",
)
"""The documented modules, in the order of the contents."""


class ApiModule(Generated):
    """The public names of one module: {kanlib-api} kanlib.bases."""

    required_arguments = 1

    def made(self) -> list[nodes.Node]:
        """Return the entries, each with links to the chapters that use it."""
        module = self.arguments[0]
        links = api.link_targets(MODULES)
        used = users(MODULES, self._notebooks())
        found = self.markdown(docstrings.prose(api.module_doc(module), links))
        for entry in api.entries(module):
            found.append(self._described(entry, links, used.get(entry.name, [])))
        return found

    def _notebooks(self) -> dict[str, Mapping[str, object]]:
        return {
            page: json.loads(chapter.path.read_text("utf-8"))
            for page, chapter in self.site.chapters.items()
        }

    def _described(
        self, entry: api.Entry, links: Mapping[str, str], pages: list[str]
    ) -> nodes.Node:
        kind = "attribute" if entry.kind == "data" else entry.kind
        described = addnodes.desc(domain="py", objtype=kind, noindex=False)
        described["classes"] += ["py", kind]
        sign = _signature(entry)
        described += sign
        domain = self.env.get_domain("py")
        assert isinstance(domain, PythonDomain)
        domain.note_object(entry.name, kind, entry.name, location=sign)
        content = addnodes.desc_content()
        content += self.markdown(docstrings.markdown(entry.doc, links))
        if pages:
            listed = ", ".join(f"{{doc}}`/{page}`" for page in pages)
            content += self.markdown(f"Used in {listed}.")
            content.children[-1]["classes"].append("kl-used-in")
        for member in entry.members:
            content += self._described(member, links, [])
        described += content
        return described


def _signature(entry: api.Entry) -> addnodes.desc_signature:
    owner, _, short = entry.name.rpartition(".")
    sign = addnodes.desc_signature(
        "", "", ids=[entry.name], classes=["sig-object", "py"]
    )
    sign["module"], sign["fullname"] = owner, short
    if entry.kind in NAMED:
        sign += addnodes.desc_annotation("", f"{entry.kind} ")
    if entry.kind not in MEMBERS:
        sign["_toc_parts"], sign["_toc_name"] = (owner, short), short
        sign += addnodes.desc_addname("", f"{api.shortest_owner(entry.name)}.")
    sign += addnodes.desc_name("", short)
    if entry.parameters is not None:
        length = len(short) + sum(map(len, entry.parameters)) + len(entry.result)
        listed = addnodes.desc_parameterlist()
        listed["multi_line_parameter_list"] = length > ONE_LINE
        for text in entry.parameters:
            name, colon, rest = text.partition(":")
            parameter = addnodes.desc_parameter()
            parameter += addnodes.desc_sig_name("", name)
            parameter += nodes.Text(colon + rest)
            listed += parameter
        sign += listed
    if entry.kind == "data":
        sign += addnodes.desc_annotation("", f": {entry.result}")
    elif entry.result:
        sign += addnodes.desc_returns("", entry.result)
    return sign


class ApiIndex(Generated):
    """Every public name with its first line, by module."""

    def made(self) -> list[nodes.Node]:
        """Return one table for each module."""
        links = api.link_targets(MODULES)
        found: list[nodes.Node] = []
        for module in MODULES:
            page = Path(self.env.docname).parent / api.page_name(module)
            rows = [
                f"* - {{py:obj}}`{entry.short} <{entry.name}>`\n"
                f"  - {docstrings.prose(entry.summary, links) or '–'}"
                for entry in api.entries(module)
            ]
            # A fence of backticks may not have backticks in its first line.
            title = f":::{{rubric}} {{doc}}`{module} </{page}>`\n:::"
            options = [":class: kl-api-index", ":stub-columns: 1", ":widths: 30 70"]
            found += self.markdown(title)
            found += self.markdown("```{list-table}", *options, "", *rows, "```")
        return found
