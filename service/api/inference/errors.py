"""Errors as the Open Inference Protocol writes them."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from service.errors import InvalidField, ServiceError

ROOT = "/v2"
PREFIX = "/v2/"


class InferenceError(msgspec.Struct):
    """What went wrong. With a deadline that nothing fits into, the smallest that would do as well."""

    error: str
    minimum_deadline_ms: float | UnsetType = UNSET


def error_response(error: ServiceError) -> Response:
    """The HTTP response. What others call 422 is a 400 there."""
    minimum_ms = error.extra.get("minimum_deadline_ms")
    body = InferenceError(error.detail, minimum_ms if isinstance(minimum_ms, float) else UNSET)
    status = 400 if isinstance(error, InvalidField) else error.status
    return Response(msgspec.json.encode(body), status, headers=error.headers, media_type="application/json")
