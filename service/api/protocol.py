"""Uvicorn's protocols with what they lack: when a request came, and an end to the patience with those who dawdle."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections import deque
from typing import Any

from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from service.api.problems import HeadersTooLarge, RequestTimeout, problem_response
from service.api.receipt import CYCLE, PRESENCE, RECEIVED, Presence, unread_s
from service.api.server import Server
from service.errors import Malformed, ServiceError
from service.metrics import UNKNOWN


def protocol_of(server: Server) -> type[HttpToolsProtocol]:
    """The protocol of every connection to a server."""

    class Bound(Protocol):
        owner = server

    return Bound


_AHEAD, _AHEAD_BYTES = 64, 1 << 18  # messages, and what they have together


class Protocol(HttpToolsProtocol):
    """One connection.

    The time of receipt and the client's presence go into the scope. Under load a request's task may start long after
    its bytes were read, and that time is the client's, too.

    A request must arrive in full within `receive_timeout`, and its head within `max_header_bytes`: uvicorn has no
    limit to either. Neither costs a request that comes in one piece more than a look.

    Attributes:
        owner: the server that it connects to.
    """

    owner: Server
    _presence: Presence | None = None  # of the request that came last
    _in_head = False  # whether a head has begun to come and not ended
    _head_bytes = 0  # that came of this head with earlier data
    _data_bytes = 0  # of the data that are being read
    _impatience: asyncio.TimerHandle | None = None
    _refusal: ServiceError | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request no longer than for any other."""
        super().connection_made(transport)  # type: ignore[arg-type]  # as uvicorn narrows it
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def data_received(self, data: bytes) -> None:
        """Read what came, and see that what it belongs to comes to an end."""
        self._data_bytes = len(data)
        super().data_received(data)
        if self._in_head or (self.cycle is not None and self.cycle.more_body):
            self._still_arriving()
        elif self._impatience is not None:
            self._calm_down()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0
        self._presence = Presence()
        received = self.owner.clock.now() - unread_s(self.transport)
        self.scope["state"] |= {RECEIVED: received, PRESENCE: self._presence}

    def on_headers_complete(self) -> None:
        """The head is there. Whatever is raised here ends in `send_400_response`."""
        self._in_head = False
        limit = self.owner.settings.max_header_bytes
        if self._head_bytes + self._data_bytes > limit and self._head_size() > limit:
            self._refusal = self._too_large()
            raise ValueError("the head is too large")
        super().on_headers_complete()
        if self.cycle is not None and self.cycle.scope is self.scope:  # else it becomes a websocket
            self.scope["state"][CYCLE] = weakref.ref(self.cycle)

    def handle_websocket_upgrade(self) -> None:
        """From here on another protocol reads, with timeouts of its own."""
        self._calm_down()
        super().handle_websocket_upgrade()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        super().connection_lost(exc)
        self._calm_down()
        if self._presence is not None:
            self._presence.end()

    def send_400_response(self, _msg: str) -> None:
        """Answer what is no HTTP, or cannot be read on, and close."""
        self._refuse(self._refusal or Malformed("This is not HTTP/1.1."))

    def _still_arriving(self) -> None:
        if self.transport.is_closing():
            return
        if self._in_head:
            self._head_bytes += self._data_bytes
            if self._head_bytes > self.owner.settings.max_header_bytes:
                self._refuse(self._too_large())
                return
        if self._impatience is None:
            self._impatience = self.loop.call_later(self.owner.settings.receive_timeout, self._lose_patience)

    def _lose_patience(self) -> None:
        """The request should have arrived by now. Whoever reads its body is told; if nobody does, it is over."""
        self._impatience = None
        if self._in_head:
            self._refuse(RequestTimeout("The head of the request did not arrive in time; send it all at once."))
        elif self.cycle.response_complete:
            self.transport.close()
        elif self._presence is not None:
            self._presence.overdue = True
            self.cycle.message_event.set()

    def _calm_down(self) -> None:
        if self._impatience is not None:
            self._impatience.cancel()
            self._impatience = None

    def _refuse(self, error: ServiceError) -> None:
        """Answer a request that no app has seen, unless another's answer is under way, and close."""
        self._calm_down()
        if self.cycle is None or self.cycle.response_complete:
            self.owner.metrics.rejected(error.slug)
            self.owner.metrics.http_response(UNKNOWN, error.status)
            response = problem_response(error, os.urandom(16).hex())
            head = {**dict(self.server_state.default_headers), **dict(response.raw_headers), b"connection": b"close"}
            lines = b"".join(name + b": " + value + b"\r\n" for name, value in head.items())
            self.transport.write(STATUS_LINE[error.status] + lines + b"\r\n" + bytes(response.body))
        self.transport.close()

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _too_large(self) -> ServiceError:
        limit = self.owner.settings.max_header_bytes
        return HeadersTooLarge(f"Request line and headers are larger than the {limit} bytes that this server takes.")


def socket_protocol_of(server: Server) -> type[WebSocketsSansIOProtocol]:
    """The protocol of every websocket to a server."""

    class Bound(SocketProtocol):
        owner = server

    return Bound


class SocketProtocol(WebSocketsSansIOProtocol):
    """One websocket.

    Messages say when they were received. Uvicorn reads one and leaves the others to the kernel, where nobody knows how
    long they wait: with this process short of time that came to be tens of seconds, while each request was thought to
    be on time, and pongs that waited behind them were missed. So some are read ahead, as many as may well be needed,
    but no more of their bytes than one is ready to keep for every socket.

    Attributes:
        owner: the server that it connects to.
    """

    owner: Server
    _received = 0.0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._stamps: deque[tuple[float, int]] = deque()  # when each message in the queue came, and its bytes
        self._ahead = 0  # all of these bytes

    def data_received(self, data: bytes) -> None:
        """Read what came, and remember when."""
        self._received = self.owner.clock.now() - unread_s(self.transport)
        super().data_received(data)

    def send_receive_event_to_app(self) -> None:
        """A message is complete."""
        before, paused, size = self.queue.qsize(), self.read_paused, sum(map(len, self.frames))
        self.read_paused = True  # uvicorn leaves reading alone
        super().send_receive_event_to_app()
        self.read_paused = paused
        if self.queue.qsize() > before:
            self._stamps.append((self._received, size))
            self._ahead += size
        if not paused and (self.queue.qsize() >= _AHEAD or self._ahead >= _AHEAD_BYTES):
            self.read_paused = True
            self.transport.pause_reading()

    def keepalive_timeout(self) -> None:
        """The client has not answered a ping: let go of it. Uvicorn would wait until it has read what is left."""
        super().keepalive_timeout()
        self.transport.abort()

    async def receive(self) -> Message:  # type: ignore[override]  # the same, as Starlette names it
        """The next message, with the time of its receipt."""
        message: Message = await super().receive()  # type: ignore[assignment]
        if message["type"] == "websocket.receive":
            message[RECEIVED], size = self._stamps.popleft()
            self._ahead -= size
        return message

    async def send(self, message: Message) -> None:  # type: ignore[override]  # the same, as Starlette names it
        """Send, and know a handshake for complete that was answered with a problem: uvicorn would log a failure.

        Raises:
            ClientDisconnected: uvicorn has closed the socket, as the client did not answer its pings.
        """
        if self.close_sent and self.handshake_complete and message["type"] == "websocket.send":
            raise ClientDisconnected
        await super().send(message)  # type: ignore[arg-type]
        if self.initial_response is not None:
            self.handshake_complete = self.close_sent
