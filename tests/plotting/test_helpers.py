import itertools
import math
from typing import Any

import matplotlib.figure
import numpy as np
import pytest
import torch

from kanlib.plotting import label_lines, loglog_slope


def axes() -> Any:
    return matplotlib.figure.Figure().subplots()


def trained(values: list) -> torch.Tensor:
    return torch.tensor(values, requires_grad=True)


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor, trained])
def test_loglog_slope_has_the_slope(kind: Any) -> None:
    panel = axes()
    loglog_slope(panel, kind([5.0, 10.0, 20.0]), kind([1e-1, 6e-3, 4e-4]), -4)
    (drawn,) = panel.lines
    x, y = drawn.get_data()
    assert np.diff(np.log(y)) / np.diff(np.log(x)) == pytest.approx(-4)
    assert (x[0], y[0]) == pytest.approx((5, 0.1))
    assert panel.texts[0].get_text() == "slope −4"
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["5", "10", "20"]


def test_loglog_slope_of_falling_points_starts_at_the_first() -> None:
    panel = axes()
    loglog_slope(panel, [8.0, 4.0, 2.0], [64.0, 15.0, 5.0], 2, "quadratic")
    x, y = panel.lines[0].get_data()
    assert dict(zip(x, y, strict=True)) == {2: pytest.approx(4), 8: pytest.approx(64)}
    assert panel.texts[0].get_text() == "quadratic"


@pytest.mark.parametrize(
    ("x", "y", "name"),
    [
        ([], [], "x"),
        ([1, 2], [0, 1], "y"),
        ([-1, 1], [1, 1], "x"),
        ([1, math.nan], [1, 1], "x"),
        ([1, 2], [math.inf, 1], "y"),
    ],
)
def test_bad_loglog_slope(x: list, y: list, name: str) -> None:
    with pytest.raises(ValueError, match=f"loglog_slope: {name} is empty or not"):
        loglog_slope(axes(), x, y, -1)


def test_label_lines_names_each_line_once_and_apart() -> None:
    panel = axes()
    for k in range(5):
        panel.plot([0, 1], [0, 1 + k * 1e-3], label=f"f{k}")
    panel.plot([0, 1], [0, 5])  # not labelled
    panel.plot([0, math.nan], [0, math.nan], label="broken off")
    label_lines(panel)
    assert sorted(text.get_text() for text in panel.texts) == [
        "broken off",
        *(f"f{k}" for k in range(5)),
    ]
    panel.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in panel.texts]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_label_lines_stands_beside_the_end_on_pending_limits() -> None:
    panel = axes()
    panel.plot([0, 10], [-5, 7], label="rising")
    label_lines(panel)
    panel.figure.canvas.draw()
    end = panel.transData.transform((10, 7))
    box = panel.texts[0].get_window_extent()
    assert box.x0 > end[0]
    assert box.y0 < end[1] < box.y1
