"""When a request was received, if it was read long after."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from service.api.receipt import unread_s


class Reader(asyncio.Protocol):
    """Asks, with the first data of a connection, how long they have waited."""

    def __init__(self) -> None:
        self.waited: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, _data: bytes) -> None:
        self.waited.set_result(unread_s(self.transport))


@pytest.mark.parametrize("held_up", [0.0, 0.2])
async def test_bytes_that_waited_while_the_loop_was_busy(held_up: float) -> None:
    loop, reader = asyncio.get_running_loop(), Reader()
    server = await loop.create_server(lambda: reader, "127.0.0.1", 0)
    async with server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        sent = time.monotonic()
        writer.write(b"x")
        time.sleep(held_up)  # noqa: ASYNC251  that is what is tested
        waited = await reader.waited
        writer.close()
    assert held_up - 0.02 <= waited <= time.monotonic() - sent + 0.01  # the kernel counts in ticks


async def test_what_is_no_tcp_connection_has_not_waited() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        _, writer = await asyncio.open_unix_connection(sock=ours)
        assert unread_s(writer.transport) == 0.0
        writer.close()
