"""What a service survived: counted, judged and printed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus

import msgspec
from bench.mischief import Mark, Mischief
from bench.mixed import Mixed
from bench.processes import API, Holding, leaks, most
from bench.sent import KINDS, Sent

from service.bench.cells import Spread, spread
from service.bench.report import Machine, this_machine
from service.bench.timers import Ticker

_MORE_MEMORY, _MORE_BYTES = 1.1, 16 << 20


@dataclass
class Survived:
    """What was done, what became of the requests, and what was left.

    Attributes:
        faults: how often each, and how many requests it touched.
        untouched, touched: requests by what became of them, see `Sent.kind`.
        late_ms: of the answers, last byte after the deadline; negative is before.
        timer_ms: how late a plain timer of the generator was meanwhile.
        busy: share of the time for which the generator computed.
        counts: what the service itself has counted.
        broken: the promises that were not kept, in words.
    """

    capacity: float | None
    rate: float
    seconds: float
    machine: Machine = field(default_factory=this_machine)
    faults: dict[str, tuple[int, int]] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)
    untouched: Counter[str] = field(default_factory=Counter)
    touched: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    late_ms: Spread | None = None
    timer_ms: Spread | None = None
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


def touches(mark: Mark, request: Sent) -> bool:
    """Whether a request was under way at any moment of a fault; one without an ending was until its deadline."""
    ended = request.due + request.deadline_ms / 1000 if request.ended is None else request.ended
    return request.due <= mark.end and mark.begin <= ended


def count(survived: Survived, traffic: Mixed, mischief: Mischief, ticker: Ticker) -> None:
    """Note what became of every request, and of the generator."""
    marks = sorted(mischief.marks, key=lambda mark: mark.begin)
    touched: Counter[str] = Counter()
    for request in traffic.all:
        by = {mark.fault for mark in marks if touches(mark, request)} | ({"sockets cut"} if request.cut else set())
        touched.update(by)
        (survived.touched if by else survived.untouched)[request.kind] += 1
        if not by and request.kind in {"lost", "failed", "no ending"}:
            survived.problems[f"{request.way} {request.problem}"] += 1
    done = Counter(mark.fault for mark in marks)
    survived.faults = {fault: (done[fault], touched[fault]) for fault in mischief.faults}
    survived.skipped = mischief.skipped
    late = [1000 * each.late_s for each in traffic.all if each.status == HTTPStatus.OK and each.late_s is not None]
    survived.late_ms = spread(late)
    survived.timer_ms = spread([1000 * each for each in ticker.overshoots])


def judge(survived: Survived, traffic: Mixed, least_on_time: float) -> None:
    """Note every promise that was not kept, as far as the numbers tell."""
    twice = sum(each.endings > 1 for each in traffic.all) + traffic.strays
    never = survived.untouched["no ending"] + survived.touched["no ending"]
    for number, what in ((twice, "had more than one ending"), (never, "had none")):
        if number:
            survived.broken.append(f"{number} requests {what}")
    if survived.untouched["failed"]:
        survived.broken.append(f"{survived.untouched['failed']} requests failed that no fault had touched")
    if survived.on_time_share < least_on_time:
        survived.broken.append(f"{survived.on_time_share:.2%} of those that no fault touched were on time")
    survived.broken += leaks(survived.before, survived.after)
    for name in (API, "worker"):
        old, new = most(name, "memory", survived.before), most(name, "memory", survived.after)
        if new > _MORE_MEMORY * old + _MORE_BYTES:
            survived.broken.append(f"{name}: {new >> 20} MiB of memory, {old >> 20} before")


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
    more = {"Not done, as no worker could be spared": survived.skipped, "Problems": survived.problems}
    for what, counts in more.items():
        if counts:
            yield f"{what}: " + ", ".join(f"{name} {count}" for name, count in counts.items()) + "."
    yield "\n".join(f"BROKEN: {each}" for each in survived.broken) or "Every promise was kept."


def _written(numbers: Spread | None) -> str:
    return ", ".join(
        f"{name} {number}" for name, number in (msgspec.structs.asdict(numbers) if numbers else {}).items()
    )
