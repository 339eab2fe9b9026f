import json
import math

import hypothesis.strategies as st
import nbformat
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from nbclient import NotebookClient
from scipy.stats import binom, t

from kanlib.claims import MIME, Ledger, LedgerTable, Record, Verdict, compare
from kanlib.claims._cards import number_text
from kanlib.claims._intervals import mean_interval, median_interval, student_quantile

PAPER = {"paper_value": "exponent 4", "where": "theorem 2.1, v5", "seen": "memory"}
KEYS = {
    *("id", "statement", "paper_value", "where", "seen", "scale", "condition"),
    *("tolerance", "measured", "unit", "seeds", "verdict", "reason", "profile"),
    *("device", "versions", "paper", "values", "interval", "judge", "part_of", "note"),
}


def ledger_with(number: str = "1", profile: str = "book", **claim: object) -> Ledger:
    ledger = Ledger("kan", paper="liu2024kan", profile=profile)
    ledger.claim(number, "The error falls.", **{**PAPER, **claim})
    return ledger


# --- intervals ---------------------------------------------------------------------


@given(st.integers(1, 200), st.floats(0.5, 0.999))
@settings(max_examples=25)
def test_student_quantile_equals_scipy(freedom: int, confidence: float) -> None:
    expected = t.ppf((1 + confidence) / 2, freedom)
    assert student_quantile(freedom, confidence) == pytest.approx(expected, rel=1e-10)


def test_mean_interval_equals_scipy() -> None:
    values = [0.3, -1.2, 2.5, 0.7]
    expected = t.interval(
        0.95, 3, np.mean(values), np.std(values, ddof=1) / math.sqrt(4)
    )
    assert mean_interval(values) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("count", range(5, 40))
def test_median_interval_is_the_narrowest_that_covers(count: int) -> None:
    low, high = median_interval(list(range(1, count + 1))[::-1])
    assert low + high == count + 1

    def coverage(rank: int) -> float:
        return float(1 - 2 * binom.cdf(rank - 1, count, 0.5))

    assert coverage(int(low)) >= 0.9 > coverage(int(low) + 1)


# --- conditions and verdicts -------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "text", "passing", "failing"),
    [
        ({"at_most": -3.6}, "every value at most -3.6", [-3.6, -4], [-4, -3.59]),
        ({"at_least": 0.999}, "every value at least 0.999", [0.9999], [0.9999, 0.9]),
        ({"between": (4, 4)}, "every value equal to 4", [4, 4], [4, 5]),
        (
            {"between": (1, 2), "unit": "ms"},
            "every value between 1 and 2 ms",
            [1, 2],
            [0.5, 1.5],
        ),
    ],
)
def test_every_value_is_judged(
    condition: dict, text: str, passing: list, failing: list
) -> None:
    good = ledger_with(**condition).measure("1", passing)
    assert (good.verdict, good.condition) == (Verdict.REPRODUCED, text)
    bad = ledger_with(**condition).measure("1", failing)
    assert (bad.verdict, bad.condition) == (Verdict.NOT_REPRODUCED, text)


def test_worst_value_is_the_measured_one() -> None:
    values = [1.0, 3.0, 2.0]
    assert ledger_with(at_most=5).measure("1", values).measured == 3.0
    assert ledger_with(at_least=0).measure("1", values).measured == 1.0
    record = ledger_with(between=(0, 3.5)).measure("1", values)
    assert (record.measured, record.interval) == (3.0, (1.0, 3.0))
    assert ledger_with(at_most=5).measure("1", 2).interval is None


def test_mean_is_judged_by_its_interval() -> None:
    close, wide = [1.0, 1.1, 0.9], [1.0, 3.0, -1.0]
    for values, verdict in ((close, Verdict.TREND), (wide, Verdict.REFUTED)):
        ledger = ledger_with(
            judge="mean", at_most=2, passes_as=Verdict.TREND, fails_as=Verdict.REFUTED
        )
        record = ledger.measure("1", values)
        assert record.measured == pytest.approx(1.0)
        assert record.interval == pytest.approx(mean_interval(values))
        assert record.verdict is verdict


