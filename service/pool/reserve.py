"""What a request's way to a worker and back costs."""

from __future__ import annotations

from collections import deque

SEED_S = 0.002
_WINDOW = 256
_OLD_S = 30.0
_HIGH = 0.98
_ASSUMED = 48  # what is assumed weighs as much as so many observations


class SendReserve:
    """A high quantile of the time that requests spend outside the worker: on the way there, and from its result until
    the last byte is handed to the transport.

    While little is known, the seed stands for what is not: a single slow request then does not yet make the reserve.

    Attributes:
        seconds: what to keep back for a request that sets out now.
    """

    def __init__(self) -> None:
        self.seconds = SEED_S
        self._recent: deque[tuple[float, float]] = deque(maxlen=_WINDOW)

    def observe(self, now: float, seconds: float) -> None:
        """Learn what one request's way cost."""
        self._recent.append((now, max(seconds, 0.0)))
        self._update()

    def forget_old(self, now: float) -> None:
        """Believe only what is recent: a request was refused, and one that is refused teaches nothing new."""
        while self._recent and self._recent[0][0] <= now - _OLD_S:
            self._recent.popleft()
        self._update()

    def _update(self) -> None:
        assumed = [SEED_S] * max(_ASSUMED - len(self._recent), 1)
        ordered = sorted([*assumed, *(seconds for _, seconds in self._recent)])
        self.seconds = ordered[int(_HIGH * (len(ordered) - 1))]
