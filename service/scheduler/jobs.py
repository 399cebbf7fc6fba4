"""What the scheduler looks at, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

from service.outcomes import StopReason
from service.scheduler.tables import Kind

HIGHEST, NORMAL, LOWEST = 1, 2, 3
_ENOUGH = 0.25


@dataclass(slots=True, eq=False)
class Job:
    """One sample, in a slot or waiting for one. The scheduler only reads it; who carries out the plan updates it.

    Attributes:
        request, index: which sample of which request; unique among the jobs that are planned together.
        arrival, deadline: in seconds on the caller's clock; by `deadline` the sample must have been handed over.
        min_codes: the floor: not finished below it unless on-time demands it, or the client.
        max_codes: finished as complete when it holds so many.
        target_codes: how many are enough, None for all of them.
        priority: from HIGHEST to LOWEST.
        encoding: format and scale, for what encoding will cost.
        preview_every: seconds between two previews at least, None for no previews.
        slot: None while waiting.
        position: how many codes it holds.
        unread: how many of them were given with the request and are yet to be read, by its first step.
        stop: CLIENT_STOP or DRAIN once it should end at its present prefix.
        preview_at: not before then is the next preview due.
        previewed: position at the last preview; a new one is worth making only beyond it.
    """

    request: str
    index: int
    arrival: float
    deadline: float
    min_codes: int
    max_codes: int
    encoding: Kind
    target_codes: int | None = None
    priority: int = NORMAL
    preview_every: float | None = None
    slot: int | None = None
    position: int = 0
    unread: int = 0
    stop: StopReason | None = None
    preview_at: float = 0.0
    previewed: int = 0

    def gain(self, quality: Sequence[float]) -> float:
        """What its next code is worth: the quality that it adds, double per level of priority, less beyond the target.

        Args:
            quality: expected quality after 0 .. K codes.
        """
        added = (quality[self.position + 1] - quality[self.position]) * 2.0 ** (NORMAL - self.priority)
        return added if self.target_codes is None or self.position < self.target_codes else _ENOUGH * added

    def overdue(self, now: float) -> bool:
        """Whether it is late by as much as it had time: for so long it gives way to those who can still be on time."""
        return now - self.deadline > self.deadline - self.arrival

    @property
    def floor(self) -> int:
        """How many codes it should have when it ends. Never 0: there is no empty answer."""
        return 1 if self.stop else self.min_codes


urgency: Callable[[Job], tuple[float, float, str, int]] = attrgetter("deadline", "arrival", "request", "index")
"""Earliest deadline first; ties go to who came first, then by name, so that the order is always the same."""


class Ending(NamedTuple):
    """A job to decode, encode and send, and why it stops there."""

    job: Job
    reason: StopReason


class Entry(NamedTuple):
    """A waiting job and the free slot that it enters."""

    job: Job
    slot: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do next, as the jobs of one action: either `decode`, or `preview`, or `enter`, followed by `step` or not.

    After it the world is looked at again: a plan never reaches further than one call into the runtime, of which several
    codes are drawn by one only if that is over in a moment.

    Attributes:
        decode: jobs that end now, decoded in one batch, and encoded in this order: the most urgent first.
        preview: jobs to show as they stand.
        enter: waiting jobs that take free slots; all of them are stepped by this plan or a later one.
        step: jobs that draw codes.
        codes: how many each of them draws.
    """

    decode: tuple[Ending, ...] = ()
    preview: tuple[Job, ...] = ()
    enter: tuple[Entry, ...] = ()
    step: tuple[Job, ...] = ()
    codes: int = 1
