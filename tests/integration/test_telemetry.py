"""A real server tells of its requests: in its log, where every line is JSON, and to a collector, also when it ends."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from otlp_receiver import attributes, receiver
from server_process import running_server

from service.telemetry.otlp import sender
from service.telemetry.tracer import Ended, Identity, Story

TRACE = "0af7651916cd43dd8448eb211c80319c"
HEADERS = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "x-request-id": "mine"}
BODY = {"deadline_ms": 20_000, "seed": 7}


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield f"http://127.0.0.1:{silent.getsockname()[1]}"


def logged(log: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The lines of requests, and the others."""
    lines = [json.loads(line) for line in log.splitlines()]
    return [line for line in lines if "path" in line], [line for line in lines if "path" not in line]


def test_a_request_from_end_to_end(tiny_bundle: Path, tmp_path: Path) -> None:
    options = ("--workers", "2", "--encoder", "always", "--log-level", "debug", "--trace-ratio", "0")
    with (
        receiver() as collector,
        running_server(tiny_bundle, tmp_path, "--otlp-endpoint", collector.url, *options) as server,
    ):
        answer = httpx.post(f"{server.url}/v1/generate", json=BODY, headers=HEADERS)
        assert answer.status_code == 200
        assert answer.headers["x-request-id"] == "mine"
        assert httpx.post(f"{server.url}/v1/generate", json=BODY).status_code == 200
        assert server.terminate() == 0
        requests, others = logged(server.log)
    told, untold = [line for line in requests if line["path"] == "/v1/generate"]
    assert (told["request_id"], told["trace_id"], told["outcome"], told["codes"]) == ("mine", TRACE, "complete", [6])
    assert told["workers"] in ([0], [1])
    assert told["slack_ms"] == pytest.approx(20_000 - told["ms"], abs=50)
    assert "trace_id" not in untold
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in others)
    assert not any("{" in line["message"] for line in others), "no JSON within JSON"
    (span,) = collector.requests()
    assert span.trace_id.hex() == TRACE
    said = attributes(span.attributes)
    assert (said["anytime.workers"], said["anytime.codes"]) == (told["workers"], [6])
    assert [each.name for each in collector.spans[1:]] == ["queue", "sample", "decode", "encode"]
    timing = answer.json()["timing"]
    lasted = {each.name: (each.end_time_unix_nano - each.start_time_unix_nano) / 1e6 for each in collector.spans[1:]}
    assert lasted == pytest.approx({name: timing[f"{name}_ms"] for name in lasted}, abs=2e-3)


def test_a_collector_that_hangs_holds_up_neither_answers_nor_the_end(
    tiny_bundle: Path, tmp_path: Path, nobody: str
) -> None:
    with running_server(tiny_bundle, tmp_path, "--otlp-endpoint", nobody, "--log-format", "human") as server:
        with httpx.Client(base_url=server.url) as client:
            assert all(client.post("/v1/generate", json=BODY).status_code == 200 for _ in range(100))
        assert server.terminate() == 0
        (first, *_) = [line for line in server.log.splitlines() if "/v1/generate" in line]
        assert " POST /v1/generate 200 request_id=" in first
        assert " outcome=complete " in first


def test_phases_that_began_before_their_time_keep_their_lengths() -> None:
    """What took 0.7 ms did not begin 0.2 ms before the end, whenever the process that asked looked at its clock."""
    story = Story("POST /", ms=1.0, begun_ms=0.8, phases=(("sample", 0.5), ("decode", 0.2)), attributes={}, error=False)
    with receiver() as collector:
        assert sender(collector.url, "1")([Ended(Identity(TRACE, "2" * 16, None), story, 10**18)])
        own, sample, decode = collector.spans
    assert sample.end_time_unix_nano - sample.start_time_unix_nano == 500_000
    assert decode.end_time_unix_nano - decode.start_time_unix_nano == 200_000
    assert own.start_time_unix_nano <= sample.start_time_unix_nano
    assert decode.end_time_unix_nano == own.end_time_unix_nano
