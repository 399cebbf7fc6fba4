"""Who would be late, and which decodes fit together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from heapq import nsmallest
from math import inf

from service.scheduler.costs import Costs, Rates
from service.scheduler.jobs import Job, urgency

MOMENT_S = 5e-4
"""As many further codes are drawn upon one decision as take no longer: a few times what a decision takes."""
_NEARLY_BEST = 1.25  # times what a sample costs in the best batch


def step_cost(jobs: Collection[Job], costs: Costs, codes: int = 1) -> float:
    """Seconds in which these draw so many codes: a row for each, after one for every code that is still unread.

    Those of each stage are a batch.
    """
    batches = costs.in_stages([job.position for job in jobs]).items()
    seconds = costs.step(sum(job.unread for job in jobs)) + sum(
        costs.step_now(count, stage) for stage, count in batches
    )
    if codes > 1:
        seconds += (codes - 1) * sum(costs.repeat(count, stage) for stage, count in batches)
    return seconds


def late_jobs(
    start: float, jobs: Sequence[Job], costs: Costs | Rates, floors: Mapping[Job, int], stepped: Collection[Job] = ()
) -> Iterator[Job]:
    """Who would be late if, from `start` on, everyone were only brought to their floor and finished, in this order.

    A job shares the decode of those before it if that makes none of them late, and costs no more, padded to the next
    bucket, than a decode of its own; else theirs is done first, and it opens the next batch. Codes that are still owed
    are drawn before that: together, in as many steps as the one that lacks most needs, or by each alone, whichever is
    quicker. Who is late even so is left out, and holds nobody else up.

    Args:
        start: when the present action will be over.
        jobs: in deadline order.
        floors: how many codes each is to be brought to; 1 for those that are not named.
        stepped: jobs that will have one code more by then.
    """
    step, decode, encode_cost = costs.step, costs.decode, costs.encode
    one, alone = step(1), decode(1)
    begin, size, encodes, tightest = start, 0, 0.0, inf  # the open batch; `tightest`: when its decode must be over
    batch = 0.0  # what decoding it takes
    # Steps that are owed: by the one that lacks most, by how many jobs, by all; what those apart take; what all takes.
    debt = (0, 0, 0, 0.0, 0.0)
    for job in jobs:
        with_job = debt
        lacking = (floors.get(job, 1) if floors else 1) - job.position
        if lacking > 0 and job in stepped:
            lacking -= 1
        if lacking > 0:
            rounds, short, total, apart, _ = debt
            if job.unread and job not in stepped:  # to read with the others would hold them up
                apart += step(job.unread) + lacking * one
            else:
                rounds, short, total = lacking if lacking > rounds else rounds, short + 1, total + lacking
            together, singly = rounds * step(short), total * one
            with_job = (rounds, short, total, apart, (together if together < singly else singly) + apart)
        drawn = begin + with_job[4]
        encode = encode_cost(job.encoding)
        larger = decode(size + 1)
        limit = job.deadline - encodes - encode
        limit = min(limit, tightest)
        if drawn + larger <= limit and larger <= batch + alone:
            size, encodes, tightest, batch = size + 1, encodes + encode, limit, larger
        elif drawn + batch + encodes + alone + encode <= job.deadline:
            begin, size, encodes, tightest, batch = begin + batch + encodes, 1, encode, job.deadline - encode, alone
        else:
            yield job
            continue
        debt = with_job


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
    """The leading jobs, at least one, that are best finished together from `start` on.

    As many as can be without one of them being late for the others, where who is late even alone holds nobody up; or
    fewer, if a batch of them costs less per sample, since padding can make it cheaper to leave a few for later.
    """
    encodes, tightest, fitting = 0.0, inf, 0
    alone = start + costs.decode(1)
    for size, job in enumerate(jobs, start=1):
        encodes += costs.encode(job.encoding)
        limit = job.deadline - encodes
        if limit >= alone:
            tightest = min(tightest, limit)
        if size > 1 and start + costs.decode(size) > tightest:
            break
        fitting = size
    sizes = [fitting, *(bucket for bucket in costs.decodes.buckets if bucket < fitting)]
    return jobs[: min(sizes, key=lambda size: costs.decode(size) / max(size, 1))]


def latest_end(now: float, batch: Sequence[Job], costs: Rates) -> float:
    """When the decode of these must be over, encoded as they are in this order; who is late anyway does not count."""
    ends, encodes, decoded = inf, 0.0, now + costs.decode(len(batch))
    for job in batch:
        encodes += costs.encode(job.encoding)
        if decoded + encodes <= job.deadline:
            ends = min(ends, job.deadline - encodes)
    return ends


def worthwhile(batch: Sequence[Job], costs: Costs) -> int:
    """The size up to which larger batches spare time worth speaking of, or to which this one is padded anyway."""
    encode, decode = costs.usual.encode(batch[0].encoding), costs.usual.decode
    buckets = costs.decodes.buckets
    shares = [decode(size) / size + encode for size in buckets]
    best = min(shares)
    enough = next(size for size, share in zip(buckets, shares, strict=True) if share <= _NEARLY_BEST * best)
    padded = next((size for size in buckets if size >= len(batch)), len(batch))
    return max(enough, padded)


def pressing(start: float, jobs: Sequence[Job], costs: Costs, slots: int) -> Sequence[Job]:
    """The jobs that a decision can depend on.

    Left out of a long queue is who will be on time whatever is decided: were all the others done one after the other,
    each alone, and any one action before that, there would still be time. As many as could enter a slot are kept.
    """
    if len(jobs) <= 2 * slots:
        return jobs
    step, alone = costs.step(1), costs.decode(1)
    waiting = [job for job in jobs if job.slot is None]
    if max(job.deadline for job in waiting) < start + len(waiting) * (step + alone):
        return jobs  # as hurried as all those must be: to find out more would take longer than it spares
    work = sum(
        max(job.floor - job.position, 0) * step + costs.step(job.unread) + alone + costs.encode(job.encoding)
        for job in jobs
    )
    running = [job for job in jobs if job.slot is not None]
    action = MOMENT_S + step_cost(running, costs) + costs.step(slots) + costs.finish(job.encoding for job in running)
    patient = start + work + action
    hurried = [job for job in waiting if job.deadline < patient]
    if len(hurried) < slots:
        hurried = nsmallest(slots, waiting, key=urgency)
    return [*running, *hurried]
