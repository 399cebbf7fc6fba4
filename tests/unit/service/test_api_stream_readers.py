"""Readers that are slow or go away, and the socket while the server drains."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from fake_pool import FakePool, app_over, result
from live_server import listening, live, until
from socket_client import event, open_socket, outcomes, preview, send

from service.api.protocol import SocketProtocol
from service.api.server import server_of_app
from service.commands.serve import front_config
from service.metrics import Metrics
from service.settings import Settings

TYPE = "urn:anytime:problem:"


async def test_closing_the_socket_cancels_what_runs(address: str, pool: FakePool, metrics: Metrics) -> None:
    pool.keep()
    async with open_socket(address) as ws:
        for name in "ab":
            await send(ws, type="generate", id=name)
            await event(ws)
    await until(lambda: all(ticket.cancelled for ticket in pool.tickets))
    assert outcomes(metrics) == {"client_closed": 2}


async def test_a_torn_connection_cancels_what_runs(address: str, pool: FakePool, metrics: Metrics) -> None:
    pool.keep()
    async with open_socket(address) as ws:
        await send(ws, type="generate", id="a")
        await event(ws)
        ws.transport.abort()
        await until(lambda: pool.tickets[0].cancelled)
    assert outcomes(metrics) == {"client_closed": 1}


async def test_a_slow_reader_gets_the_newest_preview(address: str, pool: FakePool) -> None:
    """Previews of a megabyte each, far more than the socket holds, while nobody reads."""
    pool.keep()
    async with open_socket(address, max_size=None, max_queue=1) as ws:
        await send(ws, type="generate", id="a", binary=True, n=2)
        assert (await event(ws))["type"] == "accepted"
        ticket = pool.tickets[0]
        ws.transport.pause_reading()
        for step in range(200):
            for index in (0, 1):
                ticket.tell(preview(ticket, 1 + step % 4, index, b"%03d" % step + bytes(1 << 20)))
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        ws.transport.resume_reading()
        seen: list[tuple[int, int]] = []
        while not {(0, 199), (1, 199)} <= set(seen):
            header = await event(ws)
            frame = await ws.recv()
            seen.append((header["output"]["index"], int(frame[:3])))
        assert len(seen) < 40, "a backlog of previews was sent"
        for index in (0, 1):
            steps = [step for each, step in seen if each == index]
            assert steps == sorted(set(steps)), "previews went back in time"
        ticket.tell(result(ticket))
        assert (await event(ws))["type"] == "completed"
        await ws.recv()


async def test_a_slow_reader_teaches_the_pool_nothing(address: str, pool: FakePool, metrics: Metrics) -> None:
    """The time that an answer waited for its reader is no measure of what sending costs."""
    pool.keep()
    async with open_socket(address, max_size=None, max_queue=1) as ws:
        for name in "ab":
            await send(ws, type="generate", id=name, binary=True)
            assert (await event(ws))["type"] == "accepted"
        first, second = pool.tickets
        ws.transport.pause_reading()
        for _ in range(3):
            first.tell(preview(first, 2, data=bytes(16 << 20)))
            await asyncio.sleep(0.02)
        first.tell(result(first))
        await asyncio.sleep(0.02)
        ws.transport.resume_reading()
        while (await event(ws))["type"] != "completed":
            await ws.recv()
        await ws.recv()
        second.tell(result(second))
        assert (await event(ws))["type"] == "completed"
        await ws.recv()
        await until(lambda: second.delivered)
        assert not first.delivered
    assert outcomes(metrics) == {"complete": 2}


async def test_no_preview_after_the_ending(address: str, pool: FakePool) -> None:
    pool.keep()
    async with open_socket(address, max_size=None) as ws:
        await send(ws, type="generate", id="a", binary=True)
        await event(ws)
        ticket = pool.tickets[0]
        for step in range(4):
            ticket.tell(preview(ticket, 1 + step))
        ticket.tell(result(ticket, 4))
        events: list[dict[str, Any]] = []
        while not events or events[-1]["type"] != "completed":
            events.append(await event(ws))
            await ws.recv()
        assert len(events) <= 2, "previews that the ending made pointless were sent"
        await send(ws, type="generate", id="b")
        assert (await event(ws))["id"] == "b"


async def test_draining_ends_requests_with_what_they_have(pool: FakePool, metrics: Metrics) -> None:
    pool.keep()
    app = app_over(pool, Settings(), metrics)
    async with live(app, Settings()) as address, open_socket(address) as ws:
        await send(ws, type="generate", id="a")
        assert (await event(ws))["type"] == "accepted"
        assert app.state.server.pending == 1
        await app.state.server.drain()
        await app.state.server.idle()
        ending = await event(ws)
        assert (ending["type"], ending["outputs"][0]["stop_reason"]) == ("completed", "drain")
        await send(ws, type="generate", id="b")
        assert (await event(ws))["problem"]["type"] == TYPE + "draining"
        assert outcomes(metrics) == {"drain": 1, "unavailable": 1}


async def test_a_message_that_waits_its_turn_loses_that_time(pool: FakePool, monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_over(pool, Settings())
    opened = asyncio.Event()
    async with live(app, Settings()) as address, open_socket(address) as ws:
        monkeypatch.setattr(server_of_app(app).gate, "enter", opened.wait)
        began = pool.clock.now()
        for name in "abc":
            await send(ws, type="generate", id=name, deadline_ms=10_000)
        await asyncio.sleep(0.2)  # they are read, though nobody can have asked for more than the first
        pool.clock.spend(5.0)
        opened.set()
        await until(lambda: len(pool.tickets) == 3)
        for ticket in pool.tickets:
            assert ticket.deadline == pytest.approx(began + 10, abs=1)


async def test_no_more_is_read_ahead_than_one_is_ready_to_keep(pool: FakePool, monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_over(pool, Settings())
    opened = asyncio.Event()
    protocols: list[SocketProtocol] = []
    receive = SocketProtocol.data_received

    def noted(protocol: SocketProtocol, data: bytes) -> None:
        protocols[:] = [protocol]
        receive(protocol, data)

    monkeypatch.setattr(SocketProtocol, "data_received", noted)
    async with live(app, Settings()) as address, open_socket(address) as ws:
        monkeypatch.setattr(server_of_app(app).gate, "enter", opened.wait)
        for name in range(20):
            await send(ws, type="generate", id=f"{name}", padding="x" * 100_000)
        (protocol,) = protocols
        await until(lambda: protocol.read_paused)
        assert protocol.queue.qsize() <= 6
        opened.set()
        for name in range(20):
            assert (await event(ws))["id"] == f"{name}"
        assert not protocol.read_paused
        assert not protocol._stamps
        assert protocol._ahead == 0


async def test_who_does_not_answer_pings_is_gone_and_no_failure(
    pool: FakePool, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    pool.keep()
    app = app_over(pool, Settings(), metrics)
    async with app.router.lifespan_context(app):
        config = front_config(app, Settings())
        config.ws_ping_interval, config.ws_ping_timeout = 0.2, 0.2
        with caplog.at_level(logging.ERROR):
            async with listening(config) as address, open_socket(address, max_size=None) as ws:
                await send(ws, type="generate", id="a", binary=True)
                await event(ws)
                ws.transport.pause_reading()
                ticket = pool.tickets[0]
                for step in range(40):  # more than the sockets hold, until after the last ping
                    if not ticket.ended:
                        ticket.tell(preview(ticket, 1 + step % 4, data=bytes(1 << 20)))
                    await asyncio.sleep(0.02)
                await until(lambda: ticket.cancelled)
                ws.transport.abort()
    assert [record.getMessage() for record in caplog.records] == []
    assert outcomes(metrics) == {"client_closed": 1}