def test_median_ignores_one_wild_seed_but_not_two() -> None:
    kept = [2, 2, 2, 4, 2, 5, 3, 9]
    condition = {"judge": "median", "at_most": 5}
    record = ledger_with(**condition).measure("1", kept, seeds=np.arange(8))
    assert (record.measured, record.interval) == (2.5, (2, 5))
    assert record.verdict is Verdict.REPRODUCED
    kept[0] = 9
    assert ledger_with(**condition).measure("1", kept).verdict.negative


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("judge", ["every", "mean", "median"])
@pytest.mark.parametrize(
    "condition", [{"at_most": 1e9}, {"at_least": -1e9}, {"between": (-1e9, 1e9)}]
)
def test_what_is_not_finite_never_passes(
    bad: float, judge: str, condition: dict
) -> None:
    values = [1.0, 2.0, bad, 3.0, 4.0]
    record = ledger_with(judge=judge, **condition).measure("1", values)
    assert record.verdict is Verdict.NOT_REPRODUCED
    assert record.measured is None
    assert record.values[2] is None
    json.dumps(record.to_dict(), allow_nan=False)


def test_reason_belongs_to_a_negative_verdict() -> None:
    assert ledger_with(at_most=1).measure("1", 0, reason="luck").reason == ""
    assert ledger_with(at_most=1).measure("1", 2, reason="noise").reason == "noise"
    silent = ledger_with(at_most=1).measure("1", 2)
    assert silent.reason == "no reason was found yet"


@pytest.mark.parametrize(
    "values",
    [
        0.1,
        [0.1],
        (0.1,),
        np.array([0.1])[::-1],
        torch.tensor(0.1, dtype=torch.float64, requires_grad=True),
        torch.tensor([0.1, 9.0], dtype=torch.float64)[::2],
        [torch.tensor(0.1, dtype=torch.float64, requires_grad=True)],
    ],
)
def test_values_come_in_any_form_and_keep_their_precision(values: object) -> None:
    assert ledger_with(at_most=1).measure("1", values).values == (0.1,)


def test_smoke_profile_judges_nothing() -> None:
    ledger = ledger_with(profile="smoke", judge="median", at_most=1)
    record = ledger.measure("1", [5.0, 7.0])
    assert record.verdict is Verdict.NOT_TESTED
    assert "smoke" in record.reason
    assert record.measured == 7.0


def test_not_tested_says_what_it_needs() -> None:
    record = ledger_with(at_most=1).not_tested("1", needs="eight GPUs for a day")
    assert record.verdict is Verdict.NOT_TESTED
    assert record.reason == "needs eight GPUs for a day"
    assert (record.measured, record.values) == (None, ())
    assert "Measured" not in record._repr_html_()


# --- claims in parts ---------------------------------------------------------------


def in_parts(*values: float | None) -> LedgerTable:
    ledger = Ledger("kan", paper="liu2024kan")
    parts = [f"1{'abcd'[k]}" for k in range(len(values))]
    ledger.claim("1", "All of it.", parts=parts, **PAPER)
    for part, value in zip(parts, values, strict=True):
        ledger.claim(
            part,
            "Part.",
            at_most=1,
            passes_as=Verdict.TREND if value == 0 else Verdict.REPRODUCED,
            fails_as=Verdict.REFUTED if value == 9 else Verdict.NOT_REPRODUCED,
            **PAPER,
        )
    for part, value in zip(parts, values, strict=True):
        if value is None:
            ledger.not_tested(part, needs="data")
        else:
            ledger.measure(part, value)
    return ledger.table()


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((1, 1), Verdict.REPRODUCED),
        ((1, 0), Verdict.TREND),
        ((1, 0, None), Verdict.NOT_TESTED),
        ((None, 2), Verdict.NOT_REPRODUCED),
        ((2, 9, None, 1), Verdict.REFUTED),
    ],
)
def test_whole_is_worth_its_weakest_part(values: tuple, verdict: Verdict) -> None:
    table = in_parts(*values)
    whole, *parts = table.records
    assert whole.verdict is verdict
    assert (whole.judge, whole.part_of, whole.measured) == ("parts", None, None)
    assert {part.part_of for part in parts} == {"kan.1"}
    assert table.tally == f"1 claim: 1 {verdict.value}"
    if verdict not in (Verdict.REPRODUCED, Verdict.TREND):
        weak = next(part.id for part in parts if part.verdict is verdict)
        assert whole.reason == f"its part {weak} is: {verdict.value}"


