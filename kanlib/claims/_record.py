"""The record of one settled claim, and what changed between two of them."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, ClassVar

from kanlib import _check
from kanlib.claims import _cards
from kanlib.claims._shown import Shown

MIME = "application/vnd.kanlib.claim+json"
"""The media type under which a notebook's output carries one record."""


class Verdict(Enum):
    """How a measurement stands to a claim, from the strongest to the weakest.

    `NOT_TESTED` stands in the middle: a part that nobody tested keeps a claim from
    counting as reproduced, but it is no evidence against it as a failed part is.

    Example:
        >>> Verdict.TREND.negative, Verdict.REFUTED.negative
        (False, True)
    """

    REPRODUCED = "reproduced"
    TREND = "trend reproduced at book scale"
    NOT_TESTED = "not tested"
    NOT_REPRODUCED = "not reproduced"
    REFUTED = "refuted here"

    @property
    def negative(self) -> bool:
        """Whether the claim failed here."""
        return self in (Verdict.NOT_REPRODUCED, Verdict.REFUTED)

    @staticmethod
    def weakest(verdicts: "Sequence[Verdict]") -> "Verdict":
        """The weakest of some verdicts: what a claim in parts is worth.

        Example:
            >>> Verdict.weakest([Verdict.REPRODUCED, Verdict.NOT_TESTED]).value
            'not tested'
        """
        return max(verdicts, key=list(Verdict).index)


@dataclass(frozen=True)
class Record(Shown):
    """One settled claim; every field is plain data, so that it travels as JSON.

    `measured` is the one number that decides: the only value, the worst value (judge
    "every"), the mean or the median. Numbers that are not finite are kept as None.

    Example:
        >>> from kanlib.claims import Ledger
        >>> ledger = Ledger("kan", paper="liu2024kan")
        >>> ledger.claim("2", "Falls.", paper_value="2.8e-4", where="tutorial",
        ...     seen="read", at_most=0.01)
        >>> record = ledger.measure("2", [0.002, 0.003], seeds=[0, 1])
        >>> record.measured, Record.from_dict(record.to_dict()) == record
        (0.003, True)
    """

    mime: ClassVar[str] = MIME

    id: str
    statement: str
    paper_value: str
    where: str
    seen: str
    scale: str
    condition: str
    tolerance: float
    judge: str
    measured: float | None
    interval: tuple[float, float] | None
    values: tuple[float | None, ...]
    unit: str
    seeds: tuple[int, ...]
    verdict: Verdict
    reason: str
    note: str
    part_of: str | None
    profile: str
    device: str
    versions: Mapping[str, str] = field(hash=False)
    paper: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON-safe plain data."""
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        for name in ("interval", "values", "seeds"):
            plain[name] = None if plain[name] is None else list(plain[name])
        return plain | {"verdict": self.verdict.value, "versions": dict(self.versions)}

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> "Record":
        """The record whose `to_dict` is `plain`.

        Raises:
            ValueError: keys are missing or unknown, or the verdict is not one of the
                five ("Record.from_dict: ...").
        """
        expected = {item.name for item in fields(Record)}
        if set(plain) != expected:
            wrong = ", ".join(sorted(set(plain) ^ expected))
            raise ValueError(
                f"Record.from_dict: the keys {wrong} are missing or unknown; "
                "expected exactly the fields of Record."
            )
        words = [verdict.value for verdict in Verdict]
        _check.is_one_of("Record.from_dict", "verdict", plain["verdict"], words)
        changed: dict[str, Any] = {
            name: None if plain[name] is None else tuple(plain[name])
            for name in ("interval", "values", "seeds")
        }
        changed["verdict"] = Verdict(plain["verdict"])
        return Record(**{**plain, **changed})

    def __str__(self) -> str:
        """Id, verdict and condition: what a reader can compare between two runs."""
        return f"claim {self.id}: {self.verdict.value}\n  condition: {self.condition}"

    def _repr_html_(self) -> str:
        return _cards.record_html(self.to_dict())


def place(claim: str, part_of: str | None) -> tuple[float, str, bool, str]:
    """Sort key of a claim in its chapter: by number, a claim right before its parts.

    Args:
        claim: its id, such as "kan.3b".
        part_of: the id of the claim that it is a part of, if any.

    Example:
        >>> ids = ["kan.zoo", "kan.10", "kan.2", "kan.2'"]
        >>> sorted(ids, key=lambda i: place(i, "kan.2" if i == "kan.2'" else None))
        ['kan.2', "kan.2'", 'kan.10', 'kan.zoo']
    """
    family = (part_of or claim).rpartition(".")[2]
    digits = re.match(r"\d*", family)[0]  # type: ignore[index]
    return int(digits) if digits else math.inf, family, part_of is not None, claim


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What changed from one record (as a dictionary) to another of the same claim.

    Verdict, condition and tolerance must be equal. The measured numbers may differ by
    the old record's tolerance times the larger of the two magnitudes.

    Args:
        old: the committed record.
        new: the fresh one.

    Returns:
        One sentence per difference; empty when the records agree.

    Raises:
        ValueError: the two are records of different claims ("compare: ...").

    Example:
        >>> from kanlib.claims import Ledger
        >>> ledger = Ledger("kan", paper="liu2024kan")
        >>> ledger.claim("1", "Small.", paper_value="1", where="table 1",
        ...     seen="read", at_most=2.0)
        >>> old = ledger.measure("1", 1.5).to_dict()
        >>> compare(old, {**old, "measured": 1.6})
        ['kan.1: measured 1.5 became 1.6; the tolerance is 0.01 of the larger']
    """
    if old["id"] != new["id"]:
        raise ValueError(
            f"compare: the records are of {old['id']} and {new['id']}; expected two "
            "records of one claim."
        )
    name = old["id"]
    found = [
        f"{name}: {key} {old[key]!r} became {new[key]!r}"
        for key in ("verdict", "condition", "tolerance")
        if old[key] != new[key]
    ]
    before, after = old["measured"], new["measured"]
    if before is None or after is None:
        close = before is after
    else:
        largest = max(abs(before), abs(after))
        close = abs(after - before) <= old["tolerance"] * largest
    if not close:
        found.append(
            f"{name}: measured {_shown(before)} became {_shown(after)}; "
            f"the tolerance is {old['tolerance']:g} of the larger"
        )
    return found


def _shown(value: float | None) -> str:
    return "nothing finite" if value is None else f"{value:.6g}"
