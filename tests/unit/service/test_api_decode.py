"""`POST /v1/decode` over a pool without workers: what is asked of the pool, what the client gets, what is refused."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest
from api_client import TYPE, counted
from fake_pool import PNG, FakePool, manifest, result

from models.packed import pack
from service import messages
from service.errors import DeadlineInfeasible

MODEL = manifest()


def packed(*codes: int) -> str:
    return base64.b64encode(pack(codes, MODEL)).decode()


async def post(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.post("/v1/decode", json=body)


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"codes": [3, 1, 2]}, ((3, 1, 2),)),
        ({"codes": [[3, 1, 2]]}, ((3, 1, 2),)),
        ({"codes": [[3, 1, 2, 0], [7]]}, ((3, 1, 2, 0), (7,))),
        ({"codes": [3, 1, 2], "lengths": [3, 1, 2]}, ((3, 1, 2), (3,), (3, 1))),
        ({"codes": [[3, 1], [7, 6, 5]], "lengths": [1, 2]}, ((3,), (3, 1), (7,), (7, 6))),
        ({"packed": packed(3, 1, 2)}, ((3, 1, 2),)),
        ({"packed": [packed(3, 1, 2), packed(7)], "lengths": [1]}, ((3,), (7,))),
    ],
)
async def test_codes_reach_the_pool(
    client: httpx.AsyncClient, pool: FakePool, body: dict[str, Any], wanted: tuple[tuple[int, ...], ...]
) -> None:
    response = await post(client, **body)
    assert response.status_code == 200, response.text
    generation = pool.tickets[0].generation
    assert generation.sampling.whole == wanted
    assert (generation.n, generation.min_codes) == (len(wanted), 1)
    assert [generation.sampling.given(index) for index in range(generation.n)] == list(wanted)
    assert generation.encoding == messages.Encoding("png", 1)
    assert len(response.json()["outputs"]) == len(wanted)


async def test_the_answer_is_one_of_samples_without_seed_or_label(client: httpx.AsyncClient, pool: FakePool) -> None:
    response = await post(client, codes=[0, 1, 2, 3], deadline_ms=60.5, scale=4, format="webp", priority=1)
    answer = response.json()
    assert answer["model"] == "tiny"
    assert answer["deadline_ms"] == 60.5
    assert answer["timing"].keys() == {"queue_ms", "sample_ms", "decode_ms", "encode_ms", "total_ms"}
    assert answer["outputs"] == [
        {
            "index": 0,
            "media_type": "image/webp",
            "codes": [0, 1, 2, 3],
            "codes_total": 4,
            "expected_quality": 1.0,
            "b64": base64.b64encode(PNG).decode(),
            "stop_reason": "complete",
        }
    ]
    generation = pool.tickets[0].generation
    assert generation.encoding == messages.Encoding("webp", 4)
    assert generation.priority == 1
    assert pool.tickets[0].delivered
    assert response.headers["server-timing"].startswith("queue;dur=0.5")
    assert await counted(client) == {("tiny", "complete"): 1.0}


async def test_the_bare_sample(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/decode", json={"codes": [0, 1, 2, 3]}, headers={"accept": "image/png"})
    assert (response.content, response.headers["content-type"]) == (PNG, "image/png")
    assert response.headers["x-anytime-codes"] == "4"
    assert "x-anytime-seed" not in response.headers
    assert "x-anytime-label" not in response.headers
    several = await client.post(
        "/v1/decode", json={"codes": [0, 1], "lengths": [1, 2]}, headers={"accept": "image/png"}
    )
    assert several.status_code == 422
    assert "accept application/json for more" in several.json()["detail"]


@pytest.mark.parametrize(
    ("body", "field", "why"),
    [
        ({}, "", "either codes or packed must be there"),
        ({"codes": [1], "packed": packed(1)}, "", "either codes or packed"),
        ({"codes": []}, "codes", ""),
        ({"codes": [[]]}, "codes", ""),
        ({"codes": [[1], 2]}, "codes", ""),
        ({"codes": [1.5]}, "codes", ""),
        ({"codes": [0, 1, 2, 3, 4]}, "codes", "from 1 to 4 codes"),
        ({"codes": [8]}, "codes", "from 0 to 7"),
        ({"codes": [-1]}, "codes", "from 0 to 7"),
        ({"codes": [2**70]}, "codes", ""),
        ({"codes": [[1]] * 9}, "codes", "at most 8 samples"),
        ({"codes": [[1, 2]] * 3, "lengths": [1, 2, 1]}, "codes", "at most 8 samples"),
        ({"codes": [[1, 2], [1]], "lengths": [2]}, "lengths", "at most 1"),
        ({"codes": [1], "lengths": [0]}, "lengths", "greater than or equal to 1"),
        ({"codes": [1], "lengths": []}, "lengths", ""),
        ({"packed": "p6w"}, "packed", "must be base64"),
        ({"packed": "ä"}, "packed", "must be base64"),
        ({"packed": ""}, "packed", "are not packed codes"),
        ({"packed": base64.b64encode(pack([], MODEL)).decode()}, "packed", "from 1 to 4 codes"),
        ({"packed": base64.b64encode(pack([1], manifest("other"))).decode()}, "packed", "are not of the model tiny"),
        ({"codes": [1], "scale": 5}, "scale", "at most 4"),
        ({"codes": [1], "format": "wav"}, "format", "must be one of png"),
        ({"codes": [1], "seed": 7}, "seed", "Extra inputs are not permitted"),
    ],
)
async def test_what_is_refused(
    client: httpx.AsyncClient, pool: FakePool, body: dict[str, Any], field: str, why: str
) -> None:
    response = await post(client, **body)
    problem = response.json()
    assert response.status_code == 422
    assert problem["type"] == f"{TYPE}invalid-field"
    assert problem["errors"][0]["field"] == field
    assert why in problem["detail"]
    assert not pool.tickets
    counts = await counted(client)
    assert [(outcome, count) for (_, outcome), count in counts.items()] == [("invalid", 1.0)]


async def test_an_infeasible_deadline_is_a_504(client: httpx.AsyncClient, pool: FakePool) -> None:
    pool.refuse_with(DeadlineInfeasible("Too soon.", 12.5))
    response = await post(client, codes=[1], deadline_ms=1)
    assert (response.status_code, response.json()["minimum_deadline_ms"]) == (504, 12.5)
    assert await counted(client) == {("tiny", "infeasible"): 1.0}


async def test_a_deadline_may_come_from_a_header(client: httpx.AsyncClient, pool: FakePool) -> None:
    response = await client.post("/v1/decode", json={"codes": [1]}, headers={"grpc-timeout": "50m"})
    assert response.json()["deadline_ms"] == 50
    assert pool.tickets[0].deadline == pytest.approx(pool.clock.now() + 0.05)


async def test_an_answer_of_several_lengths(client: httpx.AsyncClient, pool: FakePool) -> None:
    def answer(ticket: Any) -> None:
        made = result(ticket)
        for output, codes in zip(made.outputs, ticket.generation.sampling.whole, strict=True):
            output.codes[:] = codes
        ticket.tell(made)

    pool.on_submit = answer
    outputs = (await post(client, codes=[3, 1, 2], lengths=[1, 3])).json()["outputs"]
    assert [(output["index"], output["codes"]) for output in outputs] == [(0, [3]), (1, [3, 1, 2])]
