"""`kill -9` of a worker with requests running: each has exactly one ending, and the service recovers by itself."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from factories import tiny_manifest, tiny_networks
from prometheus_client.parser import text_string_to_metric_families
from server_process import ServerProcess, running_server

from models.bundle.writer import write_bundle

REQUESTS = 12


@pytest.fixture(scope="module")
def slow_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of so many codes that every request is still running when the worker dies."""
    networks = tiny_networks(tiny_manifest("slow", codes=3000))
    path = tmp_path_factory.mktemp("slow") / "slow"
    write_bundle(path, networks.manifest, networks.autoencoder, networks.prior, {})
    return path


@pytest.fixture
def server(slow_bundle: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    with running_server(slow_bundle, tmp_path, "--executor", "reference") as each:
        yield each


def worker_of(server: ServerProcess) -> int:
    workers: list[int] = [
        child.pid for child in psutil.Process(server.process.pid).children() if "service.worker" in child.cmdline()
    ]
    (worker,) = workers
    return worker


async def metrics(client: httpx.AsyncClient) -> dict[tuple[str, str], float]:
    """Samples by name and outcome; the outcome is empty where there is none."""
    text = (await client.get("/metrics")).text
    return {
        (sample.name, sample.labels.get("outcome", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels.get("model") in {None, "slow"}
    }


async def ready(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(60):
        while (await client.get("/readyz")).status_code != 200:
            await asyncio.sleep(0.05)


async def running(client: httpx.AsyncClient, count: int) -> None:
    async with asyncio.timeout(30):
        while (await metrics(client))["anytime_requests_running", ""] < count:
            await asyncio.sleep(0.02)


async def test_long_requests_are_answered_by_the_new_worker(server: ServerProcess) -> None:
    async with httpx.AsyncClient(base_url=server.url, timeout=120) as client:

        def ask(seed: int) -> asyncio.Task[httpx.Response]:
            body = {"deadline_ms": 60_000, "max_codes": 400, "seed": seed}
            return asyncio.create_task(client.post("/v1/generate", json=body))

        requests = [ask(seed) for seed in range(REQUESTS)]
        await running(client, REQUESTS)
        old = worker_of(server)
        os.kill(old, signal.SIGKILL)
        answers = await asyncio.gather(*requests)
        await ready(client)
        assert [answer.status_code for answer in answers] == [200] * REQUESTS
        first = [answer.json()["outputs"][0] for answer in answers]
        again = await asyncio.gather(*(ask(seed) for seed in range(REQUESTS)))
        shared = []
        for before, after in zip(first, (answer.json()["outputs"][0] for answer in again), strict=True):
            shared.append(min(len(before["codes"]), len(after["codes"])))
            assert before["codes"][: shared[-1]] == after["codes"][: shared[-1]]
        assert max(shared) > 1  # they are tried one after another, so the last may have little time
        assert worker_of(server) != old
        seen = await metrics(client)
        answered = seen["anytime_requests_total", "complete"] + seen["anytime_requests_total", "deadline"]
        assert answered == 2 * REQUESTS
        assert seen["anytime_worker_restarts_total", ""] == 1


async def test_requests_that_cannot_wait_are_told_at_once(server: ServerProcess) -> None:
    async with httpx.AsyncClient(base_url=server.url, timeout=120) as client:
        body = {"deadline_ms": 1_500, "seed": 1}
        requests = [asyncio.create_task(client.post("/v1/generate", json=body)) for _ in range(REQUESTS)]
        await running(client, REQUESTS)
        os.kill(worker_of(server), signal.SIGKILL)
        answers = await asyncio.gather(*requests)
        for answer in answers:
            assert answer.status_code in {200, 503}
            if answer.status_code == 503:
                assert answer.json()["type"] == "urn:anytime:problem:worker-lost"
                assert int(answer.headers["Retry-After"]) >= 1
        assert any(answer.status_code == 503 for answer in answers)
        await ready(client)
        assert (await client.post("/v1/generate", json={"deadline_ms": 5_000, "max_codes": 3})).status_code == 200
        seen = await metrics(client)
        ended = {
            outcome: value for (name, outcome), value in seen.items() if name == "anytime_requests_total" and value
        }
        assert sum(ended.values()) == REQUESTS + 1
        assert ended["unavailable"] == sum(answer.status_code == 503 for answer in answers)
        assert seen["anytime_worker_restarts_total", ""] == 1


async def test_a_request_that_two_workers_died_with_is_isolated(server: ServerProcess) -> None:
    async with httpx.AsyncClient(base_url=server.url, timeout=120) as client:
        request = asyncio.create_task(client.post("/v1/generate", json={"deadline_ms": 60_000, "seed": 1}))
        for _ in range(2):
            await running(client, 1)
            os.kill(worker_of(server), signal.SIGKILL)
            async with asyncio.timeout(30):
                while (await metrics(client))["anytime_requests_running", ""]:
                    await asyncio.sleep(0.01)
        answer = await request
        assert (answer.status_code, answer.json()["type"]) == (500, "urn:anytime:problem:request-isolated")
        assert "2 workers died or hung with this request" in answer.json()["detail"]
        assert "Retry-After" not in answer.headers
        await ready(client)
