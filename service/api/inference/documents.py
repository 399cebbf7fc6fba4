"""What the OpenAPI document says of the Open Inference Protocol."""

from __future__ import annotations

from typing import Any

from service.api.documents import DEADLINE_HEADERS, error_responses, header, parameter, reference
from service.api.inference.schemas import Parameters

_LENGTH = "Inference-Header-Content-Length"
_EXAMPLE = {
    "id": "a",
    "inputs": [
        {"name": "label", "shape": [2], "datatype": "BYTES", "data": ["sneaker", "bag"]},
        {"name": "seed", "shape": [1], "datatype": "INT64", "data": [7]},
    ],
    "outputs": [{"name": "encoded"}, {"name": "codes_count"}],
    "parameters": {"timeout": 50_000, "priority": 1, "scale": 4},
}
_ANSWER = {
    "model_name": "fashion-mnist",
    "model_version": "1",
    "id": "a",
    "parameters": {"deadline_ms": 50},
    "outputs": [
        {
            "name": "encoded",
            "shape": [2],
            "datatype": "BYTES",
            "parameters": {"content_type": "base64", "media_type": "image/png"},
            "data": ["iVBORw0KGgo=", "iVBORw0KGgo="],
        },
        {"name": "codes_count", "shape": [2], "datatype": "INT32", "data": [16, 16]},
    ],
}


def inference_errors(*statuses: int, guarded: bool = True) -> dict[int | str, dict[str, Any]]:
    """The documented errors of a route; see `error_responses`."""
    return error_responses("InferenceError", "application/json", *statuses, guarded=guarded)


def path_parameters(*, versioned: bool) -> list[dict[str, Any]]:
    """The parameters of a path that names a model, and perhaps its version."""
    name = parameter("name", "path", "Name of the model.", "fashion-mnist")
    return [name, parameter("version", "path", "Its version.", "1")] if versioned else [name]


def infer_document(*, versioned: bool) -> dict[str, Any]:
    """What is said of the route that infers."""
    length = parameter(
        _LENGTH, "header", "Bytes of the body that are JSON, if tensors follow.", "120", pattern="^[0-9]{1,18}$"
    )
    return {
        "response_description": "The tensors, as JSON or with binary data after it.",
        "openapi_extra": {
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": reference("InferRequest"), "example": _EXAMPLE},
                    "application/octet-stream": {"schema": {"type": "string", "contentEncoding": "binary"}},
                },
            },
            "parameters": [*path_parameters(versioned=versioned), length, *DEADLINE_HEADERS],
        },
        "responses": {
            200: {
                "content": {
                    "application/json": {"schema": reference("InferAnswer"), "example": _ANSWER},
                    "application/octet-stream": {"schema": {"type": "string", "contentEncoding": "binary"}},
                },
                "headers": {
                    _LENGTH: header("Bytes of the body that are JSON, if tensors follow."),
                    "Server-Timing": header("queue, sample, decode, encode and total, in milliseconds."),
                },
            },
            **inference_errors(400, 404, 415, 503, 504),
        },
    }


def complete(components: dict[str, Any]) -> None:
    """Put what pydantic says of an inference request's parameters into the components that msgspec has written."""
    components["InferRequest"]["properties"]["parameters"] = Parameters.model_json_schema()
