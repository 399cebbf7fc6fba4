"""What the OpenAPI document says of image generation as OpenAI has it."""

from __future__ import annotations

from typing import Any

from service.api.documents import DEADLINE_HEADERS, error_responses, header, reference
from service.api.openai.schemas import ImagesRequest

_B64 = "iVBORw0KGgo="
_ANYTIME = {
    "id": "5f0c2a",
    "model": "fashion-mnist",
    "codes": [17, 4, 99, 60],
    "codes_total": 16,
    "expected_quality": 0.71,
    "seed": 7,
    "index": 0,
    "label": "sneaker",
    "deadline_ms": 50,
    "stop_reason": "deadline",
}
_USAGE = {
    "input_tokens": 0,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
    "output_tokens": 4,
    "total_tokens": 4,
}
_ANSWER = {
    "created": 1767225600,
    "background": "opaque",
    "data": [{"b64_json": _B64, "anytime": _ANYTIME}],
    "output_format": "png",
    "size": "224x224",
    "usage": _USAGE,
}
_EXAMPLES = [
    {"prompt": "a sneaker", "deadline_ms": 50, "seed": 7, "size": "auto"},
    {"model": "fashion-mnist", "prompt": "bag", "stream": True, "partial_images": 3, "deadline_ms": 100},
]

IMAGES_DOCUMENT: dict[str, Any] = {
    "operation_id": "generate_images",
    "response_description": "The images, or events on the way to the image.",
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {**ImagesRequest.model_json_schema(), "examples": _EXAMPLES}}},
        },
        "parameters": DEADLINE_HEADERS,
    },
    "responses": {
        200: {
            "content": {
                "application/json": {"schema": reference("ImagesAnswer"), "example": _ANSWER},
                "text/event-stream": {
                    "schema": {
                        "type": "string",
                        "description": "Each event's data is JSON: PartialImageEvent, then CompletedImageEvent; or "
                        "OpenAIErrorAnswer.",
                    },
                    "example": 'event: image_generation.completed\ndata: {"type":"image_generation.completed"}\n\n',
                },
            },
            "headers": {
                "Server-Timing": header("queue, sample, decode, encode and total, in milliseconds. Not with events.")
            },
        },
        **error_responses("OpenAIErrorAnswer", "application/json", 400, 404, 405, 415, 503, 504),
    },
}
