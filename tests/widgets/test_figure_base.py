"""What every moving figure has: alt text, a still twin, one module, a stable repr."""

import re

import pytest
import torch
import traitlets

from kanlib import plotting
from kanlib.bases import BSpline
from kanlib.widgets import (
    CriticalityExplorer,
    FramePlayer,
    MovingFigure,
    Panel,
    SplineEditor,
    Sweep,
)
from kanlib.widgets._assets import script

X = torch.linspace(0, 1, 9)
POWERS = torch.stack([X**k for k in (1, 2, 3)])


class Dot(MovingFigure):
    def still(self):
        return plotting.figure(lambda axes: axes.plot(0, 0, "."), alt=self.alt)

    def _summary(self):
        return "one dot"


def editor(**options):
    return SplineEditor(BSpline.uniform(2, degree=1), [0.0, 1.0, 0.0], **options)


def player(**options):
    return FramePlayer(Panel("a power", X, POWERS), **options)


def sweep(**options):
    return Sweep({"k": [1, 2, 3]}, Panel("a power", X, POWERS), **options)


FIGURES = [Dot, editor, player, sweep]


@pytest.mark.parametrize("make", FIGURES)
def test_a_figure_is_named_and_has_a_still_twin(make):
    figure = make(alt="what it shows")
    assert re.fullmatch(r"(Dot|SplineEditor|FramePlayer|Sweep): \S.*", repr(figure))
    assert repr(figure) == repr(make(alt="what it shows"))
    data, _ = figure._repr_mimebundle_()
    twin, _ = make(alt="what it shows")._repr_mimebundle_()
    assert data["text/plain"] == "Figure: what it shows"
    assert data["image/png"] == twin["image/png"]
    view = data["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == figure.model_id
    assert "text/html" not in data  # it would be shown instead of the widget


@pytest.mark.parametrize("alt", ["", "  \n"])
@pytest.mark.parametrize("make", FIGURES)
def test_a_figure_without_alt_text_is_refused(make, alt):
    with pytest.raises(ValueError, match="alt is empty; expected what the figure"):
        make(alt=alt)
    figure = make(alt="what it shows")
    with pytest.raises(traitlets.TraitError, match="alt is empty"):
        figure.alt = alt
    assert figure.alt == "what it shows"


def test_alt_text_is_text():
    with pytest.raises(TypeError, match="Dot: alt is a NoneType; expected a str"):
        Dot(alt=None)


def test_a_figure_without_a_still_twin_is_refused():
    with pytest.raises(TypeError, match=r"Lost has no still\(\); expected one"):

        class Lost(MovingFigure):
            def _summary(self):
                return "nothing"


def test_without_matplotlib_there_is_no_still_picture(monkeypatch):
    monkeypatch.setattr("kanlib.widgets._figure.find_spec", lambda _: None)
    data, _ = Dot(alt="a dot")._repr_mimebundle_()
    assert set(data) == {"application/vnd.jupyter.widget-view+json", "text/plain"}


def test_what_an_ipywidget_takes_is_passed_on():
    assert Dot(alt="a dot", layout={"width": "50%"}).layout.width == "50%"


@pytest.mark.parametrize(
    "figure", [CriticalityExplorer, SplineEditor, FramePlayer, Sweep]
)
def test_a_module_is_self_contained(figure):
    code = figure._esm.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"^import\b|\bimport\(|http|\bfetch\b", code, re.MULTILINE)
    assert code.rstrip().endswith("export default { render };")
    assert "url(" not in figure._css
    assert "@import" not in figure._css
    assert len(figure._esm) + len(figure._css) < 50_000  # each page carries it


def test_each_file_of_a_module_is_in_it_once_and_before_its_users():
    code = script("frame_player.js")
    names = ["svg", "draggable", "unpack", "panelIn", "timelineIn"]
    found = [[m.start() for m in re.finditer(rf"function {n}\(", code)] for n in names]
    assert all(len(places) == 1 for places in found)
    assert found[0] < found[3] < found[4]
