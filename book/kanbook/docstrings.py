"""Docstrings as Markdown: Google sections become lists, plain text stays as it is."""

import inspect
import re
from collections.abc import Mapping

BULLET = re.compile(r"\s*(?:- |\d+\. )")
# An index or a power in plain text: x_0 and c_target, t_{m−1}, h^p and e^{−u²}.
SCRIPT = re.compile(
    r"(?<!\w)(?P<base>[^\W\d_])_(?P<low>[0-9A-Za-zα-ω]+)|_\{(?P<lows>[^{}]+)\}"
    r"|(?<=\S)\^(?:\{(?P<highs>[^{}]+)\}|(?P<high>[0-9A-Za-zα-ω]+))"
)
SECTIONS = ("Args", "Shape", "Returns", "Raises", "Notes", "Example", "Reference")


def split_sections(text: str) -> tuple[str, dict[str, str]]:
    r"""Split a Google docstring into its opening and its sections.

    Example:
        >>> split_sections("Do it.\n\nArgs:\n    x: A point.\n")
        ('Do it.', {'Args': 'x: A point.'})
    """
    headings = "|".join(SECTIONS)
    pieces = re.split(rf"^({headings}):[ \t]*$", text, flags=re.MULTILINE)
    bodies = (inspect.cleandoc("\n" + body) for body in pieces[2::2])
    return pieces[0].strip(), dict(zip(pieces[1::2], bodies, strict=True))


def items(body: str) -> list[tuple[str, str]]:
    r"""Split `name: description` items; a line further in belongs to the item above.

    Example:
        >>> items("x: A point,\n    any shape.\ny (unit): Its value.")
        [('x', 'A point, any shape.'), ('y (unit)', 'Its value.')]
    """
    found: list[tuple[str, str]] = []
    for line in body.splitlines():
        head = re.match(r"(?P<name>[\w*][\w, *().|]*?): +(?P<rest>.*)", line)
        if head and not line.startswith(" "):
            found.append((head["name"], head["rest"]))
        elif found and line.strip():
            name, rest = found[-1]
            found[-1] = (name, f"{rest} {line.strip()}".strip())
        elif line.strip():
            found.append(("", line.strip()))
    return found


def prose(text: str, links: Mapping[str, str]) -> str:
    r"""Return plain docstring text as Markdown: code spans live, all else is literal.

    Args:
        text: Paragraphs, lists with "- ", `code`, $formulas$, [keys] and doctests.
        links: Code spans that become links: short name -> dotted name.

    Example:
        >>> prose("See `BSpline` * 2.", {"BSpline": "kanlib.bases.BSpline"})
        'See {py:obj}`BSpline <kanlib.bases.BSpline>` \\* 2.'
        >>> prose("T_{k−1}(x_i), e^{−u}, name_of", {})
        'T{sub}`k−1`(x{sub}`i`), e{sup}`−u`, name\\_of'
    """
    return "\n\n".join(_block(block, links) for block in re.split(r"\n\s*\n", text))


def _block(block: str, links: Mapping[str, str]) -> str:
    if block.lstrip().startswith(">>>"):
        return f"```python\n{inspect.cleandoc(chr(10) + block)}\n```"
    if all(line.startswith("    ") for line in block.splitlines()):
        return f"```text\n{inspect.cleandoc(chr(10) + block)}\n```"
    # Only a block that begins as a list is one: formulas may break before a sign.
    is_list = BULLET.match(block) is not None
    return "\n".join(_line(line, links, is_list) for line in block.splitlines())


def _line(line: str, links: Mapping[str, str], in_list: bool) -> str:
    bullet = BULLET.match(line)
    if bullet and in_list:
        return bullet.group() + _inline(line[bullet.end() :], links)
    text = _inline(line.strip() if not in_list else line, links)
    return f"\\{text}" if text[:1] in "+-=" else text


def _inline(text: str, links: Mapping[str, str]) -> str:
    pieces = re.split(r"(``.+?``|`[^`]+`|\$[^$]+\$)", text)
    return "".join(
        _code(piece, links) if index % 2 else _scripts(piece)
        for index, piece in enumerate(pieces)
    )


def _code(span: str, links: Mapping[str, str]) -> str:
    if span.startswith("$"):
        return span
    inner = span.strip("`")
    if target := links.get(inner.removesuffix("()")):
        return f"{{py:obj}}`{inner} <{target}>`"
    return f"`{inner}`"


def _scripts(text: str) -> str:
    """Set the indices and powers of plain text low and high."""
    done, place = "", 0
    for found in SCRIPT.finditer(text):
        low, high = found["low"] or found["lows"], found["high"] or found["highs"]
        done += _escape(text[place : found.start()]) + (found["base"] or "")
        done += f"{{sub}}`{low}`" if low else f"{{sup}}`{high}`"
        place = found.end()
    return done + _escape(text[place:])


def _escape(text: str) -> str:
    # A key in brackets, such as [liu2024kan], is a citation; digits tell it from words.
    text = re.sub(r"([\\*_<>$#|~{}\[\]])", r"\\\1", text)
    return re.sub(r"\\\[([a-z]+\d{4}[a-z]*)\\\]", r"{cite:p}`\1`", text)


def markdown(text: str, links: Mapping[str, str]) -> str:
    """Return a docstring as Markdown, its sections as lists under small titles."""
    opening, sections = split_sections(text)
    parts = [prose(opening, links)]
    for title, body in sections.items():
        label = {"Args": "Arguments", "Example": "Example"}.get(title, title)
        parts.append(f"```{{rubric}} {label}\n```")
        if title in ("Args", "Raises"):
            for name, text in items(body):
                shown = f"`{name}`" if name else ""
                parts.append(f"{shown}\n: {_inline(text, links)}" if name else text)
        else:
            parts.append(prose(body, links))
    return "\n\n".join(parts)
