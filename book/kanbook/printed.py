"""A notebook as paper shows it: one form for each output, nothing that moves or folds.

Pure functions of notebooks. `printed` serves the EPUB and the PDF; `unprintable` is the
rule that makes it possible, and fails the build of the pages too.
"""

import base64
import copy
import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from typing import Any

from kanbook import ledger, print_records
from kanbook.cells import Cell, Notebook, tags_of
from kanbook.still import TRY_IT, WIDGET_VIEW
from kanlib.claims import CHECK_MIME as CHECK
from kanlib.claims import MIME as CLAIM
from kanlib.claims import NUMBER_MIME as NUMBER

FOLDED = "hide-input"
NO_CODE = "remove-input"
RUNS = "It runs in Jupyter."

Output = dict[str, Any]


def printed(notebook: Notebook) -> dict[str, Any]:
    """Return a copy of an executed notebook with one printable form for each output.

    Figures become their light picture, moving figures their still, records Markdown,
    and HTML its plain text. Code that is folded on the page is left out. A cell with
    several pictures is split, for each has an alternative text of its own.
    """
    made: dict[str, Any] = copy.deepcopy(dict(notebook))
    made["metadata"].pop("widgets", None)
    found = ledger.in_order(ledger.records(made))
    made["cells"] = [part for cell in made["cells"] for part in _parts(cell, found)]
    return made


def unprintable(notebook: Notebook, name: str) -> Iterator[str]:
    """Yield what has no form on paper: file, cell, what is there, what is needed.

    Args:
        notebook: An executed notebook.
        name: Its file, for the message.
    """
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            needs = _needed(data, tags_of(cell)) if data else ""
            if needs:
                yield (
                    f"{name}, cell {cell['id']}: an output is "
                    f"{', '.join(sorted(data))} only; expected {needs} beside it, "
                    "because EPUB and PDF show neither HTML nor what moves. Put it "
                    "into the display bundle."
                )


def _needed(data: Output, tags: Sequence[str]) -> str:
    if {"text/markdown", CLAIM, CHECK, NUMBER} & data.keys() or _picture(data):
        return ""
    html = _text(data.get("text/html", ""))
    if WIDGET_VIEW in data or TRY_IT in tags or re.search("<(img|svg|canvas)", html):
        return "image/png"
    return "" if "text/plain" in data else "text/plain"


def _parts(cell: Cell, found: list[ledger.Record]) -> Iterator[dict[str, Any]]:
    """Yield a cell as one or more cells with at most one picture each."""
    if cell["cell_type"] != "code":
        yield dict(cell)
        return
    tags = list(tags_of(cell))
    outputs = [one for output in cell["outputs"] for one in _forms(output, tags, found)]
    if FOLDED in tags:
        # A cell that shows nothing keeps its place: messages count cells.
        tags.append(NO_CODE if outputs else "remove-cell")
    groups: list[list[Output]] = [[]]
    for output in outputs:
        if "image/png" in output.get("data", {}) and groups[-1]:
            groups.append([])
        groups[-1].append(output)
    for number, group in enumerate(groups):
        metadata = dict(cell["metadata"]) | {"tags": list(tags)}
        if number:
            metadata["tags"].append(NO_CODE)
        picture = [o for o in group if "image/png" in o.get("data", {})]
        if picture:
            alt = picture[0]["metadata"].pop("alt")
            size = _share(_text(picture[0]["data"]["image/png"]))
            metadata["mystnb"] = {"image": {"alt": alt, "width": f"{size}%"}}
        name = f"{cell['id']}-{number}" if number else cell["id"]
        yield dict(cell) | {"id": name, "metadata": metadata, "outputs": group}


