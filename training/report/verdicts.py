"""Whether a claim held, decided by differences and their intervals alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from models.config import Frozen
from training.report.statistics import Interval

Outcome = Literal["holds", "holds on average, not beyond noise", "does not hold"]
OUTCOMES: tuple[Outcome, ...] = ("holds", "holds on average, not beyond noise", "does not hold")


class Verdict(Frozen):
    """One statement and what became of it.

    Attributes:
        statement: what was claimed.
        outcome: `holds` if every difference's whole interval is above zero, `holds on average, not beyond noise` if
            every mean is, also where one seed gives no interval.
        differences: by what they are differences at; each to be positive.
    """

    statement: str
    outcome: Outcome
    differences: dict[str, Interval]

    @property
    def sentence(self) -> str:
        """The outcome with the numbers behind it."""
        failing = [place for place, found in self.differences.items() if found.value <= 0]
        place = min(self.differences, key=lambda name: self.differences[name].value)
        worst = f"least difference {show(self.differences[place])} at {place}"
        where = f"not at {', '.join(failing)}; " if failing and len(self.differences) > 1 else ""
        return f"{self.statement}: {self.outcome} ({where}{worst})"


def decide(statement: str, differences: Mapping[str, Interval]) -> Verdict:
    """The verdict on a statement that holds where every difference is positive.

    Raises:
        ValueError: if there is no difference.
    """
    if not differences:
        raise ValueError(f"nothing was measured for {statement!r}")
    found = differences.values()
    outcome: Outcome = "does not hold"
    if all(interval.low is not None and interval.low > 0 for interval in found):
        outcome = "holds"
    elif all(interval.value > 0 for interval in found):
        outcome = "holds on average, not beyond noise"
    return Verdict(statement=statement, outcome=outcome, differences=dict(differences))


def overall(verdicts: tuple[Verdict, ...]) -> Outcome:
    """Of several statements, what became of the one that fared worst."""
    return max((verdict.outcome for verdict in verdicts), key=OUTCOMES.index)


def show(interval: Interval) -> str:
    """A mean with its interval, as text."""
    if interval.low is None or interval.high is None:
        return f"{interval.value:.4g}"
    return f"{interval.value:.4g} [{interval.low:.4g}, {interval.high:.4g}]"
