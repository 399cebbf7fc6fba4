"""The body of a request: read whole, of a type that is understood, and not too late."""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from service.api.account import Account
from service.api.intake import model_of
from service.api.negotiation import JSON
from service.api.problems import UnsupportedMediaType, from_validation
from service.api.server import Server
from service.errors import DeadlineInfeasible

Body = TypeVar("Body", bound=BaseModel)

_BEHIND_MS = 5.0  # with which a request may have waited to be read without anybody asking whether it still makes sense


class _Hurry(msgspec.Struct):
    """Of a body, what tells whether it comes too late, and for whom."""

    model: str | None = None
    deadline_ms: Annotated[float, msgspec.Meta(gt=0)] | None = None


_HURRY = msgspec.json.Decoder(_Hurry)


def body_type(request: Request) -> str:
    """The media type of the body in small letters, JSON if the client says nothing.

    Raises:
        UnsupportedMediaType: the body is compressed.
    """
    media_type = JSON
    for name, value in request.scope["headers"]:
        if name == b"content-type":
            media_type = value.partition(b";")[0].strip().lower().decode("latin-1")
        if name == b"content-encoding" and value.strip().lower() != b"identity":
            raise UnsupportedMediaType("The body must not be compressed.")
    return media_type


async def read_json(request: Request, account: Account, server: Server, kind: type[Body]) -> Body:
    """The body of a request for samples, validated.

    Raises:
        ServiceError: it is unreadable or invalid, or its time is up already.
        ClientDisconnect: it ends too soon.
    """
    if body_type(request) != JSON:
        raise UnsupportedMediaType(f"The body must be {JSON}.")
    body = await read_body(request.receive)
    _check_hurry(request, body, account, server)
    return validated(kind, body)


async def read_body(receive: Receive) -> bytes:
    """The whole body. Raises ClientDisconnect if it ends too soon."""
    pieces: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)


def validated(kind: type[Body], body: bytes) -> Body:
    """A body of JSON as what it should be. Raises the problem of one that is not."""
    try:
        return kind.model_validate_json(body)
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
    if waited_ms < account.given_ms(hurry.deadline_ms, request.scope["headers"]):
        return
    smallest_ms = server.pool.minimum_deadline_ms(model_of(hurry.model, server, account).identity)
    if smallest_ms is not None:
        least_ms = waited_ms + smallest_ms
        raise DeadlineInfeasible(
            f"It took {waited_ms:.1f} ms until the request could be read; the smallest deadline that would do now is "
            f"{least_ms:.1f} ms.",
            least_ms,
        )
