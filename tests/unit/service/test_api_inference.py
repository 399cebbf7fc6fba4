"""The Open Inference Protocol over a pool without workers."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import struct
from collections.abc import AsyncIterator
from typing import Any

import httpx
import numpy as np
import pytest
from api_client import api_client, counted
from error_shapes import check_error
from fake_pool import PNG, FakePool, FakeTicket, app_over, audio_manifest, manifest, output
from live_server import live, until

from service import messages
from service.errors import DeadlineInfeasible, Overloaded, WorkerLost
from service.settings import Settings

PATH = "/v2/models/tiny/infer"
LENGTH = "inference-header-content-length"


def npy(value: float, shape: tuple[int, ...] = (1, 4, 4)) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.full(shape, value, np.float32))
    return buffer.getvalue()


def answer(ticket: FakeTicket, codes: int = 3, total_ms: float = 5.0) -> None:
    """Numbers if those are asked for, else files."""
    encoding, sampling = ticket.generation.encoding, ticket.generation.sampling
    outputs = [
        output(i, codes, "deadline", npy(sampling.index + i) if encoding.format == "npy" else PNG)
        for i in range(ticket.generation.n)
    ]
    ticket.tell(messages.Result(ticket.id, outputs, messages.Timing(0.5, 3.0, 1.0, 0.25, total_ms)))


@pytest.fixture
def pool() -> FakePool:
    pool = FakePool(manifest("tiny"), audio_manifest("clips"))
    pool.on_submit = answer
    return pool


@pytest.fixture
async def client(pool: FakePool) -> AsyncIterator[httpx.AsyncClient]:
    async with api_client(pool) as each:
        yield each


def tensor(name: str, data: list[Any], datatype: str = "INT64", shape: list[int] | None = None) -> dict[str, Any]:
    return {"name": name, "shape": shape or [len(data)], "datatype": datatype, "data": data}


def ask(*inputs: dict[str, Any], outputs: tuple[str, ...] = (), **parameters: object) -> dict[str, Any]:
    return {"inputs": list(inputs), "outputs": [{"name": name} for name in outputs], "parameters": parameters}


def packed(*inputs: tuple[dict[str, Any], bytes], **extra: object) -> tuple[bytes, dict[str, str]]:
    """A body with binary tensors, and its headers."""
    tensors = [{**head, "parameters": {"binary_data_size": len(data)}} for head, data in inputs]
    head = json.dumps({"inputs": tensors, **extra}).encode()
    return head + b"".join(data for _, data in inputs), {LENGTH: str(len(head))}


def text(*elements: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(each)) + each for each in elements)


LABEL = {"name": "label", "shape": [1], "datatype": "BYTES"}
SEED = {"name": "seed", "shape": [1], "datatype": "INT64"}


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


async def test_binary_in_and_out(client: httpx.AsyncClient, pool: FakePool) -> None:
    codes = {"name": "codes", "shape": [2], "datatype": "INT32"}
    inputs = ((LABEL, text(b"Coat")), (SEED, struct.pack("<q", 2**40)), (codes, struct.pack("<ii", 3, -1)))
    outputs = [
        {"name": "image"},
        {"name": "codes", "parameters": {"binary_data": False}},
        {"name": "stop_reason"},
        {"name": "seed", "parameters": {"binary_data": True}},
    ]
    body, headers = packed(*inputs, outputs=outputs, parameters={"binary_data_output": True})
    headers["content-type"] = "application/octet-stream"
    response = await client.post("/v2/models/tiny/versions/1/infer", content=body, headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/octet-stream")
    length = int(response.headers[LENGTH])
    head, rest = json.loads(response.content[:length]), response.content[length:]
    image, codes_out, stop_reason, seed = head["outputs"]
    assert codes_out["data"] == [0, 1, 2, -1]
    assert [each["parameters"] for each in (image, stop_reason, seed)] == [
        {"binary_data_size": size} for size in (64, 12, 8)
    ]
    assert np.frombuffer(rest[:64], "<f4").tolist() == [0.0] * 16
    assert rest[64:] == text(b"deadline") + struct.pack("<q", 2**40)
    sampling = pool.tickets[0].generation.sampling
    assert (sampling.label, sampling.seed, sampling.codes) == (2, 2**40, (3,))


async def test_files(client: httpx.AsyncClient, pool: FakePool) -> None:
    body = ask(tensor("label", [1], "INT32"), outputs=("encoded", "codes_count"), format="webp", scale=4)
    (encoded, _) = (await client.post(PATH, json=body)).json()["outputs"]
    assert encoded == {
        "name": "encoded",
        "shape": [1],
        "datatype": "BYTES",
        "parameters": {"content_type": "base64", "media_type": "image/webp"},
        "data": [base64.b64encode(PNG).decode()],
    }
    assert pool.tickets[0].generation.encoding == messages.Encoding("webp", 4)
    body["parameters"] = {"binary_data_output": True}
    response = await client.post(PATH, json=body)
    head, rest = json.loads(response.content[: int(response.headers[LENGTH])]), response.content
    assert head["outputs"][0]["parameters"] == {"binary_data_size": 4 + len(PNG), "media_type": "image/png"}
    assert rest.endswith(text(PNG) + struct.pack("<i", 3))


async def test_clips(client: httpx.AsyncClient, pool: FakePool) -> None:
    pool.on_submit = lambda ticket: ticket.tell(
        messages.Result(ticket.id, [output(data=npy(0.5, (1, 80)))], messages.Timing(0, 0, 0, 0, 0))
    )
    response = await client.post("/v2/models/clips/infer", json=ask(outputs=("audio",)))
    (audio,) = response.json()["outputs"]
    assert (audio["shape"], audio["data"]) == ([1, 1, 80], [0.5] * 80)


async def test_samples_that_are_drawn_alike_share_a_ticket(client: httpx.AsyncClient, pool: FakePool) -> None:
    def asked() -> list[tuple[int, int | None, int, int, tuple[int, ...]]]:
        generations = [ticket.generation for ticket in pool.tickets]
        pool.tickets.clear()
        return [(g.n, g.sampling.label, g.sampling.seed, g.sampling.index, g.sampling.codes) for g in generations]

    labels = tensor("label", ["bag", "bag", "boot"], "BYTES")
    assert (await client.post(PATH, json=ask(labels, tensor("seed", [7])))).status_code == 200
    assert asked() == [(2, 1, 7, 0, ()), (1, 0, 7, 2, ())]
    assert (await client.post(PATH, json=ask(labels, tensor("seed", [7, 8, 8]), index=4))).status_code == 200
    assert asked() == [(1, 1, 7, 4, ()), (1, 1, 8, 4, ()), (1, 0, 8, 4, ())]
    codes = tensor("codes", [[1, -1], [1, -1], [1, 2]], "INT32", [3, 2])
    assert (await client.post(PATH, json=ask(codes, tensor("seed", [7])))).status_code == 200
    assert asked() == [(2, None, 7, 0, (1,)), (1, None, 7, 2, (1, 2))]
    response = await client.post(PATH, json=ask(labels))
    seeds = response.json()["outputs"][5]["data"]
    assert [(seed, index) for _, _, seed, index, _ in asked()] == [(seeds[0], 0), (seeds[0], 2)]
    assert len(set(seeds)) == 1
    images = response.json()["outputs"][0]["data"]
    assert images == [0.0] * 16 + [1.0] * 16 + [2.0] * 16


@pytest.mark.parametrize("column", [[3], [3, 1]])
async def test_a_column_may_be_written_as_a_matrix(
    client: httpx.AsyncClient, pool: FakePool, column: list[int]
) -> None:
    response = await client.post(PATH, json=ask(tensor("label", [0, 1, 2], "INT64", column)))
    assert response.status_code == 200
    assert [ticket.generation.sampling.label for ticket in pool.tickets] == [0, 1, 2]


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


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "inputs"),
        ([], "Expected"),
        (ask(tensor("pixels", [1])), "pixels"),
        (ask(tensor("label", [0], "FP32")), "FP32"),
        (ask(tensor("label", [0]), tensor("label", [0])), "The input label is there twice."),
        (ask(tensor("label", ["hat"], "BYTES")), "label: must be one of Boot, Bag, Coat"),
        (ask(tensor("label", [3])), "label: must be one of"),
        (ask(tensor("label", [0], shape=[2])), "The input label has 1 values, its shape [2] 2."),
        (ask(tensor("label", [0, 1], shape=[1, 2])), "The shape of the input label must be [n], not [1, 2]."),
        (ask(tensor("label", [], shape=[0])), "The input label is for 0 samples, the request for 1."),
        (ask(tensor("label", [0], shape=[-1])), "shape"),
        (ask(tensor("label", [0], shape=[1, 1, 1])), "shape"),
        (ask(tensor("label", [0], "BYTES")), "must be text"),
        (ask(tensor("label", ["bag"])), "must be numbers"),
        (ask(tensor("label", [True])), "must be numbers"),
        (ask(tensor("label", [0.5])), "must be numbers"),
        (ask(tensor("seed", [2**31], "INT32")), "must be numbers of its datatype, INT32"),
        (ask(tensor("seed", [2**63])), "must be numbers of its datatype, INT64"),
        (ask(tensor("seed", ["7"], "BYTES")), "The datatype of the input seed must be"),
        (ask(tensor("seed", [-1])), "seed: "),
        (ask(tensor("seed", [2**53])), "seed: "),
        (ask(tensor("codes", ["7"], "BYTES")), "The datatype of the input codes must be"),
        (ask(tensor("codes", [1, -1, 2])), "codes after its padding"),
        (ask(tensor("codes", [8])), "codes: must each be from 0 to 7"),
        (ask(tensor("codes", [0] * 5)), "codes: must be at most 4"),
        (ask(tensor("codes", [[1], 2], shape=[2, 1])), "neither flat nor nested"),
        (
            ask(tensor("label", [0, 1]), tensor("seed", [1, 2, 3])),
            "The input label is for 2 samples, the request for 3.",
        ),
        (ask(tensor("label", [0, 1]), n=3), "The input label is for 2 samples, the request for 3."),
        (ask({**LABEL, "data": ["bag"], "parameters": {"binary_data_size": 7}}), "either data or binary_data_size"),
        (ask(LABEL), "either data or binary_data_size"),
        (ask({**LABEL, "parameters": {"shared_memory_region": "r"}}), "shared_memory_region"),
        (ask(n=9), "n: must be at most 8 on this server"),
        (ask(n=10**12), "n: must be at most 8 on this server"),
        (ask(outputs=("pixels",)), "outputs: must be among image, codes"),
        (ask(outputs=("image", "encoded")), "outputs: must be either image or encoded"),
        (ask(format="png"), "format: is for the output encoded"),
        (ask(scale=2), "scale: is for the output encoded"),
        (ask(outputs=("encoded",), format="wav"), "format: must be one of png"),
        (ask(timeout=-1), "timeout: "),
        (ask(timeout="50"), "timeout: "),
        (ask(priority=4), "priority: "),
        (ask(sequence_id=5), "sequence_id: "),
        (ask(deadline_ms=0), "deadline_ms: "),
        (ask(index=2**31 - 1, n=2) | {"inputs": [tensor("label", [0, 1])]}, "index: "),
    ],
)
async def test_what_cannot_be_served_is_a_bad_request(
    client: httpx.AsyncClient, pool: FakePool, body: object, message: str
) -> None:
    response = await client.post(PATH, json=body)
    assert response.status_code == 400
    check_error(PATH, 400, response.headers["content-type"], response.json())
    assert message in response.json()["error"]
    assert pool.tickets == []
    assert await counted(client) == {("tiny", "invalid"): 1}


GOOD = packed((LABEL, text(b"bag")), (SEED, struct.pack("<q", 7)))


@pytest.mark.parametrize(
    ("head", "data", "message"),
    [
        (LABEL, b"", "The input label has 0 values, its shape [1] 1."),
        (LABEL, b"\x03\x00", "The input label ends within an element."),
        (LABEL, text(b"bag")[:-1], "The input label ends within an element."),
        (LABEL, struct.pack("<I", 2**32 - 1) + b"bag", "The input label ends within an element."),
        (LABEL, text(b"\xff"), "not text in UTF-8"),
        (LABEL, text(b"bag", b"bag"), "The input label has 2 values, its shape [1] 1."),
        (SEED, b"1234567", "The input seed has 7 bytes, no whole number of INT64."),
        (SEED, bytes(16), "The input seed has 2 values, its shape [1] 1."),
    ],
)
async def test_malformed_binary_data(
    client: httpx.AsyncClient, head: dict[str, Any], data: bytes, message: str
) -> None:
    body, headers = packed((head, data))
    response = await client.post(PATH, content=body, headers=headers)
    assert response.status_code == 400
    assert message in response.json()["error"]
    assert await counted(client) == {("tiny", "invalid"): 1}


@pytest.mark.parametrize(
    ("body", "length", "message"),
    [
        (GOOD[0] + b"x", GOOD[1][LENGTH], "1 bytes of binary data belong to no input."),
        (GOOD[0][:-1], GOOD[1][LENGTH], "The input seed announces 8 bytes, of which 7 came."),
        (GOOD[0], "100000", "Inference-Header-Content-Length is no number up to"),
        (GOOD[0], "-1", "Inference-Header-Content-Length is no number up to"),
        (GOOD[0], "1" * 5000, "Inference-Header-Content-Length is no number up to"),
        (GOOD[0], "ten", "Inference-Header-Content-Length is no number up to"),
        (GOOD[0], "0", "not an inference request"),
        (GOOD[0], str(int(GOOD[1][LENGTH]) - 1), "not an inference request"),
        (GOOD[0], None, "not an inference request"),
    ],
)
async def test_malformed_binary_tensors(
    client: httpx.AsyncClient, pool: FakePool, body: bytes, length: str | None, message: str
) -> None:
    response = await client.post(PATH, content=body, headers={LENGTH: length} if length else {})
    assert response.status_code == 400
    check_error(PATH, 400, response.headers["content-type"], response.json())
    assert message in response.json()["error"]
    assert pool.tickets == []
    assert await counted(client) == {("tiny", "invalid"): 1}


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b" " * 4000, {}, 413),
        (b"{}", {"content-type": "text/plain"}, 415),
        (b"{}", {"content-encoding": "gzip"}, 415),
        (b"{", {}, 400),
        (b"[" * 1500, {}, 400),
        (b'{"inputs": []}', {"grpc-timeout": "soon"}, 400),
    ],
)
async def test_unreadable_requests(
    client: httpx.AsyncClient, content: bytes, headers: dict[str, str], status: int
) -> None:
    response = await client.post(PATH, content=content, headers=headers)
    assert response.status_code == status
    check_error(PATH, status, response.headers["content-type"], response.json())
    assert sum((await counted(client)).values()) == 1


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
