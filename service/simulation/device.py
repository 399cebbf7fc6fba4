"""A worker whose operations take no real time: it carries out plans as an engine does, on a clock of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from random import Random

from service.scheduler import Costs, Ending, Entry, Job
from service.simulation.durations import Durations
from service.simulation.policies import Policy

Ended = Callable[[Job, float], None]
"""Told which sample was handed over, and when."""


class Device:
    """One worker: its jobs, its slots, its clock, and what it has learnt of its costs.

    Args:
        durations: what operations really take.
        costs: what its policy believes they take; learns from each of them.
        quality: expected quality after 0 .. K codes.
        slots: samples in progress at once.
        chance: draws durations.
        ended: called when a sample is encoded.

    Attributes:
        jobs: those that are running or waiting.
        now: when its next action begins, in seconds; behind everybody else's clock while it is idle.
    """

    def __init__(
        self,
        policy: Policy,
        durations: Durations,
        costs: Costs,
        quality: Sequence[float],
        slots: int,
        chance: Random,
        ended: Ended,
    ) -> None:
        self.jobs: list[Job] = []
        self.now = -inf
        self.costs = costs
        self._policy = policy
        self._durations = durations
        self._quality = quality
        self._slots = slots
        self._chance = chance
        self._ended = ended

    def submit(self, jobs: Sequence[Job], now: float) -> None:
        """Take samples in; an action that has begun by `now` ends first."""
        self.now = max(self.now, now)
        self.jobs += jobs

    def advance(self, until: float) -> None:
        """Carry out every action that begins before `until`; the last may end after it."""
        while self.jobs and self.now < until:
            chosen = self._policy(self.now, self.jobs, self.costs, self._quality, self._slots)
            self._enter(chosen.enter)
            if chosen.step:
                self._step(chosen.step, chosen.codes)
            elif chosen.decode:
                self._finish(chosen.decode)
            elif not chosen.enter:
                raise AssertionError("a plan must enter, step or decode: nobody here asks for previews")

    def check_integrity(self) -> None:
        """Raise AssertionError if slots are held twice or not there."""
        held = [job.slot for job in self.jobs if job.slot is not None]
        if len(set(held)) != len(held) or not all(0 <= slot < self._slots for slot in held):
            raise AssertionError(f"slots are wrong: {sorted(held)}")

    def _enter(self, entries: Sequence[Entry]) -> None:
        for job, slot in entries:
            job.slot = slot

    def _step(self, jobs: Sequence[Job], codes: int) -> None:
        took = self._durations.step(len(jobs), self._chance)
        self.costs.steps.observe(len(jobs), took)
        if codes > 1:
            each = self._durations.repeat(len(jobs), self._chance)
            self.costs.repeats.observe(len(jobs), each)
            took += (codes - 1) * each
        self.now += took
        for job in jobs:
            job.position += codes

    def _finish(self, endings: Sequence[Ending]) -> None:
        """Decode together, then encode and hand over one by one."""
        took = self._durations.decode(len(endings), self._chance)
        self.now += took
        self.costs.decodes.observe(len(endings), took)
        for job, _ in endings:
            took = self._durations.encode(job.encoding, self._chance)
            self.now += took
            self.costs.encodes.observe(job.encoding, took)
            job.slot = None
            self._ended(job, self.now)
        leaving = {ending.job for ending in endings}
        self.jobs = [job for job in self.jobs if job not in leaving]
