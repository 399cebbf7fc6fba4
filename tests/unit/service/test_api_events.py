"""`POST /v1/generate` as server-sent events: what they hold, and readers that are slow or go away."""

from __future__ import annotations

import asyncio
import base64
import logging

import httpx
import pytest
from api_client import TYPE, counted
from event_stream import OpenStream, parse
from fake_pool import PNG, FakePool, FakeTicket, app_over, result
from live_server import live, request_lines, until
from socket_client import outcomes, preview

from service.errors import DeadlineInfeasible, Overloaded, WorkerLost
from service.metrics import Metrics
from service.settings import Settings

PATH = "/v1/generate"
EVENTS = {"accept": "text/event-stream"}


async def test_accepted_previews_completed(
    open_stream: OpenStream, address: str, pool: FakePool, metrics: Metrics
) -> None:
    pool.keep()
    body = {"label": "bag", "seed": 7, "deadline_ms": 80, "preview_ms": 20}
    stream = await open_stream(address, PATH, body)
    accepted = {"type": "accepted", "id": "t0", "model": "tiny", "version": "1", "n": 1, "codes_total": 4}
    accepted |= {"seed": 7, "label": "Bag"}
    assert await stream.event() == ("accepted", {**accepted, "deadline_ms": 80})
    ticket = pool.tickets[0]
    assert ticket.generation.preview_ms == 20
    assert ticket.deadline == pytest.approx(pool.clock.now() + 0.08)
    for codes in (1, 2):
        ticket.tell(preview(ticket, codes))
        name, shown = await stream.event()
        assert (name, shown["type"], shown["id"], shown["elapsed_ms"]) == ("preview", "preview", "t0", 0)
        assert shown["output"]["codes"] == list(range(codes))
        assert "stop_reason" not in shown["output"]
    ticket.tell(result(ticket, 3, "deadline"))
    name, last = await stream.event()
    assert (name, last["type"], last["id"], last["deadline_ms"]) == ("completed", "completed", "t0", 80)
    assert (last["outputs"][0]["stop_reason"], last["timing"]["queue_ms"]) == ("deadline", 0.5)
    assert base64.b64decode(last["outputs"][0]["b64"]) == PNG
    assert await stream.reader.readuntil(b"\r\n\r\n") == b"0\r\n\r\n"
    await until(lambda: ticket.delivered)
    assert outcomes(metrics) == {"deadline": 1}
    assert b'anytime_first_preview_seconds_count{model="tiny"} 1.0' in metrics.exposition()


async def test_the_same_answer_as_at_once(client: httpx.AsyncClient, pool: FakePool) -> None:
    body = {"seed": 7, "n": 2, "format": "webp"}
    at_once = (await client.post(PATH, json=body)).json()
    response = await client.post(PATH, json=body, headers=EVENTS)
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-request-id"]
    (first, _), (name, completed) = parse(response.text)
    assert (first, name) == ("accepted", "completed")
    assert completed == {**at_once, "type": "completed", "id": "t1"}
    assert await counted(client) == {("tiny", "complete"): 2}
    assert all(ticket.delivered for ticket in pool.tickets)


async def test_previews_are_asked_for_only_where_they_can_be_shown(client: httpx.AsyncClient, pool: FakePool) -> None:
    for headers in (EVENTS, {}, {"accept": "image/png"}):
        assert (await client.post(PATH, json={"preview_ms": 5}, headers=headers)).status_code == 200
    assert [ticket.generation.preview_ms for ticket in pool.tickets] == [5, None, None]
    response = await client.post(PATH, json={"preview_ms": 0}, headers=EVENTS)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "preview_ms")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-request-timeout-seconds": "0.05"}, 0.05),
        ({"grpc-timeout": "50m"}, 0.05),
        ({"x-envoy-expected-rq-timeout-ms": "50"}, 0.05),
        ({}, 0.7),
    ],
)
async def test_deadlines_of_headers(
    client: httpx.AsyncClient, pool: FakePool, headers: dict[str, str], seconds: float
) -> None:
    response = await client.post(PATH, json={}, headers={**EVENTS, **headers})
    assert parse(response.text)[0][1]["deadline_ms"] == pytest.approx(seconds * 1000)
    assert pool.tickets[0].deadline == pytest.approx(pool.clock.now() + seconds)


@pytest.mark.parametrize(
    ("body", "refusal", "status", "slug"),
    [
        ({"n": 0}, None, 422, "invalid-field"),
        ({"model": "none"}, None, 404, "model-not-found"),
        ({}, DeadlineInfeasible("Too short.", 3.25), 504, "deadline-infeasible"),
        ({}, Overloaded("Full."), 503, "overloaded"),
    ],
)
async def test_what_is_refused_at_once_is_no_stream(
    client: httpx.AsyncClient,
    pool: FakePool,
    body: dict[str, object],
    refusal: Overloaded | None,
    status: int,
    slug: str,
) -> None:
    if refusal:
        pool.refuse_with(refusal)
    response = await client.post(PATH, json=body, headers=EVENTS)
    assert (response.status_code, response.json()["type"]) == (status, TYPE + slug)
    assert response.headers["content-type"] == "application/problem+json"
    assert sum((await counted(client)).values()) == 1


