from __future__ import annotations

import json
import logging
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from live_server import request_lines
from server_process import ROOT

from service.api.log import LOGGER, RequestLog
from service.log_lines import for_people, human_lines

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


async def test_lines_for_people(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    log = RequestLog(lambda: NOW)
    log.write = human_lines
    log.add("/a\nb", method="GET", status=404, request_id="r", ms=0.25)
    log.add("/v1/generate", method="POST", status=200, key="", model="a model", codes=[4, 2], slack_ms=-1.5)
    log.flush()
    assert caplog.messages == [
        '2026-01-02T03:04:05.678+00:00 GET "/a\\nb" 404 request_id=r ms=0.25\n'
        '2026-01-02T03:04:05.678+00:00 POST /v1/generate 200 key="" model="a model" codes=[4,2] slack_ms=-1.5'
    ]


@pytest.mark.parametrize(
    ("log_format", "terminal", "text"),
    [("auto", True, True), ("auto", False, False), ("json", True, False), ("human", False, True)],
)
def test_people_sit_before_terminals(
    monkeypatch: pytest.MonkeyPatch, log_format: str, terminal: bool, text: bool
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    assert for_people(log_format) is text


def test_every_other_line_is_json_as_well() -> None:
    code = (
        "import logging; from service.log_lines import set_up_logging\n"
        "set_up_logging('info', 'json')\n"
        "logging.getLogger('a.b').debug('not this')\n"
        "try: {}['x\\ny']\n"
        "except KeyError: logging.getLogger('a.b').exception('it is %s', 'gone')"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stderr
    (line,) = map(json.loads, said.splitlines())
    assert line.keys() == {"time", "level", "logger", "message", "traceback"}
    assert (line["level"], line["logger"], line["message"]) == ("error", "a.b", "it is gone")
    assert line["traceback"].startswith("Traceback")
    assert datetime.fromisoformat(line["time"]).tzinfo is not None
