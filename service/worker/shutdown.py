"""When a worker ends: on SIGTERM, after answering what it has."""

from __future__ import annotations

import signal
import socket
from types import FrameType


class Shutdown:
    """Turns signals into something that the loop can look at and be woken by.

    SIGINT is ignored: a terminal sends it to every process of its group, and the parent will drain this one. SIGTERM
    ends a process that has not begun to serve at once.
    """

    def __init__(self) -> None:
        self.requested = False
        self._reader, self._writer = socket.socketpair()
        for end in (self._reader, self._writer):
            end.setblocking(False)

    @property
    def wake(self) -> int:
        """A file descriptor that becomes readable with the first signal."""
        return self._reader.fileno()

    @staticmethod
    def ignore_interrupts() -> None:
        """Leave SIGINT to the parent from now on. Only in the main thread."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def install(self) -> None:
        """Answer first on SIGTERM, from now on. Only in the main thread."""
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._request)

    def _request(self, _signal: int, _frame: FrameType | None) -> None:
        self.requested = True