@pytest.mark.parametrize(
    ("error", "status", "outcome"),
    [(WorkerLost("The worker died."), 503, "unavailable"), (RuntimeError("secret"), 500, "failed")],
)
async def test_what_fails_later_is_an_event(
    client: httpx.AsyncClient, pool: FakePool, error: Exception, status: int, outcome: str
) -> None:
    pool.on_submit = lambda ticket: ticket.tell(error)
    response = await client.post(PATH, json={}, headers={**EVENTS, "x-request-id": "mine"})
    assert response.status_code == 200
    assert "secret" not in response.text
    (accepted, _), (name, failed) = parse(response.text)
    assert (accepted, name, failed["type"], failed["id"]) == ("accepted", "error", "error", "t0")
    assert (failed["problem"]["status"], failed["problem"]["request_id"]) == (status, "mine")
    assert await counted(client) == {("tiny", outcome): 1}


@pytest.mark.parametrize("shown", [0, 1])
async def test_a_reader_who_leaves_takes_the_request_back(
    open_stream: OpenStream, pool: FakePool, shown: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "service.request")
    pool.keep()
    app = app_over(pool, Settings())
    async with live(app, Settings()) as address:
        stream = await open_stream(address, PATH, {"preview_ms": 1})
        await stream.event()
        ticket = pool.tickets[0]
        for _ in range(shown):
            ticket.tell(preview(ticket, 1))
            await stream.event()
        stream.leave()
        await until(lambda: ticket.cancelled)
        await until(lambda: app.state.server.pending == 0)
        assert outcomes(app.state.server.metrics) == {"client_closed": 1}
        await until(lambda: bool(request_lines(caplog)))
    (line,) = request_lines(caplog)
    assert (line["status"], line["outcome"]) == (499, "client_closed")
    assert not ticket.delivered


async def test_a_slow_reader_gets_the_newest_preview(open_stream: OpenStream, address: str, pool: FakePool) -> None:
    """One preview holds more than the connection does; while nobody reads, others come and none of them is kept."""
    pool.keep()
    stream = await open_stream(address, PATH, {"n": 2, "preview_ms": 1})
    await stream.event()
    ticket = pool.tickets[0]
    stream.pause()
    ticket.tell(preview(ticket, 1, 0, b"0" + bytes(16 << 20)))
    for step in range(1, 10):
        await asyncio.sleep(0.01)
        for index in (0, 1):
            ticket.tell(preview(ticket, 1, index, b"%d" % step))
    stream.resume()
    seen = []
    for _ in range(3):
        _, shown = await stream.event()
        seen.append((shown["output"]["index"], base64.b64decode(shown["output"]["b64"][:4])[:1]))
    assert seen == [(0, b"0"), (0, b"9"), (1, b"9")]
    ticket.tell(result(ticket))
    assert (await stream.event())[0] == "completed"


async def test_a_reader_who_leaves_while_nothing_can_be_written(
    open_stream: OpenStream, address: str, pool: FakePool, metrics: Metrics
) -> None:
    pool.keep()
    stream = await open_stream(address, PATH, {"preview_ms": 1})
    await stream.event()
    ticket = pool.tickets[0]
    stream.pause()
    for _ in range(3):
        ticket.tell(preview(ticket, 1, data=bytes(16 << 20)))
        await asyncio.sleep(0.02)
    stream.leave()
    await until(lambda: ticket.cancelled)
    await until(lambda: outcomes(metrics) == {"client_closed": 1})


async def test_a_slow_reader_teaches_the_pool_nothing(
    open_stream: OpenStream, address: str, pool: FakePool, metrics: Metrics
) -> None:
    """The time that an answer waited for its reader is no measure of what sending costs."""
    pool.keep()
    stream = await open_stream(address, PATH, {"preview_ms": 1})
    await stream.event()
    ticket = pool.tickets[0]
    stream.pause()
    for _ in range(3):
        ticket.tell(preview(ticket, 2, data=bytes(16 << 20)))
        await asyncio.sleep(0.02)
    pool.clock.seconds += 1
    ticket.tell(result(ticket))
    await asyncio.sleep(0.02)
    stream.resume()
    names: list[str] = []
    while names[-1:] != ["completed"]:
        names.append((await stream.event())[0])
    await until(lambda: outcomes(metrics) == {"complete": 1})
    assert len(names) < 4
    assert not ticket.delivered


async def test_a_connection_serves_on_after_a_stream(open_stream: OpenStream, address: str, pool: FakePool) -> None:
    stream = await open_stream(address, PATH, {})
    assert [(await stream.event())[0] for _ in range(2)] == ["accepted", "completed"]
    assert await stream.reader.readuntil(b"\r\n\r\n") == b"0\r\n\r\n"
    stream.writer.write(b"GET /livez HTTP/1.1\r\nHost: test\r\n\r\n")
    assert (await asyncio.wait_for(stream.reader.readuntil(b"\r\n\r\n"), 10)).startswith(b"HTTP/1.1 200 ")


async def test_draining_ends_a_stream_with_what_there_is(
    open_stream: OpenStream, pool: FakePool, metrics: Metrics
) -> None:
    pool.keep()
    app = app_over(pool, Settings(), metrics)
    async with live(app, Settings()) as address:
        stream = await open_stream(address, PATH, {})
        await stream.event()
        await app.state.server.drain()
        await app.state.server.idle()
        name, completed = await stream.event()
        assert (name, completed["outputs"][0]["stop_reason"]) == ("completed", "drain")
    assert outcomes(metrics) == {"drain": 1}


async def test_no_preview_after_the_ending(client: httpx.AsyncClient, pool: FakePool) -> None:
    def answer(ticket: FakeTicket) -> None:
        ticket.tell(preview(ticket, 1))
        ticket.tell(result(ticket))

    pool.on_submit = answer
    response = await client.post(PATH, json={}, headers=EVENTS)
    assert [name for name, _ in parse(response.text)] == ["accepted", "completed"]
