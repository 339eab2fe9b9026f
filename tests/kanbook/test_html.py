"""The HTML of every page, without a browser: what readers who do not see it rely on."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
from kanbook.accessibility import first_page_html
from kanbook.site import VENDORED
from kanbook.still import WIDGET_VIEW
from lxml import html
from lxml.html import HtmlElement

Rule = Callable[[HtmlElement], Iterator[str]]

AT_ONCE = {"documentation_options.js"}
"""Scripts that a page waits for: a few lines that others on it write into."""

SEARCH = "search.html"
"""Its own scripts are written by the theme and need the others at once."""


@cache
def pages(site: Path) -> Mapping[str, HtmlElement]:
    return {
        path.relative_to(site).as_posix(): html.fromstring(path.read_bytes())
        for path in sorted(site.rglob("*.html"))
        if path.relative_to(site).parts[0] != "_static"
    }


def shown(tree: HtmlElement, path: str) -> list[HtmlElement]:
    """The elements that a reader may meet: none of a template."""
    found: list[HtmlElement] = tree.xpath(f"//{path}[not(ancestor::template)]")
    return found


def words(element: HtmlElement) -> str:
    return " ".join(element.text_content().split())


def named(element: HtmlElement) -> bool:
    """Whether a link, a control or a button has a name of its own or by its content."""
    own = [element.get(key, "").strip() for key in ("aria-label", "title")]
    inner = [image.get("alt", "").strip() for image in element.xpath(".//img")]
    return any((*own, *inner, words(element)))


def opening(element: HtmlElement) -> str:
    """How an element begins in the page, for a message."""
    return html.tostring(element, encoding="unicode").split("\n")[0][:120]


def language_and_title(tree: HtmlElement) -> Iterator[str]:
    if tree.xpath("string(/html/@lang)") != "en":
        yield "<html> has no lang; expected lang='en'"
    if not tree.xpath("normalize-space(//head/title)"):
        yield "no title; expected one, for it is read first and names the tab"


def headings(tree: HtmlElement) -> Iterator[str]:
    found = shown(
        tree, "*[self::h1 or self::h2 or self::h3 or self::h4 or self::h5 or self::h6]"
    )
    levels = [int(one.tag[1]) for one in found]
    if levels.count(1) != 1:
        yield f"{levels.count(1)} headings h1; expected one, the page's title"
    last = 0
    for heading, level in zip(found, levels, strict=True):
        if level > last + 1:
            yield f"h{level} after h{last}: {words(heading)!r}; expected h{last + 1}"
        if not words(heading):
            yield f"an empty h{level}: {opening(heading)}; write it or remove it"
        last = level


def images(tree: HtmlElement) -> Iterator[str]:
    for image in shown(tree, "img"):
        alt = image.get("alt")
        silent = alt == "" and image.get("role") in ("presentation", "none")
        if not silent and not (alt or "").strip():
            yield (
                f"an image without text: {opening(image)}; expected alt, or alt='' "
                "with role='presentation' if it only decorates"
            )


def names(tree: HtmlElement) -> Iterator[str]:
    for kind in ("a[@href]", "button", "summary"):
        for element in shown(tree, kind):
            # A script names the arrows of the sidebar after the pages beside them.
            arrow = element.xpath("ancestor::nav") and kind == "summary"
            if not named(element) and not arrow:
                yield f"no name: {opening(element)}; expected a text or aria-label"


def controls(tree: HtmlElement) -> Iterator[str]:
    for control in shown(tree, "*[self::input or self::select or self::textarea]"):
        around = control.xpath("ancestor::label")
        beside = tree.xpath("//label[@for=$id]", id=control.get("id", ""))
        labels = [words(label) for label in (*around, *beside)]
        if control.get("type") not in ("hidden", "submit") and not (
            any(labels) or control.get("aria-label", "").strip()
        ):
            yield f"no label: {opening(control)}; put it into a <label>"


def tables(tree: HtmlElement) -> Iterator[str]:
    for table in shown(tree, "table[not(@role='presentation')]"):
        if not table.xpath(".//th"):
            yield f"a table without headers: {words(table)[:60]!r}; expected <th>"
        for header in table.xpath(".//thead//th"):
            if not words(header):
                yield f"an empty header in the table {words(table)[:60]!r}; name it"


def references(tree: HtmlElement) -> Iterator[str]:
    known = set(tree.xpath("//@id"))
    for key in ("aria-labelledby", "aria-describedby", "aria-controls", "for"):
        for element in shown(tree, f"*[@{key}]"):
            lost = set(element.get(key).split()) - known
            if lost:
                yield f"{key} names {', '.join(lost)}, which is not there; mend it"


def landmarks(tree: HtmlElement) -> Iterator[str]:
    if len(shown(tree, "main")) != 1:
        yield f"{len(shown(tree, 'main'))} elements <main>; expected one"
    first = tree.xpath("(//body//a[@href])[1]/@href")
    if tree.xpath("//nav") and first != ["#main-content"]:
        yield f"the first link is {first}; expected the one that skips to the text"


RULES: tuple[Rule, ...] = (
    language_and_title,
    headings,
    images,
    names,
    controls,
    tables,
    references,
    landmarks,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_page_keeps_the_rule(site: Path, rule: Rule) -> None:
    found = [
        f"{name}: {said}" for name, tree in pages(site).items() for said in rule(tree)
    ]
    assert not found, "\n".join(found)


def test_titles_tell_pages_apart(site: Path) -> None:
    count = Counter(
        tree.xpath("normalize-space(//head/title)") for tree in pages(site).values()
    )
    assert [title for title, times in count.items() if times > 1] == []


def test_only_pages_with_a_widget_load_what_draws_it(site: Path) -> None:
    for name, tree in pages(site).items():
        sources = [source.split("?")[0] for source in tree.xpath("//script/@src")]
        moves = bool(tree.xpath("//script[@type=$kind]", kind=WIDGET_VIEW))
        loads = any(source.endswith("/widgets.js") for source in sources)
        assert loads is moves, name
        # MathJax is a tag of its own; the rest is asked for after all else.
        late = [one for one in VENDORED if not one.startswith("mathjax")]
        early = [s for s in sources for one in late if s.endswith(one)]
        assert early == [], name


def test_no_script_stands_before_the_text(site: Path) -> None:
    for name, tree in pages(site).items():
        if name == SEARCH:
            continue
        blocking = {
            source.split("?")[0].rpartition("/")[2]
            for source in tree.xpath("//script[not(@defer or @async)]/@src")
        }
        assert blocking <= AT_ONCE, name
        assert not tree.xpath("//head/script[string-length() > 2000]"), name


BROKEN = """<html><head><title> </title></head><body>
<a href="#elsewhere"></a><nav></nav><main><h1>A</h1><h3>B</h3></main>
<img src="a.png"><img src="b.png" alt=""><input name="q"><button> </button>
<table><tr><td>1</td></tr></table><p aria-describedby="lost"></p></body></html>"""
SAID = {
    language_and_title: ["has no lang", "no title"],
    headings: ["h3 after h1: 'B'; expected h2"],
    images: ['without text: <img src="a.png">', 'without text: <img src="b.png"'],
    names: ['no name: <a href="#elsewhere">', "no name: <button>"],
    controls: ["no label: <input"],
    tables: ["without headers: '1'"],
    references: ["aria-describedby names lost"],
    landmarks: ["the first link is ['#elsewhere']"],
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_rule_finds_what_breaks_it(rule: Rule) -> None:
    found = list(rule(html.fromstring(BROKEN)))
    assert len(found) == len(SAID[rule])
    for part, said in zip(SAID[rule], found, strict=True):
        assert part in said


def test_the_bare_address_leads_to_the_first_page() -> None:
    tree = html.fromstring(first_page_html("A & B", "pages/intro.html"))
    assert tree.xpath("string(//a/@href)") == "pages/intro.html"
    refresh = tree.xpath("string(//meta[@http-equiv='refresh']/@content)")
    assert refresh == "0; url=pages/intro.html"
    assert tree.xpath("string(//h1)") == "A & B"
