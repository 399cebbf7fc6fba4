"""The request log: one line per request, whatever a client put into its path or header."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from service.log_lines import Fields, json_lines

LOGGER = "service.request"
_logger = logging.getLogger(LOGGER)
_PROBES = frozenset({"/livez", "/readyz", "/metrics"})
_DELAY_S = 0.1


def _wall_clock() -> datetime:
    return datetime.now(UTC)


class RequestLog:
    """Writes what it is given a moment later, many lines at once.

    Each by itself they would take a tenth of what a request costs this process, most of it for a call to the system.

    Args:
        wall_clock: what a line says of its time.

    Attributes:
        write: how lines are written.
    """

    def __init__(self, wall_clock: Callable[[], datetime] = _wall_clock) -> None:
        self.write: Callable[[Sequence[Fields]], str] = json_lines
        self._wall_clock = wall_clock
        self._lines: list[Fields] = []

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
            _logger.info("%s", self.write(lines))
