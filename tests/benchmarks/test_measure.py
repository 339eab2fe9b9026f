"""Taking turns, judging, and writing lines: what every benchmark rests on."""

import json
import math
import threading
import time

import pytest
import torch

TARGETS = {
    "P1": {
        "goals": {
            "fast": {"sense": ">=", "target": 4, "gate": 3, "unit": "×", "what": "a"},
            "lean": {"sense": "<=", "target": 1, "gate": 2, "unit": "", "what": "b"},
        }
    }
}


@pytest.fixture(scope="module")
def measure(benchmark_module):
    return benchmark_module("_measure")


def test_contenders_take_turns_and_each_round_begins_with_another(measure):
    order = []
    slow = measure.COLD  # from here on one call a turn, none to warm up

    def call(name):
        order.append(name)
        end = time.perf_counter() + slow
        while time.perf_counter() < end:
            pass

    calls = {name: lambda name=name: call(name) for name in "abc"}
    times = measure.interleaved(calls, rounds=3, least=3)
    assert "".join(order) == "abcabc" + "abc" + "bca" + "cab"
    assert [len(times[name].cpu) for name in "abc"] == [3, 3, 3]


def test_rounds_stop_when_the_time_is_up_but_not_before_the_least(measure):
    times = measure.interleaved({"a": lambda: None}, rounds=9, least=2, seconds=0.0)
    assert len(times["a"].cpu) == 2
    assert len(times["a"].wall) == 2


def test_a_fast_contender_is_called_again_and_its_time_is_of_one_call(measure):
    calls = []
    times = measure.interleaved({"a": lambda: calls.append(0)}, rounds=1, least=1)
    assert len(calls) > 20
    assert times["a"].cpu[0] < measure.TURN / 2


def test_work_in_other_threads_is_no_way_to_be_fast(measure):
    def elsewhere():
        def work():
            end = time.process_time() + 0.03
            while time.process_time() < end:
                pass

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    with pytest.raises(RuntimeError, match=r"sly: .* expected one thread"):
        measure.interleaved({"sly": elsewhere}, rounds=1)


def test_medians_are_of_the_threads_own_time(measure):
    times = measure.Times(cpu=[0.003, 0.001, 0.002], wall=[0.01, 0.02, 0.03])
    assert times.median == 0.002
    assert times.facts() == {
        "cpu_ms": 2.0,
        "fastest_cpu_ms": 1.0,
        "wall_ms": 20.0,
        "rounds": 3,
    }


def test_who_gives_another_result_is_disqualified(measure):
    ours = [torch.ones(3), torch.arange(3.0)]
    results = {
        "same": [t.clone() for t in ours],
        "off": [ours[0] + 0.01, ours[1]],
        "nan": [ours[0], ours[1] * math.nan],
        "shape": [ours[0][:2], ours[1]],
    }
    why = measure.equal_only(results, ours, 1e-3)
    assert set(why) == {"off", "nan", "shape"}
    assert why["off"] == "results differ by 1.0e-02; allowed 1e-03"


@pytest.mark.parametrize(
    ("goal", "measured", "verdict", "held"),
    [
        ("fast", 4.0, "pass", True),
        ("fast", 3.5, "miss", True),
        ("fast", 2.9, "miss", False),
        ("lean", 1.0, "pass", True),
        ("lean", 1.5, "miss", True),
        ("lean", 2.1, "miss", False),
        ("lean", None, "not measured", None),
        ("lean", math.nan, "not measured", None),
    ],
)
def test_a_measurement_is_held_against_target_and_gate(
    measure, goal, measured, verdict, held
):
    line = measure.judged("P1", goal, measured, "somewhere", TARGETS)
    assert (line["verdict"], line["gate_held"]) == (verdict, held)
    assert line["note"] == "somewhere"


def test_an_unknown_sense_is_an_error(measure):
    with pytest.raises(ValueError, match="sense is '>'"):
        measure.reached(1.0, ">", 1.0)


def test_lines_are_json_with_the_time_over_ours(measure, capsys):
    lines = measure.Lines("toy", TARGETS)
    times = {
        "we": measure.Times([0.002], [0.002]),
        "they": measure.Times([0.01], [0.02]),
    }
    lines.times("2 → 2", "forward", times, "we", they={"version": "c0ffee"})
    lines.disqualified("2 → 2", {"odd": "differs"})
    lines.goal("P1", "fast", 5.0)
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert printed == lines.all
    assert [line.get("of_ours") for line in printed] == [1.0, 5.0, None, None]
    assert printed[1]["version"] == "c0ffee"
    assert printed[1]["benchmark"] == "toy"
    assert printed[2]["disqualified"] == "differs"
    assert printed[3]["verdict"] == "pass"


def test_no_target_is_behind_its_gate(measure):
    targets = json.loads((measure.HERE / "targets.json").read_text("utf-8"))
    assert list(targets) == [f"P{number}" for number in range(1, 10)]
    for row in targets.values():
        for goal in row["goals"].values():
            assert measure.reached(goal["target"], goal["sense"], goal["gate"])
