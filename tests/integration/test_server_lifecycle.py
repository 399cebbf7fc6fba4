"""A real server from its first line to its exit: deadlines, previews, drain, and clear words when it cannot start."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from bench.processes import workers
from factories import tiny_manifest, tiny_networks
from PIL import Image
from server_process import COMMAND, ROOT, ServerProcess, running_server
from socket_client import ending, event, open_socket, send

from models.bundle.writer import write_bundle

SLOW_CODES = 3000
SLOWLY = ("--executor", "reference")


@pytest.fixture(scope="module")
def slow_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of so many codes that no test waits for the last of them."""
    networks = tiny_networks(tiny_manifest("slow", codes=SLOW_CODES))
    path = tmp_path_factory.mktemp("slow") / "slow"
    write_bundle(path, networks.manifest, networks.autoencoder, networks.prior, {})
    return path


@pytest.fixture(scope="module")
def server(slow_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(slow_bundle, tmp_path_factory.mktemp("server"), "--slots", "2", *SLOWLY) as each:
        yield each


@pytest.fixture
def own_server(slow_bundle: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    """A server that the test may stop."""
    with running_server(slow_bundle, tmp_path, *SLOWLY) as each:
        yield each


def generate(url: str, **body: object) -> httpx.Response:
    return httpx.post(f"{url}/v1/generate", json=body, timeout=60)


def test_says_where_it_is_and_what_it_serves(server: ServerProcess) -> None:
    port = httpx.URL(server.url).port
    assert server.ready_line == f"ready on http://127.0.0.1:{port} with slow"
    assert httpx.get(f"{server.url}/readyz").json() == {"status": "ready"}
    assert httpx.get(f"{server.url}/livez").json() == {"status": "alive"}
    model = httpx.get(f"{server.url}/v1/models/slow").json()
    assert (model["codes"], model["media"]["shape"]) == (SLOW_CODES, [1, 8, 8])
    assert model["minimum_deadline_ms"] > 0


def test_a_worker_comes_after_the_api_process_if_it_leaves_that_no_processor(
    server: ServerProcess, slow_bundle: Path, tmp_path: Path
) -> None:
    processors = len(os.sched_getaffinity(0))
    with running_server(slow_bundle, tmp_path, "--threads", str(processors)) as greedy:
        (worker,) = workers(greedy.process.pid)
        assert worker.nice() > psutil.Process(greedy.process.pid).nice()
        assert generate(greedy.url, deadline_ms=200).status_code == 200
    if processors > 1:
        (worker,) = workers(server.process.pid)
        assert worker.nice() == psutil.Process(server.process.pid).nice()


def test_more_time_is_more_of_the_same(server: ServerProcess) -> None:
    answers = [
        generate(server.url, seed=5, deadline_ms=deadline, label="star").json() for deadline in (200, 600, 60_000)
    ]
    outputs = [answer["outputs"][0] for answer in answers]
    assert [output["stop_reason"] for output in outputs] == ["deadline", "deadline", "complete"]
    lengths = [len(output["codes"]) for output in outputs]
    assert lengths == sorted(set(lengths))
    longest = outputs[-1]["codes"]
    assert all(output["codes"] == longest[: len(output["codes"])] for output in outputs)
    qualities = [output["expected_quality"] for output in outputs]
    assert qualities == sorted(qualities)


@pytest.mark.parametrize("file_format", ["png", "webp", "jpeg", "npy"])
def test_every_format_is_whole(server: ServerProcess, file_format: str) -> None:
    media_type = "application/x-npy" if file_format == "npy" else f"image/{file_format}"
    response = httpx.post(
        f"{server.url}/v1/generate",
        json={"deadline_ms": 300, "scale": 3, "seed": 1},
        headers={"accept": media_type},
        timeout=60,
    )
    assert (response.status_code, response.headers["content-type"]) == (200, media_type)
    if file_format == "npy":
        media = np.load(io.BytesIO(response.content))
        assert (media.shape, media.dtype) == ((1, 8, 8), np.float32)
        assert 0 <= media.min() <= media.max() <= 1
    else:
        with Image.open(io.BytesIO(response.content)) as image:
            image.load()
            assert (image.format, image.size) == (file_format.upper(), (24, 24))
    assert int(response.headers["x-anytime-codes"]) >= 1
    assert {part.partition(";")[0].strip() for part in response.headers["server-timing"].split(",")} == {
        *("queue", "sample", "decode", "encode", "total")
    }


def test_an_infeasible_deadline_says_what_would_do(server: ServerProcess) -> None:
    problem = generate(server.url, deadline_ms=0.01).json()
    assert problem["type"] == "urn:anytime:problem:deadline-infeasible"
    assert problem["minimum_deadline_ms"] > 0.01


async def test_previews_lead_to_the_answer(server: ServerProcess) -> None:
    async with open_socket(server.url.removeprefix("http://")) as ws:
        await send(ws, type="generate", id="a", seed=3, deadline_ms=800, preview_ms=60, format="npy")
        events = [await event(ws)]
        while events[-1]["type"] not in ("completed", "error"):
            events.append(await event(ws))
    assert events[0]["type"] == "accepted"
    previews, completed = events[1:-1], events[-1]
    assert completed["type"] == "completed"
    assert [each["type"] for each in previews] == ["preview"] * len(previews)
    assert len(previews) >= 2
    codes = completed["outputs"][0]["codes"]
    lengths = [len(each["output"]["codes"]) for each in previews] + [len(codes)]
    assert lengths == sorted(lengths)
    assert all(each["output"]["codes"] == codes[: len(each["output"]["codes"])] for each in previews)


async def test_stop_ends_a_running_request(server: ServerProcess) -> None:
    async with open_socket(server.url.removeprefix("http://")) as ws:
        await send(ws, type="generate", id="a", deadline_ms=30_000, preview_ms=50)
        assert [(await event(ws))["type"] for _ in range(2)] == ["accepted", "preview"]
        await send(ws, type="stop", id="a")
        answer = await ending(ws)
    assert (answer["type"], answer["outputs"][0]["stop_reason"]) == ("completed", "client_stop")
    assert len(answer["outputs"][0]["codes"]) < SLOW_CODES


def samples(url: str, name: str) -> dict[str, float]:
    """A metric's samples by their labels as written."""
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return {
        line.partition("{")[2].partition("}")[0]: float(line.rsplit(" ", 1)[1])
        for line in lines
        if line.startswith(f"{name}{{")
    }


def wait_until_running(url: str, requests: int, seconds: float = 20) -> None:
    """Wait until the worker says that it has so many requests in progress."""
    end = time.monotonic() + seconds
    while samples(url, "anytime_requests_running").get('worker="0"') != requests:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_disconnect_frees_its_slots(server: ServerProcess) -> None:
    """A client holds every slot for 40 seconds, and goes away."""
    url = httpx.URL(server.url)
    closed = 'model="slow",outcome="client_closed"'
    before = samples(server.url, "anytime_requests_total")[closed]
    body = b'{"n": 2, "deadline_ms": 40000}'
    with socket.create_connection((url.host, url.port)) as client:
        head = f"POST /v1/generate HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        client.sendall(head + body)
        wait_until_running(server.url, 1)
    wait_until_running(server.url, 0)
    assert samples(server.url, "anytime_requests_total")[closed] == before + 1


def test_the_api_process_holds_no_torch(server: ServerProcess) -> None:
    maps = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "libtorch" not in maps
    assert "libpython" in maps or "python" in maps


def test_generate_command_makes_a_strip(server: ServerProcess, tmp_path: Path) -> None:
    out = tmp_path / "strip.png"
    deadlines = [part for deadline in (100, 300) for part in ("--deadline-ms", str(deadline))]
    command = [
        *COMMAND,
        "generate",
        "--url",
        server.url,
        *deadlines,
        "--seed",
        "7",
        "--label",
        "star",
        "--out",
        str(out),
    ]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "stopped by" in ran.stdout
    with Image.open(out) as image:
        assert image.width > 2 * 64
        assert image.height > 64


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_on_a_signal_running_requests_are_answered(own_server: ServerProcess, number: int) -> None:
    with ThreadPoolExecutor() as threads:
        running = [threads.submit(generate, own_server.url, deadline_ms=50_000, seed=seed) for seed in range(3)]
        wait_until_running(own_server.url, 3)
        status = own_server.terminate(number)
        answers = [each.result() for each in running]
    assert status == 0
    for answer in answers:
        assert answer.status_code == 200
        output = answer.json()["outputs"][0]
        assert output["stop_reason"] == "drain"
        assert 1 <= len(output["codes"]) < SLOW_CODES
    assert "Traceback" not in own_server.log


async def test_on_a_signal_sockets_get_their_endings(own_server: ServerProcess) -> None:
    async with open_socket(own_server.url.removeprefix("http://")) as ws:
        await send(ws, type="generate", id="a", deadline_ms=50_000, preview_ms=50)
        assert [(await event(ws))["type"] for _ in range(2)] == ["accepted", "preview"]
        own_server.process.send_signal(signal.SIGTERM)
        answer = await ending(ws)
        assert (answer["type"], answer["outputs"][0]["stop_reason"]) == ("completed", "drain")
        await ws.wait_closed()
    assert await asyncio.to_thread(own_server.process.wait, 30) == 0


def refused(*options: str) -> str:
    """What a server that cannot start says; it must fail with status 1, in one line on stderr."""
    command = [*COMMAND, "serve", "--device", "cpu", *options]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr.startswith("anytime: ")
    assert ran.stderr.count("\n") == 1, ran.stderr
    return ran.stderr


def test_a_taken_port_is_told_at_once(server: ServerProcess) -> None:
    port = str(httpx.URL(server.url).port)
    assert refused("--port", port) == f"anytime: cannot listen on 127.0.0.1:{port}: address already in use\n"


def test_bundles_that_cannot_be_served(tmp_path: Path, tiny_bundle: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert str(tmp_path / "empty") in refused("--port", "0", "--bundles", str(tmp_path / "empty"))
    assert str(tmp_path / "nowhere") in refused("--port", "0", "--bundles", str(tmp_path / "nowhere"))
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in tiny_bundle.iterdir():
        data = file.read_bytes()
        (broken / file.name).write_bytes(data[:-1] if file.suffix == ".safetensors" else data)
    assert "safetensors" in refused("--port", "0", "--bundles", str(broken))


def test_settings_that_make_no_sense() -> None:
    assert refused("--workers", "0") == (
        "anytime: workers (from command line): input should be greater than or equal to 1, got 0\n"
    )
