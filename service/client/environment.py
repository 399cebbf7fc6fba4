"""What a client finds in the environment: the address of a server, the key to it, the terminal it writes to."""

from __future__ import annotations

import os
from collections.abc import Mapping

URL, API_KEY = "ANYTIME_URL", "ANYTIME_API_KEY"
USUAL_URL = "http://127.0.0.1:8000"


def variables() -> Mapping[str, str]:
    """All there is."""
    return os.environ


def url() -> str:
    """Where to ask."""
    return variables().get(URL) or USUAL_URL


def api_key() -> str | None:
    """The key to show, if there is one."""
    return variables().get(API_KEY) or None
