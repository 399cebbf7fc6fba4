"""Sends what has ended, many requests at a time, from a thread: whoever offers one never waits."""

from __future__ import annotations

import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence

from service.telemetry.tracer import Ended

LIMIT = 2048
BATCH = 64
EVERY_S = 1.0
RESULTS = ("exported", "failed", "dropped")
# What the event loop may wait for this thread to let go of the interpreter. At Python's usual five milliseconds, spans
# that are being written would make answers late.
_SWITCH_S = 0.0005
_logger = logging.getLogger(__name__)

Send = Callable[[Sequence[Ended]], bool]
"""Send the spans of these requests, and say whether they arrived; it may take its time."""


class BatchExporter:
    """Implements `Exporter` by a queue that holds so many requests and no more.

    Args:
        send: called in a thread.
        count: told which of RESULTS became of how many requests; `dropped` are those that found the queue full.
        every_s: how long one waits at most until it is sent.
    """

    def __init__(self, send: Send, count: Callable[[str, int], None], every_s: float = EVERY_S) -> None:
        self._send = send
        self._count = count
        self._every_s = every_s
        self._queue: deque[Ended] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._arrived = True
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._switched_s = sys.getswitchinterval()

    def start(self) -> None:
        """Begin to send."""
        sys.setswitchinterval(min(_SWITCH_S, self._switched_s))
        self._thread.start()

    def offer(self, ended: Ended) -> None:
        """Take a request, or drop it if those before it cannot be sent as fast as they come."""
        if len(self._queue) >= LIMIT:
            self._count("dropped", 1)
            return
        self._queue.append(ended)
        if len(self._queue) >= BATCH:
            self._wake.set()

    def close(self, timeout_s: float) -> None:
        """Send what there is, for so long at most; what is left then is lost."""
        self._closing = True
        self._wake.set()
        self._thread.join(timeout_s)
        sys.setswitchinterval(self._switched_s)

    def _run(self) -> None:
        while not self._closing or self._queue:
            if not self._closing and len(self._queue) < BATCH:
                self._wake.wait(self._every_s)
            self._wake.clear()
            if batch := [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]:
                self._report(self._arrives(batch), len(batch))

    def _arrives(self, batch: Sequence[Ended]) -> bool:
        try:
            return self._send(batch)
        except Exception:
            _logger.exception("%d requests could not be made spans of", len(batch))
            return False

    def _report(self, arrived: bool, requests: int) -> None:
        self._count("exported" if arrived else "failed", requests)
        if arrived != self._arrived:  # once, and not for every batch for as long as it lasts
            self._arrived = arrived
            _logger.log(*((logging.INFO, "spans arrive again") if arrived else (logging.WARNING, "spans are lost")))
