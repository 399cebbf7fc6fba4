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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import msgspec
from bench.faults import BUNDLE
from bench.mischief import Mark, Mischief, metrics
from bench.mixed import Mixed, Sent
from bench.processes import API, Holding, holdings
from bundle_folder import put
from server_process import ServerProcess, running_server

from service.bench.capacity import measure
from service.bench.cells import spread
from service.bench.connections import allow_many_connections
from service.bench.schedule import Ask
from service.bench.target import Model, Target, find
from service.bench.timers import Ticker, precise_loop

WORKERS = 2
DEADLINES = (100.0, 200.0, 500.0)
KINDS = ("on time", "late", "refused", "lost", "failed", "no ending", "cut")
_REFUSALS = frozenset({"overloaded", "deadline-infeasible"})
_UNAVAILABLE = (503, 504)
_CAPACITY_S, _CAPACITY_WARMUP_S, _CONCURRENCY = 3.0, 1.0, 64
_WARM_SHARE, _LEAST_WARM_S = 0.05, 3.0
_QUIET_S = 1.5
_MORE_MEMORY, _MORE_BYTES = 1.1, 16 << 20


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


@dataclass
class Survived:
    """What was done, what became of the requests, and what was left.

    Attributes:
        faults: how often each, and how many requests it touched.
        untouched, touched: requests by what became of them, see `KINDS`.
        broken: the promises that were not kept, in words.
    """

    capacity: float | None
    rate: float
    seconds: float
    faults: dict[str, tuple[int, int]] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    untouched: Counter[str] = field(default_factory=Counter)
    touched: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    late_ms: dict[str, float | None] = field(default_factory=dict)
    timer_ms: dict[str, float | None] = field(default_factory=dict)
    busy: float = 0.0
    counts: dict[str, float] = field(default_factory=dict)
    before: list[Holding] = field(default_factory=list)
    after: list[Holding] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def on_time_share(self) -> float:
        """Of the untouched that the service let in."""
        let_in = self.untouched.total() - self.untouched["refused"]
        return self.untouched["on time"] / let_in if let_in else 1.0


def run(bundle: Path, scene: Scene, log: Path | None = None) -> Survived:
    """Start a service, do everything to it, and look; its log is kept where that is said."""
    allow_many_connections()
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bundles").mkdir()
        put(bundle, folder / "bundles", bundle.name)
        options = ("--workers", str(WORKERS), "--log-level", "warning", "--start-timeout", "30")
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
    warm = Mixed(target, model.name, DEADLINES, f"{scene.seed} warm")
    async with warm.opened():
        await warm.send(rate, max(_WARM_SHARE * scene.seconds, _LEAST_WARM_S))
    await asyncio.sleep(_QUIET_S)
    survived = Survived(capacity, rate, scene.seconds, before=holdings(server.process.pid))
    counted = metrics(server.url)
    traffic = Mixed(target, model.name, DEADLINES, scene.seed)
    mischief = Mischief(server, bundle, traffic, WORKERS, scene.seed)
    computed, began = time.process_time(), time.monotonic()
    async with traffic.opened() as ticker:
        hurting = asyncio.create_task(mischief.run(scene.seconds, scene.every))
        await traffic.send(rate, scene.seconds)
        await hurting
    survived.busy = (time.process_time() - computed) / (time.monotonic() - began)
    await mischief.tidy()
    await asyncio.sleep(_QUIET_S)
    _count(survived, traffic, mischief, ticker)
    await asyncio.to_thread(_look_back, server, survived, counted, traffic)
    _judge(survived, scene, traffic)
    return survived


async def load_of(target: Target, model: Model, load: float, rate: float | None) -> tuple[float | None, float]:
    """The capacity in requests per second, and that many times it; or no capacity, and the rate that is given."""
    if rate is not None:
        return None, rate
    ask = Ask(model.name, model.codes)
    measured = await measure(target, ask, _CAPACITY_S, _CAPACITY_WARMUP_S, _CONCURRENCY)
    return measured.full_per_s, load * measured.full_per_s


def kind(request: Sent) -> str:
    """What became of it, one of `KINDS`."""
    if request.cut:
        return "cut"
    if not request.endings:
        return "no ending"
    if request.status == httpx.codes.OK:
        return "on time" if request.on_time else "late"
    if request.problem in _REFUSALS:
        return "refused"
    return "lost" if request.status in _UNAVAILABLE else "failed"


def touches(mark: Mark, request: Sent) -> bool:
    """Whether a request was under way at any moment of a fault; one without an ending was until its deadline."""
    ended = request.due + request.deadline_ms / 1000 if request.ended is None else request.ended
    return request.due <= mark.end and mark.begin <= ended


def _count(survived: Survived, traffic: Mixed, mischief: Mischief, ticker: Ticker) -> None:
    marks = sorted(mischief.marks, key=lambda mark: mark.begin)
    touched: Counter[str] = Counter()
    for request in traffic.all:
        by = {mark.fault for mark in marks if touches(mark, request)} | ({"sockets cut"} if request.cut else set())
        touched.update(by)
        (survived.touched if by else survived.untouched)[kind(request)] += 1
        if not by and kind(request) in {"lost", "failed", "no ending"}:
            survived.problems[f"{request.way} {request.problem}"] += 1
    done = Counter(mark.fault for mark in marks)
    survived.faults = {fault: (done[fault], touched[fault]) for fault in mischief.faults}
    survived.skipped = dict(mischief.skipped)
    late = [1000 * each.late_s for each in traffic.all if each.status == httpx.codes.OK and each.late_s is not None]
    survived.late_ms = msgspec.structs.asdict(spread(late))
    survived.timer_ms = msgspec.structs.asdict(spread([1000 * each for each in ticker.overshoots]))


