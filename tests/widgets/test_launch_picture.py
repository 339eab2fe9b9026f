"""The launch picture in Python: its counts, its twin in JavaScript, its refusals."""

import itertools

import ipywidgets
import pytest
import traitlets

from kanlib.widgets import LaunchPicture
from kanlib.widgets.launch_picture import CHOICES

SHAPES = [
    dict(zip(CHOICES, sizes, strict=True))
    for sizes in itertools.product(
        *(
            (choices[0], choices[len(choices) // 2], choices[-1])
            for choices in CHOICES.values()
        )
    )
]


def test_every_number_of_groups_divides_every_number_of_channels():
    for channels, groups in itertools.product(CHOICES["channels"], CHOICES["groups"]):
        assert channels % groups == 0


def test_counts_are_those_of_a_walk_over_the_programs():
    picture = LaunchPicture(rows=128, channels=96, groups=4, tile_rows=64)
    elements, queue = 128 * 96, [0] * 4
    for element in range(elements):
        queue[element % 96 // 24] += 1
    blocks = len(range(0, elements, 256))
    found = picture.launches
    assert found["element"] == (10 * elements, max(queue), 80 * elements)
    assert found["block"] == (10 * 4 * blocks, blocks, 80 * 4 * blocks)
    assert found["tile"] == (10 * 4 * 2, 2, 80 * 4 * 2)
    assert found["partials"] == (0, 0, found["tile"].extra)
    assert picture.intensities["element"] == 57 / 92


def test_javascript_counts_the_same(javascript):
    pictures = [LaunchPicture(**shape) for shape in SHAPES]
    calls = [["launchCounts", shape] for shape in SHAPES]
    for picture, counts in zip(pictures, javascript("launch.js", *calls), strict=True):
        assert counts == {
            name: launch._asdict() for name, launch in picture.launches.items()
        }
    calls = [
        ["launchIntensity", {**shape, "flops": 57}, launch.extra]
        for shape, picture in zip(SHAPES, pictures, strict=True)
        for launch in picture.launches.values()
    ]
    wanted = [v for picture in pictures for v in picture.intensities.values()]
    assert javascript("launch.js", *calls) == pytest.approx(wanted, rel=1e-12)


def test_sizes_are_observed_assigned_and_linked():
    picture, slider = LaunchPicture(), ipywidgets.IntSlider(8, 1, 32)
    traitlets.dlink((picture, "groups"), (slider, "value"))
    picture.set_state({"groups": 32})  # as the browser sends it
    assert slider.value == 32
    picture.rows = 64
    assert picture.launches["tile"] == (320, 1, 2560)
    assert repr(picture) == (
        "LaunchPicture: 64 rows, 768 channels, 32 groups, tiles of 64 rows"
    )


def test_the_still_shows_the_numbers(monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        "kanlib.plotting.figure", lambda draw, **options: drawn.update(options)
    )
    LaunchPicture(rows=4096).still()
    assert drawn["data"]["queue"] == [393216, 12288, 64, 0]
    assert drawn["data"]["operations per byte"][0] == 57 / 92
    monkeypatch.undo()
    assert LaunchPicture().still().alt == LaunchPicture().alt


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": 100}, "rows is 100; expected one of 64, 128"),
        ({"channels": 100}, "channels is 100"),
        ({"groups": 3}, "groups is 3"),
        ({"tile_rows": 0}, "tile_rows is 0"),
        ({"flops": 0.0}, "flops must be"),
        ({"peak": -1.0}, "peak must be"),
        ({"bandwidth": float("nan")}, "bandwidth must be"),
        ({"alt": " "}, "alt is empty"),
    ],
)
def test_what_makes_no_launch_is_refused(options, message):
    with pytest.raises(ValueError, match=f"LaunchPicture: {message}"):
        LaunchPicture(**options)


def test_a_later_value_that_is_not_there_is_refused():
    picture = LaunchPicture()
    with pytest.raises(traitlets.TraitError, match="groups is 5"):
        picture.groups = 5
    assert picture.groups == 8
