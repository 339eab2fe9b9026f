"""Notebooks without noise: the same outputs give the same bytes, run after run."""

import base64
import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

import nbformat

from kanbook.bootstrap import known_address, with_bootstrap
from kanbook.cells import bundles_of, code_cells, without_injected
from kanbook.chapters import Chapter
from kanbook.files import write_whole
from kanbook.still import WIDGET_STATE, WIDGET_VIEW, drop_live_widgets

# Written by tools as they open, run or show a notebook; none of it is the author's.
TRANSIENT = (
    "papermill",
    "execution",
    "ExecuteTime",
    "collapsed",
    "scrolled",
    "trusted",
)
KERNELSPEC = {
    "display_name": "Python 3 (ipykernel)",
    "language": "python",
    "name": "python3",
}
LANGUAGE = {
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}
IDENTIFIER = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
# Papermill marks a raising cell with prose of its own around it.
MARKER = "papermill-error-cell-tag"
ADDRESS = re.compile(r" at 0x[0-9a-f]+>")


def normalized(notebook: Mapping[str, Any]) -> nbformat.NotebookNode:
    """Return a copy of `notebook` without what changes from run to run.

    Execution times, tool metadata and the interpreter's version go; cell counts become
    1, 2, ...; widget models are numbered in the order in which they were made; text
    that a stream sent in pieces is joined. `metadata.widgets` stays, for the page needs
    it, without the models that only a kernel can move.

    Args:
        notebook: An executed notebook, in nbformat's dictionary form.

    Returns:
        The normalized copy; normalizing it again changes nothing.
    """
    still = copy.deepcopy(dict(notebook))
    drop_live_widgets(still)
    result = nbformat.from_dict(_renamed(still, _widget_names(still)))
    widgets = result.metadata.get("widgets")
    for name in TRANSIENT:
        result.metadata.pop(name, None)
    result.metadata["kernelspec"] = dict(KERNELSPEC)
    result.metadata["language_info"] = dict(LANGUAGE)
    if widgets and not widgets.get(WIDGET_STATE, {}).get("state"):
        del result.metadata["widgets"]
    result.cells = [c for c in result.cells if MARKER not in c.metadata.get("tags", [])]
    count = 0
    for cell in result.cells:
        for name in TRANSIENT:
            cell.metadata.pop(name, None)
        if not cell.metadata.get("tags", True):
            del cell.metadata["tags"]
        if cell.cell_type != "code":
            continue
        if cell.execution_count is not None:
            count += 1
            cell.execution_count = count
        cell.outputs = _joined(cell.outputs)
        for output in cell.outputs:
            _settle(output, cell.execution_count)
    return result


def _settle(output: nbformat.NotebookNode, count: int | None) -> None:
    if output.output_type == "execute_result":
        output.execution_count = count
    data = output.get("data", {})
    if WIDGET_VIEW in data and "text/plain" in data:
        data["text/plain"] = ADDRESS.sub(">", data["text/plain"])


def _joined(
    outputs: Sequence[nbformat.NotebookNode],
) -> list[nbformat.NotebookNode]:
    done: list[nbformat.NotebookNode] = []
    for output in outputs:
        name = output.get("name")
        if name and done and done[-1].get("name") == name:
            done[-1].text += output.text
        else:
            done.append(output)
    return done


def _widget_names(notebook: Mapping[str, Any]) -> dict[str, str]:
    """Number the widget models; the state lists them in the order of their making."""
    widgets = notebook["metadata"].get("widgets", {}).get(WIDGET_STATE, {})
    seen = dict.fromkeys(name for name in widgets.get("state", {}))
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            view = output.get("data", {}).get(WIDGET_VIEW, {})
            if "model_id" in view:
                seen.setdefault(view["model_id"])
    return {
        name: f"{number:032x}"
        for number, name in enumerate(seen)
        if IDENTIFIER.fullmatch(name)
    }


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {_text(k, names): _renamed(v, names) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_renamed(item, names) for item in value]
    return _text(value, names) if isinstance(value, str) else value


def _text(text: str, names: Mapping[str, str]) -> str:
    # A figure's base64 is long and holds no name of a model.
    if not names or len(text) > 200:
        return text
    return IDENTIFIER.sub(lambda match: names.get(match[0], match[0]), text)


