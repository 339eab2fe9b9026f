"""Where a hover card goes, and which symbols a letter of a formula stands for."""

from collections.abc import Callable
from itertools import product
from typing import Any

GAP, EDGE, LEAST = 8, 8, 96
WINDOW = {"width": 390, "height": 800}

Classic = Callable[..., list[Any]]


def anchor(left: float, top: float, high: float = 20) -> dict[str, float]:
    return {"left": left, "top": top, "bottom": top + high}


def test_a_card_stands_inside_the_window_beside_its_link(classic: Classic) -> None:
    cases = [
        (anchor(left, top, high), {"width": width, "height": height})
        for left, top, high, width, height in product(
            (0, 200, 380), (0, 60, 390, 700, 780), (20, 300), (40, 374), (50, 300, 2000)
        )
        if top + high <= WINDOW["height"]
    ]
    placed = classic("cards.js", *(["place", *case, WINDOW] for case in cases))
    for (spot, size), put in zip(cases, placed, strict=True):
        message = f"{spot}, {size}: {put}"
        assert EDGE <= put["left"] <= WINDOW["width"] - EDGE - size["width"], message
        bottom = put["top"] + put["height"]
        assert put["top"] >= EDGE, message
        assert bottom <= WINDOW["height"] - EDGE, message
        under, over = put["top"] - spot["bottom"], spot["top"] - bottom
        assert GAP in (under, over), message
        assert 0 < put["height"] <= size["height"], message


def test_a_card_prefers_to_stand_below(classic: Classic) -> None:
    small, high = {"width": 100, "height": 100}, {"width": 100, "height": 700}
    fits, turned, cut = classic(
        "cards.js",
        ["place", anchor(50, 600), small, WINDOW],
        ["place", anchor(50, 750), small, WINDOW],
        ["place", anchor(50, 300), high, WINDOW],
    )
    assert fits == {"left": 50, "top": 628, "height": 100}
    assert turned == {"left": 50, "top": 642, "height": 100}
    assert cut == {"left": 50, "top": 328, "height": 800 - 328 - EDGE}


def test_where_there_is_no_room_a_card_stays_readable(classic: Classic) -> None:
    tall = {"width": 100, "height": 500}
    (put,) = classic("cards.js", ["place", anchor(0, -50, 900), tall, WINDOW])
    assert put["height"] == LEAST


def test_a_letter_stands_for_the_rows_that_its_equation_declares(
    classic: Classic,
) -> None:
    rows = [
        {"id": "symbol-1", "glyph": "B"},
        {"id": "symbol-2", "glyph": "B"},
        {"id": "symbol-3", "glyph": "x"},
        {"id": "symbol-4", "glyph": None},
    ]
    every, declared, other, none = classic(
        "cards.js",
        ["matching", rows, ["B"], []],
        ["matching", rows, ["B", "x"], ["symbol-2", "symbol-3"]],
        ["matching", rows, ["x"], ["symbol-1"]],
        ["matching", rows, ["q", ""], ["symbol-1"]],
    )
    assert [row["id"] for row in every] == ["symbol-1", "symbol-2"]
    assert [row["id"] for row in declared] == ["symbol-2", "symbol-3"]
    assert [row["id"] for row in other] == ["symbol-3"]
    assert none == []
