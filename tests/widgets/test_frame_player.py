import json
import math

import ipywidgets
import numpy as np
import pytest
import torch
import traitlets

from kanlib.widgets import FramePlayer, Panel
from kanlib.widgets._packed import pack, unpack
from kanlib.widgets.frame_player import _chosen

X = torch.linspace(-1, 1, 21)
FILM = torch.stack([torch.sin(k * X) for k in range(1, 6)])


@pytest.fixture
def film():
    return FramePlayer(
        [
            Panel("one", X, FILM),
            Panel(
                "two",
                X,
                torch.stack([FILM, FILM.exp()], 1),
                names=("a", "b"),
                reference=("target", X),
                dots=("knots", torch.zeros(5, 3, 2)),
            ),
        ],
        [f"step {10 * k}" for k in range(5)],
        timeline=Panel("loss", range(5), [1.0, 0.1, 0.01, 0.001, 0.0001], log=True),
        alt="a sine gets faster",
    )


def test_a_frame_is_observed_assigned_and_linked(film):
    seen = []
    film.observe(lambda change: seen.append(change.new), "frame")
    film.frame = 4
    assert (seen, film.label) == ([4], "step 40")
    number = ipywidgets.IntText()
    ipywidgets.link((film, "frame"), (number, "value"))
    number.value = 2
    assert film.label == "step 20"
    film.set_state({"frame": 1})  # as the browser sends it
    assert seen == [4, 2, 1]
    assert number.value == 1


@pytest.mark.parametrize("frame", [-1, 5])
def test_a_frame_that_is_not_there_is_refused(film, frame):
    with pytest.raises(traitlets.TraitError, match=f"frame is {frame}; expected 0 to"):
        film.frame = frame
    assert film.frame == 0


def test_the_page_carries_what_was_given_to_five_digits(film):
    one, two = film._panels
    np.testing.assert_allclose(unpack(one["y"]), FILM.ravel(), atol=8e-6 * 2)
    both = torch.stack([FILM, FILM.exp()], 1).ravel()
    np.testing.assert_allclose(unpack(two["y"]), both, atol=8e-6 * 4)
    assert two["names"] == ["a", "b"]
    assert two["ylim"][0] < both.min()
    assert two["ylim"][1] > both.max()
    run = unpack(film._timeline["y"])
    np.testing.assert_allclose(run, [1.0, 0.1, 0.01, 0.001, 0.0001], rtol=2e-5 * 4)
    json.dumps(film.get_state(["_panels", "_timeline", "_labels"]), allow_nan=False)


@pytest.mark.parametrize("log", [False, True])
def test_packing_keeps_ends_order_gaps_and_a_stated_accuracy(log):
    generator = np.random.default_rng(0)
    values = 10 ** generator.uniform(-8, 1, 400) if log else generator.normal(size=400)
    values[::50] = np.nan
    back = unpack(pack(values, log))
    assert np.array_equal(np.isnan(back), np.isnan(values))
    there = ~np.isnan(values)
    span = np.ptp(np.log10(values[there]) if log else values[there])
    close = {"rtol": 2e-5 * span} if log else {"rtol": 0, "atol": 8e-6 * span}
    np.testing.assert_allclose(back[there], values[there], **close)
    assert np.nanmax(back) == pytest.approx(np.nanmax(values), rel=1e-12)


@pytest.mark.parametrize("values", [[3.0, 3.0], [math.nan, math.nan], [math.nan, 2.0]])
def test_packing_survives_what_has_no_range(values):
    np.testing.assert_array_equal(unpack(pack(np.array(values))), values)


def test_a_gap_stays_a_gap_and_lists_and_grads_are_taken():
    y = torch.ones(2, 3, requires_grad=True).tolist()
    y[1][1] = math.nan
    film = FramePlayer(Panel("t", [0, 1, 2], y), alt="a line with a gap")
    (panel,) = film._panels
    assert np.isnan(unpack(panel["y"])).tolist() == [False] * 4 + [True, False]
    y = torch.ones(2, 3, requires_grad=True)
    FramePlayer(Panel("t", np.arange(3), y), alt="a line")


def test_the_still_twin_has_three_frames_where_the_curves_moved(film):
    assert film.still().alt == "a sine gets faster"
    steps = torch.tensor([0.0, 1.0, 1.9, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0])
    fast = FramePlayer(Panel("t", X, steps[:, None] + X), alt="fast, then slow")
    assert _chosen(fast._panels, 9) == [0, 1, 8]
    for count in (1, 2):
        few = FramePlayer(Panel("t", X, FILM[:count]), alt="short")
        assert _chosen(few._panels, count) == list(range(count))
        assert few.still().width > 200
    still = FramePlayer(Panel("t", X, torch.zeros(3, 21)), alt="nothing moves")
    assert _chosen(still._panels, 3) == [0, 1, 2]


def test_labels_count_the_frames_where_none_are_given():
    film = FramePlayer(Panel("t", X, FILM), alt="a sine", frame=1)
    assert film.label == "frame 2 of 5"
    assert repr(film) == "FramePlayer: 5 frames of 1 panel"


