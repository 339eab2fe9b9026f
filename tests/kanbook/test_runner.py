"""Chapters in real kernels: what they see, and every way in which one can end."""

import errno
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from kanbook import files, pool
from kanbook.chapters import Chapter, find_chapters
from kanbook.progress import Progress
from kanbook.reports import Execution, commit_of, read_report
from kanbook.runner import execute
from kanbook.supervise import Job, Outcome, kernel_environment

PARAMETERS = ('profile = "book"\nsize = 10', ["parameters"])
Results = dict[str, Execution]
Notebook = nbformat.NotebookNode


def by_slug(executions: list[Execution]) -> Results:
    return {execution.chapter.slug: execution for execution in executions}


@pytest.fixture(scope="module")
def results(
    tmp_path_factory: pytest.TempPathFactory,
    notebook: Callable[..., Notebook],
    write_book: Callable[..., Path],
) -> Results:
    """Seven chapters, two of them at a time; a thread waits for the endless one."""
    book = write_book(
        tmp_path_factory.mktemp("book"),
        seeing=notebook(
            PARAMETERS,
            """
            import importlib.util, json, os, sys, time
            time.sleep(0.2)
            print(json.dumps({
                "kernels": importlib.util.find_spec("kernels") is not None,
                "folder": os.getcwd(), "executable": sys.executable,
                "environment": dict(os.environ), "profile": profile, "size": size,
            }))
            """,
        ),
        raising=notebook("x = 1", "1 / 0", "x"),
        killed=notebook("import os", "os.kill(os.getpid(), 9)"),
        endless=notebook("import time", "while True: time.sleep(0.1)"),
        greedy=notebook("import time", "x = b'x' * 300_000_000\ntime.sleep(600)"),
        torn=notebook("1"),
        absent=notebook("1"),
    )
    chapters = {chapter.slug: chapter for chapter in find_chapters(book)}
    chapters["torn"].path.write_text('{"cells": [')
    chapters["absent"].path.unlink()
    endless = [chapters.pop("endless")]
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(execute, endless, timeout=8)
        found = by_slug(execute(list(chapters.values()), memory_mib=200))
        return found | by_slug(waiting.result())


@pytest.fixture(scope="module")
def seen(results: Results) -> dict[str, Any]:
    """What a kernel sees."""
    cells = nbformat.read(results["seeing"].executed, as_version=4).cells
    return json.loads(cells[-1].outputs[0].text)


def test_kernel_runs_this_interpreter_in_the_chapters_folder(
    seen: dict[str, Any], results: Results
) -> None:
    assert seen["executable"] == sys.executable
    assert seen["folder"] == str(results["seeing"].chapter.path.parent)
    assert (seen["profile"], seen["size"]) == ("book", 10)


def test_kernel_does_not_see_the_repository_root(seen: dict[str, Any]) -> None:
    assert seen["kernels"] is False


@pytest.mark.parametrize("name", ["OMP", "OPENBLAS", "MKL", "NUMEXPR"])
def test_kernel_computes_with_one_thread(seen: dict[str, Any], name: str) -> None:
    assert seen["environment"][f"{name}_NUM_THREADS"] == "1"


def test_kernel_hashes_alike_in_every_run(seen: dict[str, Any]) -> None:
    assert seen["environment"]["PYTHONHASHSEED"] == "0"


def test_kernel_reads_no_settings_of_the_reader(seen: dict[str, Any]) -> None:
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_PATH"):
        assert Path.home() not in Path(seen["environment"][name]).parents


def test_report_of_a_good_chapter(results: Results) -> None:
    execution = results["seeing"]
    report = read_report(execution.executed)
    assert report is not None
    assert execution.ok
    assert report["status"] == "ok"
    assert report["chapter"] == "part/seeing"
    assert report["profile"] == "book"
    assert report["cpu_seconds"] > 0
    assert 20 < report["peak_mib"] < 500
    assert set(report["versions"]) >= {"python", "torch", "numpy", "kanlib"}
    assert list(report["cell_seconds"]) == ["cell-0", "cell-1"]
    assert report["cell_seconds"]["cell-1"] >= 0.2
    assert report["finished"].endswith("+00:00")


