"""The Open Inference Protocol over a pool without workers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from api_client import api_client, counted
from error_shapes import check_error
from fake_pool import FakePool, FakeTicket, app_over
from inference_client import LENGTH, PATH, answer, ask, inference_pool, tensor
from live_server import live, until

from service import messages
from service.errors import DeadlineInfeasible, Overloaded, WorkerLost
from service.settings import Settings


@pytest.fixture
def pool() -> FakePool:
    return inference_pool()


@pytest.fixture
async def client(pool: FakePool) -> AsyncIterator[httpx.AsyncClient]:
    async with api_client(pool) as each:
        yield each


async def test_server_and_models(client: httpx.AsyncClient, pool: FakePool) -> None:
    assert (await client.get("/v2/health/live")).json() == {"live": True}
    assert (await client.get("/v2/health/ready")).json() == {"ready": True}
    server = (await client.get("/v2")).json()
    assert (server["name"], "binary_tensor_data" in server["extensions"]) == ("anytime", True)
    tensors = {
        "inputs": [("label", "BYTES", [-1]), ("seed", "INT64", [-1]), ("codes", "INT32", [-1, -1])],
        "outputs": [
            ("image", "FP32", [-1, 1, 4, 4]),
            ("codes", "INT32", [-1, 4]),
            ("codes_count", "INT32", [-1]),
            ("expected_quality", "FP32", [-1]),
            ("stop_reason", "BYTES", [-1]),
            ("seed", "INT64", [-1]),
            ("encoded", "BYTES", [-1]),
        ],
    }
    for path in ("/v2/models/tiny", "/v2/models/tiny/versions/1"):
        metadata = (await client.get(path)).json()
        assert (metadata["name"], metadata["versions"], metadata["platform"]) == ("tiny", ["1"], "anytime")
        for kind, listed in tensors.items():
            assert [tuple(each.values()) for each in metadata[kind]] == listed
        assert (await client.get(f"{path}/ready")).json() == {"name": "tiny", "ready": True}
        config = (await client.get(f"{path}/config")).json()
        assert (config["name"], config["max_batch_size"]) == ("tiny", 0)
        assert config["input"][0] == {"name": "label", "data_type": "TYPE_STRING", "dims": [-1], "optional": True}
        assert config["output"][0]["dims"] == [-1, 1, 4, 4]
    clips = (await client.get("/v2/models/clips")).json()
    assert clips["outputs"][0] == {"name": "audio", "datatype": "FP32", "shape": [-1, 1, 80]}


async def test_the_index(client: httpx.AsyncClient, pool: FakePool) -> None:
    names = ("tiny", "clips")
    ready = [{"name": name, "version": "1", "state": "READY", "reason": ""} for name in names]
    for content in (b"", b"{}", b'{"ready": true}'):
        assert (await client.post("/v2/repository/index", content=content)).json() == ready
    pool.ready = False
    assert [each["state"] for each in (await client.post("/v2/repository/index")).json()] == ["UNAVAILABLE"] * 2
    assert (await client.post("/v2/repository/index", json={"ready": True})).json() == []
    for content in (b"[", b'{"ready": 1}', b'{"name": "tiny"}'):
        response = await client.post("/v2/repository/index", content=content)
        check_error("/v2/repository/index", 400, response.headers["content-type"], response.json())
        assert response.status_code == 400


async def test_unready_and_unknown(client: httpx.AsyncClient, pool: FakePool) -> None:
    pool.ready = False
    for path in ("/v2/health/ready", "/v2/models/tiny/ready"):
        response = await client.get(path)
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        check_error(path, 503, response.headers["content-type"], response.json())
    assert (await client.get("/v2/health/live")).status_code == 200
    for path in (
        "/v2/models/none",
        "/v2/models/none/ready",
        "/v2/models/tiny/versions/2",
        "/v2/models/tiny/versions/2/config",
    ):
        response = await client.get(path)
        assert response.status_code == 404
        check_error(path, 404, response.headers["content-type"], response.json())
    for path in ("/v2/models/none/infer", "/v2/models/tiny/versions/2/infer"):
        response = await client.post(path, json=ask())
        assert response.status_code == 404
        check_error(path, 404, response.headers["content-type"], response.json())
    assert await counted(client) == {("unknown", "invalid"): 2}


async def test_json_in_and_out(client: httpx.AsyncClient, pool: FakePool) -> None:
    body = {**ask(tensor("label", ["bag"], "BYTES"), tensor("seed", [7]), n=2, index=5), "id": "mine"}
    response = await client.post(PATH, json=body)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert LENGTH not in response.headers
    assert response.headers["server-timing"].startswith("queue;dur=0.500, ")
    assert response.json() == {
        "model_name": "tiny",
        "model_version": "1",
        "id": "mine",
        "parameters": {"deadline_ms": 700},
        "outputs": [
            {"name": "image", "shape": [2, 1, 4, 4], "datatype": "FP32", "data": [5.0] * 16 + [6.0] * 16},
            {"name": "codes", "shape": [2, 4], "datatype": "INT32", "data": [0, 1, 2, -1] * 2},
            {"name": "codes_count", "shape": [2], "datatype": "INT32", "data": [3, 3]},
            {"name": "expected_quality", "shape": [2], "datatype": "FP32", "data": [pytest.approx(0.9)] * 2},
            {"name": "stop_reason", "shape": [2], "datatype": "BYTES", "data": ["deadline"] * 2},
            {"name": "seed", "shape": [2], "datatype": "INT64", "data": [7, 7]},
        ],
    }
    (ticket,) = pool.tickets
    assert ticket.generation.sampling == messages.Sampling(7, 1, 1.0, 0, 1.0, 5)
    assert (ticket.generation.n, ticket.generation.encoding) == (2, messages.Encoding("npy", 1))
    assert ticket.delivered
    assert await counted(client) == {("tiny", "deadline"): 1}


@pytest.mark.parametrize(
    ("parameters", "headers", "milliseconds"),
    [
        ({"timeout": 50_000}, {}, 50),
        ({"timeout": 50_000, "deadline_ms": 20.5}, {}, 20.5),
        ({"timeout": 20_500, "deadline_ms": 50}, {}, 20.5),
        ({"timeout": 50_000}, {"grpc-timeout": "10m"}, 10),
        ({}, {"x-request-timeout-seconds": "0.05"}, 50),
        ({}, {"x-envoy-expected-rq-timeout-ms": "50"}, 50),
        ({"timeout": 0}, {}, 700),
        ({"timeout": 10**15}, {}, 5000),
    ],
)
async def test_deadlines(
    client: httpx.AsyncClient, pool: FakePool, parameters: dict[str, Any], headers: dict[str, str], milliseconds: float
) -> None:
    response = await client.post(PATH, json=ask(**parameters), headers=headers)
    assert response.json()["parameters"]["deadline_ms"] == pytest.approx(milliseconds)
    assert pool.tickets[0].deadline == pytest.approx(pool.clock.now() + milliseconds / 1000)


async def test_other_parameters(client: httpx.AsyncClient, pool: FakePool) -> None:
    drawing: dict[str, Any] = {
        "temperature": 0.5,
        "top_k": 2,
        "top_p": 0.5,
        "min_codes": 2,
        "max_codes": 3,
        "target_codes": 2,
    }
    for priority, expected in ((1, 1), (3, 3), (0, 2)):
        assert (await client.post(PATH, json=ask(priority=priority, **drawing))).status_code == 200
        generation = pool.tickets[-1].generation
        assert generation.priority == expected
        assert (generation.sampling.temperature, generation.sampling.top_k, generation.sampling.top_p) == (0.5, 2, 0.5)
        assert (generation.min_codes, generation.max_codes, generation.target_codes) == (2, 3, 2)


async def test_a_deadline_that_nothing_fits_into(client: httpx.AsyncClient, pool: FakePool) -> None:
    pool.refuse_with(DeadlineInfeasible("Too short.", 3.25))
    response = await client.post(PATH, json=ask(timeout=1))
    assert (response.status_code, response.json()) == (504, {"error": "Too short.", "minimum_deadline_ms": 3.25})
    assert await counted(client) == {("tiny", "infeasible"): 1}


LABELS = tensor("label", [0, 1, 2])


async def test_when_one_part_is_refused_all_are(client: httpx.AsyncClient, pool: FakePool) -> None:
    def refuse_the_third(_ticket: FakeTicket) -> None:
        if len(pool.tickets) == 2:
            raise Overloaded("Full.")

    pool.on_submit = refuse_the_third
    response = await client.post(PATH, json=ask(LABELS))
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert [ticket.cancelled for ticket in pool.tickets] == [True, True]
    assert await counted(client) == {("tiny", "overloaded"): 1}
    assert await counted(client, "anytime_rejections_total") == {("overloaded",): 1}


async def test_when_one_part_fails_all_do(client: httpx.AsyncClient, pool: FakePool) -> None:
    def fail_the_second(ticket: FakeTicket) -> None:
        if ticket.id == "t1":
            ticket.tell(WorkerLost("The worker died."))
        elif ticket.id == "t0":
            answer(ticket)

    pool.on_submit = fail_the_second
    response = await client.post(PATH, json=ask(LABELS))
    assert response.status_code == 503
    assert [ticket.cancelled for ticket in pool.tickets] == [False, False, True]
    assert await counted(client) == {("tiny", "unavailable"): 1}


async def test_what_the_way_costs_is_learnt_from_the_last_to_end(client: httpx.AsyncClient, pool: FakePool) -> None:
    times = {"t0": 5.0, "t1": 90.0, "t2": 20.0}
    pool.on_submit = lambda ticket: answer(ticket, total_ms=times[ticket.id])
    response = await client.post(PATH, json=ask(LABELS, outputs=("seed",)))
    assert response.status_code == 200
    assert [ticket.delivered for ticket in pool.tickets] == [False, True, False]
    assert await counted(client) == {("tiny", "deadline"): 1}
    assert await counted(client, "anytime_codes_delivered_count") == {("tiny",): 3}


async def test_a_client_who_leaves_takes_all_parts_back(pool: FakePool) -> None:
    pool.keep()
    app = app_over(pool, Settings())
    async with live(app, Settings()) as address:
        _, writer = await asyncio.open_connection(*address.split(":"))
        body = json.dumps(ask(LABELS)).encode()
        writer.write(f"POST {PATH} HTTP/1.1\r\nHost: test\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await until(lambda: len(pool.tickets) == 3)
        writer.close()
        await until(lambda: all(ticket.cancelled for ticket in pool.tickets))
        await until(lambda: app.state.server.pending == 0)
        exposition = app.state.server.metrics.exposition().decode()
    assert 'anytime_requests_total{model="tiny",outcome="client_closed"} 1.0' in exposition
    assert 'anytime_http_responses_total{route="/v2/models/{name}/infer",status="499"} 1.0' in exposition
