"""The decision, taken anew at every code step, or after a moment where steps take less.

In words:

1. A sample that is complete, stopped, or too late to wait any longer is decoded now, if everyone else can bear it.
2. Waiting samples enter free slots in deadline order. If one without a slot would otherwise miss its floor, the running
   sample whose next code is worth least is finished early to make room (`shed`).
3. Previews that are due are made if everyone can bear them and a step after them.
4. Of the steps that everyone can bear, that one is taken which gains most quality per second: of all, or of fewer who
   fill a smaller batch, those below their floor before those whose next code is worth most. To decide takes longer than
   some models' step: as many codes are drawn at once as everyone can bear, and as are over in a moment.
5. If they can bear none, somebody is short of time. Those among the most urgent who still owe codes to their floor step
   without the others, where a smaller batch is quicker; those who owe nothing are decoded now (`deadline`), and where
   the queue is long, others who owe nothing with them, as many as make a batch worth its time.

"Can bear" is always the same question, put to the timetable: were everyone, once this is over, brought to their floor
and finished in deadline order, would anyone be late? The timetable counts with high quantiles of the costs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from service.outcomes import StopReason
from service.scheduler.costs import Costs
from service.scheduler.jobs import Ending, Entry, Job, Plan, urgency
from service.scheduler.timetable import (
    MOMENT_S,
    all_on_time,
    first_batch,
    floors_within_reach,
    late_jobs,
    latest_end,
    pressing,
    step_cost,
    worthwhile,
)

_LEAST_SHARE = 0.3  # of those who could step, that do


def plan(
    now: float, jobs: Sequence[Job], costs: Costs, quality: Sequence[float], slots: int, others: float = 0.0
) -> Plan:
    """Decide what to do next. Neither changes its arguments nor depends on anything else.

    Args:
        now: seconds, on the clock of the jobs' deadlines.
        jobs: every sample that is running or waiting, in any order.
        costs: of the model that they share.
        quality: expected quality after 0 .. K codes, monotone and concave.
        slots: size of the slot table.
        others: seconds for which other models may have the device after this plan, before the next one.

    Returns:
        The next action; never an empty one while there are jobs.
    """
    if not jobs:
        return Plan()
    view = _look(now, pressing(now + others, jobs, costs, slots), costs, quality, slots, others)
    if any(entry.job.position for entry in view.entries):
        return Plan(enter=view.entries)  # some hold codes already, and may have as many as they are to have
    return _results(view) or _previews(view) or _progress(view)


@dataclass(frozen=True, slots=True)
class _View:
    """The jobs, sorted out. Lists are in deadline order.

    Attributes:
        now: when the action begins.
        base: when the device is ours again after an action that takes no time.
        over: jobs that end, and why.
        going: jobs that can draw a code: in a slot, or entering one.
        entries: those who enter.
        bound: those in or entering a slot who can still be on time: an action must not make them late.
        heeded: the same, and those who can still be on time, but find no slot even once `over` have left theirs.
        floors: how many codes each is to be brought to; 1 for those that are not named.
    """

    now: float
    base: float
    over: dict[Job, StopReason]
    going: list[Job]
    entries: tuple[Entry, ...]
    bound: Sequence[Job]
    heeded: Sequence[Job]
    floors: Mapping[Job, int]
    costs: Costs
    quality: Sequence[float]

    def bears(self, seconds: float, jobs: Sequence[Job], stepped: Collection[Job] = ()) -> bool:
        """Whether an action of so many seconds, at the end of which `stepped` have one code more, makes no job late."""
        return all_on_time(self.base + seconds, jobs, self.costs, self.floors, stepped)


def _look(now: float, jobs: Sequence[Job], costs: Costs, quality: Sequence[float], slots: int, others: float) -> _View:
    """Sort out who ends, who goes on, who enters, who waits, who makes room."""
    ordered = sorted(jobs, key=urgency)
    hopeless = _hopeless(now, ordered, costs)
    running = [job for job in ordered if job.slot is not None]
    # Who is late anyway gives way to who can still be on time; but not for ever.
    waiting = [job for job in ordered if job.slot is None]
    if hopeless:
        given_way = {job: 0 if job.overdue(now) else 2 for job in hopeless}
        waiting.sort(key=lambda job: given_way.get(job, 1))
    over = {job: reason for job in running if (reason := _ending(job, late=job in hopeless))}

    taken = {job.slot for job in running}
    free = (slot for slot in range(slots) if slot not in taken)
    entries = tuple(Entry(job, slot) for job, slot in zip(waiting, free, strict=False))
    entering = {entry.job for entry in entries}
    present = [job for job in ordered if job.slot is not None or job in entering] if entries else running
    going = [job for job in present if job not in over]
    bound = [job for job in present if job not in hopeless]
    queue = [job for job in waiting[len(entries) + len(over) :] if job not in hopeless]

    base = now + others
    heeded = _merged(ordered, bound, queue)
    floors = floors_within_reach(base, heeded, costs)
    if queue:
        over |= dict.fromkeys(_shed(base, going, heeded, queue, costs, floors, quality), StopReason.SHED)
        going = [job for job in going if job not in over]
    if floors and not all_on_time(base, bound, costs, floors):
        floors = {}  # they cannot all be kept, and on time goes before floors
    if lost := _given_up(base, heeded, costs, floors):
        over |= {job: StopReason.DEADLINE for job in going if job in lost and job.slot is not None and job.position}
        going = [job for job in going if job not in over]
        bound, heeded = ([job for job in jobs if job not in lost] for jobs in (bound, heeded))
    return _View(now, base, over, going, entries, bound, heeded, floors, costs, quality)


def _merged(ordered: Sequence[Job], first: Sequence[Job], second: Sequence[Job]) -> Sequence[Job]:
    """The jobs of both, in the order that is there already."""
    if not second:
        return first
    both = {*first, *second}
    return [job for job in ordered if job in both]


def _hopeless(now: float, jobs: Sequence[Job], costs: Costs) -> set[Job]:
    """Those who would usually be late even if they were served at once and alone."""
    one, none = now + costs.least(1), now + costs.least(0)
    return {job for job in jobs if (none if job.position else one) + costs.usual.encode(job.encoding) > job.deadline}


def _given_up(base: float, jobs: Sequence[Job], costs: Costs, floors: Mapping[Job, int]) -> set[Job]:
    """Those to give up if not all of these can be on time, so that few are late; nothing heeds them any more.

    It can save many to give up the most urgent: where everyone is served just in time, batches are small, and small
    batches are slow. So it is tried how it would be without those who cannot wait for a batch of some size.
    """
    usual = costs.usual
    lost = set(late_jobs(base, jobs, usual, floors))
    for size in costs.decodes.buckets if lost else ():
        until = base + usual.step(size) + usual.finish(job.encoding for job in jobs[:size])
        tight = [job for job in jobs if job.deadline < until]
        if len(tight) >= len(lost):
            break
        fewer = len(lost) - len(tight)  # than so many of the rest may be late
        rest = list(islice(late_jobs(base, jobs[len(tight) :], usual, floors), fewer))
        if len(rest) < fewer:
            lost = {*tight, *rest}
    return lost


def _ending(job: Job, *, late: bool) -> StopReason | None:
    """Why a running job ends by itself, if it does."""
    if job.position >= job.max_codes:
        return StopReason.COMPLETE
    if not job.position:
        return None
    return job.stop or (StopReason.DEADLINE if late else None)


def _shed(
    base: float,
    going: Sequence[Job],
    heeded: Sequence[Job],
    queue: Sequence[Job],
    costs: Costs,
    floors: Mapping[Job, int],
    quality: Sequence[float],
) -> Sequence[Job]:
    """Running jobs to finish early, so that jobs without a slot still reach their floors.

    Nobody is shed before it is necessary: only if the queue could not bear another step of all, and then this decode.
    """
    victims = [job for job in going if job.slot is not None and job.position >= job.floor]
    victims.sort(key=lambda job: (job.gain(quality), urgency(job)))
    room = costs.finish(job.encoding for job in victims[: len(queue)])
    late = next(late_jobs(base + step_cost(going, costs) + room, heeded, costs, floors), None)
    if late is None:
        return []
    return victims[: len(set(queue).intersection(_up_to_last(heeded, [late])))]


def _results(view: _View) -> Plan | None:
    """Decode those who end, as many as the others can bear to wait for; the overdue even if they cannot.

    The overdue go in the cheapest batch: one by one they would hold up the others for longer, and make more overdue.
    """
    if not view.over:
        return None
    endings = sorted(view.over, key=urgency)

    def others_bear(part: Sequence[Job]) -> bool:
        leaving = set(part)
        return view.bears(_finish(part, view.costs), [job for job in view.bound if job not in leaving])

    overdue = [job for job in endings if job.overdue(view.now)]
    batch = _largest(first_batch(view.now, endings, view.costs), others_bear)
    if not batch and overdue:
        batch = first_batch(view.now, overdue, view.costs)
    return Plan(decode=tuple(Ending(job, view.over[job]) for job in batch)) if batch else None


def _previews(view: _View) -> Plan | None:
    """Show those whose preview is due, as many as everyone can bear, with a step of all to follow."""
    due = [job for job in view.going if _preview_is_due(job, view.now)]
    if not due:
        return None
    going = set(view.going)
    step = step_cost(going, view.costs)
    batch = _largest(due, lambda part: view.bears(_finish(part, view.costs) + step, view.heeded, going))
    return Plan(preview=tuple(batch)) if batch else None


def _preview_is_due(job: Job, now: float) -> bool:
    return job.preview_every is not None and job.position > job.previewed and now >= job.preview_at


def _progress(view: _View) -> Plan:
    """The step that gains most; if everyone can bear none, let those who are short of time catch up, or end."""
    worthiest = _worthiest(view)
    if worthiest:
        return Plan(enter=view.entries, step=tuple(worthiest), codes=_codes(view, worthiest))
    step = view.base + step_cost(view.going, view.costs)
    late = set(late_jobs(step, view.bound, view.costs, view.floors, set(view.going)))
    hurried = _up_to_last(view.bound, late)
    lacking = [job for job in hurried if job.position < view.floors.get(job, 1)]
    catching_up = _largest(lacking, lambda part: view.bears(step_cost(part, view.costs), view.bound, set(part)))
    if catching_up:
        return Plan(enter=view.entries, step=tuple(catching_up))
    due = _due(view)
    if due:
        batch = _filled(view, first_batch(view.now, due, view.costs))
        return Plan(decode=tuple(Ending(job, view.over.get(job, StopReason.DEADLINE)) for job in batch))
    if view.floors:  # not all can be kept after all
        return _progress(replace(view, floors={}))
    return Plan(enter=view.entries, step=tuple(lacking or view.going))


def _worthiest(view: _View) -> Sequence[Job]:
    """Of the steps that everyone can bear, the one that gains most quality per second; nobody if there is none.

    All may step, or as many as fill a smaller bucket: those who are below their floor first, then those whose next code
    is worth most. Much smaller steps gain more at once, but draw every code at a higher price: they are not considered.
    """
    count = len(view.going)
    gains = {job: job.gain(view.quality) for job in view.going}
    ordered = sorted(view.going, key=lambda job: (job.position >= job.floor, -gains[job], urgency(job)))
    least = max(_LEAST_SHARE * count, sum(job.position < job.floor for job in ordered), 1)
    sizes = {*view.costs.steps.buckets, count}
    steps = [ordered[:size] for size in sizes if least <= size <= count]
    steps.sort(key=lambda part: (-sum(map(gains.__getitem__, part)) / step_cost(part, view.costs), -len(part)))
    for part in steps:
        heeded = view.bound if len(part) == count else view.heeded
        if view.bears(step_cost(part, view.costs), heeded, set(part)):
            return part
    return []


def _codes(view: _View, part: Sequence[Job]) -> int:
    """How many codes these draw before anything else is looked at; at least the one that everyone can bear."""
    batches = view.costs.in_stages([job.position for job in part]).items()
    further = sum(view.costs.repeats.within(count, stage).median for stage, count in batches)
    first = view.now + view.costs.usual.step(len(part))
    room = min([MOMENT_S, *(job.preview_at - first for job in part if job.preview_every is not None)])
    if room < further or not further:
        return 1
    ahead = min(view.costs.left_of_stage(job.position) for job in part)
    codes = int(min(1 + room / further, ahead, *map(_codes_of_one_worth, part)))
    while codes > 1 and not view.bears(step_cost(part, view.costs, codes), view.heeded, set(part)):
        codes //= 2
    return codes


def _codes_of_one_worth(job: Job) -> int:
    """How many codes it lacks to its target, beyond which they are worth less, or to the end."""
    enough = job.max_codes if job.target_codes is None else min(job.target_codes, job.max_codes)
    return (enough if job.position < enough else job.max_codes) - job.position


def _due(view: _View) -> Sequence[Job]:
    """Those who owe nothing, and could not bear another step of those who go on after the due have been sent."""
    if not view.going:
        return view.bound
    owing = {job for job in view.bound if job.position < view.floors.get(job, 1)}
    due: list[Job] = []
    while True:
        rest = [job for job in view.bound if job not in due]
        stepped = set(view.going).difference(due)
        start = view.base + _finish(due, view.costs) + step_cost(stepped, view.costs)
        late = set(late_jobs(start, rest, view.costs, view.floors, stepped)) - owing
        if not late:
            return due
        due = sorted([*due, *late], key=urgency)


def _filled(view: _View, batch: Sequence[Job]) -> Sequence[Job]:
    """A batch that is decoded for want of time, with others who may end now, if everyone else can bear it.

    Where the queue is longer than the slots, those who stay would only be decoded a little later, a few at a time, and
    small batches are what makes time short. Who is to end anyway, and holds a slot for nothing, comes first.
    """
    if len(view.heeded) <= 2 * len(view.bound):
        return batch
    ends = set(batch).union(view.over)
    ending = sorted(ends.difference(batch), key=urgency)
    more = [job for job in view.bound if job not in ends and job.position >= view.floors.get(job, 1)]
    everyone = [*batch, *ending, *more][: worthwhile(batch, view.costs)]
    usual = view.costs.usual
    latest = latest_end(view.now, batch, usual)

    def bear(part: Sequence[Job]) -> bool:
        if view.now + usual.decode(len(part)) > latest:
            return False
        leaving = set(part)
        return view.bears(_finish(part, view.costs), [job for job in view.heeded if job not in leaving])

    joined = _largest(everyone, bear)
    return joined if len(joined) > len(batch) else batch


def _up_to_last(jobs: Sequence[Job], named: Collection[Job]) -> Sequence[Job]:
    """The leading jobs up to the last of those named; all if none is."""
    last = max((index for index, job in enumerate(jobs) if job in named), default=len(jobs) - 1)
    return jobs[: last + 1]


def _finish(jobs: Sequence[Job], costs: Costs) -> float:
    """Seconds to decode these in one batch, and to encode and send each."""
    return costs.finish(job.encoding for job in jobs)


def _largest(jobs: Sequence[Job], fits: Callable[[Sequence[Job]], bool]) -> Sequence[Job]:
    """The leading jobs, halved until they fit; none if not even one does."""
    while jobs and not fits(jobs):
        jobs = jobs[: len(jobs) // 2]
    return jobs
