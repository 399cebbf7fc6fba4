"""`POST /v1/encode` over encoders that a test acts for: what they are asked, what the client gets, what is counted."""

from __future__ import annotations

import asyncio
import base64
import logging
import math
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from api_client import SETTINGS, TYPE, api_client, counted
from fake_encoder import FakeEncoders
from fake_pool import FakePool, app_over, audio_manifest, manifest
from live_server import live, request_lines, until

from models.packed import packed_bytes, unpack
from service import messages
from service.codec import Codec
from service.metrics import Metrics

FILE = b"\x89PNG\r\n\x1a\n-for-a-test"
WAV = b"RIFF\0\0\0\0WAVE-for-a-test"
PNG_TYPE = {"content-type": "image/png"}
MODEL = manifest()
ENCODES = "anytime_encode_requests_total"


@pytest.fixture
def encoders() -> FakeEncoders:
    return FakeEncoders()


@pytest.fixture
async def client(pool: FakePool, encoders: FakeEncoders) -> AsyncIterator[httpx.AsyncClient]:
    async with api_client(pool, encoders) as each:
        yield each


async def send(client: httpx.AsyncClient, query: str = "", data: bytes = FILE, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post(f"/v1/encode{query}", content=data, headers=PNG_TYPE | named)


def asked(encoders: FakeEncoders) -> messages.Encode:
    """What the only encoder was asked last."""
    return encoders.started[0].asked[-1]


async def test_a_file_is_answered_with_all_its_codes(
    client: httpx.AsyncClient, encoders: FakeEncoders, pool: FakePool
) -> None:
    response = await send(client)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert (asked(encoders).data, asked(encoders).media_type, asked(encoders).fit) == (FILE, "image/png", "crop")
    assert asked(encoders).lengths == [4]
    assert asked(encoders).most == SETTINGS.max_media_size
    assert 4000 < asked(encoders).remaining_ms < 5000  # the server's longest deadline, less what is kept back
    assert answer["codes"] == [0, 1, 2, 3]
    assert unpack(base64.b64decode(answer["packed"]), MODEL) == [0, 1, 2, 3]
    assert answer["bytes"] == len(base64.b64decode(answer["packed"]))
    assert (answer["codes_total"], answer["expected_quality"], answer["model"]) == (4, 1.0, "tiny")
    assert answer["squared_error"] == 0.25
    assert answer["psnr_db"] == pytest.approx(10 * math.log10(16 / 0.25), abs=1e-3)
    assert answer["deadline_ms"] == 5000
    assert answer["timing"].keys() == {"queue_ms", "read_ms", "encode_ms", "decode_ms", "total_ms"}
    assert "curve" not in answer
    assert response.headers["cache-control"] == "no-store"
    assert "encode;dur=0.200" in response.headers["server-timing"]
    assert pool.tickets == []  # the workers have nothing to do with it


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("?codes=2", 2),
        ("?bytes=5", 2),
        ("?bytes=5&codes=1", 1),
        ("?bytes=1000&codes=3", 3),
        ("?bytes=6", 4),
    ],
)
async def test_as_many_codes_as_asked_for_or_as_fit(client: httpx.AsyncClient, query: str, codes: int) -> None:
    answer = (await send(client, query)).json()
    assert answer["codes"] == list(range(codes))
    assert answer["bytes"] == packed_bytes(codes, MODEL) == len(base64.b64decode(answer["packed"]))
    assert answer["squared_error"] == pytest.approx(1 / codes, abs=1e-6)
    assert answer["expected_quality"] == MODEL.quality_curve[codes]


async def test_every_budget_is_respected(client: httpx.AsyncClient) -> None:
    for budget in range(1, 12):
        response = await send(client, f"?bytes={budget}")
        if budget < packed_bytes(1, MODEL):
            assert response.status_code == 422
            assert f"must be at least {packed_bytes(1, MODEL)}" in response.json()["detail"]
        else:
            assert len(base64.b64decode(response.json()["packed"])) <= budget


async def test_the_curve(client: httpx.AsyncClient, encoders: FakeEncoders) -> None:
    answer = (await send(client, "?curve=true&codes=2")).json()
    assert asked(encoders).lengths == [1, 2, 3, 4]
    assert [point["codes"] for point in answer["curve"]] == [1, 2, 3, 4]
    assert [point["squared_error"] for point in answer["curve"]] == [1, 0.5, pytest.approx(1 / 3, abs=1e-6), 0.25]
    assert answer["squared_error"] == 0.5
    assert len(answer["codes"]) == 2


async def test_no_error_has_no_ratio(client: httpx.AsyncClient, encoders: FakeEncoders) -> None:
    timing = messages.CodingTiming(0, 0, 0)
    encoders.answer_with(lambda asked: messages.Encoded(asked.id, [1, 2, 3, 4], [0.0], timing))
    answer = (await send(client)).json()
    assert (answer["squared_error"], answer["psnr_db"]) == (0, None)


