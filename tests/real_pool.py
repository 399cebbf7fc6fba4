"""A pool with real worker processes, and what tests ask of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
from factories import tiny_manifest, tiny_networks

from models.bundle.writer import write_bundle
from service import messages
from service.errors import ServiceError
from service.outcomes import Loss
from service.pool import Generation, Pool, Ticket
from service.settings import Settings

LONG = 5000
IDENTITIES: dict[str, str] = {}
"""Of the bundles that were written, by name."""


class Observer:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.up: dict[int, bool] = {}
        self.restarts = 0
        self.losses: list[Loss] = []
        self.replacements: list[bool] = []
        self.steps = 0
        self.retiring = 0  # messages of workers that were
        self.heard: list[int] = []

    def worker_up(self, worker: int, up: bool) -> None:
        self.up[worker] = up

    def worker_restarted(self, _worker: int) -> None:
        self.restarts += 1

    def worker_failed(self, _worker: int, why: Loss) -> None:
        self.losses.append(why)

    def worker_replaced(self, _worker: int, done: bool) -> None:
        self.replacements.append(done)

    def stats(self, worker: int, stats: messages.Stats, retiring: bool) -> None:
        self.retiring += retiring
        self.heard.append(worker)
        self.steps += sum(step.batch for steps in stats.steps.values() for step in steps)


def write_bundles(folder: Path) -> Path:
    """`tiny`, of 6 codes, and `long`, whose requests are still running when something happens to their worker."""
    for name, codes in (("tiny", 6), ("long", LONG)):
        networks = tiny_networks(tiny_manifest(name, codes=codes))
        written = write_bundle(folder / name, networks.manifest, networks.autoencoder, networks.prior, {})
        IDENTITIES[name] = written.identity
    return folder


def settings(bundles: Path, **fields: Any) -> Settings:
    return Settings(bundles=bundles, device="cpu", slots=8, **{"queue_limit": 16} | fields)


def generation(model: str = "tiny", n: int = 1, seed: int = 7, **fields: Any) -> Generation:
    values: dict[str, Any] = {"min_codes": 1, "max_codes": 6 if model == "tiny" else LONG, "preview_ms": None}
    return Generation(
        model=IDENTITIES.get(model, model),
        n=n,
        sampling=messages.Sampling(seed, 1, 1.0, 0, 1.0),
        encoding=messages.Encoding("png"),
        **values | fields,
    )


async def read(ticket: Ticket) -> tuple[list[messages.Preview], messages.Result]:
    """Everything that a ticket says; the result must be the last, and the only one."""
    *others, result = [message async for message in ticket]
    assert isinstance(result, messages.Result)
    previews = [other for other in others if isinstance(other, messages.Preview)]
    assert previews == others
    return previews, result


async def ending(ticket: Ticket) -> messages.Result | ServiceError:
    try:
        return (await read(ticket))[1]
    except ServiceError as error:
        return error


async def until_running(ticket: Ticket) -> None:
    """Wait for a preview: then the request holds a slot and a code."""
    async for message in ticket:
        assert isinstance(message, messages.Preview)
        return


async def until(condition: Callable[[], bool]) -> None:
    """Wait, at most a minute, until something is so."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


def workers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "service.worker" in child.cmdline()]


@contextlib.asynccontextmanager
async def serving(options: Settings) -> AsyncIterator[tuple[Pool, Observer]]:
    """A pool that is ready, closed in the end however the test ends."""
    observer = Observer()
    pool = Pool(options, observer)
    await pool.start()
    try:
        yield pool, observer
    finally:
        await pool.close()
