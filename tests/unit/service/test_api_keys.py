"""Keys at the door: every route asks for one, says nothing to whoever has none, and knows whose it is."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_client import TYPE, api_client, counted
from error_shapes import PROBLEM, check_error
from fake_encoder import FakeEncoders
from fake_pool import FakePool, app_over, result
from fastapi import FastAPI
from keyed import KeyFile, routes_of
from live_server import live, request_lines, until
from socket_client import event, open_socket, outcomes, send
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from service.access.keyfile import revoke_key
from service.access.keys import new_key
from service.api.door import OPEN_BELOW, OPEN_PATHS
from service.metrics import Metrics
from service.settings import Settings

NOT_HIDDEN = {"x-request-id", "content-length", "request_id"}


@pytest.fixture
def keys(tmp_path: Path) -> KeyFile:
    file = KeyFile(tmp_path)
    file.add("alice")
    return file


@pytest.fixture
def settings(keys: KeyFile) -> Settings:
    return Settings(keys=keys.path, max_deadline_ms=5000, default_deadline_ms=700)


@pytest.fixture
def app(pool: FakePool, settings: Settings, metrics: Metrics) -> FastAPI:
    return app_over(pool, settings, metrics)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://test") as each:
        yield each


@asynccontextmanager
async def other_client(pool: FakePool, settings: Settings, **more: Any) -> AsyncIterator[httpx.AsyncClient]:
    app = app_over(pool, settings.model_copy(update=more))
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://test") as each:
        yield each


def wrong_ways(keys: KeyFile) -> list[dict[str, str]]:
    """Headers that should open nothing."""
    key = keys.keys["alice"]
    return [
        {},
        {"Authorization": f"Bearer {new_key()}"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {key}x"},
        {"Authorization": f"Bearer {key[:-1]}"},
        {"Authorization": f"Bearer {key.swapcase()}"},
        {"Authorization": f"Basic {key}"},
        {"Authorization": key},
        {"x-api-key": f"Bearer {key}"},
        {"x-api-key": ""},
        {"Cookie": f"key={key}"},
        {"Authorization": f"Bearer {new_key()}", "x-api-key": key},  # one that is wrong is not made up for
    ]


def essence(response: httpx.Response) -> tuple[int, dict[str, str], dict[str, object]]:
    """A refusal without what is every request's own."""
    headers = {name: value for name, value in response.headers.items() if name not in NOT_HIDDEN}
    body = {name: value for name, value in response.json().items() if name not in NOT_HIDDEN}
    return response.status_code, headers, body


async def test_every_route_asks_for_a_key_and_says_the_same_to_all_who_have_none(
    app: FastAPI, client: httpx.AsyncClient, keys: KeyFile
) -> None:
    refusals: dict[str, list[object]] = {PROBLEM: [], "/v1/images/": [], "/v2": []}
    asked = set()
    for path, methods in [*routes_of(app), ("/nothing", {"GET"}), ("/v1/models/none", {"GET"})]:
        for method in methods | {"POST", "PUT", "OPTIONS"}:
            is_open = method in ("GET", "HEAD") and (path in OPEN_PATHS or path.startswith(OPEN_BELOW))
            for headers in wrong_ways(keys):
                response = await client.request(method, path, headers=headers, content=b"{not json")
                assert (response.status_code != 401) is is_open, (method, path)
                if response.status_code == 401 and method != "HEAD":
                    assert response.headers["www-authenticate"] == "Bearer"
                    check_error(path, 401, response.headers["content-type"], response.json())
                    refusals[next((shape for shape in refusals if path.startswith(shape)), PROBLEM)].append(
                        essence(response)
                    )
                    asked.add(path)
    assert asked >= {"/v1/models/tiny", "/metrics", "/docs", "/openapi.json", "/nothing", "/v1/images/generations"}
    for same in refusals.values():
        assert len(same) > 10
        assert all(each == same[0] for each in same)
        assert "Authorization: Bearer KEY" in str(same[0])


async def test_every_route_opens_to_a_key(app: FastAPI, client: httpx.AsyncClient, keys: KeyFile) -> None:
    for path, methods in routes_of(app):
        for method in methods:
            response = await client.request(method, path, headers=keys.headers("alice"), json={})
            is_file = path.startswith((OPEN_BELOW, "/docs/"))  # of no version or name that there is
            assert response.status_code in ((404,) if is_file else (200, 307, 400, 415, 422, 426)), (method, path)


async def test_what_is_open_is_written_down_and_is_not_to_be_written_to(client: httpx.AsyncClient) -> None:
    assert {"/", "/livez", "/readyz", "/v2/health/live", "/v2/health/ready", "/playground"} == OPEN_PATHS
    assert OPEN_BELOW == "/playground/"
    assert (await client.get("/livez")).json() == {"status": "alive"}
    assert (await client.head("/readyz")).status_code == 200
    assert (await client.get("/playground/../metrics")).status_code == 401
    for path in ("/livez/", "/livez/x", "/playground", "/playground/%2e%2e/metrics", "/LIVEZ"):
        assert (await client.get(path)).status_code in (401, 404), path
    for path in OPEN_PATHS:
        assert (await client.post(path)).status_code == 401


@pytest.mark.parametrize(
    "way",
    [
        lambda key: {"Authorization": f"Bearer {key}"},
        lambda key: {"authorization": f"bearer   {key} "},
        lambda key: {"X-API-Key": key},
        lambda key: {"Authorization": "Basic of-a-proxy", "x-api-key": f" {key}"},
    ],
)
async def test_every_way_to_send_a_key(client: httpx.AsyncClient, keys: KeyFile, way: Any) -> None:
    response = await client.post("/v1/generate", json={}, headers=way(keys.keys["alice"]))
    assert response.status_code == 200


async def test_a_key_in_the_url_opens_nothing(client: httpx.AsyncClient, keys: KeyFile) -> None:
    key = keys.keys["alice"]
    for name in ("key", "api_key", "x-api-key", "access_token", "authorization"):
        assert (await client.get(f"/v1/models?{name}={key}")).status_code == 401


async def test_the_body_of_a_stranger_is_not_read(app: FastAPI) -> None:
    async def receive() -> dict[str, object]:
        raise AssertionError("the body was asked for")

    sent: list[dict[str, Any]] = []

    async def send_message(message: Any) -> None:
        sent.append(message)

    for path in ("/v1/generate", "/v1/models"):
        scope = {"type": "http", "method": "POST", "path": path, "headers": [(b"content-length", b"100")]}
        async with app.router.lifespan_context(app):
            await app({**scope, "query_string": b"", "client": None}, receive, send_message)
    assert [message["status"] for message in sent if "status" in message] == [401, 401]


