"""The clairvoyant bound: more quality than this no scheduler delivers, even one that knows every arrival in advance.

A schedule is reduced to how much device time each demand gets inside its window. The vectors of such amounts form a
polymatroid: any set of demands gets at most the length of the union of its windows (Hall). What a demand gains by its
amount is bounded by a concave function, so the greedy is optimal: hand out device time in the order of marginal gain,
steepest first. Whoever is handed all time of gain `s` or more, the total handed out is the same, as all maximal vectors
of a polymatroid have one sum. So the bound needs only these sums: for each slope, the most work that can be done if
every demand asks for its segments of at least that slope. Serving the earliest deadline first, and dropping what is
over, does the most work; it takes one pass with a heap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise
from math import floor, inf
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.simulation.haste import Haste, Operations, prices


@dataclass(frozen=True, slots=True)
class Demand:
    """One request as the bound sees it.

    Attributes:
        arrival, deadline: in seconds, on any clock; a deadline that is not after its arrival gains nothing.
        max_codes: no sample has more.
        samples: how many independent samples it wants.
    """

    arrival: float
    deadline: float
    max_codes: int
    samples: int = 1


@dataclass(frozen=True, slots=True)
class Work:
    """What a device must do at least, in seconds.

    Attributes:
        code_s: per code at the best batch size, above 0.
        sample_s: per answered sample, to decode and encode it at the best batch size.
        step_s: between two codes of one sample, which no batching shortens; 0 if unknown.
        finish_s: from the last code of a sample to its answer, likewise.
    """

    code_s: float
    sample_s: float
    step_s: float = 0.0
    finish_s: float = 0.0

    def __post_init__(self) -> None:
        if not (self.code_s > 0 and min(self.sample_s, self.step_s, self.finish_s) >= 0):
            raise ValueError(f"a code must cost something and nothing may cost less than nothing: {self}")


class Segment(NamedTuple):
    """A straight piece of the gain of one sample: quality per second of work, and seconds of work."""

    slope: float
    width: float


def clairvoyant_quality(
    demands: Sequence[Demand],
    work: Work,
    quality: Sequence[float],
    devices: int = 1,
    operations: Operations | None = None,
) -> float:
    """An upper bound on the total expected quality that any scheduler could deliver in time.

    Why it is one. Take any schedule, and charge the time of each step in equal parts to the codes it draws, that of
    each decode and encode likewise. No code is charged less than `code_s` and no answered sample less than `sample_s`
    besides, for these are the least over all batch sizes; and all that is charged to a sample that was answered in time
    lies within its window. So the charges satisfy Hall's condition for divisible, preemptible work on one device, and
    the quality of a sample is at most the concave envelope of what its charge can buy. The bound is the maximum over
    all such charges. Several devices do no more than one that is as many times as fast. Likewise no sample has more
    codes than steps that fit one after the other into its window.

    Where the durations of all batch sizes are known, a second bound is as valid, and the lower one counts: who has
    little time cannot use the largest batches, and `Haste` bounds what its charges can buy in its window. Charges add
    up under Hall's condition in every run, so their expectations do, too. It bounds the mean over the durations that
    are drawn, for any scheduler that knows all arrivals in advance, but not what will be drawn.

    Args:
        demands: in any order.
        work: what codes and samples cost at least. If costs vary and `work` holds their means, the bound is one on the
            mean.
        quality: expected quality after 0 .. K codes, rising from 0.
        devices: how many there are.
        operations: what `work` was made of, if that is known.

    Returns:
        The sum over all samples, not the mean.

    Raises:
        ValueError: the curve is empty or does not begin at 0, or there is no device.
    """
    if not quality or quality[0] != 0 or devices < 1:
        raise ValueError("the quality curve must begin at 0, and there must be a device")
    ordered = sorted((each for each in demands if each.deadline > each.arrival), key=lambda each: each.arrival)
    most = np.array([_most_codes(each, work, len(quality) - 1) for each in ordered], dtype=np.int64)  # (N,)
    samples = np.array([each.samples for each in ordered], dtype=np.float64)  # (N,)
    arrivals = [each.arrival for each in ordered]
    deadlines = [each.deadline for each in ordered]
    gains = [gain_of_work(quality[: codes + 1], work) for codes in range(len(quality))]
    total = done = 0.0
    for slope in sorted({segment.slope for codes in np.unique(most) for segment in gains[codes]}, reverse=True):
        asked: NDArray[np.float64] = np.array([_width(gain, slope) for gain in gains])  # (K + 1,)
        amounts = (asked[most] * samples / devices).tolist()
        doable = most_work(arrivals, deadlines, amounts)
        total += slope * (doable - done)
        done = doable
    if operations is not None:
        total = min(total, _in_haste(ordered, arrivals, deadlines, operations, quality, devices))
    return total * devices


def _in_haste(
    ordered: Sequence[Demand],
    arrivals: Sequence[float],
    deadlines: Sequence[float],
    operations: Operations,
    quality: Sequence[float],
    devices: int,
) -> float:
    """The bound with windows that limit the batches, per device."""
    series = prices(operations, quality)
    most = np.array([min(each.max_codes, len(quality) - 1) for each in ordered], dtype=np.int64)  # (N,)
    samples = np.array([each.samples for each in ordered], dtype=np.float64)  # (N,)
    windows = np.array(deadlines) - np.array(arrivals)  # (N,)
    asked = np.zeros((len(series) - 1, len(ordered)))
    for codes in np.unique(most):
        chosen = most == codes
        asked[:, chosen] = Haste(operations, quality[: codes + 1], series).widths(windows[chosen].tolist())
    total = done = 0.0
    for price, amounts in zip(series, asked * samples / devices, strict=False):
        doable = most_work(arrivals, deadlines, amounts.tolist())
        total += price * (doable - done)
        done = doable
    return total


def gain_of_work(quality: Sequence[float], work: Work) -> list[Segment]:
    """The least concave function above (0, 0) and (sample_s + n code_s, quality[n]), as segments of falling slope."""
    corners = [(0.0, 0.0)]
    for codes, gained in enumerate(quality[1:], start=1):
        point = (work.sample_s + codes * work.code_s, gained)
        while len(corners) > 1 and _slope(corners[-2], corners[-1]) <= _slope(corners[-1], point):
            corners.pop()
        corners.append(point)
    return [Segment(_slope(left, right), right[0] - left[0]) for left, right in pairwise(corners) if right[1] > left[1]]


def most_work(arrivals: Sequence[float], deadlines: Sequence[float], amounts: Sequence[float]) -> float:
    """The most seconds of work that one device can do, each demand's between its arrival and its deadline.

    Earliest deadline first. It never idles while there is work, and of two demands that could have an instant it
    chooses the one with fewer instants left, so that no exchange of instants makes room for more.

    Args:
        arrivals: ascending.
        deadlines: of the same demands.
        amounts: seconds that each asks for; less may be done.
    """
    waiting: list[tuple[float, int]] = []
    left = list(amounts)
    now, done = -inf, 0.0
    for index, arrival in enumerate([*arrivals, inf]):
        while waiting and now < arrival:
            deadline, first = waiting[0]
            seconds = min(left[first], deadline - now)
            if seconds > arrival - now:
                seconds = arrival - now
                left[first] -= seconds
            else:
                heappop(waiting)
            if seconds > 0:
                done += seconds
                now += seconds
        if index < len(left) and left[index] > 0:
            now = max(now, arrival)
            heappush(waiting, (deadlines[index], index))
    return done


def _most_codes(demand: Demand, work: Work, total: int) -> int:
    """How many codes one sample can have at most by its deadline."""
    most = min(demand.max_codes, total)
    spare = demand.deadline - demand.arrival - work.finish_s
    if spare < 0:
        return 0
    if work.step_s:
        most = min(most, floor(spare / work.step_s * (1 + 1e-9)))
    return max(most, 0)


def _width(gain: Sequence[Segment], slope: float) -> float:
    """Seconds of work that gain so much per second, or more."""
    return sum(segment.width for segment in gain if segment.slope >= slope)


def _slope(left: tuple[float, float], right: tuple[float, float]) -> float:
    return (right[1] - left[1]) / (right[0] - left[0])
