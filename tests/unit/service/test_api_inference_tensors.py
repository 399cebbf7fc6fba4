"""Tensors of the Open Inference Protocol: how they are written, what they mean, and what is wrong with them."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import AsyncIterator
from typing import Any

import httpx
import numpy as np
import pytest
from api_client import api_client, counted
from error_shapes import check_error
from fake_pool import PNG, FakePool, output
from inference_client import LABEL, LENGTH, PATH, SEED, ask, inference_pool, npy, packed, tensor, text

from service import messages


@pytest.fixture
def pool() -> FakePool:
    return inference_pool()


@pytest.fixture
async def client(pool: FakePool) -> AsyncIterator[httpx.AsyncClient]:
    async with api_client(pool) as each:
        yield each


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
