"""The worker's end of the socket to the API process."""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

from service.wire import CHUNK, Wire

Incoming = TypeVar("Incoming")

_LINGER_S = 1.0


class Channel(Generic[Incoming]):
    """Sends and receives messages without asyncio.

    An answer is never dropped and sending never blocks the loop: what the socket does not take is kept until it does,
    and what can pile up is bounded by the requests that were accepted.

    Args:
        connection: to the API process.
        incoming: the type, or union, of what that sends.
        wake: a file descriptor that ends `wait` when it becomes readable, None for none.

    Attributes:
        closed: whether the API process has gone, or let go of this one. Nothing can come or go any more.
    """

    def __init__(self, connection: socket.socket, incoming: object, wake: int | None = None) -> None:
        self.closed = False
        self._connection = connection
        self._connection.setblocking(False)
        self._wire = Wire[Incoming](incoming)
        self._unsent = bytearray()
        self._poller = select.poll()
        if wake is not None:
            self._poller.register(wake, select.POLLIN)

    def drain(self) -> Iterator[Incoming]:
        """Every message that has arrived, in order; returns at once when there is none."""
        self._flush()
        while not self.closed:
            try:
                data = self._connection.recv(CHUNK)
            except BlockingIOError:
                return
            except ConnectionError:
                data = b""
            self.closed = not data
            yield from self._wire.unpack(data)
            if len(data) < CHUNK:
                return

    def send(self, message: msgspec.Struct) -> None:
        """Hand a message to the transport."""
        self._unsent += self._wire.pack(message)
        self._flush()

    def wait(self, seconds: float) -> bool:
        """Sleep until a message has arrived, at most so long; True if one has, or if the channel is closed."""
        events = select.POLLIN | (select.POLLOUT if self._unsent else 0)
        self._poller.register(self._connection, events)
        ready = dict(self._poller.poll(seconds * 1000))
        self._flush()
        return bool(ready.get(self._connection.fileno(), 0) & ~select.POLLOUT)

    def close(self) -> None:
        """Deliver what was sent, if the other end still listens, and release the socket."""
        self._connection.settimeout(_LINGER_S)
        with contextlib.suppress(OSError):
            self._connection.sendall(self._unsent)
        self._connection.close()

    def _flush(self) -> None:
        """Send as much as the socket takes."""
        if not self._unsent:
            return
        try:
            sent = self._connection.send(self._unsent)
        except BlockingIOError:
            return
        except ConnectionError:
            self.closed = True
            sent = len(self._unsent)
        del self._unsent[:sent]