async def test_refusals_are_counted_and_logged_without_the_key(
    client: httpx.AsyncClient, keys: KeyFile, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = new_key()
    for path in ("/v1/generate", "/v1/models", "/metrics"):
        await client.post(path, headers={"Authorization": f"Bearer {wrong}", "x-request-id": "mine"})
    await client.post("/v1/generate", headers=keys.headers("alice"), json={})
    client.headers.update(keys.headers("alice"))
    assert await counted(client, "anytime_rejections_total") == {("unauthorized",): 3}
    assert await counted(client) == {("unknown", "unauthorized"): 1, ("tiny", "complete"): 1}
    assert (await counted(client, "anytime_key_requests_total"))["alice", "admitted"] >= 3
    responses = await counted(client, "anytime_http_responses_total")
    assert responses["unknown", "401"] == 2
    client._transport.app.state.server.log.flush()  # type: ignore[attr-defined]
    lines = request_lines(caplog)
    refused = [line for line in lines if line["status"] == 401]
    assert [line["path"] for line in refused] == ["/v1/generate", "/v1/models", "/metrics"]
    assert all(line["request_id"] == "mine" and "key" not in line for line in refused)
    assert [line["key"] for line in lines if line["path"] == "/v1/generate" and line["status"] == 200] == ["alice"]
    for secret in (wrong, *keys.keys.values()):
        assert secret.removeprefix("anytime_") not in caplog.text


async def test_a_request_that_is_over_the_rate(keys: KeyFile, pool: FakePool) -> None:
    keys.add("bob", rate=0.5, burst=2)
    async with other_client(pool, Settings(keys=keys.path)) as client:
        client.headers.update(keys.headers("bob"))
        for status in (200, 200, 429, 429):
            response = await client.post("/v1/generate", json={})
            assert response.status_code == status
        assert (response.headers["retry-after"], response.json()["retry_after_s"]) == ("2", 2)
        assert response.json()["type"] == TYPE + "rate-limited"
        assert (await client.get("/v1/models")).status_code == 429
        assert (await client.get("/livez")).status_code == 200
        pool.clock.spend(2)
        assert (await client.get("/v1/models")).status_code == 200
        client.headers.update(keys.headers("alice"))
        assert await counted(client) == {("tiny", "complete"): 2, ("unknown", "limited"): 2}
        assert await counted(client, "anytime_rejections_total") == {("rate-limited",): 3}


async def test_requests_in_progress_are_counted_until_they_end(keys: KeyFile, pool: FakePool) -> None:
    keys.add("bob", concurrency=1)
    pool.keep()
    settings = Settings(keys=keys.path)
    async with (
        live(app_over(pool, settings), settings) as address,
        httpx.AsyncClient(base_url=f"http://{address}") as client,
        httpx.AsyncClient(base_url=f"http://{address}", headers=keys.headers("bob")) as bob,
    ):
        first = asyncio.create_task(bob.post("/v1/generate", json={}))
        await until(lambda: bool(pool.tickets))
        response = await bob.post("/v1/generate", json={})
        assert (response.status_code, response.json()["type"]) == (429, TYPE + "concurrency-limited")
        assert response.headers["retry-after"] == "1"
        assert (await client.get("/v1/models", headers=keys.headers("alice"))).status_code == 200
        pool.tickets[0].tell(result(pool.tickets[0]))
        assert (await first).status_code == 200
        assert (await bob.get("/v1/models")).status_code == 200
        assert (await bob.post("/v1/generate", content=b"{")).status_code == 400  # what is refused has ended, too
        assert (await bob.get("/v1/models")).status_code == 200


async def test_deadlines_are_clamped_to_the_keys_own(keys: KeyFile, pool: FakePool) -> None:
    keys.add("bob", max_deadline_ms=200.0)
    keys.add("carol", max_deadline_ms=90_000.0)
    async with other_client(pool, Settings(keys=keys.path, max_deadline_ms=5000, default_deadline_ms=700)) as client:
        for name, asked, given in (
            ("bob", {"deadline_ms": 1000}, 200),
            ("bob", {"deadline_ms": 150}, 150),
            ("bob", {}, 200),
            ("carol", {"deadline_ms": 80_000}, 5000),
            ("alice", {"deadline_ms": 80_000}, 5000),
            ("alice", {}, 700),
        ):
            response = await client.post("/v1/generate", json=asked, headers=keys.headers(name))
            assert response.json()["deadline_ms"] == given
            assert pool.tickets[-1].deadline == pytest.approx(pool.clock.now() + given / 1000)
        response = await client.post("/v1/generate", json={}, headers={**keys.headers("bob"), "grpc-timeout": "9S"})
        assert response.json().get("deadline_ms") == 200, response.text


async def test_deadlines_are_clamped_however_a_request_is_written(keys: KeyFile, pool: FakePool) -> None:
    keys.add("bob", max_deadline_ms=400.0)
    encoders = FakeEncoders()
    async with api_client(pool, encoders, keys=keys.path) as client:
        client.headers.update(keys.headers("bob"))
        events = {"Accept": "text/event-stream"}
        for path, body, headers in (
            ("/v1/generate", {"deadline_ms": 900}, events),
            ("/v1/images/generations", {"prompt": "bag", "deadline_ms": 900}, {}),
            ("/v1/images/generations", {"prompt": "bag", "deadline_ms": 900, "stream": True}, {}),
            (
                "/v2/models/tiny/infer",
                {"inputs": [], "outputs": [{"name": "codes_count"}], "parameters": {"timeout": 900_000}},
                {},
            ),
            ("/v1/decode", {"codes": [1]}, {}),
        ):
            response = await client.post(path, json=body, headers=headers)
            assert response.status_code == 200, response.text
            assert pool.tickets[-1].deadline == pytest.approx(pool.clock.now() + 0.4), path
        png = {"content-type": "image/png"}
        response = await client.post("/v1/encode", content=b"\x89PNG\r\n\x1a\n-for-a-test", headers=png)
        assert response.json().get("deadline_ms") == 400, response.text
        assert (await client.get("/v1/models")).json()["limits"]["max_deadline_ms"] == 400
        client.headers.update(keys.headers("alice"))
        assert (await client.get("/v1/models")).json()["limits"]["max_deadline_ms"] == 5000


async def test_a_key_that_has_expired_or_is_for_something_else(keys: KeyFile, pool: FakePool) -> None:
    keys.add("old", expires=datetime(2020, 1, 1, tzinfo=UTC))
    keys.add("prometheus", metrics_only=True)
    async with other_client(pool, Settings(keys=keys.path)) as client:
        response = await client.post("/v1/generate", json={}, headers=keys.headers("old"))
        assert (response.status_code, response.json()["type"]) == (403, TYPE + "key-expired")
        response = await client.get("/v1/models", headers=keys.headers("prometheus"))
        assert (response.status_code, response.json()["type"]) == (403, TYPE + "key-not-allowed")
        response = await client.get("/metrics", headers=keys.headers("prometheus"))
        assert (response.status_code, "anytime_build_info" in response.text) == (200, True)


# Websockets


def log_like_serve(caplog: pytest.LogCaptureFixture) -> None:
    """Everything, but for what `anytime serve --log-level debug` never lets uvicorn say: at that level, all headers."""
    caplog.set_level(logging.WARNING, "uvicorn")
    caplog.set_level(logging.DEBUG)


def said(caplog: pytest.LogCaptureFixture) -> str:
    """All that the server logged; the websocket client of the test has loggers of its own."""
    return "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("websockets"))


async def test_a_websocket_asks_for_a_key_before_it_opens(
    app: FastAPI, settings: Settings, keys: KeyFile, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    log_like_serve(caplog)
    sockets = [path for path, methods in routes_of(app) if not methods]
    assert sockets == ["/v1/stream"]
    async with live(app, settings) as address:
        guesses: list[dict[str, Any]] = [{"additional_headers": headers} for headers in wrong_ways(keys)]
        guesses += [{"subprotocols": ["anytime", f"anytime.key.{new_key()}"]}, {"subprotocols": ["anytime"]}]
        paths = [*sockets, "/v1/nothing", "/playground/x", "/livez"]
        bodies = [await refused(address, path, **guess) for path in paths for guess in guesses]
        assert all(body == bodies[0] for body in bodies)
        assert bodies[0]["type"] == TYPE + "unauthorized"
    exposition = metrics.exposition().decode()
    assert f'anytime_rejections_total{{reason="unauthorized"}} {len(bodies)}.0' in exposition
    assert f'anytime_http_responses_total{{route="unknown",status="401"}} {len(bodies)}.0' in exposition
    assert len([line for line in request_lines(caplog) if line["status"] == 401]) == len(bodies)
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert keys.keys["alice"] not in said(caplog)


async def refused(address: str, path: str, **options: Any) -> dict[str, object]:
    """The problem that a handshake is answered with, without what is its own."""
    with pytest.raises(InvalidStatus) as raised:
        async with connect(f"ws://{address}{path}", proxy=None, **options):
            pass
    response = raised.value.response
    assert response.status_code == 401
    assert (response.headers["www-authenticate"], response.headers["content-type"]) == (
        "Bearer",
        "application/problem+json",
    )
    assert response.body is not None
    return {name: value for name, value in json.loads(response.body).items() if name not in NOT_HIDDEN}


async def test_every_way_to_open_a_websocket_with_a_key(address: str, keys: KeyFile) -> None:
    key = keys.keys["alice"]
    for options, chosen in (
        ({"additional_headers": keys.headers("alice")}, None),
        ({"additional_headers": {"x-api-key": key}}, None),
        ({"additional_headers": keys.headers("alice"), "subprotocols": ["chat"]}, None),
        # A browser fails unless one that it offered is chosen, and offers nothing but these.
        ({"subprotocols": ["anytime", f"anytime.key.{key}"]}, "anytime"),
        ({"subprotocols": [f"anytime.key.{key}", "anytime"]}, "anytime"),
        ({"subprotocols": [f"anytime.key.{key}"]}, f"anytime.key.{key}"),
        ({"subprotocols": ["chat", f"anytime.key.{key}"]}, f"anytime.key.{key}"),
    ):
        async with open_socket(address, **options) as ws:
            assert ws.subprotocol == chosen
            await send(ws, type="generate", id="a")
            assert [(await event(ws))["type"] for _ in range(2)] == ["accepted", "completed"]


async def test_a_page_may_offer_a_key_to_a_server_that_wants_none(pool: FakePool) -> None:
    async with (
        live(app_over(pool, Settings()), Settings()) as address,
        open_socket(address, subprotocols=["anytime", "anytime.key.anything"]) as ws,
    ):
        assert ws.subprotocol == "anytime"


async def test_the_key_of_a_websocket_is_never_logged(
    address: str, keys: KeyFile, caplog: pytest.LogCaptureFixture
) -> None:
    log_like_serve(caplog)
    async with open_socket(address, subprotocols=[f"anytime.key.{keys.keys['alice']}"]) as ws:
        await send(ws, type="generate", id="a")
        assert [(await event(ws))["type"] for _ in range(2)] == ["accepted", "completed"]
    await until(lambda: bool(request_lines(caplog)))
    (line,) = request_lines(caplog)
    assert (line["key"], line["outcome"]) == ("alice", "complete")
    assert keys.keys["alice"] not in said(caplog)


async def test_limits_of_a_key_on_a_websocket(keys: KeyFile, pool: FakePool, metrics: Metrics) -> None:
    keys.add("bob", rate=1.0, burst=4, concurrency=1, max_deadline_ms=300.0)
    settings = Settings(keys=keys.path)
    pool.keep()
    async with (
        live(app_over(pool, settings, metrics), settings) as address,
        open_socket(address, additional_headers=keys.headers("bob")) as ws,  # which is the first of the burst
    ):
        await send(ws, type="generate", id="a", deadline_ms=9000)
        assert (await event(ws))["deadline_ms"] == 300
        await send(ws, type="extend", id="a", deadline_ms=9000)
        await send(ws, type="generate", id="b")
        error = await event(ws)
        assert (error["id"], error["problem"]["type"]) == ("b", TYPE + "concurrency-limited")
        assert error["problem"]["retry_after_s"] == 1
        assert pool.tickets[0].deadline == pytest.approx(pool.clock.now() + 0.3)
        pool.tickets[0].tell(result(pool.tickets[0]))
        assert (await event(ws))["type"] == "completed"
        for name in "cd":
            await send(ws, type="generate", id=name, model="none")  # what is refused gives its place back
            assert (await event(ws))["problem"]["type"] == TYPE + "model-not-found"
        await send(ws, type="generate", id="e")
        error = await event(ws)
        assert (error["id"], error["problem"]["type"]) == ("e", TYPE + "rate-limited")
        pool.clock.spend(1)
        await send(ws, type="generate", id="f")
        assert (await event(ws))["type"] == "accepted"
    await until(lambda: outcomes(metrics) == {"limited": 2, "complete": 1, "invalid": 2, "client_closed": 1})


async def test_a_key_that_is_revoked_while_its_websocket_is_open(
    keys: KeyFile, pool: FakePool, metrics: Metrics
) -> None:
    settings = Settings(keys=keys.path)
    pool.keep()
    app = app_over(pool, settings, metrics)
    async with live(app, settings) as address, open_socket(address, additional_headers=keys.headers("alice")) as ws:
        await send(ws, type="generate", id="a")
        assert (await event(ws))["type"] == "accepted"
        revoke_key(keys.path, "alice")
        keys.add("bob")
        app.state.server.keys.reload()
        await until(lambda: b'key="bob"' in metrics.exposition())
        await send(ws, type="generate", id="b")
        error = await event(ws)
        assert (error["type"], error["id"], error["problem"]["type"]) == ("error", "b", TYPE + "unauthorized")
        with pytest.raises(ConnectionClosed) as raised:
            await event(ws)
        assert raised.value.rcvd is not None
        assert (raised.value.rcvd.code, raised.value.rcvd.reason) == (1008, "Unauthorized")
        await until(lambda: pool.tickets[0].cancelled)
        await until(lambda: app.state.server.pending == 0)


async def test_the_document_says_what_is_wanted(
    app: FastAPI, client: httpx.AsyncClient, keys: KeyFile, pool: FakePool
) -> None:
    document = (await client.get("/openapi.json", headers=keys.headers("alice"))).json()
    assert document["security"] == [{"bearer": []}, {"header": []}]
    schemes = document["components"]["securitySchemes"]
    assert (schemes["bearer"]["type"], schemes["bearer"]["scheme"]) == ("http", "bearer")
    assert (schemes["header"]["in"], schemes["header"]["name"]) == ("header", "x-api-key")
    for path, operations in document["paths"].items():
        for operation in operations.values():
            refusals = {"401", "403", "429"} & set(operation["responses"])
            assert refusals == (set() if path in OPEN_PATHS else {"401", "403", "429"}), path
            assert ("security" in operation) == (path in OPEN_PATHS)
    assert "security" not in app_over(pool, Settings()).openapi()
