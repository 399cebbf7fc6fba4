"""The body of a request for samples: read whole, refused if it comes too late to be worth reading, and validated."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from service.api.account import Account
from service.api.deadlines import deadline_ms
from service.api.intake import model_of
from service.api.negotiation import JSON
from service.api.problems import UnsupportedMediaType, from_validation
from service.api.server import Server
from service.errors import DeadlineInfeasible

_BEHIND_MS = 5.0  # with which a request may have waited to be read without anybody asking whether it still makes sense
_JSON_ONLY = frozenset({JSON.encode()})

Body = TypeVar("Body", bound=BaseModel)


class _Hurry(msgspec.Struct):
    """Of a body, what tells whether it comes too late, and for whom."""

    model: str | None = None
    deadline_ms: Annotated[float, msgspec.Meta(gt=0)] | None = None


_HURRY = msgspec.json.Decoder(_Hurry)


async def read_json(request: Request, shape: type[Body], account: Account, server: Server) -> Body:
    """Read and validate a JSON body that may name a `model` and a `deadline_ms`.

    Raises:
        ServiceError: it is unreadable, invalid, of another media type, or comes too late.
        ClientDisconnect: it ends too soon.
    """
    check_media_type(request, _JSON_ONLY)
    body = await read_bytes(request.receive)
    _check_hurry(request, body, account, server)
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        raise from_validation(error) from error


def check_media_type(request: Request, allowed: Collection[bytes]) -> None:
    """Raise UnsupportedMediaType if the body says that it is anything else, or that it is compressed."""
    for name, value in request.scope["headers"]:
        if name == b"content-type" and value.partition(b";")[0].strip().lower() not in allowed:
            raise UnsupportedMediaType(f"The body must be {' or '.join(sorted(each.decode() for each in allowed))}.")
        if name == b"content-encoding" and value.strip().lower() != b"identity":
            raise UnsupportedMediaType("The body must not be compressed.")


async def read_bytes(receive: Receive) -> bytes:
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
