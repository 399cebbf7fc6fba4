"""RFC 9457 problem details: the one shape of every error, over HTTP and over websockets.

The errors that only HTTP knows extend the tree of `service.errors`:

ServiceError
├── OriginNotAllowed       403   a page of another site
├── NotFound               404   no such path
├── MethodNotAllowed       405 + Allow
├── NotAcceptable          406   no representation that the client accepts
├── RequestTimeout         408   the request took too long to arrive
├── UnsupportedMediaType   415   a body that is not JSON
├── UpgradeRequired        426 + Upgrade   a plain request where a websocket is spoken
├── HeadersTooLarge        431
├── Cancelled              499   the client took its request back, over a websocket
└── NotReady               503 + Retry-After   no worker is ready
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from service.errors import InvalidField, Malformed, RetryLater, ServiceError
from service.outcomes import Outcome

MEDIA_TYPE = "application/problem+json"
_TYPE_PREFIX = "urn:anytime:problem:"
_MOST_FIELDS = 16
_LONGEST_NAME = 80
_LONGEST_MESSAGE = 200
_MESSAGE_TYPES = (("generate",), ("stop",), ("cancel",))


class OriginNotAllowed(ServiceError):
    """A browser asks for a page of a site that is not allowed to."""

    status = 403
    slug = "origin-not-allowed"
    title = "Origin not allowed"
    outcome = Outcome.UNAUTHORIZED


class NotFound(ServiceError):
    """There is nothing at this path."""

    status = 404
    slug = "not-found"
    title = "Not found"
    outcome = Outcome.INVALID


class MethodNotAllowed(ServiceError):
    """The path exists, and takes other methods."""

    status = 405
    slug = "method-not-allowed"
    title = "Method not allowed"
    outcome = Outcome.INVALID

    def __init__(self, detail: str, allow: str) -> None:
        super().__init__(detail)
        self.allow = allow

    @property
    def headers(self) -> dict[str, str]:
        """Allow, as RFC 9110 requires of a 405."""
        return {"Allow": self.allow}


class NotAcceptable(ServiceError):
    """The client accepts no representation that the service has."""

    status = 406
    slug = "not-acceptable"
    title = "Not acceptable"
    outcome = Outcome.INVALID


class RequestTimeout(ServiceError):
    """The request took too long to arrive."""

    status = 408
    slug = "request-timeout"
    title = "Request timeout"
    outcome = Outcome.INVALID

    @property
    def headers(self) -> dict[str, str]:
        """The connection is closed, since nobody waits for the rest."""
        return {"Connection": "close"}


class UnsupportedMediaType(ServiceError):
    """The body is not JSON."""

    status = 415
    slug = "unsupported-media-type"
    title = "Unsupported media type"
    outcome = Outcome.INVALID


class UpgradeRequired(ServiceError):
    """This path speaks websocket."""

    status = 426
    slug = "upgrade-required"
    title = "Upgrade required"
    outcome = Outcome.INVALID

    @property
    def headers(self) -> dict[str, str]:
        """Upgrade, as RFC 9110 requires of a 426."""
        return {"Upgrade": "websocket", "Connection": "Upgrade"}


class HeadersTooLarge(ServiceError):
    """The request line and the headers are larger than the server takes."""

    status = 431
    slug = "headers-too-large"
    title = "Headers too large"
    outcome = Outcome.INVALID


class Cancelled(ServiceError):
    """The client took its request back."""

    status = 499
    slug = "cancelled"
    title = "Cancelled"
    outcome = Outcome.CLIENT_CLOSED


class NotReady(RetryLater):
    """No worker is ready to serve."""

    slug = "not-ready"
    title = "Not ready"
    outcome = Outcome.UNAVAILABLE


class Problem(msgspec.Struct, omit_defaults=True):
    """The problem object on the wire. Only the first four and `request_id` are always there."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[FieldError] = []
    minimum_deadline_ms: float | None = None
    retry_after_s: int | None = None


class FieldError(msgspec.Struct):
    """One field that is wrong, and why."""

    field: str
    message: str


def problem_of(error: ServiceError, request_id: str) -> Problem:
    """The problem object for an error."""
    return msgspec.convert(
        {
            "type": _TYPE_PREFIX + error.slug,
            "title": error.title,
            "status": error.status,
            "detail": error.detail,
            "request_id": request_id,
            "retry_after_s": error.retry_after_s if isinstance(error, RetryLater) else None,
            **error.extra,
        },
        Problem,
    )


def problem_response(error: ServiceError, request_id: str) -> Response:
    """The HTTP response for an error."""
    body = msgspec.json.encode(problem_of(error, request_id))
    return Response(body, error.status, headers=error.headers, media_type=MEDIA_TYPE)


def internal_error() -> ServiceError:
    """What a client learns of an error that nobody foresaw: nothing but where to look it up."""
    return ServiceError("The server failed to answer; its log names this request id.")


def invalid_field(field: str, message: str) -> InvalidField:
    """A 422 about one field."""
    return InvalidField(f"{field}: {message}", errors=[{"field": field, "message": message}])


def from_validation(error: ValidationError) -> ServiceError:
    """Unreadable JSON is a 400, a field that is wrong a 422 which names it."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    if details[0]["type"] == "json_invalid":
        return Malformed(f"The body is not valid JSON: {details[0]['msg'].removeprefix('Invalid JSON: ')}.")
    fields = [
        {"field": _field_name(detail["loc"]), "message": detail["msg"][:_LONGEST_MESSAGE]}
        for detail in details[:_MOST_FIELDS]
    ]
    summary = "; ".join(f"{each['field']}: {each['message']}" if each["field"] else each["message"] for each in fields)
    return InvalidField(summary, errors=fields)


def service_error(error: Exception, scope: Mapping[str, Any]) -> ServiceError:
    """The error that a client sees for anything that may be raised. What nobody foresaw tells nothing of itself."""
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, HTTPException):
        return _router_error(error, scope)
    return internal_error()


def _router_error(error: HTTPException, scope: Mapping[str, Any]) -> ServiceError:
    """What the router itself refuses: unknown paths and methods."""
    if error.status_code == 404:
        return NotFound("There is nothing at this path; /docs lists what there is.")
    if error.status_code == 405:
        allow = (error.headers or {}).get("Allow", "")
        return MethodNotAllowed(f"{scope['method']} is not allowed here; {allow} is.", allow)
    if error.status_code < 500:
        return Malformed(str(error.detail))
    return internal_error()


def _field_name(location: tuple[int | str, ...]) -> str:
    """The field's own name, between the type of the message before it and the members of a union after it."""
    names = location[1:] if location[:1] in _MESSAGE_TYPES else location
    return str(names[0])[:_LONGEST_NAME] if names else ""
