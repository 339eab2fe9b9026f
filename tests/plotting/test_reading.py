"""What a drawing tells of itself: every kind of mark gives back its own numbers."""

from collections.abc import Callable
from typing import Any

import matplotlib.figure
import numpy as np
import pytest
import torch

from kanlib.plotting import figure, loglog_slope
from kanlib.plotting._reading import tables
from kanlib.plotting._table import Table, text

Columns = dict[str, list[str]]
BENT = np.array([[0.0, 1, 2], [0, 1, 2], [1, 2, 3]]), np.mgrid[0:3, 0:3][0]


def read(draw: Callable[[Any], object], **options: int) -> list[Table]:
    drawn = matplotlib.figure.Figure()
    draw(drawn.subplots(**options))
    drawn.canvas.draw()
    return tables(drawn)


def columns(table: Table) -> Columns:
    cells = ([text(cell) for cell in column] for column in table.columns)
    return dict(zip(table.heads, cells, strict=True))


def only(draw: Callable[[Any], object]) -> Columns:
    (table,) = read(draw)
    return columns(table)


def test_curves_with_the_same_abscissas_share_a_table() -> None:
    def draw(axes: Any) -> None:
        axes.plot([1, 2], [3, 4.5], label="first")
        axes.plot([1, 2], [5, 6], label="_hidden in the legend")
        axes.plot([1, 3], [7, 8])
        axes.set(xlabel="G", ylabel="error")

    first, second = read(draw)
    assert columns(first) == {
        "G": ["1", "2"],
        "first": ["3", "4.5"],
        "hidden in the legend": ["5", "6"],
    }
    assert columns(second) == {"G": ["1", "3"], "error": ["7", "8"]}
    assert (first.caption, second.caption) == ("error", "")


def test_nameless_curves_are_counted_and_names_do_not_repeat() -> None:
    def draw(axes: Any) -> None:
        axes.plot([1, 2], [[1, 2], [3, 4]])
        axes.plot([1, 2], [5, 6], label="twice")
        axes.plot([1, 2], [7, 8], label="twice")

    assert list(only(draw)) == ["x", "y (1)", "y (2)", "twice", "twice (2)"]


def test_tensors_gaps_and_names_are_read() -> None:
    x = torch.tensor([0.5, 1.0])
    assert only(lambda axes: axes.plot(x, x**2)) == {
        "x": ["0.5", "1"],
        "y": ["0.25", "1"],
    }
    gap = np.ma.masked_invalid([1.0, np.nan])
    assert only(lambda axes: axes.plot([1, 2], gap))["y"] == ["1", "nan"]
    assert only(lambda axes: axes.plot(["a", "b"], [1, 2]))["x"] == ["a", "b"]
    days = np.array(["2020-01-01", "2020-01-02"], "datetime64[D]")
    assert only(lambda axes: axes.plot(days, [1, 2]))["x"] == [
        "2020-01-01",
        "2020-01-02",
    ]


def test_points_drawn_one_by_one_share_a_table() -> None:
    def draw(axes: Any) -> None:
        for k in range(3):
            axes.plot(k, k**2, "x", label=f"_seed {k}" if k else None)

    made = {
        "x": ["0", "1", "2"],
        "y": ["0", "1", "4"],
        "name": ["", "seed 1", "seed 2"],
    }
    assert only(draw) == made


def test_guides_say_where_they_are() -> None:
    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1])
        axes.axvline(0.5)
        axes.axvline(0.75, label="limit")
        axes.axhline(2)
        axes.axvspan(0, 1)
        axes.text(0, 0, "words")

    _, upright, level = map(columns, read(draw))
    assert upright == {"vertical lines at x": ["0.5", "0.75"], "meaning": ["", "limit"]}
    assert level == {"horizontal lines at y": ["2"]}


def test_a_slope_is_named() -> None:
    def draw(axes: Any) -> None:
        axes.plot([1, 10], [2, 3])
        loglog_slope(axes, [1, 10], [1.0, 0.5], -2)

    assert only(draw)["slope −2"] == ["1", "0.01"]


def test_bars() -> None:
    def stacked(axes: Any) -> None:
        axes.bar(["a", "b"], [1, 2], label="one")
        axes.bar(["a", "b"], [3, 4], bottom=[1, 2], label="two")

    assert only(stacked) == {
        "x": ["a", "b"],
        "one": ["1", "2"],
        "two": ["4", "6"],
        "two from": ["1", "2"],
    }

    def lying(axes: Any) -> None:
        axes.barh(["a", "b"], [1.5, 2.5])
        axes.set(xlabel="RMSE", ylabel="basis")
        axes.invert_yaxis()

    assert only(lying) == {"basis": ["a", "b"], "RMSE": ["1.5", "2.5"]}

    def ticked(axes: Any) -> None:
        axes.bar([0, 1], [3, 4])
        axes.set_xticks([0, 1], ["left", "right"])

    assert only(ticked)["x"] == ["left", "right"]
    counted = only(lambda axes: axes.hist([0.0, 0.1, 1.0], bins=2))
    assert counted == {"x": ["0.25", "0.75"], "y": ["2", "1"]}


@pytest.mark.parametrize("form", ["o-", "none"])
def test_error_bars(form: str) -> None:
    def draw(axes: Any) -> None:
        low_high = [[0.5, 0.25], [1, 2]]
        axes.errorbar([1, 2], [3.0, 4.0], low_high, fmt=form, capsize=3, label="mean")

    made = only(draw)
    low, high = ["2.5", "3.75"], ["4", "6"]
    # Without its points a bar is all there is: its middle stands for the value.
    value = ["3", "4"] if form == "o-" else ["3.25", "4.875"]
    assert made == {"x": ["1", "2"], "mean": value, "mean low": low, "mean high": high}


def test_error_bars_of_both_axes() -> None:
    made = only(lambda axes: axes.errorbar([1, 2], [3, 4], xerr=0.5, yerr=1))
    assert (made["y x low"], made["y x high"]) == (["0.5", "1.5"], ["1.5", "2.5"])
    assert (made["y low"], made["y high"]) == (["2", "3"], ["4", "5"])


def test_scatter_bands_and_segments() -> None:
    made = only(lambda axes: axes.scatter([1, 2], [3, 4], c=[0.5, 0.75], label="runs"))
    assert made == {"x": ["1", "2"], "runs": ["3", "4"], "runs, color": ["0.5", "0.75"]}
    band = only(lambda axes: axes.fill_between([1, 2], [0, 1], [2, 3], label="range"))
    assert band == {"x": ["1", "2"], "range low": ["0", "1"], "range high": ["2", "3"]}
    stems = only(lambda axes: axes.stem([1, 2], [3, 4]))
    assert stems == {"x": ["1", "2"], "y": ["3", "4"]}
    rods = only(lambda axes: axes.vlines([1, 2], 0, [3, 4]))
    assert (rods["y"], rods["y, to y"]) == (["0", "0"], ["3", "4"])


def test_heat_maps_have_their_coordinates() -> None:
    values = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])

    def draw(axes: Any) -> None:
        image = axes.imshow(values, extent=(0, 3, 0, 1), origin="lower")
        axes.figure.colorbar(image)
        axes.set(xlabel="u", ylabel="v")

    (table,) = read(draw)
    assert table.grid
    assert table.heads == ("v ↓, u →", "0.5", "1.5", "2.5")
    assert [list(column) for column in table.columns] == [
        [0.25, 0.75],
        *values.T.tolist(),
    ]
    upper = only(lambda axes: axes.imshow(values, extent=(0, 3, 0, 1)))
    assert upper["y ↓, x →"] == ["0.75", "0.25"]
    mesh = only(lambda axes: axes.pcolormesh([0, 1, 2, 4], [0, 2, 4], values))
    assert mesh == {
        "y ↓, x →": ["1", "3"],
        "0.5": ["1", "4"],
        "1.5": ["2", "5"],
        "3": ["3", "6"],
    }

    def confusion(axes: Any) -> None:
        axes.imshow([[7, 1], [0, 8]])
        axes.set_xticks([0, 1], ["cat", "dog"])

    assert list(only(confusion)) == ["y ↓, x →", "cat", "dog"]


def test_several_axes_are_told_apart() -> None:
    def draw(axes: Any) -> None:
        axes[0].plot([0, 1], [1, 2], label="loss")
        axes[0].set(title="Training", ylabel="RMSE")
        axes[1].plot([0, 1], [3, 4])
        axes[2].set_visible(False)
        axes[2].plot([0, 1], [5, 6])
        axes[1].inset_axes((0.5, 0.5, 0.4, 0.4)).plot([2, 3], [7, 8])

    captions = [table.caption for table in read(draw, ncols=3)]
    assert captions == ["Training, RMSE", "panel 2", "panel 3"]


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda axes: axes.axis("off"), "no number can be read from the drawing"),
        (lambda axes: axes.text(0, 0, "words"), "no number can be read"),
        (lambda axes: axes.plot([], []), "no number can be read"),
        (lambda axes: axes.contour(np.eye(3)), "a QuadContourSet cannot be read back"),
        (lambda axes: axes.pie([1, 2]), "a Wedge cannot be read back"),
        (lambda axes: axes.stairs([1, 2]), "a StepPatch cannot be read back"),
        (lambda axes: axes.imshow(np.ones((2, 2, 3))), "an image of colors cannot"),
        (
            lambda axes: axes.pcolormesh(np.eye(3), shading="gouraud"),
            "a mesh with shading cannot",
        ),
        (lambda axes: axes.pcolormesh(*BENT, np.eye(2)), "a mesh that is bent cannot"),
        (
            lambda axes: axes.errorbar([1, 2], [3, 4], 1, errorevery=2),
            "error bars of some points only cannot",
        ),
        (lambda axes: axes.quiver([1], [2], [3], [4]), "a Quiver cannot"),
    ],
)
def test_what_cannot_be_read_needs_data(draw: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"figure: {message}.*data={{name: values}}"):
        figure(draw, alt="Something.", size=(1, 1))
    given = figure(draw, alt="Something.", size=(1, 1), data={"x": [1]})
    assert "<td>1</td>" in given.table
