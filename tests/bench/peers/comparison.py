"""The run from first to last: our capacity, how each peer does best, then every server in turn, again and again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.peers.servers import OURS, Contender, running, settle
from bench.peers.trials import Rehearsal, Trial, try_out
from bench.peers.tuning import BUNDLE

from models.bundle.reader import read_manifest
from models.errors import AnytimeError
from service.bench.capacity import measure
from service.bench.connections import allow_many_connections
from service.bench.schedule import Ask, poisson
from service.bench.timers import precise_loop

_CAPACITY_SECONDS = 4.0
_WARM_UP_SECONDS = 1.0
_CONCURRENCY = 64
_PAUSE_SECONDS = 0.5  # of quiet before each load
_REHEARSAL = -1  # instead of a repeat's number: other requests than in any of them


@dataclass(frozen=True, slots=True)
class Wish:
    """What to measure.

    Attributes:
        contenders: the servers, in the order of the tables.
        loads: multiples of our capacity, one after another.
        deadlines: milliseconds; each request has one of them.
        seconds: per load and repeat.
        repeats: how often every server is started and takes all loads.
        seed: decides when which request is sent, the same for every server.
        rehearsal_seconds: per load and tuning, to find the best tuning of each peer; 0 takes the first.
    """

    contenders: Sequence[Contender]
    loads: Sequence[float]
    deadlines: Sequence[float]
    seconds: float
    repeats: int
    seed: int = 0
    rehearsal_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Found:
    """What a run found.

    Attributes:
        capacity: ours, in full-length requests per second.
        contenders: as they were measured, the peers with the tunings that did best.
        rehearsals: how the tunings were chosen.
        trials: in the order of the tables within a repeat.
    """

    capacity: float
    contenders: list[Contender]
    rehearsals: list[Rehearsal]
    trials: list[Trial]


def compare(wish: Wish, folder: Path, say: Callable[[str], None]) -> Found:
    """Measure all servers, each alone on the machine.

    A repeat takes every server through all loads, and the next begins with another server: what the machine does
    meanwhile, slower today or in a minute, hits them all alike.

    Args:
        folder: for the servers' logs.
        say: is told in a sentence how far it is.

    Raises:
        AnytimeError: a server does not start, goes away, or never answers again.
    """
    allow_many_connections()
    manifest = read_manifest(BUNDLE)
    ask = Ask(manifest.name, manifest.codes)
    with running(OURS, folder / "capacity.log") as target, asyncio.Runner(loop_factory=precise_loop) as runner:
        capacity = runner.run(measure(target, ask, _CAPACITY_SECONDS, _WARM_UP_SECONDS, _CONCURRENCY)).full_per_s
    say(f"Capacity: {capacity:,.1f} full-length requests per second.")
    run = _Run(wish, ask, capacity, folder, say)
    contenders = [run.at_its_best(contender) for contender in wish.contenders]
    trials: list[Trial] = []
    for repeat in range(wish.repeats):
        for contender in turned(contenders, repeat):
            trials += run.take_all_loads(contender, repeat, wish.seconds)
    return Found(capacity, contenders, run.rehearsals, in_order(trials, contenders))


def turned(contenders: Sequence[Contender], repeat: int) -> list[Contender]:
    """The order of a repeat: each begins with the server after the one that the last began with."""
    first = repeat % len(contenders)
    return [*contenders[first:], *contenders[:first]]


def in_order(trials: Sequence[Trial], contenders: Sequence[Contender]) -> list[Trial]:
    """The trials by repeat, and within one in the order of the tables."""
    names = [each.name for each in contenders]
    return sorted(trials, key=lambda each: (each.repeat, names.index(each.server)))


class _Run:
    """Takes one server after another through the loads.

    Attributes:
        rehearsals: so far.
    """

    def __init__(self, wish: Wish, ask: Ask, capacity: float, folder: Path, say: Callable[[str], None]) -> None:
        self.rehearsals: list[Rehearsal] = []
        self._wish = wish
        self._ask = ask
        self._capacity = capacity
        self._folder = folder
        self._say = say

    def at_its_best(self, contender: Contender) -> Contender:
        """A server with the one of its tunings that delivers most over all loads together."""
        if len(contender.tunings) < 2 or not self._wish.rehearsal_seconds:
            return contender
        tried = []
        for tuning in contender.tunings:
            trials = self.take_all_loads(contender.tuned(tuning), _REHEARSAL, self._wish.rehearsal_seconds)
            tried.append(Rehearsal(contender.name, tuning, sum(each.quality / each.seconds for each in trials)))
        self.rehearsals += tried
        best = max(tried, key=lambda each: each.quality_per_s)
        self._say(f"{contender.name} does best with {best.tuning}.")
        return contender.tuned(best.tuning)

    def take_all_loads(self, contender: Contender, repeat: int, seconds: float) -> list[Trial]:
        """Start a server, and offer it one load after another."""
        wish, trials = self._wish, []
        with running(contender, self._folder / f"{contender.name}.log") as target:
            for load in wish.loads:
                if not settle(target):
                    raise AnytimeError(f"{contender.name} does not recover from the load before {load:g}")
                time.sleep(_PAUSE_SECONDS)
                plan = poisson(load * self._capacity, seconds, wish.deadlines, f"{wish.seed}/{repeat}/{load}")
                trial = try_out(target, self._ask, plan, contender.name, load, repeat, seconds)
                trials.append(trial)
                self._say(_progress(trial, wish.repeats))
        return trials


def _progress(trial: Trial, repeats: int) -> str:
    when = "Rehearsal" if trial.repeat == _REHEARSAL else f"Repeat {trial.repeat + 1} of {repeats}"
    return (
        f"{when}, {trial.server}, load {trial.load:g}: quality {trial.quality / trial.seconds:,.1f} per second; of "
        f"{trial.sent}, {trial.on_time} on time, {trial.late} late, {trial.refused + trial.failed} refused or failed."
    )
