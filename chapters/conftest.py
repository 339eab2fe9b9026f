"""How a notebook is a test: executed once, and nbval's own comparison judges its cells.

Each notebook gives one item `execution`, which fails if it did not run to its end, and
one item for each code cell. Only cells tagged `nbval-check-output` are compared as
text; claim records and the data of figures are compared everywhere, within their own
tolerance.

Run in parallel by `--dist loadfile`, so that one worker judges a whole notebook.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from kanbook import figure_data, numbers, statements
from kanbook.pytest_plugin import executions
from nbval.plugin import IPyNbCell, IPyNbFile, coalesce_streams

from kanlib import datasets
from kanlib.claims import CHECK_MIME, NUMBER_MIME, compare
from kanlib.claims import MIME as CLAIM

HERE = Path(__file__).resolve().parent
RECORDS = (
    (statements.moved, "checks of statements", ""),
    (numbers.moved, "numbers", ""),
    (
        figure_data.moved,
        "the data of a figure",
        "; if another machine may differ so much, give the figure a larger tolerance",
    ),
)
"""How an output moved, what it is, and what else may be done about it."""

# A figure's bundle carries PNG and HTML of it; fonts and library versions change both.
# Its data are compared on their own.
SKIPPED = (CLAIM, CHECK_MIME, NUMBER_MIME, "text/html", "image/svg+xml")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Any:
    """Collect chapters/<part>/<slug>.ipynb."""
    if file_path.suffix == ".ipynb" and file_path.resolve().parent.parent == HERE:
        return ChapterFile.from_parent(parent, path=file_path)
    return None


class ChapterFile(IPyNbFile):
    """A notebook: nbval's file, whose cells are judged after one execution."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield the item `execution`, then one item a code cell."""
        self.compare_outputs = False
        self.skip_compare += SKIPPED
        self.name_of_chapter = f"{self.path.parent.name}/{self.path.stem}"
        yield ExecutionItem.from_parent(self, name="execution")
        try:
            items = list(super().collect())
        except Exception:
            # No notebook at all: the item above says so, in the runner's words.
            return
        for item in items:
            yield ChapterCell.from_parent(
                self,
                name=item.name,
                cell_num=item.cell_num,
                cell=item.cell,
                options=item.options,
            )

    def setup(self) -> None:
        """Execute, or read what was executed in this run."""
        self.setup_sanitize_files()
        self.execution = executions(self.session).get(self.name_of_chapter)
        self.ran: dict[str, Any] = {}
        if self.execution is not None and self.execution.executed.is_file():
            notebook = nbformat.read(self.execution.executed, as_version=4)
            self.ran = {c["id"]: c for c in notebook.cells if c.cell_type == "code"}

    def teardown(self) -> None:
        """Nothing to stop: the kernel ended with the execution."""


class ExecutionItem(pytest.Item):
    """Fails with the runner's message when a notebook did not run to its end."""

    def runtest(self) -> None:
        """Judge the status of the execution."""
        execution = self.parent.execution
        if execution is None:
            pytest.fail(
                f"{self.parent.name_of_chapter} was not executed", pytrace=False
            )
        if not execution.ok:
            pytest.fail(f"{execution.status}: {execution.message}", pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the item stands."""
        return self.path, 0, f"{self.parent.name_of_chapter}: execution"


class ChapterCell(IPyNbCell):
    """A code cell: no error, nothing on stderr, the same claims and checked text."""

    def setup(self) -> None:
        """Nothing: the notebook ran as a whole."""

    def runtest(self) -> None:
        """Judge one cell of the executed copy by the committed one."""
        if self.options["skip"]:
            pytest.skip("tagged nbval-skip")
        got = self.parent.ran.get(self.cell.get("id"))
        if got is None or (got.execution_count is None and self.cell.source.strip()):
            pytest.skip("not executed, because an earlier cell failed")
        self.test_outputs = outputs = coalesce_streams(got.outputs)
        for output in outputs:
            if output.output_type == "error" and not self.options["check_exception"]:
                self.raise_cell_error("raised", "\n".join(output.traceback))
            if output.get("name") == "stderr":
                self.raise_cell_error("wrote to stderr", output.text)
        for name in _missing(self.cell):
            pytest.skip(f"{name} is not on this machine")
        self._judge_claims(outputs)
        self._judge_records(outputs)
        if self.options["check"]:
            self._judge_text(outputs)

    def _judge_claims(self, outputs: list[Any]) -> None:
        old, new = _claims(self.cell.outputs), _claims(outputs)
        problems = [f"claim {name} is gone" for name in old if name not in new]
        problems += [
            f"claim {name} is new; run kanbook refresh to commit it"
            for name in new
            if name not in old
        ]
        for name in old:
            if name in new:
                problems += compare(old[name], new[name])
        if problems:
            self.raise_cell_error(
                "claims differ from the committed", "\n".join(problems)
            )

    def _judge_records(self, outputs: list[Any]) -> None:
        for moved, what, hint in RECORDS:
            problems = moved(self.cell.outputs, outputs)
            if problems:
                self.raise_cell_error(
                    f"{what} differ from the committed; if the new ones are right, run "
                    f"kanbook refresh{hint}",
                    "\n".join(problems),
                )

    def _judge_text(self, outputs: list[Any]) -> None:
        if self.cell.execution_count is None:
            self.raise_cell_error(
                "tagged nbval-check-output but committed without having run; "
                "run kanbook refresh"
            )
        # Records have been judged within their tolerance; their text is not compared.
        new, old = _unjudged(outputs), _unjudged(self.cell.outputs)
        if not self.compare_outputs(new, coalesce_streams(old)):
            self.raise_cell_error(
                "outputs differ from the committed; if the new ones are right, "
                "run kanbook refresh",
                "\n".join(self.comparison_traceback),
            )


def _unjudged(outputs: list[Any]) -> list[Any]:
    judged = {CLAIM, NUMBER_MIME}
    return [output for output in outputs if not judged & output.get("data", {}).keys()]


def _claims(outputs: list[Any]) -> dict[str, dict[str, Any]]:
    bundles = [output.get("data", {}) for output in outputs]
    return {bundle[CLAIM]["id"]: bundle[CLAIM] for bundle in bundles if CLAIM in bundle}


def _missing(cell: Any) -> list[str]:
    """The absent ones of the data sets that a cell needs, by tags as `needs-mnist`."""
    tags = cell.get("metadata", {}).get("tags", [])
    named = [tag.removeprefix("needs-") for tag in tags if tag.startswith("needs-")]
    return [name for name in named if not datasets.available(name)]
