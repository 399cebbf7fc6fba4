"""Notices a worker that says nothing while it has requests, so that nobody has to wait for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from service.clock import Clock
from service.pool.outlook import full_turn_s
from service.pool.supervisor import Supervisor
from service.pool.vitals import Vitals, look_at

_logger = logging.getLogger(__name__)

_TICK_S = 0.1
_SUSPECT_S = 0.3  # a worker that has something to do says how it is doing three times as often
_TURNS = 3.0
_LISTEN_S = 0.15
_STILL_LOOKS = 5  # half a second
_HOPELESS_S = 5.0
_HOPELESS_LOOKS = 50


@dataclass
class _Silence:
    """Of one worker, since the look at which it was first noticed.

    Attributes:
        vitals: at the last look.
        still: looks in a row at which it had not done anything since the look before.
        long: looks in a row at which it had been silent for longer than it ever needs.
    """

    vitals: Vitals | None = None
    still: int = 0
    long: int = 0


class Watchdog:
    """Looks at every worker now and then.

    One that has been silent for longer than it ever needs is suspect: it gets no new requests while there is another,
    and those that it has are given up on. Once it is heard again it is as good as any. One that is silent for long is
    killed, and another is started in its place.

    How long it ever needs is learnt, and on a machine that is short of processor time it may come to be a minute. What
    tells a slow worker from one that has stopped is that the slow one computes, or would if it were let: one that has
    requests has no reason to sleep. So a worker that stands still is suspect within a second and killed after five,
    whatever it was seen to need; one that works has the patience that was learnt, up to `longest`.

    Args:
        relieve: is called at every look while a worker is suspect, to take its requests off it.
        longest: seconds of silence after which also one that works is killed: those of the longest deadline, since who
            needs longer for one turn can serve nobody.
        look_at: tells whether a process works.
    """

    def __init__(
        self,
        workers: Sequence[Supervisor],
        clock: Clock,
        relieve: Callable[[Supervisor], None],
        longest: float,
        look_at: Callable[[int], Vitals | None] = look_at,
    ) -> None:
        self._workers = workers
        self._clock = clock
        self._relieve = relieve
        self._longest = longest
        self._look_at = look_at
        self._silences: dict[int, _Silence] = {}  # by the worker's id()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(_TICK_S)
            self.look()

    def look(self) -> None:
        """Judge every worker by how long it has been silent, and whether it works.

        A silence counts from the second look on, and standing still is counted in looks: what the worker has said may
        be waiting here, if this process is the one that hung.
        """
        now = self._clock.now()
        before, self._silences = self._silences, {}
        for worker in self._workers:
            silence_s = worker.silence_s(now)
            if silence_s > _LISTEN_S:
                silence = self._silences[id(worker)] = before.get(id(worker)) or _Silence()
                self._judge(worker, silence_s, silence)

    def _judge(self, worker: Supervisor, silence_s: float, silence: _Silence) -> None:
        patience = min(_SUSPECT_S + _TURNS * full_turn_s(worker), self._longest)
        silence.still = silence.still + 1 if self._stands_still(worker, silence) else 0
        silence.long = silence.long + 1 if silence_s > patience else 0
        if silence.long < 2 and silence.still < _STILL_LOOKS:
            return
        if not worker.suspect:
            _logger.warning("worker %d has said nothing for %.1f s", worker.index, silence_s)
            worker.suspect = True
        self._relieve(worker)
        hopeless = silence_s > max(_HOPELESS_S, patience)
        if hopeless or silence.still >= _HOPELESS_LOOKS:
            how = "stands still" if silence.still >= _STILL_LOOKS else "does not come to an end"
            _logger.error("worker %d has said nothing for %.1f s, %s and is killed", worker.index, silence_s, how)
            worker.hung = True
            worker.kill()

    def _stands_still(self, worker: Supervisor, silence: _Silence) -> bool:
        """Whether it has had no processor time since the last look, and does not ask for any."""
        before, silence.vitals = silence.vitals, None if worker.pid is None else self._look_at(worker.pid)
        now = silence.vitals
        return now is not None and before is not None and not now.runnable and now.ticks == before.ticks
