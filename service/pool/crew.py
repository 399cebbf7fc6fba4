"""The workers: started together, and replaced one after another when they should have other models.

A worker never loads a model while it serves: that would take its time from those who wait for it. Instead another
process is started beside it, which loads and measures in what processor time is left, and takes over once it is ready.
Then the old one gets nothing more, ends what it has, and goes. So there is never more than one process more than there
are workers. What takes the place of a worker that has died is started in the same way while others serve. Only if too
little time is left within the start timeout, another is started like any worker.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any, Protocol

from service.clock import Clock
from service.messages import FromWorker
from service.outcomes import Loss
from service.pool.child import WorkerDied, WorkerNotReady, WorkerStartError
from service.pool.launcher import Launcher
from service.pool.process import WorkerProcess
from service.pool.publication import publish
from service.pool.supervisor import Supervisor
from service.pool.watchdog import Watchdog
from service.registry import Registry
from service.registry.folder import within
from service.registry.watcher import Watcher
from service.settings import Settings

_logger = logging.getLogger(__name__)

_AGAIN_S = 5.0


class CrewOwner(Protocol):
    """Who has the requests."""

    def worker_ready(self, worker: Supervisor) -> None:
        """It takes requests from now on."""

    def worker_lost(self, worker: Supervisor) -> None:
        """Its process has exited; its tickets are still in `worker.tickets`."""

    def relieve(self, worker: Supervisor) -> None:
        """It says nothing; see `Watchdog`."""

    def received(self, worker: Supervisor, message: FromWorker) -> None:
        """It sent something."""


class CrewObserver(Protocol):
    """Who keeps the numbers."""

    def worker_up(self, worker: int, up: bool) -> None:
        """A worker became ready, or is no longer."""

    def worker_restarted(self, worker: int) -> None:
        """A worker that had gone is started again."""

    def worker_failed(self, worker: int, why: Loss) -> None:
        """A worker's process has gone, or could not start."""

    def worker_replaced(self, worker: int, done: bool) -> None:
        """Another was started to take over; done if it has, else it was given up."""


