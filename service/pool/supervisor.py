"""One place for a worker: starts a process in it, and another when that one has gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from service.clock import Clock
from service.messages import FromWorker, Minimum, Ready, Stats, Submit, ToWorker
from service.outcomes import Loss
from service.pool.child import WorkerNotReady, WorkerStartError
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

    def process_lost(self, worker: Supervisor, why: Loss) -> None:
        """Its process has gone, or never became ready, though nobody wanted that."""

    def restarting(self, worker: Supervisor) -> None:
        """A process is started in place of one that has gone."""

    def received(self, worker: Supervisor, message: FromWorker) -> None:
        """It sent something."""


class Supervisor:
    """Keeps one worker running until it is closed.

    Attributes:
        index: number of the place; a worker that takes over from another has the same.
        tickets: the requests that it has, by id.
        minimums: per model, what the smallest answer takes; kept while the worker is away.
        slots: per model; kept likewise.
        failed: why bundles could not be loaded, by folder.
        suspect: whether it has said nothing for suspiciously long; see `Watchdog`.
        hung: whether its process is killed because of that.
        retiring: whether another has taken over: it gets nothing that the other can do, and is not started again.
        start_takes: seconds that a process took to become ready, with all the time it wanted; None if none has been.
        first: set once it is known what became of its first process: None if it was ready.

    Args:
        launch: starts a process, given how many there were before it, and whether the last had too little time aside.
        start_timeout: seconds that one may take to become ready.
    """

    def __init__(
        self,
        index: int,
        launch: Callable[[int, bool], Awaitable[WorkerProcess]],
        start_timeout: float,
        clock: Clock,
        owner: SupervisorOwner,
    ) -> None:
        self.index = index
        self.tickets: dict[str, Ticket] = {}
        self.minimums: dict[str, Minimum] = {}
        self.slots: dict[str, int] = {}
        self.failed: dict[str, str] = {}
        self.suspect = False
        self.hung = False
        self.retiring = False
        self.start_takes: float | None = None
        self.first: asyncio.Future[WorkerStartError | None] = asyncio.get_running_loop().create_future()
        self._launch = launch
        self._launches = 0
        self._hurry = False
        self._start_timeout = start_timeout
        self._clock = clock
        self._owner = owner
        self._process: WorkerProcess | None = None
        self._ready = False
        self._expected_since: float | None = None  # since when it owes us a sign of life
        self._ready_at: float | None = None
        self._closing = asyncio.Event()
        self._emptied = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    @property
    def ready(self) -> bool:
        """Whether it can be given requests."""
        return self._ready and not self._closing.is_set()

    @property
    def pid(self) -> int | None:
        """Of its process, if there is one."""
        return self._process.pid if self._process else None

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

    def release(self, ticket_id: str) -> None:
        """A request is with it no longer."""
        del self.tickets[ticket_id]
        if not self.tickets:
            self._emptied.set()

    async def retire(self) -> None:
        """Let it end what it has, get nothing more that another can do, and then end; returns when it has."""
        self.retiring = True
        while self.tickets:
            self._emptied.clear()
            await self._emptied.wait()
        await self.close()

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
            if self.retiring:
                return
            self._expect(backoff)
            if await self._closed_within(backoff):
                return
            backoff = min(2 * backoff, _LAST_BACKOFF_S)
            self._owner.restarting(self)

    async def _live(self) -> None:
        """One process, from launch to exit."""
        began = self._clock.now()
        try:
            self._launches += 1
            self._process = await self._launch(self._launches - 1, self._hurry)
            if not self._closing.is_set():
                ready = await self._process.ready(self._start_timeout)
                self._hurry = False
                if not self._process.aside:
                    self.start_takes = self._clock.now() - began
                self._up(ready)
                await self._process.serve(self._received)
        except WorkerStartError as error:
            self._failed(error)
        finally:
            if self._ready:
                self._down()
            if self._process:
                status = await self._process.end()
                if not self._closing.is_set():
                    _logger.error("worker %d (process %d) exited: %d", self.index, self._process.pid, status)
                self._process = None

    def _failed(self, error: WorkerStartError) -> None:
        aside = self._process is not None and self._process.aside
        self._hurry = aside and isinstance(error, WorkerNotReady)
        if self._hurry and self.first.done():
            _logger.warning("there is too little processor time to spare: %s", error)
            return
        if not self.first.done():
            self.first.set_result(error)
        elif not self._closing.is_set():
            _logger.error("worker %d cannot start: %s", self.index, error)
        if not self._closing.is_set():
            self._owner.process_lost(self, Loss.CANNOT_START)

    def _up(self, ready: Ready) -> None:
        self._ready = True
        self.slots, self.minimums, self.failed = ready.slots, ready.minimums, ready.failed
        _logger.info("worker %d is ready on %s", self.index, ready.device)
        self._owner.worker_up(self)
        if not self.first.done():
            self.first.set_result(None)

    def _expect(self, backoff: float) -> None:
        """Another process will be started after so many seconds; say when it should be ready."""
        if self.start_takes is not None:
            self._ready_at = self._clock.now() + backoff + self.start_takes

    def _down(self) -> None:
        self._ready = self.suspect = False
        if not self._closing.is_set():
            self._owner.process_lost(self, Loss.HUNG if self.hung else Loss.DIED)
        self.hung = False
        self._expect(_FIRST_BACKOFF_S)  # who comes before the process is quite gone should know, too
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
