"""Clients that go away, over real connections."""

from __future__ import annotations

import asyncio
import logging

import pytest
from fake_pool import FakePool, app_over
from live_server import live, request_lines, until

from service.settings import Settings

SETTINGS = Settings()


def post(body: bytes, length: int | None = None) -> bytes:
    length = len(body) if length is None else length
    head = f"POST /v1/generate HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize("abort", [False, True])
async def test_a_disconnect_cancels_the_ticket(abort: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "service.request")
    pool = FakePool()
    pool.keep()
    app = app_over(pool, SETTINGS)
    async with live(app, SETTINGS) as address:
        _, writer = await asyncio.open_connection(*address.split(":"))
        writer.write(post(b"{}"))
        await until(lambda: bool(pool.tickets))
        if abort:
            writer.transport.abort()
        writer.close()
        await until(lambda: pool.tickets[0].cancelled)
        await until(lambda: app.state.server.pending == 0)
        exposition = app.state.server.metrics.exposition().decode()
    assert 'anytime_requests_total{model="tiny",outcome="client_closed"} 1.0' in exposition
    await until(lambda: bool(request_lines(caplog)))
    (line,) = request_lines(caplog)
    assert (line["status"], line["outcome"]) == (499, "client_closed")
    assert not pool.tickets[0].delivered


async def test_a_disconnect_within_the_body_is_counted() -> None:
    pool = FakePool()
    app = app_over(pool, SETTINGS)
    async with live(app, SETTINGS) as address:
        _, writer = await asyncio.open_connection(*address.split(":"))
        writer.write(post(b'{"n":', length=100))
        await until(lambda: app.state.server.pending == 1)
        writer.close()
        await until(lambda: app.state.server.pending == 0)
        exposition = app.state.server.metrics.exposition().decode()
    assert 'anytime_requests_total{model="unknown",outcome="client_closed"} 1.0' in exposition
    assert pool.tickets == []


async def test_the_connection_serves_on_after_a_refused_body() -> None:
    pool = FakePool()
    async with live(app_over(pool, SETTINGS), SETTINGS) as address:
        reader, writer = await asyncio.open_connection(*address.split(":"))
        for _ in range(2):
            writer.write(post(b"x" * (SETTINGS.max_body_bytes + 1)))
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            assert head.startswith(b"HTTP/1.1 413 ")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
        writer.write(post(b"{}"))
        assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).startswith(b"HTTP/1.1 200 ")
        writer.close()


async def test_requests_wait_for_their_drain() -> None:
    """An answer that the pool gives while it closes still reaches its client."""
    pool = FakePool()
    pool.keep()
    app = app_over(pool, SETTINGS)
    async with live(app, SETTINGS) as address:
        reader, writer = await asyncio.open_connection(*address.split(":"))
        writer.write(post(b"{}"))
        await until(lambda: bool(pool.tickets))
        await app.state.server.drain()
        await app.state.server.idle()
        assert pool.tickets[0].delivered
        assert b'"stop_reason":"drain"' in await asyncio.wait_for(reader.readuntil(b'"timing"'), 10)
        writer.close()
