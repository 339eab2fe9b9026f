"""The book as a PDF, set by XeLaTeX."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from kanbook import archive
from kanbook.build import BuildFailed, rendered, replace
from kanbook.print_config import pages

PROGRAMS = ("xelatex", "latexmk")
PACKAGES = (
    "texlive-xetex latexmk texlive-latex-extra texlive-fonts-recommended lmodern "
    "fonts-dejavu"
)
"""Debian's packages that `make pdf` needs."""
PREAMBLE = Path(__file__).parent / "templates" / "print.tex"
MOST_POINTS = 20.0
"""How far a line or a page may stand out of the text, in points."""

OVERFULL = re.compile(r"^Overfull \\([hv]box) \(([\d.]+)pt too .*$", re.MULTILINE)
MISSING = re.compile(r"^Missing character: There is no (\S+).*? in font ([^!]+)!", re.M)
STOPPED = re.compile(r"^! .*$", re.MULTILINE)
UNDEFINED = re.compile(r"^LaTeX Warning: .* undefined.*$", re.MULTILINE)


class TexMissing(Exception):
    """There is no TeX on this machine; the message says what to install."""


def build_pdf(root: Path, *, executed: Path | None) -> Path:
    """Render the book to `root/_build/NAME.pdf` and return that file.

    Args:
        root: The folder that holds `_config.yml`, `_toc.yml` and `CITATION.cff`.
        executed: The folder of executed copies; None renders the committed notebooks.

    Raises:
        TexMissing: no XeLaTeX or no latexmk, "is not installed".
        BuildFailed: as for `build`; TeX stops; a character has no glyph; a line stands
            out of the text.
    """
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        raise TexMissing(
            f"{' and '.join(missing)} not found; install {PACKAGES} (Debian's names)"
        )
    root = root.resolve()
    name, when = archive.name_of(root), archive.epoch(root)
    with rendered(
        root, "latex", executed=executed, settings=_settings(root, name), epoch=when
    ) as folder:
        log = _typeset(folder, name, when)
        if said := list(problems(log)):
            raise BuildFailed(said)
        return replace(root / "_build" / f"{name}.pdf", folder / f"{name}.pdf")


def _settings(root: Path, name: str) -> dict[str, Any]:
    book = archive.citation(root)
    title, _, subtitle = str(book["title"]).partition(":")
    authors = archive.authors(book)
    version = str(book["version"])
    return {
        "latex_engine": "xelatex",
        "latex_documents": [
            [_root_page(root), f"{name}.tex", title, authors, "manual"]
        ],
        "latex_toplevel_sectioning": "chapter",
        "latex_use_xindy": False,
        "latex_domain_indices": False,
        "latex_show_urls": "no",
        "latex_table_style": ["booktabs", "colorrows"],
        "latex_elements": {
            "papersize": "a4paper",
            "pointsize": "10pt",
            "extraclassoptions": "oneside,openany",
            "fncychap": "",
            "fontpkg": "",
            "printindex": "",
            "figure_align": "H",
            "preamble": PREAMBLE.read_text("utf-8")
            .replace("SUBTITLE", subtitle.strip())
            .replace("VERSION", version),
        },
        "version": version,
        "release": version,
    }


def _root_page(root: Path) -> str:
    toc = yaml.safe_load((root / "_toc.yml").read_text("utf-8"))
    return next(pages(toc))


def _typeset(folder: Path, name: str, when: int) -> str:
    """Run TeX until all references are right and return its log."""
    done = subprocess.run(
        ["latexmk", "-xelatex", "-interaction=nonstopmode", "-halt-on-error", name],
        cwd=folder,
        # The date on the title page and in the file; lines of the log are not broken.
        env={
            **os.environ,
            "SOURCE_DATE_EPOCH": str(when),
            "FORCE_SOURCE_DATE": "1",
            "max_print_line": "10000",
        },
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    path = folder / f"{name}.log"
    log = path.read_text("utf-8", "replace") if path.is_file() else done.stdout
    if done.returncode:
        said = STOPPED.findall(log) or ["no message"]
        tail = "\n    ".join(log.split(said[0])[-1].splitlines()[:12])
        raise BuildFailed([f"TeX stopped: {said[0]}{tail}"])
    return log


def problems(log: str) -> Iterator[str]:
    """Yield what is wrong with the pages, one sentence each, from TeX's log.

    Example:
        >>> list(problems("Missing character: There is no φ (U+03C6) in font lm!"))
        ["no glyph for 'φ' in the font lm; name another font for it in print.tex."]
    """
    for glyph, font in dict.fromkeys(MISSING.findall(log)):
        yield f"no glyph for {glyph!r} in the font {font}; " + (
            "name another font for it in print.tex."
        )
    for match in OVERFULL.finditer(log):
        kind = "line" if match[1] == "hbox" else "page"
        if float(match[2]) > MOST_POINTS:
            after = log[match.end() :].strip().split("\n\n")[0][:200]
            yield (
                f"a {kind} stands {match[2]} points out of the text; expected at most "
                f"{MOST_POINTS:.0f}. Break it or shorten it: {after}"
            )
    yield from (f"{line}." for line in dict.fromkeys(UNDEFINED.findall(log)))