def test_whole_with_a_condition_of_its_own_is_judged_by_both() -> None:
    for own, part, expected in (
        (0.5, 0.5, Verdict.REPRODUCED),
        (2.0, 0.5, Verdict.NOT_REPRODUCED),
        (0.5, 2.0, Verdict.NOT_REPRODUCED),
    ):
        ledger = ledger_with(at_most=1, parts=["1'"])
        ledger.claim("1'", "Part.", at_most=1, **PAPER)
        ledger.measure("1", own)
        ledger.measure("1'", part)
        whole, _ = ledger.table().records
        assert whole.verdict is expected
        assert whole.condition == "every value at most 1; the weakest verdict of kan.1'"


# --- what is shown -----------------------------------------------------------------


def test_record_round_trips_with_exactly_the_agreed_keys() -> None:
    record = ledger_with(at_most=1).measure("1", [math.nan, 0.5], seeds=[3, 4])
    plain = json.loads(json.dumps(record.to_dict(), allow_nan=False))
    assert set(plain) == KEYS
    assert plain["verdict"] == "not reproduced"
    assert plain["values"] == [None, 0.5]
    assert plain["device"] == "cpu"
    assert set(plain["versions"]) == {"python", "torch", "numpy", "kanlib"}
    assert Record.from_dict(plain) == record


def test_text_holds_no_measured_digit() -> None:
    table = in_parts(0.7531, None)
    for text in (repr(table), str(table.records[1]), table.records[1].bundle()):
        shown = text if isinstance(text, str) else text["text/plain"]
        assert "7531" not in shown
        assert "kan.1a" in shown
    assert "0.753" in table._repr_html_()


def test_card_escapes_and_carries_its_anchor() -> None:
    ledger = ledger_with("1'", at_most=1, where="<table> & 2")
    html = ledger.measure("1'", 3, reason='a "b" <c>')._repr_html_()
    assert 'id="claim-kan.1&#x27;"' in html
    assert "kl-verdict--not-reproduced" in html
    assert "&lt;table&gt; &amp; 2" in html
    assert "&lt;c&gt;" in html
    assert "from memory, unverified" in html
    assert "style=" not in html


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0133123, "0.0133"),
        (-4.3512, "-4.35"),
        (2.13e-8, "2.13e-08"),
        (0.99996, "0.999960"),
        (0.973, "0.973"),
        (1.0, "1"),
        (0.0, "0"),
        (1 - 1e-16, "1.000000000000"),
        (None, "not finite"),
    ],
)
def test_number_shows_what_matters(value: float | None, text: str) -> None:
    assert number_text(value) == text


def test_notebook_output_carries_each_record_once() -> None:
    cells = [
        "from kanlib.claims import Ledger\n"
        "ledger = Ledger('kan', paper='liu2024kan')\n"
        "rest = dict(paper_value='4', where='theorem 2', seen='read')\n"
        "ledger.claim('1', 'Whole.', parts=['1a'], at_most=1, **rest)\n"
        "ledger.claim('1a', 'Part.', at_most=1, **rest)",
        "ledger.measure('1', 0.5)",  # waits for its part
        "ledger.measure('1a', 0.5)",
        "ledger.table()",
    ]
    notebook = nbformat.v4.new_notebook(
        cells=list(map(nbformat.v4.new_code_cell, cells))
    )
    NotebookClient(notebook, timeout=60).execute()
    declared, waiting, measured, table = (cell.outputs for cell in notebook.cells)
    assert declared == waiting == []
    (card,) = measured
    assert card.data[MIME]["id"] == "kan.1a"
    assert card.data["text/plain"].startswith("claim kan.1a: reproduced")
    whole, shown = table
    assert whole.data[MIME]["id"] == "kan.1"
    assert set(shown.data) == {"text/html", "text/plain"}
    assert shown.data["text/plain"].endswith("1 claim: 1 reproduced")


# --- comparison --------------------------------------------------------------------


def test_compare_reports_each_change() -> None:
    old = ledger_with(at_most=1, tolerance=0.1).measure("1", 0.5).to_dict()
    assert compare(old, json.loads(json.dumps(old))) == []
    assert compare(old, {**old, "measured": 0.55, "values": [0.55]}) == []
    changes = {
        "measured": 0.56,
        "verdict": "refuted here",
        "condition": "every value at most 2",
        "tolerance": 0.2,
    }
    for key, value in changes.items():
        (said,) = compare(old, {**old, key: value})
        assert said.startswith(f"kan.1: {key}")
    assert len(compare(old, {**old, **changes})) == 4


