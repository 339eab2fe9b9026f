"""The settled claims of a chapter as one table."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from kanlib.claims import _cards
from kanlib.claims._record import Record, Verdict


@dataclass(frozen=True)
class LedgerTable:
    """The settled claims of a chapter, by number, each claim right before its parts.

    Example:
        >>> LedgerTable(()).tally
        '0 claims: none'
    """

    records: tuple[Record, ...]

    @property
    def tally(self) -> str:
        """How many claims got which verdict; parts of a claim are not counted apart."""
        whole = [record for record in self.records if record.part_of is None]
        counts = Counter(record.verdict for record in whole)
        listed = ", ".join(f"{counts[v]} {v.value}" for v in Verdict if counts[v])
        return f"{len(whole)} claim{'s' * (len(whole) != 1)}: {listed or 'none'}"

    def __repr__(self) -> str:
        rows = [(r.id, r.verdict.value, r.condition) for r in self.records]
        rows.insert(0, ("claim", "verdict", "condition"))
        first, second = (max(len(row[k]) for row in rows) for k in (0, 1))
        lines = [f"{a:<{first}}  {b:<{second}}  {c}" for a, b, c in rows]
        return "\n".join([*lines, self.tally])

    def _repr_html_(self) -> str:
        return _cards.table_html([r.to_dict() for r in self.records], self.tally)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}
