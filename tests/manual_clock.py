"""Time that only a test moves."""

from __future__ import annotations


class ManualClock:
    """A clock moved by hand, which knows how often it was looked at."""

    def __init__(self, seconds: float = 1000.0) -> None:
        self.seconds = seconds
        self.reads = 0

    def now(self) -> float:
        self.reads += 1
        return self.seconds

    def spend(self, seconds: float) -> None:
        self.seconds += seconds
