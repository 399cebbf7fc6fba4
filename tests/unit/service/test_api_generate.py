"""`POST /v1/generate` over a pool without workers: what is asked of the pool, what the client gets, what is counted."""

from __future__ import annotations

import asyncio
import base64
import io
import logging
from collections.abc import AsyncIterator

import httpx
import numpy as np
import pytest
from api_client import TYPE, api_client, counted
from fake_pool import PNG, FakePool, FakeTicket, manifest, result
from live_server import request_lines, until

from service import messages
from service.encode import encode
from service.errors import DeadlineInfeasible, Draining, Overloaded, ServiceError, WorkerLost


async def test_defaults_come_from_the_model_and_the_server(client: httpx.AsyncClient, pool: FakePool) -> None:
    response = await client.post("/v1/generate", json={})
    assert response.status_code == 200
    generation = pool.tickets[0].generation
    sampling = generation.sampling
    assert generation.model == pool.manifests["tiny"].identity
    assert (generation.n, generation.min_codes, generation.max_codes) == (1, 1, 4)
    assert (generation.target_codes, generation.priority) == (None, 2)
    assert (sampling.label, sampling.temperature, sampling.top_k, sampling.top_p) == (None, 1.0, 0, 1.0)
    assert generation.encoding == messages.Encoding("png", 1)
    assert generation.preview_ms is None
    assert pool.tickets[0].deadline == pytest.approx(pool.clock.now() + 0.7)
    assert response.json()["outputs"][0]["seed"] == sampling.seed


async def test_fields_reach_the_pool(client: httpx.AsyncClient, pool: FakePool) -> None:
    body = {
        "model": "tiny",
        "deadline_ms": 60.5,
        "n": 3,
        "seed": 2**53 - 1,
        "index": 2**31 - 1,
        "codes": [7, 0],
        "label": "bag",
        "temperature": 0,
        "top_k": 5,
        "top_p": 0.5,
        "min_codes": 2,
        "max_codes": 3,
        "target_codes": 2,
        "priority": 1,
        "scale": 4,
        "format": "webp",
    }
    response = await client.post("/v1/generate", json=body)
    assert response.status_code == 200
    generation = pool.tickets[0].generation
    assert generation.sampling == messages.Sampling(2**53 - 1, 1, 0.0, 5, 0.5, 2**31 - 1, (7, 0))
    assert generation.encoding == messages.Encoding("webp", 4)
    assert (generation.n, generation.min_codes, generation.max_codes) == (3, 2, 3)
    assert (generation.target_codes, generation.priority) == (2, 1)
    assert pool.tickets[0].deadline == pytest.approx(pool.clock.now() + 0.0605)


async def test_a_target_beyond_all_codes_is_all_of_them(client: httpx.AsyncClient, pool: FakePool) -> None:
    response = await client.post("/v1/generate", json={"target_codes": 10**30})
    assert response.status_code == 200
    assert pool.tickets[0].generation.target_codes == pool.tickets[0].generation.max_codes


async def test_what_an_answer_says_of_a_sample_is_what_it_takes_to_go_on_with_it(
    client: httpx.AsyncClient, pool: FakePool
) -> None:
    response = await client.post("/v1/generate", json={"n": 2, "seed": 3, "index": 5})
    first, second = response.json()["outputs"]
    assert (first["index"], second["index"]) == (5, 6)
    await client.post("/v1/generate", json={key: second[key] for key in ("codes", "seed", "index", "label")})
    sampling = pool.tickets[1].generation.sampling
    assert (sampling.seed, sampling.index, list(sampling.codes)) == (3, 6, second["codes"])


async def test_json_answer(client: httpx.AsyncClient, pool: FakePool) -> None:
    def answer(ticket: FakeTicket) -> None:
        pool.clock.seconds += 0.03
        ticket.tell(result(ticket, 3, "deadline"))

    pool.on_submit = answer
    response = await client.post("/v1/generate", json={"deadline_ms": 50, "seed": 7, "label": 2, "n": 2})
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {
        "id": "t0",
        "model": "tiny",
        "version": "1",
        "outputs": [
            {
                "index": index,
                "b64": base64.b64encode(PNG).decode(),
                "media_type": "image/png",
                "codes": [0, 1, 2],
                "codes_total": 4,
                "stop_reason": "deadline",
                "expected_quality": 0.9,
                "seed": 7,
                "label": "Coat",
            }
            for index in (0, 1)
        ],
        "deadline_ms": 50,
        "timing": {"queue_ms": 0.5, "sample_ms": 3.0, "decode_ms": 1.0, "encode_ms": 0.25, "total_ms": 30.0},
    }
    assert response.headers["server-timing"] == (
        "queue;dur=0.500, sample;dur=3.000, decode;dur=1.000, encode;dur=0.250, total;dur=30.000"
    )
    assert pool.tickets[0].delivered
    assert await counted(client) == {("tiny", "deadline"): 1}


