"""Models come, change and go while a real server is asked all the time: nobody notices who does not look."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from bundle_folder import alias, put, remove
from factories import tiny_manifest, tiny_networks
from server_process import ServerProcess, running_server

from models.bundle.manifest import PRIOR
from models.bundle.writer import write_bundle

# On a machine that is busy otherwise there may be no time to spare for minutes.
OPTIONS = ("--start-timeout", "15", "--executor", "native")
PATIENCE = 120
GAP_S = 0.02
DEADLINE_MS = 20_000


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Bundles of one name whose weights differ, by version; `slow` has so many codes that it takes seconds."""
    folder = tmp_path_factory.mktemp("versions")
    paths = {}
    for seed, version in enumerate(("1", "2", "3")):
        networks = tiny_networks(tiny_manifest("m").model_copy(update={"version": version}), seed)
        paths[version] = folder / version
        write_bundle(paths[version], networks.manifest, networks.autoencoder, networks.prior, {})
    networks = tiny_networks(tiny_manifest("slow", codes=3000))
    paths["slow"] = folder / "slow"
    write_bundle(paths["slow"], networks.manifest, networks.autoencoder, networks.prior, {})
    return paths


@pytest.fixture
def folder(tmp_path: Path, versions: dict[str, Path]) -> Path:
    (tmp_path / "bundles").mkdir()
    put(versions["1"], tmp_path / "bundles", "m")
    return tmp_path / "bundles"


