import ipywidgets
import pytest
import torch
import traitlets

from kanlib.bases import BSpline
from kanlib.widgets import SplineEditor

BASIS = BSpline.uniform(5)
NUMBERS = [-0.3, 0.6, -0.9, 0.2, 1.1, -0.4, 0.5, 0.1]


@pytest.fixture
def editor():
    return SplineEditor(BASIS, NUMBERS, base_weight=0.5, probe=0.25)


def test_edge_value_and_slope_agree_with_autograd(editor):
    x = torch.tensor(0.25, dtype=torch.float64, requires_grad=True)
    y = editor.edge(x)
    (slope,) = torch.autograd.grad(y, x)
    c = torch.tensor(NUMBERS, dtype=torch.float64)
    by_hand = 0.5 * torch.nn.functional.silu(x) + BASIS(x) @ c
    assert y.item() == pytest.approx(by_hand.item(), abs=1e-14)
    assert editor.value == pytest.approx(y.item(), abs=1e-14)
    assert editor.slope == pytest.approx(slope.item(), abs=1e-14)
    assert editor.edge(x, derivative=1).item() == pytest.approx(slope.item(), abs=1e-14)
    assert editor.edge(torch.zeros(2, 3)).shape == (2, 3)


def test_what_python_assigns_moves_value_slope_and_window(editor):
    seen = []
    editor.observe(lambda change: seen.append(change.new), "value")
    editor.probe = 1.0
    assert seen == [editor.value]
    assert editor.value == pytest.approx(
        editor.edge(torch.tensor(1.0)).item(), abs=1e-6
    )
    editor.coefficients = [7.0] * 8
    assert editor.window[3] >= 7.0
    assert editor.window[2] == -editor.window[3]


def test_one_message_may_change_the_grid(editor):
    # As the browser sends it when the grid is doubled.
    fine = BASIS.refined()
    state = {"knots": list(fine.knots), "coefficients": [0.5] * 13}
    editor.set_state(state)
    assert editor.basis == fine
    assert editor.value == pytest.approx(
        0.5 + 0.5 * torch.nn.functional.silu(torch.tensor(0.25)).item(), abs=1e-6
    )


def test_an_echo_of_the_browser_is_not_answered(editor):
    value = editor.value + 1e-13
    editor.set_state({"value": value, "probe": 0.25})
    assert editor.value == value


def test_it_composes_with_ipywidgets(editor):
    text = ipywidgets.FloatText()
    ipywidgets.link((editor, "probe"), (text, "value"))
    text.value = -0.5
    assert editor.probe == -0.5
    assert ipywidgets.VBox([editor, text]).children == (editor, text)


def test_repr_and_bundle_are_stable(editor):
    twin = SplineEditor(BASIS, NUMBERS, base_weight=0.5, probe=0.25)
    assert repr(editor) == repr(twin) == f"SplineEditor: {BASIS}, w = 0.5"
    data, _ = editor._repr_mimebundle_()
    other, _ = twin._repr_mimebundle_()
    assert data["text/plain"] == other["text/plain"]
    assert data["text/plain"].startswith("Figure: ")
    assert data["image/png"] == other["image/png"]
    assert "application/vnd.jupyter.widget-view+json" in data


def test_without_matplotlib_there_is_no_still_picture(editor, monkeypatch):
    monkeypatch.setattr("kanlib.widgets._figure.find_spec", lambda _: None)
    data, _ = editor._repr_mimebundle_()
    assert set(data) == {"application/vnd.jupyter.widget-view+json", "text/plain"}


@pytest.mark.parametrize("numbers", [tuple(NUMBERS), torch.tensor(NUMBERS)])
def test_any_sequence_of_numbers_will_do(numbers):
    editor = SplineEditor(coefficients=numbers, basis=BASIS)
    assert editor.coefficients == pytest.approx(NUMBERS, abs=1e-7)
    assert editor.probe == 0.0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((None, NUMBERS), TypeError, "basis is a NoneType; expected a BSpline"),
        (
            (BSpline((BASIS.knots, BASIS.knots), 3), NUMBERS),
            ValueError,
            "basis has 2 rows of knots",
        ),
        ((BASIS, NUMBERS[1:]), ValueError, r"coefficients has shape \(7,\)"),
        ((BASIS, [[0.0]] * 8), ValueError, r"coefficients has shape \(8, 1\)"),
        ((BASIS, [float("nan")] * 8), ValueError, "coefficients has 8 entries that"),
        ((BASIS, "smooth"), TypeError, "coefficients is a str"),
        ((BASIS, []), ValueError, r"coefficients has shape \(0,\)"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=f"SplineEditor: {message}"):
        SplineEditor(*arguments)


@pytest.mark.parametrize("probe", [1.5, float("nan")])
def test_probe_outside_the_domain_is_named(probe):
    with pytest.raises(ValueError, match=r"probe is (1.5|nan); expected a number in"):
        SplineEditor(BASIS, NUMBERS, probe=probe)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("coefficients", [1.0], "coefficients has shape"),
        ("knots", [0.0, 1.0], "knots has 2 entries"),
        ("degree", 2, "coefficients has shape"),
        ("probe", 3.0, "probe is 3"),
        ("base_weight", float("inf"), "base_weight has 1 entries that"),
    ],
)
def test_a_bad_assignment_is_refused_and_changes_nothing(editor, name, value, message):
    before = getattr(editor, name)
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(editor, name, value)
    assert getattr(editor, name) == before


def test_edge_refuses_a_second_derivative(editor):
    with pytest.raises(ValueError, match="derivative is 2"):
        editor.edge(torch.zeros(1), derivative=2)
    with pytest.raises(TypeError, match="SplineEditor: x is a list"):
        editor.edge([0.0])


def test_module_is_self_contained():
    assert "import " not in SplineEditor._esm.replace("important ", "")
    assert "http" not in SplineEditor._esm.replace("http://www.w3.org/2000/svg", "")
    assert SplineEditor._esm.rstrip().endswith("export default { render };")
    assert "url(" not in SplineEditor._css
