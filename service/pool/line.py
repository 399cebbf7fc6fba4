"""The API process's end of the socket to a process that it has started."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar, cast

import msgspec

from service.wire import Wire

Incoming = TypeVar("Incoming")


class Line(asyncio.Protocol, Generic[Incoming]):
    """Passes on each message as soon as it is read, with no task and no turn of the event loop between.

    Args:
        incoming: the type, or union, of what the other side sends.

    Attributes:
        first: the first message; None if the line ended before.
        ended: when there will be no more.
        error: what reading or handling a message has raised, which ended the line: there is no telling what would
            become of the next.
    """

    def __init__(self, incoming: object) -> None:
        loop = asyncio.get_running_loop()
        self.first: asyncio.Future[Incoming | None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.error: Exception | None = None
        self._transport: asyncio.Transport | None = None
        self._wire = Wire[Incoming](incoming)
        self._early: list[Incoming] = []
        self._handle: Callable[[Incoming], None] = self._keep

    def serve(self, handle: Callable[[Incoming], None]) -> None:
        """Pass on what has come since the first message, and all that will come."""
        early, self._early, self._handle = self._early, [], handle
        self._pass_on(early)

    def send(self, message: msgspec.Struct) -> None:
        """Hand a message to the transport. Once the line has ended it goes nowhere."""
        if self._transport and not self._transport.is_closing():
            self._transport.write(self._wire.pack(message))

    def close(self) -> None:
        """Release the socket."""
        if self._transport:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There is a socket."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Some bytes have come."""
        self._pass_on(self._wire.unpack(data))

    def connection_lost(self, _exc: Exception | None) -> None:
        """The process is gone; an error only says that it was killed with something unread."""
        self._end()

    def _pass_on(self, messages: Iterable[Incoming]) -> None:
        if self.error:
            return
        try:
            for message in messages:
                self._handle(message)
        except Exception as error:
            self.error = error
            self._end()

    def _keep(self, message: Incoming) -> None:
        """Nobody has asked for messages yet."""
        if self.first.done():
            self._early.append(message)
        else:
            self.first.set_result(message)

    def _end(self) -> None:
        if not self.first.done():
            self.first.set_result(None)
        if not self.ended.done():
            self.ended.set_result(None)
