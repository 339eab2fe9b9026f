"""What `make gpu` does, as far as a machine without a GPU shows: record, plumbing."""

import importlib.util
import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
RUN = runpy.run_path(str(ROOT / "tests" / "gpu" / "run.py"))


@pytest.fixture(scope="module")
def gpu():
    """The module benchmarks/_gpu.py."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import _gpu
    finally:
        sys.path.remove(str(BENCHMARKS))
    return _gpu


HEAD = {
    "device": "Test GPU",
    "driver": "1.0",
    "cuda": "13.0",
    "date": "2026-01-02",
    "commit": "c",
    "changed": False,
    "sources": "s",
    "versions": {},
}


def test_a_record_is_whole_after_every_addition(gpu, tmp_path):
    path = tmp_path / "records" / gpu.record_name("Test GPU (80 GB)", "2026-01-02")
    assert path.name == "test-gpu-80-gb-2026-01-02.json"
    record = gpu.Record.at(path, HEAD)
    for section, found in (("tests", {"tests": 3}), ("measurements", [{"ms": 1.0}])):
        record.add(section, found)
        written = json.loads(path.read_text("utf-8"))
        assert gpu.problems(written) == []
        assert written[section] == found
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_cut_write_leaves_the_last_record(gpu, tmp_path, monkeypatch):
    record = gpu.Record.at(tmp_path / "r.json", HEAD)
    record.add("tests", {"tests": 3})

    def cut(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(gpu.os, "replace", cut)
    with pytest.raises(KeyboardInterrupt):
        record.add("tests", {"tests": 4})
    assert json.loads((tmp_path / "r.json").read_text())["tests"] == {"tests": 3}


def test_a_record_goes_on_with_the_same_sources_only(gpu, tmp_path):
    path = tmp_path / "r.json"
    gpu.Record.at(path, HEAD).add("tests", {"tests": 3})
    assert gpu.Record.at(path, HEAD).content["tests"] == {"tests": 3}
    for key in ("device", "driver", "commit", "sources"):
        anew = gpu.Record.at(path, HEAD | {key: "other"}).content
        assert anew["tests"] == {}, key


def test_a_section_of_the_wrong_kind_is_refused(gpu, tmp_path):
    with pytest.raises(TypeError, match="goals is a dict; expected list"):
        gpu.Record.at(tmp_path / "r.json", HEAD).add("goals", {})
    assert gpu.problems({**HEAD, "tests": []})[0] == "'tests' is no dict"
    assert "'driver' is missing" in gpu.problems({})


def test_every_committed_gpu_record_has_the_schema(gpu):
    for path in (ROOT / "book" / "records").glob("*.json"):
        if not path.name.startswith("cpu-"):
            record = json.loads(path.read_text("utf-8"))
            assert gpu.problems(record) == [], path.name
            assert path.name == gpu.record_name(record["device"], record["date"])


def test_contenders_take_turns_and_a_slow_one_gets_fewer_rounds(gpu):
    seen, times = [], iter(range(100))

    def clock(call):
        call()
        return float(next(times))

    calls = {name: (lambda name=name: seen.append(name)) for name in "ab"}
    found = gpu.interleaved(calls, clock, rounds=4)
    assert "".join(seen) == "abab" + "ab" * 4
    assert found == {"a": [4.0, 6.0, 8.0, 10.0], "b": [5.0, 7.0, 9.0, 11.0]}
    assert gpu.facts(found["a"]) == {
        "ms": 7.0,
        "fastest_ms": 4.0,
        "slowest_ms": 10.0,
        "rounds": 4,
    }
    few = gpu.interleaved(calls, clock, rounds=50, least=3, seconds=0)
    assert len(few["a"]) == 3


def test_no_tool_no_driver(gpu):
    assert gpu.driver("no-such-tool") == ""
    assert gpu.driver("false") == ""


def benchmark(*arguments):
    command = [sys.executable, BENCHMARKS / "rational_gpu.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_dry_run_measures_everything_and_judges_nothing(gpu, tmp_path):
    path = tmp_path / "dry.json"
    made = benchmark("--dry", "--record", path)
    assert made.returncode == 0, made.stderr
    record = json.loads(path.read_text("utf-8"))
    assert gpu.problems(record) == []
    lines = [json.loads(line) for line in made.stdout.splitlines()]
    assert lines == record["measurements"] + record["goals"]
    assert {goal["verdict"] for goal in record["goals"]} == {"not measured"}
    assert {goal["row"] for goal in record["goals"]} == {"P6", "P7"}
    timed = {(m["what"], m["contender"]) for m in record["measurements"] if "ms" in m}
    both = {(w, c) for w in ("forward", "backward") for c in ("kanlib", "autograd")}
    assert both <= timed


def test_a_wrong_folder_and_a_missing_device_are_said(tmp_path):
    made = benchmark("--dry", "--flashkat", tmp_path)
    assert made.returncode == 2
    assert "flash_rational_triton.py is not in it; expected a checkout" in made.stderr
    shown = benchmark("--help")
    assert shown.returncode == 0
    assert "--flashkat FOLDER" in shown.stdout


def test_what_compute_sanitizer_says_is_kept():
    verdict = RUN["verdict"]
    assert verdict(0, "x\n========= ERROR SUMMARY: 0 errors\n") == "0 errors"
    hazards = "========= RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)"
    assert verdict(0, hazards).startswith("0 hazards")
    refused = "Error: Device not supported. Please refer to the list"
    assert verdict(1, refused) == f"did not finish (status 1): {refused}"
    assert verdict(124, "stopped after 50 s").endswith("stopped after 50 s")
    assert "not installed" in RUN["sanitizer"]("memcheck", None)


def test_the_numbers_of_a_test_report():
    report = (
        '<testsuites><testsuite tests="9" failures="1" errors="0" skipped="2"/>'
        "</testsuites>"
    )
    expected = {"tests": 9, "failures": 1, "errors": 0, "skipped": 2}
    assert RUN["counted"](report) == expected


def test_a_stage_that_takes_too_long_is_stopped():
    command = [sys.executable, "-c", "import threading; threading.Event().wait()"]
    assert RUN["stage"](command, 0.5) == (124, "stopped after 0 s")


def test_make_gpu_ends_inside_ten_minutes_by_its_own_limits():
    limits = RUN["SECONDS"]
    assert limits["tests"] + 2 * limits["sanitizer"] + limits["benchmark"] < 570


def test_without_cupy_or_a_device_make_gpu_says_why():
    command = [sys.executable, ROOT / "tests" / "gpu" / "run.py"]
    torch_cuda = importlib.util.find_spec("cupy") is not None
    if torch_cuda:
        pytest.skip("CuPy is installed here: `make gpu` would run")
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 2
    assert "lacks cupy; expected torch >= 2.6, NumPy, CuPy and pytest" in made.stderr


def test_kanlib_works_with_the_stand_in_for_jaxtyping():
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import jaxtyping; "
        "assert 'stand_in' in jaxtyping.__file__; import torch; "
        "from kanlib.ops import group_rational, spline_sum; "
        "print(group_rational(torch.ones(2, 8), torch.ones(1, 6), torch.ones(8, 4)))"
    )
    command = [sys.executable, "-c", code, ROOT / "tests" / "gpu" / "stand_in"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    assert "1.2" in made.stdout  # 6 / 5


def test_the_device_tests_are_collected_by_their_own_configuration():
    command = [sys.executable, "-m", "pytest", "-c", "tests/gpu/pytest.ini"]
    command += [f"--rootdir={ROOT}", "--collect-only", "tests/gpu"]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout
    assert "test_a_cuda_graph_repeats_a_training_step" in made.stdout
