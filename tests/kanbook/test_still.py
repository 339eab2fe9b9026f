"""Widgets that need a kernel leave a notebook; all others stay."""

import pytest
from kanbook.still import WIDGET_STATE, WIDGET_VIEW, drop_live_widgets, widget_of


def cell(model: str, *tags: str, html: bool = True) -> dict:
    data = {WIDGET_VIEW: {"model_id": model}, "text/plain": "w"}
    data |= {"text/html": "<p>still</p>"} if html else {}
    shown = [{"data": data}]
    return {"id": f"{model}-1", "metadata": {"tags": list(tags)}, "outputs": shown}


def book(*cells: dict, **models: list[str]) -> dict:
    state = {
        n: {"state": {"children": [f"IPY_MODEL_{c}" for c in made_of]}}
        for n, made_of in models.items()
    }
    return {
        "cells": list(cells),
        "metadata": {"widgets": {WIDGET_STATE: {"state": state}}},
    }


def kept(notebook: dict) -> set[str]:
    return set(
        notebook["metadata"].get("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    )


def test_a_live_cell_loses_its_view_and_the_models_of_its_own() -> None:
    made = book(
        cell("figure"),
        cell("box", "try-it"),
        figure=["layout"],
        box=["button", "layout"],
        button=["style"],
        style=[],
        layout=[],
        link=["button", "figure"],
    )
    drop_live_widgets(made)
    views = [WIDGET_VIEW in one["outputs"][0]["data"] for one in made["cells"]]
    assert views == [True, False]
    assert kept(made) == {"figure", "layout", "link"}


def test_state_goes_when_nothing_is_left() -> None:
    made = book(cell("box", "try-it"), box=["button"], button=[])
    drop_live_widgets(made)
    assert made["metadata"] == {}


def test_without_a_still_twin_or_without_widgets_nothing_changes() -> None:
    bare = book(cell("box", "try-it", html=False), box=[])
    drop_live_widgets(bare)
    assert WIDGET_VIEW in bare["cells"][0]["outputs"][0]["data"]
    assert kept(bare) == {"box"}
    plain = {"cells": [{"metadata": {}}], "metadata": {}}
    drop_live_widgets(plain)
    assert plain == {"cells": [{"metadata": {}}], "metadata": {}}


def test_one_figure_is_taken_with_the_models_it_is_made_of() -> None:
    made = book(
        cell("other"), cell("figure"), other=[], figure=["layout"], layout=[], link=[]
    )
    view, stored = widget_of(made, "figure-1")
    assert view == {"model_id": "figure"}
    assert set(stored["state"]) == {"figure", "layout"}
    with pytest.raises(ValueError, match="no widget in a cell with the id 'lost'"):
        widget_of(made, "lost")


def test_models_that_name_each_other_are_walked_once() -> None:
    made = book(cell("a", "try-it"), cell("c"), a=["b"], b=["a"], c=[])
    drop_live_widgets(made)
    assert kept(made) == {"c"}
