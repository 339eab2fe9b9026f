"""Fences: read as a tree, written with colons, and asked for by a rule."""

import pytest
from kanbook.fences import blocks, colon_fenced, directives, fence_rules, with_colons

NESTED = """\
a

````{prf:theorem} Of $x$
:label: one
:class: c

b
```{note}
c
```
```python
:::{note}
```
````
d"""
COLONS = """\
a

::::{prf:theorem} Of $x$
:label: one
:class: c

b
:::{note}
c
:::
```python
:::{note}
```
::::
d"""


def test_a_directive_has_name_argument_options_and_content() -> None:
    (one,) = directives(["```{note} T", ":class: c", ":name: n", "", "a", "```", "b"])
    assert (one.name, one.argument, one.body) == ("note", "T", ("a",))
    assert one.options == {"class": "c", "name": "n"}
    (one,) = directives(["```{note}", "---", "class: c", "---", "a", "```"])
    assert (one.options, one.body) == ({"class": "c"}, ("a",))
    (one,) = directives(["```{math}", "x", "```"])
    assert (one.literal, one.prose) == (True, False)


def test_what_ends_where() -> None:
    found = list(blocks(["````", "```", "````", ":::", "~~~ text", "a"]))
    assert [one if isinstance(one, str) else one.body for one in found] == [
        ("```",),
        ":::",
        ("a",),
    ]


def test_directives_are_found_inside_others_but_not_inside_code() -> None:
    names = [one.name for one in directives(NESTED.split("\n"))]
    assert names == ["prf:theorem", "note"]


def test_prose_goes_between_colons_the_outer_between_more() -> None:
    assert with_colons(NESTED) == COLONS
    assert with_colons(COLONS) == COLONS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no fence\n\n",
        "```python\na = 1\n```",
        "```{math}\n:label: a\n\nx\n```",
        "```{figure} a.png\n:alt: b\n\nc\n```",
        "- a\n  ```python\n  b\n  ```",
        ":::{prf:proof}\na\n:::",
        "a `{note}` b",
    ],
)
def test_all_else_stays(text: str) -> None:
    assert with_colons(text) == text


def test_a_fence_in_a_list_keeps_its_place() -> None:
    assert with_colons("- a\n  ```{tip}\n  b\n  ```") == "- a\n  :::{tip}\n  b\n  :::"


def test_the_rule_names_cell_and_fix() -> None:
    cells = [
        {"cell_type": "markdown", "source": NESTED},
        {"cell_type": "code", "source": "```{note}\n```"},
    ]
    first, second = fence_rules({"cells": cells})
    assert first.startswith("cell 1 has ````{prf:theorem}; expected :::{prf:theorem}")
    assert second.startswith("cell 1 has ```{note}; expected :::{note}, because Jup")
    made = colon_fenced({"cells": cells})
    assert list(fence_rules(made)) == []
    assert cells[0]["source"] == NESTED
    assert made["cells"][1] == cells[1]
