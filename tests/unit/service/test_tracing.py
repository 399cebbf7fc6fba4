"""Spans of requests, as a collector gets them: which are sent, what they say, and that nobody waits for that."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise

import httpx
import pytest
from api_client import api_client, counted
from fake_encoder import FakeEncoders
from fake_pool import PNG, FakePool, FakeTicket, result
from live_server import request_lines, until
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased
from otlp_receiver import Receiver, attributes, receiver
from server_process import ROOT
from socket_client import ending, open_socket, send

from anytime import AnytimeClient, AsyncAnytimeClient
from models.errors import SettingsError
from service.api.log import LOGGER
from service.errors import DeadlineInfeasible, Overloaded
from service.settings import Settings, read_settings
from service.telemetry.exporter import BATCH
from service.telemetry.tracer import Ended, Tracer

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
KEPT = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "a=1,b=2"}
LEFT = {"traceparent": f"00-{TRACE}-{PARENT}-00"}


TRACED = "anytime_traced_requests_total"


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with receiver() as each:
        yield each


@pytest.fixture
def settings(collector: Receiver) -> Settings:
    return Settings(otlp_endpoint=collector.url)


def children(spans: Sequence[Span], span: Span) -> list[Span]:
    return [each for each in spans if each.parent_span_id == span.span_id]


async def test_a_request_and_what_its_time_went_into(pool: FakePool, collector: Receiver) -> None:
    def answer_later(ticket: FakeTicket) -> None:
        def answer() -> None:
            pool.clock.spend(0.005)
            ticket.tell(result(ticket, 2, "deadline"))

        ticket.worker = 1
        pool.clock.spend(0.001)
        asyncio.get_running_loop().call_soon(answer)

    pool.on_submit = answer_later
    async with api_client(pool, otlp_endpoint=collector.url) as client:
        headers = {**KEPT, "x-request-id": "r-1"}
        answer = await client.post("/v1/generate", json={"deadline_ms": 50, "n": 2}, headers=headers)
        assert answer.status_code == 200
    (span,) = collector.requests()
    assert (span.trace_id.hex(), span.parent_span_id.hex(), span.trace_state) == (TRACE, PARENT, "a=1,b=2")
    assert span.name == "POST /v1/generate"
    assert span.status.code == Status.STATUS_CODE_UNSET
    assert {
        "url.path": "/v1/generate",
        "http.route": "/v1/generate",
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "anytime.request_id": "r-1",
        "anytime.model": "tiny",
        "anytime.version": "1",
        "anytime.id": "t0",
        "anytime.workers": [1],
        "anytime.deadline_ms": 50.0,
        "anytime.outcome": "deadline",
        "anytime.codes": [2, 2],
        "anytime.stop_reason": ["deadline", "deadline"],
        "anytime.expected_quality": [0.75, 0.75],
        "anytime.slack_ms": pytest.approx(44.0),
    } == attributes(span.attributes)
    phases = children(collector.spans, span)
    assert [phase.name for phase in phases] == ["queue", "sample", "decode", "encode"]
    assert len(collector.spans) == 1 + len(phases)
    assert {phase.trace_id.hex() for phase in phases} == {TRACE}
    assert len({each.span_id for each in collector.spans}) == len(collector.spans)
    lasted = [(phase.end_time_unix_nano - phase.start_time_unix_nano) / 1e6 for phase in phases]
    assert lasted == pytest.approx([0.5, 3.0, 1.0, 0.25], abs=1e-3)
    assert (phases[0].start_time_unix_nano - span.start_time_unix_nano) / 1e6 == pytest.approx(1.0, abs=1e-3)
    assert all(one.end_time_unix_nano == other.start_time_unix_nano for one, other in pairwise(phases))
    assert phases[-1].end_time_unix_nano <= span.end_time_unix_nano
    assert (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6 == pytest.approx(6.0, abs=1e-3)
    assert collector.resource["service.name"] == "anytime"
    assert collector.resource["service.version"]


async def test_the_caller_decides_about_its_own_traces(
    pool: FakePool, collector: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    async with api_client(pool, otlp_endpoint=collector.url, trace_ratio=1.0) as client:
        await client.post("/v1/generate", json={}, headers=LEFT)
    async with api_client(pool, otlp_endpoint=collector.url, trace_ratio=0.0) as client:
        await client.post("/v1/generate", json={}, headers=KEPT | {"x-request-id": "kept"})
    (span,) = collector.requests()
    assert attributes(span.attributes)["anytime.request_id"] == "kept"
    assert [line["trace_id"] for line in request_lines(caplog)] == [TRACE, TRACE]


async def test_without_a_caller_the_ratio_decides(
    pool: FakePool, collector: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    for ratio in (0.0, 1.0):
        async with api_client(pool, otlp_endpoint=collector.url, trace_ratio=ratio) as client:
            await client.post("/v1/generate", json={})
    (span,) = collector.requests()
    assert span.parent_span_id == b""
    left, kept = request_lines(caplog)
    assert "trace_id" not in left
    assert kept["trace_id"] == span.trace_id.hex()


class Kept:
    """Takes everything."""

    def __init__(self) -> None:
        self.ended: list[Ended] = []

    def offer(self, ended: Ended) -> None:
        self.ended.append(ended)

    def close(self, timeout_s: float) -> None:
        """There is nothing to send."""


def test_of_many_traces_the_share_is_kept_that_every_other_sampler_keeps() -> None:
    tracer, theirs = Tracer(Kept(), 0.25), TraceIdRatioBased(0.25)
    kept = [identity for identity in (tracer.sample(None) for _ in range(4000)) if identity]
    assert 800 < len(kept) < 1200  # seven standard deviations
    decisions = {theirs.should_sample(None, int(each.trace_id, 16), "").decision for each in kept}
    assert decisions == {Decision.RECORD_AND_SAMPLE}
    assert len({each.trace_id for each in kept} | {each.span_id for each in kept}) == 2 * len(kept)


@pytest.mark.parametrize(
    ("error", "problem", "status"),
    [
        (Overloaded("Full."), "overloaded", Status.STATUS_CODE_ERROR),
        (DeadlineInfeasible("Too short.", 5.0), "deadline-infeasible", Status.STATUS_CODE_ERROR),
        (RuntimeError("a defect"), "internal", Status.STATUS_CODE_ERROR),
        (None, "model-not-found", Status.STATUS_CODE_UNSET),
    ],
)
async def test_errors_are_those_of_the_service(
    pool: FakePool, collector: Receiver, error: Exception | None, problem: str, status: int
) -> None:
    if error:
        pool.on_submit = lambda ticket: ticket.tell(error)
    async with api_client(pool, otlp_endpoint=collector.url) as client:
        await client.post("/v1/generate", json={"model": "tiny" if error else "missing"})
    (span,) = collector.spans
    assert attributes(span.attributes)["error.type"] == problem
    assert span.status.code == status


async def test_every_way_to_ask_leaves_one_span_a_request(
    address: str, settings: Settings, collector: Receiver, pool: FakePool
) -> None:
    async with open_socket(address, additional_headers=KEPT) as ws:
        for name in ("a", "b"):
            await send(ws, type="generate", id=name, model="tiny")
        assert [(await ending(ws))["type"] for _ in range(4)] == ["accepted", "accepted", "completed", "completed"]
    events = {"accept": "text/event-stream"}
    async with httpx.AsyncClient(base_url=f"http://{address}") as client:
        assert (await client.post("/v1/generate", json={}, headers=events)).status_code == 200
        assert (await client.get("/v1/models")).status_code == 200
        async with asyncio.timeout(30):
            while len(collector.requests()) < 3:
                await asyncio.sleep(0.01)
    assert sorted(span.name for span in collector.requests()) == ["/v1/stream", "/v1/stream", "POST /v1/generate"]
    on_socket = [span for span in collector.requests() if span.name == "/v1/stream"]
    assert {span.parent_span_id.hex() for span in on_socket} == {PARENT}
    assert {attributes(span.attributes)["anytime.id"] for span in on_socket} == {"t0", "t1"}


async def test_spans_are_called_by_what_clients_do_not_choose(pool: FakePool, collector: Receiver) -> None:
    async with api_client(pool, otlp_endpoint=collector.url) as client:
        assert (await client.post("/v2/models/whatever/infer", json={"inputs": []})).status_code == 404
    (span,) = collector.spans
    assert span.name == "POST /v2/models/{name}/infer"
    assert attributes(span.attributes)["url.path"] == "/v2/models/whatever/infer"


@pytest.mark.parametrize("state", ["=,;", "a" * 4000, ",".join(f"k{number}=v" for number in range(40)), "\u00e9=1"])
async def test_a_bad_state_spoils_neither_the_trace_nor_the_log(
    pool: FakePool, collector: Receiver, caplog: pytest.LogCaptureFixture, state: str
) -> None:
    headers = {b"traceparent": KEPT["traceparent"].encode(), b"tracestate": state.encode("latin-1")}
    async with api_client(pool, otlp_endpoint=collector.url) as client:
        assert (await client.post("/v1/generate", json={}, headers=headers)).status_code == 200
    (span,) = collector.requests()
    assert (span.parent_span_id.hex(), span.trace_state) == (PARENT, "")
    assert [record for record in caplog.records if record.name.startswith("opentel")] == []


async def test_files_to_encode(pool: FakePool, collector: Receiver) -> None:
    async with api_client(pool, FakeEncoders(), otlp_endpoint=collector.url) as client:
        answer = await client.post("/v1/encode", content=PNG, headers={"content-type": "image/png"})
        assert answer.status_code == 200
    (span,) = collector.requests()
    assert attributes(span.attributes)["anytime.codes"] == [4]
    assert [phase.name for phase in children(collector.spans, span)] == ["queue", "read", "encode", "decode"]


async def test_nobody_waits_for_a_collector(pool: FakePool, collector: Receiver) -> None:
    collector.open.clear()
    async with api_client(pool, otlp_endpoint=collector.url) as client:
        for _ in range(BATCH):
            assert (await client.post("/v1/generate", json={})).status_code == 200
        assert await asyncio.to_thread(collector.asked.wait, 30)
        assert (await client.post("/v1/generate", json={})).status_code == 200
        collector.open.set()
    assert len(collector.requests()) == BATCH + 1


async def test_a_collector_that_takes_nothing_is_told_of_once(
    pool: FakePool, collector: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with api_client(pool, otlp_endpoint=collector.url) as client:
        for taken, name in ((400, "failed"), (400, "failed"), (200, "exported")):
            collector.status = taken
            before = (await counted(client, TRACED)).get((name,), 0)
            for _ in range(BATCH):
                await client.post("/v1/generate", json={})
            async with asyncio.timeout(30):
                while (await counted(client, TRACED)).get((name,), 0) < before + BATCH:
                    await asyncio.sleep(0.01)
        assert await counted(client, TRACED) == {("failed",): 2 * BATCH, ("exported",): BATCH}
    said = [record.getMessage() for record in caplog.records if record.name.startswith(("service.tele", "opentel"))]
    assert said == ["spans are lost", "spans arrive again"]


async def test_opentelemetrys_own_variables_hold(
    pool: FakePool, collector: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "pictures")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=anytime-0")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20x")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    async with api_client(pool, otlp_endpoint=collector.url + "/") as client:
        await client.post("/v1/generate", json={})
    assert len(collector.requests()) == 1
    assert collector.resource.items() >= {"service.name": "pictures", "k8s.pod.name": "anytime-0"}.items()
    assert collector.headers["authorization"] == "Bearer x"
    assert collector.headers["content-encoding"] == "gzip"


async def test_what_it_takes_may_not_be_installed(pool: FakePool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "service.telemetry.otlp", None)
    with pytest.raises(SettingsError, match=r"pip install 'anytime\[telemetry\]'"):
        async with api_client(pool, otlp_endpoint="http://localhost:4318"):
            pass


@pytest.mark.parametrize("text", ["collector:4318", "ftp://collector", "http://", "http:///v1"])
def test_an_endpoint_is_an_address(text: str) -> None:
    with pytest.raises(SettingsError, match="otlp_endpoint"):
        read_settings({"otlp_endpoint": text})


def test_nothing_of_it_is_loaded_unless_wanted() -> None:
    code = "import sys, service.api.app; sys.exit('opentelemetry.sdk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


async def test_our_clients_pass_their_callers_trace_on(
    address: str, pool: FakePool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    url = f"http://{address}"
    async with AsyncAnytimeClient(url) as client:
        await client.generate()
        with TracerProvider().get_tracer("caller").start_as_current_span("page") as span:
            context = span.get_span_context()
            await client.generate()
            async with client.stream() as stream:
                assert [event async for event in stream]
            await asyncio.to_thread(_ask, url)
        await until(lambda: len(request_lines(caplog)) == 4)
    of_nobody, *of_caller = (line["trace_id"] for line in request_lines(caplog))
    assert of_caller == [f"{context.trace_id:032x}"] * 3
    assert of_nobody not in of_caller


def _ask(url: str) -> None:
    with AnytimeClient(url) as client:
        client.generate()
