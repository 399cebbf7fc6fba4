"""The shape of an error, by the path at which it occurs: whoever raises one need not know who asked.

/v1/images/...   OpenAI's: `{"error": {"message", "type", "param", "code"}}`
/v2, /v2/...     the Open Inference Protocol's: `{"error": "..."}`
anything else    problem details (RFC 9457)
"""

from __future__ import annotations

from starlette.responses import Response

from service.api.inference import errors as inference
from service.api.openai import errors as openai
from service.api.problems import problem_response
from service.errors import ServiceError


def refusal(path: str, error: ServiceError, request_id: str) -> Response:
    """The HTTP response for an error at a path."""
    if path.startswith(openai.PREFIX):
        return openai.error_response(error)
    if path == inference.ROOT or path.startswith(inference.PREFIX):
        return inference.error_response(error)
    return problem_response(error, request_id)