def test_compare_uses_the_old_tolerance_and_sees_what_is_not_finite() -> None:
    old = ledger_with(at_most=1, tolerance=1).measure("1", 4e-16).to_dict()
    assert compare(old, {**old, "measured": 9e-13}) == []
    assert len(compare(old, {**old, "measured": -4e-16})) == 1
    assert len(compare(old, {**old, "measured": None})) == 1
    assert compare({**old, "measured": None}, {**old, "measured": None}) == []
    loosened = {**old, "tolerance": 9, "measured": -1}
    assert len(compare(old, loosened)) == 2


def test_compare_refuses_records_of_two_claims() -> None:
    old = ledger_with(at_most=1).measure("1", 0).to_dict()
    with pytest.raises(ValueError, match=r"compare: the records are of kan\.1 and a"):
        compare(old, {**old, "id": "a"})


# --- bad input ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"slug": "Kan-1", "paper": "a"}, "Ledger: slug is 'Kan-1'"),
        ({"slug": "", "paper": "a"}, "Ledger: slug is ''"),
        ({"slug": "kan", "paper": ""}, "Ledger: paper is empty"),
        ({"slug": "kan", "paper": "a", "profile": "big"}, "Ledger: profile is 'big'"),
    ],
)
def test_bad_ledger(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Ledger(**arguments)


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ({}, "1 has no condition"),
        ({"at_most": 1, "at_least": 0}, r"several conditions \(at_most, at_least\)"),
        ({"at_most": math.nan}, "at_most of 1 is nan"),
        ({"at_least": math.inf}, "at_least of 1 is inf"),
        ({"between": (2, 1)}, r"between of 1 is \(2, 1\)"),
        ({"between": (1,)}, r"between of 1 is \(1,\)"),
        ({"between": (math.nan, 1)}, "between of 1 is"),
        ({"at_most": 1, "judge": "best"}, "judge is 'best'"),
        ({"at_most": 1, "seen": "dreamt"}, "seen is 'dreamt'"),
        ({"at_most": 1, "scale": "small"}, "scale is 'small'"),
        ({"at_most": 1, "where": ""}, "where of claim 1 is empty"),
        ({"at_most": 1, "tolerance": -1}, "tolerance must be"),
        ({"at_most": 1, "passes_as": Verdict.REFUTED}, "passes_as is"),
        ({"at_most": 1, "fails_as": Verdict.NOT_TESTED}, "fails_as is"),
        ({"at_most": 1, "number": "1-a"}, "number is '1-a'"),
        ({"parts": ["1"]}, "1 is named twice or already a part of 1"),
        ({"parts": ["2", "2"]}, "2 is named twice"),
    ],
)
def test_bad_claim_leaves_the_ledger_as_it_was(claim: dict, message: str) -> None:
    ledger = Ledger("kan", paper="liu2024kan")
    with pytest.raises(ValueError, match=f"Ledger.claim: .*{message}"):
        ledger.claim(
            **{"number": "1", "statement": "The error falls.", **PAPER, **claim}
        )
    assert repr(ledger) == "Ledger('kan', 0 claims, 0 settled)"


def test_claims_are_declared_once_and_before_their_measurement() -> None:
    ledger = ledger_with(at_most=1)
    with pytest.raises(ValueError, match="1 was declared before"):
        ledger.claim("1", "Again.", at_most=2, **PAPER)
    with pytest.raises(ValueError, match="2 was not declared; expected one of 1"):
        ledger.measure("2", 1.0)
    ledger.measure("1", 0.5)
    for settle in (
        lambda: ledger.measure("1", 0.4),
        lambda: ledger.not_tested("1", needs="luck"),
    ):
        with pytest.raises(ValueError, match="1 is settled already"):
            settle()
    with pytest.raises(ValueError, match="1 was measured before 3 was declared"):
        ledger.claim("3", "Whole.", parts=["1"], **PAPER)


