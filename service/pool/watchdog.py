"""Notices a worker that says nothing while it has requests, so that nobody has to wait for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from service.clock import Clock
from service.pool.outlook import full_turn_s
from service.pool.supervisor import Supervisor

_logger = logging.getLogger(__name__)

_TICK_S = 0.1
_SUSPECT_S = 0.3  # a worker that has something to do says how it is doing three times as often
_TURNS = 3.0
_HOPELESS_S = 5.0


class Watchdog:
    """Looks at every worker now and then.

    One that has been silent for longer than it ever needs is suspect: it gets no new requests while there is another,
    and those that it has are given up on. Once it is heard again it is as good as any. One that is silent for long is
    killed, and another is started in its place.

    Args:
        relieve: is called at every look while a worker is suspect, to take its requests off it.
    """

    def __init__(self, workers: Sequence[Supervisor], clock: Clock, relieve: Callable[[Supervisor], None]) -> None:
        self._workers = workers
        self._clock = clock
        self._relieve = relieve
        self._silent: set[int] = set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(_TICK_S)
            self.look()

    def look(self) -> None:
        """Judge every worker by how long it has been silent.

        A silence counts from the second look on: what the worker has said may be waiting here, if this process is the
        one that hung.
        """
        now = self._clock.now()
        before, self._silent = self._silent, set()
        for worker in self._workers:
            silence = worker.silence_s(now)
            if silence <= _SUSPECT_S + _TURNS * full_turn_s(worker):
                continue
            self._silent.add(id(worker))
            if id(worker) not in before:
                continue
            if not worker.suspect:
                _logger.warning("worker %d has said nothing for %.1f s", worker.index, silence)
                worker.suspect = True
            self._relieve(worker)
            if silence > _HOPELESS_S:
                _logger.error("worker %d has said nothing for %.1f s and is killed", worker.index, silence)
                worker.kill()
