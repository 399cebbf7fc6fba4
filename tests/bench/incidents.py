"""Five incidents, staged on a service of its own while a real Prometheus watches; draws what the dashboard shows.

`make dashboard-picture` writes docs/images/dashboard.png, and one picture for each incident.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from bench.faults import BUNDLE, Scene, freeze, slow, throttle
from prometheus_process import running_prometheus
from server_process import ROOT, ServerProcess, running_server
from websockets.asyncio.client import connect

from deploy.grafana.render import Mark, Span, render
from service.bench.schedule import Ask, poisson
from service.bench.target import find
from service.bench.timers import precise_loop
from service.bench.traffic import offer

_DEADLINES = (50.0, 100.0, 200.0, 500.0)
_RATE = 20.0
_OVERLOAD = 300.0
_INCIDENT_S = 20.0
_PAUSE_S = 25.0
_SCRAPE_S = 1.0
_RATE_S = 4.0
_TIMES = 40.0  # the rules' five minutes are seven and a half seconds
_STARVED, _STARVED_CYCLE_S = 10.0, 0.05
_SCENE = Scene(third_s=_INCIDENT_S)

Hurt = Callable[[ServerProcess], Awaitable[None]]


@dataclass(frozen=True)
class Incident:
    """One thing that goes wrong, and the panels in which it is told from the others."""

    letter: str
    file: str
    hurt: Hurt
    panels: Sequence[str]


async def _send(server: ServerProcess, rate: float, seconds: float, model: str | None = None) -> None:
    target, found = find(server.url, None)
    ask = Ask(found.name, found.codes)
    await offer(target, replace(ask, model=model or ask.model), poisson(rate, seconds, _DEADLINES, f"{rate}{model}"))


async def _overload(server: ServerProcess) -> None:
    await _send(server, _OVERLOAD, _INCIDENT_S)


async def _slow(server: ServerProcess) -> None:
    await slow(server, _SCENE)


async def _frozen(server: ServerProcess) -> None:
    await freeze(server, _SCENE)


async def _starved(server: ServerProcess) -> None:
    await throttle(psutil.Process(server.process.pid), _INCIDENT_S, _STARVED, _STARVED_CYCLE_S)


async def _wrong_model(server: ServerProcess) -> None:
    await _send(server, _RATE, _INCIDENT_S, "fashion-mnist-2")


INCIDENTS = (
    Incident("A", "overload", _overload, ("Endings", "Codes", "Time per step, by batch size")),
    Incident("B", "slow-device", _slow, ("Time per step, by batch size", "Codes", "Processor time")),
    Incident("C", "frozen-worker", _frozen, ("Late, lost, shed", "Restarts of workers", "Processor time")),
    Incident("D", "short-api-process", _starved, ("Where the time goes", "Late, lost, shed", "Scrapes")),
    Incident("E", "wrong-model", _wrong_model, ("Refusals by reason", "Endings", "Codes")),
)


async def _previews(server: ServerProcess) -> None:
    """Somebody who watches pictures become sharper, one after another."""
    async with connect(server.url.replace("http", "ws") + "/v1/stream", proxy=None) as socket:
        number = 0
        while True:
            number += 1
            wish = {"type": "generate", "id": f"{number}", "deadline_ms": 500, "preview_ms": 5}
            await socket.send(json.dumps(wish))
            while json.loads(await socket.recv())["type"] in {"accepted", "preview"}:
                pass
            await asyncio.sleep(0.5)


async def _play(server: ServerProcess) -> list[Mark]:
    """All incidents, one after another, while steady traffic goes on."""
    seconds = len(INCIDENTS) * (_INCIDENT_S + _PAUSE_S) + _PAUSE_S
    steady = asyncio.create_task(_send(server, _RATE, seconds))
    watching = asyncio.create_task(_previews(server))
    marks = []
    await asyncio.sleep(_PAUSE_S)
    for incident in INCIDENTS:
        began = time.time()
        await incident.hurt(server)
        marks.append(Mark(incident.letter, began, began + _INCIDENT_S))
        await asyncio.sleep(began + _INCIDENT_S + _PAUSE_S - time.time())
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await steady
    return marks


def main() -> None:
    """Stage the incidents, and draw."""
    parser = argparse.ArgumentParser(prog="bench.incidents", description=__doc__)
    parser.add_argument("--bundle", type=Path, default=BUNDLE)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images", help="folder for the pictures")
    options = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        with (
            running_server(options.bundle, folder, "--executor", "native", "--log-level", "warning") as server,
            running_prometheus(
                folder, server.url.removeprefix("http://"), scrape_s=_SCRAPE_S, times=_TIMES
            ) as prometheus,
            asyncio.Runner(loop_factory=precise_loop) as runner,
        ):
            began = time.time()
            marks = runner.run(_play(server))
            render(prometheus.url, Span(began, time.time(), _RATE_S), options.out / "dashboard.png", marks)
            for incident, mark in zip(INCIDENTS, marks, strict=True):
                span = Span(mark.start - _PAUSE_S / 2, mark.end + _PAUSE_S / 2, _RATE_S)
                out = options.out / f"incident-{incident.file}.png"
                render(prometheus.url, span, out, [mark], incident.panels)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    main()
