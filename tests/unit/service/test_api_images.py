"""`POST /v1/images/generations` over a pool without workers."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from api_client import api_client, counted
from error_shapes import check_error
from event_stream import OpenStream, parse
from fake_pool import PNG, FakePool, FakeTicket, audio_manifest, manifest, result
from live_server import until
from socket_client import outcomes, preview

from service import messages
from service.errors import DeadlineInfeasible, Draining, Overloaded, ServiceError, WorkerLost
from service.metrics import Metrics

PATH = "/v1/images/generations"
B64 = base64.b64encode(PNG).decode()


@pytest.fixture
def pool() -> FakePool:
    return FakePool(manifest("tiny"), manifest("plain", labels=()), audio_manifest("clips"))


@pytest.fixture
async def client(pool: FakePool) -> AsyncIterator[httpx.AsyncClient]:
    async with api_client(pool) as each:
        yield each


def ask(**fields: object) -> dict[str, object]:
    return {"model": "tiny", "prompt": "a bag", **fields}


async def test_the_answer(client: httpx.AsyncClient, pool: FakePool) -> None:
    pool.on_submit = lambda ticket: ticket.tell(result(ticket, 3, "deadline"))
    response = await client.post(PATH, json=ask(n=2, seed=7, index=5, deadline_ms=50, size="8x8"))
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    answer = response.json()
    assert abs(answer.pop("created") - time.time()) < 60
    anytime = {"id": "t0", "model": "tiny", "version": "1", "codes": [0, 1, 2], "codes_total": 4}
    anytime |= {"expected_quality": 0.9, "seed": 7, "label": "Bag", "deadline_ms": 50, "stop_reason": "deadline"}
    assert answer == {
        "background": "opaque",
        "data": [{"b64_json": B64, "anytime": {**anytime, "index": index}} for index in (5, 6)],
        "output_format": "png",
        "size": "8x8",
        "usage": {
            "input_tokens": 0,
            "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
            "output_tokens": 6,
            "total_tokens": 6,
        },
    }
    assert response.headers["server-timing"].startswith("queue;dur=0.500, ")
    assert pool.tickets[0].delivered
    assert await counted(client) == {("tiny", "deadline"): 1}


async def test_what_is_asked_of_the_pool(client: httpx.AsyncClient, pool: FakePool) -> None:
    own = {"seed": 3, "codes": [7], "temperature": 0.5, "top_k": 2, "top_p": 0.5, "min_codes": 2, "max_codes": 3}
    body = ask(size="16x16", output_format="webp", target_codes=2, priority=1, **own)
    assert (await client.post(PATH, json=body)).status_code == 200
    generation = pool.tickets[0].generation
    assert generation.sampling == messages.Sampling(3, 1, 0.5, 2, 0.5, 0, (7,))
    assert generation.encoding == messages.Encoding("webp", 4)
    assert (generation.min_codes, generation.max_codes) == (2, 3)
    assert (generation.target_codes, generation.priority, generation.preview_ms) == (2, 1, None)


async def test_what_means_nothing_here_is_taken(client: httpx.AsyncClient, pool: FakePool) -> None:
    usual = {"quality": "high", "style": "vivid", "user": "u", "moderation": "low", "safety_identifier": "s"}
    body = ask(
        n=None, size=None, stream=False, partial_images=0, background="auto", response_format="b64_json", **usual
    )
    assert (await client.post(PATH, json=body)).status_code == 200
    generation = pool.tickets[0].generation
    assert (generation.n, generation.encoding, generation.preview_ms) == (1, messages.Encoding("png", 1), None)


async def test_a_model_without_classes_takes_any_prompt(client: httpx.AsyncClient, pool: FakePool) -> None:
    assert (await client.post(PATH, json={"model": "plain", "prompt": "whatever"})).status_code == 200
    assert pool.tickets[0].generation.sampling.label is None


@pytest.mark.parametrize(
    ("headers", "body_ms", "milliseconds"),
    [
        ({"x-request-timeout-seconds": "0.05"}, None, 50),
        ({"grpc-timeout": "50m"}, 80, 50),
        ({"x-envoy-expected-rq-timeout-ms": "50"}, 20, 20),
        ({}, None, 700),
        ({}, 1e9, 5000),
    ],
)
async def test_deadlines(
    client: httpx.AsyncClient, pool: FakePool, headers: dict[str, str], body_ms: float | None, milliseconds: float
) -> None:
    for stream in (False, True):
        response = await client.post(PATH, json=ask(deadline_ms=body_ms, stream=stream), headers=headers)
        assert response.status_code == 200
        assert pool.tickets[-1].deadline == pytest.approx(pool.clock.now() + milliseconds / 1000)


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        (ask(prompt="a sneaker"), "prompt", "prompt: must name a class of this model, which are Boot, Bag, Coat"),
        ({"model": "tiny"}, "prompt", "prompt: Field required"),
        (ask(size="9x9"), "size", "size: must be auto or a whole multiple of this model's 4x4, up to 16x16"),
        (ask(size="8x4"), "size", None),
        (ask(size="20x20"), "size", None),
        (ask(size="1x1"), "size", None),
        (ask(size="large"), "size", None),
        (ask(size="0x0"), "size", None),
        (ask(n=0), "n", None),
        (ask(n=9), "n", "n: must be at most 8 on this server"),
        (ask(n=2, stream=True), "n", "n: must be 1 with stream, whose events do not say which image they show"),
        (ask(partial_images=4, stream=True), "partial_images", None),
        (ask(partial_images=1), "partial_images", "partial_images: must be 0 or left out without stream"),
        (ask(response_format="url"), "response_format", None),
        (ask(output_format="gif"), "output_format", None),
        (ask(background="transparent"), "background", None),
        (ask(output_compression=50), "output_compression", None),
        (ask(deadline_ms=0), "deadline_ms", None),
        (ask(model="clips"), "model", "model: must be one that makes images; clips makes audio"),
        ({"prompt": "bag"}, "model", None),
        ([], None, None),
    ],
)
async def test_invalid_fields_are_bad_requests(
    client: httpx.AsyncClient, pool: FakePool, body: object, param: str | None, message: str | None
) -> None:
    response = await client.post(PATH, json=body)
    check_error(PATH, 400, response.headers["content-type"], response.json())
    error = response.json()["error"]
    assert (response.status_code, error["param"], error["code"]) == (400, param, "invalid_field")
    assert message in (None, error["message"])
    assert pool.tickets == []
    assert sum((await counted(client)).values()) == 1


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"content": b"{"}, 400, "malformed_request"),
        ({"content": b" " * 4000}, 413, "payload_too_large"),
        ({"content": b"{}", "headers": {"content-type": "text/plain"}}, 415, "unsupported_media_type"),
        ({"json": ask(), "headers": {"grpc-timeout": "soon"}}, 400, "malformed_request"),
        ({"json": ask(model="none")}, 404, "model_not_found"),
    ],
)
async def test_other_refusals(client: httpx.AsyncClient, options: dict[str, Any], status: int, code: str) -> None:
    response = await client.post(PATH, **options)
    check_error(PATH, status, response.headers["content-type"], response.json())
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert error["param"] == ("model" if status == 404 else None)
    assert response.headers["x-request-id"]
    assert await counted(client) == {("unknown" if status != 400 or "json" not in options else "tiny", "invalid"): 1}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("refusal", "status", "retry"),
    [
        (DeadlineInfeasible("Too short.", 3.25), 504, "false"),
        (Overloaded("Full."), 503, None),
        (Draining("Down."), 503, None),
        (ServiceError("Broken."), 500, None),
    ],
)
async def test_what_the_pool_refuses(
    client: httpx.AsyncClient, pool: FakePool, stream: bool, refusal: ServiceError, status: int, retry: str | None
) -> None:
    pool.refuse_with(refusal)
    response = await client.post(PATH, json=ask(stream=stream))
    check_error(PATH, status, response.headers["content-type"], response.json())
    assert response.status_code == status
    assert response.headers.get("x-should-retry") == retry
    assert response.json()["error"].get("minimum_deadline_ms") == (3.25 if status == 504 else None)
    assert ("retry-after" in response.headers) == (status == 503)


async def test_what_nobody_foresaw(client: httpx.AsyncClient, pool: FakePool) -> None:
    pool.on_submit = lambda ticket: ticket.tell(RuntimeError("secret"))
    response = await client.post(PATH, json=ask())
    check_error(PATH, 500, response.headers["content-type"], response.json())
    assert (response.status_code, "secret" in response.text) == (500, False)
    assert await counted(client) == {("tiny", "failed"): 1}


async def test_partial_images(open_stream: OpenStream, address: str, pool: FakePool, metrics: Metrics) -> None:
    pool.keep()
    body = ask(seed=7, stream=True, partial_images=2, deadline_ms=90, output_format="jpeg", size="8x8")
    stream = await open_stream(address, PATH, body)
    await until(lambda: bool(pool.tickets))
    (ticket,) = pool.tickets
    assert ticket.generation.preview_ms == 45
    for codes in (1, 2, 3):
        ticket.tell(preview(ticket, codes))
        if codes == 3:  # more than were asked for: nothing is said of it
            await asyncio.sleep(0.02)
            break
        name, shown = await stream.event()
        assert abs(shown.pop("created_at") - time.time()) < 60
        assert (name, shown["type"]) == ("image_generation.partial_image",) * 2
        assert shown["anytime"].pop("codes") == list(range(codes))
        assert shown["anytime"].pop("expected_quality") == (0.5, 0.75)[codes - 1]
        assert shown == {
            "type": name,
            "b64_json": B64,
            "background": "opaque",
            "output_format": "jpeg",
            "partial_image_index": codes - 1,
            "quality": "auto",
            "size": "8x8",
            "anytime": {
                "id": "t0",
                "model": "tiny",
                "version": "1",
                "codes_total": 4,
                "seed": 7,
                "index": 0,
                "label": "Bag",
                "deadline_ms": 90,
            },
        }
    ticket.tell(result(ticket, 3, "deadline"))
    name, last = await stream.event()
    assert (name, last["type"], last["b64_json"]) == ("image_generation.completed",) * 2 + (B64,)
    assert (last["background"], last["output_format"], last["quality"], last["size"]) == (
        "opaque",
        "jpeg",
        "auto",
        "8x8",
    )
    assert (last["usage"]["output_tokens"], last["usage"]["total_tokens"], last["usage"]["input_tokens"]) == (3, 3, 0)
    assert (last["anytime"]["stop_reason"], last["anytime"]["codes"]) == ("deadline", [0, 1, 2])
    assert "partial_image_index" not in last
    assert await stream.reader.readuntil(b"\r\n\r\n") == b"0\r\n\r\n"
    await until(lambda: ticket.delivered)
    assert outcomes(metrics) == {"deadline": 1}
    assert b'anytime_first_preview_seconds_count{model="tiny"} 1.0' in metrics.exposition()


async def test_a_stream_without_partial_images(client: httpx.AsyncClient, pool: FakePool) -> None:
    def answer(ticket: FakeTicket) -> None:
        ticket.tell(preview(ticket, 1))
        ticket.tell(result(ticket))

    pool.on_submit = answer
    response = await client.post(PATH, json=ask(stream=True))
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert [name for name, _ in parse(response.text)] == ["image_generation.completed"]
    assert pool.tickets[0].generation.preview_ms is None


async def test_what_fails_later_is_an_event(client: httpx.AsyncClient, pool: FakePool) -> None:
    pool.on_submit = lambda ticket: ticket.tell(WorkerLost("The worker died."))
    response = await client.post(PATH, json=ask(stream=True))
    ((name, data),) = parse(response.text)
    check_error(PATH, 503, "application/json", data)
    assert (response.status_code, name, data["error"]["code"]) == (200, "error", "worker_lost")
    assert await counted(client) == {("tiny", "unavailable"): 1}


@pytest.mark.parametrize("partial_images", [0, 3])
async def test_a_reader_who_leaves_takes_the_request_back(
    open_stream: OpenStream, address: str, pool: FakePool, metrics: Metrics, partial_images: int
) -> None:
    pool.keep()
    stream = await open_stream(address, PATH, ask(stream=True, partial_images=partial_images))
    await until(lambda: bool(pool.tickets))
    stream.leave()
    await until(lambda: pool.tickets[0].cancelled)
    await until(lambda: outcomes(metrics) == {"client_closed": 1})
