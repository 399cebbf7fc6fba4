"""A model of clips over a pool without workers: what it is asked for, what the client gets, what is refused."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator

import httpx
import numpy as np
import pytest
import soundfile
from api_client import TYPE, api_client, counted
from fake_pool import FakePool, FakeTicket, app_over, audio_manifest, manifest, result
from live_server import live
from socket_client import event, open_socket, preview, send

from service.encode import MEDIA_TYPES, encode
from service.settings import Settings

MEDIA = audio_manifest().media
TONE = np.sin(np.arange(80, dtype=np.float32) / 4)[None] * np.float32(0.5)


def clip(ticket: FakeTicket, codes: int = 4) -> bytes:
    """The more codes the louder, encoded as asked."""
    return encode(MEDIA, TONE * np.float32(codes / 4), ticket.generation.encoding.format)


@pytest.fixture
def pool() -> FakePool:
    pool = FakePool(audio_manifest(), manifest("tiny"))
    pool.on_submit = lambda ticket: ticket.tell(result(ticket, data=clip(ticket)))
    return pool


@pytest.fixture
async def client(pool: FakePool) -> AsyncIterator[httpx.AsyncClient]:
    async with api_client(pool) as each:
        yield each


async def test_the_model_says_what_its_samples_are(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/models/clips")).json()["media"] == {
        "type": "audio",
        "shape": [1, 80],
        "sample_rate": 8000,
        "duration_seconds": 0.01,
        "formats": ["wav", "flac", "ogg", "npy"],
    }


@pytest.mark.parametrize("body_format", [None, "wav", "flac", "ogg", "npy"])
async def test_json_answer(client: httpx.AsyncClient, pool: FakePool, body_format: str | None) -> None:
    body = {"model": "clips", "n": 2, "label": "bag", "format": body_format}
    response = await client.post("/v1/generate", json=body)
    file_format = body_format or "wav"
    assert (pool.tickets[0].generation.encoding.format, pool.tickets[0].generation.encoding.scale) == (file_format, 1)
    for output in response.json()["outputs"]:
        assert (output["media_type"], output["label"]) == (MEDIA_TYPES[file_format], "Bag")
        data = base64.b64decode(output["b64"])
        if file_format == "npy":
            assert np.load(io.BytesIO(data)).shape == (1, 80)
        else:
            info = soundfile.info(io.BytesIO(data))
            assert (info.format, info.samplerate, info.frames) == (file_format.upper(), 8000, 80)


@pytest.mark.parametrize(
    ("accept", "file_format"),
    [
        ("audio/wav", "wav"),
        ("audio/x-wav", "wav"),
        ("audio/flac", "flac"),
        ("audio/ogg", "ogg"),
        ("audio/*", "wav"),
        ("application/x-npy", "npy"),
    ],
)
async def test_bare_clip_with_the_facts_in_headers(
    client: httpx.AsyncClient, pool: FakePool, accept: str, file_format: str
) -> None:
    response = await client.post("/v1/generate", json={"model": "clips", "seed": 7}, headers={"accept": accept})
    assert response.headers["content-type"] == MEDIA_TYPES[file_format]
    assert pool.tickets[0].generation.encoding.format == file_format
    assert (response.headers["x-anytime-codes"], response.headers["x-anytime-seed"]) == ("4", "7")
    if file_format == "npy":
        np.testing.assert_array_equal(np.load(io.BytesIO(response.content)), TONE)
    else:
        assert soundfile.info(io.BytesIO(response.content)).frames == 80


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"format": "png"}, "format: must be one of wav, flac, ogg, npy, since this model's media type is audio"),
        ({"scale": 2}, "scale: must be 1, since only pictures are enlarged and this model's media type is audio"),
        ({"scale": 9}, "scale: must be 1, since only pictures are enlarged and this model's media type is audio"),
        ({"scale": 2, "format": "npy"}, "scale: must be 1, since only pictures are enlarged and this model's media"),
        ({"model": "tiny", "format": "wav"}, "format: must be one of png, webp, jpeg, npy, since this model's media"),
    ],
)
@pytest.mark.parametrize("accept", ["application/json", "application/x-npy"])
async def test_what_the_other_media_have_is_refused(
    client: httpx.AsyncClient, pool: FakePool, body: dict[str, object], detail: str, accept: str
) -> None:
    """Whatever content negotiation chooses instead."""
    response = await client.post("/v1/generate", json={"model": "clips", **body}, headers={"accept": accept})
    assert (response.status_code, response.json()["type"]) == (422, TYPE + "invalid-field")
    assert response.json()["detail"].startswith(detail)
    assert pool.tickets == []


@pytest.mark.parametrize(
    ("model", "accept", "offered"),
    [
        ("clips", "image/png", "application/json, audio/wav, audio/flac, audio/ogg, application/x-npy"),
        ("clips", "image/*", "application/json, audio/wav, audio/flac, audio/ogg, application/x-npy"),
        ("tiny", "audio/wav", "application/json, image/png, image/webp, image/jpeg, application/x-npy"),
        ("tiny", "audio/*", "application/json, image/png, image/webp, image/jpeg, application/x-npy"),
    ],
)
async def test_what_cannot_be_accepted_says_what_there_is(
    client: httpx.AsyncClient, model: str, accept: str, offered: str
) -> None:
    response = await client.post("/v1/generate", json={"model": model}, headers={"accept": accept})
    assert (response.status_code, response.json()["type"]) == (406, TYPE + "not-acceptable")
    assert offered in response.json()["detail"]
    assert await counted(client) == {(model, "invalid"): 1}


async def test_a_clip_that_a_format_cannot_hold() -> None:
    async with api_client(FakePool(audio_manifest(channels=9))) as client:
        for file_format, status in (("wav", 200), ("flac", 422), ("ogg", 200), ("npy", 200)):
            response = await client.post("/v1/generate", json={"format": file_format})
            assert response.status_code == status
            if status == 422:
                assert response.json()["detail"] == "format: flac holds at most 8 channels, not 9"


@pytest.mark.parametrize("binary", [False, True])
async def test_every_preview_is_a_whole_clip(pool: FakePool, binary: bool) -> None:
    pool.keep()
    settings = Settings()
    async with live(app_over(pool, settings), settings) as address, open_socket(address) as ws:
        await send(ws, type="generate", id="a", model="clips", preview_ms=5, binary=binary)
        assert (await event(ws))["type"] == "accepted"
        (ticket,) = pool.tickets
        loudness = []
        for codes in (1, 2, 4):
            data = clip(ticket, codes)
            ticket.tell(result(ticket, data=data) if codes == 4 else preview(ticket, codes, data=data))
            said = await event(ws)
            output = said["outputs"][0] if codes == 4 else said["output"]
            assert output["media_type"] == "audio/wav"
            assert data == (await ws.recv() if binary else base64.b64decode(output["b64"]))
            assert output.get("bytes") == (len(data) if binary else None)
            numbers, rate = soundfile.read(io.BytesIO(data))
            assert (rate, numbers.shape) == (8000, (80,))
            loudness.append(np.abs(numbers).max())
    assert loudness == sorted(set(loudness))


async def test_a_socket_is_told_what_audio_has(pool: FakePool) -> None:
    settings = Settings()
    async with live(app_over(pool, settings), settings) as address, open_socket(address) as ws:
        await send(ws, type="generate", id="a", model="clips", format="jpeg")
        error = await event(ws)
    assert (error["type"], error["problem"]["status"]) == ("error", 422)
    assert "wav, flac, ogg, npy" in error["problem"]["detail"]


async def test_the_document_shows_both_kinds_of_media(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    content = document["paths"]["/v1/generate"]["post"]["responses"]["200"]["content"]
    assert set(content) == {"application/json", "text/event-stream", *MEDIA_TYPES.values()}
    assert set(content["application/json"]["examples"]) == {"image", "audio"}
    body = document["paths"]["/v1/generate"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    (formats, _) = body["properties"]["format"]["anyOf"]
    assert set(formats["enum"]) == set(MEDIA_TYPES)
