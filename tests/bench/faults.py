"""What becomes of requests while a running service is hurt, and after: `make bench-faults`.

Steady traffic runs all the while. A third of the way in a fault begins, at two thirds it is over, and each request is
counted in the third in which it was due.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import psutil
from bench.processes import workers
from bundle_folder import put
from server_process import ROOT, ServerProcess, running_server
from websockets.asyncio.client import ClientConnection, connect

from service.bench.cells import spread
from service.bench.schedule import Ask, Planned, poisson
from service.bench.target import find
from service.bench.timers import precise_loop
from service.bench.traffic import offer
from service.bench.verdicts import Class, Verdict, judge

BUNDLE = ROOT / "models" / "pretrained" / "fashion-mnist"
_DEADLINES = (100.0, 500.0)
_CYCLE_S = 0.01
_SLOWNESS = 10
_BURST_DEADLINE_MS = 2000.0
_REQUESTS_PER_SOCKET = 4
_NEW_VERSION = "1000000"
_THIRDS = ("before", "during", "after")


@dataclass(frozen=True)
class Scene:
    """How hard, and for how long.

    Attributes:
        third_s: seconds of each of the three parts.
        rate: steady requests per second.
        crowd: requests of the burst, sent in the same instant.
        deaf: websocket clients that never read.
    """

    third_s: float = 5.0
    rate: float = 60.0
    crowd: int = 1000
    deaf: int = 500


Hurt = Callable[[ServerProcess, Scene], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """One way to hurt a service.

    Attributes:
        hurt: does it, from its beginning to its end.
        workers: that the service has.
        crowd: whether the burst comes.
    """

    says: str
    hurt: Hurt
    workers: int = 1
    crowd: bool = False


@dataclass(frozen=True)
class Part:
    """The requests that were due in one part; counts of requests, milliseconds, codes."""

    name: str
    sent: int
    on_time: int
    late: int
    refused: int
    failed: int
    latest_ms: float | None
    codes: float | None


@dataclass(frozen=True)
class Finding:
    """What one fault did.

    Attributes:
        recovered_s: how long after its end the last request was due that was not answered on time; 0 if none was.
        restarts: of workers.
        timer_ms: how late a plain timer was meanwhile, at worst.
    """

    fault: str
    parts: list[Part] = field(default_factory=list)
    recovered_s: float = 0.0
    restarts: int = 0
    timer_ms: float | None = None


async def freeze(server: ServerProcess, scene: Scene) -> None:
    """Stop a worker for good; whether it comes back is the service's own affair."""
    workers(server.process.pid)[0].suspend()
    await asyncio.sleep(scene.third_s)


async def throttle(process: psutil.Process, seconds: float, slowness: float, cycle_s: float = _CYCLE_S) -> None:
    """Let a process run for one part of the time in so many, once in each cycle."""
    end = asyncio.get_running_loop().time() + seconds
    try:
        while asyncio.get_running_loop().time() < end:
            process.suspend()
            await asyncio.sleep(cycle_s * (slowness - 1) / slowness)
            process.resume()
            await asyncio.sleep(cycle_s / slowness)
    finally:
        process.resume()


async def slow(server: ServerProcess, scene: Scene) -> None:
    """Let the worker run for a tenth of the time only."""
    await throttle(workers(server.process.pid)[0], scene.third_s, _SLOWNESS)


async def nothing(_: ServerProcess, scene: Scene) -> None:
    """The burst is part of the schedule."""
    await asyncio.sleep(scene.third_s)


async def upgrade(server: ServerProcess, scene: Scene) -> None:
    """Put another version of the model in the place of the one that answers; the rest is the service's own affair."""
    await asyncio.to_thread(put, server.bundles, server.bundles.parent, server.bundles.name, version=_NEW_VERSION)
    end = asyncio.get_running_loop().time() + scene.third_s
    while await asyncio.to_thread(_version, server) != _NEW_VERSION:
        await asyncio.sleep(_CYCLE_S * _SLOWNESS)
    await asyncio.sleep(max(end - asyncio.get_running_loop().time(), 0))


def _version(server: ServerProcess) -> str:
    """Which version of the model answers."""
    return find(server.url, None)[1].version


async def never_read(server: ServerProcess, scene: Scene) -> None:
    """Ask for previews over many sockets, and read none."""
    url = server.url.replace("http://", "ws://") + "/v1/stream"
    wish = {"type": "generate", "deadline_ms": 60_000, "preview_ms": 1, "scale": 16}
    sockets: list[ClientConnection] = []
    try:
        for number in range(scene.deaf):
            sockets.append(await connect(url, compression=None, proxy=None, max_queue=1, close_timeout=0))
            sockets[-1].transport.pause_reading()
            for request in range(_REQUESTS_PER_SOCKET):
                await sockets[-1].send(json.dumps({**wish, "id": f"{number}-{request}"}))
        await asyncio.sleep(scene.third_s)
    finally:
        for each in sockets:
            each.transport.abort()


