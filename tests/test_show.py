import json
import re
import sys
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from kanlib import _check
from kanlib.ops import _sources
from kanlib.show import Source, show

KERNELS = Path(__file__).resolve().parents[1] / "kernels"


def plain(function: Any) -> str:
    return show(function).text


class Example:
    """A class with all that can be shown."""

    def doubled(self, x: int) -> int:
        """Twice x.

        Over two lines.
        """
        # why: shown with the code
        return 2 * x

    def bare(self) -> None:
        """Nothing but words."""

    @property
    def name(self) -> str:
        return "<example> & 'more'"

    @staticmethod
    def region() -> int:
        # region: first
        a = 1
        # endregion
        b = 2
        # region: second
        c = 3
        # endregion
        return a + b + c


def test_function_is_shown_as_it_stands() -> None:
    source = show(_check.is_tensor)
    assert source.name == "kanlib._check.is_tensor"
    assert source.text.startswith("def is_tensor(")
    assert source.text in Path(_check.__file__).read_text()
    assert str(source) == repr(source) == source.text


def test_method_is_shown_from_the_margin() -> None:
    source = show(Example.doubled)
    assert source.name.endswith("Example.doubled")
    assert source.text.splitlines()[0] == "def doubled(self, x: int) -> int:"
    assert source.text.splitlines()[-1] == "    return 2 * x"
    assert show(Example().doubled).text == source.text


def test_docstring_can_be_left_out() -> None:
    assert show(Example.doubled, docstring=False).text == (
        "def doubled(self, x: int) -> int:\n"
        "    # why: shown with the code\n"
        "    return 2 * x"
    )
    assert '"""' in show(Example.bare, docstring=False).text  # else it had no body
    assert show(Example.name, docstring=False).text == show(Example.name).text
    whole = show(Example, docstring=False).text
    assert "all that can be shown" not in whole
    assert "Over two lines" in whole


def test_module_and_property_are_shown() -> None:
    assert show(_check).text == Path(_check.__file__).read_text().strip("\n")
    assert show(_check, docstring=False).text.startswith("import math")
    assert "@property" in plain(Example.name)


def test_region_of_python() -> None:
    source = show(Example.region, "second")
    assert source.text == "c = 3"
    assert source.name.endswith("Example.region: second")


def test_html_is_the_text_in_classes() -> None:
    html = show(Example.name)._repr_html_()
    assert '<span class="k">def</span>' in html
    assert "&lt;example&gt; &amp;" in html
    assert re.search(r'<div class="highlight"><pre>(.*)</pre></div></div>', html, re.S)
    code = html.partition('<div class="highlight">')[2]
    assert unescape(re.sub(r"<[^>]+>", "", code)).strip() == plain(Example.name)
    assert "style=" not in html


def test_html_without_pygments_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygments", None)
    html = show(Example.name)._repr_html_()
    assert "<span" not in html
    assert "&lt;example&gt;" in html


def test_every_kernel_of_the_repository_is_found() -> None:
    paths = list(KERNELS.rglob("*.cu"))
    assert len(paths) > 0
    for path in paths:
        source = show(path.relative_to(KERNELS).as_posix())
        assert source.text == path.read_text().strip("\n")
        assert "highlight" in source._repr_html_()


@pytest.fixture
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "forward.cu").write_text(
        "// toy\n"
        "// region: body\n"
        "  float y = x < 0 ? 0 : x;\n"
        "    y *= 2;\n"
        "// endregion\n"
        "// region: tail\n"
        "  return y;\n"
    )
    (tmp_path / "README.md").write_text("not a kernel")
    monkeypatch.setattr(_sources, "_WHEEL", tmp_path)
    return tmp_path


def test_a_region_may_stand_inside_another(kernels: Path) -> None:
    (kernels / "toy" / "nested.cu").write_text(
        "// region: all\nfirst\n// region: part\nsecond\n// endregion\nthird\n"
        "// endregion\noutside\n"
    )
    assert show("toy/nested.cu", "all").text == "first\nsecond\nthird"
    assert show("toy/nested.cu", "part").text == "second"


def test_region_of_a_kernel(kernels: Path) -> None:
    body = show("toy/forward.cu", region="body")
    assert body == Source(
        "toy/forward.cu: body", "float y = x < 0 ? 0 : x;\n  y *= 2;", "cuda"
    )
    assert show("toy/forward.cu", "tail").text == "return y;"
    assert show("toy/forward.cu").text.count("region") == 3


@pytest.mark.parametrize(
    "path", ["toy/backward.cu", "README.md", "../toy/forward.cu", "", "toy"]
)
def test_unknown_kernel_lists_the_files(path: str, kernels: Path) -> None:
    with pytest.raises(
        ValueError, match=f'no kernel "{path}"; expected one of toy/forward.cu'
    ):
        show(path)


def test_unknown_region_lists_the_regions(kernels: Path) -> None:
    with pytest.raises(
        ValueError, match='no region "head"; expected one of body, tail'
    ):
        show("toy/forward.cu", region="head")
    with pytest.raises(ValueError, match='has no region "body"; expected one of none'):
        show(_check.is_tensor, region="body")


@pytest.mark.parametrize("what", [3, None, len, int, json.JSONDecoder(), object()])
def test_what_has_no_source(what: object) -> None:
    with pytest.raises(TypeError, match="has no source in Python; expected a function"):
        show(what)
