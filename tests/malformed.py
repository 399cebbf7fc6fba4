"""Messages over the websocket that start nothing: each kind with the status and the id that answer it."""

from __future__ import annotations

LONGEST = 4096
"""The server's `max_body_bytes`, for those that are too long."""

MALFORMED: list[tuple[str, int, str | None]] = [
    ("", 400, None),
    ("{", 400, None),
    ("[" * 2000, 400, None),
    ("[]", 422, None),
    ("{}", 422, None),
    ('{"type": "dance", "id": "a"}', 422, "a"),
    ('{"type": "generate"}', 422, None),
    ('{"type": "generate", "id": ""}', 422, ""),
    ('{"type": "generate", "id": 7}', 422, None),
    ('{"type": "generate", "id": "a", "n": 0}', 422, "a"),
    ('{"type": "generate", "id": "a", "preview_ms": 0}', 422, "a"),
    ('{"type": "generate", "id": "a", "label": "nope"}', 422, "a"),
    ('{"type": "generate", "id": "a", "model": "nope"}', 404, "a"),
    ('{"type": "stop", "id": "a", "n": 1}', 422, "a"),
    (" " * (LONGEST + 1), 413, None),
]