@pytest.fixture
def server(folder: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    with running_server(folder, tmp_path, "--watch", "0.1", *OPTIONS) as each:
        yield each


def workers(server: ServerProcess) -> list[psutil.Process]:
    found = []
    for each in psutil.Process(server.process.pid).children():
        with suppress(psutil.NoSuchProcess):  # it has just ended
            if "service.worker" in each.cmdline():
                found.append(each)
    return found


def handles(server: ServerProcess) -> int:
    """Open files, pipes and sockets that are not to clients."""
    process = psutil.Process(server.process.pid)
    return int(process.num_fds()) - len(process.net_connections("inet"))


@dataclass
class Traffic:
    """One request after another, each when it is due, whatever became of those before."""

    client: httpx.AsyncClient
    model: str = "m"
    answers: list[httpx.Response] = field(default_factory=list)

    async def run(self) -> None:
        """Ask until cancelled, and then wait for the last answer."""
        running: set[asyncio.Task[None]] = set()
        try:
            while True:
                running.add(asyncio.create_task(self._ask()))
                await asyncio.sleep(GAP_S)
        finally:
            await asyncio.gather(*running)

    async def _ask(self) -> None:
        body = {"model": self.model, "seed": 7, "deadline_ms": DEADLINE_MS}
        self.answers.append(await self.client.post("/v1/generate", json=body))

    async def listing(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.client.get("/v1/models")).json()
        return found

    async def until(self, condition: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until the list of models is so, and for the answer to one request more, asked then."""
        async with asyncio.timeout(PATIENCE):
            while not condition(await self.listing()):
                await asyncio.sleep(0.05)
            await self._ask()

    def codes(self) -> dict[str, set[tuple[int, ...]]]:
        """What was drawn, by version."""
        found = defaultdict(set)
        for answer in self.answers:
            found[answer.json()["version"]].add(tuple(answer.json()["outputs"][0]["codes"]))
        return found


@asynccontextmanager
async def traffic(server: ServerProcess) -> AsyncIterator[Traffic]:
    """Traffic from here to the end; every request must then have been answered."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE, limits=limits) as client:
        each = Traffic(client)
        running = asyncio.create_task(each.run())
        try:
            yield each
        finally:
            running.cancel()
            await asyncio.wait({running})
    refused = [answer.text for answer in each.answers if answer.status_code != 200]
    assert refused == []
    assert len(each.answers) > 5


def serves(**wanted: str) -> Callable[[dict[str, Any]], bool]:
    """Whether these labels stand for these versions, and there are no others."""

    def so(listing: dict[str, Any]) -> bool:
        found = {
            model["name"] if model["default"] else f"{model['name']}@{model['version']}": model["version"]
            for model in listing["models"]
        }
        return found == {label.replace("_at_", "@"): version for label, version in wanted.items()}

    return so


async def test_models_are_added_upgraded_reloaded_and_removed_and_no_request_fails(
    server: ServerProcess, folder: Path, versions: dict[str, Path]
) -> None:
    async with traffic(server) as asked:
        before = handles(server)
        await asked.until(serves(m="1"))
        put(versions["2"], folder, "m-2")
        await asked.until(serves(m="2", m_at_1="1"))
        old, new = [
            (
                await asked.client.post("/v1/generate", json={"model": name, "seed": 7, "deadline_ms": DEADLINE_MS})
            ).json()
            for name in ("m@1", "m@2")
        ]
        assert (old["version"], new["version"], old["model"], new["model"]) == ("1", "2", "m", "m")
        alias(folder, m="m@1", prod="m@2")
        await asked.until(serves(m="1", m_at_2="2"))
        alias(folder, prod="m@1")
        await asked.until(serves(m="2", m_at_1="1"))
        put(versions["3"], folder, "m-2")  # in the place of 2
        await asked.until(serves(m="3", m_at_1="1"))
        put(versions["3"], folder, "m-2", description="The same weights.")
        await asked.until(lambda listing: listing["models"][0]["description"] == "The same weights.")
        remove(folder / "m-2")
        await asked.until(serves(m="1"))
        gone = await asked.client.post("/v1/generate", json={"model": "m@3"})
        assert (gone.status_code, gone.json()["type"]) == (404, "urn:anytime:problem:model-not-found")
        async with asyncio.timeout(PATIENCE):
            while len(workers(server)) > 1:
                await asyncio.sleep(0.05)
    drawn = asked.codes()
    assert drawn.keys() == {"1", "2", "3"}
    assert [len(codes) for codes in drawn.values()] == [1, 1, 1]
    assert len(set.union(*drawn.values())) == 3
    assert drawn["1"] == {tuple(old["outputs"][0]["codes"])}
    assert drawn["2"] == {tuple(new["outputs"][0]["codes"])}
    async with asyncio.timeout(PATIENCE):  # sockets to clients are on their way out
        while handles(server) > before:
            await asyncio.sleep(0.05)
    assert "Traceback" not in server.log


async def test_what_is_broken_or_half_copied_changes_nothing_until_it_is_whole(
    server: ServerProcess, folder: Path, versions: dict[str, Path]
) -> None:
    async with traffic(server) as asked:
        (worker,) = workers(server)
        place = shutil.copytree(versions["2"], folder / "m-2")
        weights = bytearray((place / PRIOR).read_bytes())
        weights[-1] ^= 1
        (place / PRIOR).write_bytes(weights)

        def failed(listing: dict[str, Any]) -> bool:
            (bundle,) = [each for each in listing["bundles"] if each["folder"] == "m-2"]
            return bool(bundle["state"] == "failed" and "SHA-256" in bundle["error"])

        await asked.until(lambda listing: len(listing["bundles"]) == 2 and failed(listing))
        metrics = (await asked.client.get("/metrics")).text
        assert 'anytime_bundles{state="failed"} 1.0' in metrics
        assert 'anytime_worker_replacements_total{outcome="given_up"}' in metrics
        (place / PRIOR).write_bytes(weights[:100])
        await asked.until(lambda listing: "has 100 bytes" in (listing["bundles"][1]["error"] or ""))
        assert workers(server) == [worker]
        shutil.copy(versions["2"] / PRIOR, place)
        await asked.until(serves(m="2", m_at_1="1"))
    assert asked.codes().keys() == {"1", "2"}
    assert "SHA-256" in server.log


async def test_a_worker_that_is_killed_while_another_takes_over(
    server: ServerProcess, folder: Path, versions: dict[str, Path]
) -> None:
    async with traffic(server) as asked:
        (old,) = workers(server)
        put(versions["2"], folder, "m-2")
        async with asyncio.timeout(PATIENCE):
            while len(workers(server)) < 2:
                await asyncio.sleep(0.01)
        old.kill()
        await asked.until(serves(m="2", m_at_1="1"))
        async with asyncio.timeout(PATIENCE):
            while len(workers(server)) > 1:
                await asyncio.sleep(0.05)
    assert all(len(codes) == 1 for codes in asked.codes().values())


async def test_on_sigterm_while_another_takes_over_what_runs_is_answered(
    folder: Path, tmp_path: Path, versions: dict[str, Path]
) -> None:
    put(versions["slow"], folder, "slow")
    with running_server(folder, tmp_path, "--watch", "0.1", "--executor", "reference") as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as client:
            body = {"model": "slow", "deadline_ms": 50_000, "min_codes": 1}
            running = [asyncio.create_task(client.post("/v1/generate", json=body)) for _ in range(3)]
            async with asyncio.timeout(PATIENCE):
                while 'anytime_requests_running{worker="0"} 3.0' not in (await client.get("/metrics")).text:
                    await asyncio.sleep(0.05)
            put(versions["2"], folder, "m-2")
            async with asyncio.timeout(PATIENCE):
                while len(workers(server)) < 2:
                    await asyncio.sleep(0.01)
            processes = workers(server)
            assert await asyncio.to_thread(server.terminate) == 0
            answers = await asyncio.gather(*running)
        assert [answer.status_code for answer in answers] == [200] * 3
        assert {answer.json()["outputs"][0]["stop_reason"] for answer in answers} == {"drain"}
        assert not any(process.is_running() for process in processes)
        assert "Traceback" not in server.log


async def test_without_watching_it_looks_when_told(folder: Path, tmp_path: Path, versions: dict[str, Path]) -> None:
    with running_server(folder, tmp_path, "--watch", "0", "--workers", "2", *OPTIONS) as server:
        async with traffic(server) as asked:
            put(versions["2"], folder, "m-2")
            assert serves(m="1")(await asked.listing())
            server.process.send_signal(signal.SIGHUP)
            await asked.until(serves(m="2", m_at_1="1"))
            assert "worker 0 is to be replaced" in server.log
            assert "worker 1 is to be replaced" in server.log
        assert server.terminate() == 0
