"""Answers on their way out: waited for as long as the client does, and handed over whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service import messages
from service.api.account import STALL_SECONDS, Account
from service.api.answers import answer_of, media_headers, server_timing
from service.api.intake import Taken
from service.api.negotiation import JSON
from service.api.receipt import presence_of, respond
from service.api.server import server_of
from service.clock import Clock
from service.encode import MEDIA_TYPES

Answer = TypeVar("Answer", covariant=True)  # noqa: PLC0105 - named for what it is

_CLIENT_CLOSED = 499
_ENCODER = msgspec.json.Encoder()


class Pending(Protocol[Answer]):
    """A request that was taken, and will be answered."""

    def cancel(self) -> None:
        """Take it back; without effect if it has ended."""

    async def answer(self) -> Answer | None:
        """The answer; None after `cancel`. Raises ServiceError if there is none."""


class Delivery(Response):
    """A response that tells when its last byte was handed to the transport, and whether the reader held that up."""

    def __init__(self, content: bytes, media_type: bytes, headers: list[tuple[bytes, bytes]], clock: Clock) -> None:
        # Not by `Response` itself, which takes its time over what is known here.
        self.status_code, self.background = 200, None
        self._content = content
        length = str(len(content)).encode()
        self.raw_headers = [*headers, (b"content-type", media_type), (b"content-length", length)]
        self._clock = clock
        self.handed_over: Callable[[bool], None]

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it."""
        start = self._clock.now()
        more = scope["state"]["exchange"].begin(self.status_code)
        await respond(scope, send, self.status_code, [*self.raw_headers, *more], self._content)
        self.handed_over(self._clock.now() - start > STALL_SECONDS)


async def deliver_samples(request: Request, taken: Taken, account: Account, *, bare: bool) -> Response:
    """The answer to a request for samples that was taken, once there is one.

    Args:
        bare: the only sample itself, with the facts in its headers, instead of JSON.
    """
    result = await unless_disconnected(request, taken.ticket)
    if result is None:
        return nobody_there(account)
    response = _samples(result, taken, account, bare=bare)

    def handed_over(stalled: bool) -> None:
        if not stalled:
            server_of(request).pool.delivered(taken.ticket)
        account.answered(result)

    response.handed_over = handed_over
    return response


def as_json(answer: msgspec.Struct, headers: list[tuple[bytes, bytes]], clock: Clock) -> Delivery:
    """An answer as JSON; whoever sends it says what is to happen when it is handed over."""
    return Delivery(_ENCODER.encode(answer), JSON.encode(), headers, clock)


def facts_of(timing: str) -> list[tuple[bytes, bytes]]:
    """The headers that every answer has, `timing` being the value of `Server-Timing`."""
    return [(b"server-timing", timing.encode()), (b"cache-control", b"no-store")]


async def unless_disconnected(request: Request, pending: Pending[Answer]) -> Answer | None:
    """Wait for the answer; None if the client went away first, and then the request is taken back."""
    presence = presence_of(request.scope)
    presence.at_end(pending.cancel)
    try:
        return await pending.answer()
    finally:
        presence.at_end(None)
        pending.cancel()  # without effect if it has ended


def nobody_there(account: Account) -> Response:
    """What becomes of a request whose client has gone: nobody will read this."""
    account.abandoned()
    return Response(status_code=_CLIENT_CLOSED)


def _samples(result: messages.Result, taken: Taken, account: Account, *, bare: bool) -> Delivery:
    ticket_id, resolved = taken.ticket.id, taken.resolved
    headers = [*facts_of(server_timing(result.timing, account.elapsed_ms())), (b"vary", b"Accept")]
    if not bare:
        return as_json(answer_of(ticket_id, result, resolved, account), headers, account.clock)
    facts = media_headers(ticket_id, result, resolved, account)
    headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in facts.items()]
    media_type = MEDIA_TYPES[resolved.generation.encoding.format]
    return Delivery(result.outputs[0].data, media_type.encode(), headers, account.clock)
