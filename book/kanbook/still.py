"""What of a notebook's widgets can live without a kernel."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
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
    stored = notebook["metadata"].get("widgets", {}).get(WIDGET_STATE, {})
    models = stored.get("state", {})
    for name in _reachable(live, models) - _reachable(shown, models):
        del models[name]
    if not models:
        notebook["metadata"].pop("widgets", None)


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
