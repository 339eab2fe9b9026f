"""Hand-typed results are found; settings, versions and what roles print are not."""

from pathlib import Path

import pytest
from kanbook.prose import paragraphs, problems, prose_rules, typed, unsourced

ROOT = Path(__file__).resolve().parents[2]

RESULTS = [
    ("The test error falls to 0.03.", "0.03"),
    ("Its accuracy is 97.3 % on the test images.", "97.3 %"),
    ("An accuracy of 98 percent is reached.", "98 percent"),
    ("A training RMSE of $1.46 \\cdot 10^{-2}$ at $G = 3$.", "1.46 \\cdot 10^{-2}"),
    ("The loss is $10^{-7}$ in the end.", "10^{-7}"),
    ("We reach a loss of 3e-5.", "3e-5"),
    ("The RMSE drops to 2 × 10⁻⁴.", "2 × 10⁻⁴"),
    ("Both sines snap with $R^2 > 0.999$.", "0.999"),
    ("The fit has R² = 0.87.", "0.87"),
    ("accuracy = 0.97 for both", "0.97"),
    ("an accuracy of .93", ".93"),
    ("The slope is 3.97 and the score 0.5.", "3.97, 0.5"),
    ("The kernel is 3.5 times faster.", "3.5 times faster"),
    ("The kernel is 3 times faster than PyTorch.", "3 times faster"),
    ("It is ten times slower.", "ten times slower"),
    ("a hundred times fewer parameters", "a hundred times fewer"),
    ("The network is 40x smaller.", "40x smaller"),
    ("It needs 5-fold less memory.", "5-fold less"),
    ("It is twice as fast.", "twice as fast"),
    ("It is faster by a factor of 12.", "faster by a factor of 12"),
    ("One step takes 30 ms.", "takes 30 ms"),
    ("Training took 20 minutes.", "took 20 minutes"),
    ("It runs in about 3 seconds here.", "runs in about 3 seconds"),
    ("non-inferiority within one percentage point", "one percentage point"),
    ("We ask for a root mean square error below 0.05.", "0.05"),
    ("An improvement of 12 % over the baseline.", "12 %"),
    ("Float32 stalls near $10^{-4}$.", "10^{-4}"),
    ("| MLP | error 0.25 |\n| --- | --- |", "0.25"),
    ("> A quoted error of 0.2.", "0.2"),
    (":::{note}\nThe error is 0.2.\n:::", "0.2"),
    ("## An error of 0.2", "0.2"),
    ("- one\n- The error is 0.2 here", "0.2"),
    ("The error, 0.2, is small", "0.2"),
    ("The errors of the two networks on all peaks are 0.2 and 0.3.", "0.2, 0.3"),
    ("The [error](page.md) is 0.2.", "0.2"),
]
NO_RESULTS = [
    "The error falls.",
    "The error is {measured}`kan.error`.",
    "The paper reports a loss of {printed}`1.46e-2` {cite}`liu2024kan`.",
    "We ask for an error of {condition}`kan.5`.",
    "Set `rate=0.1`; the loss then falls.",
    "With $\\lambda = 10^{-2}$ the loss falls.",
    "The error is of order $h^{0.5}$.",
    "The error falls slower than $G^{-2}$.",
    "Two error terms on $[-0.5, 1.5]$.",
    "The loss is plotted with Matplotlib 3.8 under Python 3.11.",
    "The error is discussed in arXiv:2404.19756.",
    "See the error in section 2.1 and figure 3.2.",
    "The loss has a weight decay of 0.1 and a learning rate of 0.01.",
    "The loss has weight 0.01 at the border, threshold 0.02.",
    "Noise of standard deviation 0.1 is added; the error grows.",
    "The loss is the residual, times 0.01, plus a border term.",
    "At p = 0.5 the loss is largest.",
    "The error has 5 seeds and 240 steps, 1000 points and 8 x 8 pixels.",
    "It costs three times as many steps.",
    "The trapezoid is 0.5 high.",
    "Half of the data, 50 %, is kept.",
    "An error is raised by version 0.1.2.",
    "```python\nerror = 0.2\n```",
    "$$\n\\text{error} = 0.2\n$$ (eq-error)",
    "```{math}\n\\text{error} = 0.2\n```",
    "% the error is 0.2",
    "(error-0.2)=",
    "See https://a.org/error/0.2 and [it](error/0.2.html).",
    "B-splines sum to 1.0 on the domain.",
    "The gradient of the error in 2.5 dimensions…".replace("2.5", "two"),
    "| $\\varepsilon = 0.1$ | error |\n| --- | --- |",
]


@pytest.mark.parametrize(("text", "number"), RESULTS)
def test_a_typed_result_is_found(text: str, number: str) -> None:
    assert [one.number for one in typed(text)] == [number]


@pytest.mark.parametrize("text", NO_RESULTS)
def test_what_is_no_result_is_left_alone(text: str) -> None:
    assert list(typed(text)) == []


def test_each_sentence_is_judged_alone() -> None:
    text = "The error falls to 0.1. The step is 0.2. Then the loss is 0.3."
    found = list(typed(text))
    assert [one.number for one in found] == ["0.1", "0.3"]
    assert found[0].sentence == "The error falls to 0.1."


def test_a_message_says_place_number_sentence_and_fix() -> None:
    (said,) = problems("An *error* of 0.2 at `h`.", "README.md")
    assert said.startswith("README.md types 0.2 into prose: 'An *error* of 0.2 at …")
    for fix in ("{measured}`", "{printed}`", "{condition}`", "kanlib.claims.number"):
        assert fix in said
    (said,) = problems("word " * 60 + "has an error of 0.2", "cell 3")
    assert "word…'; expected" in said


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("It prints {printed}`0.2`.", ["0.2"]),
        ("It prints {printed}`0.2`.\n\nBy {cite}`liu2024kan`.", ["0.2"]),
        ("{cite}`liu2024kan` prints {printed}`0.2` and\n{printed}`0.3`.", []),
        ("{cite:t}`liu2024kan` prints {printed}`0.2`.", []),
        ("From memory, {printed}`0.2`.", []),
        ("Claim {claim}`kan.2a`: {printed}`0.2`.", []),
        ("It prints {printed}`kan.2a`.", []),
        ("Write `` {printed}`0.2` `` so.", []),
    ],
)
def test_a_printed_number_needs_a_source(text: str, missing: list[str]) -> None:
    assert [one.number for one in unsourced(text)] == missing
    assert [one for one in problems(text, "a") if "no source" in one] == [
        one for one in problems(text, "a")
    ]


def test_paragraphs_of_nested_blocks() -> None:
    text = "::::{note} T\n:class: x\n\na\n:::{tip}\nb\n:::\n::::\nc\n\n| d | e |\n|-|-|"
    assert list(paragraphs(text)) == ["T", "a", "b", "c", "d  ;  e"]


def test_the_rule_names_the_cell() -> None:
    cells = [
        {"cell_type": "code", "source": "error = 0.1", "metadata": {}},
        {"cell_type": "markdown", "source": "An error of 0.1.", "metadata": {}},
    ]
    (said,) = prose_rules({"cells": cells})
    assert said.startswith("cell 2 types 0.1 into prose")


PAGES = [*sorted((ROOT / "book/pages").rglob("*.md")), ROOT / "README.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_no_page_of_the_book_types_a_result(page: Path) -> None:
    name = page.relative_to(ROOT).as_posix()
    assert list(problems(page.read_text("utf-8"), name)) == []