def _forms(
    output: Output, tags: list[str], found: list[ledger.Record]
) -> Iterator[Output]:
    """Yield what stands on paper for one output."""
    if "data" not in output:
        yield output
        return
    data = output["data"]
    html, plain = _text(data.get("text/html", "")), _text(data.get("text/plain", ""))
    if CLAIM in data:
        yield _markdown(print_records.claim_markdown(data[CLAIM]))
    elif CHECK in data:
        yield _markdown(print_records.check_markdown(data[CHECK]))
    elif "text/markdown" in data:
        yield _markdown(_text(data["text/markdown"]))
    elif picture := _picture(data):
        yield _image(*picture)
        if TRY_IT in tags:
            yield _markdown(_said(html))
    elif 'class="kl-ledger' in html:
        yield _markdown(print_records.ledger_markdown(found))
    elif 'class="kl-source' in html:
        yield _markdown(_source(html, plain))
    elif plain:
        yield _bundle({"text/plain": plain})


def _bundle(data: Output, **metadata: str) -> Output:
    return {"output_type": "display_data", "data": data, "metadata": metadata}


def _markdown(text: str) -> Output:
    return _bundle({"text/markdown": text})


def _image(png: str, alt: str) -> Output:
    return _bundle({"image/png": png}, alt=alt)


def _text(value: str | list[str]) -> str:
    return value if isinstance(value, str) else "".join(value)


class _Figure(HTMLParser):
    """Reads the light picture and the paragraphs of an output's HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.png, self.alt, self.inside = "", "", ""
        self.paragraphs: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        kind, _, content = known.get("src", "").partition(",")
        dark = "kl-dark" in known.get("class", "")
        if tag == "img" and kind == "data:image/png;base64" and not dark:
            if not self.png:
                self.png, self.alt = content, known.get("alt", "")
        elif tag == "p":
            self.inside = tag
            self.paragraphs.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == self.inside:
            self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.paragraphs[-1] += data


def _picture(data: Output) -> tuple[str, str] | None:
    """Return a bundle's picture and its alternative text: the sharper of the two."""
    small = _text(data.get("image/png", "")).replace("\n", "")
    figure = _Figure(_text(data.get("text/html", "")))
    if not small and not figure.png:
        return None
    plain = _text(data.get("text/plain", ""))
    alt = figure.alt or plain.removeprefix("Figure: ").partition("\n")[0]
    sharp = figure.png if _width(figure.png) >= _width(small) else small
    return sharp, alt


def _width(png: str) -> int:
    """Return how many pixels wide a PNG is, 0 if there is none."""
    return int.from_bytes(base64.b64decode(png[:32])[16:20], "big")


def _share(png: str) -> int:
    """Return the share of the line that a picture takes, less for a tall one."""
    header = base64.b64decode(png[:32])
    height = int.from_bytes(header[20:24], "big")
    return min(100, round(50 * _width(png) / height)) if height else 100


def _said(html: str) -> str:
    """Return the sentences below a live cell's last result, and that it is one."""
    said = [" ".join(text.split()) for text in _Figure(html).paragraphs]
    if not any("runs in Jupyter" in text for text in said):
        said.append(RUNS)
    return "\n\n".join(print_records.escaped(text) for text in said if text)


def _source(html: str, plain: str) -> str:
    """Return source code that the library shows, with its name above it."""
    names = _Figure(html).paragraphs
    name = " ".join(names[0].split()) if names else ""
    language = "cuda" if re.search(r"\.cuh?\b", name) else "python"
    head = f"`{name}`\n\n" if name else ""
    return f"{head}````{language}\n{plain}\n````"


def still_of(notebook: Notebook, cell_id: str) -> tuple[str, str]:
    """Return the picture, as base64, and the alternative text that a cell shows.

    Args:
        notebook: An executed notebook.
        cell_id: Which of its cells.

    Raises:
        ValueError: No cell of that name shows a picture, "no picture".
    """
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []) if cell["id"] == cell_id else []:
            if found := _picture(output.get("data", {})):
                return found
    raise ValueError(
        f"no picture in a cell with the id {cell_id!r}; expected the id of a cell that "
        "shows one"
    )
