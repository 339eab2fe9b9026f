"""The JavaScript and CSS of the widgets, read from the files beside this one."""

import re
from importlib.resources import files

# `import { a, b } from "./plot.js";`, on one line or on several
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+\.js)";\n', re.MULTILINE)


def script(name: str) -> str:
    """Return a package file and all it imports as one module.

    A widget travels into a page as one module, which cannot import its neighbors. So
    each file that it imports stands once in front of those that use it; all names of
    the files meet in one scope and must differ.
    """
    texts: dict[str, str] = {}

    def take(file: str) -> None:
        text = _read(file)
        for needed in _IMPORT.findall(text):
            if needed not in texts:
                take(needed)
        texts[file] = _IMPORT.sub("", text)

    take(name)
    return "\n".join(texts.values())


def style(*names: str) -> str:
    """Return several package files with CSS as one text."""
    return "\n".join(map(_read, names))


def _read(name: str) -> str:
    return (files("kanlib.widgets") / name).read_text(encoding="utf-8")
