"""`POST /v1/generate`: one request, one complete answer inside its deadline, at once or as events."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service import messages
from service.api.account import Account
from service.api.answers import (
    accepted_event,
    answer_of,
    completed_event,
    error_event,
    media_headers,
    preview_event,
    server_timing,
)
from service.api.body import read_json
from service.api.delivery import Delivery, answers_to
from service.api.documents import GENERATE_DOCUMENT
from service.api.intake import Taken, model_of, open_account, take
from service.api.negotiation import EVENTS, JSON, choose
from service.api.resolve import Resolved
from service.api.schemas import GenerateRequest
from service.api.server import server_of
from service.api.sse import EventStream, server_sent
from service.encode import MEDIA_TYPES
from service.errors import ServiceError

GENERATE_PATH = "/v1/generate"
router = APIRouter(tags=["generate"])
_ENCODER = msgspec.json.Encoder()


@router.post(GENERATE_PATH, summary="Generate samples inside a deadline", **GENERATE_DOCUMENT)
async def generate(request: Request) -> Response:
    """Answers inside the deadline with the best complete samples that the time allows.

    With `Accept: text/event-stream` the same comes as server-sent events: `accepted`, `preview`s as often as
    `preview_ms` says, and one `completed` or `error`.
    """
    server = server_of(request)
    account = await open_account(request)
    body = await read_json(request, GenerateRequest, account, server)
    manifest = model_of(body.model, server, account)
    accept = _accept(request)
    chosen = choose(accept, manifest.media, body.format, body.n) if accept else None
    headers = request.scope["headers"]
    if chosen == EVENTS:
        taken = take(body, manifest, server, account, headers=headers, preview_ms=body.preview_ms)
        return EventStream(taken.ticket, _Events(taken, account), server, account)
    resolved, ticket = take(body, manifest, server, account, headers=headers, file_format=chosen)
    (result,) = await answers_to(request, [ticket])
    response = _response(ticket.id, result, resolved, account, bare=chosen is not None)

    def handed_over(stalled: bool) -> None:
        if not stalled:
            server.pool.delivered(ticket)
        account.answered(result)

    response.handed_over = handed_over
    return response


def _accept(request: Request) -> str | None:
    """All Accept headers as one, or None if there is none."""
    values = [value.decode("latin-1") for name, value in request.scope["headers"] if name == b"accept"]
    return ",".join(values) if values else None


def _response(ticket_id: str, result: messages.Result, resolved: Resolved, account: Account, *, bare: bool) -> Delivery:
    """The bare sample with the facts in its headers, or JSON."""
    headers = [
        (b"server-timing", server_timing(result.timing, account.elapsed_ms()).encode()),
        (b"cache-control", b"no-store"),
        (b"vary", b"Accept"),
    ]
    if bare:
        facts = media_headers(ticket_id, result, resolved, account)
        headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in facts.items()]
        media_type = MEDIA_TYPES[resolved.generation.encoding.format]
        return Delivery(result.outputs[0].data, media_type.encode(), headers, account.clock)
    body = _ENCODER.encode(answer_of(ticket_id, result, resolved, account))
    return Delivery(body, JSON.encode(), headers, account.clock)


class _Events:
    """The events of the websocket, as server-sent ones; the ticket's id is their `id`."""

    def __init__(self, taken: Taken, account: Account) -> None:
        self._id = taken.ticket.id
        self._resolved = taken.resolved
        self._account = account

    def accepted(self) -> bytes:
        return server_sent(b"accepted", _ENCODER.encode(accepted_event(self._id, self._resolved, self._account)))

    def preview(self, preview: messages.Preview) -> bytes:
        event = preview_event(self._id, preview, self._resolved, self._account)
        return server_sent(b"preview", _ENCODER.encode(event))

    def completed(self, result: messages.Result) -> bytes:
        event = completed_event(self._id, result, self._resolved, self._account)
        return server_sent(b"completed", _ENCODER.encode(event))

    def failed(self, error: ServiceError, request_id: str) -> bytes:
        return server_sent(b"error", _ENCODER.encode(error_event(self._id, error, request_id)))