def text_of(notebook: nbformat.NotebookNode) -> str:
    """Return the bytes' text of a notebook as Jupyter itself would save it."""
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def with_outputs(
    source: Mapping[str, Any], executed: Mapping[str, Any]
) -> nbformat.NotebookNode:
    """Return the source's prose and code with the outputs of an earlier execution.

    Args:
        source: The notebook now; its code cells have the sources of `executed`.
        executed: The executed copy.

    Returns:
        A normalized notebook.
    """
    result = nbformat.from_dict(source)
    done = [cell for _, cell in code_cells(executed)]
    kept = without_injected(done)
    injected = [cell for cell in done if cell not in kept]
    cells = [cell for cell in result.cells if cell.cell_type == "code"]
    for cell, old in zip(cells, kept, strict=True):
        cell.outputs = nbformat.from_dict(old["outputs"])
        cell.execution_count = old["execution_count"]
    result.metadata.pop("widgets", None)
    if "widgets" in executed["metadata"]:
        result.metadata["widgets"] = nbformat.from_dict(executed["metadata"]["widgets"])
    if injected:
        tags = [c.metadata.get("tags", []) for c in result.cells]
        place = next(i for i, t in enumerate(tags) if "parameters" in t)
        result.cells.insert(place + 1, nbformat.from_dict(injected[0]))
    return normalized(result)


def error_outputs(notebook: Mapping[str, Any]) -> list[str]:
    """Say which cells wrote an error or to the error stream; a chapter does neither."""
    problems = []
    for number, cell in enumerate(notebook["cells"], 1):
        for output in cell.get("outputs", []):
            if output["output_type"] == "error":
                problems.append(f"cell {number} raised {output['ename']}")
            elif output.get("name") == "stderr":
                first = (output["text"].strip().splitlines() or [""])[0][:80]
                problems.append(f"cell {number} wrote to stderr: {first}")
    return problems


def readme_figure(executed: Mapping[str, Any]) -> bytes | None:
    """Return the light image of the cell tagged `readme-figure`, None without one."""
    for cell in executed["cells"]:
        if "readme-figure" in cell["metadata"].get("tags", []):
            for bundle in bundles_of(cell):
                found = re.search(
                    r'class="kl-light[^>]*src="data:image/png;base64,([^"]+)"',
                    "".join(bundle.get("text/html", "")),
                )
                if found:
                    return base64.b64decode(found[1])
    return None


def prepare(chapter: Chapter) -> bool:
    """Write the bootstrap cell that a chapter needs into its committed notebook.

    Call it before the execution whose outputs `refresh` takes over.

    Returns:
        Whether the file changed; a notebook that cannot be read is left alone, for its
        execution says what is wrong.

    Raises:
        ValueError: `kanbook_address` in `_config.yml` is of no known form.
    """
    known = known_address(chapter.root)
    try:
        notebook = nbformat.read(chapter.path, as_version=4)
    except (OSError, ValueError):
        return False
    text = text_of(nbformat.from_dict(with_bootstrap(notebook, known)))
    if text == text_of(notebook):
        return False
    write_whole(chapter.path, text)
    return True


def refresh(chapter: Chapter, executed: Mapping[str, Any]) -> bool:
    """Put an executed copy in the place of the committed notebook.

    Args:
        chapter: Whose notebook is replaced, whole or not at all.
        executed: Its execution at the profile `book`.

    Returns:
        Whether the file changed.

    Raises:
        ValueError: A cell raised or wrote to stderr, "cannot be refreshed".
        OSError: The file cannot be written; the old one stays.
    """
    problems = error_outputs(executed)
    if problems:
        raise ValueError(
            f"{chapter.name} cannot be refreshed: {'; '.join(problems)}; expected no "
            "error and nothing on stderr. Mend these cells and run again."
        )
    picture = readme_figure(executed)
    if picture is not None:
        write_whole(chapter.root / "book" / "static" / "readme.png", picture)
    text = text_of(normalized(executed))
    if chapter.path.read_text("utf-8") == text:
        return False
    write_whole(chapter.path, text)
    return True
