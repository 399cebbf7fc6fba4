"""What only the connection knows of a request: when its first bytes came, and when the client is gone."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys
from collections.abc import Callable, Generator

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.clock import Clock

RECEIVED = "received"
"""Key in the scope's state: seconds on the server's clock."""
_PRESENCE = "presence"

_LAST_DATA = struct.Struct("=52xI")  # of Linux's tcp_info: milliseconds since data came
_RESOLUTION_S = 0.008  # two ticks of a kernel that counts time in four milliseconds


class Presence:
    """Whether the client of a request is still there, and what is to happen once it is not."""

    def __init__(self) -> None:
        self.over = False
        self.at_end: Callable[[], object] | None = None

    def end(self) -> None:
        """The client is gone."""
        self.over = True
        if self.at_end:
            self.at_end()


def stamping(clock: Clock) -> type[HttpToolsProtocol]:
    """Uvicorn's HTTP/1.1, with the time of receipt and the client's presence in the scope.

    Under load a request's task may start long after its bytes were read, and that time is the client's, too.
    """

    class Stamping(HttpToolsProtocol):
        _presence: Presence | None = None  # of the request that came last

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._presence = Presence()
            self.scope["state"] |= {RECEIVED: clock.now() - unread_s(self.transport), _PRESENCE: self._presence}

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            if self._presence is not None:
                self._presence.end()

    return Stamping


@contextlib.contextmanager
def when_gone(scope: Scope, act: Callable[[], object]) -> Generator[None, None, None]:
    """Within it, act as soon as the request's client goes away, or at once if it has gone.

    ASGI would have a task wait for that message: one more for every request, started and cancelled. Without a
    connection, as in a rehearsal, nobody goes.
    """
    presence = scope["state"].get(_PRESENCE, Presence())
    presence.at_end = act
    if presence.over:
        act()
    try:
        yield
    finally:
        presence.at_end = None


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