async def test_a_file_in_json(client: httpx.AsyncClient, encoders: FakeEncoders) -> None:
    body = {"b64": base64.b64encode(FILE).decode(), "codes": 3, "fit": "pad", "deadline_ms": 4000.5, "model": "tiny"}
    response = await client.post("/v1/encode?codes=1&curve=true", json=body)
    assert response.status_code == 200, response.text
    assert (asked(encoders).data, asked(encoders).media_type, asked(encoders).fit) == (FILE, "image/png", "pad")
    answer = response.json()
    assert (len(answer["codes"]), answer["deadline_ms"], len(answer["curve"])) == (3, 4000.5, 4)


@pytest.mark.parametrize(
    ("query", "field", "why"),
    [
        ("?codes=0", "codes", "greater than or equal to 1"),
        ("?codes=5", "codes", "at most 4"),
        ("?codes=x", "codes", "valid integer"),
        ("?codes=", "codes", "valid integer"),
        ("?codes=1.0", "codes", "valid integer"),
        ("?codes=-1", "codes", "valid integer"),
        ("?codes=1&codes=2", "codes", "more than once"),
        ("?bytes=4", "bytes", "at least 5"),
        ("?curve=1", "curve", "valid boolean"),
        ("?fit=stretch", "fit", "'crop', 'pad' or 'exact'"),
        ("?deadline_ms=0", "deadline_ms", "greater than 0"),
        ("?deadline_ms=nan", "deadline_ms", "valid number"),
        ("?deadline_ms=1e999", "deadline_ms", "finite number"),
        ("?quality=9", "quality", "Extra inputs"),
        ("?b64=AA", "b64", "Extra inputs"),
    ],
)
async def test_options_that_are_refused(
    client: httpx.AsyncClient, encoders: FakeEncoders, query: str, field: str, why: str
) -> None:
    response = await send(client, query)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == field
    assert why in response.json()["detail"]
    assert encoders.started == []


@pytest.mark.parametrize(
    ("content_type", "data", "status", "slug", "why"),
    [
        ("text/plain", FILE, 415, "unsupported-media-type", "image/png, image/webp, image/jpeg or application/x-npy"),
        ("application/x-www-form-urlencoded", FILE, 415, "unsupported-media-type", "or JSON"),
        ("audio/wav", WAV, 415, "unsupported-media-type", "must be image/png"),
        ("image/png", WAV, 422, "unusable-media", "must be image/png, and is audio/wav"),
        ("image/jpeg", FILE, 422, "unusable-media", "must be image/jpeg, and is image/png"),
        ("image/png", b"", 422, "unusable-media", "and is none that is known"),
        ("application/json", b"\xff", 400, "malformed-request", "not valid JSON"),
        ("application/json", b'{"b64": "A"}', 422, "invalid-field", "must be base64"),
        ("application/json", b'{"b64": "iVBO Rw=="}', 422, "invalid-field", "must be base64"),
        ("application/json", b'{"b64": "AAAA"}', 422, "unusable-media", "must be image/png, image/webp"),
        ("application/json", b'{"codes": 3}', 422, "invalid-field", "b64: Field required"),
        ("application/json", b'{"b64": "AAAA", "codes": "3"}', 422, "invalid-field", "valid integer"),
        ("image/png", bytes(5000), 413, "payload-too-large", "4096 bytes"),
        ("application/json", bytes(3000), 413, "payload-too-large", "2048 bytes"),
    ],
)
async def test_bodies_that_are_refused(
    client: httpx.AsyncClient,
    encoders: FakeEncoders,
    content_type: str,
    data: bytes,
    status: int,
    slug: str,
    why: str,
) -> None:
    response = await send(client, data=data, content_type=content_type)
    assert (response.status_code, response.json()["type"]) == (status, TYPE + slug)
    assert why in response.json()["detail"]
    assert encoders.started == []
    outcomes = await counted(client, ENCODES)
    assert [(outcome, count) for (_, outcome), count in outcomes.items()] == [("invalid", 1.0)]
    assert await counted(client, "anytime_rejections_total") == {(slug,): 1.0}
    assert await counted(client) == {}


async def test_compressed_bodies_are_refused(client: httpx.AsyncClient) -> None:
    response = await send(client, content_encoding="gzip")
    assert (response.status_code, response.json()["detail"]) == (415, "The body must not be compressed.")