async def test_bare_picture_with_the_facts_in_headers(client: httpx.AsyncClient, pool: FakePool) -> None:
    body = {"seed": 7, "label": "BOOT", "deadline_ms": 50, "format": "png"}
    response = await client.post("/v1/generate", json=body, headers={"accept": "image/webp"})
    assert response.content == PNG
    assert response.headers["content-type"] == "image/webp"
    facts = {name.removeprefix("x-anytime-"): value for name, value in response.headers.items() if "anytime" in name}
    assert facts == {
        "id": "t0",
        "model": "tiny",
        "version": "1",
        "codes": "4",
        "codes-total": "4",
        "stop-reason": "complete",
        "expected-quality": "1.000000",
        "seed": "7",
        "label": "Boot",
        "deadline-ms": "50",
    }
    assert "queue;dur=0.500" in response.headers["server-timing"]
    assert pool.tickets[0].generation.encoding.format == "webp"


async def test_label_header_survives_other_scripts() -> None:
    pool = FakePool(manifest(labels=("Größe\n", "b")))
    async with api_client(pool) as client:
        response = await client.post("/v1/generate", json={"label": 0}, headers={"accept": "image/png"})
    assert response.headers["x-anytime-label"] == "Gr%C3%B6%C3%9Fe%0A"
    assert "x-anytime-label" not in (response.request.headers)


async def test_npy_is_served_as_it_is(client: httpx.AsyncClient, pool: FakePool) -> None:
    media = np.linspace(0, 1, 16, dtype=np.float32).reshape(1, 4, 4)
    pool.on_submit = lambda ticket: ticket.tell(result(ticket, data=encode(manifest().media, media, "npy")))
    response = await client.post("/v1/generate", json={}, headers={"accept": "application/x-npy"})
    assert response.headers["content-type"] == "application/x-npy"
    np.testing.assert_array_equal(np.load(io.BytesIO(response.content)), media)


@pytest.mark.parametrize(
    ("error", "status", "outcome", "extra"),
    [
        (Overloaded("Every place is taken."), 503, "overloaded", {"retry_after_s": 1}),
        (Draining("Shutting down."), 503, "unavailable", {"retry_after_s": 1}),
        (WorkerLost("The worker died."), 503, "unavailable", {"retry_after_s": 1}),
        (DeadlineInfeasible("Too short.", 3.25), 504, "infeasible", {"minimum_deadline_ms": 3.25}),
    ],
)
@pytest.mark.parametrize("accepted", [False, True])
async def test_refusals(
    client: httpx.AsyncClient,
    pool: FakePool,
    error: ServiceError,
    status: int,
    outcome: str,
    extra: dict[str, object],
    accepted: bool,
) -> None:
    if accepted:
        pool.on_submit = lambda ticket: ticket.tell(error)
    else:
        pool.refuse_with(error)
    response = await client.post("/v1/generate", json={"deadline_ms": 5})
    problem = response.json()
    assert response.status_code == problem["status"] == status
    assert problem["type"] == TYPE + error.slug
    assert problem["detail"] == error.detail
    assert extra.items() <= problem.items()
    assert response.headers.get("retry-after") == ("1" if status == 503 else None)
    assert await counted(client) == {("tiny", outcome): 1}
    # Of these two only a replica behind a fleet speaks when the request was accepted: it is refused, and not lost.
    lost = accepted and not isinstance(error, (DeadlineInfeasible, Overloaded))
    assert await counted(client, "anytime_rejections_total") == ({} if lost else {(error.slug,): 1})
    assert await counted(client, "anytime_requests_lost_total") == ({("tiny",): 1} if lost else {})


async def test_deadline_headers(client: httpx.AsyncClient, pool: FakePool) -> None:
    response = await client.post("/v1/generate", json={"deadline_ms": 90}, headers={"grpc-timeout": "40m"})
    assert response.json()["deadline_ms"] == 40
    response = await client.post("/v1/generate", json={"deadline_ms": 9000})
    assert response.json()["deadline_ms"] == 5000
    response = await client.post("/v1/generate", json={}, headers={"x-request-timeout-seconds": "soon"})
    assert (response.status_code, response.json()["type"]) == (400, TYPE + "malformed-request")
    assert len(pool.tickets) == 2


