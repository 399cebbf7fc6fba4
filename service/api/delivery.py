"""From a ticket to the last byte: waiting for an answer, and handing it to the transport in one write."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service import messages
from service.api.account import STALL_SECONDS
from service.api.receipt import Headers, presence_of, respond
from service.clock import Clock
from service.pool import Ticket


class Delivery(Response):
    """A response that tells when its last byte was handed to the transport, and whether the reader held that up.

    Args:
        headers: beyond the type and length of the content.

    Attributes:
        handed_over: told, in the end, whether the reader was slow.
    """

    def __init__(self, content: bytes, media_type: bytes, headers: Headers, clock: Clock) -> None:
        # Not by `Response` itself, which takes its time over what is known here.
        self.status_code, self.background = 200, None
        self._content = content
        length = str(len(content)).encode()
        self.raw_headers = [*headers, (b"content-type", media_type), (b"content-length", length)]
        self._clock = clock
        self.handed_over: Callable[[bool], None]

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Hand it over."""
        start = self._clock.now()
        named = scope["state"]["exchange"].begin(self.status_code)
        await respond(scope, send, [*self.raw_headers, named], self._content)
        self.handed_over(self._clock.now() - start > STALL_SECONDS)


async def answers_to(request: Request, tickets: Sequence[Ticket]) -> list[messages.Result]:
    """Wait for the answers to all of a request's tickets, in their order.

    Raises:
        ServiceError: came instead of one; what still runs of the others was cancelled.
        ClientDisconnect: the client went away first, and so did the request.
    """

    def cancel() -> None:
        for ticket in tickets:
            ticket.cancel()  # without effect on one that has ended

    presence = presence_of(request.scope)
    presence.at_end(cancel)
    results = []
    try:
        for ticket in tickets:
            result = await ticket.answer()
            if result is None:
                raise ClientDisconnect
            results.append(result)
    finally:
        presence.at_end(None)
        cancel()
    return results
