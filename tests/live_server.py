"""An app on a real port, in the loop of the test, set up as `anytime serve` sets it up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette

from service.api.log import LOGGER
from service.commands.serve import front_config
from service.settings import Settings


class _Quiet(uvicorn.Server):
    """Leaves the test runner's signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def until(condition: Callable[[], bool]) -> None:
    """Give the server's tasks their turns until something is so."""
    async with asyncio.timeout(10):
        while True:
            if condition():
                return
            await asyncio.sleep(0.001)


def request_lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """What the request log has written so far."""
    messages = [record.getMessage() for record in caplog.records if record.name == LOGGER]
    return [json.loads(line) for message in messages for line in message.split("\n")]


@contextlib.asynccontextmanager
async def live(app: Starlette, settings: Settings) -> AsyncIterator[str]:
    """Serve the app; yields `host:port`."""
    async with app.router.lifespan_context(app), listening(front_config(app, settings)) as address:
        yield address


@contextlib.asynccontextmanager
async def listening(config: uvicorn.Config) -> AsyncIterator[str]:
    """Serve what a configuration says; yields `host:port`."""
    config.timeout_graceful_shutdown = 2
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = _Quiet(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await until(lambda: server.started)
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving
