"""Sphinx's configuration for a print edition: that of the site without its screen."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

SCREEN_ONLY = {
    "jupyter_book",
    "sphinx.ext.intersphinx",
    "sphinx_book_theme",
    "sphinx_comments",
    "sphinx_copybutton",
    "sphinx_jupyterbook_latex",
    "sphinx_thebe",
    "sphinx_togglebutton",
    "sphinxext.opengraph",
}
"""Extensions that a print edition does without."""

UNKNOWN = ("comments_config", "ogp_", "use_jupyterbook_latex")
"""What settings of those extensions begin with."""

LEFT_OUT = "book/pages/api/"
"""Pages that a print edition does without; links to them become plain text."""

Config = dict[str, Any]


def adapted(config: Config, root: Path, contents: Path) -> Config:
    """Return the site's configuration changed for paper.

    Args:
        config: What Jupyter Book makes of `_config.yml`.
        root: The folder that holds `_toc.yml`.
        contents: Where to write the table of contents without what is left out.
    """
    toc = yaml.safe_load((root / "_toc.yml").read_text("utf-8"))
    contents.write_text(yaml.safe_dump(without(toc), sort_keys=False), "utf-8")
    extensions = [name for name in config["extensions"] if name not in SCREEN_ONLY]
    known = {key: value for key, value in config.items() if not key.startswith(UNKNOWN)}
    return known | {
        "extensions": [*extensions, "kanbook.print_pages"],
        "external_toc_path": str(contents),
        "html_static_path": [],
        "html_css_files": [],
        "html_js_files": [],
        "html_favicon": None,
        "html_title": config["project"],
        "html_theme": "basic",
        "html_theme_options": {},
        "nb_render_markdown_format": "myst",
        "nitpicky": True,
    }


def without(contents: Mapping[str, Any]) -> Config:
    """Return a table of contents without the pages that are left out.

    Example:
        >>> pages = [{"file": "a"}, {"file": LEFT_OUT + "index", "sections": []}]
        >>> without({"root": "b", "chapters": pages})
        {'root': 'b', 'chapters': [{'file': 'a'}]}
    """
    return {
        key: [without(entry) for entry in value if not _left_out(entry)]
        if isinstance(value, list)
        else value
        for key, value in contents.items()
    }


def captions(contents: Mapping[str, Any]) -> dict[str, str]:
    """Return the first page of each part with the part's caption.

    Example:
        >>> captions({"parts": [{"caption": "A", "chapters": [{"file": "a/b"}]}]})
        {'a/b': 'A'}
    """
    return {
        part["chapters"][0]["file"]: part["caption"]
        for part in contents.get("parts", [])
        if part.get("caption") and part["chapters"]
    }


def pages(contents: Mapping[str, Any]) -> Iterator[str]:
    """Yield every page of a table of contents, in its order."""
    for key in ("root", "file"):
        if key in contents:
            yield contents[key]
    for key in ("parts", "chapters", "sections"):
        for entry in contents.get(key, []):
            yield from pages(entry)


def _left_out(entry: Mapping[str, Any]) -> bool:
    return str(entry.get("file", "")).startswith(LEFT_OUT)