FAULTS = {
    "freeze": Fault("one of two workers stopped by SIGSTOP, for good", freeze, workers=2),
    "slow": Fault(f"the worker {_SLOWNESS} times slower", slow),
    "burst": Fault(f"a crowd in one instant, {_BURST_DEADLINE_MS:g} ms each", nothing, crowd=True),
    "deaf": Fault("websocket clients that never read", never_read),
    "upgrade": Fault("another version of the model in the place of the one that answers", upgrade),
}


def run(name: str, bundle: Path, scene: Scene) -> Finding:
    """Start a service, hurt it, and count."""
    with TemporaryDirectory() as folder:
        options = ("--workers", str(FAULTS[name].workers), "--log-level", "warning", "--start-timeout", "20")
        own = put(bundle, Path(folder), "bundle")
        with running_server(own, Path(folder), *options) as server:
            hurt = workers(server.process.pid)
            try:
                with asyncio.Runner(loop_factory=precise_loop) as runner:
                    return runner.run(_watch(name, server, scene))
            finally:
                for each in hurt:  # one that was stopped for good does not even notice that its server has gone
                    with contextlib.suppress(psutil.NoSuchProcess):
                        each.kill()


async def _watch(name: str, server: ServerProcess, scene: Scene) -> Finding:
    target, model = find(server.url, None)
    ask = Ask(model.name, model.codes)
    steady = poisson(scene.rate, 3 * scene.third_s, _DEADLINES, name)
    crowd = [
        Planned(scene.third_s, _BURST_DEADLINE_MS, seed) for seed in range(scene.crowd if FAULTS[name].crowd else 0)
    ]
    plan = sorted([*steady, *crowd], key=lambda each: each.at_s)
    children = set(workers(server.process.pid))
    hurting = asyncio.create_task(_hurt(FAULTS[name].hurt, server, scene))
    traffic = await offer(target, ask, plan)
    await hurting
    verdicts = [judge(each, ask, exchange) for each, exchange in zip(plan, traffic.exchanges, strict=True)]
    others = [each for each in verdicts if each.planned.deadline_ms != _BURST_DEADLINE_MS]
    parts = [_part(third, [each for each in others if _third(each, scene) == third]) for third in _THIRDS]
    if crowd:
        parts.append(_part("crowd", [_since_sent(each) for each in verdicts if each not in others]))
    missed = [each.planned.at_s for each in others if each.group is not Class.ON_TIME]
    return Finding(
        FAULTS[name].says,
        parts,
        round(max([0.0, *(at - 2 * scene.third_s for at in missed)]), 2),
        len(set(workers(server.process.pid)) - children),
        spread([1000 * late for late in traffic.timer_overshoots]).max,
    )


async def _hurt(hurt: Hurt, server: ServerProcess, scene: Scene) -> None:
    await asyncio.sleep(scene.third_s)
    await hurt(server, scene)


def _since_sent(verdict: Verdict) -> Verdict:
    """The same, counted from when it was sent: one process cannot send a crowd's requests all when they are due."""
    if verdict.client_ms is None or verdict.send_late_ms is None or verdict.group not in {Class.ON_TIME, Class.LATE}:
        return verdict
    took = verdict.client_ms - verdict.send_late_ms
    return replace(verdict, client_ms=took, group=Class.ON_TIME if took <= verdict.planned.deadline_ms else Class.LATE)


def _third(verdict: Verdict, scene: Scene) -> str:
    return _THIRDS[int(verdict.planned.at_s / scene.third_s)]


def _part(name: str, verdicts: Sequence[Verdict]) -> Part:
    groups = Counter(each.group for each in verdicts)
    codes = [codes for each in verdicts for codes in each.codes]
    return Part(
        name,
        len(verdicts),
        groups[Class.ON_TIME],
        groups[Class.LATE],
        groups[Class.REFUSED],
        groups[Class.FAILED],
        max((round(each.overshoot_ms, 1) for each in verdicts if each.overshoot_ms is not None), default=None),
        round(fmean(codes), 1) if codes else None,
    )


def rows(found: Sequence[Finding]) -> Iterator[str]:
    """The findings as a Markdown table."""
    yield "| fault | requests due | sent | on time | late | refused | failed | after its deadline, at worst | codes |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|---:|"
    for finding in found:
        for part in finding.parts:
            counts = (part.sent, part.on_time, part.late, part.refused, part.failed)
            latest = "" if part.latest_ms is None else f"{part.latest_ms:g} ms"
            cells = (finding.fault, part.name, *counts, latest, "" if part.codes is None else part.codes)
            yield "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    """Run every fault, or those that are named."""
    parser = argparse.ArgumentParser(prog="bench.faults", description=__doc__)
    parser.add_argument("faults", nargs="*", choices=[*FAULTS, []], help="all by default")
    parser.add_argument("--bundle", type=Path, default=BUNDLE)
    parser.add_argument("--json", type=Path, help="where to write the numbers")
    options = parser.parse_args()
    found = [run(name, options.bundle, Scene()) for name in options.faults or FAULTS]
    print("\n".join(rows(found)))
    for each in found:
        print(f"{each.fault}: after its end the last miss was due after {each.recovered_s:g} s; ", end="")
        print(f"{each.restarts} workers restarted; a plain timer was late by up to {each.timer_ms} ms.")
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in found], indent=2) + "\n")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    main()
