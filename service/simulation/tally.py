"""What came of the requests of one simulated run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, slots=True)
class Overshoot:
    """How many milliseconds answers came after their deadlines; 0 for those in time."""

    p50: float
    p99: float
    p999: float
    max: float


@dataclass(frozen=True, slots=True)
class Codes:
    """Codes per answered sample, late or not."""

    mean: float
    p10: float


@dataclass(frozen=True, slots=True)
class Cell:
    """One policy at one load. Requests are counted, not samples.

    Attributes:
        load: in capacities; None for a recorded trace played as it is.
        sent: refused or answered; `ok` of them were answered, `on_time` or `late`.
        refused: at the door, `infeasible` of them because of their deadline.
        failed: always 0: simulated devices do not break.
        quality_per_sent: expected quality per sample that was sent; a refused or late one counts nothing.
        bound: the most that `quality_per_sent` could be for anyone who knows all arrivals.
        bound_share: `quality_per_sent` as a share of that.
        seconds: simulated, from the first arrival to the last answer.
    """

    load: float | None
    policy: str
    sent: int
    ok: int
    on_time: int
    late: int
    refused: int
    infeasible: int
    failed: int
    overshoot_ms: Overshoot
    codes: Codes
    quality_per_sent: float
    bound: float
    bound_share: float
    seconds: float


@dataclass(slots=True)
class Tally:
    """Counts answers as they come.

    Attributes:
        overshoots: seconds, one per answered request.
        codes: one per answered sample.
        quality: summed over the samples that were answered in time.
        latest: when the last answer came.
    """

    overshoots: list[float] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    quality: float = 0.0
    latest: float = 0.0

    def answered(self, at: float, deadline: float, codes: Sequence[int], quality: Sequence[float]) -> None:
        """A request has its answer.

        Args:
            at, deadline: in seconds.
            codes: of each of its samples.
            quality: expected quality after 0 .. K codes.
        """
        self.overshoots.append(max(at - deadline, 0.0))
        self.codes += codes
        self.latest = max(self.latest, at)
        if at <= deadline:
            self.quality += sum(quality[each] for each in codes)

    def cell(self, *, load: float | None, policy: str, sent: int, samples: int, infeasible: int, bound: float) -> Cell:
        """The numbers of a finished run; `bound` is a total over all `samples`."""
        late = sum(each > 0 for each in self.overshoots)
        return Cell(
            load=load,
            policy=policy,
            sent=sent,
            ok=len(self.overshoots),
            on_time=len(self.overshoots) - late,
            late=late,
            refused=sent - len(self.overshoots),
            infeasible=infeasible,
            failed=0,
            overshoot_ms=_overshoot(self.overshoots),
            codes=_codes(self.codes),
            quality_per_sent=self.quality / samples,
            bound=bound / samples,
            bound_share=self.quality / bound if bound else 1.0,
            seconds=self.latest,
        )


def _overshoot(seconds: Sequence[float]) -> Overshoot:
    if not seconds:
        return Overshoot(0.0, 0.0, 0.0, 0.0)
    p50, p99, p999, most = (1000 * np.quantile(seconds, [0.5, 0.99, 0.999, 1.0])).tolist()
    return Overshoot(p50, p99, p999, most)


def _codes(codes: Sequence[int]) -> Codes:
    return Codes(float(np.mean(codes)), float(np.quantile(codes, 0.1))) if codes else Codes(0.0, 0.0)
