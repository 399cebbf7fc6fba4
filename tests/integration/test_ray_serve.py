"""The application on a Ray cluster of two nodes: HTTP, websockets, deadlines, and nothing lost when a replica or a node
is killed.

The model sleeps a fifth of a second for every code and has sixteen, so that what it can draw in a given time has an
upper limit on any machine. How long things take is for `python -m bench.ray` to say.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from ray_cluster import RayProcess, ray_cluster
from websockets.asyncio.client import connect

CODES = 16
PLENTY_MS = 60_000
SETTINGS = {"executor": "null", "encoder": "off", "log_level": "warning"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayProcess]:
    with ray_cluster([1, 2], step_s=0.2, engines=3, settings=SETTINGS) as running:
        yield running


@pytest.fixture
async def client(cluster: RayProcess) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=cluster.url, timeout=PLENTY_MS / 1000, limits=limits) as each:
        yield each


async def generate(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.post("/v1/generate", json={"deadline_ms": PLENTY_MS, "seed": 7} | body)


async def test_it_is_the_same_application(client: httpx.AsyncClient) -> None:
    assert (await client.get("/readyz")).json() == {"status": "ready"}
    assert (await client.get("/v2/models/fashion-mnist/ready")).status_code == 200
    answer = (await generate(client, label="Bag", n=2)).json()
    assert answer["model"] == "fashion-mnist"
    assert [(len(each["codes"]), each["stop_reason"], each["label"]) for each in answer["outputs"]] == [
        (CODES, "complete", "bag")
    ] * 2
    refused = await generate(client, label="Elephant")
    assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
    assert (await client.get("/")).status_code == 200


async def test_deadlines_are_kept_through_the_router(client: httpx.AsyncClient) -> None:
    """Fewer codes, and not an error, is what a shorter deadline buys, whichever of them names it."""
    body = (await generate(client, deadline_ms=3000)).json()
    header = (
        await client.post("/v1/generate", json={"deadline_ms": PLENTY_MS}, headers={"x-request-timeout-seconds": "3"})
    ).json()
    for answer in (body, header):
        assert answer["deadline_ms"] == 3000
        (output,) = answer["outputs"]
        assert output["stop_reason"] == "deadline"
        assert 1 <= len(output["codes"]) < CODES
    impossible = await generate(client, deadline_ms=30)
    assert impossible.status_code == 504
    assert impossible.json()["minimum_deadline_ms"] > 100


async def test_events_are_streamed(client: httpx.AsyncClient) -> None:
    body = {"deadline_ms": PLENTY_MS, "preview_ms": 200}
    async with client.stream("POST", "/v1/generate", json=body, headers={"accept": "text/event-stream"}) as response:
        lines = [line async for line in response.aiter_lines()]
    kinds = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    assert kinds[0] == "accepted"
    assert kinds[-1] == "completed"
    assert set(kinds[1:-1]) == {"preview"}


async def test_requests_of_a_websocket_are_stopped_and_extended(cluster: RayProcess) -> None:
    async with connect(cluster.url.replace("http", "ws") + "/v1/stream") as socket:

        async def say(**message: Any) -> None:
            await socket.send(json.dumps(message))

        endings: dict[str, Any] = {}
        await say(type="generate", id="stopped", deadline_ms=PLENTY_MS, preview_ms=1, min_codes=1)
        await say(type="generate", id="extended", deadline_ms=3000, preview_ms=1)
        await say(type="generate", id="refused", deadline_ms=30)
        while len(endings) < 3:
            event = json.loads(await socket.recv())
            if event["type"] == "preview" and event["id"] == "stopped":
                await say(type="stop", id="stopped")
            elif event["type"] == "preview" and event["id"] == "extended":
                await say(type="extend", id="extended", deadline_ms=PLENTY_MS)
            elif event["type"] in {"completed", "error"}:
                endings[event["id"]] = event
    assert [endings[name]["type"] for name in ("stopped", "extended", "refused")] == ["completed", "completed", "error"]
    (stopped,) = endings["stopped"]["outputs"]
    (extended,) = endings["extended"]["outputs"]
    assert stopped["stop_reason"] == "client_stop"
    assert len(stopped["codes"]) < CODES
    assert (extended["stop_reason"], len(extended["codes"])) == ("complete", CODES)
    assert endings["refused"]["problem"]["type"].endswith("deadline-infeasible")


class Load:
    """Requests that come all the while, from as many clients, each with its next as soon as it has its answer."""

    def __init__(self, client: httpx.AsyncClient, clients: int) -> None:
        self.answers: list[httpx.Response] = []
        self.enough = False
        self._running = [asyncio.create_task(self._ask(client, number)) for number in range(clients)]

    async def answered(self, more: int) -> None:
        """Wait for so many more answers."""
        wanted = len(self.answers) + more
        async with asyncio.timeout(PLENTY_MS / 1000):
            while len(self.answers) < wanted:
                await asyncio.sleep(0.05)

    async def end(self) -> Counter[tuple[int, int]]:
        """Let everyone have an answer; how many there were, by status and number of codes."""
        self.enough = True
        await asyncio.gather(*self._running)
        return Counter((each.status_code, len(each.json()["outputs"][0]["codes"])) for each in self.answers)

    async def _ask(self, client: httpx.AsyncClient, number: int) -> None:
        while not self.enough:
            self.answers.append(await generate(client, seed=number))


@pytest.mark.parametrize("what", ["kill-replica", "kill-node"])
async def test_what_is_killed_under_load_loses_nothing(
    cluster: RayProcess, client: httpx.AsyncClient, what: str
) -> None:
    load = Load(client, clients=16)
    await load.answered(16)
    await asyncio.sleep(1.0)  # in the middle of the next sixteen
    assert (await cluster.told(what))["killed"]
    await load.answered(16)
    ended = await load.end()
    assert set(ended) == {(200, CODES)}, ended
    assert ended.total() >= 48
