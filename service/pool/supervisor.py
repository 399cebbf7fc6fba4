"""One place for a worker: starts a process in it, and another when that one has gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from service.clock import Clock
from service.messages import FromWorker, Minimum, Ready, Stats, Submit, ToWorker
from service.pool.child import WorkerStartError
from service.pool.process import WorkerProcess
from service.pool.ticket import Ticket

_logger = logging.getLogger(__name__)

_FIRST_BACKOFF_S = 0.1
_LAST_BACKOFF_S = 5.0
_STEADY_S = 30.0


class SupervisorOwner(Protocol):
    """Who is told what becomes of a worker."""

    def worker_up(self, worker: Supervisor) -> None:
        """It is ready."""

    def worker_down(self, worker: Supervisor) -> None:
        """It was ready and its process has exited; its tickets are still in `worker.tickets`."""

    def worker_failed(self, worker: Supervisor, error: WorkerStartError) -> None:
        """It did not become ready."""

    def restarting(self, worker: Supervisor) -> None:
        """A process is started in place of one that has gone."""

    def received(self, worker: Supervisor, message: FromWorker) -> None:
        """It sent something."""


class Supervisor:
    """Keeps one worker running until it is closed.

    Attributes:
        index: number of the worker.
        tickets: the requests that it has, by id.
        minimums: per model, what the smallest answer takes; kept while the worker is away.
        slots: per model; kept likewise.
        suspect: whether it has said nothing for suspiciously long; see `Watchdog`.

    Args:
        launch: starts a process.
        start_timeout: seconds that one may take to become ready.
    """

    def __init__(
        self,
        index: int,
        launch: Callable[[int], Awaitable[WorkerProcess]],
        start_timeout: float,
        clock: Clock,
        owner: SupervisorOwner,
    ) -> None:
        self.index = index
        self.tickets: dict[str, Ticket] = {}
        self.minimums: dict[str, Minimum] = {}
        self.slots: dict[str, int] = {}
        self.suspect = False
        self._launch = launch
        self._start_timeout = start_timeout
        self._clock = clock
        self._owner = owner
        self._process: WorkerProcess | None = None
        self._ready = False
        self._expected_since: float | None = None  # since when it owes us a sign of life
        self._start_takes: float | None = None
        self._ready_at: float | None = None
        self._closing = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    @property
    def ready(self) -> bool:
        """Whether it takes requests."""
        return self._ready

    @property
    def load(self) -> int:
        """Samples that it has."""
        return sum(ticket.generation.n for ticket in self.tickets.values())

    def ready_in(self) -> float | None:
        """Seconds until it is expected to be ready, judged by its last start; None if it has never been."""
        if self._ready:
            return 0.0
        return None if self._ready_at is None else max(self._ready_at - self._clock.now(), 0.0)

    def silence_s(self, now: float) -> float:
        """For how long it has said nothing, although it has requests."""
        return 0.0 if self._expected_since is None else now - self._expected_since

    def send(self, message: ToWorker) -> None:
        """Hand it a message; only while it is ready."""
        if self._process:
            self._process.send(message)
            if isinstance(message, Submit) and self._expected_since is None:
                self._expected_since = self._clock.now()

    def kill(self) -> None:
        """End its process at once; another will be started."""
        if self._process:
            self._process.kill()

    async def close(self) -> None:
        """End its process, and start no other."""
        self._closing.set()
        if self._process:
            await self._process.terminate()
        await self._task

    async def _run(self) -> None:
        backoff = _FIRST_BACKOFF_S
        while not self._closing.is_set():
            began = self._clock.now()
            await self._live()
            if self._clock.now() - began >= _STEADY_S:
                backoff = _FIRST_BACKOFF_S
            if self._start_takes is not None:
                self._ready_at = self._clock.now() + backoff + self._start_takes
            if await self._closed_within(backoff):
                return
            backoff = min(2 * backoff, _LAST_BACKOFF_S)
            self._owner.restarting(self)

    async def _live(self) -> None:
        """One process, from launch to exit."""
        began = self._clock.now()
        try:
            self._process = await self._launch(self.index)
            if not self._closing.is_set():
                ready = await self._process.ready(self._start_timeout)
                self._start_takes = self._clock.now() - began
                self._up(ready)
                await self._process.serve(self._received)
        except WorkerStartError as error:
            if not self._closing.is_set():
                self._owner.worker_failed(self, error)
        finally:
            if self._ready:
                self._down()
            if self._process:
                status = await self._process.end()
                if not self._closing.is_set():
                    _logger.error("worker %d (process %d) exited: %d", self.index, self._process.pid, status)
                self._process = None

    def _up(self, ready: Ready) -> None:
        self._ready = True
        self.slots, self.minimums = ready.slots, ready.minimums
        _logger.info("worker %d is ready on %s", self.index, ready.device)
        self._owner.worker_up(self)

    def _down(self) -> None:
        self._ready = self.suspect = False
        self._expected_since = None
        self._owner.worker_down(self)

    def _received(self, message: FromWorker) -> None:
        if isinstance(message, Stats):
            self.minimums = message.minimums
        self.suspect = False
        self._owner.received(self, message)
        self._expected_since = self._clock.now() if self.tickets else None

    async def _closed_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return False
        return True
