"""A paper's number, our number, the condition fixed beforehand, and the verdict.

A ledger never raises because a claim fails: a failed claim is a result. What must not
happen is that a verdict changes unnoticed; so every record travels in the output of the
cell that measured it, and `compare` says what changed between two of them.
"""

from kanlib.claims._ledger import Ledger
from kanlib.claims._record import MIME, Record, Verdict, compare, place
from kanlib.claims._table import LedgerTable

__all__ = ["MIME", "Ledger", "LedgerTable", "Record", "Verdict", "compare", "place"]
