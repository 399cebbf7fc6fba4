"""Errors as OpenAI writes them."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from service.errors import DeadlineInfeasible, InvalidField, ModelNotFound, ServiceError

PREFIX = "/v1/images/"


class OpenAIError(msgspec.Struct):
    """What went wrong; `param` names the field, `code` is the problem's type."""

    message: str
    type: str
    param: str | None
    code: str
    minimum_deadline_ms: float | UnsetType = UNSET


class OpenAIErrorAnswer(msgspec.Struct):
    """The answer to a request that fails."""

    error: OpenAIError


def error_of(error: ServiceError) -> OpenAIErrorAnswer:
    """The error object."""
    fields = error.extra.get("errors")
    param = fields[0]["field"] or None if isinstance(fields, list) and fields else None
    minimum_ms = error.extra.get("minimum_deadline_ms")
    return OpenAIErrorAnswer(
        OpenAIError(
            message=error.detail,
            type=_type(error.status),
            param="model" if isinstance(error, ModelNotFound) else param,
            code=error.slug.replace("-", "_"),
            minimum_deadline_ms=minimum_ms if isinstance(minimum_ms, float) else UNSET,
        )
    )


def _type(status: int) -> str:
    if status == 429:
        return "rate_limit_error"
    return "server_error" if status >= 500 else "invalid_request_error"


def error_response(error: ServiceError) -> Response:
    """The HTTP response. What others call 422 is a 400 there; what no second try can help, says so."""
    headers = error.headers
    if isinstance(error, DeadlineInfeasible):
        headers = {**headers, "X-Should-Retry": "false"}  # OpenAI's clients try again after every other 5xx
    status = 400 if isinstance(error, InvalidField) else error.status
    return Response(msgspec.json.encode(error_of(error)), status, headers=headers, media_type="application/json")
