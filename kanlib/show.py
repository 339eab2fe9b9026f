"""Production source shown where it is itself the lesson: always the code that runs."""

import ast
import inspect
import re
import textwrap
from dataclasses import dataclass
from html import escape
from typing import Any

from kanlib.ops import kernel_files, kernel_source

__all__ = ["Source", "show"]

REGION = re.compile(r"\s*(?://|#)\s*region:\s*(\S+)\s*")
END = re.compile(r"\s*(?://|#)\s*endregion\s*")

# The site colors `.highlight .k`; these weaker rules color the source in JupyterLab,
# whose own variables follow its theme, and leave it plain where neither is defined.
_STYLE = "".join(
    f':where(.kl-source span[class^="{prefix}"])'
    f"{{color:var(--jp-mirror-editor-{variable}-color);{more}}}"
    for prefix, variable, more in (
        ("k", "keyword", "font-weight:bold"),
        ("c", "comment", "font-style:italic"),
        ("s", "string", ""),
        ("m", "number", ""),
        ("nf", "def", ""),
        ("nc", "def", ""),
        ("nb", "builtin", ""),
    )
)


@dataclass(frozen=True)
class Source:
    """A piece of source: prints as itself, and is highlighted as a cell's last value.

    Example:
        >>> print(Source("square", "lambda x: x * x", "python"))
        lambda x: x * x
    """

    name: str
    text: str
    language: str

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return (
            f'<div class="kl-source"><style>{_STYLE}</style>'
            f'<p class="kl-source__name"><code>{escape(self.name)}</code></p>'
            f'<div class="highlight"><pre>{self._tokens()}</pre></div></div>'
        )

    def _tokens(self) -> str:
        """The text with one span a token; plain where pygments is not installed."""
        try:
            from pygments import highlight
            from pygments.formatters import HtmlFormatter
            from pygments.lexers import get_lexer_by_name
        except ImportError:
            return escape(self.text)
        lexer = get_lexer_by_name(self.language, stripnl=False)
        return str(highlight(self.text, lexer, HtmlFormatter(nowrap=True)))


def show(what: Any, region: str | None = None, *, docstring: bool = True) -> Source:
    """Return the source of a Python object or of a CUDA file, highlighted.

    Args:
        what: a function, class, method or module; or the path of a kernel, such as
            "bspline/forward.cu".
        region: only the lines between `// region: <name>` and `// endregion` (in Python
            with #).
        docstring: False leaves out the docstring of a Python object.

    Returns:
        The source; as the last expression of a cell it is displayed.

    Raises:
        TypeError: the object has no source in Python ("show: ...").
        ValueError: no such kernel (lists the files), or no such region (lists the
            regions) ("show: ...").

    Example:
        >>> print(show(Source.__str__))
        def __str__(self) -> str:
            return self.text
    """
    if isinstance(what, str):
        name, text, language = what, _kernel(what), "cuda"
    else:
        name, text, language = _python(what, docstring)
    if region is not None:
        text = _region(name, text, region)
        name = f"{name}: {region}"
    return Source(name, textwrap.dedent(text).strip("\n"), language)


def _python(what: Any, docstring: bool) -> tuple[str, str, str]:
    """Name, source and language of a Python object."""
    target: Any = what.fget if isinstance(what, property) else what
    try:
        text = textwrap.dedent(inspect.getsource(target))
    except (TypeError, OSError) as error:
        raise TypeError(
            f"show: {what!r:.60} has no source in Python; expected a function, class, "
            f"method or module. To show the class of an object use "
            f"show(type(...)), here {type(what).__name__}."
        ) from error
    if inspect.ismodule(target):
        return target.__name__, text if docstring else _undocumented(text), "python"
    name = f"{target.__module__}.{target.__qualname__}"
    return name, text if docstring else _undocumented(text), "python"


def _undocumented(text: str) -> str:
    """The source of one object without its own docstring."""
    tree: Any = ast.parse(text)
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    if len(tree.body) == 1 and isinstance(tree.body[0], kinds):
        tree = tree.body[0]
    first: Any = tree.body[0] if tree.body else None
    if ast.get_docstring(tree, clean=False) is None or len(tree.body) == 1:
        return text
    lines = text.splitlines(keepends=True)
    after = first.end_lineno
    while after < len(lines) and not lines[after].strip():
        after += 1
    return "".join(lines[: first.lineno - 1] + lines[after:])


def _kernel(path: str) -> str:
    """The text of a CUDA file of the library."""
    files = kernel_files()
    if path not in files:
        raise ValueError(
            f'show: there is no kernel "{path}"; expected one of {", ".join(files)}.'
        )
    return kernel_source(path)


def _region(name: str, text: str, region: str) -> str:
    """The lines between the markers of a region."""
    regions: dict[str, list[str]] = {}
    around: list[list[str]] = []  # the open regions: one may stand inside another
    for line in text.splitlines(keepends=True):
        if match := REGION.fullmatch(line):
            around.append(regions.setdefault(match[1], []))
        elif END.fullmatch(line):
            around[-1:] = []
        else:
            for lines in around:
                lines.append(line)
    if region not in regions:
        listed = ", ".join(regions) or "none"
        raise ValueError(
            f'show: {name} has no region "{region}"; expected one of {listed}.'
        )
    return "".join(regions[region])
