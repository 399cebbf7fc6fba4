"""What the OpenAPI document says of the routes to and from codes."""

from __future__ import annotations

from typing import Any

from service.api.codec_schemas import DECODE_EXAMPLES, ENCODE_EXAMPLES, DecodeRequest, EncodeOptions, EncodeRequest
from service.api.documents import DEADLINE_HEADERS, GENERATE_DOCUMENT, json_response, problem_responses
from service.api.negotiation import EVENTS
from service.encode import MEDIA_TYPES


def _decode_responses() -> dict[int | str, dict[str, Any]]:
    """As those to `/v1/generate`, which may be a stream of events besides."""
    responses: dict[int | str, dict[str, Any]] = GENERATE_DOCUMENT["responses"]
    content = {name: each for name, each in responses[200]["content"].items() if name != EVENTS}
    return {**responses, 200: {**responses[200], "content": content}}


DECODE_DOCUMENT: dict[str, Any] = {
    "operation_id": "decode",
    "response_description": "The samples, as JSON or, as `Accept` prefers, the only one by itself.",
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {**DecodeRequest.model_json_schema(), "examples": DECODE_EXAMPLES}}
            },
        },
        "parameters": DEADLINE_HEADERS,
    },
    "responses": _decode_responses(),
}


def _query_parameters() -> list[dict[str, Any]]:
    """Each option, which may be in the query whatever the body is."""
    properties = EncodeOptions.model_json_schema()["properties"]
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": schema["description"],
            # Null has no place in a query.
            "schema": next((each for each in schema.get("anyOf", ()) if each["type"] != "null"), _plain(schema)),
        }
        for name, schema in properties.items()
    ]


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: schema[key] for key in ("type", "enum", "default") if key in schema}


_ANSWER_EXAMPLE = {
    "id": "5f0c2a",
    "model": "fashion-mnist",
    "codes": [17, 4, 99, 60],
    "codes_total": 16,
    "packed": "p1fTBCISMeA=",
    "bytes": 8,
    "expected_quality": 0.71,
    "squared_error": 21.3,
    "psnr_db": 15.7,
    "deadline_ms": 60000,
    "timing": {"queue_ms": 0.4, "read_ms": 0.3, "encode_ms": 0.9, "decode_ms": 0.8, "total_ms": 2.7},
}

ENCODE_DOCUMENT: dict[str, Any] = {
    "operation_id": "encode",
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {**EncodeRequest.model_json_schema(), "examples": ENCODE_EXAMPLES}},
                **{
                    media_type: {"schema": {"type": "string", "contentEncoding": "binary"}}
                    for media_type in MEDIA_TYPES.values()
                },
            },
        },
        "parameters": [*_query_parameters(), *DEADLINE_HEADERS],
    },
    "responses": {
        200: json_response("The codes.", "EncodeAnswer", example=_ANSWER_EXAMPLE),
        **problem_responses(400, 404, 415, 422, 503, 504),
    },
}