def test_a_film_stays_below_the_limit_of_a_page(film):
    with pytest.raises(ValueError, match=r"takes 1,6\d\d,\d{3} bytes; expected at mo"):
        FramePlayer(Panel("t", range(1000), torch.rand(600, 1000)), alt="too much")
    small = FramePlayer(
        Panel("t", range(100), torch.rand(100, 2, 100)), alt="as its notes say"
    )
    assert len(json.dumps(small.get_state(["_panels"]))) < 55_000


@pytest.mark.parametrize(
    ("panels", "options", "error", "message"),
    [
        (None, {}, TypeError, "panels is a NoneType; expected a list of Panel"),
        ([], {}, ValueError, "panels is empty"),
        ([FILM], {}, TypeError, "panels has a Tensor; expected Panel"),
        (Panel("t", X, FILM[:, 1:]), {}, ValueError, r"'t': y has shape \(5, 20\)"),
        (Panel("t", X, X), {}, ValueError, r"y has shape \(21,\); expected \(21, 21\)"),
        (Panel("t", X, 1.0), {}, ValueError, r"y has shape \(\); expected \(1, 21\)"),
        (Panel("t", FILM[1:], FILM), {}, ValueError, r"x has shape \(4, 21\)"),
        (Panel("t", X, FILM / 0), {}, ValueError, "y has infinite entries, 1"),
        (Panel("t", X, FILM * math.nan), {}, ValueError, "y has no finite value"),
        (Panel("t", X, FILM, log=True), {}, ValueError, "y has 5. entries that are n"),
        (Panel("t", [], FILM[:, :0]), {}, ValueError, r"y is empty, .* \(5, 0\)"),
        (Panel("t", X, "fast"), {}, TypeError, "y is a str; expected an array"),
        (Panel("t", X, [[1.0], [1.0, 2.0]]), {}, TypeError, "y is a list; expected"),
        (Panel("t", X, FILM, ("a", "b")), {}, ValueError, "names has 2 entries"),
        (Panel("t", X, FILM, reference=X), {}, TypeError, "reference is a Tensor"),
        (
            Panel("t", X, FILM, reference=("f", FILM)),
            {},
            ValueError,
            r"reference has shape \(5, 21\); expected \(21,\)",
        ),
        (
            Panel("t", FILM, FILM, reference=("f", X)),
            {},
            ValueError,
            r"x has shape \(5, 21\); expected \(21,\), because a reference",
        ),
        (
            Panel("t", X, FILM, dots=("knots", torch.zeros(4, 3, 2))),
            {},
            ValueError,
            r"dots has shape \(4, 3, 2\); expected \(5, 3, 2\)",
        ),
        (Panel("t", X, FILM), {"labels": ["a"]}, ValueError, "labels has 1 entries"),
        (Panel("t", X, FILM), {"labels": "abcde"}, TypeError, "labels is 'abcde'"),
        (Panel("t", X, FILM), {"frame": 5}, ValueError, "frame is 5; expected 0 to 4"),
        (Panel("t", X, FILM), {"frame": -1}, ValueError, "frame must be at least 0"),
        (Panel("t", X, FILM), {"frame": 0.5}, TypeError, "frame is a float"),
        (Panel("t", X, FILM), {"seconds": 0}, ValueError, "seconds must be"),
        (Panel("t", X, FILM), {"timeline": X}, TypeError, "timeline is a Tensor"),
        (
            Panel("t", X, FILM),
            {"timeline": Panel("loss", [0, 1], [1, 2])},
            ValueError,
            "timeline has 2 points; expected 5",
        ),
    ],
)
def test_bad_arguments_are_named(panels, options, error, message):
    with pytest.raises(error, match=f"FramePlayer: .*{message}|FramePlayer: {message}"):
        FramePlayer(panels, alt="a film", **options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"title": None}, TypeError, "title is a NoneType"),
        ({"xlabel": 3}, TypeError, "xlabel is a int"),
        ({"names": "ab"}, TypeError, "names is 'ab'; expected a list of str"),
        ({"names": "abcde"[:5].split("x") * 5}, ValueError, "names has 5 entries"),
        ({"limits": (1, 0)}, ValueError, "limits must be two finite numbers a < b"),
        ({"limits": (0, 1), "log": True}, ValueError, "limits must be above 0"),
    ],
)
def test_a_bad_panel_is_named(options, error, message):
    with pytest.raises(error, match=f"Panel: {message}"):
        Panel(**({"title": "t", "x": X, "y": FILM} | options))


def test_what_cannot_be_shown_opens_no_model_that_the_page_would_carry(monkeypatch):
    opened = []
    monkeypatch.setattr(ipywidgets.Widget, "open", lambda self: opened.append(self))
    with pytest.raises(ValueError, match="frame is 9"):
        FramePlayer(Panel("t", X, FILM), alt="a film", frame=9)
    assert opened == []
    FramePlayer(Panel("t", X, FILM), alt="a film")
    assert len(opened) > 0
