"""Hands requests to workers, and sees to it that each gets exactly one ending."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Protocol

import msgspec

from service import messages
from service.admission import Admission, Place, Prospect
from service.clock import Clock, MonotonicClock
from service.errors import DeadlineInfeasible, ServiceError
from service.pool.crew import Crew, CrewObserver
from service.pool.outlook import Outlook
from service.pool.placement import Placement, draining
from service.pool.reserve import AnswerCost, SendReserve
from service.pool.supervisor import Supervisor
from service.pool.ticket import Generation, Ticket
from service.registry import BundleState, Catalogue, Registry
from service.settings import Settings

_logger = logging.getLogger(__name__)

_DOUBT_S = 0.1


class PoolObserver(CrewObserver, Protocol):
    """Who keeps the numbers."""

    def stats(self, worker: int, stats: messages.Stats, retiring: bool) -> None:
        """A worker's numbers since its last, by the models' labels; of one that is retiring, or of the one."""


class Pool:
    """The workers, and every request that they have.

    A request is with one worker, or parked until one is ready, or it has ended. All methods are called from one event
    loop, and each changes this without an await.

    Args:
        settings: bundles, workers, device, threads, slots, limits and timeouts.
        observer: is told about workers.
        clock: of the deadlines.
    """

    def __init__(self, settings: Settings, observer: PoolObserver, clock: Clock | None = None) -> None:
        self.clock = clock or MonotonicClock()
        self._registry = Registry(settings.bundles)
        self._settings = settings
        self._observer = observer
        self._admission = Admission(settings.queue_limit)
        self._network = settings.network_ms / 1000
        self._reserve = SendReserve(self._network)
        self._doubted = -inf
        self._crew = Crew(settings, self._registry, self.clock, self, observer)
        self._outlook = Outlook(self._crew.workers)
        self._tickets: dict[str, Ticket] = {}
        self._answer_cost = AnswerCost()
        self._placement = Placement(self._crew.workers, self._outlook, self._reserve, self.clock, self._end)
        self._places: dict[str, Place] = {}
        self._all_ended = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether a worker takes requests."""
        return not self._admission.draining and any(worker.ready for worker in self._crew.active)

    @property
    def manifests(self) -> Catalogue:
        """The models that answer now, empty before `start`; another catalogue whenever they change."""
        return self._registry.catalogue

    @property
    def paths(self) -> dict[str, Path]:
        """The folder of each of these models, by identity."""
        return self._registry.paths

    @property
    def bundles(self) -> list[BundleState]:
        """What became of each bundle, and what is on its way out."""
        going = {identity for worker in self._crew.workers if worker.retiring for identity in worker.slots}
        going -= {manifest.identity for manifest in self.manifests.values()}
        leaving = sorted({identity.partition("#")[0] for identity in going})
        return self._registry.bundles() + [BundleState(None, model, "unloading") for model in leaving]

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call this whenever there is another catalogue."""
        self._registry.listeners.append(listener)

    def rescan(self) -> None:
        """Look at the bundles now, and try again what could not be loaded."""
        self._crew.rescan()

    @property
    def running(self) -> int:
        """Requests that have not had their ending."""
        return len(self._tickets)

    async def start(self) -> None:
        """Start the workers; returns once one is ready.

        Raises:
            BundleError: there is no bundle, one cannot be read, or two are of the same name and version.
            WorkerStartError: a worker cannot start, before any was ready.
        """
        try:
            await self._crew.start()
        except BaseException:
            await self._crew.close()
            raise

    async def close(self) -> None:
        """Have every running request answered at its present prefix, then end the workers.

        What is not answered within the shutdown timeout, or is not with a worker, ends as `Draining`.
        """
        self._admission.draining = self._placement.draining = True
        self._crew.halt()
        for ticket in list(self._tickets.values()):
            if not self._placement.holder(ticket):
                self._end(ticket, draining())
        for worker in self._crew.workers:
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
        await self._crew.close()

    def minimum_deadline_ms(self, model: str) -> float | None:
        """The smallest deadline with which a request for one sample could be answered now; None if that is unknown."""
        return self._outlook.smallest_deadline_ms(model, self._reserve.duration)

    def alone_codes(self, generation: Generation, deadline: float) -> int:
        """How many codes each sample of a request would usually have, were it alone; 0 if it could not be answered."""
        seconds = deadline - self.clock.now()
        return self._outlook.alone_codes(generation, seconds, self._reserve.duration)

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

    # What the crew tells.

    def worker_ready(self, worker: Supervisor) -> None:
        """A worker is ready: it gets what was parked."""
        if self._admission.draining:
            worker.send(messages.Drain())
        parked = [ticket for ticket in self._tickets.values() if not self._placement.holder(ticket)]
        now = self.clock.now()
        for ticket in sorted(parked, key=lambda ticket: ticket.deadline):
            self._placement.place(ticket, now)

    def worker_lost(self, worker: Supervisor) -> None:
        """A worker is gone: what it had goes to another, is parked, or ends."""
        self._placement.bereave(worker)

    def relieve(self, worker: Supervisor) -> None:
        """A worker says nothing: others take over what they can."""
        self._placement.relieve(worker)

    def received(self, worker: Supervisor, message: messages.FromWorker) -> None:
        """Pass a worker's message on. What it says of a request that is no longer there crossed a cancellation."""
        match message:
            case messages.Stats():
                self._observer.stats(worker.index, self._labelled(message), worker.retiring)
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
        for worker in self._crew.active:
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

    def _labelled(self, stats: messages.Stats) -> messages.Stats:
        """The same by the labels that metrics have for models."""
        label = self.manifests.label
        return msgspec.structs.replace(
            stats,
            steps={label(identity): steps for identity, steps in stats.steps.items()},
            reserve_s={label(identity): seconds for identity, seconds in stats.reserve_s.items()},
            minimums={label(identity): minimum for identity, minimum in stats.minimums.items()},
            batches={label(identity): batches for identity, batches in stats.batches.items()},
        )
