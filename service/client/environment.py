"""What a client finds in the environment: where the server is, and the key to it. Nothing of a server's settings."""

from __future__ import annotations

import os

URL, API_KEY = "ANYTIME_URL", "ANYTIME_API_KEY"
USUAL_URL = "http://127.0.0.1:8000"


def url() -> str:
    """Where to ask."""
    return os.environ.get(URL) or USUAL_URL


def api_key() -> str | None:
    """The key to show, if there is one."""
    return os.environ.get(API_KEY) or None
