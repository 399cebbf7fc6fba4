"""Replicas over pools without workers, and a carrier to them that loses them, or goes silent, when a test says so."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

from fake_pool import FakePool
from manual_clock import ManualClock

from service import messages
from service.fleet import Fleet, Replica, ReplicaLost
from service.metrics import Metrics
from service.pool import Generation, Pool
from service.settings import Settings


class World:
    """A carrier of two replicas, one clock for all, and what was asked of whom. The first that may be asked is.

    Attributes:
        way_s: what the way to a replica takes.
        broken: whether nothing can be carried at all.
    """

    def __init__(self, names: Sequence[str] = ("one", "two")) -> None:
        self.clock = ManualClock()
        self.pools = {name: FakePool() for name in names}
        for pool in self.pools.values():
            pool.clock = self.clock
            pool.ready = True
        self.replicas = {
            name: Replica(Settings(), name, Metrics(), cast("Pool", pool)) for name, pool in self.pools.items()
        }
        self.asked: list[str] = []
        self.way_s = 0.0
        self.broken = False
        self.gone = {name: asyncio.Event() for name in names}
        self.deaf: set[str] = set()

    def lose(self, name: str) -> None:
        """The replica dies with whatever it has."""
        self.gone[name].set()

    async def run(self, call: bytes, avoid: Sequence[str]) -> AsyncGenerator[bytes, None]:
        if self.broken:
            raise ReplicaLost("nobody is there")
        name = ([each for each in self.replicas if each not in avoid] or list(self.replicas))[0]
        self.asked.append(name)
        self.clock.spend(self.way_s)
        async with aclosing(self.replicas[name].run(call)) as said:
            async for data in self._until_lost(name, said):
                yield data

    async def pulse(self, replica: str) -> AsyncGenerator[bytes, None]:
        async with aclosing(self.replicas[replica].pulse()) as said:
            async for data in self._until_lost(replica, said):
                yield data

    async def tell(self, told: bytes, replica: str) -> None:
        self.replicas[replica].tell(told)

    async def look(self) -> bytes:
        if self.broken:
            raise ReplicaLost("nobody is there")
        return next(iter(self.replicas.values())).look()

    async def _until_lost(self, name: str, said: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
        while True:
            news: asyncio.Future[Any] = asyncio.ensure_future(anext(said, None))
            lost: asyncio.Future[Any] = asyncio.ensure_future(self.gone[name].wait())
            try:
                await asyncio.wait({news, lost}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in (news, lost):
                    each.cancel()
                await asyncio.gather(news, lost, return_exceptions=True)
            if self.gone[name].is_set():
                raise ReplicaLost(name)
            if name in self.deaf:
                await asyncio.Event().wait()
            if (data := news.result()) is None:
                return
            yield data


@asynccontextmanager
async def fleet(world: World, **settings: Any) -> AsyncIterator[Fleet]:
    """A fleet that has started."""
    made = Fleet(Settings(network_ms=0.0, **settings), world, world.clock)
    await made.start()
    try:
        yield made
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await made.close()


def generation(world: World, **fields: Any) -> Generation:
    """One sample of the model that is there."""
    (model,) = next(iter(world.pools.values())).manifests.values()
    values: dict[str, Any] = {
        "model": model.identity,
        "n": 1,
        "sampling": messages.Sampling(7, None, 1.0, 0, 1.0),
        "encoding": messages.Encoding("png"),
        "min_codes": 1,
        "max_codes": 4,
    }
    return Generation(**(values | fields))
