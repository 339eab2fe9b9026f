"""Session fixtures: `executed`, all chapters run once, and `site`, the book of them.

With xdist every worker asks; the first one that takes the lock executes, the others
wait and read its reports. Nothing happens in a session that needs neither.
"""

import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# The runner loads nbformat; sessions that need no chapter do not wait for that.
if TYPE_CHECKING:
    from kanbook.chapters import Chapter
    from kanbook.reports import Execution

EXECUTIONS = pytest.StashKey[Mapping[str, "Execution"]]()
NEEDS_ALL = {"executed", "site"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--fresh`."""
    parser.getgroup("kanbook").addoption(
        "--fresh",
        action="store_true",
        help="execute every chapter anew, as CI does, even if nothing changed",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Give nbval our substitutions.

    Its option `--nbval-lax` stays unset: nbval would then collect each notebook again,
    and chapters/conftest.py compares tagged cells only as it is.
    """
    substitutions = config.rootpath / "tests" / "nbval_sanitize.cfg"
    unset = getattr(config.option, "nbval_sanitize_with", "") is None
    if unset and substitutions.is_file():
        config.option.nbval_sanitize_with = str(substitutions)


def executions(session: pytest.Session) -> Mapping[str, "Execution"]:
    """Run the chapters that the session's tests need, once, and return them by name.

    Args:
        session: If any of its tests uses `executed` or `site`, all chapters are
            needed; else those of which it runs the cells.

    Returns:
        Executions by `part/slug`; a chapter that failed is among them.
    """
    config = session.config
    if EXECUTIONS not in config.stash:
        config.stash[EXECUTIONS] = _locked(config, _needed(session))
    return config.stash[EXECUTIONS]


def _needed(session: pytest.Session) -> "list[Chapter]":
    from kanbook.chapters import all_chapters

    root = session.config.rootpath
    if not (root / "_toc.yml").is_file():
        return []
    chapters = all_chapters(root)
    if any(NEEDS_ALL & set(getattr(i, "fixturenames", ())) for i in session.items):
        return chapters
    asked = {getattr(item, "path", None) for item in session.items}
    return [chapter for chapter in chapters if chapter.path in asked]


def _locked(config: pytest.Config, chapters: "list[Chapter]") -> "dict[str, Execution]":
    if not chapters:
        return {}
    import filelock

    from kanbook.files import write_whole
    from kanbook.reports import executed_folder, execution_of
    from kanbook.runner import execute

    folder = executed_folder(config.rootpath)
    folder.mkdir(parents=True, exist_ok=True)
    marker = folder.parent / "executed.session.json"
    run = _run_id(config)
    with filelock.FileLock(folder.parent / "executed.lock"):
        if _marker(marker) == run:
            known = [
                execution_of(c, folder / c.part / f"{c.slug}.ipynb") for c in chapters
            ]
            if all(known):
                return {e.chapter.name: e for e in known if e is not None}
        fresh = bool(config.getoption("fresh")) or bool(os.environ.get("CI"))
        result = execute(chapters, fresh=fresh)
        write_whole(marker, json.dumps(run))
    return {execution.chapter.name: execution for execution in result}


def _run_id(config: pytest.Config) -> str:
    """Return what is the same in all workers of one pytest run, and in no other run."""
    return getattr(config, "workerinput", {}).get("testrunuid") or uuid.uuid4().hex


def _marker(path: Path) -> str | None:
    try:
        return str(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError):
        return None


@pytest.fixture(scope="session")
def executed(request: pytest.FixtureRequest) -> Mapping[str, "Execution"]:
    """All chapters, executed once in this run: `part/slug` to its execution.

    A chapter that failed does not raise here: its own cells report it.
    """
    return executions(request.session)


@pytest.fixture(scope="session")
def site(request: pytest.FixtureRequest, executed: Mapping[str, "Execution"]) -> Path:
    """The folder of the rendered book, built once from the executed copies."""
    failed = [e.message for e in executed.values() if not e.ok]
    if failed:
        pytest.fail("the book was not built: " + "; ".join(failed), pytrace=False)
    import filelock

    from kanbook.build import build
    from kanbook.files import write_whole
    from kanbook.reports import executed_folder

    config = request.config
    root = config.rootpath
    marker = root / "_build" / "html.session.json"
    run = _run_id(config)
    with filelock.FileLock(root / "_build" / "html.lock"):
        if _marker(marker) == run and (root / "_build" / "html").is_dir():
            return root / "_build" / "html"
        html = build(root, executed=executed_folder(root))
        write_whole(marker, json.dumps(run))
    return html
