"""`POST /v1/generate`: one request, one complete answer inside its deadline, at once or as events."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from service import messages
from service.api.account import Account
from service.api.answers import accepted_event, completed_event, error_event, preview_event
from service.api.delivery import deliver_samples, nobody_there
from service.api.documents import GENERATE_DOCUMENT
from service.api.intake import Taken, model_of, open_account, take
from service.api.negotiation import EVENTS, accepted, choose
from service.api.reading import read_json
from service.api.schemas import GenerateRequest
from service.api.server import server_of
from service.api.sse import EventStream, server_sent
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
    try:
        body = await read_json(request, account, server, GenerateRequest)
    except ClientDisconnect:
        return nobody_there(account)
    manifest = model_of(body.model, server, account)
    headers = request.scope["headers"]
    accept = accepted(headers)
    chosen = choose(accept, manifest.media, body.format, body.n, events=True) if accept else None
    if chosen == EVENTS:
        taken = take(body, manifest, server, account, headers=headers, preview_ms=body.preview_ms)
        return EventStream(taken.ticket, _Events(taken, account), server, account)
    taken = take(body, manifest, server, account, headers=headers, file_format=chosen)
    return await deliver_samples(request, taken, account, bare=chosen is not None)


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
