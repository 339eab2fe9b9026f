r"""Which symbols a formula uses: TeX, read as far as a table of symbols asks.

A symbol is a letter with what belongs to it: font, accent, primes, indices. Whatever
is not known to be arithmetic, layout or a standard function counts as a symbol, so that
a command nobody thought of is reported rather than passed over.

Not symbols: digits, relations, standard functions (`\exp`, `\operatorname{...}`), text,
the differential (`\mathrm{d}`, or a plain d after an integral sign and a thin space, or
in `\frac{d}{dx}`), and upright words in scripts (`x_{\mathrm{test}}` is an x).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from kanbook.tex_commands import (
    ACCENTS,
    BARS,
    DROPPED,
    FONTS,
    FRACTIONS,
    INTEGRALS,
    NO_SYMBOLS,
    UPRIGHT,
    WITH_COLUMNS,
)

TOKEN = re.compile(
    r"\\\\\*?(?:\[-?[\d.]+\s*[a-z]{2}\])?"  # the end of a row, with its extra space
    r"|\\[A-Za-z]+\*?|\\.|%[^\n]*|\s+|\d+|.",
    re.DOTALL,
)
THIN = frozenset({r"\,", r"\;", r"\:", r"\!"})
OPENING = frozenset({"{", "(", r"\langle"})
CLOSING = frozenset({"}", ")", r"\rangle"})

Tokens = Sequence[str]


@dataclass(frozen=True)
class Use:
    r"""One symbol as a formula uses it.

    Args:
        base: The letter with its font, such as `x`, `\varphi`, `\mathcal{L}`; or an
            operation that reads as one: `\|_\infty` for a norm, `\langle`.
        accent: The name of its accent, such as `hat`; empty without one.
        primes: How many primes it has.
        sub: Its lower indices, such as `("o", "i")`.
        sup: What stands above at its right, primes apart, such as `(s)`.
    """

    base: str
    accent: str = ""
    primes: int = 0
    sub: tuple[str, ...] = ()
    sup: str = ""

    def __str__(self) -> str:
        """Return it as TeX, without its superscript."""
        letter = self.base
        for accent in reversed(self.accent.split()):
            letter = rf"\{accent}{{{letter}}}"
        lower = ",".join(self.sub)
        short = re.fullmatch(r"\w|\\[A-Za-z]+", lower)
        tail = f"_{lower}" if short else f"_{{{lower}}}" if lower else ""
        return letter + "'" * self.primes + tail


def uses(tex: str) -> tuple[Use, ...]:
    r"""Return the symbols of a formula in their order, those of its indices included.

    It never raises: braces that do not match are MathJax's business.

    Example:
        >>> [use.base for use in uses(r"\hat y_o = \sum_{i=1}^I \varphi_{o,i}(x_i)")]
        ['y', 'o', 'i', 'I', '\\varphi', 'o', 'i', 'x', 'i']
        >>> uses(r"\hat B'_{j,p}")[0]
        Use(base='B', accent='hat', primes=1, sub=('j', 'p'), sup='')
    """
    return tuple(_read(list(_without_differentials(_tokens(tex))), in_script=False))


def declared(tex: str) -> tuple[Use, ...]:
    r"""Return the symbols that a row of the table declares by writing `tex`.

    They are the first one, and the first after each comma outside parentheses. What
    stands between the bars of a norm is an example, not declared.

    Example:
        >>> [use.base for use in declared("[a, b]")]
        ['a', 'b']
        >>> [use.base for use in declared(r"S(\Phi, x)")]
        ['S']
        >>> [use.base for use in declared(r"\| g \|_\infty")]
        ['\\|_\\infty']
    """
    tokens = _tokens(tex)
    if tokens and tokens[0] in BARS:
        norms = [use for use in uses(tex) if use.base.startswith(("|", r"\|"))]
        return tuple(norms[-1:])
    parts = (_read(part, in_script=False) for part in _parts(tokens))
    return tuple(first for part in parts if (first := next(part, None)) is not None)


def normal(tex: str) -> str:
    r"""Return TeX without what does not change its meaning, to compare symbols.

    Example:
        >>> normal(r"x_{ i }^{(s)} "), normal(r"\mathcal L"), normal(r"\alpha x")
        ('x_i^{(s)}', '\\mathcal{L}', '\\alpha x')
    """
    return _text(_tokens(tex))


def _tokens(tex: str) -> list[str]:
    found = (match[0] for match in TOKEN.finditer(tex))
    return [token for token in found if not (token.isspace() or token[0] in "%~")]


def _text(tokens: Tokens) -> str:
    text, at = "", 0
    while at < len(tokens):
        token = tokens[at]
        at += 1
        if token in ("_", "^") or token in FONTS:
            argument, at = _argument(tokens, at)
            inner = _text(argument)
            bare = token in ("_", "^") and len(argument) == 1
            token += inner if bare else f"{{{inner}}}"
        if re.search(r"\\[A-Za-z]+$", text) and token[0].isalpha():
            text += " "
        text += token
    return text


def _argument(tokens: Tokens, at: int) -> tuple[Tokens, int]:
    """Return what TeX takes as an argument at a place, and the place after it."""
    if at >= len(tokens):
        return (), at
    if tokens[at] in FONTS or tokens[at] in ACCENTS or tokens[at] in DROPPED:
        _, stop = _argument(tokens, at + 1)
        return tokens[at:stop], stop
    if tokens[at] != "{":
        return tokens[at : at + 1], at + 1
    depth = 0
    for stop in range(at, len(tokens)):
        depth += (tokens[stop] == "{") - (tokens[stop] == "}")
        if depth == 0:
            return tokens[at + 1 : stop], stop + 1
    return tokens[at + 1 :], len(tokens)


def _parts(tokens: Tokens) -> list[list[str]]:
    """Split at the commas that stand outside braces, parentheses and angles."""
    depth = 0
    parts: list[list[str]] = [[]]
    for token in tokens:
        depth += (token in OPENING) - (token in CLOSING)
        if token == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _without_differentials(tokens: Tokens) -> Iterator[str]:
    integral = bool(INTEGRALS & set(tokens))
    skipped: set[int] = set()
    for at, token in enumerate(tokens):
        if token in FRACTIONS:
            above, middle = _argument(tokens, at + 1)
            below, _ = _argument(tokens, middle)
            if above[:1] == ["d"] == below[:1] and _is_letter(below, 1):
                skipped |= {at + 2, middle + 1}
        thin = integral and at > 0 and tokens[at - 1] in THIN
        if token == "d" and thin and _is_letter(tokens, at + 1):
            skipped.add(at)
        if at not in skipped:
            yield token


def _is_letter(tokens: Tokens, at: int) -> bool:
    return at < len(tokens) and (tokens[at].isalpha() or _is_name(tokens[at]))


def _is_name(token: str) -> bool:
    """Say whether a token is a command that stands for a symbol."""
    return token[:1] == "\\" and token[1:2].isalpha() and token not in NO_SYMBOLS


def _read(tokens: Tokens, *, in_script: bool) -> Iterator[Use]:
    at = 0
    while at < len(tokens):
        bar = BARS.get(tokens[at])
        nucleus, at = _nucleus(tokens, at, in_script=in_script)
        sub, sup, primes, at = _scripts(tokens, at)
        if bar and sub and "=" not in sub:
            nucleus = [Use(f"{bar}_{_text(sub)}")]
        elif len(nucleus) == 1:
            lower = tuple(_text(part) for part in _parts(sub)) if sub else ()
            nucleus = [
                replace(
                    nucleus[0],
                    primes=nucleus[0].primes + primes,
                    sub=lower or nucleus[0].sub,
                    sup=_text(sup) or nucleus[0].sup,
                )
            ]
        yield from nucleus
        yield from _read(sub, in_script=True)
        yield from _read(sup, in_script=True)


def _scripts(tokens: Tokens, at: int) -> tuple[Tokens, Tokens, int, int]:
    """Return what stands below and above at a place, the primes, the place after."""
    sub: list[str] = []
    sup: list[str] = []
    primes = 0
    while at < len(tokens) and tokens[at] in ("_", "^", "'"):
        if tokens[at] == "'":
            primes, at = primes + 1, at + 1
            continue
        kind = sub if tokens[at] == "_" else sup
        argument, at = _argument(tokens, at + 1)
        if kind is sup:
            primes += argument.count(r"\prime")
            argument = [token for token in argument if token != r"\prime"]
        kind += argument
    return sub, sup, primes, at


def _nucleus(tokens: Tokens, at: int, *, in_script: bool) -> tuple[list[Use], int]:
    """Return the symbols of the atom at a place, and the place after it."""
    token = tokens[at]
    at += 1
    if token == "{":
        argument, at = _argument(tokens, at - 1)
        return list(_read(argument, in_script=in_script)), at
    if token in FONTS:
        argument, at = _argument(tokens, at)
        name = _text(argument)
        upright = token in UPRIGHT and (in_script or name == "d")
        return [] if upright or not name else [Use(f"{token}{{{name}}}")], at
    if token in ACCENTS:
        argument, at = _argument(tokens, at)
        found = list(_read(argument, in_script=in_script))
        if len(list(_outside_scripts(argument))) == 1:
            accent = f"{ACCENTS[token]} {found[0].accent}".strip()
            found[0] = replace(found[0], accent=accent)
        return found, at
    if token in DROPPED:
        argument, at = _argument(tokens, at)
        if token == r"\begin" and "".join(argument) in WITH_COLUMNS:
            _, at = _argument(tokens, at)
        return [], at
    return ([Use(token)] if token.isalpha() or _is_name(token) else []), at


def _outside_scripts(tokens: Tokens) -> Iterator[Use]:
    at = 0
    while at < len(tokens):
        found, at = _nucleus(tokens, at, in_script=False)
        *_, at = _scripts(tokens, at)
        yield from found
