"""An app over a pool without workers, and ways to talk to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from api_client import api_client
from event_stream import OpenStream, StreamReader
from fake_pool import FakePool, app_over
from live_server import live

from service.metrics import Metrics
from service.settings import Settings


@pytest.fixture(autouse=True)
def _only_tests_spend_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """For how long the kernel has kept something is of no account on a clock that stands still."""
    monkeypatch.setattr("service.api.protocol.unread_s", lambda _transport: 0.0)


@pytest.fixture
def pool() -> FakePool:
    return FakePool()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture
async def client(pool: FakePool) -> AsyncIterator[httpx.AsyncClient]:
    """Without a network."""
    async with api_client(pool) as each:
        yield each


@pytest.fixture
async def address(pool: FakePool, metrics: Metrics, settings: Settings) -> AsyncIterator[str]:
    """`host:port` of the app on a real port."""
    async with live(app_over(pool, settings, metrics), settings) as each:
        yield each


@pytest.fixture
async def open_stream() -> AsyncIterator[OpenStream]:
    """Asks an address and path for a stream of events, and closes the connection however the test ends."""
    streams: list[StreamReader] = []

    async def ask(address: str, path: str, body: dict[str, Any]) -> StreamReader:
        streams.append(await StreamReader.ask(address, path, body))
        return streams[-1]

    yield ask
    for stream in streams:
        stream.writer.close()
