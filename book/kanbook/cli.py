"""The command line: `kanbook run | build | ledger | refresh | new-chapter`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from kanbook.chapters import BookError, find_chapters, find_root

DESCRIPTION = """\
Execute the chapters of the book, test their claims and render the pages.
Works in any folder of the repository. `kanbook COMMAND --help` says more.
"""
EPILOG = """\
examples:
  kanbook run                    execute the chapters that changed
  kanbook run kan                execute one chapter, by its slug
  kanbook run --profile smoke    every branch at tiny sizes, in seconds
  kanbook build                  execute what changed, then render _build/html
  kanbook refresh kan            put new outputs into chapters/kan/kan.ipynb
  kanbook new-chapter kan/mine   write a skeleton to begin a chapter with

exit codes: 0 all well; 1 a chapter, the book or the ledger failed; 2 wrong use;
130 interrupted (call again: finished chapters are not run twice)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: The words after `kanbook`; by default those of this process.

    Returns:
        0, 1, 2 or 130, as `kanbook --help` says.
    """
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except (BookError, ValueError, ModuleNotFoundError) as error:
        print(f"kanbook: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "kanbook: interrupted; call again to run what is left.",
            file=sys.stderr,
        )
        return 130
    except OSError as error:
        print(f"kanbook: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kanbook",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
            prog, max_help_position=18
        ),
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")

    run = commands.add_parser(
        "run",
        help="execute the chapters that changed",
        description="Execute chapters. A chapter runs again if its code, kanlib, "
        "kernels or the lock changed, or if its last run failed. The executed copies "
        "go to _build/executed (_build/executed-smoke, -full); the notebooks in "
        "chapters stay as they are.",
    )
    _add_execution(run)
    run.add_argument(
        "--profile",
        choices=["smoke", "book", "full"],
        default="book",
        help="smoke: tiny sizes, in seconds; book: what the pages show (default); "
        "full: the paper's own scale, on a GPU",
    )
    run.set_defaults(command=_run)

    build = commands.add_parser(
        "build",
        help="execute what changed, then render",
        description="Execute the chapters that changed, then render the book to "
        "_build/html, or another format to a file in _build. If anything is wrong, "
        "the last good one stays.",
    )
    build.add_argument(
        "--format",
        choices=["html", "epub", "pdf", "zip", "all"],  # editions.FORMATS
        default="html",
        help="epub, pdf (needs TeX), zip (of the site), or all: the site with the "
        "other three to download (default html)",
    )
    _add_limits(build)
    build.set_defaults(command=_build)

    ledger = commands.add_parser(
        "ledger",
        help="print the claims and their verdicts",
        description="Print each claim with its verdict, read from the executed copies "
        "in _build, else from the committed notebooks. Nothing is executed.",
    )
    ledger.add_argument("--json", action="store_true", help="print the whole records")
    ledger.add_argument(
        "--diff",
        metavar="REV",
        help="what changed since a git revision, or between two (OLD..NEW); a "
        "condition that changed together with its measurement is marked",
    )
    ledger.set_defaults(command=_ledger)

    refresh = commands.add_parser(
        "refresh",
        help="put the outputs of a new execution into the notebooks",
        description="Execute the chapters that changed and put the outputs into the "
        "notebooks in chapters, ready to commit: running again changes no byte. "
        "`git diff` then shows what became different.",
    )
    _add_execution(refresh)
    refresh.set_defaults(command=_refresh)

    new = commands.add_parser(
        "new-chapter",
        help="write a skeleton of a chapter",
        description="Write chapters/PART/SLUG.ipynb, a small chapter that runs and "
        "keeps every rule, and add its line to _toc.yml.",
    )
    new.add_argument("chapter", metavar="PART/SLUG", help="for example kan/my_layer")
    new.set_defaults(command=_new_chapter)
    return parser


def _add_execution(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "slugs",
        nargs="*",
        metavar="SLUG",
        help="such as kan or kan/kan; by default all",
    )
    _add_limits(parser)
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="let the workers of a Dask cluster run the notebooks (extra cluster)",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers",
        type=int,
        default=2,
        metavar="N",
        help="notebooks at the same time (default 2)",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        metavar="S",
        help="seconds for a chapter (default 600 smoke, 1800 book, 43200 full)",
    )
    parser.add_argument(
        "--memory",
        type=float,
        default=6144,
        metavar="MIB",
        help="memory for a chapter (default 6144)",
    )
    parser.add_argument(
        "--fresh", action="store_true", help="run again even what did not change"
    )


def _execute(options: argparse.Namespace, root: Path) -> tuple[list, bool]:
    from kanbook.runner import execute

    executions = execute(
        find_chapters(root, getattr(options, "slugs", ())),
        profile=getattr(options, "profile", "book"),
        workers=options.workers,
        timeout=options.timeout,
        memory_mib=options.memory,
        fresh=options.fresh,
        scheduler=getattr(options, "scheduler", None),
    )
    failed = [e.chapter.name for e in executions if not e.ok]
    if failed:
        print(f"{len(failed)} of {len(executions)} failed: {', '.join(failed)}")
    return executions, not failed


def _run(options: argparse.Namespace) -> int:
    executions, ok = _execute(options, find_root())
    if ok:
        print(f"{len(executions)} of {len(executions)} chapters ok")
    return 0 if ok else 1


def _build(options: argparse.Namespace) -> int:
    from kanbook.build import BuildFailed
    from kanbook.editions import make
    from kanbook.reports import executed_folder

    root = find_root()
    if not _execute(options, root)[1]:
        print("the book was not rendered; mend these chapters first", file=sys.stderr)
        return 1
    try:
        said = make(root, options.format, executed=executed_folder(root))
    except BuildFailed as error:
        print(f"kanbook: {error}", file=sys.stderr)
        return 1
    print("\n".join(said))
    return 0


def _ledger(options: argparse.Namespace) -> int:
    from kanbook import ledger
    from kanbook.reports import executed_folder

    root = find_root()
    if options.diff:
        print("\n".join(ledger.diff(root, options.diff)) or "no claim changed")
        return 0
    records = ledger.collect(root, executed_folder(root))
    if options.json:
        print(json.dumps(records, indent=1, ensure_ascii=False))
        return 0
    if not records:
        print("no claim is recorded yet; try: kanbook run", file=sys.stderr)
    for record in records:
        print(f"{record['id']:<12} {record['verdict']:<34} {record['statement']}")
    return 0


def _refresh(options: argparse.Namespace) -> int:
    import nbformat

    from kanbook.refresh import prepare, refresh

    root = find_root()
    for chapter in find_chapters(root, options.slugs):
        prepare(chapter)
    executions, ok = _execute(options, root)
    for execution in executions:
        if not execution.ok:
            continue
        notebook = nbformat.read(execution.executed, as_version=4)
        try:
            changed = refresh(execution.chapter, notebook)
        except ValueError as error:
            print(f"kanbook: {error}", file=sys.stderr)
            ok = False
            continue
        print(f"{execution.chapter.name}: {'refreshed' if changed else 'no change'}")
    return 0 if ok else 1


def _new_chapter(options: argparse.Namespace) -> int:
    from kanbook.skeleton import new_chapter

    path = new_chapter(find_root(), options.chapter)
    print(
        f"wrote {path} and listed it in _toc.yml (move the line if it begins a new "
        f"part); next: kanbook run {options.chapter}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
