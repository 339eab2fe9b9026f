"""The public names of the library, read from what imports."""

import ast
import importlib
import inspect
import itertools
import re
import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Entry:
    """One public name of the library.

    Args:
        name: The dotted name under which the page shows it, `kanlib.bases.BSpline`.
        kind: "class", "function", "exception", "method", "classmethod", "property" or
            "data".
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
    module, _, short = name.rpartition(".")
    # A constant of one of our own types may leave the explanation to the type.
    typed = type(value)
    inherited = doc(typed) if typed.__module__.startswith("kanlib.") else ""
    text = constant_doc(module, short) or inherited.partition("\n")[0]
    return Entry(name, "data", None, typed.__name__, text)


def constant_doc(module_name: str, name: str) -> str:
    """Return the string that follows a constant where it is assigned, or empty."""
    module = importlib.import_module(module_name)
    body = ast.parse(inspect.getsource(module)).body
    for node, after in itertools.pairwise(body):
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        named = any(isinstance(one, ast.Name) and one.id == name for one in targets)
        if named and isinstance(after, ast.Expr):
            return inspect.cleandoc(str(ast.literal_eval(after.value)))
    for node in body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for one in node.names:
                if name == (one.asname or one.name):
                    return constant_doc(node.module, one.name)
    return ""


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
            kind = "classmethod" if isinstance(raw, classmethod) else "method"
            yield Entry(path, kind, parameters(value), result(value), text)


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


def shortest_owner(dotted: str) -> str:
    """Return where a reader finds a name: the package itself if it hands it on.

    Example:
        >>> shortest_owner("kanlib.claims.compare")
        'kanlib.claims'
    """
    owner, _, short = dotted.rpartition(".")
    package = owner.partition(".")[0]
    handed_on = find(f"{package}.{short}")
    return package if handed_on is find(dotted) else owner


def find(dotted: str) -> Any:
    """Return the object under a dotted name, or None if there is none."""
    first, *rest = dotted.split(".")
    value: Any = importlib.import_module(first)
    for name in rest:
        value = getattr(value, name, None)
    return value
