"""Where a worker's time has gone."""

from __future__ import annotations

from service.clock import Clock


class Stopwatch:
    """Divides time into laps, with nothing between them: where one ends the next begins.

    So what is done around an operation, to read requests or to decide, is part of what it costs, as it has to be done
    again for the next one.

    Attributes:
        since: when the present lap began.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.since = clock.now()

    def lap(self) -> float:
        """End the present lap; returns its seconds."""
        now = self._clock.now()
        took, self.since = now - self.since, now
        return took
