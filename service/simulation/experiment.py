"""One load under several policies: the same requests, devices and durations for each, and one bound for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from random import Random

from service.scheduler import Job
from service.simulation.bound import Demand, clairvoyant_quality
from service.simulation.device import Device
from service.simulation.door import Door
from service.simulation.durations import Durations
from service.simulation.policies import POLICIES
from service.simulation.tally import Cell, Tally
from service.simulation.traces import Arrival


@dataclass(frozen=True)
class House:
    """What serves the requests.

    Attributes:
        durations: of the operations of every worker.
        quality: expected quality after 0 .. K codes.
        workers, slots: devices, and samples in progress on each.
        queue_limit: samples that may wait for a slot.
        network: seconds kept back from every deadline for what the server cannot see.
        seed: of the durations that are drawn.
    """

    durations: Durations
    quality: Sequence[float]
    workers: int = 1
    slots: int = 64
    queue_limit: int = 1024
    network: float = 0.0
    seed: int = 0

    @property
    def codes(self) -> int:
        """How many codes a sample has at most."""
        return len(self.quality) - 1

    def capacity(self) -> float:
        """Full-length samples per second at the best batch, as PNGs of the model's own size."""
        work = self.durations.work(self.slots, [("png", 1)])
        return self.workers / (self.codes * work.code_s + work.sample_s)

    def bound(self, trace: Sequence[Arrival]) -> float:
        """The clairvoyant bound on the total quality of these requests."""
        kinds = sorted({each.kind for each in trace})
        work, operations = self.durations.work(self.slots, kinds), self.durations.operations(self.slots, kinds)
        demands = [Demand(each.at, each.at + each.within, each.max_codes, each.samples) for each in trace]
        return clairvoyant_quality(demands, work, self.quality, self.workers, operations)


class _Run:
    """One policy serving one trace."""

    def __init__(self, house: House, policy: str, trace: Sequence[Arrival]) -> None:
        self._house = house
        self._trace = trace
        self._chance = Random(f"{house.seed} durations")  # noqa: S311
        self._kinds = sorted({each.kind for each in trace})
        self._devices = [self._device(policy) for _ in range(house.workers)]
        self.door = Door([device.costs for device in self._devices], house.slots, house.queue_limit, house.network)
        self.tally = Tally()
        self._finished: dict[str, list[int]] = {}

    def serve(self) -> None:
        """Let everyone come, and wait until everyone who was let in is answered."""
        for number, arrival in enumerate(self._trace):
            for device in self._devices:
                device.advance(arrival.at)
            if self.door.admits(str(number), arrival):
                device = min(self._devices, key=lambda device: len(device.jobs))
                device.submit(_jobs(number, arrival, self.door.way.high), arrival.at)
        for device in self._devices:
            device.advance(inf)
            device.check_integrity()

    def _device(self, policy: str) -> Device:
        house = self._house
        costs = house.durations.warm_up(house.slots, self._kinds, self._chance)
        return Device(
            POLICIES[policy], house.durations, costs, house.quality, house.slots, self._chance, self._sample_ended
        )

    def _sample_ended(self, job: Job, at: float) -> None:
        """A request is answered with its last sample."""
        arrival = self._trace[int(job.request)]
        finished = self._finished.setdefault(job.request, [])
        finished.append(job.position)
        if len(finished) == arrival.samples:
            del self._finished[job.request]
            arrived, due = at + arrival.back, arrival.at + arrival.within
            self.tally.answered(arrived, due, finished, self._house.quality)
            late, least = arrived + self._house.network > due, max(finished) <= arrival.min_codes
            self.door.answered(job.request, arrived, arrival.back, late=late, least=least)


def serve(house: House, policy: str, trace: Sequence[Arrival], bound: float, load: float | None = None) -> Cell:
    """Serve the requests under one policy.

    Args:
        policy: one of `POLICIES`.
        trace: in the order of their coming.
        bound: of this trace, from `House.bound`.
        load: what to call it.
    """
    run = _Run(house, policy, trace)
    run.serve()
    return run.tally.cell(
        load=load,
        policy=policy,
        sent=len(trace),
        samples=sum(each.samples for each in trace),
        infeasible=run.door.infeasible,
        bound=bound,
    )


def _jobs(number: int, arrival: Arrival, reserve: float) -> list[Job]:
    return [
        Job(
            request=str(number),
            index=index,
            arrival=arrival.at,
            deadline=arrival.at + arrival.within - reserve,
            min_codes=arrival.min_codes,
            max_codes=arrival.max_codes,
            encoding=arrival.kind,
        )
        for index in range(arrival.samples)
    ]
