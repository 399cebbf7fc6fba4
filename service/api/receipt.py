"""What only the connection knows of a request: when its first bytes came, whether its client is still there and sends
the rest, how to answer at once. `service.api.protocol` puts it into the scope.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import weakref
from collections.abc import Callable, Sequence

from starlette.types import Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

RECEIVED = "received"
"""Key in the scope's state: seconds on the server's clock."""
UNSEEN = "unseen"
"""Seconds that each message of a websocket is taken to spend outside this process; 0 if left out."""
PRESENCE = "presence"
CYCLE = "cycle"

Headers = Sequence[tuple[bytes, bytes]]
"""Names, in small letters, and values, as ASGI has them."""

_LAST_DATA = struct.Struct("=52xI")  # of Linux's tcp_info: milliseconds since data came
_RESOLUTION_S = 0.008  # two ticks of a kernel that counts time in four milliseconds


class Presence:
    """Whether the client of a request is still there.

    ASGI would have a task wait for the message that it is not: one more for every request, started and cancelled.

    Attributes:
        overdue: whether the request has not arrived in full, and should have.
    """

    def __init__(self) -> None:
        self.overdue = False
        self._over = False
        self._act: Callable[[], object] | None = None

    def at_end(self, act: Callable[[], object] | None) -> None:
        """Do this as soon as the client goes away, or at once if it has gone; None to do nothing from now on."""
        self._act = act
        if self._over and act:
            act()

    def end(self) -> None:
        """The client is gone."""
        self._over = True
        if self._act:
            self._act()


async def respond(scope: Scope, send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send a complete response. `headers` must be well formed, in small letters, and say how long the body is.

    A connection of this process writes all of it at once. By two messages of ASGI it would be two writes, each of them
    a call to the system and a packet that wakes up the client.
    """
    cycle = _cycle_of(scope)
    if cycle is None or cycle.scope["method"] == "HEAD" or any(name == b"connection" for name, _ in headers):
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return
    if cycle.flow.write_paused:
        await cycle.flow.drain()
    if cycle.disconnected:
        return
    lines = [STATUS_LINE[status]]
    for name, value in (*cycle.default_headers, *headers):
        lines += (name, b": ", value, b"\r\n")
    if not cycle.keep_alive:
        lines.append(b"connection: close\r\n")
    cycle.transport.write(b"".join((*lines, b"\r\n", body)))
    # What uvicorn does at the end of a response.
    cycle.waiting_for_100_continue = False
    cycle.response_started = cycle.response_complete = True
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()


async def room(scope: Scope) -> None:
    """Wait until the connection takes more; at once unless its reader is slow. Returns when the reader goes, too.

    ASGI waits as well, but only once there is something to send, which grows old meanwhile.
    """
    cycle = _cycle_of(scope)
    if cycle is not None and cycle.flow.write_paused:
        await cycle.flow.drain()


def _cycle_of(scope: Scope) -> RequestResponseCycle | None:
    """The protocol server's side of a request, if it came by a connection of this process."""
    reference: weakref.ref[RequestResponseCycle] | None = scope["state"].get(CYCLE)
    return reference() if reference else None


def presence_of(scope: Scope) -> Presence:
    """The presence of a request's client. Without a connection, as in a rehearsal, nobody goes."""
    presence: Presence | None = scope["state"].get(PRESENCE)
    return presence or Presence()


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of this name, which is in small letters."""
    for other, value in scope["headers"]:
        if other == name:
            text: str = value.decode("latin-1")
            return text
    return None


def unread_s(transport: asyncio.BaseTransport) -> float:
    """Seconds for which the bytes that are read now have waited, if the kernel knows and it is worth mentioning.

    When a thousand requests come at once, the last is read hundreds of milliseconds after the first.
    """
    connection = transport.get_extra_info("socket")
    if connection is None or sys.platform != "linux" or connection.family == socket.AF_UNIX:
        return 0.0
    (waited_ms,) = _LAST_DATA.unpack(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_DATA.size))
    seconds: float = waited_ms / 1000
    return seconds if seconds > _RESOLUTION_S else 0.0
