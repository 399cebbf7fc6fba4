"""What Ray Serve adds, and what it survives: `python -m bench.ray --json ray.json` from `tests/`, some minutes long.

A cluster of three nodes on this machine, whose model sleeps in every step (`sleeping/sitecustomize.py`): engines that
wait take no processor, so that their number shows on a machine with few. What the numbers say of a cluster is how it
grows and what it loses; what they say of milliseconds is of this machine, which everything shares.
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
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory

import httpx
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
_PAUSE_S = 3.0
_PATIENT_MS = 60_000


@dataclass(frozen=True)
class Cell:
    """What became of the requests of one part; milliseconds after the deadline, negative before; why some failed."""

    what: str
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


def latencies(alone: str, cluster: str, count: int) -> dict[str, dict[str, float]]:
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
        name: {"median": median(each), "p99": quantile(each, 0.99), "worst": max(each)} for name, each in taken.items()
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
    cluster: RayProcess, rate: float, seconds: float, deadlines: Sequence[float], command: str | None = None
) -> tuple[list[Verdict], Traffic]:
    """Requests that come whatever becomes of those before; a third of the way in something is killed."""
    target, model = find(cluster.url, None)
    ask = Ask(model.name, model.codes)
    plan = poisson(rate, seconds, deadlines, f"{command} {rate}")

    async def hurt() -> None:
        await asyncio.sleep(seconds / 3)
        if command:
            await cluster.told(command)

    offered, _ = await asyncio.gather(offer(target, ask, plan), hurt())
    return [judge(each, ask, exchange) for each, exchange in zip(plan, offered.exchanges, strict=True)], offered


def cell(what: str, verdicts: Sequence[Verdict], offered: Traffic) -> Cell:
    """Counted."""
    after = [each.overshoot_ms for each in verdicts if each.overshoot_ms is not None]
    codes = [codes for each in verdicts for codes in each.codes]
    groups = [each.group for each in verdicts]
    reasons = Counter(each.reason for each in verdicts if each.reason)
    return Cell(
        what,
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


def thirds(what: str, verdicts: Sequence[Verdict], offered: Traffic, seconds: float) -> list[Cell]:
    """Before and since something was killed."""
    since = [each for each in verdicts if each.planned.at_s >= seconds / 3 - max_deadline_s(verdicts)]
    before = [each for each in verdicts if each not in since]
    return [
        cell(f"before {what}", before, offered),
        cell("running then, or later", since, offered),
    ]


def max_deadline_s(verdicts: Sequence[Verdict]) -> float:
    """Seconds for which a request may have been running."""
    return max(each.planned.deadline_ms for each in verdicts) / 1000


def show(cells: Sequence[Cell]) -> None:
    """A table of Markdown."""
    names = list(asdict(cells[0]))
    print("| " + " | ".join(names) + " |")
    print("|" + "---|" * len(names))
    for each in cells:
        print("| " + " | ".join(str(value) for value in asdict(each).values()) + " |")


def measure(arguments: argparse.Namespace) -> dict[str, object]:
    """Everything, one after the other."""
    os.environ["BENCH_STEP_S"] = str(STEP_S)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(SLEEPING), *filter(None, [os.environ.get("PYTHONPATH")])])
    options = [part for name, value in SETTINGS.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    found: dict[str, object] = {"step_s": STEP_S, "slots": SLOTS, "processors": os.cpu_count()}
    seconds: float = arguments.seconds
    deadlines = [500.0, 1000.0, 2000.0]
    with (
        ray_cluster([2, 1, 2], STEP_S, engines=1, settings=SETTINGS) as cluster,
        asyncio.Runner(loop_factory=precise_loop) as runner,
    ):
        growth = []
        quality = []
        for engines in ENGINES:
            cluster.tell(f"engines {engines}")
            time.sleep(_PAUSE_S)
            rate = runner.run(throughput(cluster.url, 8 * max(ENGINES), seconds))
            growth.append({"engines": engines, "complete_per_s": round(rate, 1)})
            print(growth[-1], flush=True)
            verdicts, offered = runner.run(traffic(cluster, arguments.rate, seconds, deadlines))
            quality.append(cell(f"{engines} engines", verdicts, offered))
        show(quality)
        with TemporaryDirectory() as folder, running_server(BUNDLE, Path(folder), *options) as server:
            added = latencies(server.url, cluster.url, arguments.requests)
        print(json.dumps(added, indent=1), flush=True)
        hurt = []
        for command in ("kill-replica", "kill-node"):
            verdicts, offered = runner.run(traffic(cluster, arguments.rate, 3 * seconds, deadlines, command))
            hurt += thirds(command, verdicts, offered, 3 * seconds)
            time.sleep(_PAUSE_S)
        show(hurt)
    found |= {"growth": growth, "added_ms": added}
    found |= {"load": [asdict(each) for each in quality], "hurt": [asdict(each) for each in hurt]}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--rate", type=float, default=20.0, help="requests per second of what has deadlines")
    parser.add_argument("--requests", type=int, default=200, help="whose latency is measured")
    parser.add_argument("--json", type=Path, help="where to write the numbers")
    arguments = parser.parse_args()
    found = measure(arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