class Crew:
    """Sees to it that every worker has what the registry wants.

    Args:
        settings: bundles, workers, timeouts, and what a worker is started with.
        registry: of the models; told what was loaded, and what not.

    Attributes:
        workers: those that take requests, and those that are retiring.
    """

    def __init__(
        self, settings: Settings, registry: Registry, clock: Clock, owner: CrewOwner, observer: CrewObserver
    ) -> None:
        self.workers: list[Supervisor] = []
        self._settings = settings
        self._registry = registry
        self._clock = clock
        self._owner = owner
        self._observer = observer
        self._launcher = Launcher(settings, lambda: registry.wanted().values())
        self._watcher = Watcher(registry, settings.watch, self._changed)
        self._candidate: Supervisor | None = None
        self._hurry = False  # whether there was not enough time to spare
        self._news = asyncio.Event()
        self._told: str | None = None  # why none was replaced
        self._doubted: Collection[Path] = ()  # what was new in a candidate that died
        self._tasks: list[asyncio.Task[None]] = []
        self._unhalted: list[asyncio.Task[None]] = []

    @property
    def active(self) -> list[Supervisor]:
        """Those that take requests, or will when they are ready."""
        return [worker for worker in self.workers if not worker.retiring]

    async def start(self) -> None:
        """Start the workers; returns once one is ready, and keeps them up from then on.

        Raises:
            BundleError: there is no bundle, one cannot be read, or two are the same.
            WorkerStartError: a worker cannot start, before any was ready.
        """
        self._registry.open()
        self.workers += [self._recruit(index, strict=True) for index in range(self._settings.workers)]
        await asyncio.wait([worker.first for worker in self.workers], return_when=asyncio.FIRST_COMPLETED)
        if error := next((worker.first.result() for worker in self.workers if worker.first.done()), None):
            raise error
        if not self._registry.catalogue:
            raise WorkerStartError(f"the bundles in {self._settings.bundles} changed while they were loaded")
        for worker in self.workers:
            worker.first.add_done_callback(_tell_failure)
        longest = self._settings.max_deadline_ms / 1000
        watchdog = Watchdog(self.workers, self._clock, self._owner.relieve, longest)
        self._tasks = [asyncio.create_task(each) for each in (watchdog.run(), self._watcher.run(), self._keep_up())]
        for task in self._tasks:
            task.add_done_callback(_tell_failure)
        self._unhalted = [*self._tasks]
        if self._registry.unseen:
            self._watcher.look_now()

    def rescan(self) -> None:
        """Look at the bundles now, and try again what has failed."""
        self._watcher.look_now()

    def halt(self) -> None:
        """Replace nothing any more; a process that is only loading is ended."""
        # Only once, since a second time would keep them from tidying up. They cannot be asked whether they were: a task
        # whose own timeout has just expired says so, too.
        ending, self._unhalted = self._unhalted, []
        for task in ending:
            task.cancel()

    async def close(self) -> None:
        """End every process."""
        self.halt()
        await asyncio.gather(*(worker.close() for worker in self.workers), *self._tasks, return_exceptions=True)
        self.workers.clear()

    # What supervisors tell.

    def worker_up(self, worker: Supervisor) -> None:
        """A worker is ready. One that is to take over does so only after another look at it."""
        if worker is self._candidate:
            return
        self._observer.worker_up(worker.index, True)
        self._owner.worker_ready(worker)
        self._report(worker)
        self._changed()

    def worker_down(self, worker: Supervisor) -> None:
        """A worker's process has exited."""
        if worker is self._candidate:
            return
        if not worker.retiring:
            self._observer.worker_up(worker.index, False)
        self._owner.worker_lost(worker)
        self._publish()

    def process_lost(self, worker: Supervisor, why: Loss) -> None:
        """Its process has gone, or never became ready. What becomes of a candidate is told as a replacement."""
        if worker is not self._candidate:
            self._observer.worker_failed(worker.index, why)

    def restarting(self, worker: Supervisor) -> None:
        """A worker that had gone is started again."""
        if worker is not self._candidate:
            self._observer.worker_restarted(worker.index)

    def received(self, worker: Supervisor, message: FromWorker) -> None:
        """It sent something."""
        if worker is not self._candidate:
            self._owner.received(worker, message)

    def _recruit(self, index: int, *, strict: bool = False, aside: bool = False) -> Supervisor:
        """A supervisor whose first process is started so, and later ones with what they can: aside while others serve,
        who have that one's requests to answer, too; else as quickly as they can.
        """

        async def launch(before: int, hurry: bool) -> WorkerProcess:
            spare = any(worker.ready for worker in self.active) and not hurry if before else aside
            return await self._launcher.launch(index, strict=strict and not before, aside=spare)

        return Supervisor(index, launch, self._settings.start_timeout, self._clock, self)

    def _changed(self) -> None:
        """Something is wanted, or there, that was not."""
        self._publish()
        self._news.set()

    def _publish(self) -> None:
        """Let clients have what enough workers have."""
        if not self._blocked():
            publish(self._registry, [worker.slots.keys() for worker in self.active if worker.ready])

    def _outdated(self) -> Supervisor | None:
        """A worker that should have other models than it has; None if there is none, or none may be replaced."""
        wanted = self._registry.wanted().keys()
        if not wanted or self._blocked():
            return None
        return next((worker for worker in self.active if worker.ready and worker.slots.keys() != wanted), None)

    def _blocked(self) -> bool:
        """Whether no worker may be replaced now; the log says why, once."""
        told, self._told = self._told, self._registry.blocked()
        if self._told and self._told != told:
            _logger.warning("no worker is replaced: %s", self._told)
        return self._told is not None

    async def _keep_up(self) -> None:
        """Replace workers until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            while worker := self._outdated():
                if not await self._replace(worker):
                    await self._rest()

    async def _replace(self, old: Supervisor) -> bool:
        """Start another worker in the place of one; False if nothing has come of it, so that there is no hurry."""
        wanted = self._registry.wanted()
        _logger.info("worker %d is to be replaced by one with %s", old.index, ", ".join(map(_reference, wanted)))
        self._candidate = candidate = self._recruit(old.index, aside=not self._hurry)
        try:
            if not await self._first(candidate, wanted):
                return True
            done = self._judge(candidate, wanted) and not _alike(candidate, old)
            self._observer.worker_replaced(old.index, done)
            if done:
                self._take_over(candidate, old)
        finally:
            self._candidate = None
            if candidate not in self.workers:
                await candidate.close()
        if done:
            await old.retire()
            self.workers.remove(old)
        return done

    async def _first(self, candidate: Supervisor, wanted: dict[str, Path]) -> bool:
        """Wait until a candidate is ready or has failed; False if something else is wanted meanwhile."""
        candidate.first.add_done_callback(lambda _: self._news.set())
        while not candidate.first.done():
            self._news.clear()
            await self._news.wait()
            if self._registry.wanted() != wanted:
                return False
        return True

    def _judge(self, candidate: Supervisor, wanted: dict[str, Path]) -> bool:
        """Whether a candidate has what is wanted; what it could not load is reported."""
        error = candidate.first.result()
        self._hurry = isinstance(error, WorkerNotReady) and not self._hurry
        if self._hurry:
            _logger.warning("there is too little processor time to spare: %s", error)
        elif error:
            self._blame(error, wanted)
        if error:
            return False
        self._report(candidate)
        return candidate.ready and candidate.slots.keys() == self._registry.wanted().keys() and not self._blocked()

    def _blame(self, error: WorkerStartError, wanted: dict[str, Path]) -> None:
        """A candidate has failed as a whole. Any of the models that no worker has may be why, if they fail twice: a
        process can die of something else, and a machine be short of time.
        """
        known = {identity for worker in self.workers for identity in worker.slots}
        new = {path: str(error) for identity, path in wanted.items() if identity not in known}
        doubted, self._doubted = self._doubted, new.keys()
        if new and isinstance(error, WorkerDied | WorkerNotReady) and new.keys() != doubted:
            _logger.warning("what was to take over is tried once more: %s", error)
        elif new:
            self._registry.failed(new)
        else:
            _logger.error("no worker could be started in the place of another: %s", error)

    def _report(self, worker: Supervisor) -> None:
        if worker.failed:
            self._registry.failed({Path(folder): within(Path(folder), why) for folder, why in worker.failed.items()})

    def _take_over(self, candidate: Supervisor, old: Supervisor) -> None:
        """All at once: from now on requests go to the new worker."""
        self._candidate = None
        self.workers[self.workers.index(old)] = candidate
        self.workers.append(old)
        old.retiring = True
        candidate.start_takes = old.start_takes  # its own start was none like those to come
        self.worker_up(candidate)

    async def _rest(self) -> None:
        """Wait a little, or until there is news."""
        try:
            async with asyncio.timeout(_AGAIN_S):
                await self._news.wait()
        except TimeoutError:
            pass


def _tell_failure(ended: asyncio.Future[Any]) -> None:
    """What nobody waits for has failed."""
    if ended.cancelled():
        return
    if raised := ended.exception():
        _logger.critical("what looks after the workers has failed", exc_info=raised)
    elif error := ended.result():
        _logger.error("a worker cannot start: %s", error)


def _alike(candidate: Supervisor, old: Supervisor) -> bool:
    """Whether nothing would be won: what is new could not be loaded, or the old one has died and come back with it."""
    return old.ready and candidate.slots.keys() == old.slots.keys()


def _reference(identity: str) -> str:
    return identity.partition("#")[0]
