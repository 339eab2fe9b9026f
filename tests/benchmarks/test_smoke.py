"""Every benchmark runs at a tiny size, and the driver judges and writes records."""

import json

import pytest

BENCHMARKS = ["kan_cpu", "kan_grid_scaling", "kan_memory", "rational_cpu"]


@pytest.fixture(scope="module")
def run(benchmark_module):
    return benchmark_module("run")


@pytest.mark.parametrize("name", [*BENCHMARKS, "rational_accuracy"])
def test_a_benchmark_runs_and_settles_each_goal_of_its_rows(
    benchmark_module, name, capsys
):
    lines = benchmark_module(name).main(["--smoke"])
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert printed == lines
    targets = json.loads(
        (benchmark_module("_measure").HERE / "targets.json").read_text("utf-8")
    )
    settled = {(line["row"], line["goal"]) for line in lines if "goal" in line}
    assert settled == {
        (row, goal)
        for row, about in targets.items()
        if about["benchmark"] == name
        for goal in about["goals"]
    }
    assert not [line for line in lines if "disqualified" in line]
    assert any(line.get("contender") == "kanlib" for line in lines)


def test_coefficient_gradients_are_repeatable_and_accurate(benchmark_module, capsys):
    """Row P8 at its full size, with fewer repetitions: it is no time."""
    accuracy = benchmark_module("rational_accuracy")
    given = accuracy.data(accuracy.ROWS, accuracy.WIDTH)
    exact = accuracy.gradients(
        benchmark_module("rational_cpu").horner, *(t.double() for t in given)
    )
    found = [accuracy.gradients(accuracy.ours, *given) for _ in range(5)]
    assert accuracy.differing(found, found[0]) == 0
    ours = accuracy.error(found[0], exact)
    assert ours <= 2e-6
    assert accuracy.error(accuracy.one_by_one(*given), exact) > ours


def test_a_bit_that_differs_and_an_error_are_seen(benchmark_module):
    accuracy = benchmark_module("rational_accuracy")
    x, a, b, g = accuracy.data(16, 4)
    first = accuracy.gradients(accuracy.ours, x, a, b, g)
    other = accuracy.gradients(accuracy.ours, x, a, b, g * (1 + 1e-6))
    assert accuracy.differing([first, other, first], first) == 1
    assert accuracy.error(other, first) > 0


def test_what_pytest_says_is_counted(benchmark_module):
    host = benchmark_module("kernels_host")
    assert host.counted("..\n3 passed, 1 skipped in 0.5s\n") == {
        "passed": 3,
        "skipped": 1,
    }
    assert host.counted("1 failed, 2 errors in 1s")["errors"] == 2
    with pytest.raises(ValueError, match="last line is 'no tests'"):
        host.counted("no tests")
    budget = {"a.cu": {"k": {"sm_75": {"stack": 0}, "sm_80": {"stack": 8}}}}
    assert host.spilled(budget) == 1


def test_peers_are_found_by_what_is_in_a_folder(benchmark_module, tmp_path):
    peers = benchmark_module("_peers")
    file = tmp_path / "fast-kan" / peers.FILES["fast-kan"]
    file.parent.mkdir(parents=True)
    file.write_text("answer = 42\n")
    for given in (tmp_path, tmp_path / "fast-kan"):
        found = peers.find([given])
        assert list(found.folders) == ["fast-kan"]
        assert found.module("fast-kan").answer == 42
        assert found.version("fast-kan").startswith("sha256 ")
        assert found.module("efficient-kan") is None
    with pytest.raises(ValueError, match="expected a checkout of efficient-kan"):
        peers.find([file.parent])


def goal(row, held):
    return {
        "row": row,
        "goal": "one",
        "what": "a thing",
        "sense": ">=",
        "target": 4,
        "unit": "×",
        "measured": 5.0 if held else 1.0,
        "note": "here",
        "verdict": "pass" if held else "miss",
        "gate_held": held,
    }


@pytest.mark.parametrize("held", [True, False])
def test_the_driver_prints_a_table_and_fails_on_a_missed_gate(
    run, monkeypatch, capsys, held
):
    asked = []

    def one(name, arguments):
        asked.append(name)
        return [{"benchmark": name}, goal("P2", held)]

    monkeypatch.setattr(run, "run", one)
    assert run.main(["P2"]) == int(not held)
    assert asked == ["kan_grid_scaling"]
    shown = capsys.readouterr().out
    assert "target >= 4×" in shown
    assert ("P2  pass" in shown) is held
    assert ("gate missed" in shown) is not held


def test_a_record_reads_back_and_names_no_folder_of_the_machine(run, tmp_path):
    lines = [{"benchmark": "b", "contender": "c"}, goal("P1", True)]
    head = {"device": "A CPU", "date": "2026-03-04", "versions": {}}
    found = json.loads(run.record(lines, head, "make bench"))
    assert found == head | {
        "command": "make bench",
        "goals": lines[1:],
        "measurements": lines[:1],
    }
    file = tmp_path / "fast-kan/fastkan/fastkan.py"
    file.parent.mkdir(parents=True)
    file.touch()
    options = run._peers.parser("").parse_args(["--peers", str(tmp_path)])
    options.compile = True
    assert run.told(options) == (
        'make bench RECORD=1 PEERS="FOLDER/fast-kan" COMPILE=1'
    )


def test_a_record_is_of_all_rows_and_rows_have_names(run, capsys):
    for arguments, words in ((["P1", "--record"], "all rows"), (["P77"], "no row P77")):
        with pytest.raises(SystemExit):
            run.main(arguments)
        assert words in capsys.readouterr().err


def test_the_machine_is_described_without_its_name(benchmark_module, tmp_path):
    machine = benchmark_module("_machine")
    (tmp_path / "cpuinfo").write_text("model name\t: A CPU\ncpu family\t: 26\n")
    assert machine.processor(tmp_path / "cpuinfo") == "A CPU (cpu family 26)"
    head = machine.head(tmp_path)
    assert {"device", "cores", "date", "commit", "versions"} <= head.keys()
    assert head["commit"] == ""
    assert {"python", "torch"} <= head["versions"].keys()
