"""Hands requests to workers, and sees to it that each gets exactly one ending."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Protocol

from models.bundle.manifest import Manifest
from models.bundle.reader import find_bundles, read_manifest
from models.errors import BundleError
from service import messages
from service.admission import Admission, Place, Prospect
from service.clock import Clock, MonotonicClock
from service.errors import DeadlineInfeasible, ServiceError
from service.pool.child import WorkerStartError
from service.pool.launcher import Launcher
from service.pool.outlook import Outlook
from service.pool.placement import Placement, draining
from service.pool.reserve import AnswerCost, SendReserve
from service.pool.supervisor import Supervisor
from service.pool.ticket import Generation, Ticket
from service.pool.watchdog import Watchdog
from service.settings import Settings

_logger = logging.getLogger(__name__)

_DOUBT_S = 0.1


class PoolObserver(Protocol):
    """Who keeps the numbers."""

    def worker_up(self, worker: int, up: bool) -> None:
        """A worker became ready, or is no longer."""

    def worker_restarted(self, worker: int) -> None:
        """A worker that had gone is started again."""

    def stats(self, worker: int, stats: messages.Stats) -> None:
        """A worker's numbers since its last."""


class Pool:
    """The workers, and every request that they have.

    A request is with one worker, or parked until one is ready, or it has ended. All methods are called from one event
    loop, and each changes this without an await.

    Args:
        settings: bundles, workers, device, threads, slots, limits and timeouts.
        observer: is told about workers.
        clock: of the deadlines.

    Attributes:
        manifests: the models that are served, by name; empty before `start`.
    """

    def __init__(self, settings: Settings, observer: PoolObserver, clock: Clock | None = None) -> None:
        self.clock = clock or MonotonicClock()
        self.manifests: Mapping[str, Manifest] = {}
        self._settings = settings
        self._observer = observer
        self._admission = Admission(settings.queue_limit)
        self._network = settings.network_ms / 1000
        self._reserve = SendReserve(self._network)
        self._doubted = -inf
        self._workers: list[Supervisor] = []
        self._outlook = Outlook(self._workers)
        self._tickets: dict[str, Ticket] = {}
        self._answer_cost = AnswerCost()
        self._placement = Placement(self._workers, self._outlook, self._reserve, self.clock, self._end)
        self._places: dict[str, Place] = {}
        self._watching: asyncio.Task[None] | None = None
        self._decided = asyncio.Event()
        self._start_error: WorkerStartError | None = None
        self._all_ended = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether a worker takes requests."""
        return not self._admission.draining and any(worker.ready for worker in self._workers)

    @property
    def running(self) -> int:
        """Requests that have not had their ending."""
        return len(self._tickets)

    async def start(self) -> None:
        """Start the workers; returns once one is ready.

        Raises:
            BundleError: there is no bundle, one cannot be read, or two have the same name.
            WorkerStartError: a worker cannot start, before any was ready.
        """
        bundles = find_bundles(self._settings.bundles)
        self.manifests = _by_name(bundles)
        launcher = Launcher(self._settings, bundles)
        for index in range(self._settings.workers):
            timeout = self._settings.start_timeout
            self._workers.append(Supervisor(index, launcher.launch, timeout, self.clock, self))
        try:
            await self._decided.wait()
            if self._start_error:
                raise self._start_error
            self._watching = asyncio.create_task(Watchdog(self._workers, self.clock, self._placement.relieve).run())
        except BaseException:
            await self._end_workers()
            raise

    async def close(self) -> None:
        """Have every running request answered at its present prefix, then end the workers.

        What is not answered within the shutdown timeout, or is not with a worker, ends as `Draining`.
        """
        self._admission.draining = self._placement.draining = True
        for ticket in list(self._tickets.values()):
            if not self._placement.holder(ticket):
                self._end(ticket, draining())
        for worker in self._workers:
            if worker.ready:
                worker.send(messages.Drain())
        if self._tickets:
            self._all_ended.clear()
            try:
                async with asyncio.timeout(self._settings.shutdown_timeout):
                    await self._all_ended.wait()
            except TimeoutError:
                for ticket in list(self._tickets.values()):
                    self._end(ticket, draining())
        await self._end_workers()

    def minimum_deadline_ms(self, model: str) -> float | None:
        """The smallest deadline with which a request for one sample could be answered now; None if that is unknown."""
        return self._outlook.smallest_deadline_ms(model, self._reserve.duration)

    def submit(self, generation: Generation, deadline: float) -> Ticket:
        """Take a request for a loaded model.

        Args:
            deadline: when its last byte is due, in seconds on `clock`.

        Raises:
            Draining, WorkerLost, DeadlineInfeasible, Overloaded: see `Admission.admit`.
        """
        now = self.clock.now()
        prospect = self._prospect(generation)
        try:
            place = self._admission.admit(generation.model, generation.n, now, deadline, prospect)
        except DeadlineInfeasible:
            if 1000 * (deadline - now) < prospect.minimum_ms:
                self._doubt(generation, now)
            raise
        ticket = Ticket(os.urandom(8).hex(), generation, deadline, now, self)
        ticket.lead = place.lead
        self._places[ticket.id] = place
        self._tickets[ticket.id] = ticket
        self._placement.place(ticket, now, prospect.minimum_ms / 1000)
        return ticket

    def delivered(self, ticket: Ticket) -> None:
        """The last byte of the ticket's result was handed to the transport: learn what the way cost, and if in time."""
        if ticket.result and not ticket.losses:
            now = self.clock.now()
            self._answer_cost.count(now)
            self._reserve.observe(now, now - ticket.submitted - ticket.result.timing.total_ms / 1000)
            asked, late = ticket.generation, now + self._network > ticket.deadline
            floor = max(asked.min_codes, asked.sampling.most_given)
            least = all(len(output.codes) <= floor for output in ticket.result.outputs)
            self._admission.answered(asked.model, late=late, least=least)

    # What tickets ask for.

    def extend(self, ticket: Ticket) -> None:
        """Tell the worker of a request's new deadline; one that is parked has more hope."""
        now = self.clock.now()
        place = self._admission.extend(self._places[ticket.id], ticket.deadline, self._prospect(ticket.generation))
        self._places[ticket.id], ticket.lead = place, place.lead
        holder = self._placement.holder(ticket)
        if holder is None:
            self._placement.place(ticket, now)
        else:
            holder.send(messages.Extend(ticket.id, self._placement.remaining_ms(ticket, now), now))

    def stop(self, ticket: Ticket) -> None:
        """Answer this request now; one that is parked, as soon as it has a worker."""
        if holder := self._placement.holder(ticket):
            holder.send(messages.Stop(ticket.id))

    def cancel(self, ticket: Ticket) -> None:
        """Forget this request."""
        if holder := self._placement.holder(ticket):
            holder.send(messages.Cancel(ticket.id))
        self._end(ticket, None)

    # What supervisors tell.

    def worker_up(self, worker: Supervisor) -> None:
        """A worker is ready: it gets what was parked."""
        self._decided.set()
        self._observer.worker_up(worker.index, True)
        if self._admission.draining:
            worker.send(messages.Drain())
        parked = [ticket for ticket in self._tickets.values() if not self._placement.holder(ticket)]
        now = self.clock.now()
        for ticket in sorted(parked, key=lambda ticket: ticket.deadline):
            self._placement.place(ticket, now)

    def worker_down(self, worker: Supervisor) -> None:
        """A worker is gone: what it had goes to another, is parked, or ends."""
        self._observer.worker_up(worker.index, False)
        self._placement.bereave(worker)

    def worker_failed(self, worker: Supervisor, error: WorkerStartError) -> None:
        """A worker cannot start. At first that is the end; later it is tried again."""
        if self._decided.is_set():
            _logger.error("worker %d cannot start: %s", worker.index, error)
        else:
            self._start_error = error
            self._decided.set()

    def restarting(self, worker: Supervisor) -> None:
        """A worker that had gone is started again."""
        self._observer.worker_restarted(worker.index)

    def received(self, worker: Supervisor, message: messages.FromWorker) -> None:
        """Pass a worker's message on. What it says of a request that is no longer there crossed a cancellation."""
        match message:
            case messages.Stats():
                self._observer.stats(worker.index, message)
            case messages.Preview() | messages.Result() | messages.Failed():
                if ticket := worker.tickets.get(message.id):
                    self._tell(ticket, message)
            case _:
                _logger.warning("worker %d sent %s out of turn", worker.index, type(message).__name__)

    def _tell(self, ticket: Ticket, message: messages.Preview | messages.Result | messages.Failed) -> None:
        match message:
            case messages.Preview():
                ticket.show(message)
            case messages.Result():
                self._end(ticket, message)
            case messages.Failed():
                self._end(ticket, ServiceError(message.message))

    def _prospect(self, generation: Generation) -> Prospect:
        return self._outlook.prospect(generation, self._reserve.duration, self._answer_cost.seconds)

    def _doubt(self, generation: Generation, now: float) -> None:
        """A request was refused for what it would cost, which may be no longer true: let it be looked into."""
        self._reserve.forget_old(now)
        if now - self._doubted < _DOUBT_S:
            return
        self._doubted = now
        for worker in self._workers:
            if worker.ready:
                worker.send(messages.Remeasure(generation.model, generation.n, generation.encoding))

    def _end(self, ticket: Ticket, ending: messages.Result | ServiceError | None) -> None:
        """Every ending comes through here."""
        del self._tickets[ticket.id]
        self._placement.remove(ticket)
        self._admission.leave(self._places.pop(ticket.id))
        ticket.end(ending)
        if not self._tickets:
            self._all_ended.set()

    async def _end_workers(self) -> None:
        if self._watching:
            self._watching.cancel()
        await asyncio.gather(*(worker.close() for worker in self._workers))
        self._workers.clear()


def _by_name(bundles: Sequence[Path]) -> dict[str, Manifest]:
    manifests: dict[str, Manifest] = {}
    for path in bundles:
        manifest = read_manifest(path)
        if manifest.name in manifests:
            raise BundleError(path, f"another bundle is also named {manifest.name}")
        manifests[manifest.name] = manifest
    return manifests
