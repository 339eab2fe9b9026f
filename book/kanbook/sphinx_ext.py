"""The book's Sphinx extension: what turns notebooks and their records into the site."""

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.util import logging

from kanbook import (
    accessibility,
    address,
    cards,
    downloads,
    fragments,
    images,
    ledger,
    number_pages,
    statement_pages,
    symbol_pages,
)
from kanbook.api_pages import ApiIndex, ApiModule
from kanbook.chapter_figure import ChapterFigure
from kanbook.directives import DIRECTIVES, ClaimRole, VerdictRole, site_of, to_root
from kanbook.editions import Editions
from kanbook.executions import Executions
from kanbook.files import write_whole
from kanbook.performance_pages import Performance
from kanbook.site import Site, page_source, print_source

logger = logging.getLogger(__name__)

LEDGER_PAGE = "book/pages/ledger.html"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register everything with Sphinx."""
    app.add_config_value("kanbook_address", "", "env", types=(str,))
    app.add_config_value("kanbook_downloads", [], "env", types=(list,))
    app.add_config_value("kanbook_executed", "_build/executed", "env", types=(str,))
    for name, directive in DIRECTIVES.items():
        app.add_directive(name, directive)
    app.add_directive("kanlib-api", ApiModule)
    app.add_directive("kanlib-api-index", ApiIndex)
    app.add_directive("chapter-figure", ChapterFigure)
    app.add_directive("executions", Executions)
    app.add_directive("editions", Editions)
    app.add_directive("performance", Performance)
    app.add_role("claim", ClaimRole())
    app.add_role("verdict", VerdictRole())
    accessibility.setup(app)
    cards.setup(app)
    downloads.setup(app)
    images.setup(app)
    number_pages.setup(app)
    statement_pages.setup(app)
    symbol_pages.setup(app)
    app.connect("config-inited", _apply_address)
    app.connect("config-inited", _drop_thebe)
    app.connect("builder-inited", _read_site)
    app.connect("env-get-outdated", _outdated)
    app.connect("source-read", _show_executed)
    app.connect("doctree-resolved", _stamp)
    # After the extension that writes the tags.
    app.connect("html-page-context", _mend_page, priority=900)
    app.connect("build-finished", _write_extras)
    return {"parallel_read_safe": False, "parallel_write_safe": False}


def _apply_address(app: Sphinx, config: Config) -> None:
    """Derive from the one address all that needs it; without it, none of that."""
    try:
        known = address.parse(config.kanbook_address)
    except ValueError as error:
        raise ExtensionError(str(error)) from None
    if known:
        config.html_baseurl = config.ogp_site_url = known.site
        config.html_theme_options.update(known.theme_options)


def _drop_thebe(app: Sphinx, config: Config) -> None:
    """Unhook sphinx-thebe: Jupyter Book always loads it, and it asks a CDN."""
    for listeners in app.events.listeners.values():
        kept = [item for item in listeners if "thebe" not in item.handler.__module__]
        listeners[:] = kept
    for files in (app.registry.css_files, app.registry.js_files):
        thebes = [item for item in files if "thebe" in str(item[0])]
        for item in thebes:
            files.remove(item)  # type: ignore[arg-type]


def _read_site(app: Sphinx) -> None:
    """Read the book's records once, and say what is wrong with them."""
    executed = app.config.kanbook_executed
    folder = Path(app.srcdir, executed) if executed else None
    site = Site(Path(app.srcdir), folder)
    app.env.kanbook_site = site  # type: ignore[attr-defined]
    for name, empty in (("kanbook_generated", set()), ("kanbook_digests", {})):
        if not hasattr(app.env, name):
            setattr(app.env, name, empty)
    for problem in site.problems():
        logger.warning(problem)


def _outdated(
    app: Sphinx,
    env: BuildEnvironment,
    added: set[str],
    changed: set[str],
    removed: set[str],
) -> list[str]:
    """Name the pages that Sphinx cannot know to be old: it looks at their sources."""
    digests: dict[str, str] = env.kanbook_digests  # type: ignore[attr-defined]
    site = site_of(env)
    moved = {page for page in site.chapters if digests.get(page) != site.digest(page)}
    return list((moved | env.kanbook_generated) & env.found_docs)  # type: ignore[attr-defined]


def _show_executed(app: Sphinx, page: str, source: list[str]) -> None:
    """Give Sphinx the executed copy of a chapter in place of the committed notebook."""
    site = site_of(app.env)
    if page in site.chapters:
        app.env.kanbook_digests[page] = site.digest(page)  # type: ignore[attr-defined]
        shown = page_source if app.builder.name == "html" else print_source
        source[0] = shown(site.source(page).read_text("utf-8"))


def _stamp(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Write below a chapter's title and at its foot how the page was made."""
    site = site_of(app.env)
    if page not in site.chapters or app.builder.name != "html":
        return
    report, found = site.report(page), site.claims(page)
    root = to_root(page)
    top = fragments.stamp_html(report, found)
    foot = fragments.run_html(report, found, site.commit, root + LEDGER_PAGE)
    title = next(iter(doctree.findall(nodes.title)), None)
    if title is not None:
        place = title.parent.index(title) + 1
        title.parent.insert(place, nodes.raw("", top, format="html"))
        title.parent.append(nodes.raw("", foot, format="html"))


def _mend_page(
    app: Sphinx,
    page: str,
    template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Remove what is wrong on a page: repeated ids, tags that lack an address."""
    # sphinx-proof gives every proof the same two ids.
    body = context.get("body", "")
    context["body"] = re.sub(r' id="proof(-content)?"', "", body)
    if not app.config.kanbook_address:
        lines = context.get("metatags", "").splitlines()
        absolute = ('property="og:url"', 'property="og:image', "twitter:card")
        kept = [line for line in lines if not any(tag in line for tag in absolute)]
        context["metatags"] = "\n".join(kept) + "\n"


def _write_extras(app: Sphinx, error: Exception | None) -> None:
    """Write the files of the site's root that no page of the book is."""
    if error is not None or app.builder.name != "html":
        return
    site, known = site_of(app.env), address.parse(app.config.kanbook_address)
    root = Path(app.outdir)
    write_whole(root / "claims.json", ledger.to_json(site.records))
    write_whole(root / "claims.csv", ledger.to_csv(site.records))
    title, base = app.config.project, known.path if known else ""
    write_whole(root / "404.html", fragments.page_404_html(title, base))
