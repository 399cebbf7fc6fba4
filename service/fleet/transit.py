"""How long what comes from another machine was on its way."""

from __future__ import annotations

from collections import OrderedDict
from math import inf

_HALF_S = 5.0
_MOST_CLOCKS = 4096


class _Quickest:
    """The least of what was seen in the last five to ten seconds."""

    def __init__(self) -> None:
        self._since = -inf
        self._before = self._now = inf

    def observe(self, now: float, difference: float) -> float:
        if now - self._since >= _HALF_S:
            recent = now - self._since < 2 * _HALF_S
            self._before, self._now, self._since = self._now if recent else inf, inf, now
        self._now = min(self._now, difference)
        return min(self._now, self._before)


class Transit:
    """Tells how much of a request's time is gone when it comes, without comparing clocks that cannot be compared.

    Where sender and receiver read the same clock, that is all of the way. Else the difference of the two clocks is
    unknown, and the same for every message: what can be measured is how much longer one was on its way than the
    quickest of the last seconds. That is what varies: waiting in a proxy, in a router, in a busy process. What even the
    quickest takes is the sender's to learn, from the time that passes until it has its answer. Clocks of machines drift
    apart by less than a tenth of a millisecond per second; so the quickest is forgotten after ten.

    Wall clocks are not looked at: they jump, and two machines may be a second apart without knowing.

    Args:
        clock: which one the receiver reads (`service.clock.clock_id`).
    """

    def __init__(self, clock: str) -> None:
        self._clock = clock
        self._quickest: OrderedDict[str, _Quickest] = OrderedDict()

    def spent_s(self, clock: str, sent_at: float, now: float) -> float:
        """Seconds of the way of a message that is known to be gone; never negative.

        Args:
            clock: by which `sent_at` is meant.
            now: by the receiver's.
        """
        difference = now - sent_at
        if clock == self._clock:
            return max(difference, 0.0)
        quickest = self._quickest.setdefault(clock, _Quickest())
        self._quickest.move_to_end(clock)
        if len(self._quickest) > _MOST_CLOCKS:
            self._quickest.popitem(last=False)
        return difference - quickest.observe(now, difference)
