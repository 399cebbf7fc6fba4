"""Everything but generation: models, health, unknown paths, request ids, the document."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import cast

import httpx
import pytest
from error_shapes import check_error, media_type_at
from fake_pool import FakePool, app_over, manifest
from fastapi import FastAPI

from service.registry import Catalogue
from service.settings import Settings

TYPE = "urn:anytime:problem:"


@pytest.fixture
def pool() -> FakePool:
    return FakePool(manifest("one"), manifest("two", labels=()))


@pytest.fixture
def app(pool: FakePool) -> FastAPI:
    return app_over(pool, Settings())


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as each,
    ):
        yield each


async def test_models(client: httpx.AsyncClient) -> None:
    listing = (await client.get("/v1/models")).json()
    models, started = listing["models"], listing["data"][0]["created"]
    assert abs(started - time.time()) < 60
    owned = {"object": "model", "created": started, "owned_by": "anytime"}
    assert listing["object"] == "list"
    assert listing["data"] == [{"id": name, **owned} for name in ("one", "two")]
    assert [model["name"] for model in models] == ["one", "two"]
    assert models[0] == {
        "id": "one",
        **owned,
        "name": "one",
        "version": "1",
        "default": True,
        "aliases": [],
        "description": "",
        "kind": "ordered-vqvae",
        "media": {
            "type": "image",
            "shape": [1, 4, 4],
            "sample_rate": None,
            "duration_seconds": None,
            "formats": ["png", "webp", "jpeg", "npy"],
        },
        "codes": 4,
        "labels": ["Boot", "Bag", "Coat"],
        "sampling": {"temperature": 1.0, "top_k": 0, "top_p": 1.0},
        "quality_curve": [0.0, 0.5, 0.75, 0.9, 1.0],
        "minimum_deadline_ms": 3.25,
    }
    assert (await client.get("/v1/models/two")).json() == models[1]
    response = await client.get("/v1/models/three")
    assert (response.status_code, response.json()["type"]) == (404, TYPE + "model-not-found")


async def test_label_for_a_model_without_classes(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/generate", json={"model": "two", "label": 0})
    assert response.json()["detail"] == "label: this model has no classes"


async def test_readiness_follows_the_pool(app: FastAPI, client: httpx.AsyncClient, pool: FakePool) -> None:
    assert (await client.get("/readyz")).json() == {"status": "ready"}
    pool.ready = False
    response = await client.get("/readyz")
    assert (response.status_code, response.json()["type"]) == (503, TYPE + "not-ready")
    pool.ready = True
    await app.state.server.drain()
    response = await client.get("/readyz")
    assert (response.status_code, response.json()["type"]) == (503, TYPE + "draining")
    assert response.headers["retry-after"] == "1"
    assert (await client.get("/livez")).json() == {"status": "alive"}


async def test_the_pool_is_closed_once(app: FastAPI, pool: FakePool) -> None:
    async with app.router.lifespan_context(app):
        assert pool.ready
        await app.state.server.drain()
    assert pool.closed == 1


async def test_unknown_paths_and_methods(client: httpx.AsyncClient) -> None:
    response = await client.get("/v3/nothing")
    assert (response.status_code, response.json()["type"]) == (404, TYPE + "not-found")
    assert response.headers["content-type"] == "application/problem+json"
    assert (await client.post("/v1/generate/", json={})).status_code == 404
    response = await client.get("/v1/generate")
    assert (response.status_code, response.json()["type"]) == (405, TYPE + "method-not-allowed")
    assert response.headers["allow"] == "POST"
    response = await client.delete("/v1/models")
    assert (response.status_code, response.headers["allow"]) == (405, "GET")


@pytest.mark.parametrize(
    "path", ["/v1/images/nothing", "/v1/images/generations", "/v2/nothing", "/v2", "/v2/models/one"]
)
async def test_errors_of_the_router_have_the_shape_of_their_path(client: httpx.AsyncClient, path: str) -> None:
    for method in ("GET", "POST", "PUT", "DELETE"):
        response = await client.request(method, path, json={})
        if response.status_code >= 400:
            check_error(path, response.status_code, response.headers["content-type"], response.json())
    assert response.status_code == (404 if path.endswith("nothing") else 405)
    assert ("allow" in response.headers) == (response.status_code == 405)


@pytest.mark.parametrize("path", ["/v1/models", "/v2/models/one"])
async def test_what_nobody_foresaw_has_the_shape_of_its_path(
    client: httpx.AsyncClient, pool: FakePool, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    pool.manifests = cast("Catalogue", None)
    response = await client.get(path, headers={"x-request-id": "mine"})
    assert response.status_code == 500
    check_error(path, 500, response.headers["content-type"], response.json())
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == ["request mine failed"]


async def test_the_stream_wants_a_websocket(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/stream")
    assert (response.status_code, response.json()["type"]) == (426, TYPE + "upgrade-required")
    assert response.headers["upgrade"] == "websocket"


async def test_head_is_answered_like_get(client: httpx.AsyncClient) -> None:
    assert (await client.head("/livez")).status_code == 200
    assert (await client.head("/v1/generate")).status_code == 405


@pytest.mark.parametrize("sent", ["abc", "A.b_c:d/e+f=g@h-1", "x" * 128])
async def test_sane_request_ids_are_kept(client: httpx.AsyncClient, sent: str) -> None:
    response = await client.get("/nothing", headers={"x-request-id": sent})
    assert response.headers["x-request-id"] == response.json()["request_id"] == sent


@pytest.mark.parametrize("sent", ["", "a b", "x" * 129, "a\tb", "ä", '"quoted"'])
async def test_other_request_ids_are_replaced(client: httpx.AsyncClient, sent: str) -> None:
    response = await client.get("/livez", headers=[(b"x-request-id", sent.encode("latin-1"))])
    assert len(response.headers["x-request-id"]) == 32
    other = await client.get("/livez")
    assert other.headers["x-request-id"] != response.headers["x-request-id"]


async def test_limits_are_told(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/models")).json()["limits"] == {
        "max_deadline_ms": 60_000,
        "default_deadline_ms": 1_000,
        "max_samples": 64,
        "max_scale": 16,
        "max_pixels": 1 << 24,
        "max_socket_requests": 64,
    }


async def test_large_bodies_are_refused_on_every_route(app: FastAPI, client: httpx.AsyncClient) -> None:
    for path in [*app.openapi()["paths"], "/", "/docs", "/openapi.json", "/nothing"]:
        for method in ("GET", "POST", "PUT", "DELETE"):
            response = await client.request(method, path, content=b"x" * (1 << 21))
            assert response.status_code == 413, (method, path)
            check_error(path, 413, response.headers["content-type"], response.json())


async def test_document_refers_only_to_what_it_has(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()

    def references(node: object) -> set[str]:
        if isinstance(node, dict):
            own = {node["$ref"]} if "$ref" in node else set()
            return own.union(*map(references, node.values()))
        return set().union(*map(references, node)) if isinstance(node, list) else set()

    names = {reference.removeprefix("#/components/schemas/") for reference in references(document)}
    assert names <= set(document["components"]["schemas"])
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["summary"], path
            for status, response in operation["responses"].items():
                if status >= "400":
                    assert list(response["content"]) == [media_type_at(path)], (path, status)
    assert "application/json" in document["paths"]["/v1/generate"]["post"]["requestBody"]["content"]


async def test_responses_are_counted_by_route(client: httpx.AsyncClient) -> None:
    await client.get("/v1/models/one")
    await client.get("/v1/models/three")
    await client.get("/a/strange/path")
    await client.get("/v1/generate")
    text = (await client.get("/metrics")).text
    for route, status in (
        ("/v1/models/{name}", 200),
        ("/v1/models/{name}", 404),
        ("unknown", 404),
        ("/v1/generate", 405),
    ):
        assert f'anytime_http_responses_total{{route="{route}",status="{status}"}} 1.0' in text
