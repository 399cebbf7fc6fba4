"""A websocket client for tests, and what the metrics say of its requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fake_pool import PNG, FakeTicket, output
from websockets.asyncio.client import ClientConnection, connect

from service import messages
from service.metrics import Metrics


@asynccontextmanager
async def open_socket(address: str, **options: Any) -> AsyncIterator[ClientConnection]:
    """A socket to `/v1/stream` at `host:port`."""
    async with connect(f"ws://{address}/v1/stream", compression=None, proxy=None, **options) as each:
        yield each


async def send(ws: ClientConnection, **message: object) -> None:
    """Send one message."""
    await ws.send(json.dumps(message))


async def event(ws: ClientConnection) -> dict[str, Any]:
    """The next event."""
    text = await asyncio.wait_for(ws.recv(), 30)
    assert isinstance(text, str)
    found: dict[str, Any] = json.loads(text)
    return found


async def ending(ws: ClientConnection) -> dict[str, Any]:
    """The next event that is no preview."""
    while True:
        each = await event(ws)
        if each["type"] != "preview":
            return each


def outcomes(metrics: Metrics) -> dict[str, float]:
    """How often each outcome was counted, over all models."""
    totals: dict[str, float] = {}
    for family in metrics.registry.collect():
        for sample in family.samples:
            if sample.name == "anytime_requests_total" and sample.value:
                totals[sample.labels["outcome"]] = totals.get(sample.labels["outcome"], 0) + sample.value
    return totals


def preview(ticket: FakeTicket, codes: int, index: int = 0, data: bytes = PNG) -> messages.Preview:
    """A preview of a ticket's sample."""
    return messages.Preview(ticket.id, output(index, codes, "", data), 1.0)
