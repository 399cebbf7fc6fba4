"""What a request's way to a worker and back costs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf
from time import process_time

from service.scheduler.costs import Duration, Window, exactly

SEED_S = 0.002
ANSWER_SEED_S = 0.0005
_ANSWERS = 32  # between two looks at the processor time
_BUSY_S = 1.0  # in which so many answers make the process a busy one
_MOST_S = 0.002
_OBSERVATIONS = 256
_OLD_S = 5.0
_TIDY_S = 1.0
_ASSUMED = 48  # what is assumed weighs as much as so many observations


class SendReserve:
    """The time that requests spend outside the worker: on the way there, from its result until the last byte is handed
    to the transport, and then on the network, which this process cannot see.

    It begins with assumptions, which leave as more is known: a single slow request does not yet make the reserve. How
    long the way is depends on how busy this process is, so what is seconds old is forgotten, and assumptions come back.

    Args:
        network_s: what is kept back for the network and the client.
        seed_s: what a way is assumed to cost while nothing is known of it.
    """

    def __init__(self, network_s: float = 0.0, seed_s: float = SEED_S) -> None:
        self._network = exactly(network_s)
        self._seed_s = seed_s
        self._recent: deque[tuple[float, float]] = deque(maxlen=_OBSERVATIONS)
        self._window = self._assumed()
        self._duration: Duration | None = None  # until it is asked for
        self._tidied = -inf

    @property
    def duration(self) -> Duration:
        """What the way takes; its high quantile is what to keep back for a request that sets out now."""
        if self._duration is None:
            self._duration = self._window.duration.then(self._network)
        return self._duration

    def observe(self, now: float, seconds: float) -> None:
        """Learn what one request's way cost."""
        if now - self._tidied > _TIDY_S:
            self._tidied = now
            self.forget_old(now)
        self._duration = None
        self._recent.append((now, seconds))
        self._window.observe(max(seconds, 0.0))

    def forget_old(self, now: float) -> None:
        """Believe only what is recent. To be called when requests are refused, too: they teach nothing new."""
        if not self._recent or self._recent[0][0] > now - _OLD_S:
            return
        self._duration = None
        recent, self._recent, self._window = self._recent, deque(maxlen=_OBSERVATIONS), self._assumed()
        for then, seconds in recent:
            if then > now - _OLD_S:
                self.observe(then, seconds)

    def _assumed(self) -> Window:
        window = Window(_OBSERVATIONS)
        for _ in range(_ASSUMED):
            window.observe(self._seed_s)
        return window


class AnswerCost:
    """What an answer takes of this process: reading its request, writing it, and all between.

    Learnt while the process is busy; while it is not, what it does beside answering would be counted as well.

    Args:
        cpu: seconds of processor time that this process has had.
    """

    def __init__(self, cpu: Callable[[], float] = process_time) -> None:
        self.seconds = ANSWER_SEED_S
        self._cpu = cpu
        self._answers = 0
        self._since, self._spent = -inf, 0.0

    def count(self, now: float) -> None:
        """One more answer was written."""
        self._answers += 1
        if self._answers < _ANSWERS:
            return
        spent = self._cpu()
        if now - self._since < _BUSY_S:
            self.seconds += (min((spent - self._spent) / _ANSWERS, _MOST_S) - self.seconds) / 4
        self._answers, self._since, self._spent = 0, now, spent
