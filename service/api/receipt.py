"""When a request was received: when its first bytes came, before anything waits for its turn."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.clock import Clock

RECEIVED = "received"
"""Key in the scope's state: seconds on the server's clock."""

_LAST_DATA = struct.Struct("=52xI")  # of Linux's tcp_info: milliseconds since data came
_RESOLUTION_S = 0.008  # two ticks of a kernel that counts time in four milliseconds


def stamping(clock: Clock) -> type[HttpToolsProtocol]:
    """Uvicorn's HTTP/1.1, with the time of receipt in the scope.

    Under load a request's task may start long after its bytes were read, and that time is the client's, too.
    """

    class Stamping(HttpToolsProtocol):
        def on_message_begin(self) -> None:
            super().on_message_begin()
            self.scope["state"][RECEIVED] = clock.now() - unread_s(self.transport)

    return Stamping


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
