"""Does everything at once to a service of its own, under more load than it can take, and prints what it survived.

    python -m bench.chaos --minutes 10 --load 1.5      (`make bench-chaos`)

The service has two workers. Requests go over HTTP, server-sent events and websockets, a Poisson process at a multiple
of the capacity that is measured first. At random times workers are killed (SIGKILL), stopped (SIGSTOP, for 0.2 to 8 s)
and slowed three times, sockets are cut, and bundles are upgraded, added and removed in the service's folder. One seed
decides it all. Then it is held to what it promises, and the exit status is 1 if a promise is broken:

- Each request has exactly one ending; at most one, if its connection was cut while it was under way.
- At least 99% of the requests that no fault touched are on time: answered, with the last byte at the client before the
  deadline, counted from when the request was due. Those that the service refused at once, since it had no room for them
  (`overloaded`, `deadline-infeasible`), are not among them and are counted apart.
- Nothing is left behind: slots, processes, file handles, sockets, memory.

**Touched** is who was under way, from when it was due to its ending, at any moment of

- a kill: the instant of the signal, whichever worker it was with;
- a stop or a slowdown: from its beginning to its end, but at most 2 s of it. By then the service has to have noticed,
  and whoever comes later is not touched, though a worker is still stopped;
- a cut: who was on that connection.

Who comes after a kill, while a worker is missing, is not touched. Changes of bundles touch nobody.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from bench.faults import BUNDLE
from bench.mischief import Mischief
from bench.mixed import Mixed, load_of
from bench.processes import holdings, metrics
from bench.survived import Survived, count, judge, lines
from bundle_folder import put
from server_process import ServerProcess, running_server

from service.bench.connections import allow_many_connections
from service.bench.report import write_json
from service.bench.target import find
from service.bench.timers import precise_loop

WORKERS = 2
_SLOTS = 64
_COUNTERS = (
    *("requests_total", "requests_lost_total", "deadline_missed_total"),
    *("worker_restarts_total", "worker_failures_total", "worker_replacements_total"),
)
_WARM_SHARE, _LEAST_WARM_S = 0.05, 3.0
_QUIET_S = 1.5


@dataclass(frozen=True)
class Scene:
    """How long, how much, how often.

    Attributes:
        load: times the capacity; or `rate`, requests per second, if that is given.
        every: seconds between the beginnings of two faults, on average.
        least_on_time: share of the untouched that has to be.
    """

    seconds: float
    load: float = 1.5
    rate: float | None = None
    every: float = 4.0
    seed: str = "chaos"
    least_on_time: float = 0.99


def run(bundle: Path, scene: Scene, log: Path | None = None, executor: str = "auto") -> Survived:
    """Start a service, do everything to it, and look; its log is kept where that is said."""
    allow_many_connections()
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bundles").mkdir()
        put(bundle, folder / "bundles", bundle.name)
        options = [*("--workers", str(WORKERS)), *("--slots", str(_SLOTS)), *("--executor", executor)]
        options += [*("--log-level", "warning"), *("--start-timeout", "30")]
        with running_server(folder / "bundles", folder, *options) as server:
            with asyncio.Runner(loop_factory=precise_loop) as runner:
                survived = runner.run(_play(server, bundle, scene))
            status = server.terminate()
            if status != 0:
                survived.broken.append(f"it ended with status {status}")
            survived.broken += [f"its log says: {line}" for line in _confessions(server.log)]
            if log:
                log.write_text(server.log)
            return survived


async def _play(server: ServerProcess, bundle: Path, scene: Scene) -> Survived:
    target, model = find(server.url, None)
    capacity, rate = await load_of(target, model, scene.load, scene.rate)
    warm = Mixed(target, model.name, f"{scene.seed} warm")
    async with warm.opened():
        await warm.send(rate, max(_WARM_SHARE * scene.seconds, _LEAST_WARM_S))
    await asyncio.sleep(_QUIET_S)
    survived = Survived(capacity, rate, scene.seconds, before=holdings(server.process.pid))
    counted = metrics(server.url)
    traffic = Mixed(target, model.name, scene.seed)
    mischief = Mischief(server, bundle, traffic, WORKERS, scene.seed)
    computed, began = time.process_time(), time.monotonic()
    async with traffic.opened() as ticker:
        hurting = asyncio.create_task(mischief.run(scene.seconds, scene.every))
        await traffic.send(rate, scene.seconds)
        await hurting
    survived.busy = (time.process_time() - computed) / (time.monotonic() - began)
    await mischief.tidy()
    await asyncio.sleep(_QUIET_S)
    count(survived, traffic, mischief, ticker)
    await asyncio.to_thread(_look_back, server, survived, counted, traffic)
    judge(survived, traffic, scene.least_on_time)
    return survived


def _look_back(server: ServerProcess, survived: Survived, counted: Counter[str], traffic: Mixed) -> None:
    """What the service itself has counted, what its processes hold, and whether every slot can still be had."""
    seen = metrics(server.url)
    survived.counts = {name: seen[f"anytime_{name}"] - counted[f"anytime_{name}"] for name in _COUNTERS}
    survived.after = holdings(server.process.pid)
    for name in ("requests_running", "requests_waiting", "requests_pending"):
        if seen[f"anytime_{name}"]:
            survived.broken.append(f"{name} is {seen[f'anytime_{name}']:g} while nothing runs")
    whole = httpx.post(f"{server.url}/v1/generate", json={"n": _SLOTS, "deadline_ms": 30_000}, timeout=60)
    if whole.status_code != httpx.codes.OK:
        survived.broken.append(f"a request for as many samples as a worker has slots is answered {whole.status_code}")
    came, cut = survived.counts["requests_total"], sum(each.cut for each in traffic.all)
    if not len(traffic.all) - cut <= came <= len(traffic.all):
        survived.broken.append(f"{len(traffic.all)} requests were sent, {cut} cut, and the service counted {came:g}")


def _confessions(log: str) -> list[str]:
    """Lines of the log that say that something was left over, or went wrong in a way that nobody foresaw."""
    words = ("Traceback", '"level":"critical"', "was never retrieved", "ended twice")
    return [line for line in log.splitlines() if any(word in line for word in words)]


def main() -> int:
    """Run it; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="bench.chaos", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--load", type=float, default=1.5, help="times the capacity that is measured first")
    parser.add_argument("--rate", type=float, help="requests per second, instead")
    parser.add_argument("--every", type=float, default=4.0, help="seconds between two faults, on average")
    parser.add_argument("--seed", default="chaos")
    parser.add_argument("--bundle", type=Path, default=BUNDLE)
    parser.add_argument("--executor", default="auto", help="of the service's workers")
    parser.add_argument("--json", type=Path, help="where to write the numbers")
    parser.add_argument("--log", type=Path, help="where to keep the service's log")
    options = parser.parse_args()
    scene = Scene(60 * options.minutes, options.load, options.rate, options.every, options.seed)
    survived = run(options.bundle, scene, options.log, options.executor)
    print("\n".join(lines(survived)))
    if options.json:
        write_json(survived, options.json)
    return 1 if survived.broken else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