async def test_unforeseen_errors_tell_nothing(
    client: httpx.AsyncClient, pool: FakePool, caplog: pytest.LogCaptureFixture
) -> None:
    pool.on_submit = lambda ticket: ticket.tell(RuntimeError("secret of the house"))
    response = await client.post("/v1/generate", json={}, headers={"x-request-id": "find-me"})
    assert response.status_code == 500
    assert response.json()["type"] == TYPE + "internal"
    assert "secret" not in response.text
    record = next(record for record in caplog.records if record.levelno == logging.ERROR)
    assert "find-me" in record.getMessage()
    assert "secret of the house" in str(record.exc_info)
    assert await counted(client) == {("tiny", "failed"): 1}
    assert await counted(client, "anytime_requests_lost_total") == {("tiny",): 1}


async def test_the_worst_reason_names_the_outcome(client: httpx.AsyncClient, pool: FakePool) -> None:
    def answer(ticket: FakeTicket) -> None:
        whole, cut = result(ticket, 4, "complete").outputs[0], result(ticket, 2, "shed").outputs[1]
        ticket.tell(messages.Result(ticket.id, [whole, cut], messages.Timing(0, 0, 0, 0, 0)))

    pool.on_submit = answer
    response = await client.post("/v1/generate", json={"n": 2})
    assert [output["stop_reason"] for output in response.json()["outputs"]] == ["complete", "shed"]
    assert await counted(client) == {("tiny", "shed"): 1}


async def test_late_answers_are_counted_late(client: httpx.AsyncClient, pool: FakePool) -> None:
    def answer(ticket: FakeTicket) -> None:
        pool.clock.seconds += 0.051
        ticket.tell(result(ticket, 1, "deadline"))

    pool.on_submit = answer
    assert (await client.post("/v1/generate", json={"deadline_ms": 50})).status_code == 200
    assert await counted(client, "anytime_deadline_missed_total") == {("tiny",): 1}


async def test_request_log(client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "service.request")
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"x-request-id": "r-1", "traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    await client.post("/v1/generate", json={"deadline_ms": 50}, headers=headers)
    await client.get("/evil%0Aline")
    await client.get("/livez")
    await until(lambda: bool(request_lines(caplog)))
    first, second = request_lines(caplog)  # the probe is not logged at this level
    expected = {"path": "/v1/generate", "method": "POST", "status": 200, "request_id": "r-1", "model": "tiny"}
    assert {**expected, "trace_id": trace}.items() <= first.items()
    assert "trace_id" not in second
    assert (first["outcome"], first["deadline_ms"], first["codes"], first["id"]) == ("complete", 50, [4], "t0")
    assert (second["path"], second["status"]) == ("/evil\nline", 404)
    assert first["time"] <= second["time"]


async def test_the_deadline_counts_from_when_the_first_bytes_were_read(address: str, pool: FakePool) -> None:
    """And not from when the request's turn came, which may be much later while others are served."""
    reader, writer = await asyncio.open_connection(*address.split(":"))
    body = b'{"deadline_ms": 1000}'
    received, reads = pool.clock.now(), pool.clock.reads
    writer.write(b"POST /v1/generate HTTP/1.1\r\nhost: test\r\n")
    await until(lambda: pool.clock.reads > reads)
    pool.clock.spend(0.25)
    writer.write(b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    writer.close()
    (ticket,) = pool.tickets
    assert ticket.deadline == pytest.approx(received + 1.0)


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b'{"deadline_ms": 50, "label": "nobody looks"}', {}, 504),
        (b"{}", {"x-request-timeout-seconds": "0.05"}, 504),
        (b'{"deadline_ms": 50, "model": "other"}', {}, 404),
        (b'{"deadline_ms": -50}', {}, 422),
        (b'{"deadline_ms": 50', {}, 400),
        (b'{"a":' * 400, {}, 400),
        (b'{"n":' + b"[" * 2000, {}, 400),
        (b'{"deadline_ms": 500}', {}, 200),
    ],
)
async def test_what_has_waited_past_its_deadline_is_refused_before_more_is_done_for_it(
    client: httpx.AsyncClient, pool: FakePool, body: bytes, headers: dict[str, str], status: int
) -> None:
    async def late() -> AsyncIterator[bytes]:
        pool.clock.seconds += 0.051
        yield body

    response = await client.post(
        "/v1/generate", content=late(), headers={"content-type": "application/json", **headers}
    )
    assert response.status_code == status
    assert len(pool.tickets) == (status == 200)
    if status == 504:
        assert response.json()["type"] == TYPE + "deadline-infeasible"
        assert response.json()["minimum_deadline_ms"] > 51
        assert await counted(client) == {("tiny", "infeasible"): 1.0}
