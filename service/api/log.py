"""The request log: one line of JSON per request, whatever a client put into its path or header."""

from __future__ import annotations

import logging

import msgspec

_logger = logging.getLogger("service.request")
_PROBES = frozenset({"/livez", "/readyz", "/metrics"})


def log_request(path: str, **fields: object) -> None:
    """Log one finished request; probes only at the level debug."""
    level = logging.DEBUG if path in _PROBES else logging.INFO
    if _logger.isEnabledFor(level):
        line = {"path": path, **{name: value for name, value in fields.items() if value is not None}}
        _logger.log(level, "%s", msgspec.json.encode(line).decode())