@pytest.mark.parametrize(
    ("reply", "status", "slug", "outcome"),
    [
        (lambda asked: messages.Unusable(asked.id, "is odd"), 422, "unusable-media", "invalid"),
        (lambda asked: messages.Unusable(asked.id, "is vast", True), 413, "payload-too-large", "invalid"),
        (lambda asked: messages.TimeUp(asked.id), 504, "deadline-infeasible", "infeasible"),
        (lambda asked: messages.Failed(asked.id, "It failed."), 500, "internal", "failed"),
    ],
)
async def test_what_the_encoder_refuses(
    client: httpx.AsyncClient, encoders: FakeEncoders, reply: Any, status: int, slug: str, outcome: str
) -> None:
    encoders.answer_with(reply)
    response = await send(client)
    assert (response.status_code, response.json()["type"]) == (status, TYPE + slug)
    assert await counted(client, ENCODES) == {("tiny", outcome): 1.0}
    assert await counted(client, "anytime_rejections_total") == {(slug,): 1.0}
    assert await counted(client, "anytime_requests_lost_total") == {}


async def test_an_infeasible_deadline_says_which_would_do(client: httpx.AsyncClient, pool: FakePool) -> None:
    response = await send(client, "?deadline_ms=10")
    assert response.status_code == 504
    assert response.json()["minimum_deadline_ms"] == pytest.approx(302.5)
    response = await send(client, grpc_timeout="10m")
    assert response.status_code == 504
    assert await counted(client, ENCODES) == {("tiny", "infeasible"): 2.0}


async def test_each_is_counted_and_logged_once(client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        await send(client, "?codes=3", x_request_id="mine")
        await send(client, "?codes=x")
        await until(lambda: len(request_lines(caplog)) == 2)
    good, bad = request_lines(caplog)
    assert (good["path"], good["request_id"], good["outcome"], good["codes"]) == ("/v1/encode", "mine", "complete", [3])
    assert (bad["outcome"], bad["problem"]) == ("invalid", "invalid-field")
    assert await counted(client, ENCODES) == {("tiny", "complete"): 1.0, ("unknown", "invalid"): 1.0}
    exposition = (await client.get("/metrics")).text
    assert 'anytime_encode_seconds_count{model="tiny"} 1.0' in exposition
    assert "anytime_encoder_up 1.0" in exposition
    assert "anytime_encoder_starts_total 1.0" in exposition


async def test_an_answer_after_its_deadline_is_counted_as_missed(
    client: httpx.AsyncClient, encoders: FakeEncoders, pool: FakePool
) -> None:
    def late(asked: messages.Encode) -> messages.FromEncoder:
        pool.clock.spend(6.0)
        return messages.Encoded(asked.id, [0, 1, 2, 3], [1.0], messages.CodingTiming(0, 0, 0))

    encoders.answer_with(late)
    assert (await send(client)).status_code == 200
    assert await counted(client, "anytime_encode_deadline_missed_total") == {("tiny",): 1.0}


async def test_by_a_setting_there_is_none(pool: FakePool, encoders: FakeEncoders) -> None:
    async with api_client(pool, encoders, SETTINGS.model_copy(update={"encoder": "off"})) as client:
        response = await send(client)
        assert response.status_code == 404
        assert "setting `encoder` is `off`" in response.json()["detail"]
        assert encoders.started == []


async def test_clips(encoders: FakeEncoders) -> None:
    async with api_client(FakePool(audio_manifest("tiny")), encoders) as client:
        for name in ("audio/wav", "audio/x-wav", "audio/vnd.wave"):
            response = await send(client, data=WAV, content_type=name)
            assert response.status_code == 200, response.text
            assert asked(encoders).media_type == "audio/wav"
        assert (await send(client)).status_code == 415


async def test_a_client_that_goes_away_is_forgotten(pool: FakePool, encoders: FakeEncoders) -> None:
    metrics = Metrics()
    encoders.keep()
    app = app_over(pool, SETTINGS, metrics, Codec(SETTINGS, metrics, pool.clock, lambda: pool.paths, encoders.start))
    async with live(app, SETTINGS) as address:
        host, port = address.split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /v1/encode HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\ncontent-length: {len(FILE)}\r\n\r\n"
        writer.write(head.encode() + FILE)
        await until(lambda: bool(encoders.started and encoders.started[0].asked))
        writer.close()
        await writer.wait_closed()
        gone = 'anytime_encode_requests_total{model="tiny",outcome="client_closed"} 1.0'
        await until(lambda: gone in metrics.exposition().decode())


async def test_at_the_end_what_is_being_encoded_is_answered(pool: FakePool, encoders: FakeEncoders) -> None:
    encoders.keep()
    async with api_client(pool, encoders) as client:
        answers = [asyncio.create_task(send(client)) for _ in range(2)]
        await until(lambda: bool(encoders.started and encoders.started[0].asked))
        draining = asyncio.create_task(client._transport.app.state.server.drain())  # type: ignore[attr-defined]
        await until(answers[1].done)
        assert answers[1].result().json()["type"] == TYPE + "draining"
        encoder = encoders.started[0]
        timing = messages.CodingTiming(0, 0, 0)
        encoder.reply(messages.Encoded(asked(encoders).id, [0, 1, 2, 3], [1.0], timing))
        assert (await answers[0]).status_code == 200
        await draining
        assert encoder.ended
        assert (await send(client)).status_code == 503
