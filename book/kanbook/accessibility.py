"""What keeps pages light and readable by every reader, where theme and Sphinx do not.

Templates in `templates/theme` change what the theme writes around a page's body; here
are the body's HTML and the scripts. `tests/browser/test_accessibility.py` says what it
is all for: axe-core finds nothing serious, and the text is painted before any script.
"""

import re
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

from kanbook.files import write_whole
from kanbook.still import WIDGET_STATE

TEMPLATES = Path(__file__).with_name("templates") / "theme"
# Scripts inside the page write into what documentation_options.js makes.
AT_ONCE = re.compile(r"documentation_options\.js|\b(?:async|defer)\b")
ROLES = {
    ' role="list" class="citation-list"': ' class="citation-list"',
    ' role="doc-biblioentry"': "",
    '<summary aria-label="Toggle hidden content">': "<summary>",
}
"""What Sphinx and myst-nb write -> what says the same, or what the text says better."""

PARAMETERS = re.compile(r"<dl>\s*((?:<dd>(?:(?!</?d[ltd]\b).)*</dd>\s*)+)</dl>", re.S)


def mended(body: str) -> str:
    """Return a page's body with lists that are lists and no name that hides a text.

    Sphinx writes the parameters of a long signature as a list of definitions that
    defines nothing, and a bibliography as a list without items; myst-nb hides what a
    fold says behind a label.

    Args:
        body: The HTML of a page's body.

    Example:
        >>> mended("<dl><dd><em>x</em>,</dd></dl>")
        '<ul class="kl-parameters"><li><em>x</em>,</li></ul>'
        >>> mended('<div class="citation" role="doc-biblioentry">')
        '<div class="citation">'
    """
    body = PARAMETERS.sub(_parameters, body)
    for wrong, right in ROLES.items():
        body = body.replace(wrong, right)
    return body


def _parameters(match: re.Match[str]) -> str:
    items = match[1].replace("<dd>", "<li>").replace("</dd>", "</li>")
    return f'<ul class="kl-parameters">{items}</ul>'


def deferred(tag: str) -> str:
    """Return a script's tag so that the page is painted before the script runs.

    Args:
        tag: The element; one without an address, or with its own order, stays.

    Example:
        >>> deferred('<script src="doctools.js"></script>')
        '<script defer src="doctools.js"></script>'
        >>> deferred("<script>let a = 1;</script>")
        '<script>let a = 1;</script>'
    """
    if " src=" not in tag or AT_ONCE.search(tag):
        return tag
    return tag.replace("<script", "<script defer", 1)


def first_page_html(title: str, first: str) -> str:
    """Return the page of the site's bare address, which leads on to the first page.

    Args:
        title: The book's title.
        first: The way to its first page.
    """
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="0; url={escape(first)}">
<title>{escape(title)}: to the first page</title>
</head>
<body>
<main>
<h1>{escape(title)}</h1>
<p><a href="{escape(first)}">To the first page</a></p>
</main>
</body>
</html>
"""


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.connect("config-inited", _change_theme)
    # After the extensions that add scripts to a page.
    app.connect("html-page-context", _mend, priority=900)
    # Before sphinx-external-toc, which would write one without a word in it.
    app.connect("build-finished", _lead_in, priority=400)


def _change_theme(app: Sphinx, config: Config) -> None:
    if config.html_theme == "sphinx_book_theme":
        config.templates_path.insert(0, str(TEMPLATES))


def _mend(
    app: Sphinx,
    page: str,
    template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Mend a page's body, and let nothing in its head keep it from being painted."""
    if app.builder.name != "html":
        return
    tag = context["js_tag"]
    states = [
        text for one in context["script_files"] if WIDGET_STATE in (text := tag(one))
    ]
    body = context.get("body", "")
    context["body"] = mended(body) + "".join(states)
    if page == "search":  # its own tags are not deferred and need the others before
        return
    context["js_tag"] = lambda one: "" if tag(one) in states else deferred(tag(one))


def _lead_in(app: Sphinx, error: Exception | None) -> None:
    """Write the site's `index.html`, unless the book's first page has that name."""
    if error is not None or app.builder.name != "html":
        return
    first = f"{app.config.root_doc}.html"
    if first != "index.html":
        text = first_page_html(app.config.project, first)
        write_whole(Path(app.outdir, "index.html"), text)
