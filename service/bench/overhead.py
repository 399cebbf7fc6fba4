"""The run behind `anytime bench api`: what a request costs around the model."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count

import msgspec

from models.errors import AnytimeError
from service.bench.cells import Spread, nearest_rank, spread
from service.bench.connections import Connections, Exchange, allow_many_connections
from service.bench.launch import Launched, children, cpu_seconds
from service.bench.report import Machine, this_machine, versions
from service.bench.schedule import Ask, Planned, poisson
from service.bench.target import Model, Target, find
from service.bench.timers import precise_loop
from service.bench.traffic import offer
from service.bench.verdicts import Class, Verdict, judge
from service.lookup import label_of

DEADLINE_MS = 10_000.0
"""Of every request: so long that it plays no part."""

_CONNECTIONS = 32  # to begin an open load with
_PAUSE_SECONDS = 0.3  # between loads, so that none begins with what another left


class Latency(msgspec.Struct, frozen=True):
    """Quantiles by nearest rank, in milliseconds, at the client."""

    p50: float
    p90: float
    p99: float
    max: float


class Cpu(msgspec.Struct, frozen=True):
    """Milliseconds of processor time per request; None where it cannot be known."""

    api: float | None
    workers: float | None
    generator: float


class Row(msgspec.Struct, frozen=True):
    """One load.

    Attributes:
        load: `sequential` (one request at a time), `open` (a Poisson process at a given rate) or `saturated` (as many
            under way as asked for, each followed by another).
        asked: requests per second of an open load, requests under way of the others.
        failed: requests without a complete answer, by reason.
        requests_per_s: answers.
        ms: from when a request was due to the last byte of its answer.
    """

    load: str
    asked: float
    requests: int
    failed: dict[str, int]
    requests_per_s: float
    ms: Latency
    cpu_ms: Cpu


class OverheadReport(msgspec.Struct, frozen=True):
    """What a run found.

    Attributes:
        executor: `null` if the server was started for this, None if it was given.
        profiled: whether the API process ran under a profiler, which makes it slower.
        timer_overshoot_ms: a plain timer's, during the open loads.
    """

    url: str
    model: str
    executor: str | None
    profiled: bool
    ask: Ask
    seconds: float
    rows: list[Row]
    timer_overshoot_ms: Spread
    machine: Machine
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class Wish:
    """What to measure.

    Attributes:
        rates: requests per second of the open loads, one after another.
        concurrency: requests under way that saturate the server.
        seconds: per load.
        warmup: seconds of saturation before anything counts.
        model: by name; None if the server has only one.
        key: for a server that wants one.
    """

    rates: tuple[float, ...]
    concurrency: int
    seconds: float
    warmup: float = 1.0
    model: str | None = None
    key: str | None = field(default=None, repr=False)


def run(url: str, launched: Launched | None, wish: Wish, *, profiled: bool = False) -> OverheadReport:
    """Measure a server.

    Args:
        launched: the same server, if it was started for this: then its processes' time is measured, too.

    Raises:
        AnytimeError: the server cannot be reached, has no such model, or answers nothing.
    """
    target, model = find(url, wish.model, wish.key)
    ask = Ask(label_of(model), model.codes, format=model.media.formats[0])
    allow_many_connections()
    try:
        with asyncio.Runner(loop_factory=precise_loop) as runner:
            measurement = _Measurement(target, ask, launched, wish)
            rows = runner.run(measurement.rows())
    except OSError as error:
        raise AnytimeError(f"the server at {url} went away: {(error.strerror or str(error)).lower()}") from error
    return OverheadReport(
        url=url,
        model=_name(model),
        executor=None if launched is None else "null",
        profiled=profiled,
        ask=ask,
        seconds=wish.seconds,
        rows=rows,
        timer_overshoot_ms=spread([1000 * late for late in measurement.timers]),
        machine=this_machine(),
        versions=versions(),
    )


def _name(model: Model) -> str:
    return f"{model.name}@{model.version}"


class _Measurement:
    """One load after another.

    Attributes:
        timers: seconds that a plain timer was late, during the open loads.
    """

    def __init__(self, target: Target, ask: Ask, launched: Launched | None, wish: Wish) -> None:
        self.timers: list[float] = []
        self._target = target
        self._ask = ask
        self._launched = launched
        self._wish = wish
        self._seeds = count()

    async def rows(self) -> list[Row]:
        """All loads."""
        wish = self._wish
        await self._closed(wish.concurrency, wish.warmup)
        sequential = await self._row("sequential", 1, lambda: self._closed(1, wish.seconds))
        opened = [await self._row("open", rate, partial(self._open, rate)) for rate in wish.rates]
        most = wish.concurrency
        return [sequential, *opened, await self._row("saturated", most, lambda: self._closed(most, wish.seconds))]

    async def _row(self, load: str, asked: float, send: Callable[[], Awaitable[list[Exchange]]]) -> Row:
        await asyncio.sleep(_PAUSE_SECONDS)
        before = self._spent()
        exchanges = await send()
        spent = [
            None if now is None or then is None else 1000 * (now - then)
            for now, then in zip(self._spent(), before, strict=True)
        ]
        return _row(load, asked, self._ask, exchanges, spent)

    def _spent(self) -> tuple[float | None, float | None, float]:
        """Processor time so far, in seconds, of the API process, of its workers and of this process."""
        generator = time.process_time()
        if self._launched is None:
            return None, None, generator
        api = self._launched.pid
        return cpu_seconds(api), sum(map(cpu_seconds, children(api))), generator

    async def _closed(self, concurrency: int, seconds: float) -> list[Exchange]:
        """So many requests under way for so long."""
        connections = Connections(self._target)
        try:
            await connections.prepare(concurrency)
            end = asyncio.get_running_loop().time() + seconds
            sent = await asyncio.gather(*(self._ask_again(connections, end) for _ in range(concurrency)))
        finally:
            await connections.close()
        return [exchange for each in sent for exchange in each]

    async def _ask_again(self, connections: Connections, end: float) -> list[Exchange]:
        """The same request, again and again, until `end`: to make another each time would take time from the server."""
        clock = asyncio.get_running_loop().time
        request = self._target.request(self._ask.body(DEADLINE_MS, next(self._seeds)))
        sent: list[Exchange] = []
        while (now := clock()) < end:
            exchange = Exchange(request, now)
            connections.send(exchange)
            sent.append(exchange)
            await exchange.done
        return sent

    async def _open(self, rate: float) -> list[Exchange]:
        """A Poisson process of requests."""
        plan = poisson(rate, self._wish.seconds, (DEADLINE_MS,), f"{rate}")
        traffic = await offer(self._target, self._ask, plan, prepared=_CONNECTIONS)
        self.timers += traffic.timer_overshoots
        return traffic.exchanges


def _row(load: str, asked: float, ask: Ask, exchanges: Sequence[Exchange], spent: Sequence[float | None]) -> Row:
    planned = Planned(0.0, DEADLINE_MS, 0)
    verdicts = [judge(planned, ask, exchange) for exchange in exchanges]
    answered = sorted(each.client_ms for each in verdicts if each.client_ms is not None and _failure(each, ask) is None)
    if not answered:
        raise AnytimeError("the server gave no complete answer to any request")
    ended = [each.ended for each in exchanges if each.ended is not None]
    took = max(ended) - min(each.due for each in exchanges)
    api, workers, generator = (None if each is None else round(each / len(exchanges), 4) for each in spent)
    return Row(
        load=load,
        asked=asked,
        requests=len(exchanges),
        failed=dict(Counter(reason for each in verdicts if (reason := _failure(each, ask)))),
        requests_per_s=round(len(answered) / took, 1),
        ms=Latency(*(round(nearest_rank(answered, share) or 0.0, 3) for share in (0.5, 0.9, 0.99, 1.0))),
        cpu_ms=Cpu(api, workers, generator or 0.0),
    )


def _failure(verdict: Verdict, ask: Ask) -> str | None:
    """Why a request has no complete answer, None if it has."""
    if verdict.group is not Class.ON_TIME:
        return verdict.reason or verdict.group
    return None if min(verdict.codes) == ask.max_codes else verdict.stop_reasons[0]
