"""What of a notebook's widgets can live without a kernel."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
STATE_VERSION = {"version_major": 2, "version_minor": 0}
TRY_IT = "try-it"
REFERENCE = re.compile(r"IPY_MODEL_(\w+)")


def drop_live_widgets(notebook: dict[str, Any]) -> None:
    """Take the widgets that need a kernel out of an executed notebook, in place.

    A cell tagged `try-it` then shows the HTML that stands in the same output, until the
    reader runs it. Its models go unless another view needs them; models that no view
    names stay, for a link between two controls is one.
    """
    shown: list[str] = []
    live: list[str] = []
    for cell in notebook["cells"]:
        needs_kernel = TRY_IT in cell["metadata"].get("tags", [])
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if WIDGET_VIEW not in data:
                continue
            if needs_kernel and "text/html" in data:
                live.append(data.pop(WIDGET_VIEW)["model_id"])
            else:
                shown.append(data[WIDGET_VIEW]["model_id"])
    models = _models(notebook)
    for name in _reachable(live, models) - _reachable(shown, models):
        del models[name]
    if not models:
        notebook["metadata"].pop("widgets", None)


def _models(notebook: Mapping[str, Any]) -> dict[str, Any]:
    stored = notebook["metadata"].get("widgets", {}).get(WIDGET_STATE, {})
    return stored.get("state", {})


def widget_of(
    notebook: Mapping[str, Any], cell_id: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the view that a cell shows and the state of the models it is made of.

    Args:
        notebook: An executed notebook.
        cell_id: Which of its cells.

    Raises:
        ValueError: No cell of that name shows a widget, "no widget".
    """
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []) if cell["id"] == cell_id else []:
            if WIDGET_VIEW in output.get("data", {}):
                view = output["data"][WIDGET_VIEW]
                models = _models(notebook)
                needed = _reachable([view["model_id"]], models)
                state = {name: models[name] for name in sorted(needed)}
                return dict(view), STATE_VERSION | {"state": state}
    raise ValueError(
        f"no widget in a cell with the id {cell_id!r}; expected the id of a cell "
        "that shows one"
    )


def _reachable(start: Iterable[str], models: Mapping[str, Any]) -> set[str]:
    """Return the models that some views are made of."""
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name in models and name not in found:
            found.add(name)
            waiting += REFERENCE.findall(json.dumps(models[name]))
    return found
