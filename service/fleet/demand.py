"""What requests ask of a replica, and what they get: by this, and not by their number, replicas are added."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

from service import messages
from service.outcomes import Loss
from service.pool import PoolObserver

_WINDOW_S = 10.0


class Load(NamedTuple):
    """How a replica fared over the last seconds.

    Attributes:
        requests: that ended, per second.
        shed: expected quality that a sample lacks on average, beside what its deadline would have bought it alone.
        asked: codes per second that they would have had alone.
        drawn: codes per second that they got.
        busy: share of the time that its workers were drawing codes.
    """

    requests: float = 0.0
    shed: float = 0.0
    asked: float = 0.0
    drawn: float = 0.0
    busy: float = 0.0


class _Ended(NamedTuple):
    at: float
    samples: int
    shed: float
    asked: int
    drawn: int


class Demand:
    """Remembers the requests of the last ten seconds."""

    def __init__(self) -> None:
        self._ended: deque[_Ended] = deque()

    def answered(self, now: float, curve: Sequence[float], alone: int, outputs: Sequence[messages.Output]) -> None:
        """A request has got these samples.

        Args:
            curve: expected quality after 0 .. K codes.
            alone: codes that each would have had if nobody else had been there.
        """
        codes = [len(output.codes) for output in outputs]
        shed = sum(max(curve[alone] - curve[each], 0.0) for each in codes)
        self._add(_Ended(now, len(codes), shed, sum(max(alone, each) for each in codes), sum(codes)))

    def refused(self, now: float, curve: Sequence[float], alone: int, samples: int) -> None:
        """A request got nothing; if it would not have either had it been alone, more replicas would be no help."""
        if alone:
            self._add(_Ended(now, samples, samples * curve[alone], samples * alone, 0))

    def load(self, now: float, busy: float) -> Load:
        """What there was of late."""
        self._forget(now)
        samples = sum(each.samples for each in self._ended)
        return Load(
            requests=len(self._ended) / _WINDOW_S,
            shed=sum(each.shed for each in self._ended) / max(samples, 1),
            asked=sum(each.asked for each in self._ended) / _WINDOW_S,
            drawn=sum(each.drawn for each in self._ended) / _WINDOW_S,
            busy=busy,
        )

    def _add(self, ended: _Ended) -> None:
        self._forget(ended.at)
        self._ended.append(ended)

    def _forget(self, now: float) -> None:
        while self._ended and self._ended[0].at < now - _WINDOW_S:
            self._ended.popleft()


class Busy:
    """Passes on what workers report to whoever keeps the numbers, and adds up how long they drew codes."""

    def __init__(self, observer: PoolObserver, workers: int) -> None:
        self._observer = observer
        self._workers = workers
        self._drawing: deque[tuple[float, float]] = deque()
        self._unread = 0.0

    def share(self, now: float) -> float:
        """Of the last ten seconds, at most 1. To be called more often than that."""
        self._drawing.append((now, self._unread))
        self._unread = 0.0
        while self._drawing[0][0] < now - _WINDOW_S:
            self._drawing.popleft()
        return min(sum(seconds for _, seconds in self._drawing) / (_WINDOW_S * self._workers), 1.0)

    def stats(self, worker: int, stats: messages.Stats, retiring: bool) -> None:
        """See `PoolObserver`."""
        self._unread += sum(step.seconds * step.times for steps in stats.steps.values() for step in steps)
        self._observer.stats(worker, stats, retiring)

    def worker_up(self, worker: int, up: bool) -> None:
        """See `PoolObserver`."""
        self._observer.worker_up(worker, up)

    def worker_restarted(self, worker: int) -> None:
        """See `PoolObserver`."""
        self._observer.worker_restarted(worker)

    def worker_failed(self, worker: int, why: Loss) -> None:
        """See `PoolObserver`."""
        self._observer.worker_failed(worker, why)

    def worker_replaced(self, worker: int, done: bool) -> None:
        """See `PoolObserver`."""
        self._observer.worker_replaced(worker, done)


def replicas_for(loads: Sequence[Load], current: int, target: float = 0.02, room: float = 0.6) -> int:
    """How many replicas there should be.

    More, when samples lack more expected quality than they may: as many as would draw what is asked for, but no more
    than twice as many at a time, since a larger share of small batches makes the estimate a rough one. Fewer, one at a
    time, when next to nothing is lacking and the others could draw all that this one does, and not be busy for it.

    Args:
        loads: of each replica that has said something.
        current: replicas that there are.
        target: expected quality, from 0 to 1, that a sample may lack on average.
        room: how busy the remaining ones may be, from 0 to 1.
    """
    if not loads or current < 1:
        return current
    requests = sum(load.requests for load in loads)
    shed = sum(load.shed * load.requests for load in loads) / requests if requests else 0.0
    if shed > target:
        asked, drawn = sum(load.asked for load in loads), sum(load.drawn for load in loads)
        pressure = min(asked / drawn, 2.0) if drawn else 2.0
        return max(ceil(current * pressure), current + 1)
    busy = sum(load.busy for load in loads) / len(loads)
    if current > 1 and shed < target / 4 and busy * current / (current - 1) < room:
        return current - 1
    return current
