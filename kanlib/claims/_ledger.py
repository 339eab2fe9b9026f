"""The claims of one chapter: declared, measured once, shown."""

import math
import platform
import re
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np
import torch
from torch import Tensor

from kanlib import _check
from kanlib.claims._claim import Claim, Measurement
from kanlib.claims._condition import NEEDED, make_condition, real_numbers
from kanlib.claims._record import Record, Verdict, place
from kanlib.claims._table import LedgerTable


class Ledger:
    """The claims of one chapter: declared first, then measured once, then shown.

    Args:
        slug: the chapter's name; claim ids are `<slug>.<number>`.
        paper: bib key of the paper.
        profile: "smoke", "book" or "full". Under "smoke" nothing is judged: sizes are
            tiny, so that every record says "not tested".
        device: where the measurements run.

    Raises:
        ValueError: `slug` is not lower-case letters, digits and underscores, `paper` is
            empty, or `profile` is unknown ("Ledger: ...").

    Example:
        >>> ledger = Ledger("kan", paper="liu2024kan")
        >>> ledger.claim("1", "The error falls as the fourth power of the grid size.",
        ...     paper_value="exponent 4", where="theorem 2.1, arXiv:2404.19756v5",
        ...     seen="memory", at_most=-3.6, unit="log-log slope")
        >>> print(ledger.measure("1", -4.35))
        claim kan.1: reproduced
          condition: every value at most -3.6 log-log slope
        >>> ledger.table()
        claim  verdict     condition
        kan.1  reproduced  every value at most -3.6 log-log slope
        1 claim: 1 reproduced
    """

    def __init__(
        self,
        slug: str,
        *,
        paper: str,
        profile: str = "book",
        device: torch.device | str = "cpu",
    ) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", slug):
            raise ValueError(
                f"Ledger: slug is {slug!r}; expected lower-case letters, digits and "
                "underscores, because claim ids and links are made of it."
            )
        if not paper:
            raise ValueError("Ledger: paper is empty; expected the paper's bib key.")
        _check.is_one_of("Ledger", "profile", profile, ("smoke", "book", "full"))
        self.slug, self.paper, self.profile = slug, paper, profile
        self.device = torch.device(device)
        self._claims: dict[str, Claim] = {}
        self._measured: dict[str, Measurement] = {}

    def __repr__(self) -> str:
        return (
            f"Ledger({self.slug!r}, {len(self._claims)} claims, "
            f"{len(self._measured)} settled)"
        )

    def claim(
        self,
        number: str,
        statement: str,
        *,
        paper_value: str,
        where: str,
        seen: str,
        scale: str = "book",
        at_most: float | None = None,
        at_least: float | None = None,
        between: tuple[float, float] | None = None,
        unit: str = "",
        judge: str = "every",
        tolerance: float = 0.01,
        passes_as: Verdict = Verdict.REPRODUCED,
        fails_as: Verdict = Verdict.NOT_REPRODUCED,
        parts: Sequence[str] = (),
    ) -> None:
        """Declare a claim and the condition it will be judged by, before measuring.

        Args:
            number: the claim's number with its suffix: "1", "1'", "3b".
            statement: the claim in our words; may hold $...$.
            paper_value: the paper's figure as printed there.
            where: table, equation or theorem, with the arXiv version.
            seen: how we know: "read", "abstract", "secondary" or "memory".
            scale: "book" or "full": the scale at which it is measured.
            at_most: the condition is: at most this.
            at_least: the condition is: at least this.
            between: the condition is: inside these two, both included.
            unit: unit of the measured number.
            judge: what must satisfy the condition: "every" value; the 95 % Student
                interval of the "mean"; the distribution-free interval of the "median"
                that covers it with at least 90 % (needs 5 values).
            tolerance: by how much the measured number may differ between two runs
                before `compare` reports it, relative to the larger of the two. Tight
                for deterministic numbers, loose for trained ones; 1 accepts any change
                that keeps the sign (round-off).
            passes_as: the verdict when the condition holds.
            fails_as: the verdict when it does not.
            parts: numbers of claims that this one consists of. Its verdict is then the
                weakest of theirs and, if it has a condition, its own; it is settled
                when `table` is called.

        Raises:
            ValueError: `number` was declared before or is one of its own parts, no
                condition is given or several, a bound is not finite, or a word is not
                one of those listed ("Ledger.claim: ...").
        """
        owner = "Ledger.claim"
        parts = tuple(parts)
        self._check_number(owner, number)
        self._check_parts(owner, number, parts)
        condition = make_condition(
            owner,
            number,
            at_most=at_most,
            at_least=at_least,
            between=between,
            judge=judge,
            unit=unit,
        )
        if condition is None and not parts:
            raise ValueError(
                f"{owner}: {number} has no condition; expected one of at_most, "
                "at_least, between, because a claim is judged by what was fixed "
                "beforehand."
            )
        claim = Claim(
            statement=statement,
            paper_value=paper_value,
            where=where,
            seen=seen,
            scale=scale,
            condition=condition,
            tolerance=tolerance,
            passes_as=passes_as,
            fails_as=fails_as,
            parts=parts,
        )
        claim.check_words(owner, number)
        self._claims[number] = claim

    def _check_number(self, owner: str, number: str) -> None:
        if not re.fullmatch(r"[0-9a-z]+'*", number):
            raise ValueError(
                f"{owner}: number is {number!r}; expected the claim's number with its "
                """suffix, such as "1", "1'" or "3b"."""
            )
        if number in self._claims:
            raise ValueError(
                f"{owner}: {number} was declared before, because each claim has one "
                "condition. Give this one a number of its own."
            )

    def _check_parts(self, owner: str, number: str, parts: tuple[str, ...]) -> None:
        """Each claim belongs to one whole; wholes have no wholes; all stand first."""
        for part in parts:
            taken = self._parent(part)
            if part == number or taken is not None or parts.count(part) > 1:
                raise ValueError(
                    f"{owner}: {part} is named twice or already a part of "
                    f"{taken or number}; expected each claim in one place."
                )
            if part in self._measured:
                raise ValueError(
                    f"{owner}: {part} was measured before {number} was declared. "
                    "Declare a claim in parts before its parts are measured."
                )
            if part in self._claims and self._claims[part].parts:
                raise ValueError(f"{owner}: {part} of {number} is in parts itself.")
        if parts and self._parent(number) is not None:
            raise ValueError(
                f"{owner}: {number} is a part of {self._parent(number)}; expected no "
                "parts of its own."
            )

    def _parent(self, number: str) -> str | None:
        return next((n for n, c in self._claims.items() if number in c.parts), None)

    def measure(
        self,
        number: str,
        values: float | Sequence[float] | np.ndarray | Tensor,
        *,
        seeds: Sequence[int] = (),
        reason: str = "",
        note: str = "",
    ) -> Record:
        """Judge a declared claim by what was measured; show and return the record.

        A number that is not finite never passes. A claim in parts is shown by `table`.

        Args:
            number: the number it was declared with.
            values: one number, or one per seed.
            seeds: the seeds behind the values.
            reason: why the claim fails, if it does; kept only with a negative verdict.
            note: a remark shown with the record, whatever the verdict.

        Returns:
            The record; in IPython it has been displayed.

        Raises:
            ValueError: the claim is unknown, has no condition of its own or is settled
                already; there are no values, or too few for its judge; the seeds are
                not one per value ("Ledger.measure: ...").
            TypeError: `values` are not real numbers ("Ledger.measure: values ...").
        """
        owner = "Ledger.measure"
        claim = self._unsettled(owner, number)
        if claim.condition is None:
            raise ValueError(
                f"{owner}: {number} has no condition of its own, because it was "
                f"declared as the sum of its parts {', '.join(claim.parts)}."
            )
        numbers = real_numbers(owner, values)
        if len(seeds) not in (0, len(numbers)):
            raise ValueError(
                f"{owner}: {number} got {len(numbers)} values and {len(seeds)} seeds; "
                "expected one value per seed."
            )
        judge = claim.condition.judge
        if len(numbers) < NEEDED[judge] and self.profile != "smoke":
            raise ValueError(
                f"{owner}: {number} got {len(numbers)} values; expected at least "
                f'{NEEDED[judge]}, because its judge is "{judge}".'
            )
        seen = tuple(int(seed) for seed in seeds)
        return self._settle(number, Measurement(numbers, seen, reason, note))

    def not_tested(self, number: str, *, needs: str) -> Record:
        """Record that a declared claim is out of reach here; show and return it.

        Args:
            number: the number it was declared with.
            needs: the data or compute it would need.

        Returns:
            The record; in IPython it has been displayed.

        Raises:
            ValueError: the claim is unknown or settled already, or `needs` is empty
                ("Ledger.not_tested: ...").
        """
        self._unsettled("Ledger.not_tested", number)
        if not needs:
            raise ValueError(
                f"Ledger.not_tested: needs is empty for {number}; expected the data or "
                "compute that a test would need."
            )
        measurement = Measurement(reason=f"needs {needs}", tested=False)
        return self._settle(number, measurement)

    def _unsettled(self, owner: str, number: str) -> Claim:
        """The declared claim that is about to be settled."""
        if number not in self._claims:
            raise ValueError(
                f"{owner}: {number} was not declared; expected one of "
                f"{', '.join(self._claims) or 'none so far'}. Call Ledger.claim first, "
                "because a condition is fixed before measuring."
            )
        if number in self._measured:
            raise ValueError(
                f"{owner}: {number} is settled already, because choosing between "
                "measurements is not judging. To run it again, run again from the "
                "cell that makes the Ledger."
            )
        return self._claims[number]

    def _settle(self, number: str, measurement: Measurement) -> Record:
        self._measured[number] = measurement
        record = self._record(number)
        if self._claims[number].parts:
            record.hold_back()  # its verdict waits for its parts: `table` shows it
        else:
            record.show()
        return record

    def table(self) -> LedgerTable:
        """The ledger of the chapter; in IPython, first shows the claims in parts.

        Returns:
            The table; as the last expression of a cell it is displayed.

        Raises:
            ValueError: a declared claim has neither a measurement nor a reason, or a
                part was never declared ("Ledger.table: ...").
        """
        parts = {part for claim in self._claims.values() for part in claim.parts}
        unknown = sorted(parts - set(self._claims))
        if unknown:
            raise ValueError(
                f"Ledger.table: {', '.join(unknown)} are named as parts; expected them "
                "declared. Call Ledger.claim for each."
            )
        open_ = [
            number
            for number, claim in self._claims.items()
            if number not in self._measured and claim.condition is not None
        ]
        if open_:
            raise ValueError(
                f"Ledger.table: {', '.join(open_)} are declared but not settled. Call "
                "Ledger.measure or Ledger.not_tested for each."
            )
        records = [self._record(number) for number in self._claims]
        records.sort(key=lambda record: place(record.id, record.part_of))
        table = LedgerTable(tuple(records))
        for record in table.records:
            if self._claims[record.id.removeprefix(f"{self.slug}.")].parts:
                record.show()
        return table

    def _record(self, number: str) -> Record:
        claim = self._claims[number]
        measurement = self._measured.get(number, Measurement())
        verdict, reason = self._judge(number)
        condition = claim.condition
        measured, interval = None, None
        if condition is not None:
            measured, interval = condition.summary(measurement.values)
        parent = self._parent(number)
        return Record(
            id=f"{self.slug}.{number}",
            statement=claim.statement,
            paper_value=claim.paper_value,
            where=claim.where,
            seen=claim.seen,
            scale=claim.scale,
            condition=claim.condition_text(self.slug),
            tolerance=float(claim.tolerance),
            judge="parts" if condition is None else condition.judge,
            measured=measured,
            interval=interval,
            values=tuple(v if math.isfinite(v) else None for v in measurement.values),
            unit="" if condition is None else condition.unit,
            seeds=measurement.seeds,
            verdict=verdict,
            reason=reason,
            note=measurement.note,
            part_of=None if parent is None else f"{self.slug}.{parent}",
            profile=self.profile,
            device=_device_name(self.device),
            versions=_versions(),
            paper=self.paper,
        )

    def _judge(self, number: str) -> tuple[Verdict, str]:
        """The verdict on one claim, and the reason when it is not a positive one."""
        claim, measurement = self._claims[number], self._measured.get(number)
        candidates: list[tuple[Verdict, str]] = []
        if measurement is not None:
            candidates.append(claim.judge(measurement, self.profile))
        for part in claim.parts:
            if part in self._claims:
                verdict = self._judge(part)[0]
                text = f"its part {self.slug}.{part} is: {verdict.value}"
                positive = verdict in (Verdict.REPRODUCED, Verdict.TREND)
                candidates.append((verdict, "" if positive else text))
        weakest = Verdict.weakest([v for v, _ in candidates] or [Verdict.NOT_TESTED])
        reasons = [text for verdict, text in candidates if verdict is weakest and text]
        return weakest, "; ".join(reasons)


def _device_name(device: torch.device) -> str:
    """The GPU's name where there is one, else the kind of device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "kanlib": version("kanlib"),
    }
