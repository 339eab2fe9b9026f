"""What records share that are shown where they are made, not where a cell ends."""

import sys
from abc import ABC, abstractmethod
from typing import Any, ClassVar


class Shown(ABC):
    """A record that travels in a cell's output, displayed at once and only once."""

    mime: ClassVar[str]
    """The media type of its JSON form."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The record as JSON-safe plain data."""

    @abstractmethod
    def _repr_html_(self) -> str: ...

    def bundle(self) -> dict[str, Any]:
        """The display bundle: the record itself, what a reader sees, and a text."""
        return {
            self.mime: self.to_dict(),
            "text/html": self._repr_html_(),
            "text/plain": str(self),
        }

    def show(self) -> None:
        """Display the record in IPython; outside IPython nothing happens."""
        if _shell() is not None:
            from IPython.display import display

            self.hold_back()  # a cell that ends in the call shows one card
            display(self.bundle(), raw=True)

    def hold_back(self) -> None:
        """Show nothing at the end of the running cell."""
        shell = _shell()
        if shell is not None:
            object.__setattr__(self, "_shown_in", shell.execution_count)

    def _ipython_display_(self) -> None:
        shell = _shell()
        count = None if shell is None else shell.execution_count
        if getattr(self, "_shown_in", None) != count:
            self.show()


def _shell() -> Any:
    """The running IPython shell, or None; never imports IPython itself."""
    module = sys.modules.get("IPython")
    return None if module is None else module.get_ipython()
