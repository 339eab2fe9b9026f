"""No result is typed into prose: a lint for Markdown.

It finds decimals, percentages, powers of ten and "N times" in sentences that speak of a
result, unless a role prints them. What a formula says with its letter, `$h = 0.1$`, and
what stands as code is a setting and no result.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kanbook.cells import Notebook, cells_of
from kanbook.fences import Directive, blocks

WORDS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|thirty|forty|"
    "fifty|sixty|hundred|thousand|million|a hundred|a thousand|a million|a dozen"
)
COUNT = rf"(?:\d[\d,.]*(?:[–-]\d[\d,.]*)?|{WORDS})"
# What is measured.
METRIC = re.compile(
    r"\b(?:accura(?:cy|cies|te)|loss(?:es)?|errors?|N?RMSEs?|MSEs?|MAEs?|R2|R²|"
    r"residuals?|misfits?|perplexit(?:y|ies)|likelihoods?|F1|AUC|scores?|slopes?|"
    r"exponents?|correlations?|(?<!standard )deviations?|discrepanc(?:y|ies)|"
    r"speed-?ups?|throughput|latency|improvements?|improv(?:es?|ed|ing)|"
    r"reductions?|gains?|degrad(?:es?|ed|ation)|stalls?|stalled|plateaus?|"
    r"converges? to|outperform(?:s|ed)?|beats?)\b|R\^2",
    re.IGNORECASE,
)
COMPARED = (
    r"(?:faster|slower|quicker|smaller|larger|fewer|less|lower|higher|better|worse|"
    r"cheaper|dearer|shorter to train|longer to train|more (?:accurate|efficient|"
    r"expensive|memory|time|parameters)|as (?:fast|slow|accurate|good|bad|cheap|"
    r"expensive|long|many parameters|much (?:memory|time)))"
)
POWER = r"10\^\{?[+-]?\d+\}?|10[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+"
PERCENT = rf"(?<![\w.]){COUNT}\s*(?:\\,)?(?:\\?%|percent\b|per cent\b)"
DECIMAL = r"(?<![\w.,])[-+−]?(?:\d[\d,]*)?\.\d+(?:e[+-]?\d+)?(?![\w.]*\d)"
SCIENTIFIC = r"(?<![\w.])[-+−]?\d+(?:\.\d+)?e[+-]?\d+\b"
QUANTITY = re.compile(
    rf"{PERCENT}|{SCIENTIFIC}|{DECIMAL}(?:\s*(?:\\cdot|\\times|·|×)\s*(?:{POWER}))?"
    rf"|(?<![\w.])(?:\d+\s*(?:\\cdot|\\times|·|×)\s*)?(?:{POWER})"
)
# These speak of a result by themselves.
TIMES = re.compile(
    rf"(?<![\w.]){COUNT}(?:\s*[×x]|[ -]+(?:times|fold))\s+(?:\w+ly )?{COMPARED}"
    rf"|\btwice (?:{COMPARED})|(?<![\w.]){COUNT}-fold (?:speed|gain|reduction|increase)"
    rf"|\bfactor of (?:about |nearly |almost )?{COUNT} {COMPARED}"
    rf"|\b{COMPARED} by (?:a factor of )?{COUNT}\b",
    re.IGNORECASE,
)
POINTS = re.compile(rf"(?<![\w.]){COUNT} percentage points?\b", re.IGNORECASE)
SECONDS = re.compile(
    rf"\b(?:takes?|took|needs?|needed|runs? in|ran in|trains? in|trained in|"
    rf"finish(?:es|ed) in|within) (?:about |only |just |nearly |less than )?{COUNT} "
    r"?(?:ms|s|milliseconds?|seconds?|minutes?|hours?|days?|[GM]i?B)\b",
    re.IGNORECASE,
)
# After these a number is a setting, a place or a version.
SETTING = re.compile(
    r"(?:\b(?:arXiv:?|version|v|python|torch|pytorch|numpy|scipy|matplotlib|scikit-learn|sphinx|pykan|jupyter|cuda|section|"
    r"chapter|table|figure|fig\.|equation|eq\.|theorem|corollary|lemma|proposition|"
    r"part|page|step|weight|weighted|rate|decay|momentum|temperature|threshold|"
    r"tolerance|ridge|slack|penalty|dropout|times|seeds?|of size|share|split|"
    r"standard deviation|width|spacing|interval|domain|scale|noise)\s*(?:of |is |=)?\s*"
    r"|(?<![^\W_])[^\W\d_]\s*[=∈]\s*)$",
    re.IGNORECASE,
)
# Kept between a metric and its number, no word that ends the thought.
NEAR = 90
# A role, or code; what stands first counts, for either may hold the marks of the other.
MARKED = re.compile(
    r"(?:\{(?P<role>[\w:.+-]+)\})?(?P<marks>`+)(?P<content>.+?)(?<!`)(?P=marks)(?!`)",
    re.DOTALL,
)
DISPLAY = re.compile(r"\$\$.+?\$\$(?:[ \t]*\([^()\s]+\))?", re.DOTALL)
INLINE = re.compile(
    r"(?<![\\$])\$(?![\s$])((?:\\.|[^$\\])+?)(?<!\s)\$(?!\d)", re.DOTALL
)
# A formula that is a number and nothing else, or R^2 and a number.
NUMERIC = re.compile(
    r"\s*(?:(?:R\^2|R\^\{2\})?\s*(?:\\(?:approx|sim|le|ge|leq|geq|pm)|[<>=≈~])\s*)?"
    r"[-+]?\d[\d,.]*\s*(?:(?:\\cdot|\\times)\s*10\^\{?[-+]?\d+\}?|\^\{?[-+]?\d+\}?)?"
    r"(?:\s*(?:\\,)?\\?%)?\s*(?:\\times)?\s*"
)
LINK = re.compile(
    r"(!?\[[^\]\n]*\])\([^)\s]*(?:\s+\"[^\"]*\")?\)|<https?:[^>]*>|https?:\S+"
)
SENTENCE = re.compile(r"(?<=[.!?])[\"')*_]*\s+(?=[A-Z*_(\[\"'$`“{])")
SOURCE = re.compile(r"\{(?:cite[\w:]*|claim)\}`|\bmemory\b")
GLUE = "\N{OBJECT REPLACEMENT CHARACTER}"
"""Stands for what is no prose: code, formulas, and what roles print."""


class Finding(NamedTuple):
    """A number that was typed where a result is spoken of."""

    number: str
    sentence: str


def paragraphs(text: str) -> Iterator[str]:
    r"""Yield the paragraphs, list items, headings and table rows of some Markdown.

    Example:
        >>> list(paragraphs("a\nb\n\n- c\n- d\n\n```\ne\n```\n:::{note}\nf\n:::"))
        ['a b', 'c', 'd', 'f']
    """
    yield from _paragraphs(blocks(_without_math(text).split("\n")))


def _paragraphs(found: Iterable[str | Directive]) -> Iterator[str]:
    lines: list[str] = []
    for block in (*found, ""):
        line = block if isinstance(block, str) else ""
        row = line.lstrip("> ")
        starts = re.match(r"(?:[-*+]|\d+[.)]|#{1,6}|:)\s+|\||\([\w:.+-]+\)=\s*$|%", row)
        if (not row.strip() or starts) and lines:
            yield " ".join(lines)
            lines = []
        if isinstance(block, Directive):
            if block.argument and not block.literal:
                yield block.argument
            if not block.literal:
                yield from _paragraphs(blocks(block.body))
        elif row.startswith("|"):
            yield from (" ; ".join(row.strip(" |").split("|")),) * bool(
                row.strip("|- :")
            )
        elif row.strip() and not re.match(r"\([\w:.+-]+\)=\s*$|%", row):
            lines.append(re.sub(r"^(?:[-*+]|\d+[.)]|#{1,6}|:)\s+", "", row).strip())


def _without_math(text: str) -> str:
    return DISPLAY.sub(f" {GLUE} ", text)


def _masked(paragraph: str) -> str:
    """Return a paragraph in which everything but typed prose is one character."""
    text = MARKED.sub(GLUE, paragraph)
    text = INLINE.sub(
        lambda match: match[1] if NUMERIC.fullmatch(match[1]) else GLUE, text
    )
    return LINK.sub(lambda match: match[1] or GLUE, text)


def typed(text: str) -> Iterator[Finding]:
    """Yield the results that are typed into some Markdown, one finding a sentence.

    Example:
        >>> [one.number for one in typed("The test error falls to 0.03. So $h = 0.1$.")]
        ['0.03']
    """
    for paragraph in paragraphs(text):
        for sentence in SENTENCE.split(_masked(paragraph)):
            numbers = list(_results(sentence))
            if numbers:
                shown = " ".join(sentence.replace(GLUE, "…").split())
                yield Finding(", ".join(numbers), shown)


def _results(sentence: str) -> Iterator[str]:
    whole = [m for kind in (TIMES, POINTS, SECONDS) for m in kind.finditer(sentence)]
    metrics = [(m.start(), m.end()) for m in METRIC.finditer(sentence)]
    taken = [(m.start(), m.end()) for m in whole]
    for match in QUANTITY.finditer(sentence):
        start, end = match.span()
        near = any(start - b <= NEAR and a - end <= NEAR for a, b in metrics)
        setting = SETTING.search(sentence[:start])
        if near and not setting and not any(a < end and start < b for a, b in taken):
            whole.append(match)
    for match in sorted(whole, key=lambda m: m.start()):
        yield " ".join(match[0].split())


def unsourced(text: str) -> Iterator[Finding]:
    """Yield the paragraphs that quote a number of nobody: {printed} without a source.

    A claim's id in {printed} is a source itself: its record names one.
    """
    for paragraph in paragraphs(text):
        literal = [
            match["content"]
            for match in MARKED.finditer(paragraph)
            if match["role"] == "printed" and re.match(r"[^a-z]*\d", match["content"])
        ]
        if literal and not SOURCE.search(paragraph):
            yield Finding(", ".join(literal), paragraph)


def problems(text: str, where: str) -> Iterator[str]:
    """Yield what is wrong with the numbers in some Markdown, one sentence each.

    Args:
        text: The Markdown.
        where: What to call the place, such as "cell 3" or "README.md".
    """
    for one in typed(text):
        yield (
            f"{where} types {one.number} into prose: {_short(one.sentence)!r}; "
            "expected no hand-typed result. Print it with {measured}`SLUG.NAME` (a "
            "cell records it by kanlib.claims.number), {printed}`NUMBER` or "
            "{printed}`CLAIM` (a source says so) or {condition}`CLAIM` (what a claim "
            "is judged by); or leave the number out. A setting stands as `code` or in "
            "a formula with its letter"
        )
    for one in unsourced(text):
        yield (
            f"{where} prints {one.number} of no source: {_short(one.sentence)!r}; "
            "expected {cite}`KEY`, {claim}`ID` or the word memory in the same "
            "paragraph. Add it, or write {printed}`CLAIM`, whose record has a source"
        )


def _short(text: str, length: int = 160) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def prose_rules(notebook: Notebook) -> Iterator[str]:
    """No cell of Markdown holds a hand-typed result."""
    for number, cell in cells_of(notebook, "markdown"):
        yield from problems(cell["source"], f"cell {number}")
