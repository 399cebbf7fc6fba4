"""A pool whose worker processes are only pretended: a test says when each is ready, answers or dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar, cast

import pytest
from live_server import until
from real_pool import Observer

from models.bundle.reader import read_any_manifest
from service import messages
from service.pool import Generation, Pool, Ticket, WorkerStartError
from service.pool.process import WorkerProcess
from service.scheduler.costs import exactly
from service.settings import Settings

Message = TypeVar("Message", bound=messages.ToWorker)

_MINIMUM = messages.Minimum(exactly(0.001), exactly(0.001), 0.0, (0.0, 0.0), [])


class FakeProcess:
    """Has what a `WorkerProcess` has, and what decides over it."""

    def __init__(self, bundles: Iterable[Path], *, strict: bool, aside: bool) -> None:
        self.bundles = [path for path in bundles if path.exists()]
        self.models = [read_any_manifest(path).reference for path in self.bundles]
        self.strict = strict
        self.aside = aside
        self.pid = 0
        self.sent: list[messages.ToWorker] = []
        self.alive = True
        self._first: asyncio.Future[messages.Ready | WorkerStartError] = asyncio.get_running_loop().create_future()
        self._gone = asyncio.Event()
        self._handle: Callable[[messages.FromWorker], None]

    # What a test does.

    def become_ready(self, failed: dict[Path, str] | None = None) -> None:
        """Say that all bundles are loaded but those that failed."""
        failed = failed or {}
        names = [read_any_manifest(path).identity for path in self.bundles if path not in failed]
        slots, minimums = dict.fromkeys(names, 8), dict.fromkeys(names, _MINIMUM)
        self._first.set_result(messages.Ready("cpu", slots, minimums, {str(path): why for path, why in failed.items()}))

    def fail(self, error: WorkerStartError) -> None:
        """Do not become ready."""
        self._first.set_result(error)

    def got(self, kind: type[Message]) -> list[Message]:
        """Messages of one kind."""
        return [each for each in self.sent if isinstance(each, kind)]

    def answer(self, ticket: Ticket) -> None:
        """Send a result."""
        self._handle(messages.Result(ticket.id, [], messages.Timing(0, 0, 0, 0, 0)))

    def report(self, running: int, identity: str) -> None:
        """Send numbers."""
        steps = {identity: [messages.StepStat(1, 0.001)]}
        self._handle(messages.Stats(running, 0, steps, {identity: 0.001}, {identity: _MINIMUM}, 0.0, 0))

    # What a supervisor does.

    async def ready(self, _patience: float) -> messages.Ready:
        first = await self._first
        if isinstance(first, WorkerStartError):
            raise first
        return first

    async def serve(self, handle: Callable[[messages.FromWorker], None]) -> None:
        self._handle = handle
        await self._gone.wait()

    def send(self, message: messages.ToWorker) -> None:
        self.sent.append(message)

    def kill(self) -> None:
        self.alive = False
        self._gone.set()
        if not self._first.done():
            self.fail(WorkerStartError("killed"))

    async def terminate(self) -> None:
        self.kill()

    async def end(self) -> int:
        self.kill()
        return 0


class Stage:
    """A pool over such processes.

    Attributes:
        started: every process, in order.
    """

    def __init__(self, bundles: Path, workers: int) -> None:
        self.started: list[FakeProcess] = []
        self.observer = Observer()
        self.pool = Pool(Settings(bundles=bundles, watch=0, workers=workers), self.observer)
        self._tickets: list[Ticket] = []

    @property
    def alive(self) -> list[FakeProcess]:
        return [process for process in self.started if process.alive]

    @property
    def served(self) -> list[str]:
        return sorted(manifest.reference for manifest in self.pool.manifests.values())

    def state(self, model: str) -> str | None:
        """Of a bundle by `name@version`; None if there is none."""
        return next((each.state for each in self.pool.bundles if each.model == model), None)

    async def number(self, count: int) -> FakeProcess:
        """The latest process, once there have been so many."""
        await until(lambda: len(self.started) >= count)
        assert len(self.started) == count
        return self.started[-1]

    def submit(self, name: str, seconds: float = 60.0) -> Ticket:
        """A request for a model by any of its names."""
        manifest = self.pool.manifests.find(name)
        assert manifest is not None
        sampling = messages.Sampling(1, None, 1.0, 0, 1.0)
        asked = Generation(manifest.identity, 1, sampling, messages.Encoding("png"), 1, 6)
        self._tickets.append(self.pool.submit(asked, self.pool.clock.now() + seconds))
        return self._tickets[-1]

    async def close(self) -> None:
        """Forget what nobody will answer, and close the pool."""
        for ticket in self._tickets:
            ticket.cancel()
        await self.pool.close()


async def settled() -> None:
    """Every task has had its turns."""
    for _ in range(20):
        await asyncio.sleep(0)


@asynccontextmanager
async def stage(monkeypatch: pytest.MonkeyPatch, bundles: Path, workers: int = 1) -> AsyncIterator[Stage]:
    """A stage whose workers are ready; closed in the end, with nothing left alive."""
    started: list[FakeProcess] = []

    class FakeLauncher:
        def __init__(self, _settings: Settings, wanted: Callable[[], Iterable[Path]]) -> None:
            self._wanted = wanted

        async def launch(self, _index: int, *, strict: bool = False, aside: bool = False) -> WorkerProcess:
            started.append(FakeProcess(self._wanted(), strict=strict, aside=aside))
            return cast("WorkerProcess", started[-1])

    monkeypatch.setattr("service.pool.crew.Launcher", FakeLauncher)
    monkeypatch.setattr("service.registry.watcher._SETTLE_S", 0.0)
    built = Stage(bundles, workers)
    built.started = started
    starting = asyncio.create_task(built.pool.start())
    await until(lambda: len(started) == workers)
    for process in started:
        process.become_ready()
    await starting
    await settled()
    try:
        yield built
    finally:
        await built.close()
    assert built.alive == []
