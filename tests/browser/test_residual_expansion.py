"""The chapter's moving figure on its page: laws and shares as Python computes them."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PAGE = "chapters/depth/residual_expansion.html"
KINDS = ["independent", "aligned"]
COUNTS = [1, 2, 4, 8, 16, 32, 64, 128]
GRID = [10 ** (-3 + i / 4) for i in range(13)]
HIGHEST = 1e6
STATES = [
    ("independent", 1, GRID[0]),
    ("independent", 32, GRID[8]),
    ("aligned", 128, GRID[-1]),
]


def law(kind: str, n: int, scale: float) -> float:
    return (1 + scale) ** n if kind == "aligned" else (1 + scale**2) ** (n / 2)


def shares(kind: str, n: int, scale: float) -> np.ndarray:
    """C(n, k) paths of weight scale^k, or its square, level by level."""
    each = scale if kind == "aligned" else scale**2
    weights = [math.comb(n, k) * each**k for k in range(n + 1)]
    padded = np.zeros(max(73, n + 1))
    padded[: n + 1] = np.array(weights) / math.fsum(weights)
    return padded[:73]


def assert_shows(
    figure: Locator, state: tuple, curves_in: Callable, said: Callable
) -> None:
    kind, n, scale = state
    status = figure.locator(".status")
    expect(status).to_contain_text(f"law: {said(law(*state))} ·")
    mean = n * (scale if kind == "aligned" else scale**2)
    mean /= 1 + (scale if kind == "aligned" else scale**2)
    expect(status).to_contain_text(f"mean path length: {said(mean)}")
    left, right = figure.locator(".panel").all()
    ((curve,), pixel) = curves_in(left)
    assert abs(curve[:, 1] - shares(*state)).max() <= 0.02 * pixel[1] + 2e-5
    (drawn, sampled, marks), pixel = curves_in(right, log=True)
    laws = [law(kind, n, one) for one in GRID]
    heights = np.log10([value for value in laws if value <= HIGHEST])
    assert abs(drawn[:, 1] - heights).max() <= 0.02 * pixel[1] + 1e-3
    # a hundred towers of width 64 stay within a factor of four while the law is small
    small = [i for i, value in enumerate(laws) if value < 10]
    assert abs(sampled[small, 1] - drawn[small, 1]).max() < math.log10(4)
    places = np.unique(np.round(marks[:, 0], 2))
    expected = np.unique(np.round([-math.log10(n), -math.log10(n) / 2], 2))
    assert abs(places - expected).max() < 0.03
    dots = right.locator(".dots circle")
    expect(dots).to_have_count(1 if law(*state) <= HIGHEST else 0)


def test_the_sliders_move_shares_and_growth(
    site: Path,
    open_page: Callable,
    curves_in: Callable,
    state_of: Callable,
    slide: Callable,
    said: Callable,
) -> None:
    page = open_page((site / PAGE).as_uri())
    figure = page.locator(".kanlib-sweep")
    figure.scroll_into_view_if_needed()
    expect(figure.locator(".plot path.curve").first).to_be_visible()
    for state in STATES:
        for name, value, choices in zip(
            ("blocks", "n", "λ"), state, (KINDS, COUNTS, GRID), strict=True
        ):
            slider = figure.get_by_role("slider", name=name, exact=True)
            slide(slider, choices, value)
        shown = state_of(figure)["selected"]
        assert (shown["blocks"], shown["n"]) == state[:2]
        assert math.isclose(shown["λ"], state[2])
        assert_shows(figure, state, curves_in, said)
