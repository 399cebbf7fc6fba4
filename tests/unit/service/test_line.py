"""The socket to a worker, with a test at its other end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from service import messages
from service.pool.line import Line
from service.wire import Wire

WIRE = Wire[messages.ToWorker](messages.ToWorker)
PATIENCE = 5.0


def failed(name: str) -> messages.Failed:
    return messages.Failed(name, "as the test wants")


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Line[messages.FromWorker], socket.socket]]:
    ours, theirs = socket.socketpair()
    _, line = await asyncio.get_running_loop().create_unix_connection(
        lambda: Line[messages.FromWorker](messages.FromWorker), sock=ours
    )
    with theirs:
        yield line, theirs
    line.close()
    await asyncio.wait_for(line.ended, PATIENCE)


async def test_what_comes_before_anybody_listens_is_kept_in_order() -> None:
    heard: list[messages.FromWorker] = []
    async with connected() as (line, worker):
        worker.sendall(b"".join(WIRE.pack(failed(name)) for name in "abc"))
        assert await asyncio.wait_for(line.first, PATIENCE) == failed("a")
        line.serve(heard.append)
        worker.sendall(WIRE.pack(failed("d")))
        worker.close()
        await asyncio.wait_for(line.ended, PATIENCE)
    assert heard == [failed(name) for name in "bcd"]
    assert line.error is None


async def test_what_is_sent_arrives() -> None:
    async with connected() as (line, worker):
        line.send(messages.Stop("a"))
        assert list(WIRE.unpack(worker.recv(1000))) == [messages.Stop("a")]
    line.send(messages.Stop("b"))  # to nobody, which is no error


async def test_a_worker_that_goes_without_a_word() -> None:
    async with connected() as (line, worker):
        worker.close()
        assert await asyncio.wait_for(line.first, PATIENCE) is None
    assert line.error is None


@pytest.mark.parametrize("early", [True, False])
async def test_nothing_is_passed_on_after_a_message_that_could_not_be(early: bool) -> None:
    heard: list[messages.FromWorker] = []

    def handle(message: messages.FromWorker) -> None:
        heard.append(message)
        raise RuntimeError("as the test wants")

    async with connected() as (line, worker):
        worker.sendall(WIRE.pack(failed("first")))
        await asyncio.wait_for(line.first, PATIENCE)
        if early:
            worker.sendall(WIRE.pack(failed("a")))
            await asyncio.sleep(0.01)
        line.serve(handle)
        worker.sendall(WIRE.pack(failed("b")) + WIRE.pack(failed("c")))
        await asyncio.wait_for(line.ended, PATIENCE)
        await asyncio.sleep(0.01)
    assert heard == [failed("a" if early else "b")]
    assert isinstance(line.error, RuntimeError)


async def test_a_message_that_cannot_be_read_ends_the_line() -> None:
    async with connected() as (line, worker):
        worker.sendall(b"\x01\x00\x00\x00\xff")
        assert await asyncio.wait_for(line.first, PATIENCE) is None
        assert line.error is not None
