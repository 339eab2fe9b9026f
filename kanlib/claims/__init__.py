"""A paper's number, our number, the condition fixed beforehand, and the verdict.

A ledger never raises because a claim fails: a failed claim is a result. What must not
happen is that a verdict changes unnoticed; so every record travels in the output of the
cell that measured it, and `compare` says what changed between two of them.

A numbered statement is not judged but put to the test: `evaluate` records how closely
its two sides agree, `not_checkable` why they cannot be evaluated. What prose quotes of
a measurement is recorded by `number`.
"""

from kanlib.claims._ledger import Ledger
from kanlib.claims._number import NUMBER_MIME, Number, number
from kanlib.claims._record import MIME, Record, Verdict, compare, place
from kanlib.claims._statement import (
    CHECK_MIME,
    Check,
    Comparison,
    at_most,
    equal,
    evaluate,
    not_checkable,
)
from kanlib.claims._table import LedgerTable

__all__ = [
    "CHECK_MIME",
    "MIME",
    "NUMBER_MIME",
    "Check",
    "Comparison",
    "Ledger",
    "LedgerTable",
    "Number",
    "Record",
    "Verdict",
    "at_most",
    "compare",
    "equal",
    "evaluate",
    "not_checkable",
    "number",
    "place",
]
