"""How long requests to encode take, by what was seen lately."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Hashable

_MEMORY_S = 10.0
_MOST = 32


class Timings:
    """Remembers what each kind of request took for some seconds, and no longer.

    Requests are refused for what others took, and who is refused teaches nothing: a slow moment that was remembered
    until something better is seen would be remembered for good. A wrong guess costs little here, since nobody is
    answered late for it: at its deadline a request is refused at the latest.
    """

    def __init__(self) -> None:
        self._seen: defaultdict[Hashable, deque[tuple[float, float]]] = defaultdict(lambda: deque(maxlen=_MOST))

    def observe(self, kind: Hashable, now: float, seconds: float) -> None:
        """A request of a kind has taken so long."""
        self._seen[kind].append((now, seconds))

    def expected(self, kind: Hashable, now: float) -> float:
        """Seconds that the next one is counted on to take: the most lately; 0 if nothing is known."""
        seen = self._seen[kind]
        while seen and now - seen[0][0] > _MEMORY_S:
            seen.popleft()
        return max((seconds for _, seconds in seen), default=0.0)
