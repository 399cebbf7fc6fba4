"""Who comes when, and how long they have: synthetic requests, reproducible by their seed, and recorded ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import pi, sin
from pathlib import Path
from random import Random

import msgspec

from models.errors import AnytimeError
from service.scheduler import Kind

_BURST_S, _QUIET_S = 0.5, 2.0  # mean lengths
_BURST, _QUIET = 4.0, 0.25  # rates, as shares of the mean one
_DAY_S, _SWING = 60.0, 0.8
_MEDIAN_S, _SPREAD = 0.06, 1.0  # of the log-normal deadlines
_SHORTEST_S, _TAIL = 0.02, 1.2  # of the Pareto deadlines


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request.

    Attributes:
        at, within: it comes at this second and is to be answered so many seconds later.
        samples: how many it wants.
        min_codes, max_codes: per sample.
        kind: format and scale.
        back: seconds from its last sample's encoding to the client; what `within` holds beside the worker's time.
    """

    at: float
    within: float
    samples: int
    min_codes: int
    max_codes: int
    kind: Kind
    back: float = 0.0


def _poisson(rate: float, chance: Random) -> Iterator[float]:
    """Independent requests."""
    now = 0.0
    while True:
        now += chance.expovariate(rate)
        yield now


def _bursts(rate: float, chance: Random) -> Iterator[float]:
    """Half a second of four times the rate, then two seconds of a quarter of it, both on average."""
    now, until, busy = 0.0, chance.expovariate(1 / _QUIET_S), False
    while True:
        gap = chance.expovariate(rate * (_BURST if busy else _QUIET))
        if now + gap > until:  # forgetful gaps can be drawn anew where the rate changes
            now, busy = until, not busy
            until += chance.expovariate(1 / (_BURST_S if busy else _QUIET_S))
            continue
        now += gap
        yield now


def _diurnal(rate: float, chance: Random) -> Iterator[float]:
    """A rate that swings by 80% around its mean, in days of a minute."""
    for now in _poisson(rate * (1 + _SWING), chance):
        if chance.random() * (1 + _SWING) < 1 + _SWING * sin(2 * pi * now / _DAY_S):
            yield now


ARRIVALS: dict[str, Callable[[float, Random], Iterator[float]]] = {
    "poisson": _poisson,
    "bursts": _bursts,
    "diurnal": _diurnal,
}

Deadlines = Callable[[Random], float]
"""Draws how many seconds a request has."""


def deadlines(text: str) -> Deadlines:
    """Read how deadlines are drawn.

    Args:
        text: milliseconds separated by commas, each as likely as the others; `heavy` for a log-normal distribution
            (median 60 ms, one standard deviation a factor of e); `pareto` for a power law (from 20 ms, exponent 1.2).

    Raises:
        AnytimeError: it is neither.
    """
    if text == "heavy":
        return lambda chance: _MEDIAN_S * chance.lognormvariate(0.0, _SPREAD)
    if text == "pareto":
        return lambda chance: _SHORTEST_S * chance.paretovariate(_TAIL)
    try:
        mix = [float(each) / 1000 for each in text.split(",")]
    except ValueError:
        mix = []
    if not mix or not all(0 < each < 1e6 for each in mix):
        raise AnytimeError(f"deadlines are milliseconds like 20,50,100, or heavy, or pareto; not {text!r}")
    return lambda chance: mix[int(chance.random() * len(mix))]


def synthetic(process: str, draw: Deadlines, rate: float, requests: int, codes: int, seed: int) -> Sequence[Arrival]:
    """Requests for one sample each, as a PNG of the model's own size, of any number of codes up to all.

    The same seed gives the same deadlines at every rate, and Poisson arrivals that differ only by a factor.

    Args:
        process: one of `ARRIVALS`.
        rate: requests per second, on average.
    """
    times = islice(ARRIVALS[process](rate, _seeded(seed, "arrivals")), requests)
    chance = _seeded(seed, "deadlines")
    return [Arrival(at, draw(chance), 1, 1, codes, ("png", 1)) for at in times]


def _seeded(seed: int, purpose: str) -> Random:
    return Random(f"{seed} {purpose}")  # noqa: S311


class _Line(msgspec.Struct):
    """A recorded request; what else is known of it does not matter here."""

    at_s: float
    deadline_ms: float
    n: int = 1
    min_codes: int = 1
    max_codes: int | None = None
    scale: int = 1
    format: str = "png"
    way_ms: float | None = None


def read_trace(path: Path, codes: int) -> Sequence[Arrival]:
    """Read recorded requests, one JSON object a line; only `at_s` and `deadline_ms` must be there.

    Half of the way that a request was found to have is before the worker, half after it. One whose way is not known is
    taken to have that of the one before it.

    Args:
        codes: that a sample of the model has at most.

    Returns:
        The requests in the order of their coming, the first at 0.

    Raises:
        AnytimeError: the file cannot be read, holds no request, or a line makes no sense.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise AnytimeError(f"cannot read the trace {path}: {error.strerror}") from error
    found = []
    way_ms = 0.0
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                recorded = msgspec.json.decode(line, type=_Line)
                way_ms = way_ms if recorded.way_ms is None else recorded.way_ms
                found.append(_arrival(recorded, codes, way_ms / 2000))
            except (msgspec.DecodeError, ValueError) as error:
                raise AnytimeError(f"{path}, line {number}: {error}") from error
    if not found:
        raise AnytimeError(f"{path} holds no request")
    found.sort(key=lambda each: each.at)
    return [replace(each, at=each.at - found[0].at) for each in found]


def at_rate(trace: Sequence[Arrival], rate: float) -> Sequence[Arrival]:
    """The same requests, played so much faster or slower that they want `rate` samples per second.

    Raises:
        AnytimeError: they all come at once.
    """
    lasts = trace[-1].at
    if lasts <= 0:
        raise AnytimeError("requests that all come at once cannot be played at a load")
    factor = sum(each.samples for each in trace) / lasts / rate
    return [replace(each, at=each.at * factor) for each in trace]


def _arrival(line: _Line, codes: int, half_way: float) -> Arrival:
    most = codes if line.max_codes is None else line.max_codes
    if not 1 <= line.min_codes <= most <= codes:
        raise ValueError(f"1 <= min_codes <= max_codes <= {codes} must hold")
    if not (0 <= line.at_s < 1e9 and 0 < line.deadline_ms < 1e9 and line.n >= 1 and line.scale >= 1):
        raise ValueError("at_s must be at least 0, deadline_ms above 0, n and scale at least 1")
    if not 0 <= half_way < 1e6:
        raise ValueError("way_ms must be at least 0")
    return Arrival(
        line.at_s + half_way,
        line.deadline_ms / 1000 - half_way,
        line.n,
        line.min_codes,
        most,
        (line.format, line.scale),
        half_way,
    )