def test_parts_belong_to_one_whole_and_have_no_parts() -> None:
    ledger = ledger_with(parts=["1a"])
    with pytest.raises(ValueError, match="1a is a part of 1; expected no parts"):
        ledger.claim("1a", "Part.", parts=["1b"], **PAPER)
    with pytest.raises(ValueError, match="already a part of 1"):
        ledger.claim("2", "Whole.", parts=["1a"], **PAPER)
    with pytest.raises(ValueError, match="1 of 2 is in parts itself"):
        ledger.claim("2", "Whole.", parts=["1"], **PAPER)
    with pytest.raises(ValueError, match="1 has no condition of its own"):
        ledger.measure("1", 3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("high", "values are str 'high'"),
        (None, "values are NoneType"),
        (1j, "values are complex"),
        (torch.tensor([1j]), "values are Tensor"),
        ([[1.0], [1.0, 2.0]], "values are list"),
        (["a", 1], "values are list"),
    ],
)
def test_values_that_are_no_numbers(values: object, message: str) -> None:
    with pytest.raises(TypeError, match=f"Ledger.measure: {message}"):
        ledger_with(at_most=1).measure("1", values)


@pytest.mark.parametrize(
    ("claim", "values", "seeds", "message"),
    [
        ({}, [], (), r"values have shape \(0,\)"),
        ({}, [[1.0]], (), r"values have shape \(1, 1\)"),
        ({}, [1.0, 2.0], (1,), "1 got 2 values and 1 seeds"),
        ({"judge": "mean"}, 1.0, (), "1 got 1 values; expected at least 2"),
        ({"judge": "median"}, [1.0] * 4, (), "1 got 4 values; expected at least 5"),
    ],
)
def test_values_of_the_wrong_number(
    claim: dict, values: object, seeds: tuple, message: str
) -> None:
    ledger = ledger_with(at_most=3, **claim)
    with pytest.raises(ValueError, match=f"Ledger.measure: {message}"):
        ledger.measure("1", values, seeds=seeds)
    assert "0 settled" in repr(ledger)


def test_table_lists_what_is_open() -> None:
    ledger = ledger_with(at_most=1)
    ledger.claim("2", "Whole.", parts=["2a"], **PAPER)
    with pytest.raises(ValueError, match=r"Ledger\.table: 2a are named as parts"):
        ledger.table()
    ledger.claim("2a", "Part.", at_most=1, **PAPER)
    with pytest.raises(ValueError, match=r"Ledger\.table: 1, 2a are declared but not"):
        ledger.table()
    ledger.measure("1", 0)
    ledger.not_tested("2a", needs="time")
    assert len(ledger.table().records) == 3


def test_not_tested_needs_a_need() -> None:
    with pytest.raises(ValueError, match=r"Ledger\.not_tested: needs is empty for 1"):
        ledger_with(at_most=1).not_tested("1", needs="")


def test_from_dict_refuses_other_dictionaries() -> None:
    plain = ledger_with(at_most=1).measure("1", 0).to_dict()
    with pytest.raises(ValueError, match="the keys verdict are missing or unknown"):
        Record.from_dict({key: plain[key] for key in plain if key != "verdict"})
    with pytest.raises(ValueError, match="the keys color are missing or unknown"):
        Record.from_dict({**plain, "color": "red"})
    with pytest.raises(ValueError, match="verdict is 'fine'; expected one of"):
        Record.from_dict({**plain, "verdict": "fine"})


def test_table_is_sorted_by_number_with_parts_behind_their_claim() -> None:
    ledger = Ledger("kan", paper="liu2024kan")
    for number in ("zoo", "10", "2b", "1b", "2a", "1'"):
        ledger.claim(number, "Small.", at_most=1, **PAPER)
    ledger.claim("2", "Whole.", parts=["2a", "2b"], **PAPER)
    ledger.claim("1", "Whole.", parts=["1'", "1b"], at_most=1, **PAPER)
    for number in ("zoo", "10", "2b", "1b", "2a", "1'", "1"):
        ledger.measure(number, 0.5)
    ids = [record.id for record in ledger.table().records]
    expected = ("1", "1'", "1b", "2", "2a", "2b", "10", "zoo")
    assert ids == [f"kan.{number}" for number in expected]


def test_a_mean_of_cancelling_values_is_zero() -> None:
    values = [0.1, 0.2, -0.3, 0.3, -0.3]
    assert sum(values) != 0
    record = ledger_with(at_most=1, judge="mean").measure("1", values)
    assert record.measured == 0.0
