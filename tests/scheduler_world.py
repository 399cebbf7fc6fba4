"""A device that takes no real time: carries out the scheduler's plans as a worker does, on a clock moved by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.outcomes import StopReason
from service.scheduler import Costs, Ending, Job, Plan, plan
from service.scheduler.timetable import step_cost

KIND = ("png", 1)
CODES = 16
QUALITY = [1.0 - 0.8**n for n in range(CODES + 1)]


def costs_of(
    step: Callable[[int], float],
    decode: Callable[[int], float],
    encode: float,
    buckets: Sequence[int] = (1, 2, 4, 8),
    repeat: float = 1.0,
) -> Costs:
    """Costs that have always been the same; a further code upon the same decision takes `repeat` of the first."""
    costs = Costs(buckets)
    for bucket in buckets:
        costs.steps.observe(bucket, step(bucket))
        costs.repeats.observe(bucket, repeat * step(bucket))
        costs.decodes.observe(bucket, decode(bucket))
    costs.encodes.observe(KIND, encode)
    return costs


def job(name: str, deadline: float, **fields: Any) -> Job:
    """A job that arrived at 0, floor 1, 16 codes at most."""
    values: dict[str, Any] = {
        "index": 0,
        "arrival": 0.0,
        "min_codes": 1,
        "max_codes": CODES,
        "encoding": KIND,
    }
    return Job(request=name, deadline=deadline, **(values | fields))


@dataclass
class Ended:
    """How a job ended; None as the reason of one that was cancelled."""

    job: Job
    reason: StopReason | None
    at: float
    codes: int


@dataclass
class World:
    """A device, its slots and everybody who has come or will come.

    Attributes:
        costs: what the scheduler believes.
        slots: size of the slot table.
        pace: what an operation takes, as a share of what `costs` says.
        arrivals: jobs that come when their `arrival` has passed.
        events: (time, act) that happen to the jobs.
    """

    costs: Costs
    slots: int
    arrivals: list[Job]
    events: list[tuple[float, Callable[[World], None]]] = field(default_factory=list)
    pace: Callable[[], float] = lambda: 1.0
    now: float = 0.0
    present: list[Job] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    previews: list[tuple[float, Job]] = field(default_factory=list)
    watch: Callable[[World, Plan], None] = lambda *_: None

    def run(self, limit: int = 100_000) -> list[Ended]:
        """Go on until everybody has ended."""
        self.arrivals.sort(key=lambda job: job.arrival)
        self.events.sort(key=lambda event: event[0])
        for _ in range(limit):
            self._happen()
            if self.present:
                chosen = plan(self.now, self.present, self.costs, QUALITY, self.slots)
                self.watch(self, chosen)
                self._carry_out(chosen)
            elif self.arrivals:
                self.now = max(self.now, self.arrivals[0].arrival)
            else:
                return self.ended
        raise AssertionError("there is no end to it")

    def cancel(self, job: Job) -> None:
        """The client has gone."""
        if job in self.present:
            self._leave(Ending(job, StopReason.COMPLETE), reason=None)

    def _happen(self) -> None:
        while self.arrivals and self.arrivals[0].arrival <= self.now:
            self.present.append(self.arrivals.pop(0))
        while self.events and self.events[0][0] <= self.now:
            self.events.pop(0)[1](self)

    def _carry_out(self, chosen: Plan) -> None:
        kinds_of_action = [bool(chosen.decode), bool(chosen.preview), bool(chosen.step)]
        assert sum(kinds_of_action) == 1 or (chosen.enter and not any(kinds_of_action)), "a plan is one action"
        for entered, slot in chosen.enter:
            assert entered.slot is None
            assert 0 <= slot < self.slots
            assert slot not in {other.slot for other in self.present}
            entered.slot = slot
        acting = [ending.job for ending in chosen.decode] + list(chosen.preview) + list(chosen.step)
        assert len(set(acting)) == len(acting)
        assert all(each in self.present and each.slot is not None for each in acting)
        if chosen.step:
            assert chosen.codes >= 1
            assert all(each.position + chosen.codes <= each.max_codes for each in acting)
            self.now += self.pace() * step_cost(acting, self.costs, chosen.codes)
            for each in acting:
                each.position += chosen.codes
                each.unread = 0
            return
        if not acting:
            return
        assert all(each.position >= 1 for each in acting), "there is no empty answer"
        self.now += self.pace() * self.costs.decode(len(acting))
        for ending in chosen.decode:
            self.now += self.pace() * self.costs.encode(ending.job.encoding)
            self._leave(ending, ending.reason)
        for each in chosen.preview:
            self.now += self.pace() * self.costs.encode(each.encoding)
            each.previewed, each.preview_at = each.position, self.now + (each.preview_every or 0.0)
            self.previews.append((self.now, each))

    def _leave(self, ending: Ending, reason: StopReason | None) -> None:
        leaving = ending.job
        self.present.remove(leaving)
        self.ended.append(Ended(leaving, reason, self.now, leaving.position))
        leaving.slot = None
