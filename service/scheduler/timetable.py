"""Who would be late, and which decodes fit together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import inf

from service.scheduler.costs import Costs
from service.scheduler.jobs import Job


def first_late(
    start: float, jobs: Sequence[Job], costs: Costs, stepped: Collection[Job] = (), *, floors: bool = True
) -> int | None:
    """The first job that would be late if, from `start` on, everyone were only brought to their floor and finished.

    Jobs are finished in the order given. One shares the decode of those before it if that makes none of them late; else
    theirs is done first, and it opens the next batch. Codes that are still owed are drawn before that: together, in as
    many steps as the one that lacks most needs, or by each alone, whichever is quicker.

    Args:
        start: when the present action will be over.
        jobs: in deadline order.
        stepped: jobs that will have one code more by then.
        floors: False if only the first code is owed, not `min_codes`.

    Returns:
        Its index in `jobs`, or None if nobody is late.
    """
    begin, size, encodes, tightest = start, 0, 0.0, inf  # the open batch; `tightest`: when its decode must be over
    rounds = short = total = 0  # steps that are owed: by the one that lacks most, by how many jobs, by all
    for index, job in enumerate(jobs):
        if job.position < job.min_codes:
            lacking = owed(job, start, costs, floors=floors) - (job in stepped)
            if lacking > 0:
                rounds, short, total = max(rounds, lacking), short + 1, total + lacking
        ready = begin + min(rounds * costs.step(short), total * costs.step(1)) if rounds else begin
        encode = costs.encode(job.encoding)
        size, encodes = size + 1, encodes + encode
        tightest = min(tightest, job.deadline - encodes)
        if ready + costs.decode(size) <= tightest and _worth_joining(size, costs):
            continue
        alone = costs.decode(size - 1) + encodes - encode
        begin, ready = begin + alone, ready + alone
        size, encodes, tightest = 1, encode, job.deadline - encode
        if ready + costs.decode(1) > tightest:
            return index
    return None


def owed(job: Job, start: float, costs: Costs, *, floors: bool = True) -> int:
    """How many codes the job lacks to its floor, or to its first code if its floor is out of reach or does not count.

    A floor is out of reach if it could not be kept even if the device did nothing else from `start` on.
    """
    lacking = job.floor - job.position
    if lacking <= 0:
        return 0
    least = lacking * costs.step(1) + costs.decode(1) + costs.encode(job.encoding)
    if floors and start + least <= job.deadline:
        return lacking
    return max(1 - job.position, 0)


def first_batch(start: float, jobs: Sequence[Job], costs: Costs) -> Sequence[Job]:
    """The leading jobs, at least one, that can be finished together from `start` on without making one of them late.

    A job that is late even alone holds nobody up.
    """
    encodes, tightest = 0.0, inf
    alone = start + costs.decode(1)
    for count, job in enumerate(jobs, 1):
        encodes += costs.encode(job.encoding)
        limit = job.deadline - encodes
        if limit >= alone:
            tightest = min(tightest, limit)
        if count > 1 and (start + costs.decode(count) > tightest or not _worth_joining(count, costs)):
            return jobs[: count - 1]
    return jobs


def _worth_joining(size: int, costs: Costs) -> bool:
    """Whether the last of a batch costs no more there, padded to the next bucket, than in a decode of its own."""
    return costs.decode(size) <= costs.decode(size - 1) + costs.decode(1)
