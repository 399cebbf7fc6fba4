"""The service's own OpenAPI document, for schemathesis to hold servers to."""

from __future__ import annotations

from typing import Any

import schemathesis
from fake_pool import FakePool, app_over

from service.settings import Settings


@schemathesis.serializer("application/x-npy", "audio/flac", "audio/ogg", "audio/wav")
def _as_it_is(_context: Any, value: Any) -> Any:
    """A file of a kind that schemathesis does not know."""
    return value if isinstance(value, bytes) else str(value).encode()


api = schemathesis.openapi.from_dict(app_over(FakePool(), Settings()).openapi())
