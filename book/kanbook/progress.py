"""Progress on standard error: a live bar where a person watches, else plain lines."""

import sys
import threading
from collections.abc import Mapping
from typing import TextIO

from tqdm import tqdm


class Progress:
    """Counts cells over all running chapters and says when one ends.

    Args:
        cells: How many cells each chapter has.
        stream: Where to write; standard error by default.
    """

    def __init__(self, cells: Mapping[str, int], stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._cells = dict(cells)
        self._done = dict.fromkeys(cells, 0)
        self._lock = threading.Lock()
        self._live = self._stream.isatty()
        self._bar = tqdm(
            total=sum(cells.values()),
            unit="cell",
            file=self._stream,
            disable=not self._live,
            dynamic_ncols=True,
            leave=False,
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def cell(self, name: str, _index: int) -> None:
        """Count one cell of chapter `name`."""
        with self._lock:
            if self._done[name] < self._cells[name]:
                self._done[name] += 1
                self._bar.update()

    def tick(self, running: Mapping[str, float]) -> None:
        """Show the running chapters and the seconds since each began."""
        if self._live:
            shown = "  ".join(f"{name} {age:.0f} s" for name, age in running.items())
            self._bar.set_postfix_str(shown, refresh=True)

    def end(self, name: str, line: str) -> None:
        """Print the one line that stays of a chapter."""
        with self._lock:
            self._bar.update(self._cells.get(name, 0) - self._done.get(name, 0))
            self._done[name] = self._cells.get(name, 0)
            self._bar.write(line, file=self._stream)
            self._stream.flush()
