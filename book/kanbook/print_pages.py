"""The Sphinx extension of the print editions: pages as EPUB and PDF need them.

It works on both editions; what only TeX needs is in `kanbook.latex_tree`.
"""

from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator
from sphinx_proof.nodes import proof_node

from kanbook import latex_tree, mathml, print_records
from kanbook.directives import place_of, site_of
from kanbook.print_config import LEFT_OUT

logger = logging.getLogger(__name__)

STYLES = ("pygments.css", "print.css")
"""The style sheets that an EPUB carries."""
# What Markdown's forced line break becomes.
BREAK = "<br />"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register everything with Sphinx."""
    app.add_html_math_renderer(
        "mathml",
        inline_renderers=(_visit_math, None),
        block_renderers=(_visit_block, None),
    )
    app.add_post_transform(RawHtml)
    app.add_post_transform(Proofs)
    latex_tree.setup(app)
    app.connect("config-inited", _tuples)
    app.connect("doctree-read", _unfold)
    app.connect("doctree-read", _stamp)
    app.connect("missing-reference", _left_out)
    app.connect("html-page-context", _few_styles, priority=900)
    return {"parallel_read_safe": False, "parallel_write_safe": False}


def _tuples(app: Sphinx, config: Config) -> None:
    """Give Sphinx a tuple where the job, which is JSON, has a list."""
    config.epub_cover = tuple(config.epub_cover)


def _unfold(app: Sphinx, doctree: nodes.document) -> None:
    """Show what is folded on a page: paper has no fold."""
    for box in list(doctree.findall(nodes.container)):
        if box.get("design_component") == "dropdown":
            del box["design_component"]
            box["classes"] = ["kl-unfolded"]


def _stamp(app: Sphinx, doctree: nodes.document) -> None:
    """Write below a chapter's title how it was made."""
    site, page = site_of(app.env), app.env.docname
    title = next(iter(doctree.findall(nodes.title)), None)
    if page in site.chapters and title is not None:
        text = print_records.stamp_text(
            site.report(page), site.claims(page), site.commit
        )
        line = nodes.container("", nodes.paragraph("", text), classes=["kl-stamp"])
        title.parent.insert(title.parent.index(title) + 1, line)


def _left_out(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, shown: nodes.Node
) -> nodes.Node | None:
    """Turn links to the pages that are left out into plain text."""
    target = str(node.get("reftarget", ""))
    if node.get("refdomain") == "py" and target.partition(".")[0] == "kanlib":
        return shown
    return shown if target.lstrip("/").startswith(LEFT_OUT) else None


class Proofs(SphinxPostTransform):
    """Sets the word that begins a proof in italics, and marks where it ends."""

    default_priority = 200

    def run(self, **kwargs: Any) -> None:
        """Change every proof."""
        for proof in self.document.findall(proof_node):
            box = proof[0]
            box["ids"], box["classes"] = [], ["kl-proof"]
            first = next(iter(box.findall(nodes.Text)))
            word, _, rest = first.partition(" ")
            parent = first.parent
            parent.replace(first, [nodes.emphasis("", word), nodes.Text(f" {rest}")])


class RawHtml(SphinxPostTransform):
    """Refuses HTML that nothing says on paper, and takes out what is decoration."""

    # After `only` and references, before the writers.
    default_priority = 900

    def run(self, **kwargs: Any) -> None:
        """Name each piece of raw HTML."""
        site = site_of(self.env)
        for raw in list(self.document.findall(nodes.raw)):
            if raw.get("format") != "html" or raw.astext().strip() == BREAK:
                continue
            logger.warning(
                "%s: a piece of HTML has no form on paper: %.60r; expected nodes or "
                "Markdown. Make it for the builder html only, and write the same fact "
                "as Markdown for the others.",
                place_of(site, self.env.docname, raw.line or 0),
                raw.astext(),
                location=raw,
            )


def _few_styles(
    app: Sphinx,
    page: str,
    template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Leave out the style sheets and scripts of extensions."""
    context["css_files"] = [
        file
        for file in context.get("css_files", [])
        if any(str(file.filename).endswith(name) for name in STYLES)
    ]
    context["script_files"] = []


def _formula(writer: HTML5Translator, node: nodes.Element, **how: Any) -> str:
    try:
        return (
            mathml.block_html(node.astext(), **how)
            if how
            else mathml.inline_html(node.astext())
        )
    except ValueError as error:
        env = writer.builder.env
        page = str(writer.builder.current_docname)
        logger.warning(
            "%s: %s. EPUB readers run no MathJax: say it in other commands, or teach "
            "kanbook.mathml the command.",
            place_of(site_of(env), page, node.line or 0),
            error,
            location=node,
        )
        return ""


def _visit_math(writer: HTML5Translator, node: nodes.math) -> None:
    writer.body.append(_formula(writer, node))
    raise nodes.SkipNode


def _visit_block(writer: HTML5Translator, node: nodes.math_block) -> None:
    number = get_node_equation_number(writer, node) if node["number"] else ""
    name = node["ids"][0] if node.get("ids") else ""
    writer.body.append(_formula(writer, node, number=number, name=name))
    raise nodes.SkipNode
