"""Keeps a service of its own busy for a long time and sees whether its processes grow.

    python -m bench.soak --minutes 30 --load 1      (`make bench-soak`)

Requests go over HTTP, server-sent events and websockets, a Poisson process at a multiple of the capacity that is
measured first. The resident memory of every process is sampled once a second. After the warm-up, a fifth of the time,
the median of the last tenth of the samples may be at most 2% above that of the first tenth, in every process; when all
is quiet again nothing may have more handles and sockets than before; and each request has exactly one ending, none of
them a failure. Else the exit status is 1.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.faults import BUNDLE
from bench.mixed import Mixed, load_of
from bench.processes import Growth, Holding, growth, holdings, leaks
from bench.sent import KINDS
from server_process import ServerProcess, running_server

from service.bench.connections import allow_many_connections
from service.bench.report import Machine, this_machine, write_json
from service.bench.target import find
from service.bench.timers import precise_loop

_SAMPLE_S = 1.0
_WARM_UP = 0.2
_MOST_GROWTH = 0.02
_QUIET_S = 1.5
_KEPT = 200
_MIB = 1 << 20


@dataclass(frozen=True)
class Scene:
    """How long, and how much: `load` times the capacity, or `rate` requests per second if that is given.

    Attributes:
        sample_s: seconds between two samples.
        most_growth: of memory, as a share of what it was.
    """

    seconds: float
    load: float = 1.0
    rate: float | None = None
    workers: int = 2
    sample_s: float = _SAMPLE_S
    most_growth: float = _MOST_GROWTH
    seed: str = "soak"


@dataclass
class Soaked:
    """What the processes held, and what became of the requests.

    Attributes:
        samples: seconds since the beginning, and what every process held then; as many of them as one can look at.
        memory: of each process after the warm-up, by name; bytes.
        before, after: while nothing was asked.
    """

    capacity: float | None
    rate: float
    seconds: float
    machine: Machine = field(default_factory=this_machine)
    before: list[Holding] = field(default_factory=list)
    after: list[Holding] = field(default_factory=list)
    samples: list[tuple[float, list[Holding]]] = field(default_factory=list)
    memory: dict[str, Growth] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


def run(bundle: Path, scene: Scene) -> Soaked:
    """Start a service, keep it busy, and look at its processes."""
    allow_many_connections()
    with TemporaryDirectory() as name:
        options = ("--workers", str(scene.workers), "--log-level", "warning", "--watch", "0")
        with (
            running_server(bundle, Path(name), *options) as server,
            asyncio.Runner(loop_factory=precise_loop) as runner,
        ):
            return runner.run(_soak(server, scene))


async def _soak(server: ServerProcess, scene: Scene) -> Soaked:
    target, model = find(server.url, None)
    capacity, rate = await load_of(target, model, scene.load, scene.rate)
    await asyncio.sleep(_QUIET_S)
    soaked = Soaked(capacity, rate, scene.seconds, before=holdings(server.process.pid))
    traffic = Mixed(target, model.name, scene.seed)
    sampling = asyncio.create_task(_sample(server, scene.sample_s, soaked.samples))
    async with traffic.opened():
        await traffic.send(rate, scene.seconds)
        sampling.cancel()
    await asyncio.sleep(_QUIET_S)
    soaked.after = holdings(server.process.pid)
    soaked.requests.update(each.kind for each in traffic.all)
    warm = [each for each in soaked.samples if each[0] >= _WARM_UP * scene.seconds]
    soaked.memory = {name: _memory(warm, name) for name in _names(warm)}
    odd = traffic.strays + sum(each.endings != 1 for each in traffic.all)
    soaked.broken += _broken(soaked, warm, odd, scene.most_growth)
    soaked.samples = soaked.samples[:: len(soaked.samples) // _KEPT + 1]
    return soaked


async def _sample(server: ServerProcess, every: float, samples: list[tuple[float, list[Holding]]]) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        samples.append((loop.time() - began, await asyncio.to_thread(holdings, server.process.pid)))
        await asyncio.sleep(every)


def _names(samples: Sequence[tuple[float, list[Holding]]]) -> list[str]:
    return sorted({each.name for _, held in samples for each in held})


def _memory(samples: Sequence[tuple[float, list[Holding]]], name: str) -> Growth:
    points = [(at, each.memory) for at, held in samples for each in held if each.name == name]
    return growth([at for at, _ in points], [memory for _, memory in points])


def _broken(soaked: Soaked, warm: Sequence[tuple[float, list[Holding]]], odd: int, most: float) -> Iterator[str]:
    """Every promise that was not kept, in words; `odd` requests had no ending, or more than one."""
    for name, memory in soaked.memory.items():
        if memory.share > most:
            yield f"{name} has grown by {memory.share:.1%}"
    if len({frozenset(each.pid for each in held) for _, held in warm}) > 1:
        yield "processes have come or gone"
    yield from leaks(soaked.before, soaked.after)
    if odd:
        yield f"{odd} requests had no ending, or more than one"
    if soaked.requests["failed"]:
        yield f"{soaked.requests['failed']} requests failed"


def lines(soaked: Soaked) -> Iterator[str]:
    """What is printed."""
    capacity = "" if soaked.capacity is None else f" at a capacity of {soaked.capacity:.0f}"
    yield f"{soaked.requests.total()} requests in {soaked.seconds:g} s, {soaked.rate:.0f} per second{capacity}:"
    yield ", ".join(f"{name} {soaked.requests[name]}" for name in KINDS if soaked.requests[name])
    yield "\n| process | memory after warm-up, MiB | at the end, MiB | change | slope, MiB per hour |"
    yield "|---|---:|---:|---:|---:|"
    for name, each in soaked.memory.items():
        numbers = f"{each.first / _MIB:.1f} | {each.last / _MIB:.1f} | {each.share:+.2%} | {each.slope / _MIB:+.2f}"
        yield f"| {name} | {numbers} |"
    for when, held in (("Before", soaked.before), ("After", soaked.after)):
        counts = ", ".join(f"{each.name} {each.handles} handles and {each.sockets} sockets" for each in held)
        yield f"\n{when}: {counts}."
    yield "\n".join(f"BROKEN: {each}" for each in soaked.broken) or "\nNothing grew."


def main() -> int:
    """Run it; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="bench.soak", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--load", type=float, default=1.0, help="times the capacity that is measured first")
    parser.add_argument("--rate", type=float, help="requests per second, instead")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--bundle", type=Path, default=BUNDLE)
    parser.add_argument("--json", type=Path, help="where to write the numbers")
    options = parser.parse_args()
    soaked = run(options.bundle, Scene(60 * options.minutes, options.load, options.rate, options.workers))
    print("\n".join(lines(soaked)))
    if options.json:
        write_json(soaked, options.json)
    return 1 if soaked.broken else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
