"""What Ray Serve adds, and what it survives: `make bench-ray`, some minutes long.

A cluster of three nodes on this machine, whose model sleeps in every step (`sleeping/sitecustomize.py`): engines that
wait take no processor, so that their number shows on a machine with few. What the numbers say of a cluster is how it
grows and what it loses; what they say of milliseconds is of this machine, which everything shares.

It leaves them in `docs/performance/ray.json`, and makes the tables of `docs/scaling.md` of them (`tables.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory

import httpx
from bench.ray.tables import DOCS, fill_in
from ray_cluster import SLEEPING, RayProcess, ray_cluster
from server_process import ROOT, running_server

from service.bench.schedule import Ask, poisson
from service.bench.target import find
from service.bench.timers import precise_loop
from service.bench.traffic import Traffic, offer
from service.bench.verdicts import Class, Verdict, judge

BUNDLE = ROOT / "models" / "pretrained" / "fashion-mnist"
STEP_S = 0.02
SLOTS = 4
SETTINGS = {"executor": "null", "encoder": "off", "log_level": "warning", "slots": SLOTS}
ENGINES = (1, 2, 4)
DEADLINES_MS = (500.0, 1000.0, 2000.0)
_PAUSE_S = 3.0
_SLICE_S = 10.0
_SLICES = (5, 9)  # of much load, and of little
_PATIENT_MS = 60_000


@dataclass(frozen=True)
class Cell:
    """What became of the requests of one part; milliseconds after the deadline, negative before; why some failed."""

    sent: int
    on_time: int
    late: int
    refused: int
    failed: int
    codes: float
    after_deadline_p50: float | None
    after_deadline_worst: float | None
    timer_worst_ms: float
    reasons: str


def quantile(values: Sequence[float], share: float) -> float:
    """The value that so many do not exceed."""
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]


def latencies(alone: str, cluster: str, count: int) -> dict[str, object]:
    """Milliseconds of one request after another for one code, at both in turns."""
    taken: dict[str, list[float]] = {"alone": [], "Ray Serve": []}
    body = {"deadline_ms": _PATIENT_MS, "max_codes": 1, "seed": 1}
    with httpx.Client(timeout=60, trust_env=False) as client:
        for number in range(count + 20):
            for name, url in (("alone", alone), ("Ray Serve", cluster)):
                began = time.perf_counter()
                client.post(f"{url}/v1/generate", json=body).raise_for_status()
                if number >= 20:
                    taken[name].append(1000 * (time.perf_counter() - began))
    return {
        name: {
            "median": round(median(each), 1),
            "p99": round(quantile(each, 0.99), 1),
            "worst": round(max(each), 1),
        }
        for name, each in taken.items()
    }


async def throughput(url: str, clients: int, seconds: float) -> float:
    """Complete samples per second when so many clients ask for the next as soon as they have one."""
    done, end = 0, time.perf_counter() + seconds

    async def ask(client: httpx.AsyncClient) -> None:
        nonlocal done
        while time.perf_counter() < end:
            answer = await client.post(f"{url}/v1/generate", json={"deadline_ms": _PATIENT_MS})
            done += answer.is_success and time.perf_counter() < end

    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=60, trust_env=False, limits=limits) as client:
        await asyncio.gather(*(ask(client) for _ in range(clients)))
    return done / seconds


async def traffic(
    cluster: RayProcess, rate: float, seconds: float, command: str | None = None
) -> tuple[list[Verdict], Traffic]:
    """Requests that come whatever becomes of those before; a third of the way in something is killed."""
    target, model = find(cluster.url, None)
    ask = Ask(model.name, model.codes)
    plan = poisson(rate, seconds, DEADLINES_MS, f"{command} {rate}")

    async def hurt() -> None:
        await asyncio.sleep(seconds / 3)
        if command:
            await cluster.told(command)

    offered, _ = await asyncio.gather(offer(target, ask, plan), hurt())
    return [judge(each, ask, exchange) for each, exchange in zip(plan, offered.exchanges, strict=True)], offered


def cell(verdicts: Sequence[Verdict], offered: Traffic) -> dict[str, object]:
    """Counted: a `Cell`."""
    after = [each.overshoot_ms for each in verdicts if each.overshoot_ms is not None]
    codes = [codes for each in verdicts for codes in each.codes]
    groups = [each.group for each in verdicts]
    reasons = Counter(each.reason for each in verdicts if each.reason)
    counted = Cell(
        len(verdicts),
        groups.count(Class.ON_TIME),
        groups.count(Class.LATE),
        groups.count(Class.REFUSED),
        groups.count(Class.FAILED),
        round(fmean(codes), 1) if codes else 0.0,
        round(median(after), 1) if after else None,
        round(max(after), 1) if after else None,
        round(1000 * max(offered.timer_overshoots), 1),
        ", ".join(f"{reason}: {times}" for reason, times in sorted(reasons.items())),
    )
    return asdict(counted)


def since_killed(verdicts: Sequence[Verdict], seconds: float) -> list[Verdict]:
    """Those of requests that may have been running when something was killed, or came later."""
    longest = max(DEADLINES_MS) / 1000
    return [each for each in verdicts if each.planned.at_s >= seconds / 3 - longest]


class Bench:
    """The measurements, one after the other, on one cluster."""

    def __init__(self, cluster: RayProcess, runner: asyncio.Runner, rate: float, seconds: float) -> None:
        self._cluster = cluster
        self._runner = runner
        self._rate = rate
        self._seconds = seconds

    def scaling(self) -> list[dict[str, object]]:
        """One engine and much load, so that there are more; then little, so that there is one again."""
        self._cluster.tell(f"scale {max(ENGINES)}")
        rows: list[dict[str, object]] = []
        for rate, slices in zip((self._rate, self._rate / 20), _SLICES, strict=True):
            for _ in range(slices):
                verdicts, offered = self._runner.run(traffic(self._cluster, rate, _SLICE_S))
                engines = self._cluster.tell("count")["engines"]
                rows.append(shown({"rate": rate, "engines": engines} | cell(verdicts, offered)))
        return rows

    def growth(self) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
        """With each number of engines: what they can do, and what becomes of one and the same load."""
        most, load = [], []
        for engines in ENGINES:
            self._cluster.tell(f"engines {engines}")
            self._cluster.tell("settle") if engines == max(ENGINES) else time.sleep(_PAUSE_S)
            done = self._runner.run(throughput(self._cluster.url, 8 * max(ENGINES), self._seconds))
            most.append(shown({"engines": engines, "complete_per_s": round(done, 1)}))
            verdicts, offered = self._runner.run(traffic(self._cluster, self._rate, self._seconds))
            load.append(shown({"engines": engines} | cell(verdicts, offered)))
        return most, load

    def losses(self) -> list[dict[str, object]]:
        """A replica is killed under load, then a node."""
        rows, seconds = [], 3 * self._seconds
        for command in ("kill-replica", "kill-node"):
            self._cluster.tell("settle")
            verdicts, offered = self._runner.run(traffic(self._cluster, self._rate, seconds, command))
            rows.append(shown({"what": command} | cell(since_killed(verdicts, seconds), offered)))
        return rows


def shown(row: dict[str, object]) -> dict[str, object]:
    """The row, printed."""
    print(row, flush=True)
    return row


def measure(rate: float, seconds: float, requests: int) -> dict[str, object]:
    """Everything, one after the other."""
    os.environ["BENCH_STEP_S"] = str(STEP_S)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(SLEEPING), *filter(None, [os.environ.get("PYTHONPATH")])])
    options = [part for name, value in SETTINGS.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    with (
        ray_cluster([2, 1, 2], STEP_S, engines=1, settings=SETTINGS) as cluster,
        asyncio.Runner(loop_factory=precise_loop) as runner,
    ):
        bench = Bench(cluster, runner, rate, seconds)
        scaling = bench.scaling()
        growth, load = bench.growth()
        with TemporaryDirectory() as folder, running_server(BUNDLE, Path(folder), *options) as server:
            added = shown(latencies(server.url, cluster.url, requests))
        hurt = bench.losses()
    about = {"step_s": STEP_S, "slots": SLOTS, "processors": os.cpu_count(), "ray": version("ray"), "rate": rate}
    return about | {"growth": growth, "load": load, "hurt": hurt, "added_ms": added, "scaling": scaling}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--rate", type=float, default=20.0, help="requests per second of what has deadlines")
    parser.add_argument("--requests", type=int, default=200, help="whose latency is measured")
    arguments = parser.parse_args()
    found = measure(arguments.rate, arguments.seconds, arguments.requests)
    (DOCS / "performance" / "ray.json").write_text(json.dumps(found, indent=1) + "\n")
    fill_in(DOCS)


if __name__ == "__main__":
    main()