def test_commit_is_named_and_marked_when_files_differ(tmp_path: Path) -> None:
    assert commit_of(tmp_path) == ""
    file = tmp_path / "a.txt"
    file.write_text("one")
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "."], [*author, "commit", "-q", "-m", "a"]):
        subprocess.run(["git", "-C", tmp_path, *words], check=True)
    clean = commit_of(tmp_path)
    assert re.fullmatch(r"[0-9a-f]{12,}", clean)
    file.write_text("two")
    assert commit_of(tmp_path) == f"{clean}+changes"


@pytest.mark.parametrize(
    ("slug", "status", "message"),
    [
        ("raising", "failed", "part/raising: cell 2 (1 / 0) raised ZeroDivisionError"),
        ("killed", "killed", "the kernel died in cell 2 (os.kill(os.getpid(), 9))"),
        ("endless", "timeout", "after 8 s; expected the whole chapter to end by then"),
        ("greedy", "memory", "MiB; expected at most 200 MiB"),
        ("torn", "error", "torn.ipynb is no notebook"),
        ("absent", "error", "absent.ipynb is missing; expected a notebook"),
    ],
)
def test_bad_ends_are_told_apart(
    results: Results, slug: str, status: str, message: str
) -> None:
    execution = results[slug]
    assert execution.status == status
    assert message in execution.message
    report = read_report(execution.executed)
    assert report is not None
    assert (report["status"], report["message"]) == (status, execution.message)


@pytest.mark.parametrize("slug", ["raising", "killed", "greedy"])
def test_cells_before_a_bad_end_are_kept(results: Results, slug: str) -> None:
    first, second, *_ = nbformat.read(results[slug].executed, as_version=4).cells
    assert first.execution_count == 1
    assert second.cell_type == "code"


@pytest.mark.parametrize("slug", ["torn", "absent"])
def test_nothing_is_left_where_no_cell_ran(results: Results, slug: str) -> None:
    assert not results[slug].executed.exists()


def test_nothing_half_written_lies_about(results: Results) -> None:
    folder = results["seeing"].executed.parent
    assert {path.suffix for path in folder.iterdir()} == {".ipynb", ".json"}


def test_smoke_profile_is_injected_and_kept_apart(results: Results) -> None:
    chapter = results["seeing"].chapter
    (execution,) = execute([chapter], profile="smoke", parameters={"size": 3})
    assert execution.ok
    assert execution.executed.parts[-3] == "executed-smoke"
    cells = nbformat.read(execution.executed, as_version=4).cells
    assert cells[1].metadata.tags == ["injected-parameters"]
    printed = json.loads(cells[-1].outputs[0].text)
    assert (printed["profile"], printed["size"]) == ("smoke", 3)
    report = read_report(execution.executed)
    assert report is not None
    assert report["profile"] == "smoke"


def test_environment_of_the_kernel(tmp_path: Path) -> None:
    job = Job("a/b", str(tmp_path), str(tmp_path), {}, {}, 1, 1, one_thread=False)
    paths = os.pathsep.join([str(tmp_path), str(tmp_path / "mine")])
    inherited = {"PYTHONPATH": paths, "KANLIB_DATA": "data", "OMP_NUM_THREADS": "8"}
    environment = kernel_environment(job, inherited)
    assert environment["PYTHONPATH"] == str(tmp_path / "mine")
    assert environment["KANLIB_DATA"] == str(Path.cwd() / "data")
    assert environment["OMP_NUM_THREADS"] == "8"


# --- skipping and resuming: a stand-in for the kernel --------------------------------


