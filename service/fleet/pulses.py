"""Which replicas can be heard.

A process that dies closes its connections, and whoever waits for it is told. One that hangs, or whose machine is cut
off, says nothing, and neither does the network for many seconds. So a front listens to the pulse of every replica that
has requests of its.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing

from service.clock import Clock
from service.fleet.replica import PULSE_S

SILENT_S = 10 * PULSE_S
_REMEMBERED_S = 60.0
_PATIENCE_S = 30.0
_logger = logging.getLogger(__name__)


class Pulses:
    """Listens to replicas for as long as somebody waits for them.

    Args:
        listen: opens the pulse of a replica; it ends after some seconds by itself, and raises if the replica is lost.
        wanted: whether anybody waits for a replica.
    """

    def __init__(
        self, listen: Callable[[str], AsyncGenerator[bytes, None]], wanted: Callable[[str], bool], clock: Clock
    ) -> None:
        self._listen = listen
        self._wanted = wanted
        self._clock = clock
        self._heard: dict[str, float] = {}
        self._met: dict[str, float] = {}
        self._listening: dict[str, asyncio.Task[None]] = {}

    def follow(self, replica: str) -> None:
        """Somebody waits for it, and has just heard of it."""
        self._heard[replica] = self._clock.now()
        self.met(replica)
        if replica not in self._listening:
            self._listening[replica] = asyncio.create_task(self._follow(replica))

    def met(self, replica: str) -> None:
        """It has said something."""
        self._met[replica] = self._clock.now()

    def others(self, avoid: Collection[str]) -> bool:
        """Whether there probably is a replica that is not to be avoided: one that was met within the last minute."""
        now = self._clock.now()
        self._met = {replica: then for replica, then in self._met.items() if now - then < _REMEMBERED_S}
        return any(replica not in avoid for replica in self._met)

    def silent(self) -> list[str]:
        """Those that should have been heard, and were not."""
        now = self._clock.now()
        return [replica for replica in self._listening if now - self._heard[replica] > SILENT_S]

    async def close(self) -> None:
        """Listen to nobody."""
        tasks = list(self._listening.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, replica: str) -> None:
        try:
            while self._wanted(replica):
                async with asyncio.timeout(_PATIENCE_S) as patience, aclosing(self._listen(replica)) as said:
                    async for _ in said:
                        self._heard[replica] = self._clock.now()
                        patience.reschedule(asyncio.get_running_loop().time() + _PATIENCE_S)
        except Exception as error:  # whoever waits for an answer of it is told by whatever carries that
            _logger.info("replica %s is not heard any more: %r", replica, error)
        finally:
            del self._listening[replica], self._heard[replica]
