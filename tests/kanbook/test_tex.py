"""TeX -> symbols: what a formula uses, what a row declares, where formulas stand."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from kanbook.formulas import EXTENSIONS, Formula, formulas
from kanbook.tex import Use, declared, normal, uses

BASES = {
    "": "",
    "1 + 2.5 \\cdot 10^{-3} % a comment x": "",
    "xy + z": "x y z",
    r"\alpha\beta \; \ell_\infty": r"\alpha \beta \ell",
    # Fonts and accents belong to their letter.
    r"\mathbb{1}[x \le \mathcal L]": r"\mathbb{1} x \mathcal{L}",
    r"\mathrm{RMSE} = \boldsymbol{\theta}^\top": r"\mathrm{RMSE} \boldsymbol{\theta}",
    r"\hat{x}_i + \widetilde y + \bar{ab}": "x i y a b",
    # Scripts count, upright words in them do not.
    r"c_{o,i,m}^{(s)} x^2 x_i'": "c o i m s x x i",
    r"L_{\mathrm{test}} A^{\mathsf T} k_\text{max}": "L A k",
    # Functions, text, layout and labels are no symbols.
    r"\max_{o} \exp(x) \operatorname{rank} A \operatorname*{arg\,min}_w": "o x A w",
    r"a \text{ for all } b \label{eq:c} \tag{d} \qquad \hspace{2em}": "a b",
    r"\begin{aligned} u &= v \\[4pt] w &= \left( x \right) \end{aligned}": "u v w x",
    r"\begin{array}{cc} p & q \\ r & s \end{array}": "p q r s",
    r"\frac{a}{b} \sqrt[n]{c} \tfrac12 \binom{k+1}{i} \sum_{j=1}^{N} j": (
        "a b n c k i j N j"
    ),
    # Differentials, and a d that is none.
    r"\int_0^1 f(x) \, dx + \int g \,\mathrm{d} t": "f x x g t",
    r"\frac{df}{dt} + \frac{d}{d \theta} d": r"f t \theta d",
    r"\mathbb{R}^d d x": r"\mathbb{R} d d x",
    # Norms and inner products read as symbols, other bars do not.
    r"\| f - g \|_\infty": r"f g \|_\infty",
    r"\left\lVert x \right\rVert_{2} + \big|y\big|_1": r"x \|_2 y |_1",
    r"|x| + p(y | z) + h\big|_{t=0}": "x p y z h t",
    r"\langle u, v \rangle": r"\langle u v",
    # What nobody listed is reported rather than passed over.
    r"a \odot b": r"a \odot b",
}


@pytest.mark.parametrize(("tex", "expected"), BASES.items())
def test_symbols_of_a_formula(tex: str, expected: str) -> None:
    assert " ".join(use.base for use in uses(tex)) == expected


@pytest.mark.parametrize(
    ("tex", "expected"),
    [
        (r"\hat B'_{j, p}(x)", Use("B", "hat", 1, ("j", "p"))),
        (r"c'_m{}'", Use("c", primes=1, sub=("m",))),
        (r"x_i^{(s)\prime}", Use("x", primes=1, sub=("i",), sup="(s)")),
        (r"{\bar{x}}_{i+1}", Use("x", "bar", sub=("i+1",))),
        (r"\vec{\mathbf{v}}", Use(r"\mathbf{v}", "vec")),
        (r"\hat{\tilde x}", Use("x", "hat tilde")),
    ],
)
def test_what_belongs_to_a_letter(tex: str, expected: Use) -> None:
    assert uses(tex)[0] == expected


def test_an_accent_over_more_than_a_letter_is_no_accent() -> None:
    assert {use.accent for use in uses(r"\overline{a + b}")} == {""}
    assert uses(r"\hat{x_i}")[0].accent == "hat"


@pytest.mark.parametrize(
    ("tex", "expected"),
    [
        ("[a, b]", "a b"),
        (r"\mu_1, \mu_2", r"\mu_1 \mu_2"),
        (r"S(\Phi)", "S"),
        ("k(x, y)", "k"),
        (r"|\varphi_{o,i}|_1", "|_1"),
        (r"\| g \|_\infty", r"\|_\infty"),
        (r"\langle u, v \rangle", r"\langle"),
        (r"\hat\theta'_{o,i}", r"\hat{\theta}'_{o,i}"),
        ("|A|", ""),
        ("1", ""),
    ],
)
def test_what_a_row_declares(tex: str, expected: str) -> None:
    assert " ".join(str(use) for use in declared(tex)) == expected


LETTERS = st.sampled_from([*"abxyKO", r"\alpha", r"\varphi", r"\mathcal{L}", r"\ell"])
NOTHING = st.sampled_from(
    [r"\,", " ", r"\quad ", "+", r"\cdot ", "{}", r"\left(", "7", r"\text{as}", "&"]
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(NOTHING, LETTERS), max_size=8))
def test_layout_changes_nothing(parts: list[tuple[str, str]]) -> None:
    letters = [letter for _, letter in parts]
    tex = " ".join(f"{space}{letter}" for space, letter in parts)
    assert [use.base for use in uses(tex)] == letters
    assert [use.base for use in uses(f"x_{{{tex}}}")][1:] == letters
    assert [use.base for use in uses(rf"\frac{{{tex}}}{{2}}")] == letters


@settings(max_examples=25, deadline=None)
@given(LETTERS, st.lists(LETTERS, min_size=1, max_size=3))
def test_a_symbol_reads_back_from_its_own_tex(letter: str, sub: list[str]) -> None:
    tex = rf"\hat{{{letter}}}'_{{{','.join(sub)}}}"
    (use, *_) = uses(tex)
    assert uses(str(use))[0] == use
    assert normal(normal(tex)) == normal(tex)


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet=r"\{}_^'|$&%()[],dxyintfracmhb12 ", max_size=30))
def test_no_text_is_too_broken(tex: str) -> None:
    uses(tex)
    declared(tex)
    normal(tex)


TEXT = r"""
(section)=
# Title with $t$

Inline $x$, but `$no$` and \$5 are not.

$$
a = b
$$ (lab)

- $$
  z
  $$

| head | $h$ |
| --- | --- |
| one | $c_m$ |

```{prf:theorem} On $n$
:label: thm

With $q$:

$$
r
$$ (inner)
```

:::{math}
:label: colon

p = 1
:::

````{note}
```{math}
deep
```
````

```{math} one = 1
```

\begin{align}
u &= v
\end{align}

```python
price = "$$ no $$"
```

```{code-block} tex
$$ no $$
```

```{math}
---
label: dashes
---
w
```
"""


def test_formulas_of_a_text() -> None:
    found = list(formulas(TEXT))
    assert [one.tex for one in found if not one.display] == [
        *("t", "x", "h", "c_m", "n", "q")
    ]
    assert [one for one in found if one.display] == [
        Formula("a = b", True, "lab"),
        Formula("z", True),
        Formula("r", True, "inner", "thm"),
        Formula("p = 1", True, "colon"),
        Formula("deep", True),
        Formula("one = 1", True),
        Formula("\\begin{align}\nu &= v\n\\end{align}", True),
        Formula("w", True, "dashes"),
    ]
    assert [one.statement for one in found if one.tex in ("n", "q")] == ["thm", "thm"]


def test_the_lint_reads_the_dialect_of_the_pages() -> None:
    config = (Path(__file__).parents[2] / "_config.yml").read_text("utf-8")
    assert set(yaml.safe_load(config)["parse"]["myst_enable_extensions"]) == EXTENSIONS
