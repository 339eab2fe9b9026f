"""What is declared about a claim before measuring, what was measured, what follows."""

from dataclasses import dataclass

from kanlib import _check
from kanlib.claims import _cards
from kanlib.claims._condition import Condition
from kanlib.claims._record import Verdict

NO_REASON = "no reason was found yet"
SMOKE = "the smoke profile only checks that the code runs"


@dataclass(frozen=True)
class Measurement:
    """What was measured, or (`tested` false) why nothing was."""

    values: tuple[float, ...] = ()
    seeds: tuple[int, ...] = ()
    reason: str = ""
    note: str = ""
    tested: bool = True


@dataclass(frozen=True)
class Claim:
    """What was declared: everything of a record that is known before measuring."""

    statement: str
    paper_value: str
    where: str
    seen: str
    scale: str
    condition: Condition | None
    tolerance: float
    passes_as: Verdict
    fails_as: Verdict
    parts: tuple[str, ...]

    def check_words(self, owner: str, number: str) -> None:
        """Raise ValueError for an empty text or a word that is not a listed one."""
        for name in ("statement", "paper_value", "where"):
            if not getattr(self, name):
                raise ValueError(f"{owner}: {name} of claim {number} is empty.")
        _check.is_one_of(owner, "seen", self.seen, tuple(_cards.SEEN))
        _check.is_one_of(owner, "scale", self.scale, ("book", "full"))
        passing = (Verdict.REPRODUCED, Verdict.TREND)
        _check.is_one_of(owner, "passes_as", self.passes_as, passing)
        failing = (Verdict.NOT_REPRODUCED, Verdict.REFUTED)
        _check.is_one_of(owner, "fails_as", self.fails_as, failing)
        _check.is_non_negative(owner, "tolerance", self.tolerance)

    def condition_text(self, slug: str) -> str:
        """The condition in words; a claim in parts names them."""
        texts = [] if self.condition is None else [str(self.condition)]
        if self.parts:
            listed = ", ".join(f"{slug}.{part}" for part in self.parts)
            texts.append(f"the weakest verdict of {listed}")
        return "; ".join(texts)

    def judge(self, measurement: Measurement, profile: str) -> tuple[Verdict, str]:
        """The verdict by its own condition, and the reason for a negative one."""
        if not measurement.tested:
            return Verdict.NOT_TESTED, measurement.reason
        if profile == "smoke":
            return Verdict.NOT_TESTED, SMOKE
        if self.condition is not None and self.condition.holds(measurement.values):
            return self.passes_as, ""
        return self.fails_as, measurement.reason or NO_REASON
