"""From the verdicts on a load's requests to its numbers."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence

import msgspec

from service.bench.verdicts import Class, Verdict


class Spread(msgspec.Struct, frozen=True):
    """Quantiles by nearest rank, each a value that occurred; None of nothing."""

    p50: float | None
    p99: float | None
    p999: float | None
    max: float | None


class Codes(msgspec.Struct, frozen=True):
    """Codes per sample: the mean, and what a tenth of the samples does not exceed."""

    mean: float | None
    p10: float | None


class Cell(msgspec.Struct, frozen=True):
    """One load.

    Attributes:
        load: multiple of the full-length capacity.
        sent: requests of the schedule, all of them: `ok + refused + failed`.
        ok: answered: `on_time + late`.
        overshoot_ms: of the answers, last byte after the deadline; negative is before.
        codes, quality_mean: over the samples of all answers.
        bound_share: quality that arrived on time as a share of the clairvoyant bound; None where that is 0.
    """

    load: float
    sent: int
    ok: int
    on_time: int
    late: int
    refused: int
    failed: int
    overshoot_ms: Spread
    codes: Codes
    quality_mean: float | None
    bound_share: float | None


class Detail(msgspec.Struct, frozen=True):
    """What else there is to say of one load.

    Attributes:
        requests_per_s: offered, on average.
        late_within_noise: how many of the late ones are so by no more than the worst timer meanwhile.
        refusals, failures: requests by reason.
        stop_reasons: samples by why they have no more codes.
        send_late_ms: how late requests were sent, which is no fault of the server and yet part of what counts as late.
        connections_opened: because none was idle when a request was due.
        generator_busy: share of the time that the generator computed; near 1 it is the bottleneck.
        timer_overshoot_ms: a plain timer's, during this load.
    """

    load: float
    requests_per_s: float
    late_within_noise: int
    refusals: dict[str, int]
    failures: dict[str, int]
    stop_reasons: dict[str, int]
    send_late_ms: Spread
    connections_opened: int
    generator_busy: float
    timer_overshoot_ms: Spread


def spread(values: Sequence[float]) -> Spread:
    """Quantiles of any number of values, rounded to a thousandth."""
    ordered = sorted(values)
    return Spread(*(_rounded(nearest_rank(ordered, share)) for share in (0.5, 0.99, 0.999, 1.0)))


def nearest_rank(ordered: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share of the values does not exceed; None of nothing."""
    # The epsilon keeps 0.999 x 1000 at rank 999.
    return ordered[max(math.ceil(share * len(ordered) - 1e-9), 1) - 1] if ordered else None


def count_cell(load: float, verdicts: Sequence[Verdict], bound: float) -> Cell:
    """Count a load's requests.

    Args:
        bound: the clairvoyant bound on the quality of all its requests together.
    """
    groups = Counter(each.group for each in verdicts)
    codes = sorted(codes for each in verdicts for codes in each.codes)
    qualities = [quality for each in verdicts for quality in each.qualities]
    in_time = math.fsum(sum(each.qualities) for each in verdicts if each.group is Class.ON_TIME)
    return Cell(
        load=load,
        sent=len(verdicts),
        ok=groups[Class.ON_TIME] + groups[Class.LATE],
        on_time=groups[Class.ON_TIME],
        late=groups[Class.LATE],
        refused=groups[Class.REFUSED],
        failed=groups[Class.FAILED],
        overshoot_ms=spread([each.overshoot_ms for each in verdicts if each.overshoot_ms is not None]),
        codes=Codes(_mean(codes), nearest_rank(codes, 0.1)),
        quality_mean=_mean(qualities),
        bound_share=_rounded(in_time / bound) if bound > 0 else None,
    )


def count_detail(
    load: float,
    rate: float,
    verdicts: Sequence[Verdict],
    timers: Sequence[float],
    opened: int,
    busy: float,
) -> Detail:
    """Count what a cell has no room for.

    Args:
        rate: requests per second that the schedule was drawn for.
        timers: milliseconds that a plain timer was late, during this load.
        opened: connections opened on the way.
        busy: share of the time that the generator computed.
    """
    overshoots = [each.overshoot_ms for each in verdicts if each.group is Class.LATE]
    noise_ms = max(timers, default=0.0)
    return Detail(
        load=load,
        requests_per_s=round(rate, 3),
        late_within_noise=sum(each is not None and each <= noise_ms for each in overshoots),
        refusals=_by_reason(verdicts, Class.REFUSED),
        failures=_by_reason(verdicts, Class.FAILED),
        stop_reasons=dict(Counter(reason for each in verdicts for reason in each.stop_reasons)),
        send_late_ms=spread([each.send_late_ms for each in verdicts if each.send_late_ms is not None]),
        connections_opened=opened,
        generator_busy=round(busy, 3),
        timer_overshoot_ms=spread(timers),
    )


def _by_reason(verdicts: Sequence[Verdict], group: Class) -> dict[str, int]:
    return dict(Counter(each.reason or "" for each in verdicts if each.group is group))


def _mean(values: Sequence[float]) -> float | None:
    return _rounded(statistics.fmean(values)) if values else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
