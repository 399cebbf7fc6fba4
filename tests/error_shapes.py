"""Which shape an error has, by the path at which it occurs."""

from __future__ import annotations

from typing import Any

_OPENAI = {"message", "type", "param", "code"}
PROBLEM, JSON = "application/problem+json", "application/json"


def media_type_at(path: str) -> str:
    """Of an error at a path."""
    return JSON if path == "/v2" or path.startswith(("/v1/images/", "/v2/")) else PROBLEM


def check_error(path: str, status: int, content_type: str, body: dict[str, Any]) -> None:
    """Hold an error to the shape that clients of its path know."""
    assert content_type == media_type_at(path), path
    if content_type == PROBLEM:
        assert body["status"] == status, path
        assert body["type"].startswith("urn:anytime:problem:"), path
    elif path.startswith("/v1/images/"):
        assert set(body) == {"error"}, path
        assert _OPENAI <= set(body["error"]) <= {*_OPENAI, "minimum_deadline_ms"}, path
        assert body["error"]["type"] == ("server_error" if status >= 500 else "invalid_request_error"), path
    else:
        assert {"error"} <= set(body) <= {"error", "minimum_deadline_ms"}, path
        assert isinstance(body["error"], str), path
