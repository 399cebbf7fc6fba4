"""What the OpenAPI document says of each route beyond its name."""

from __future__ import annotations

import re
from typing import Any

from service.api.deadlines import GRPC, MILLISECONDS, SECONDS
from service.api.problems import MEDIA_TYPE
from service.api.schemas import request_schema
from service.encode import MEDIA_TYPES

_ERRORS = {
    400: "The request cannot be read: malformed JSON or a malformed deadline header.",
    401: "There is no key, or none that this server knows.",
    403: "The key has expired, or is for something else; or a page of a site that is not allowed asks.",
    404: "No such model.",
    405: "The path takes other methods.",
    406: "Nothing that `Accept` allows can be sent.",
    408: "The request took too long to arrive.",
    413: "The body is larger than the server takes.",
    415: "The body is of a type that is not taken here.",
    422: "A field is invalid, `errors` naming it, or a file cannot be encoded.",
    429: "Over the client's limits: its rate, or what it may have in progress. `Retry-After` says when to try again.",
    431: "Request line and headers are larger than the server takes.",
    500: "The server failed; its log names the request id.",
    503: "Full, draining, or no worker is ready. `Retry-After` says when to try again.",
    504: "No minimum result fits into the deadline; `minimum_deadline_ms` would do.",
}


def reference(name: str) -> dict[str, str]:
    """A reference to a component schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def json_response(description: str, schema: str, **extra: object) -> dict[str, Any]:
    """A documented JSON response."""
    return {"description": description, "content": {"application/json": {"schema": reference(schema), **extra}}}


def problem_responses(*statuses: int, guarded: bool = True) -> dict[int | str, dict[str, Any]]:
    """The documented problems of a route, those included that can happen on every one; see `error_responses`."""
    return error_responses("Problem", MEDIA_TYPE, *statuses, guarded=guarded)


def error_responses(
    schema: str, media_type: str, *statuses: int, guarded: bool = True
) -> dict[int | str, dict[str, Any]]:
    """The documented errors of a route, in whatever shape it has them, those included that can happen on every one.

    Args:
        guarded: whether the route wants a key where there are keys, and counts for its client's limits.
    """
    every = {408, 413, 431, 500, *statuses}
    if guarded:
        every |= {401, 403, 429}
    return {status: _error_response(status, schema, media_type) for status in sorted(every)}


def _error_response(status: int, schema: str, media_type: str) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": _ERRORS[status],
        "content": {media_type: {"schema": reference(schema)}},
    }
    if status in (429, 503):
        response["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 0}}}
    if status == 401:
        response["headers"] = {"WWW-Authenticate": header("Bearer")}
    return response


def parameter(name: str, where: str, description: str, example: object, **schema: object) -> dict[str, Any]:
    """A documented string parameter."""
    return {
        "name": name,
        "in": where,
        "required": where == "path",
        "description": description,
        "schema": {"type": "string", **schema},
        "example": example,
    }


def _header_parameter(name: str, description: str, example: str, pattern: re.Pattern[str]) -> dict[str, Any]:
    """A documented header that is refused unless all of it matches."""
    return parameter(name, "header", description, example, pattern=f"^({pattern.pattern})$")


def _answer_example(model: str, label: str, media_type: str, b64: str) -> dict[str, Any]:
    output = {
        "index": 0,
        "media_type": media_type,
        "codes": [17, 4, 99, 60],
        "codes_total": 16,
        "expected_quality": 0.71,
        "seed": 7,
        "label": label,
        "b64": b64,
        "stop_reason": "deadline",
    }
    timing = {"queue_ms": 0.2, "sample_ms": 41.0, "decode_ms": 2.9, "encode_ms": 0.1, "total_ms": 45.3}
    return {"id": "5f0c2a", "model": model, "version": "1", "outputs": [output], "deadline_ms": 50, "timing": timing}


_ANSWER_EXAMPLES = {
    "image": {"value": _answer_example("fashion-mnist", "Sneaker", "image/png", "iVBORw0KGgo=")},
    "audio": {"value": _answer_example("spoken-digits", "seven", "audio/wav", "UklGRg==")},
}
_BARE = {"schema": {"type": "string", "contentEncoding": "binary"}}
_EVENTS = {
    "schema": {
        "type": "string",
        "description": "Each event's data is JSON: AcceptedEvent, PreviewEvent, CompletedEvent or ErrorEvent.",
    },
    "example": 'event: completed\ndata: {"type":"completed","id":"5f0c2a","outputs":[]}\n\n',
}
_FACTS = {
    "Model": "The model.",
    "Version": "Its version.",
    "Id": "The server's id of this answer.",
    "Codes": "How many codes are behind the sample.",
    "Codes-Total": "How many codes a complete sample has.",
    "Stop-Reason": "complete, deadline, shed, client_stop or drain.",
    "Expected-Quality": "0 to 1.",
    "Seed": "The seed, drawn at random if the request had none.",
    "Label": "The class, percent-encoded where it is not ASCII; absent without one.",
    "Deadline-Ms": "The deadline that the request was given.",
}


def header(description: str) -> dict[str, Any]:
    """A documented response header."""
    return {"description": description, "schema": {"type": "string"}}


DEADLINE_HEADERS = [
    _header_parameter("x-request-timeout-seconds", "Deadline in seconds.", "0.05", SECONDS),
    _header_parameter("grpc-timeout", "Deadline as gRPC writes it.", "50m", GRPC),
    _header_parameter("x-envoy-expected-rq-timeout-ms", "Deadline in milliseconds.", "50", MILLISECONDS),
    parameter("x-request-id", "header", "Returned, and named in the log, if it is a plain name.", "a-1"),
]

GENERATE_DOCUMENT: dict[str, Any] = {
    "operation_id": "generate",
    "response_description": "A complete answer: JSON or, as `Accept` prefers, the bare sample or events on the way.",
    "openapi_extra": {
        "requestBody": {"required": True, "content": {"application/json": {"schema": request_schema()}}},
        "parameters": DEADLINE_HEADERS,
    },
    "responses": {
        200: {
            "content": {
                "application/json": {"schema": reference("Answer"), "examples": _ANSWER_EXAMPLES},
                "text/event-stream": _EVENTS,
                **dict.fromkeys(MEDIA_TYPES.values(), _BARE),
            },
            "headers": {
                "Server-Timing": header("queue, sample, decode, encode and total, in milliseconds. Not with events."),
                **{f"X-Anytime-{name}": header(f"{text} Only with a bare sample.") for name, text in _FACTS.items()},
            },
        },
        **problem_responses(400, 404, 406, 415, 422, 503, 504),
    },
}
