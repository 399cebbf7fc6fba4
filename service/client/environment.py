"""What a client finds in the environment: the address of a server, the key to it, the terminal it writes to."""

from __future__ import annotations

import os
from collections.abc import Mapping

URL, API_KEY = "ANYTIME_URL", "ANYTIME_API_KEY"
USUAL_URL = "http://127.0.0.1:8000"


def url() -> str:
    """Where to ask."""
    return os.environ.get(URL) or USUAL_URL


def api_key() -> str | None:
    """The key to show, if there is one."""
    return os.environ.get(API_KEY) or None


def variables() -> Mapping[str, str]:
    """All there is: terminals say so what they are."""
    return os.environ
