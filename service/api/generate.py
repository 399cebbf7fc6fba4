"""`POST /v1/generate`: one request, one complete answer inside its deadline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import msgspec
from fastapi import APIRouter
from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service import messages
from service.api.account import STALL_SECONDS, Account
from service.api.answers import answer_of, media_headers, server_timing
from service.api.arrival import GENERATE_PATH
from service.api.deadlines import deadline_ms
from service.api.documents import GENERATE_DOCUMENT
from service.api.intake import model_of, open_account, take
from service.api.negotiation import JSON, choose
from service.api.problems import UnsupportedMediaType, from_validation
from service.api.receipt import presence_of, respond
from service.api.resolve import Resolved
from service.api.schemas import GenerateRequest
from service.api.server import Server, server_of
from service.clock import Clock
from service.encode import MEDIA_TYPES
from service.errors import DeadlineInfeasible
from service.pool import Ticket

router = APIRouter(tags=["generate"])
_ENCODER = msgspec.json.Encoder()
_CLIENT_CLOSED = 499
_BEHIND_MS = 5.0  # with which a request may have waited to be read without anybody asking whether it still makes sense


class _Hurry(msgspec.Struct):
    """Of a body, what tells whether it comes too late, and for whom."""

    model: str | None = None
    deadline_ms: Annotated[float, msgspec.Meta(gt=0)] | None = None


_HURRY = msgspec.json.Decoder(_Hurry)


class _Delivery(Response):
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
        start = self._clock.now()
        named = scope["state"]["exchange"].begin(self.status_code)
        await respond(scope, send, [*self.raw_headers, named], self._content)
        self.handed_over(self._clock.now() - start > STALL_SECONDS)


@router.post(GENERATE_PATH, summary="Generate samples inside a deadline", **GENERATE_DOCUMENT)
async def generate(request: Request) -> Response:
    """Answers inside the deadline with the best complete samples that the time allows."""
    server = server_of(request)
    account = await open_account(request)
    try:
        body = await _read(request, account, server)
    except ClientDisconnect:
        account.abandoned()
        return Response(status_code=_CLIENT_CLOSED)
    manifest = model_of(body.model, server, account)
    accept = _accept(request)
    file_format = choose(accept, manifest.media, body.format, body.n) if accept else None
    headers = request.scope["headers"]
    resolved, ticket = take(body, manifest, server, account, headers=headers, file_format=file_format)
    result = await _result_unless_disconnected(request, ticket)
    if result is None:
        account.abandoned()
        return Response(status_code=_CLIENT_CLOSED)

    response = _response(ticket.id, result, resolved, account, bare=file_format is not None)

    def handed_over(stalled: bool) -> None:
        if not stalled:
            server.pool.delivered(ticket)
        account.answered(result)

    response.handed_over = handed_over
    return response


async def _read(request: Request, account: Account, server: Server) -> GenerateRequest:
    """Read and validate the body. Raises the problems of an unreadable or invalid one, and ClientDisconnect."""
    for name, value in request.scope["headers"]:
        if name == b"content-type" and value.partition(b";")[0].strip().lower() != JSON.encode():
            raise UnsupportedMediaType(f"The body must be {JSON}.")
        if name == b"content-encoding" and value.strip().lower() != b"identity":
            raise UnsupportedMediaType("The body must not be compressed.")
    body = await _body(request.receive)
    _check_hurry(request, body, account, server)
    try:
        return GenerateRequest.model_validate_json(body)
    except ValidationError as error:
        raise from_validation(error) from error


async def _body(receive: Receive) -> bytes:
    """The whole body. Raises ClientDisconnect if it ends too soon."""
    pieces: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)


def _check_hurry(request: Request, body: bytes, account: Account, server: Server) -> None:
    """Refuse at once what has waited past its deadline, before any more work is spent on it.

    When more requests come than this process can read, all of them wait. Only if those that cannot be helped cost next
    to nothing is there time for the others.

    Raises:
        DeadlineInfeasible: its time is up.
    """
    waited_ms = account.elapsed_ms()
    if waited_ms < _BEHIND_MS:
        return
    try:
        hurry = _HURRY.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return  # what is wrong with it is found out in full
    if waited_ms < deadline_ms(hurry.deadline_ms, request.scope["headers"], server.settings):
        return
    smallest_ms = server.pool.minimum_deadline_ms(model_of(hurry.model, server, account).name)
    if smallest_ms is not None:
        least_ms = waited_ms + smallest_ms
        raise DeadlineInfeasible(
            f"It took {waited_ms:.1f} ms until the request could be read; the smallest deadline that would do now is "
            f"{least_ms:.1f} ms.",
            least_ms,
        )


def _accept(request: Request) -> str | None:
    """All Accept headers as one, or None if there is none."""
    values = [value.decode("latin-1") for name, value in request.scope["headers"] if name == b"accept"]
    return ",".join(values) if values else None


async def _result_unless_disconnected(request: Request, ticket: Ticket) -> messages.Result | None:
    """Wait for the answer; None if the client went away first, and then the ticket is cancelled."""
    presence = presence_of(request.scope)
    presence.at_end(ticket.cancel)
    try:
        return await ticket.answer()
    finally:
        presence.at_end(None)
        ticket.cancel()  # without effect if it has ended


def _response(
    ticket_id: str, result: messages.Result, resolved: Resolved, account: Account, *, bare: bool
) -> _Delivery:
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
        return _Delivery(result.outputs[0].data, media_type.encode(), headers, account.clock)
    body = _ENCODER.encode(answer_of(ticket_id, result, resolved, account))
    return _Delivery(body, JSON.encode(), headers, account.clock)
