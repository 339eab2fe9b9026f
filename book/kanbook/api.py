"""The library's public names, read from what imports, as Markdown for the API pages."""

import ast
import importlib
import inspect
import re
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SECTIONS = ("Args", "Shape", "Returns", "Raises", "Notes", "Example", "Reference")


@dataclass(frozen=True)
class Entry:
    """One public name of the library.

    Args:
        name: The dotted name under which the page shows it, `kanlib.bases.BSpline`.
        kind: "class", "function", "exception", "method", "property" or "data".
        parameters: Each as a reader would write it; None where nothing is called.
        result: What comes back, empty where nothing is said.
        doc: The docstring, without indentation.
        members: The public members of a class, in the order of the source.
    """

    name: str
    kind: str
    parameters: tuple[str, ...] | None
    result: str
    doc: str
    members: tuple["Entry", ...] = ()

    @property
    def short(self) -> str:
        """The last part of the name."""
        return self.name.rpartition(".")[2]

    @property
    def summary(self) -> str:
        """The docstring's first line."""
        return self.doc.partition("\n")[0]


def public_names(module: types.ModuleType) -> list[str]:
    """Return what a module offers: `__all__`, else what it defines itself."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    ]


def entries(module_name: str) -> list[Entry]:
    """Return the public names of a module, documented, classes' members included.

    Raises:
        ImportError: the module cannot be imported.
    """
    module = importlib.import_module(module_name)
    return [
        describe(f"{module_name}.{name}", getattr(module, name))
        for name in public_names(module)
        if not inspect.ismodule(getattr(module, name))
    ]


def module_doc(module_name: str) -> str:
    """Return a module's docstring."""
    return inspect.cleandoc(importlib.import_module(module_name).__doc__ or "")


def page_name(module_name: str) -> str:
    """Return the last part of a module's name, without underscore.

    Example:
        >>> page_name("kanlib._errors")
        'errors'
    """
    return module_name.rpartition(".")[2].lstrip("_")


def describe(name: str, value: Any) -> Entry:
    """Return the entry of one object under a dotted name."""
    if inspect.isclass(value):
        kind = "exception" if issubclass(value, BaseException) else "class"
        inside = tuple(members(name, value))
        return Entry(name, kind, parameters(value), "", doc(value), inside)
    if inspect.isroutine(value):
        return Entry(name, "function", parameters(value), result(value), doc(value))
    return Entry(name, "data", None, "", "")


def members(name: str, owner: type) -> Iterator[Entry]:
    """Yield the documented members that `owner` itself defines."""
    for key, raw in vars(owner).items():
        if key.startswith("_") and key != "__call__":
            continue
        value = raw.__func__ if isinstance(raw, (classmethod, staticmethod)) else raw
        path = f"{name}.{key}"
        if isinstance(value, property):
            if text := doc(value.fget):
                yield Entry(path, "property", None, result(value.fget), text)
        elif inspect.isfunction(value) and (text := doc(value)):
            yield Entry(path, "method", parameters(value), result(value), text)


def doc(value: Any) -> str:
    """Return an object's own docstring without indentation, empty if it has none."""
    text = getattr(value, "__doc__", None) or ""
    if inspect.isclass(value) and text.startswith(f"{value.__name__}("):
        return ""  # written by dataclasses, says nothing that the signature does not
    return inspect.cleandoc(text)


def parameters(value: Any) -> tuple[str, ...] | None:
    """Return each parameter as `name: type = default`, without self and cls.

    Example:
        >>> def scale(x: float, *, by: int = 2) -> float: ...
        >>> parameters(scale), result(scale)
        (('x: float', '*', 'by: int = 2'), 'float')
    """
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return None
    parts: list[str] = []
    starred = False
    for parameter in found.parameters.values():
        if parameter.name in ("self", "cls") and not parts:
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            parts.append("*")
        starred |= parameter.kind in (parameter.VAR_POSITIONAL, parameter.KEYWORD_ONLY)
        parts.append(_parameter(parameter))
    return tuple(parts)


def result(value: Any) -> str:
    """Return the type that a function says it returns, empty if it says none."""
    found = inspect.signature(value).return_annotation
    return "" if found is inspect.Signature.empty else annotation(found)


def _parameter(parameter: inspect.Parameter) -> str:
    stars = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}
    text = stars.get(parameter.kind.name, "") + parameter.name
    typed = parameter.annotation is not parameter.empty
    if typed:
        text += f": {annotation(parameter.annotation)}"
    if parameter.default is not parameter.empty:
        default = parameter.default
        shown = default.__name__ if inspect.isroutine(default) else repr(default)
        if re.search(r" at 0x|<object", shown):
            shown = "..."
        text += f" = {shown}" if typed else f"={shown}"
    return text


