from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest
from live_server import request_lines

from service.api.log import LOGGER, RequestLog

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


async def test_lines_are_written_together(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    log = RequestLog(lambda: NOW)
    log.add("/a\nb", status=200, model=None)
    log.add("/c")
    assert not caplog.records
    log.flush()
    log.flush()
    time = "2026-01-02T03:04:05.678+00:00"
    assert request_lines(caplog) == [{"time": time, "path": "/a\nb", "status": 200}, {"time": time, "path": "/c"}]
    assert len(caplog.records) == 1


async def test_what_its_level_leaves_out(caplog: pytest.LogCaptureFixture) -> None:
    log = RequestLog(lambda: NOW)
    caplog.set_level(logging.INFO, LOGGER)
    log.add("/livez")
    caplog.set_level(logging.WARNING, LOGGER)
    log.add("/v1/generate")
    caplog.set_level(logging.DEBUG, LOGGER)
    log.add("/metrics")
    log.flush()
    assert [line["path"] for line in request_lines(caplog)] == ["/metrics"]
