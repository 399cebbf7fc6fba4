"""At the door: what cannot be served in time is refused at once, before it costs anybody anything.

There is no await between the check and the count, so that in the one event loop both are one step.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import NamedTuple

from service.backlog import Backlog
from service.errors import DeadlineInfeasible, Draining, Overloaded, WorkerLost

# In turns of a busy worker: what one late answer adds, and the most there is.
_WARNED, _MOST_CAUTIOUS = 0.5, 6.0
_LATE_SHARE = 0.002


class Prospect(NamedTuple):
    """What a request would find inside.

    Attributes:
        minimum_ms: the smallest deadline with which it would probably be answered in time, everything included.
        safe_ms: the smallest with which it almost certainly would.
        slots: samples that the ready workers can have in progress, for its model.
        work_ms: what its smallest answer takes of the workers' time while they are busy, and batches are full.
        turn_ms: what an operation of a busy worker and the answers after it take; others wait for it.
        answer_ms: what an answer takes of this process, which writes one after another.
        ready_in_ms: when a worker is expected to be ready; 0 if one is, None if that cannot be said.
    """

    minimum_ms: float
    safe_ms: float
    slots: int
    work_ms: float = 0.0
    turn_ms: float = 0.0
    answer_ms: float = 0.0
    ready_in_ms: float | None = 0.0


class Place(NamedTuple):
    """What a request that was let in takes up until it has had its ending.

    Attributes:
        lead: seconds by which its answer must come earlier, for those that are due at the same time to be written.
    """

    model: str
    samples: int
    deadline: float
    work: float
    lead: float


class Admission:
    """Says no when a request comes too late, or with too many; the more promises were broken, the sooner.

    Args:
        queue_limit: samples that may wait for a slot, per model.
    """

    def __init__(self, queue_limit: int) -> None:
        self.draining = False
        self._queue_limit = queue_limit
        self._inside: Counter[str] = Counter()
        self._backlog = Backlog()
        self._caution: defaultdict[str, float] = defaultdict(float)  # in turns

    def inside(self, model: str) -> int:
        """Samples in progress or waiting."""
        return self._inside[model]

    def admit(self, model: str, samples: int, now: float, deadline: float, prospect: Prospect) -> Place:
        """Let a request in, until `leave`. Times are in seconds on one clock.

        Raises:
            Draining: the server is shutting down.
            WorkerLost: no worker is ready, and none is expected in time.
            DeadlineInfeasible: no minimum result fits into the time beside what was promised to others.
            Overloaded: every slot and every place in the queue is taken.
        """
        if self.draining:
            raise Draining("The server is shutting down.")
        lead = self._lead(deadline, prospect)
        place = Place(model, samples, deadline, prospect.work_ms / 1000, lead)
        self._check_time(place, now, prospect)
        remaining_ms = 1000 * (deadline - now)
        if prospect.ready_in_ms is None or remaining_ms < prospect.minimum_ms + prospect.ready_in_ms:
            raise WorkerLost("No worker is ready, and none is expected in time.")
        places = prospect.slots + self._queue_limit
        if self._inside[model] + samples > places:
            raise Overloaded(
                f"All {places} places for the model {model} are taken, or too few are left for {samples} samples."
            )
        self._enter(place)
        return place

    def leave(self, place: Place) -> None:
        """A request that was let in has had its ending."""
        self._inside[place.model] -= place.samples
        self._backlog.remove(place.deadline, place.work)

    def answered(self, model: str, *, late: bool, least: bool) -> None:
        """Learn whether the answer of a request that was let in was late.

        What was counted on can be wrong in many ways: batches turn out smaller, the machine is shared, this process is
        slow. All of them show in this. A late answer makes the door narrower by as much as five hundred prompt ones
        open it again, so that it settles where one in five hundred would be late, wherever that is.

        Args:
            least: whether it had no more than its floor. One that had could have been stopped sooner: it is late for
                something that came up in between, and would have been, had fewer been let in.
        """
        change = -_WARNED * _LATE_SHARE if not late else _WARNED if least else 0.0
        self._caution[model] = min(max(self._caution[model] + change, 0.0), _MOST_CAUTIOUS)

    def extend(self, place: Place, deadline: float, prospect: Prospect) -> Place:
        """A request that was let in has a later deadline."""
        self.leave(place)
        later = place._replace(deadline=deadline, lead=self._lead(deadline, prospect))
        self._enter(later)
        return later

    def _enter(self, place: Place) -> None:
        self._inside[place.model] += place.samples
        self._backlog.add(place.deadline, place.work)

    def _check_time(self, place: Place, now: float, prospect: Prospect) -> None:
        lag = self._lag(place, prospect)
        minimum_ms = prospect.minimum_ms + 1000 * place.lead
        others = now + minimum_ms / 1000 - place.work + lag
        soonest = self._backlog.soonest(others, place.deadline, place.work)
        before_ms = 1000 * (self._backlog.before(soonest) + lag)
        remaining_ms = 1000 * (place.deadline - now)
        if soonest > place.deadline or remaining_ms < minimum_ms + before_ms:
            least_ms = max(prospect.safe_ms + 1000 * place.lead + before_ms, 1000 * (soonest - now))
            raise DeadlineInfeasible.within(remaining_ms, least_ms)

    def _lead(self, deadline: float, prospect: Prospect) -> float:
        """Seconds in which the answers that are due just before this one are written."""
        each = prospect.answer_ms / 1000
        return each * self._backlog.crowd(deadline, each)

    def _lag(self, place: Place, prospect: Prospect) -> float:
        """Seconds that everyone must have to spare: when promises were broken, and when far more wait than have slots.

        Promises that can just be kept are kept in small batches, which take longer per sample than was counted on, so
        that later ones are broken. Time for one batch keeps the batches large. As long as most who are inside have a
        slot, and so their first codes, counting on their whole work is caution enough.
        """
        crowd = min(max(self._inside[place.model] / max(prospect.slots, 1) - 2, 0.0), 1.0)
        turn = prospect.turn_ms / 1000
        return crowd * turn + min(self._caution[place.model] * turn, self._backlog.total)
