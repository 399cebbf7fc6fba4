"""What is done to a running service at random times, and whom each fault touches."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
from bench.faults import throttle
from bench.mixed import Mixed
from bench.processes import metrics, workers
from bundle_folder import put, remove
from server_process import ServerProcess

NOTICE_S = 2.0
"""In which the service has to notice that a worker is stopped or slow."""

_SLOWNESS = 3
_STOPPED_S = (0.2, 8.0)
_SLOW_S = (1.0, 5.0)
_MOST_CUT = 5
_MOST_EXTRAS = 2
_PATIENCE_S = 120.0
_SETTLED_S, _LOOK_S = 3.0, 0.2


@dataclass(frozen=True, slots=True)
class Mark:
    """A fault that came true.

    Attributes:
        begin, end: seconds on the event loop's clock; whoever is under way at any moment between the two is touched.
            Of what touches nobody, `end` is before `begin`.
    """

    fault: str
    begin: float
    end: float


class Mischief:
    """Does one thing after another to a service, all decided by the seed but for what the service makes of it.

    Nothing is done to a worker unless the service says that as many are ready as it should have, and no other worker
    is being hurt: with every worker gone there is nobody to keep a promise. Everything else may come at any time.

    Args:
        server: has its bundle in the folder `server.bundles / name`.
        count: workers that it should have.

    Attributes:
        marks: what was done.
        skipped: what could not be, as no worker could be spared for long.
    """

    def __init__(self, server: ServerProcess, bundle: Path, traffic: Mixed, count: int, seed: str) -> None:
        self.marks: list[Mark] = []
        self.skipped: Counter[str] = Counter()
        self._server = server
        self._bundle = bundle
        self._traffic = traffic
        self._count = count
        self._draw = random.Random(seed)
        self._loop = asyncio.get_running_loop()
        self._hurting = asyncio.Lock()
        self._version = 1_000_000
        self._extras: list[Path] = []
        self.faults: dict[str, Callable[[], Awaitable[None]]] = {
            "worker killed": self._kill,
            "worker stopped": self._stop,
            "worker slowed": self._slow,
            "sockets cut": self._cut,
            "bundle upgraded": self._upgrade,
            "bundle added": self._add,
            "bundle removed": self._remove,
        }

    async def run(self, seconds: float, every: float) -> None:
        """Begin a fault every so many seconds on average; returns when the last is over."""
        end, kinds = self._loop.time() + seconds, list[str]()
        async with asyncio.TaskGroup() as tasks:
            while True:
                await asyncio.sleep(self._draw.expovariate(1 / every))
                if self._loop.time() >= end:
                    return
                if not kinds:  # each comes as often as the others, in any order
                    kinds = self._draw.sample(list(self.faults), len(self.faults))
                tasks.create_task(self._do(kinds.pop(), end))

    async def tidy(self) -> None:
        """Take away the bundles that were added, and wait until all is as it was, at most `_PATIENCE_S` seconds."""
        for place in self._extras:
            await asyncio.to_thread(remove, place)
        self._extras.clear()
        end, settled_s = self._loop.time() + _PATIENCE_S, 0.0
        while self._loop.time() < end and settled_s < _SETTLED_S:  # what lies there may only be seen a moment later
            await asyncio.sleep(_LOOK_S)
            settled_s = settled_s + _LOOK_S if await asyncio.to_thread(self._settled) else 0.0

    def _settled(self) -> bool:
        state = self._state()
        return state["ready"] == self._count == len(workers(self._server.process.pid)) and state["bundles"] == 1

    async def _do(self, name: str, end: float) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):  # the worker was replaced in this very moment
            if not name.startswith("worker"):
                await self.faults[name]()
                return
            async with self._hurting:
                while await asyncio.to_thread(self._ready) < self._count:
                    if self._loop.time() >= end:
                        self.skipped[name] += 1
                        return
                    await asyncio.sleep(0.1)
                if self._loop.time() < end:
                    await self.faults[name]()

    def _mark(self, fault: str, begin: float, end: float = -math.inf) -> None:
        self.marks.append(Mark(fault, begin, end))

    def _victim(self) -> psutil.Process:
        return self._draw.choice(workers(self._server.process.pid))

    async def _kill(self) -> None:
        now = self._loop.time()
        self._victim().kill()
        self._mark("worker killed", now, self._loop.time())
        await asyncio.sleep(0.5)  # until the service knows that it is gone

    async def _stop(self) -> None:
        victim, seconds = self._victim(), self._draw.uniform(*_STOPPED_S)
        now = self._loop.time()
        self._mark("worker stopped", now, now + min(seconds, NOTICE_S))
        victim.suspend()
        try:
            await asyncio.sleep(seconds)
        finally:
            victim.resume()

    async def _slow(self) -> None:
        victim, seconds = self._victim(), self._draw.uniform(*_SLOW_S)
        now = self._loop.time()
        self._mark("worker slowed", now, now + min(seconds, NOTICE_S))
        await throttle(victim, seconds, _SLOWNESS)

    async def _cut(self) -> None:
        for _ in range(self._draw.randint(1, _MOST_CUT)):
            self._traffic.cut(self._draw)
        self._mark("sockets cut", self._loop.time())

    async def _upgrade(self) -> None:
        self._version += 1
        place = self._server.bundles / self._bundle.name
        await asyncio.to_thread(put, self._bundle, place.parent, place.name, version=str(self._version))
        self._mark("bundle upgraded", self._loop.time())

    async def _add(self) -> None:
        if len(self._extras) >= _MOST_EXTRAS:
            await self._remove()
            return
        self._version += 1
        name = f"extra-{self._version}"
        self._extras.append(
            await asyncio.to_thread(lambda: put(self._bundle, self._server.bundles, name, name=name, version="1"))
        )
        self._mark("bundle added", self._loop.time())

    async def _remove(self) -> None:
        if not self._extras:
            await self._add()
            return
        place = self._extras.pop(self._draw.randrange(len(self._extras)))
        await asyncio.to_thread(remove, place)
        self._mark("bundle removed", self._loop.time())

    def _ready(self) -> int:
        return self._state()["ready"]

    def _state(self) -> dict[str, int]:
        seen = metrics(self._server.url)
        return {"ready": int(seen.get("anytime_worker_up", 0)), "bundles": int(seen.get("anytime_bundles", 0))}
