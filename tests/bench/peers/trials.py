"""One server under one load, once; and many of those together."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Sequence

import msgspec
from bench.peers.tuning import Tuning

from models.errors import AnytimeError
from service.bench.cells import Spread, spread
from service.bench.schedule import Ask, Planned
from service.bench.target import Target
from service.bench.timers import precise_loop
from service.bench.traffic import Traffic, offer
from service.bench.verdicts import Class, Verdict, judge


class Trial(msgspec.Struct, frozen=True):
    """What became of the requests of one load.

    Attributes:
        load: multiple of the capacity.
        sent: all of them: `on_time + late + refused + failed`.
        quality: expected quality, summed over the answers that came on time.
        seconds: for which requests were sent.
        reasons: of those refused and failed.
        overshoot_ms: of the answers, after the deadline; negative is before.
        send_late_ms: how late requests were sent, which counts against the server, whichever it is.
        generator_busy: share of the time that the generator computed.
    """

    server: str
    load: float
    repeat: int
    sent: int
    on_time: int
    late: int
    refused: int
    failed: int
    quality: float
    seconds: float
    reasons: dict[str, int]
    overshoot_ms: Spread
    send_late_ms: Spread
    generator_busy: float


class Rehearsal(msgspec.Struct, frozen=True):
    """How a tuning did; `quality_per_s` is the sum over all loads."""

    server: str
    tuning: Tuning
    quality_per_s: float


class Cell(msgspec.Struct, frozen=True):
    """A server under a load, over all repeats.

    Attributes:
        quality_per_s: expected quality that arrived on time, per second; `lowest` and `highest` of any one repeat.
        answers_per_s: answers that arrived on time, per second.
        on_time, late, lost: shares of the requests sent; lost are those refused or failed.
    """

    server: str
    load: float
    quality_per_s: float
    lowest: float
    highest: float
    answers_per_s: float
    on_time: float
    late: float
    lost: float


def try_out(
    target: Target, ask: Ask, plan: Sequence[Planned], server: str, load: float, repeat: int, seconds: float
) -> Trial:
    """Send a schedule to a server and count.

    Raises:
        AnytimeError: the server takes no connection.
    """
    try:
        with asyncio.Runner(loop_factory=precise_loop) as runner:
            traffic = runner.run(offer(target, ask, plan))
    except OSError as error:
        raise AnytimeError(f"{server} went away: {error}") from error
    verdicts = [judge(planned, ask, each) for planned, each in zip(plan, traffic.exchanges, strict=True)]
    return count(verdicts, traffic, server, load, repeat, seconds)


def count(
    verdicts: Sequence[Verdict], traffic: Traffic, server: str, load: float, repeat: int, seconds: float
) -> Trial:
    """Count the verdicts on a schedule's requests."""
    groups = Counter(each.group for each in verdicts)
    lost = Counter(each.reason or "" for each in verdicts if each.group in {Class.REFUSED, Class.FAILED})
    return Trial(
        server=server,
        load=load,
        repeat=repeat,
        sent=len(verdicts),
        on_time=groups[Class.ON_TIME],
        late=groups[Class.LATE],
        refused=groups[Class.REFUSED],
        failed=groups[Class.FAILED],
        quality=math.fsum(sum(each.qualities) for each in verdicts if each.group is Class.ON_TIME),
        seconds=seconds,
        reasons=dict(lost),
        overshoot_ms=spread([each.overshoot_ms for each in verdicts if each.overshoot_ms is not None]),
        send_late_ms=spread([each.send_late_ms for each in verdicts if each.send_late_ms is not None]),
        generator_busy=round(traffic.busy, 3),
    )


def together(trials: Sequence[Trial]) -> list[Cell]:
    """One cell per server and load, in the order in which they were first tried."""
    groups: dict[tuple[str, float], list[Trial]] = {}
    for trial in trials:
        groups.setdefault((trial.server, trial.load), []).append(trial)
    return [_cell(group) for group in groups.values()]


def _cell(trials: Sequence[Trial]) -> Cell:
    rates = [each.quality / each.seconds for each in trials]
    seconds = math.fsum(each.seconds for each in trials)
    sent = max(sum(each.sent for each in trials), 1)
    on_time = sum(each.on_time for each in trials)
    return Cell(
        server=trials[0].server,
        load=trials[0].load,
        quality_per_s=round(math.fsum(each.quality for each in trials) / seconds, 3),
        lowest=round(min(rates), 3),
        highest=round(max(rates), 3),
        answers_per_s=round(on_time / seconds, 3),
        on_time=round(on_time / sent, 6),
        late=round(sum(each.late for each in trials) / sent, 6),
        lost=round(sum(each.refused + each.failed for each in trials) / sent, 6),
    )
