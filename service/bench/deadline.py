"""The run behind `anytime bench deadline`: capacity first, then one load after another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from models.errors import AnytimeError
from service.bench.capacity import Capacity, measure
from service.bench.cells import count_cell, count_detail, spread
from service.bench.connections import allow_many_connections
from service.bench.report import CapacityReport, Report, TraceLine, this_machine, trace_line, versions
from service.bench.schedule import Ask, poisson
from service.bench.target import Model, Target, find
from service.bench.timers import precise_loop
from service.bench.traffic import offer
from service.bench.verdicts import Verdict, judge
from service.lookup import label_of
from service.simulation.bound import Demand, Work, clairvoyant_quality

_PAUSE_SECONDS = 0.5  # between loads, so that none begins with what another left


@dataclass(frozen=True, slots=True)
class Wish:
    """What to measure.

    Attributes:
        model: by name; None if the server has only one.
        deadlines: milliseconds; each request has one of them.
        loads: multiples of the full-length capacity, one after another.
        rates: requests per second instead, the same whatever the capacity is.
        seconds: per load.
        warmup, capacity_seconds, concurrency: of the two runs that find the capacity.
        max_codes: no sample gets more; None for complete ones.
        format: None for the model's usual one.
        key: for a server that wants one.
    """

    deadlines: tuple[float, ...]
    loads: tuple[float, ...]
    seconds: float
    rates: tuple[float, ...] | None = None
    model: str | None = None
    seed: int = 0
    warmup: float = 1.0
    capacity_seconds: float = 4.0
    concurrency: int = 64
    n: int = 1
    min_codes: int = 1
    max_codes: int | None = None
    scale: int = 1
    format: str | None = None
    key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Load:
    """One load as it went; times in seconds."""

    load: float
    rate: float
    offset: float
    verdicts: list[Verdict]
    timers: list[float]
    opened: int
    busy: float


def run(url: str, wish: Wish, say: Callable[[str], None]) -> tuple[Report, list[TraceLine]]:
    """Measure a server.

    Args:
        say: is told in a sentence how far it is.

    Raises:
        AnytimeError: the server cannot be reached, has no such model, or cannot be saturated.
    """
    target, model = find(url, wish.model, wish.key)
    ask = _ask(wish, model)
    allow_many_connections()
    try:
        with asyncio.Runner(loop_factory=precise_loop) as runner:
            capacity, loads = runner.run(_measure(target, ask, wish, say))
    except OSError as error:
        raise AnytimeError(f"the server at {url} went away: {(error.strerror or str(error)).lower()}") from error
    trace = [trace_line(ask, each.load, each.offset, verdict) for each in loads for verdict in each.verdicts]
    return _report(url, wish, model, ask, capacity, loads), trace


def _ask(wish: Wish, model: Model) -> Ask:
    max_codes = model.codes if wish.max_codes is None else min(wish.max_codes, model.codes)
    if wish.min_codes > max_codes:
        raise AnytimeError(f"--min-codes {wish.min_codes} is more than the {max_codes} codes that a sample has")
    formats = model.media.formats
    if wish.format is not None and wish.format not in formats:
        raise AnytimeError(f"--format {wish.format} is none of those that {model.name} has: {', '.join(formats)}")
    return Ask(label_of(model), max_codes, wish.n, wish.min_codes, wish.scale, wish.format or formats[0])


async def _measure(target: Target, ask: Ask, wish: Wish, say: Callable[[str], None]) -> tuple[Capacity, list[_Load]]:
    capacity = await measure(target, ask, wish.capacity_seconds, wish.warmup, wish.concurrency)
    say(
        f"Capacity: {capacity.full_per_s:,.1f} full-length requests per second, {capacity.one_code_per_s:,.1f} of one "
        f"code, {capacity.concurrency} at once."
    )
    start = asyncio.get_running_loop().time()
    loads: list[_Load] = []
    for load, rate, seed in _offers(wish, capacity):
        await asyncio.sleep(_PAUSE_SECONDS)
        plan = poisson(rate, wish.seconds, wish.deadlines, seed)
        say(f"Load {load:g}: {len(plan):,} requests in {wish.seconds:g} seconds.")
        traffic = await offer(target, ask, plan)
        verdicts = [judge(planned, ask, each) for planned, each in zip(plan, traffic.exchanges, strict=True)]
        start = start if loads else traffic.start
        timers, offset = traffic.timer_overshoots, traffic.start - start
        loads.append(_Load(load, rate, offset, verdicts, timers, traffic.opened, traffic.busy))
    return capacity, loads


def _offers(wish: Wish, capacity: Capacity) -> list[tuple[float, float, str]]:
    """Each load as a multiple of the capacity and in requests per second, and what its arrivals are drawn from."""
    if wish.rates is None:
        return [(load, load * capacity.full_per_s, f"{wish.seed}/{load}") for load in wish.loads]
    return [(round(rate / capacity.full_per_s, 3), rate, f"{wish.seed}/{rate} per second") for rate in wish.rates]


def _report(url: str, wish: Wish, model: Model, ask: Ask, capacity: Capacity, loads: list[_Load]) -> Report:
    timers = [[1000 * late for late in each.timers] for each in loads]
    noise = [late for each in timers for late in each]
    return Report(
        url=url,
        model=f"{model.name}@{model.version}",
        ask=ask,
        codes_total=model.codes,
        deadlines_ms=list(wish.deadlines),
        seconds=wish.seconds,
        seed=wish.seed,
        capacity=CapacityReport(
            requests_per_s=round(capacity.full_per_s, 3),
            one_code_requests_per_s=round(capacity.one_code_per_s, 3),
            concurrency=capacity.concurrency,
            requests=capacity.sent,
            code_ms=round(1000 * capacity.code_s, 6),
            sample_ms=round(1000 * capacity.sample_s, 6),
        ),
        cells=[count_cell(each.load, each.verdicts, _bound(ask, model, capacity, each.verdicts)) for each in loads],
        details=[
            count_detail(each.load, each.rate, each.verdicts, late, each.opened, each.busy)
            for each, late in zip(loads, timers, strict=True)
        ],
        timer_overshoot_ms=spread(noise),
        machine=this_machine(),
        versions=versions(),
    )


def _bound(ask: Ask, model: Model, capacity: Capacity, verdicts: list[Verdict]) -> float:
    """More quality than this, summed over all samples, no scheduler delivers in time on a device of this capacity."""
    demands = [
        Demand(each.planned.at_s, each.planned.at_s + each.planned.deadline_ms / 1000, ask.max_codes, ask.n)
        for each in verdicts
    ]
    return clairvoyant_quality(demands, Work(capacity.code_s, capacity.sample_s), model.quality_curve)
