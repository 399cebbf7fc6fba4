"""Requests that are refused: which status, which field, and that each is counted."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from api_client import TYPE, api_client, counted
from fake_pool import FakePool, audio_manifest, manifest


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"n": 0}, ["n"]),
        ({"n": 9}, ["n"]),
        ({"n": 10**30}, ["n"]),
        ({"n": 1.5}, ["n"]),
        ({"n": "1"}, ["n"]),
        ({"n": True}, ["n"]),
        ({"deadline_ms": 0}, ["deadline_ms"]),
        ({"deadline_ms": -5}, ["deadline_ms"]),
        ({"deadline_ms": "50"}, ["deadline_ms"]),
        ({"seed": -1}, ["seed"]),
        ({"seed": 2**53}, ["seed"]),
        ({"label": "trouser"}, ["label"]),
        ({"label": 3}, ["label"]),
        ({"label": -1}, ["label"]),
        ({"label": ""}, ["label"]),
        ({"label": False}, ["label", "label"]),
        ({"temperature": -0.1}, ["temperature"]),
        ({"temperature": 11}, ["temperature"]),
        ({"top_k": -1}, ["top_k"]),
        ({"top_p": 0}, ["top_p"]),
        ({"top_p": 1.01}, ["top_p"]),
        ({"min_codes": 0}, ["min_codes"]),
        ({"min_codes": 5}, ["min_codes"]),
        ({"max_codes": 5}, ["max_codes"]),
        ({"min_codes": 3, "max_codes": 2}, ["max_codes"]),
        ({"codes": [0, 8]}, ["codes"]),
        ({"codes": [-1]}, ["codes"]),
        ({"codes": [1.5]}, ["codes"]),
        ({"codes": [0, 0, 0, 0, 0]}, ["codes"]),
        ({"codes": [0, 0], "max_codes": 1}, ["codes"]),
        ({"codes": [0] * 5 + [9]}, ["codes", "codes"]),
        ({"codes": None}, ["codes"]),
        ({"index": -1}, ["index"]),
        ({"index": 2**31}, ["index"]),
        ({"scale": 5}, ["scale"]),
        ({"format": "gif"}, ["format"]),
        ({"model": 3}, ["model"]),
        ({"deadline": 50}, ["deadline"]),
        ({"n": 0, "seed": -1, "x" * 500: 1}, ["seed", "n", "x" * 80]),
        ({"n": 9, "scale": 9, "label": "z"}, ["n", "label", "scale"]),
        ([], [""]),
        ("text", [""]),
    ],
)
async def test_invalid_fields_are_named(
    client: httpx.AsyncClient, pool: FakePool, body: object, fields: list[str]
) -> None:
    response = await client.post("/v1/generate", json=body)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["type"] == TYPE + "invalid-field"
    assert [error["field"] for error in problem["errors"]] == fields
    assert len(response.content) < 4096
    assert pool.tickets == []
    assert sum((await counted(client)).values()) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b'{"n": NaN, ',
        b'{"n": 1}{',
        b"[" * 1500,
        b'{"label": "\xff"}',
        b'{"label": "\\ud800"}',
    ],
)
async def test_unreadable_json(client: httpx.AsyncClient, body: bytes) -> None:
    response = await client.post("/v1/generate", content=body, headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["type"]) == (400, TYPE + "malformed-request")
    assert await counted(client) == {("unknown", "invalid"): 1}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 1000])
async def test_numbers_must_be_finite(client: httpx.AsyncClient, number: str) -> None:
    content = b'{"deadline_ms": %s}' % number.encode()
    response = await client.post("/v1/generate", content=content, headers={"content-type": "application/json"})
    assert response.status_code in (400, 422)


async def test_unknown_model(client: httpx.AsyncClient) -> None:
    for name in ("nope", "", "../x", "x" * 1000):
        response = await client.post("/v1/generate", json={"model": name})
        assert (response.status_code, response.json()["type"]) == (404, TYPE + "model-not-found")
    assert await counted(client) == {("unknown", "invalid"): 4}


async def test_model_must_be_named_when_there_are_several() -> None:
    pool = FakePool(manifest("one"), manifest("two"))
    async with api_client(pool) as client:
        response = await client.post("/v1/generate", json={})
        assert response.status_code == 422
        assert response.json()["errors"] == [
            {"field": "model", "message": "must be one of one, two, since several models are loaded"}
        ]
        assert (await client.post("/v1/generate", json={"model": "two"})).json()["model"] == "two"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": "application/json; charset=utf-8"}, 200),
        ({"content-encoding": "gzip"}, 415),
        ({"accept": "text/html"}, 406),
    ],
)
async def test_media_types(client: httpx.AsyncClient, headers: dict[str, str], status: int) -> None:
    headers = {"content-type": "application/json", **headers}
    assert (await client.post("/v1/generate", content=b"{}", headers=headers)).status_code == status


async def test_a_body_without_a_type_is_json(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/generate", content=b"{}")).status_code == 200


async def test_too_large_by_length_and_by_chunks(client: httpx.AsyncClient, pool: FakePool) -> None:
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 1
            yield b" " * 1000

    for content in (b" " * 2049, chunks()):
        response = await client.post("/v1/generate", content=content)
        assert (response.status_code, response.json()["type"]) == (413, TYPE + "payload-too-large")
    assert sent == 3  # the chunk that went over the limit was the last to be read
    assert (await client.post("/v1/generate", content=b"{}".ljust(2048))).status_code == 200
    assert await counted(client) == {("unknown", "invalid"): 2, ("tiny", "complete"): 1}


@pytest.mark.parametrize(("length", "status"), [("ten", 400), ("-1", 400), ("9" * 5000, 413)])
async def test_lengths_that_are_none(client: httpx.AsyncClient, length: str, status: int) -> None:
    response = await client.post("/v1/generate", content=b"{}", headers={"content-length": length})
    assert response.status_code == status
    assert await counted(client) == {("unknown", "invalid"): 1}


async def test_a_picture_too_large_for_its_format() -> None:
    pool = FakePool(manifest(side=4096))
    async with api_client(pool, max_pixels=1 << 28) as client:
        for file_format, status in (("png", 200), ("webp", 422), ("npy", 200)):
            response = await client.post("/v1/generate", json={"scale": 4, "format": file_format})
            assert response.status_code == status
            if status == 422:
                assert response.json()["detail"] == "format: webp holds at most 16383 pixels a side, not 16384"


async def test_too_many_pixels_say_what_is_few_enough() -> None:
    async with api_client(FakePool(manifest(side=10)), max_pixels=1000) as client:
        for body, problems in (
            ({"scale": 3}, []),
            ({"scale": 4}, [("scale", "must be at most 3, for pictures of 10 by 10 and 1 of them")]),
            ({"n": 2, "scale": 3}, [("scale", "must be at most 2, for pictures of 10 by 10 and 2 of them")]),
            ({"n": 8, "scale": 2}, [("scale", "must be at most 1, for pictures of 10 by 10 and 8 of them")]),
            ({"n": 8, "scale": 4, "format": "npy"}, []),
            ({"n": 9, "scale": 4}, [("n", "must be at most 8 on this server"), ("scale", "must be at most 1, for")]),
        ):
            response = await client.post("/v1/generate", json=body)
            assert response.status_code == (422 if problems else 200), body
            found = [(each["field"], each["message"]) for each in response.json().get("errors", [])]
            assert [field for field, _ in found] == [field for field, _ in problems]
            for (_, message), (_, expected) in zip(found, problems, strict=True):
                assert message.startswith(expected)


async def test_more_pictures_than_pixels() -> None:
    async with api_client(FakePool(manifest(side=10)), max_pixels=399) as client:
        response = await client.post("/v1/generate", json={"n": 4, "scale": 2})
        assert response.json()["detail"] == "n: must make at most 3 samples, for pictures of 10 by 10"


async def test_sound_has_no_pixels() -> None:
    async with api_client(FakePool(audio_manifest()), max_pixels=1) as client:
        assert (await client.post("/v1/generate", json={"n": 8})).status_code == 200


async def test_pixels_of_all_that_is_asked_for_count() -> None:
    """Of codes to be decoded, and of the parts that an inference is taken in."""
    async with api_client(FakePool(manifest(side=10)), max_pixels=1000) as client:
        body: dict[str, object] = {"codes": [[1], [2]], "lengths": [1]}
        assert (await client.post("/v1/decode", json={**body, "scale": 2})).status_code == 200
        response = await client.post("/v1/decode", json={**body, "scale": 3})
        assert response.json()["detail"] == "scale: must be at most 2, for pictures of 10 by 10 and 2 of them"
        inputs = [{"name": "seed", "shape": [2], "datatype": "INT64", "data": [1, 2]}]
        for scale, status in ((2, 200), (3, 400)):
            asked = {"inputs": inputs, "outputs": [{"name": "encoded"}], "parameters": {"scale": scale}}
            assert (await client.post("/v2/models/tiny/infer", json=asked)).status_code == status
    async with api_client(FakePool(manifest(side=10)), max_pixels=100) as client:
        response = await client.post("/v1/decode", json=body)
        assert response.json()["detail"] == "codes: must make at most 1 samples, for pictures of 10 by 10"
