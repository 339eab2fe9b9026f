import ipywidgets
import pytest

from kanlib import plotting
from kanlib.widgets import TryIt


def picture(height=1.0):
    return plotting.figure(
        lambda axes: axes.plot([0, 1], [0, height]), alt=f"a line to {height:g}"
    )


def controls():
    return {
        "power": ipywidgets.IntSlider(1, 0, 5),
        "kind": ipywidgets.Dropdown(options=["up", "down"], description="which way"),
    }


def run(progress, power, kind):
    for step in range(power):
        progress((step + 1) / power)
    height = 2.0**power
    if kind == "down":
        raise ArithmeticError("there is no <b>down</b>")
    return picture(height), f"it rises to {height:g} < {height + 1:g}"


@pytest.fixture
def live():
    return TryIt(run, controls(), alt="powers of two")


def texts(live):
    return " ".join(w.value for w in live.children if isinstance(w, ipywidgets.HTML))


def test_pressing_the_button_runs_with_the_new_values(live):
    assert live.result == "it rises to 2 < 3"
    live.controls["power"].value = 3
    assert live.result == "it rises to 2 < 3"
    live.button.click()
    assert live.result == "it rises to 8 < 9"
    assert 'alt="a line to 8"' in texts(live)
    assert "it rises to 8 &lt; 9" in texts(live)
    assert live.error == ""


def test_a_run_that_raises_says_so_and_keeps_the_last_result(live):
    live.controls["kind"].value = "down"
    live.button.click()
    assert live.error == "ArithmeticError: there is no <b>down</b>"
    assert "there is no &lt;b&gt;down" in texts(live)
    assert 'role="alert"' in texts(live)
    assert live.result == "it rises to 2 < 3"
    assert 'alt="a line to 2"' in texts(live)
    assert live.button.disabled is live.running is False
    live.controls["kind"].value = "up"
    live.button.click()
    assert live.error == ""
    assert "alert" not in texts(live)


def test_run_passes_what_it_raises_on_so_that_a_cell_fails(live):
    live.controls["kind"].value = "down"
    with pytest.raises(ArithmeticError, match="there is no"):
        live.run()
    broken = controls() | {"kind": ipywidgets.Text("down")}
    with pytest.raises(ArithmeticError, match="there is no"):
        TryIt(run, broken, alt="powers of two")


def test_button_is_dead_and_the_bar_moves_while_it_runs():
    seen = []

    def watching(progress, steps):
        for step in range(steps):
            progress((step + 1) / steps)
            if box:
                seen.append((box[0].button.disabled, box[0].running))
        return picture()

    box = []
    live = TryIt(watching, {"steps": ipywidgets.IntText(1)}, alt="steps")
    box.append(live)
    moved = []
    live.bar.observe(lambda change: moved.append(change.new), "value")
    live.controls["steps"].value = 5000
    live.button.click()
    assert set(seen) == {(True, True)}
    assert moved[0] == 0.0
    assert moved == sorted(moved)
    assert moved[-1] == 1.0
    assert 50 < len(moved) < 110
    assert live.result == ""


def test_an_interrupt_leaves_a_live_button(live):
    def interrupted(progress, power, kind):
        raise KeyboardInterrupt

    live._run = interrupted
    with pytest.raises(KeyboardInterrupt):
        live.button.click()
    assert live.button.disabled is live.running is False
    assert live.result == "it rises to 2 < 3"


def test_bundle_has_the_widget_and_a_still_twin(live):
    data = live._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/plain"] == repr(live) == "TryIt: powers of two"
    twin = data["text/html"]
    assert "it rises to 2 &lt; 3" in twin
    assert 'alt="a line to 2"' in twin
    assert "With power = 1, which way = up." in twin
    assert "runs in Jupyter" in twin


def test_controls_without_a_description_get_their_name(live):
    assert [c.description for c in live.controls.values()] == ["power", "which way"]
    assert (
        TryIt(
            lambda progress, hidden_units: picture(),
            {"hidden_units": ipywidgets.IntText(3)},
            alt="x",
        )
        .controls["hidden_units"]
        .description
        == "hidden units"
    )


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"run": 3}, TypeError, "run is a int"),
        ({"controls": [ipywidgets.IntText()]}, TypeError, "controls is a list"),
        ({"controls": {"power": 3}}, TypeError, "controls has a int for 'power'"),
        (
            {"controls": {"power": ipywidgets.Box()}},
            TypeError,
            "controls has a Box for 'power'",
        ),
        ({"alt": " "}, ValueError, "alt is empty"),
        ({"run": lambda *_, **__: 3}, TypeError, "run returned a int"),
        ({"run": lambda *_, **__: (picture(), 3)}, TypeError, "run returned a tuple"),
        ({"run": lambda p, **_: p(float("nan"))}, ValueError, "progress is nan"),
    ],
)
def test_bad_arguments_are_named(change, error, message):
    arguments = {"run": run, "controls": controls(), "alt": "x"} | change
    with pytest.raises(error, match=f"TryIt: {message}"):
        TryIt(**arguments)
