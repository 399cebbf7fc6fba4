"""An event loop that wakes to the microsecond, and how late its timers are."""

from __future__ import annotations

import asyncio
import select
import selectors
import sys

if sys.platform == "linux":

    class PreciseSelector(selectors.EpollSelector):
        """epoll counts time-outs in whole milliseconds, rounded up, which at short deadlines would blur every number.

        select counts microseconds, and can wait for epoll itself to have something.
        """

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            """As every selector's."""
            if timeout is not None and timeout > 0:
                select.select([self.fileno()], [], [], timeout)
                timeout = 0
            return super().select(timeout)

else:
    PreciseSelector = selectors.DefaultSelector


def precise_loop() -> asyncio.AbstractEventLoop:
    """An event loop whose timers are not rounded to milliseconds."""
    return asyncio.SelectorEventLoop(PreciseSelector())


class Ticker:
    """A plain timer that is due every `period` seconds, and how late it was each time.

    It runs beside the requests, in their event loop. What it is late is the machine's noise and the generator's own:
    no answer can be timed better than that.

    Attributes:
        overshoots: seconds. A tick that was held up holds up none behind it: each is measured from when it was due.
    """

    def __init__(self, period: float = 0.005) -> None:
        self.overshoots: list[float] = []
        self._period = period
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() + period
        self._timer = self._loop.call_at(self._due, self._tick)

    def stop(self) -> None:
        """No more ticks."""
        self._timer.cancel()

    def _tick(self) -> None:
        self.overshoots.append(self._loop.time() - self._due)
        self._due += self._period
        self._timer = self._loop.call_at(self._due, self._tick)