def annotation(value: Any) -> str:
    """Return a type as a reader would write it; shapes lose jaxtyping's quotes.

    Example:
        >>> from jaxtyping import Float
        >>> from torch import Tensor
        >>> annotation(Float[Tensor, "*batch K"] | None)
        'Float[*batch, K] | None'
        >>> annotation(tuple[float, ...])
        'tuple[float, ...]'
    """
    if value is None or value is types.NoneType:
        return "None"
    if value is Ellipsis:
        return "..."
    if isinstance(value, str):
        return value
    if hasattr(value, "dim_str"):
        kind = value.__name__.partition("[")[0]
        return f"{kind}[{', '.join(value.dim_str.split()) or 'scalar'}]"
    origin, arguments = typing.get_origin(value), typing.get_args(value)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(annotation(item) for item in arguments)
    if origin is typing.Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"
    if origin is not None and isinstance(arguments, tuple) and arguments:
        listed = [
            f"[{', '.join(map(annotation, item))}]"
            if isinstance(item, list)
            else annotation(item)
            for item in arguments
        ]
        return f"{annotation(origin)}[{', '.join(listed)}]"
    return getattr(value, "__name__", None) or str(value)


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
    """
    return "\n\n".join(_block(block, links) for block in re.split(r"\n\s*\n", text))


def _block(block: str, links: Mapping[str, str]) -> str:
    if block.lstrip().startswith(">>>"):
        return f"```python\n{inspect.cleandoc(chr(10) + block)}\n```"
    if all(line.startswith("    ") for line in block.splitlines()):
        return f"```text\n{inspect.cleandoc(chr(10) + block)}\n```"
    return "\n".join(_inline(line, links) for line in block.splitlines())


def _inline(line: str, links: Mapping[str, str]) -> str:
    bullet = re.match(r"\s*(?:- |\d+\. )", line)
    start = bullet.group() if bullet else ""
    pieces = re.split(r"(``.+?``|`[^`]+`|\$[^$]+\$)", line[len(start) :])
    return start + "".join(
        _code(piece, links) if index % 2 else _escape(piece)
        for index, piece in enumerate(pieces)
    )


def _code(span: str, links: Mapping[str, str]) -> str:
    if span.startswith("$"):
        return span
    inner = span.strip("`")
    if target := links.get(inner.removesuffix("()")):
        return f"{{py:obj}}`{inner} <{target}>`"
    return f"`{inner}`"


def _escape(text: str) -> str:
    # A key in brackets, such as [liu2024kan], is a citation; digits tell it from words.
    text = re.sub(r"([\\*_<>$#|~{}\[\]])", r"\\\1", text)
    return re.sub(r"\\\[([a-z]+\d{4}[a-z]*)\\\]", r"{cite:p}`\1`", text)


def markdown(entry: Entry, links: Mapping[str, str]) -> str:
    """Return an entry's docstring as Markdown, sections as lists under small titles."""
    opening, sections = split_sections(entry.doc)
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


def link_targets(modules: Iterable[str]) -> dict[str, str]:
    """Return short and dotted names of everything public, for links from code spans.

    A short name that two modules share is left out: a link must not guess.
    """
    targets: dict[str, str] = {}
    shared: set[str] = set()
    for module in modules:
        for entry in entries(module):
            for item in (entry, *entry.members):
                tail = item.name.removeprefix(f"{module}.")
                if tail in targets:
                    shared.add(tail)
                targets[tail] = targets[item.name] = item.name
    return {name: target for name, target in targets.items() if name not in shared}


def names_used(notebook: Mapping[str, Any]) -> set[str]:
    r"""Return the dotted names below `kanlib` that a notebook's code cells use.

    Example:
        >>> source = "import kanlib as kl\nkl.KAN([2, 1], kl.bases.BSpline)"
        >>> cell = {"cell_type": "code", "source": source}
        >>> sorted(names_used({"cells": [cell]}))
        ['kanlib.KAN', 'kanlib.bases', 'kanlib.bases.BSpline']
    """
    used: set[str] = set()
    alias: dict[str, str] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            source = "".join(cell["source"])
            # Magics are no Python; the inline-plots one is all that chapters use.
            plain = re.sub(r"^\s*[%!].*$", "", source, flags=re.MULTILINE)
            for node in ast.walk(ast.parse(plain)):
                _note(node, alias, used)
    return used


def _note(node: ast.AST, alias: dict[str, str], used: set[str]) -> None:
    if isinstance(node, ast.Import):
        for name in node.names:
            if name.name.partition(".")[0] == "kanlib":
                alias[name.asname or "kanlib"] = name.name if name.asname else "kanlib"
    elif isinstance(node, ast.ImportFrom):
        if (node.module or "").partition(".")[0] == "kanlib":
            for name in node.names:
                alias[name.asname or name.name] = f"{node.module}.{name.name}"
                used.add(f"{node.module}.{name.name}")
    elif isinstance(node, ast.Attribute) and (dotted := _dotted(node, alias)):
        used.add(dotted)


def _dotted(node: ast.expr, alias: Mapping[str, str]) -> str:
    if isinstance(node, ast.Name):
        return alias.get(node.id, "")
    if isinstance(node, ast.Attribute) and (owner := _dotted(node.value, alias)):
        return f"{owner}.{node.attr}"
    return ""


def users(
    modules: Iterable[str], notebooks: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[str]]:
    """Return which notebooks use a public name, under whatever path they reach it.

    Args:
        modules: The documented modules.
        notebooks: Page -> notebook.

    Returns:
        The name under which the API documents it -> pages.
    """
    documented = {
        id(find(entry.name)): entry.name
        for module in modules
        for entry in entries(module)
    }
    found: dict[str, list[str]] = {}
    for page, notebook in notebooks.items():
        names = {documented.get(id(find(name))) for name in names_used(notebook)}
        for name in names - {None}:
            found.setdefault(str(name), []).append(page)
    return found


def find(dotted: str) -> Any:
    """Return the object under a dotted name, or None if there is none."""
    first, *rest = dotted.split(".")
    value: Any = importlib.import_module(first)
    for name in rest:
        value = getattr(value, name, None)
    return value
