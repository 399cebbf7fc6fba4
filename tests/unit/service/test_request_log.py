from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest
from live_server import request_lines

from service.api.log import LOGGER, RequestLog, trace_id

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


TRACE, PARENT = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"
GOOD = b"00-%b-%b-01" % (TRACE, PARENT)


@pytest.mark.parametrize(
    "value", [GOOD, GOOD[:-2] + b"00", b"cc" + GOOD[2:], b"cc" + GOOD[2:] + b"-later-versions-say-more"]
)
def test_the_trace_that_a_request_is_part_of(value: bytes) -> None:
    assert trace_id([(b"host", b"a"), (b"traceparent", value), (b"tracestate", b"x=1")]) == TRACE.decode()


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"ff" + GOOD[2:],
        GOOD.upper(),
        GOOD + b"-more",
        GOOD + b"\n",
        b" " + GOOD,
        GOOD[:-1],
        b"cc" + GOOD[2:] + b"more",
        GOOD.replace(TRACE, b"0" * 32),
        GOOD.replace(PARENT, b"0" * 16),
        GOOD.replace(b"-", b"_"),
    ],
)
def test_what_is_no_traceparent_is_ignored(value: bytes) -> None:
    assert trace_id([(b"traceparent", value)]) is None


def test_one_request_is_part_of_one_trace() -> None:
    assert trace_id([]) is None
    assert trace_id([(b"traceparent", GOOD), (b"traceparent", GOOD)]) is None
