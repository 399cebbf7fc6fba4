"""Whether a claim held, decided by differences and their intervals alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from models.config import Frozen
from training.report.statistics import Interval

Outcome = Literal[
    "holds",
    "holds on average, not beyond noise",
    "holds for one seed",
    "does not hold",
    "does not hold for one seed",
]
ONE_SEED = "one seed, no interval is known"
Result = Literal["held", "held in part", "did not hold", "not decided with so few seeds"]


class Verdict(Frozen):
    """One statement and what became of it.

    Attributes:
        statement: what was claimed.
        outcome: `holds` if every difference's whole interval is above zero, `holds on average, not beyond noise` if
            every mean is, `does not hold` if a mean is not. Where all of it comes from a single seed there is neither a
            mean nor an interval, and the outcome is for one seed.
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
    return Verdict(statement=statement, outcome=_outcome(list(differences.values())), differences=dict(differences))


def _outcome(found: Sequence[Interval]) -> Outcome:
    positive = all(interval.value > 0 for interval in found)
    if all(interval.count == 1 for interval in found):
        return "holds for one seed" if positive else "does not hold for one seed"
    if all(interval.low is not None and interval.low > 0 for interval in found):
        return "holds"
    return "holds on average, not beyond noise" if positive else "does not hold"


class Judgement(Frozen):
    """What became of a claim that is made of several statements.

    Attributes:
        result: `held` if every statement holds, `did not hold` if none does even on average, `held in part` if some do
            and others do not. Not decided where one holds on average alone and none fails, nor by a single seed.
        sentence: the result, and how many statements it comes from.
    """

    result: Result
    sentence: str


def judge(verdicts: Sequence[Verdict]) -> Judgement:
    """What became of a claim, by its statements, at least one."""
    counts = Counter(verdict.outcome for verdict in verdicts)
    seeds = [interval.count for verdict in verdicts for interval in verdict.differences.values()]
    result: Result = "not decided with so few seeds"
    if min(seeds) > 1:
        if counts["holds"] == len(verdicts):
            result = "held"
        elif fails := counts["does not hold"]:
            result = "did not hold" if fails == len(verdicts) else "held in part"
    once = "" if max(seeds) == 1 else " for one seed"  # where there is but one, it is said once
    words = (
        (counts["holds"], "holds", "hold"),
        (counts["holds on average, not beyond noise"], "holds on average only", "hold on average only"),
        (counts["holds for one seed"], f"holds{once}", f"hold{once}"),
        (counts["does not hold"], "does not hold", "do not hold"),
        (counts["does not hold for one seed"], f"does not hold{once}", f"do not hold{once}"),
    )
    parts = [f"{count} {one if count == 1 else many}" for count, one, many in words if count]
    total = f"of {len(verdicts)} statements" if len(verdicts) > 1 else "statement"
    first = parts[0].replace(" ", f" {total} ", 1)
    return Judgement(
        result=result,
        sentence=f"{result[0].upper()}{result[1:]}: {', '.join((first, *parts[1:]))} ({_seeds(seeds)}).",
    )


def _seeds(counts: Sequence[int]) -> str:
    return ONE_SEED if max(counts) == 1 else f"{span(counts)} seeds"


def span(counts: Sequence[int]) -> str:
    """The least and the most of some numbers of seeds, as text."""
    least, most = min(counts), max(counts)
    return f"{least} to {most}" if least < most else str(most)


def show(interval: Interval) -> str:
    """A mean with its interval, as text."""
    if interval.low is None or interval.high is None:
        return f"{interval.value:.4g}"
    return f"{interval.value:.4g} [{interval.low:.4g}, {interval.high:.4g}]"
