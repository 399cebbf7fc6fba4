"""The request log: one line of JSON per request, whatever a client put into its path or header."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import msgspec

LOGGER = "service.request"
_logger = logging.getLogger(LOGGER)
_PROBES = frozenset({"/livez", "/readyz", "/metrics"})
_DELAY_S = 0.1
_ENCODER = msgspec.json.Encoder()
# Version, trace, parent and flags; later versions may say more.
_TRACEPARENT = re.compile(rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


def _wall_clock() -> datetime:
    return datetime.now(UTC)


def trace_id(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The trace that a request is part of by its W3C `traceparent`; None without a valid one.

    Source: https://www.w3.org/TR/trace-context/#traceparent-header
    """
    values = [value for name, value in headers if name == b"traceparent"]
    found = _TRACEPARENT.fullmatch(values[0]) if len(values) == 1 else None
    if found is None or (found[1] == b"00" and found[3] is not None):
        return None
    return found[2].decode()


class RequestLog:
    """Writes what it is given a moment later, many lines at once.

    Each by itself they would take a tenth of what a request costs this process, most of it for a call to the system.

    Args:
        wall_clock: what a line says of its time.
    """

    def __init__(self, wall_clock: Callable[[], datetime] = _wall_clock) -> None:
        self._wall_clock = wall_clock
        self._lines: list[dict[str, object]] = []

    def add(self, path: str, **fields: object) -> None:
        """Log one finished request, in a running event loop; probes only at the level debug."""
        if not _logger.isEnabledFor(logging.DEBUG if path in _PROBES else logging.INFO):
            return
        if not self._lines:
            asyncio.get_running_loop().call_later(_DELAY_S, self.flush)
        said = {key: field for key, field in fields.items() if field is not None}
        self._lines.append({"time": self._wall_clock().isoformat(timespec="milliseconds"), "path": path, **said})

    def flush(self) -> None:
        """Write now what there is."""
        if self._lines:
            lines, self._lines = self._lines, []
            _logger.info("%s", _ENCODER.encode_lines(lines).decode().removesuffix("\n"))
