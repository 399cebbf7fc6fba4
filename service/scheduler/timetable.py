"""Who would be late, and which decodes fit together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from math import inf

from service.scheduler.costs import Costs
from service.scheduler.jobs import Job


def step_cost(jobs: Collection[Job], costs: Costs) -> float:
    """Seconds that a step of these takes: a row for each, after one for every code that is still unread."""
    return costs.step(sum(job.unread for job in jobs)) + costs.step(len(jobs))


def late_jobs(
    start: float, jobs: Sequence[Job], costs: Costs, floors: Mapping[Job, int], stepped: Collection[Job] = ()
) -> Iterator[Job]:
    """Who would be late if, from `start` on, everyone were only brought to their floor and finished, in this order.

    A job shares the decode of those before it if that makes none of them late; else theirs is done first, and it opens
    the next batch. Codes that are still owed are drawn before that: together, in as many steps as the one that lacks
    most needs, or by each alone, whichever is quicker. Who is late even so is left out, and holds nobody else up.

    Args:
        start: when the present action will be over.
        jobs: in deadline order.
        floors: how many codes each is to be brought to; 1 for those that are not named.
        stepped: jobs that will have one code more by then.
    """
    begin, size, encodes, tightest = start, 0, 0.0, inf  # the open batch; `tightest`: when its decode must be over
    # Steps that are owed: by the one that lacks most, by how many jobs, by all; and codes to be read before.
    rounds = short = total = unread = 0
    for job in jobs:
        lacking = floors.get(job, 1) - job.position
        if lacking > 0 and job in stepped:
            lacking -= 1
        debt = (rounds, short, total, unread)
        if lacking > 0:
            reading = unread if job in stepped else unread + job.unread
            debt = (max(rounds, lacking), short + 1, total + lacking, reading)
        steps = min(debt[0] * costs.step(debt[1]), debt[2] * costs.step(1)) + costs.step(debt[3]) if debt[0] else 0.0
        encode = costs.encode(job.encoding)
        together = min(tightest, job.deadline - encodes - encode)
        if begin + steps + costs.decode(size + 1) <= together and _worth_joining(size, costs):
            size, encodes, tightest = size + 1, encodes + encode, together
        else:
            begin_alone = begin + costs.decode(size) + encodes
            if begin_alone + steps + costs.decode(1) + encode > job.deadline:
                yield job
                continue
            begin, size, encodes, tightest = begin_alone, 1, encode, job.deadline - encode
        rounds, short, total, unread = debt


def all_on_time(
    start: float, jobs: Sequence[Job], costs: Costs, floors: Mapping[Job, int], stepped: Collection[Job] = ()
) -> bool:
    """Whether there are no `late_jobs`."""
    return next(late_jobs(start, jobs, costs, floors, stepped), None) is None


def floors_within_reach(start: float, jobs: Iterable[Job], costs: Costs) -> dict[Job, int]:
    """The floors above 1 that could be kept if the device did nothing else from `start` on."""
    step, decode = costs.step(1), costs.decode(1)

    def end(job: Job) -> float:
        lacking = job.floor - job.position
        steps = costs.step(job.unread) + lacking * step if lacking > 0 else 0.0
        return start + steps + decode + costs.encode(job.encoding)

    return {job: job.floor for job in jobs if job.floor > 1 and end(job) <= job.deadline}


def first_batch(start: float, jobs: Sequence[Job], costs: Costs) -> Sequence[Job]:
    """The leading jobs, at least one, that can be finished together from `start` on without making one of them late.

    A job that is late even alone holds nobody up.
    """
    encodes, tightest = 0.0, inf
    alone = start + costs.decode(1)
    for size, job in enumerate(jobs):
        encodes += costs.encode(job.encoding)
        limit = job.deadline - encodes
        if limit >= alone:
            tightest = min(tightest, limit)
        if size and (start + costs.decode(size + 1) > tightest or not _worth_joining(size, costs)):
            return jobs[:size]
    return jobs


def _worth_joining(size: int, costs: Costs) -> bool:
    """Whether one more in a batch of `size` costs no more, padded to the next bucket, than a decode of its own."""
    return costs.decode(size + 1) <= costs.decode(size) + costs.decode(1)
