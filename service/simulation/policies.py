"""Ways to decide what a device does next: the service's own scheduler, and the rivals that it is measured against.

All are given the same jobs, slots and costs, and answer with a `Plan`. A rival that cuts keeps back the same reserve as
the scheduler does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from service.outcomes import StopReason
from service.scheduler import Costs, Ending, Entry, Job, Plan, plan, urgency

Order = Callable[[Job], tuple[float, float, str, int]]


class Policy(Protocol):
    """Decides what to do next, as `service.scheduler.plan` does: one action, never none while there are jobs."""

    def __call__(self, now: float, jobs: Sequence[Job], costs: Costs, quality: Sequence[float], slots: int, /) -> Plan:
        """The next action at `now`."""
        ...


def fifo_full(now: float, jobs: Sequence[Job], costs: Costs, quality: Sequence[float], slots: int) -> Plan:  # noqa: ARG001
    """Continuous batching as for text: first come, first served, everyone to the full length, deadlines unheeded."""
    return _full_length(jobs, slots, _coming)


def edf_full(now: float, jobs: Sequence[Job], costs: Costs, quality: Sequence[float], slots: int) -> Plan:  # noqa: ARG001
    """The same, but the earliest deadline enters first."""
    return _full_length(jobs, slots, urgency)


def fifo_cut(now: float, jobs: Sequence[Job], costs: Costs, quality: Sequence[float], slots: int) -> Plan:  # noqa: ARG001
    """First come, first served, to the full length or as far as the deadline lets it."""
    running, entries = _enter(jobs, slots, _coming)
    over = [job for job in running if job.position >= job.max_codes]
    return _decode(over, _cut(now, running, entries, costs)) or _step(running, entries)


def processor_sharing(
    now: float,
    jobs: Sequence[Job],
    costs: Costs,
    quality: Sequence[float],  # noqa: ARG001
    slots: int,
) -> Plan:
    """Equal shares: all who are here draw codes in turn, and who has most makes room for who has none. Cut when due."""
    running, entries = _enter(jobs, slots, _coming)
    over = [job for job in running if job.position >= job.max_codes]
    if len(jobs) > len(running) + len(entries):
        rich = sorted((job for job in running if job.position), key=lambda job: (-job.position, *_coming(job)))
        over += rich[: len(jobs) - len(running) - len(entries)]
    return _decode(over, _cut(now, running, entries, costs)) or _step(running, entries)


POLICIES: Mapping[str, Policy] = {
    "ours": plan,
    "fifo-full": fifo_full,
    "fifo-cut": fifo_cut,
    "edf-full": edf_full,
    "processor-sharing": processor_sharing,
}


def _coming(job: Job) -> tuple[float, float, str, int]:
    return (job.arrival, job.deadline, job.request, job.index)


def _full_length(jobs: Sequence[Job], slots: int, order: Order) -> Plan:
    running, entries = _enter(jobs, slots, order)
    return _decode([job for job in running if job.position >= job.max_codes], []) or _step(running, entries)


def _enter(jobs: Sequence[Job], slots: int, order: Order) -> tuple[list[Job], tuple[Entry, ...]]:
    """Who is in a slot, and who of the others enters a free one."""
    running = [job for job in jobs if job.slot is not None]
    if len(running) in (len(jobs), slots):
        return running, ()
    taken = {job.slot for job in running}
    free = (slot for slot in range(slots) if slot not in taken)
    waiting = sorted((job for job in jobs if job.slot is None), key=order)
    return running, tuple(Entry(job, slot) for job, slot in zip(waiting, free, strict=False))


def _cut(now: float, running: Sequence[Job], entries: Sequence[Entry], costs: Costs) -> Sequence[Job]:
    """Those who could not bear another step before they are finished, all who are due together."""
    due: Sequence[Job] = ()
    ended = now + costs.step(len(running) + len(entries))
    ordered = sorted((job for job in running if job.position), key=urgency)
    encodes = 0.0
    for index, job in enumerate(ordered):
        encodes += costs.encode(job.encoding)
        if ended + costs.decode(index + 1) + encodes > job.deadline:
            due = ordered[: index + 1]
    return due


def _decode(over: Sequence[Job], due: Sequence[Job]) -> Plan | None:
    """End these, in deadline order; None if there is nobody."""
    ending = sorted({*over, *due}, key=urgency)
    endings = tuple(
        Ending(job, StopReason.COMPLETE if job.position >= job.max_codes else StopReason.DEADLINE) for job in ending
    )
    return Plan(decode=endings) if endings else None


def _step(running: Sequence[Job], entries: tuple[Entry, ...]) -> Plan:
    return Plan(enter=entries, step=(*running, *(entry.job for entry in entries)))
