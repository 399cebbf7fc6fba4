"""`POST /v1/generate`: one request, one complete answer inside its deadline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, cast

import msgspec
from fastapi import APIRouter
from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service import messages
from service.api.account import STALL_SECONDS, Account
from service.api.answers import answer_of, media_headers, server_timing
from service.api.arrival import GENERATE_PATH, exchange_of
from service.api.deadlines import deadline_ms
from service.api.documents import GENERATE_DOCUMENT
from service.api.negotiation import JSON, choose
from service.api.problems import UnsupportedMediaType, from_validation
from service.api.receipt import when_gone
from service.api.resolve import Resolved, find_model, resolve
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

    def __init__(self, content: bytes, media_type: str, headers: dict[str, str], clock: Clock) -> None:
        # Not by `Response` itself, which takes its time over what is known here.
        self.status_code, self.body, self.background = 200, content, None
        headers |= {"content-type": media_type, "content-length": str(len(content))}
        self.raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        self._clock = clock
        self.handed_over: Callable[[bool], None]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = self._clock.now()
        await super().__call__(scope, receive, send)
        self.handed_over(self._clock.now() - start > STALL_SECONDS)


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one request; raises what prevents an answer."""
    response = await generate(Request(scope, receive, send))
    await response(scope, receive, send)


@router.post(GENERATE_PATH, summary="Generate samples inside a deadline", **GENERATE_DOCUMENT)
async def generate(request: Request) -> Response:
    """Answers inside the deadline with the best complete samples that the time allows."""
    server = server_of(request)
    # The middleware opens an account for every request that comes here.
    account = cast("Account", exchange_of(request).account)
    try:
        body = await _read(request, account, server)
    except ClientDisconnect:
        account.abandoned()
        return Response(status_code=_CLIENT_CLOSED)
    manifest = find_model(body.model, server.pool.manifests)
    account.model = manifest.name
    file_format = choose(_accept(request), manifest.media, body.format, body.n)
    account.deadline_ms = deadline_ms(body.deadline_ms, request.headers.raw, server.settings)
    resolved = resolve(body, manifest, server.settings, file_format=file_format)
    ticket = server.pool.submit(resolved.generation, account.deadline)
    account.accepted(ticket.id)
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
    content_type = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if content_type != JSON:
        raise UnsupportedMediaType(f"The body must be {JSON}.")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise UnsupportedMediaType("The body must not be compressed.")
    body = await request.body()
    _check_hurry(request, body, account, server)
    try:
        return GenerateRequest.model_validate_json(body)
    except ValidationError as error:
        raise from_validation(error) from error


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
    if waited_ms < deadline_ms(hurry.deadline_ms, request.headers.raw, server.settings):
        return
    account.model = find_model(hurry.model, server.pool.manifests).name
    smallest_ms = server.pool.minimum_deadline_ms(account.model)
    if smallest_ms is not None:
        least_ms = waited_ms + smallest_ms
        raise DeadlineInfeasible(
            f"It took {waited_ms:.1f} ms until the request could be read; the smallest deadline that would do now is "
            f"{least_ms:.1f} ms.",
            least_ms,
        )


def _accept(request: Request) -> str | None:
    """All Accept headers as one, or None if there is none."""
    values = request.headers.getlist("accept")
    return ",".join(values) if values else None


async def _result_unless_disconnected(request: Request, ticket: Ticket) -> messages.Result | None:
    """Wait for the answer; None if the client went away first, and then the ticket is cancelled."""
    try:
        with when_gone(request.scope, ticket.cancel):
            async for message in ticket:
                if isinstance(message, messages.Result):
                    return message
        return None
    finally:
        ticket.cancel()  # without effect if it has ended


def _response(
    ticket_id: str, result: messages.Result, resolved: Resolved, account: Account, *, bare: bool
) -> _Delivery:
    """The bare sample with the facts in its headers, or JSON."""
    headers = {
        "server-timing": server_timing(result.timing, account.elapsed_ms()),
        "cache-control": "no-store",
        "vary": "Accept",
    }
    if bare:
        headers |= media_headers(ticket_id, result, resolved, account)
        media_type = MEDIA_TYPES[resolved.generation.encoding.format]
        return _Delivery(result.outputs[0].data, media_type, headers, account.clock)
    body = _ENCODER.encode(answer_of(ticket_id, result, resolved, account))
    return _Delivery(body, JSON, headers, account.clock)