def _look_back(server: ServerProcess, survived: Survived, counted: Counter[str], traffic: Mixed) -> None:
    """What the service itself has counted, what its processes hold, and whether every slot can still be had."""
    seen = metrics(server.url)
    names = ("requests_total", "requests_lost_total", "deadline_missed_total", "worker_restarts_total")
    names += ("worker_replacements_total", "worker_failures_total")
    survived.counts = {name: seen[f"anytime_{name}"] - counted[f"anytime_{name}"] for name in names}
    survived.after = holdings(server.process.pid)
    for name in ("requests_running", "requests_waiting", "requests_pending"):
        if seen[f"anytime_{name}"]:
            survived.broken.append(f"{name} is {seen[f'anytime_{name}']:g} while nothing runs")
    whole = httpx.post(f"{server.url}/v1/generate", json={"n": 64, "deadline_ms": 30_000}, timeout=60)
    if whole.status_code != httpx.codes.OK:
        survived.broken.append(f"a request for as many samples as a worker has slots is answered {whole.status_code}")
    came, cut = survived.counts["requests_total"], sum(each.cut for each in traffic.all)
    if not len(traffic.all) - cut <= came <= len(traffic.all):
        survived.broken.append(f"{len(traffic.all)} requests were sent, {cut} cut, and the service counted {came:g}")


def _judge(survived: Survived, scene: Scene, traffic: Mixed) -> None:
    twice = sum(each.endings > 1 for each in traffic.all) + traffic.strays
    never = survived.untouched["no ending"] + survived.touched["no ending"]
    for number, what in ((twice, "had more than one ending"), (never, "had none")):
        if number:
            survived.broken.append(f"{number} requests {what}")
    if survived.untouched["failed"]:
        survived.broken.append(f"{survived.untouched['failed']} requests failed that no fault had touched")
    if survived.on_time_share < scene.least_on_time:
        survived.broken.append(f"{survived.on_time_share:.2%} of those that no fault touched were on time")
    survived.broken += _left_behind(survived.before, survived.after)


def _left_behind(before: Sequence[Holding], after: Sequence[Holding]) -> Iterator[str]:
    """Every kind of leak, in words. Processes of one kind are alike: the largest is compared with the largest."""
    names = sorted(each.name for each in after)
    if names != sorted(each.name for each in before):
        yield f"its processes are {', '.join(names)}"
    for name in (API, "worker"):
        old, new = ([each for each in held if each.name.startswith(name)] for held in (before, after))
        for what in ("handles", "sockets"):
            most, now = (max((getattr(each, what) for each in held), default=0) for held in (old, new))
            if now > most:
                yield f"{name}: {now} {what}, {most} before"
        most, now = (max((each.memory for each in held), default=0) for held in (old, new))
        if now > _MORE_MEMORY * most + _MORE_BYTES:
            yield f"{name}: {now >> 20} MiB of memory, {most >> 20} before"


def _confessions(log: str) -> list[str]:
    """Lines of the log that say that something was left over, or went wrong in a way that nobody foresaw."""
    words = ("Traceback", "CRITICAL", "was never retrieved", "ended twice")
    return [line for line in log.splitlines() if any(word in line for word in words)]


def lines(survived: Survived) -> Iterator[str]:
    """What is printed."""
    capacity = "" if survived.capacity is None else f" at a capacity of {survived.capacity:.0f}"
    sent = survived.untouched.total() + survived.touched.total()
    yield f"{sent} requests in {survived.seconds:g} s, {survived.rate:.0f} per second{capacity}"
    yield "\n| fault | times | requests touched |\n|---|---:|---:|"
    for fault, (times, touched) in survived.faults.items():
        yield f"| {fault} | {times} | {touched} |"
    yield "\n| requests | " + " | ".join(KINDS) + " |\n|---|" + "---:|" * len(KINDS)
    for name, counts in (("not touched", survived.untouched), ("touched", survived.touched)):
        yield f"| {name} | " + " | ".join(str(counts[each]) for each in KINDS) + " |"
    yield "\n| process | pid | memory | file handles | sockets |\n|---|---:|---:|---:|---:|"
    for when, held in (("before", survived.before), ("after", survived.after)):
        for each in held:
            yield f"| {each.name}, {when} | {each.pid} | {each.mebibytes:.1f} MiB | {each.handles} | {each.sockets} |"
    yield f"\nOn time, of those that no fault touched and that were let in: {survived.on_time_share:.3%}."
    yield f"Answers after their deadline, ms: {_written(survived.late_ms)}."
    yield f"A plain timer here after its time, ms: {_written(survived.timer_ms)}."
    yield f"The generator computed for {survived.busy:.0%} of the time."
    yield "The service counted " + ", ".join(f"{name} {count:g}" for name, count in survived.counts.items()) + "."
    for what, counts in (("Not done, as no worker could be spared", survived.skipped), ("Problems", survived.problems)):
        if counts:
            yield f"{what}: " + ", ".join(f"{name} {count}" for name, count in counts.items()) + "."
    yield "\n".join(f"BROKEN: {each}" for each in survived.broken) or "Every promise was kept."


def _written(numbers: dict[str, float | None]) -> str:
    return ", ".join(f"{name} {number}" for name, number in numbers.items())


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
    parser.add_argument("--json", type=Path, help="where to write the numbers")
    parser.add_argument("--log", type=Path, help="where to keep the service's log")
    options = parser.parse_args()
    scene = Scene(60 * options.minutes, options.load, options.rate, options.every, options.seed)
    survived = run(options.bundle, scene, options.log)
    print("\n".join(lines(survived)))
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(survived), indent=2) + b"\n")
    return 1 if survived.broken else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
