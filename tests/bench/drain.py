"""Ends a busy service of its own by SIGTERM, again and again: `make bench-drain`.

    python -m bench.drain --times 20

Each time requests are in progress over HTTP and over a websocket, far from their end, when the signal comes. A time
counts if all of them are answered as `drain` with at least one code, complete, within the shutdown timeout; if
`/readyz` is seen to fail, and none that was asked after the first of these answers says that requests are taken; and if
the service ends with status 0 within the timeout. The exit status is 1 if one does not.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import signal
import sys
import time
from base64 import b64decode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from bench.processes import metrics
from factories import tiny_manifest, tiny_networks
from PIL import Image
from server_process import ServerProcess, running_server
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from models.bundle.writer import write_bundle
from service.bench.report import Machine, this_machine, write_json

TIMEOUT_S = 10.0
_PAUSE_S = 0.005
_PATIENCE_S = 60.0
_LONG_MS = 60_000
_CODES = 3000


@dataclass(frozen=True)
class Time:
    """One time.

    Attributes:
        first_ms, last_ms: from the signal to the first and the last answer.
        unready_ms: from the signal to the first `/readyz` that failed; None if none did.
        exit_ms: to the end of the process.
        wrong: what was not as it should be.
    """

    answers: int
    first_ms: float
    last_ms: float
    unready_ms: float | None
    exit_ms: float
    status: int
    wrong: tuple[str, ...]


@dataclass(frozen=True)
class Drained:
    """Every time, and where."""

    times: Sequence[Time]
    machine: Machine = field(default_factory=this_machine)


class _Watch:
    """Asks a service all the time whether it is ready.

    Attributes:
        answers: when it was asked, and what it said; None when it took no connections any more.
    """

    def __init__(self, url: str) -> None:
        self.answers: list[tuple[float, int | None]] = []
        self._url = url

    async def run(self) -> None:
        """Until it is gone."""
        async with httpx.AsyncClient(timeout=_PATIENCE_S) as client:
            while True:
                asked = time.monotonic()
                try:
                    answer = await client.get(f"{self._url}/readyz")
                except httpx.TransportError:
                    self.answers.append((asked, None))
                    return
                self.answers.append((asked, answer.status_code))
                await asyncio.sleep(_PAUSE_S)


async def once(server: ServerProcess, requests: int) -> Time:
    """Have twice so many requests in progress, half of them on a websocket, and end the service."""
    async with (
        httpx.AsyncClient(
            base_url=server.url, timeout=_PATIENCE_S, limits=httpx.Limits(max_connections=None)
        ) as client,
        connect(server.url.replace("http", "ws") + "/v1/stream", compression=None, proxy=None) as socket,
    ):
        watch = _Watch(server.url)
        watching = asyncio.create_task(watch.run())
        body = {"deadline_ms": _LONG_MS}
        asked = [asyncio.create_task(_ask(client, {**body, "seed": seed})) for seed in range(requests)]
        for seed in range(requests):
            await socket.send(json.dumps({"type": "generate", "id": str(seed), "seed": seed, **body}))
        endings = asyncio.create_task(_endings(socket, requests))
        await _all_inside(server.url, 2 * requests)
        signalled = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        answers = [*await asyncio.gather(*asked), *await endings]
        status = await asyncio.to_thread(server.process.wait, _PATIENCE_S)
        ended = time.monotonic()
        await watching
    times = [at for at, _ in answers]
    unready = next((at for at, said in watch.answers if at > signalled and said != httpx.codes.OK), None)
    wrong = ["it was never seen to be not ready"] if unready is None else []
    wrong += _wrong([outputs for _, outputs in answers], times, watch, status, ended - signalled)
    since = [1000 * (at - signalled) for at in (min(times), max(times), ended)]
    unready_ms = None if unready is None else 1000 * (unready - signalled)
    return Time(len(answers), since[0], since[1], unready_ms, since[2], status, tuple(wrong))


def _wrong(
    answers: Sequence[list[dict[str, Any]]], times: Sequence[float], watch: _Watch, status: int, took_s: float
) -> Iterator[str]:
    for outputs in answers:
        if not outputs:
            yield "a request was not answered"
        for output in outputs:
            if output["stop_reason"] != "drain" or not output["codes"]:
                yield f"an answer is {output['stop_reason']} with {len(output['codes'])} codes"
            with Image.open(io.BytesIO(b64decode(output["b64"]))) as image:
                image.load()
    if any(said == httpx.codes.OK for asked, said in watch.answers if asked > min(times)):
        yield "it said that it was ready after it had begun to end"
    if status != 0:
        yield f"it ended with status {status}"
    if took_s > TIMEOUT_S:
        yield f"it took {took_s:.1f} s"


async def _ask(client: httpx.AsyncClient, body: dict[str, Any]) -> tuple[float, list[dict[str, Any]]]:
    answer = await client.post("/v1/generate", json=body)
    return time.monotonic(), answer.json().get("outputs", [])


async def _endings(socket: ClientConnection, count: int) -> list[tuple[float, list[dict[str, Any]]]]:
    found: list[tuple[float, list[dict[str, Any]]]] = []
    with contextlib.suppress(ConnectionClosed):
        async for message in socket:
            event = json.loads(message)
            if event["type"] in {"completed", "error"}:
                found.append((time.monotonic(), event.get("outputs", [])))
    return found + [(time.monotonic(), [])] * (count - len(found))


async def _all_inside(url: str, count: int) -> None:
    """Wait until the workers say that they have so many requests."""
    end = time.monotonic() + _PATIENCE_S
    while (await asyncio.to_thread(metrics, url))["anytime_requests_running"] < count:
        if time.monotonic() > end:
            raise TimeoutError(f"there were never {count} requests in progress")
        await asyncio.sleep(0.02)


def run(times: int, requests: int) -> list[Time]:
    """So many times, each with a service of its own, whose model has so many codes that no request comes to its end."""
    found = []
    options = ("--executor", "reference", "--shutdown-timeout", f"{TIMEOUT_S:g}", "--log-level", "warning")
    with TemporaryDirectory() as name:
        networks = tiny_networks(tiny_manifest("long", codes=_CODES))
        write_bundle(Path(name) / "long", networks.manifest, networks.autoencoder, networks.prior, {})
        for _ in range(times):
            with running_server(Path(name) / "long", Path(name), *options) as server:
                found.append(asyncio.run(once(server, requests)))
    return found


def lines(found: Sequence[Time]) -> Iterator[str]:
    """What is printed."""
    yield "| # | answers | first after, ms | last after, ms | not ready after, ms | ended after, ms | status | wrong |"
    yield "|---:|---:|---:|---:|---:|---:|---:|---|"
    for number, each in enumerate(found, start=1):
        unready = "" if each.unready_ms is None else f"{each.unready_ms:.0f}"
        spans = f"{each.first_ms:.0f} | {each.last_ms:.0f} | {unready} | {each.exit_ms:.0f}"
        yield f"| {number} | {each.answers} | {spans} | {each.status} | {'; '.join(each.wrong)} |"
    yield f"\n{sum(not each.wrong for each in found)}/{len(found)}"


def main() -> int:
    """Run it; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="bench.drain", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--requests", type=int, default=20, help="in progress over HTTP, and as many over a websocket")
    parser.add_argument("--json", type=Path, help="where to write the numbers")
    options = parser.parse_args()
    found = run(options.times, options.requests)
    print("\n".join(lines(found)))
    if options.json:
        write_json(Drained(found), options.json)
    return 1 if any(each.wrong for each in found) else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