class Stand:
    """Counts executions and answers at once, with the code's length as output."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.status = "ok"

    def __call__(self, job: Job, *_: Any) -> Outcome:
        self.ran.append(job.name.removeprefix("part/"))
        done = nbformat.from_dict(job.notebook)
        for number, cell in enumerate(done.cells, 1):
            if cell.cell_type == "code":
                text = f"{len(cell.source)}\n"
                cell.outputs = [nbformat.v4.new_output("stream", text=text)]
                cell.execution_count = number
        message = "" if self.status == "ok" else "it broke"
        return Outcome(self.status, message, notebook=done, seconds=1.0)


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Stand:
    stand = Stand()
    monkeypatch.setattr(pool, "run_one", stand)
    return stand


@pytest.fixture
def book(
    tmp_path: Path, notebook: Callable[..., Notebook], write_book: Callable[..., Path]
) -> Path:
    return write_book(
        tmp_path / "book",
        one=notebook("# Prose", PARAMETERS, "one = 1"),
        two=notebook(PARAMETERS, "two = 22"),
    )


def edit(chapter: Chapter, old: str, new: str) -> None:
    text = chapter.path.read_text()
    assert old in text
    chapter.path.write_text(text.replace(old, new))


def test_unchanged_chapters_are_not_run_again(stand: Stand, book: Path) -> None:
    chapters = find_chapters(book)
    first = execute(chapters)
    second = execute(chapters)
    assert sorted(stand.ran) == ["one", "two"]
    assert [e.why for e in first] == ["it has not run yet"] * 2
    assert [(e.ok, e.why, e.seconds) for e in second] == [(True, "", 1.0)] * 2


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("kanlib/core.py", "kanlib sources changed"),
        ("kernels/new.cu", "kernels sources changed"),
        ("requirements.lock", "requirements.lock changed"),
    ],
)
def test_shared_sources_run_every_chapter_again(
    stand: Stand, book: Path, file: str, why: str
) -> None:
    execute(find_chapters(book))
    (book / file).write_text("answer = 43\n")
    assert [e.why for e in execute(find_chapters(book))] == [why, why]
    assert sorted(stand.ran) == ["one", "one", "two", "two"]


def test_changed_code_runs_only_its_chapter(stand: Stand, book: Path) -> None:
    chapters = find_chapters(book)
    execute(chapters)
    edit(chapters[1], "two = 22", "two = 2")
    assert [e.why for e in execute(chapters)] == ["", "code cells changed"]


def test_changed_parameters_run_again(stand: Stand, book: Path) -> None:
    chapters = find_chapters(book, ["one"])
    execute(chapters)
    (execution,) = execute(chapters, parameters={"size": 3})
    assert execution.why == "parameters changed"


def test_changed_prose_reaches_the_executed_copy_without_a_run(
    stand: Stand, book: Path
) -> None:
    chapters = find_chapters(book, ["one"])
    execute(chapters)
    edit(chapters[0], "# Prose", "# Better prose")
    (execution,) = execute(chapters)
    cells = nbformat.read(execution.executed, as_version=4).cells
    assert stand.ran == ["one"]
    assert cells[0].source == "# Better prose"
    assert cells[2].outputs[0].text == "7\n"


def test_failed_chapter_runs_again(stand: Stand, book: Path) -> None:
    stand.status = "timeout"
    execute(find_chapters(book, ["one"]))
    stand.status = "ok"
    (execution,) = execute(find_chapters(book, ["one"]))
    assert execution.why == "its last run ended with status timeout"
    assert execution.ok


def test_chapter_that_could_not_be_read_runs_once_it_can(
    stand: Stand, book: Path
) -> None:
    chapters = find_chapters(book, ["one"])
    good = chapters[0].path.read_text()
    chapters[0].path.write_text("torn")
    assert execute(chapters)[0].status == "error"
    chapters[0].path.write_text(good)
    (execution,) = execute(chapters)
    assert execution.why == "its last run ended with status error"
    assert execution.ok


def test_fresh_runs_everything(stand: Stand, book: Path) -> None:
    execute(find_chapters(book))
    executions = execute(find_chapters(book), fresh=True)
    assert [e.why for e in executions] == ["a fresh run was asked for"] * 2


def test_torn_report_or_copy_means_running_again(stand: Stand, book: Path) -> None:
    one, two = (e.executed for e in execute(find_chapters(book)))
    one.with_suffix(".json").write_text('{"status": ')
    two.write_text('{"cells"')
    first, second = execute(find_chapters(book))
    assert first.why == "it has not run yet"
    assert second.why.startswith("its executed copy cannot be used")
    assert first.ok
    assert second.ok


def test_full_disk_fails_one_chapter_and_leaves_no_piece(
    stand: Stand, book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chapters = find_chapters(book)
    before = execute(chapters)[0].executed.read_text()
    replace = os.replace

    def full(source: str, target: Path) -> None:
        if target.name == "one.ipynb":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", full)
    one, two = execute(chapters, fresh=True)
    assert (one.status, two.status) == ("error", "ok")
    assert "cannot write" in one.message
    assert "No space left on device; expected room" in one.message
    assert one.executed.read_text() == before
    assert len(list(one.executed.parent.iterdir())) == 3  # one.json is gone
    monkeypatch.undo()
    monkeypatch.setattr(pool, "run_one", stand)
    assert [e.why for e in execute(chapters)] == ["it has not run yet", ""]


def test_trouble_of_a_worker_is_its_chapters_only(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(job: Job, *_: Any) -> Outcome:
        if job.name == "part/one":
            raise ConnectionError("worker lost")
        return Outcome("ok", "", notebook=job.notebook)

    monkeypatch.setattr(pool, "run_one", lost)
    one, two = execute(find_chapters(book))
    assert one.status == "error"
    assert "could not be run: ConnectionError: worker lost" in one.message
    assert two.ok


def test_parameters_need_a_tagged_cell(
    stand: Stand,
    tmp_path: Path,
    notebook: Callable[..., Notebook],
    write_book: Callable[..., Path],
) -> None:
    book = write_book(tmp_path / "plain", plain=notebook("1"))
    (execution,) = execute(find_chapters(book), profile="smoke")
    assert execution.status == "error"
    assert "no cell is tagged parameters; expected one" in execution.message
    assert not stand.ran


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"profile": "big"}, "profile is 'big'; expected one of smoke, book, full"),
        ({"workers": 0}, "workers is 0; expected a number above 0"),
        ({"timeout": -1}, "timeout is -1; expected a number above 0"),
        ({"memory_mib": 0}, "memory_mib is 0; expected a number above 0"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        execute([], **arguments)


def test_no_chapters_at_all() -> None:
    assert execute([]) == []


# --- progress -----------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_bar_counts_cells_and_shows_who_runs_how_long() -> None:
    terminal = Terminal()
    with Progress({"part/one": 4, "part/two": 6}, terminal) as progress:
        progress.cell("part/one", 0)
        progress.tick({"part/one": 12.3})
        progress.end("part/one", "ok  part/one")
        progress.tick({"part/two": 2.0})
    shown = terminal.getvalue()
    assert "1/10" in shown
    assert "part/one 12 s" in shown
    assert "ok  part/one\n" in shown
    assert "4/10" in shown


def test_no_bar_where_nobody_watches() -> None:
    stream = io.StringIO()
    with Progress({"part/one": 4}, stream) as progress:
        progress.cell("part/one", 0)
        progress.tick({"part/one": 1.0})
        progress.end("part/one", "ok  part/one")
    assert stream.getvalue() == "ok  part/one\n"


# --- interruption: the whole command ------------------------------------------------


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited a minute for {what}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_command_leaves_no_kernel_and_resumes(
    number: int,
    tmp_path: Path,
    notebook: Callable[..., Notebook],
    write_book: Callable[..., Path],
) -> None:
    note = "import os, time\nopen('pid', 'w').write(f'{os.getpid()}.')"
    book = write_book(
        tmp_path / "book",
        quick=notebook("1"),
        slow=notebook(note, "time.sleep(600)"),
    )
    # Tests started in the background inherit an ignored SIGINT.
    run = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from kanbook.cli import main; raise SystemExit(main())"
    )
    command = [sys.executable, "-c", run, "run", "--workers", "1"]
    process = subprocess.Popen(command, cwd=book, stderr=subprocess.PIPE, text=True)
    pid_file = book / "chapters" / "part" / "pid"
    text = wait_for(
        lambda: pid_file.is_file() and "." in (t := pid_file.read_text()) and t,
        "the kernel to begin",
    )
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    wait_for(lambda: not psutil.pid_exists(int(text[:-1])), "the kernel to end")
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "interrupted; call again to run what is left" in errors
    quick, slow = find_chapters(book)
    reports = book / "_build" / "executed" / "part"
    assert (reports / "quick.json").is_file()
    assert not (reports / "slow.json").exists()
    edit(slow, "time.sleep(600)", "time")
    stand = Stand()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "run_one", stand)
        assert [e.ok for e in execute([quick, slow])] == [True, True]
    assert stand.ran == ["slow"]


# --- a cluster ----------------------------------------------------------------------


def test_dask_runs_a_chapter(book: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        protocol="tcp",
        host="127.0.0.1",
        dashboard_address=None,
        worker_dashboard_address=None,
    ) as cluster:
        address = cluster.scheduler_address
        (execution,) = execute(find_chapters(book, ["two"]), scheduler=address)
    assert execution.ok
    cells = nbformat.read(execution.executed, as_version=4).cells
    assert [cell.execution_count for cell in cells] == [1, 2]


def test_missing_cluster_extra_is_named(
    stand: Stand, book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ModuleNotFoundError, match='expected the extra "cluster"'):
        execute(find_chapters(book), scheduler="tcp://127.0.0.1:1")
    assert not stand.ran
