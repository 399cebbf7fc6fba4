"""What a request's way to a worker and back costs."""

from __future__ import annotations

from collections import deque

SEED_S = 0.0015
_WINDOW = 256
_MEMORY_S = 30.0
_HIGH = 0.98
_ASSUMED = 48  # what is assumed weighs as much as so many observations


class SendReserve:
    """A high quantile of the time that requests spend outside the worker: on the way there, and from its result until
    the last byte is handed to the transport.

    Old observations expire, so that a reserve which has grown too large for what is asked does not stay so. While
    little is known, the seed stands for what is not: a single slow request then does not yet make the reserve.
    """

    def __init__(self) -> None:
        self._recent: deque[tuple[float, float]] = deque(maxlen=_WINDOW)
        self._seconds = SEED_S
        self._stale_at = float("inf")

    def observe(self, now: float, seconds: float) -> None:
        """Learn what one request's way cost."""
        self._recent.append((now, max(seconds, 0.0)))
        self._update(now)

    def seconds(self, now: float) -> float:
        """What to keep back for a request that sets out now."""
        if now >= self._stale_at:
            self._update(now)
        return self._seconds

    def _update(self, now: float) -> None:
        while self._recent and self._recent[0][0] <= now - _MEMORY_S:
            self._recent.popleft()
        self._stale_at = self._recent[0][0] + _MEMORY_S if self._recent else float("inf")
        assumed = [SEED_S] * max(_ASSUMED - len(self._recent), 1)
        ordered = sorted([*assumed, *(seconds for _, seconds in self._recent)])
        self._seconds = ordered[int(_HIGH * (len(ordered) - 1))]
