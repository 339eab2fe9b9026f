"""The JavaScript and CSS of the widgets, read from the files beside this one."""

from importlib.resources import files


def joined(*names: str) -> str:
    """Return the text of several package files as one.

    A widget travels into a page as one module, which cannot import its neighbors; so
    shared functions (`spline.js`, `plot.js`) stand in front of the file that uses them.
    """
    folder = files("kanlib.widgets")
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)
