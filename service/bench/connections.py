"""HTTP/1.1 over kept-alive connections, with as little work per answer as Python allows: it shares the machine."""

from __future__ import annotations

import asyncio
import resource
from collections import deque
from typing import cast

import httptools

from service.bench.target import Target


def allow_many_connections() -> None:
    """As many open connections as the system lets this process have, for when a server stops answering."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Exchange:
    """One request and what became of it. All times are the event loop's, in seconds.

    Attributes:
        due: when it should be sent.
        sent: when it was, or None if it never was.
        ended: when its last byte came, or it failed.
        status: of the response, or None if there is none.
        error: why there is no complete response.
        done: is set at the end, however it ends.
    """

    __slots__ = ("body", "done", "due", "ended", "error", "request", "sent", "status")

    def __init__(self, request: bytes, due: float) -> None:
        self.request = request
        self.due = due
        self.sent: float | None = None
        self.ended: float | None = None
        self.status: int | None = None
        self.body = b""
        self.error: str | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end(self, now: float, *, status: int | None = None, error: str | None = None) -> None:
        """The last byte came, or none will; what comes later is ignored."""
        if not self.done.done():
            self.ended, self.status, self.error = now, status, error
            self.done.set_result(None)


class Connections:
    """Connections to one server, opened as needed and used in turn, so that none is idle for long.

    Attributes:
        opened: how many were opened so far.
    """

    def __init__(self, target: Target) -> None:
        self.opened = 0
        self._target = target
        self._loop = asyncio.get_running_loop()
        self._idle: deque[_Connection] = deque()
        self._all: set[_Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()

    async def prepare(self, idle: int) -> None:
        """Have at least so many connections idle. Raises OSError if the server takes none."""
        for connection in [await self._open() for _ in range(idle - len(self._idle))]:
            self.release(connection)

    def send(self, exchange: Exchange) -> None:
        """Send a request over an idle connection, or over a new one if none is."""
        while self._idle:
            connection = self._idle.popleft()
            if connection.usable:
                connection.send(exchange)
                return
        task = self._loop.create_task(self._send_over_new(exchange))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    def release(self, connection: _Connection) -> None:
        """A connection is ready for another request."""
        self._idle.append(connection)

    def lost(self, connection: _Connection) -> None:
        """A connection is closed."""
        self._all.discard(connection)

    def busy(self) -> list[Exchange]:
        """What is under way, over connections that are open."""
        return [connection.exchange for connection in self._all if connection.exchange is not None]

    def cut(self, exchange: Exchange) -> None:
        """Close at once the connection over which something is under way."""
        for connection in [each for each in self._all if each.exchange is exchange]:
            connection.abort()

    async def close(self) -> None:
        """Close every connection; what is under way fails."""
        for task in list(self._opening):
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        for connection in list(self._all):
            connection.abort()
        await asyncio.sleep(0)  # the loop tells them so at its next turn

    async def _send_over_new(self, exchange: Exchange) -> None:
        try:
            connection = await self._open()
        except OSError as error:
            exchange.end(self._loop.time(), error=f"cannot connect: {(error.strerror or str(error)).lower()}")
        else:
            connection.send(exchange)

    async def _open(self) -> _Connection:
        target = self._target
        _, connection = await self._loop.create_connection(
            lambda: _Connection(self, self._loop), target.host, target.port, ssl=True if target.secure else None
        )
        self._all.add(connection)
        self.opened += 1
        return connection


class _Connection(asyncio.Protocol):
    """One connection, one exchange at a time. The parser calls the `on_` methods."""

    def __init__(self, owner: Connections, loop: asyncio.AbstractEventLoop) -> None:
        self._owner = owner
        self._loop = loop
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._pieces: list[bytes] = []
        self._now = 0.0

    @property
    def exchange(self) -> Exchange | None:
        """What is under way."""
        return self._exchange

    @property
    def usable(self) -> bool:
        """Whether a request can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, exchange: Exchange) -> None:
        """Send a request; the connection must be idle."""
        self._exchange = exchange
        exchange.sent = self._loop.time()
        if self._transport is None:
            exchange.end(exchange.sent, error="connection closed")
        else:
            self._transport.write(exchange.request)

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._now = self._loop.time()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._end(error=f"not HTTP: {error}")
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._owner.lost(self)
        self._now = self._loop.time()
        self._end(error="connection closed" if exc is None else f"connection lost: {str(exc).lower()}")

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        if self._exchange is not None:
            self._exchange.body = b"".join(self._pieces)
        self._pieces.clear()
        self._end(status=self._parser.get_status_code())
        if self._parser.should_keep_alive():
            self._owner.release(self)
        else:
            self.abort()

    def _end(self, *, status: int | None = None, error: str | None = None) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.end(self._now, status=status, error=error)
