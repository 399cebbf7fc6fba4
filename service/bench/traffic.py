"""Open-loop traffic: every request leaves when it is due, whatever became of those before."""

from __future__ import annotations

import asyncio
import gc
import math
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from service.bench.connections import Connections, Exchange
from service.bench.schedule import Ask, Planned
from service.bench.target import Target
from service.bench.timers import Ticker

_LEAD_SECONDS = 0.1  # of quiet before a schedule begins
_PATIENCE_SECONDS = (
    10.0  # after the last deadline; whoever has not answered by then does not count as late but as failed
)
_MOST_PREPARED = 512


@dataclass(frozen=True, slots=True)
class Traffic:
    """What became of a schedule.

    Attributes:
        exchanges: one per planned request, in their order; every one has ended.
        start: when the schedule began, on the exchanges' clock.
        timer_overshoots: seconds that a plain timer was late, many times over the same period.
        opened: connections that had to be opened on the way.
        busy: share of the time that this process computed, 0 to 1: near 1 the generator is the bottleneck.
    """

    exchanges: list[Exchange]
    start: float
    timer_overshoots: list[float]
    opened: int
    busy: float


async def offer(
    target: Target,
    ask: Ask,
    plan: Sequence[Planned],
    patience: float = _PATIENCE_SECONDS,
    prepared: int | None = None,
) -> Traffic:
    """Send each request of the schedule when it is due, and wait until every one has ended.

    Where the generator falls behind it sends at once what is overdue. Nothing is left out, and nothing is put off: a
    request's time counts from when it was due.

    Args:
        patience: seconds beyond the longest deadline after which an answer is not waited for any more.
        prepared: connections that are opened before the first request is due; as many as will be busy if every answer
            takes its deadline, if left out.

    Raises:
        OSError: the server takes no connection.
    """
    loop = asyncio.get_running_loop()
    connections = Connections(target)
    await connections.prepare(_likely_concurrency(plan) if prepared is None else prepared)
    before = connections.opened
    requests = [target.request(ask.body(each.deadline_ms, each.seed)) for each in plan]
    with _undisturbed():
        start, computed = loop.time() + _LEAD_SECONDS, time.process_time()
        exchanges = [Exchange(request, start + each.at_s) for request, each in zip(requests, plan, strict=True)]
        ticker = Ticker()
        await _send_when_due(connections, exchanges)
        await _all_ended(exchanges, max((each.deadline_ms for each in plan), default=0.0) / 1000 + patience)
        ticker.stop()
        busy = (time.process_time() - computed) / (loop.time() - start + _LEAD_SECONDS)
    opened = connections.opened - before
    for exchange in exchanges:
        exchange.end(loop.time(), error="no answer")
    await connections.close()
    return Traffic(exchanges, start, ticker.overshoots, opened, busy)


async def _send_when_due(connections: Connections, exchanges: Sequence[Exchange]) -> None:
    loop = asyncio.get_running_loop()
    for exchange in exchanges:
        # Even when it is late the loop gets a turn, so that answers are read meanwhile.
        await asyncio.sleep(max(exchange.due - loop.time(), 0))
        connections.send(exchange)


async def _all_ended(exchanges: Sequence[Exchange], seconds: float) -> None:
    running = [each.done for each in exchanges if not each.done.done()]
    if running:
        await asyncio.wait(running, timeout=seconds)


def _likely_concurrency(plan: Sequence[Planned]) -> int:
    """How many connections will be busy at once if every answer takes its deadline, and some to spare."""
    if not plan:
        return 1
    busy = sum(each.deadline_ms for each in plan) / 1000 / max(plan[-1].at_s, 1.0)
    return min(_MOST_PREPARED, math.ceil(busy + 4 * math.sqrt(busy)) + 1)


@contextmanager
def _undisturbed() -> Generator[None, None, None]:
    """Without the garbage collector, whose pauses would look like the server's."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
