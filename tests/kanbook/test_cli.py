"""The command line: what a newcomer reads, and exit codes that scripts can trust."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from kanbook import cli, pool
from kanbook.chapters import BookError, all_chapters, find_chapters, find_root
from kanbook.supervise import Job, Outcome

Notebook = nbformat.NotebookNode


@pytest.fixture
def book(
    tmp_path: Path,
    notebook: Callable[..., Notebook],
    write_book: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A book of two chapters; `two` fails. A stand-in answers for the kernels."""

    def stand(job: Job, *_: Any) -> Outcome:
        done = nbformat.from_dict(job.notebook)
        if job.name == "part/two":
            return Outcome("failed", "part/two: cell 1 (2) raised", notebook=done)
        for count, cell in enumerate(done.cells, 1):
            cell.execution_count = count
        return Outcome("ok", "", notebook=done)

    root = write_book(tmp_path / "book", one=notebook("1"), two=notebook("2"))
    monkeypatch.setattr(pool, "run_one", stand)
    monkeypatch.chdir(root)
    return root


def test_help_shows_examples_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    for command in ("run", "build", "ledger", "refresh", "new-chapter"):
        assert f"  {command}" in shown
    assert "examples:" in shown
    assert "exit codes:" in shown


@pytest.mark.parametrize("command", ["run", "build", "ledger", "refresh"])
def test_help_of_a_command_says_where_things_go(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    usage, _, told = capsys.readouterr().out.partition("\n\n")
    assert usage.startswith(f"usage: kanbook {command}")
    place = "notebooks in chapters" if command == "refresh" else "_build"
    assert place in " ".join(told.split())


def test_new_chapter_says_what_comes_next(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["new-chapter", "kan/mine"]) == 0
    assert "next: kanbook run kan/mine" in capsys.readouterr().out
    assert "chapters/kan/mine" in (book / "_toc.yml").read_text()


@pytest.mark.parametrize("arguments", [[], ["fly"], ["run", "--profile", "huge"]])
def test_wrong_words_exit_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert "usage: kanbook" in capsys.readouterr().err


def test_run_one_chapter(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "one"]) == 0
    shown = capsys.readouterr()
    assert "1 of 1 chapters ok" in shown.out
    assert "ok  part/one" in shown.err


def test_failed_chapter_exits_with_1_and_the_other_ran(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run"]) == 1
    shown = capsys.readouterr()
    assert "1 of 2 failed: part/two" in shown.out
    assert "failed  part/two: cell 1 (2) raised" in shown.err
    assert (book / "_build/executed/part/one.ipynb").is_file()


def test_works_from_any_folder_inside(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(book / "chapters" / "part")
    assert cli.main(["run", "part/one"]) == 0


def test_outside_of_a_book(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["run"]) == 2
    assert "no _toc.yml in" in capsys.readouterr().err


def test_unknown_slug_lists_the_known_and_the_closest(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", "onne"]) == 2
    shown = capsys.readouterr().err
    assert "unknown chapter 'onne'; expected one of: part/one, part/two" in shown
    assert "Did you mean part/one?" in shown


def test_refresh_writes_what_ran_and_reports_what_failed(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["refresh"]) == 1
    assert "part/one: refreshed" in capsys.readouterr().out
    cells = nbformat.read(book / "chapters/part/one.ipynb", as_version=4).cells
    assert cells[0].execution_count == 1
    assert cli.main(["refresh", "one"]) == 0
    assert "part/one: no change" in capsys.readouterr().out


def test_build_stops_when_a_chapter_fails(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["build"]) == 1
    assert "mend these chapters first" in capsys.readouterr().err


def test_build_renders_what_ran(
    book: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from kanbook import editions

    (book / "chapters/part/two.ipynb").unlink()
    (book / "_toc.yml").write_text("chapters:\n- file: chapters/part/one\n")
    seen = {}

    def render(root: Path, *, executed: Path) -> Path:
        seen["copy"] = (executed / "part" / "one.ipynb").is_file()
        return root / "_build" / "html"

    monkeypatch.setattr(editions, "build", render)
    assert cli.main(["build"]) == 0
    assert seen == {"copy": True}
    assert "_build/html/index.html" in capsys.readouterr().out


def test_ledger_prints_records(
    book: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from kanbook import ledger

    record = {"id": "one.1", "verdict": "reproduced", "statement": "It is so."}
    monkeypatch.setattr(ledger, "collect", lambda root, executed: [record])
    monkeypatch.setattr(ledger, "diff", lambda root, rev: [f"since {rev}"])
    assert cli.main(["ledger"]) == 0
    assert "one.1        reproduced" in capsys.readouterr().out
    assert cli.main(["ledger", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [record]
    assert cli.main(["ledger", "--diff", "HEAD"]) == 0
    assert "since HEAD" in capsys.readouterr().out
    monkeypatch.setattr(ledger, "collect", lambda root, executed: [])
    assert cli.main(["ledger"]) == 0
    assert "no claim is recorded yet" in capsys.readouterr().err


def test_interruption_says_how_to_go_on(
    book: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: Any) -> Outcome:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_execute", interrupt)
    assert cli.main(["run"]) == 130
    assert "call again to run what is left" in capsys.readouterr().err


def test_installed_command_is_this_one() -> None:
    command = str(Path(sys.executable).with_name("kanbook"))
    done = subprocess.run([command, "run", "-h"], capture_output=True, text=True)
    assert "--scheduler ADDRESS" in done.stdout


# --- finding the book and its chapters ----------------------------------------------


def test_order_is_that_of_the_table_of_contents(book: Path) -> None:
    (book / "_toc.yml").write_text(
        "parts:\n- caption: A\n  chapters:\n  - file: book/pages/intro\n"
        "  - file: chapters/part/two.ipynb\n  - file: chapters/part/missing\n"
    )
    names = [chapter.name for chapter in all_chapters(book)]
    assert names == ["part/two", "part/missing", "part/one"]


def test_markdown_page_among_the_chapters_is_not_one(book: Path) -> None:
    (book / "_toc.yml").write_text("chapters:\n- file: chapters/part/note\n")
    (book / "chapters/part/note.md").write_text("# Note\n")
    assert [chapter.slug for chapter in all_chapters(book)] == ["one", "two"]


def test_slug_in_two_parts_is_ambiguous(book: Path) -> None:
    (book / "chapters/other").mkdir()
    (book / "chapters/other/one.ipynb").write_text("{}")
    with pytest.raises(BookError, match="ambiguous chapter 'one'"):
        find_chapters(book, ["one"])
    assert [c.part for c in find_chapters(book, ["other/one"])] == ["other"]


@pytest.mark.parametrize("torn", ["chapters: [", "chapters", ""])
def test_torn_table_of_contents_is_named(torn: str, book: Path) -> None:
    (book / "_toc.yml").write_text(torn)
    with pytest.raises(BookError, match=r"cannot read .*_toc\.yml"):
        all_chapters(book)


def test_root_is_the_nearest_above(book: Path) -> None:
    assert find_root(book / "chapters" / "part") == book
