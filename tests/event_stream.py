"""Server-sent events as a client reads them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any


def parse(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Names and data of a whole stream of events, each of which must be of one name and one line of data."""
    assert text.endswith("\n\n")
    events = []
    for block in text.removesuffix("\n\n").split("\n\n"):
        name, data = block.split("\n")
        assert name.startswith("event: ")
        assert data.startswith("data: ")
        events.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return events


class StreamReader:
    """A stream of events over a connection of its own, read one at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._buffer = b""

    @classmethod
    async def ask(cls, address: str, path: str, body: dict[str, Any]) -> StreamReader:
        """Post a request and read the headers of a stream."""
        host, port = address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 16)
        content = json.dumps(body).encode()
        lines = [f"POST {path} HTTP/1.1", "Host: test", "Accept: text/event-stream", f"Content-Length: {len(content)}"]
        writer.write("\r\n".join([*lines, "", ""]).encode() + content)
        stream = cls(reader, writer)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert head.startswith(b"HTTP/1.1 200 "), head
        assert b"\r\ntransfer-encoding: chunked\r\n" in head
        return stream

    async def event(self) -> tuple[str, dict[str, Any]]:
        """The next event."""
        async with asyncio.timeout(30):
            while b"\n\n" not in self._buffer:
                length = int(await self.reader.readuntil(b"\r\n"), 16)
                assert length, "the stream has ended"
                self._buffer += await self.reader.readexactly(length + 2)
                self._buffer = self._buffer.removesuffix(b"\r\n")
        block, _, self._buffer = self._buffer.partition(b"\n\n")
        ((name, data),) = parse(block.decode() + "\n\n")
        return name, data

    def pause(self) -> None:
        """Stop reading from the socket."""
        transport = self.writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        transport = self.writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.resume_reading()

    def leave(self) -> None:
        """Go away at once."""
        self.writer.transport.abort()
        self.writer.close()


OpenStream = Callable[[str, str, dict[str, Any]], Awaitable[StreamReader]]
"""Asks an address and path for a stream."""
