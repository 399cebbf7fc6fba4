"""Server-sent events (HTML Living Standard, section 9.2): a request's previews on the way to its one ending.

One task per request, the one that it has anyway: it waits until the connection takes more, and only then asks the
ticket for news, which has the latest preview and no backlog.
"""

from __future__ import annotations

import logging
from typing import Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service import messages
from service.api.account import STALL_SECONDS, Account
from service.api.arrival import Exchange
from service.api.problems import internal_error
from service.api.receipt import presence_of, room
from service.api.server import Server
from service.errors import ServiceError
from service.pool import Ticket

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"vary", b"Accept"),
    (b"x-accel-buffering", b"no"),  # nginx would keep events until it has a page of them
]
_logger = logging.getLogger(__name__)


class Narrator(Protocol):
    """What a stream says of its request, in events as `server_sent` writes them; empty to say nothing."""

    def accepted(self) -> bytes:
        """The request is taken."""

    def preview(self, preview: messages.Preview) -> bytes:
        """A sample as it stands."""

    def completed(self, result: messages.Result) -> bytes:
        """The answer."""

    def failed(self, error: ServiceError, request_id: str) -> bytes:
        """What came instead of the answer."""


def server_sent(name: bytes, data: bytes) -> bytes:
    """One event. `data` is JSON without line breaks."""
    return b"event: %b\ndata: %b\n\n" % (name, data)


class EventStream(Response):
    """The response that streams what becomes of a ticket; to be sent as soon as the ticket is there.

    It sees to the account's ending. A client that goes away takes its request back.
    """

    def __init__(self, ticket: Ticket, narrator: Narrator, server: Server, account: Account) -> None:
        self.status_code, self.background = 200, None
        self.raw_headers = list(_HEADERS)
        self._ticket = ticket
        self._narrator = narrator
        self._server = server
        self._account = account

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Stream until the ending, or until the client has gone."""
        presence = presence_of(scope)
        presence.at_end(self._ticket.cancel)
        try:
            await self._stream(_Channel(scope, send, self._server))
        finally:
            presence.at_end(None)
            self._ticket.cancel()  # without effect if it has ended

    async def _stream(self, channel: _Channel) -> None:
        exchange = channel.exchange
        await channel.begin([*self.raw_headers, *exchange.begin(self.status_code)])
        try:
            if event := self._narrator.accepted():
                await channel.write(event)
            async for message in self._ticket:  # to its end: a generator that is left costs a task to close it
                if isinstance(message, messages.Result):
                    await self._complete(message, channel)
                elif event := self._narrator.preview(message):
                    await channel.write(event)
                    self._account.previewed()
        except Exception as error:
            await self._fail(error, channel)
        else:
            self._account.abandoned()  # without effect after an answer

    async def _complete(self, result: messages.Result, channel: _Channel) -> None:
        held_up = channel.waited_s
        await channel.end(self._narrator.completed(result))
        if held_up + channel.waited_s <= STALL_SECONDS:
            self._server.pool.delivered(self._ticket)
        self._account.answered(result)

    async def _fail(self, raised: Exception, channel: _Channel) -> None:
        request_id = channel.exchange.request_id
        error = raised if isinstance(raised, ServiceError) else internal_error()
        if error is not raised:
            _logger.error("request %s failed", request_id, exc_info=raised)
        await channel.end(self._narrator.failed(error, request_id))
        self._account.refused(error)


class _Channel:
    """The way to the reader.

    Attributes:
        waited_s: seconds for which the last write waited for the reader.
    """

    def __init__(self, scope: Scope, send: Send, server: Server) -> None:
        self.exchange: Exchange = scope["state"]["exchange"]
        self.waited_s = 0.0
        self._scope = scope
        self._send = send
        self._clock = server.clock

    async def begin(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Send the headers."""
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def write(self, event: bytes) -> None:
        """Send an event, and wait until there is room for another: the next to be sent is then the latest."""
        start = self._clock.now()
        await self._send({"type": "http.response.body", "body": event, "more_body": True})
        await room(self._scope)
        self.waited_s = self._clock.now() - start

    async def end(self, event: bytes) -> None:
        """Send the last event."""
        start = self._clock.now()
        await self._send({"type": "http.response.body", "body": event, "more_body": False})
        self.waited_s = self._clock.now() - start
