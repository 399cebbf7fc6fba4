"""A front's pool: every request is with one replica, and with another when that one is lost."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path

import msgspec

from service import messages
from service.clock import Clock, MonotonicClock, clock_id
from service.errors import DeadlineInfeasible, Draining, ModelNotFound, Overloaded, ServiceError, WorkerLost
from service.fleet.attempt import Attempt, FleetTicket, submit_of
from service.fleet.carrier import Carrier, ReplicaLost
from service.fleet.pulses import SILENT_S, Pulses
from service.fleet.roll import Roll
from service.fleet.wording import error_of
from service.pool import Generation, Ticket, WorkerStartError
from service.pool.reserve import SendReserve
from service.registry import BundleState, Catalogue
from service.settings import Settings

WAY_SEED_S = 0.01
_LOSSES = 2
_REFUSALS = 2
_AGAIN_S = 0.01
_WATCH_S = 0.05
_ELSEWHERE = (DeadlineInfeasible, Draining, ModelNotFound, Overloaded, WorkerLost)
_logger = logging.getLogger(__name__)


class Fleet:
    """The replicas, and every request that was sent to them. All methods are called from one event loop.

    A request that was lost with its replica is sent to another with what is left of its deadline. Its seed was chosen
    before, so that its codes are those that the first would have drawn. One that is refused is sent to one other: a
    replica refuses for itself, and does not know how busy the rest are.

    Args:
        settings: limits, timeouts, what to keep back for the network, where bundles may lie.
        carrier: to the replicas.
    """

    def __init__(self, settings: Settings, carrier: Carrier, clock: Clock | None = None) -> None:
        self.clock = clock or MonotonicClock()
        self._settings = settings
        self._carrier = carrier
        self._clock_id = clock_id()
        self._reserve = SendReserve(settings.network_ms / 1000, WAY_SEED_S)
        self._draining = False
        self._roll = Roll(carrier, settings.bundles, self.clock)
        self._tickets: dict[str, FleetTicket] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._told: set[asyncio.Task[None]] = set()
        self._pulses = Pulses(carrier.pulse, self._awaits, self.clock)
        self._keeping: list[asyncio.Task[None]] = []
        self._idle = asyncio.Event()
        self._decoder: msgspec.msgpack.Decoder[messages.FromReplica] = msgspec.msgpack.Decoder(messages.FromReplica)
        self._pack = msgspec.msgpack.Encoder().encode

    @property
    def ready(self) -> bool:
        """Whether replicas answer, and requests are taken."""
        return not self._draining and self._roll.recent

    @property
    def manifests(self) -> Catalogue:
        """The models that replicas answer for."""
        return self._roll.catalogue

    @property
    def paths(self) -> Mapping[str, Path]:
        """The folders of those that lie on this machine as well."""
        return self._roll.paths

    @property
    def bundles(self) -> list[BundleState]:
        """What replicas answer for; what they cannot load is in their logs."""
        return [BundleState(None, manifest.reference, "ready") for manifest in self._roll.catalogue.values()]

    @property
    def running(self) -> int:
        """Requests that have not had their ending."""
        return len(self._tickets)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call this whenever there is another catalogue."""
        self._roll.listeners.append(listener)

    def rescan(self) -> None:
        """Replicas look at their bundles by themselves."""

    async def start(self) -> None:
        """Returns once a replica has said what it answers for. Raises WorkerStartError if none does in time."""
        try:
            async with asyncio.timeout(self._settings.start_timeout):
                await self._roll.first()
        except TimeoutError:
            raise WorkerStartError(f"no replica was ready after {self._settings.start_timeout:g} s") from None
        self._keeping = [asyncio.create_task(self._roll.follow()), asyncio.create_task(self._watch())]

    async def close(self) -> None:
        """Take no more; wait for what runs, which has its deadlines, and end what is left at the shutdown timeout."""
        self._draining = True
        if self._tickets:
            self._idle.clear()
            try:
                async with asyncio.timeout(self._settings.shutdown_timeout):
                    await self._idle.wait()
            except TimeoutError:
                for ticket in list(self._tickets.values()):
                    self._end(ticket, Draining("The server is shutting down, and could not answer any more."))
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, *self._told, return_exceptions=True)
        await self._pulses.close()

    def minimum_deadline_ms(self, model: str) -> float | None:
        """The smallest deadline that a replica would take, and the way there and back."""
        least_ms = self._roll.minimums_ms.get(model)
        return None if least_ms is None else least_ms + 1000 * self._reserve.duration.high

    def submit(self, generation: Generation, deadline: float) -> Ticket:
        """Send a request to a replica. What that has against it comes as the ticket's ending.

        Raises:
            Draining: no more requests are taken.
        """
        if self._draining:
            raise Draining("The server is shutting down.")
        ticket = FleetTicket(os.urandom(8).hex(), generation, deadline, self.clock.now(), self)
        self._tickets[ticket.id] = ticket
        self._tasks[ticket.id] = asyncio.create_task(self._serve(ticket))
        return ticket

    def delivered(self, ticket: Ticket) -> None:
        """Learn what the way to a replica and back cost."""
        attempt = ticket.attempt if isinstance(ticket, FleetTicket) else None
        if attempt and attempt.inside is not None:
            now = self.clock.now()
            self._reserve.observe(now, now - attempt.sent_at - attempt.inside)

    # What tickets ask for.

    def extend(self, ticket: Ticket) -> None:
        """Tell the replica of a request's new deadline."""
        self._pass_on(ticket)

    def stop(self, ticket: Ticket) -> None:
        """Have this request answered now."""
        self._pass_on(ticket)

    def cancel(self, ticket: Ticket) -> None:
        """Forget this request; the carrier tells the replica."""
        self._end(ticket, None)

    # One request.

    async def _serve(self, ticket: FleetTicket) -> None:
        """Have a request answered, by as many replicas as it takes."""
        avoid: list[str] = []
        refusals = 0
        while True:
            ticket.attempt = attempt = Attempt(ticket, self.clock.now(), self._reserve.duration.high)
            try:
                ending = await self._try(attempt, avoid)
            except Exception:
                _logger.exception("request %s could not be carried", ticket.id)
                ending = ServiceError("The request could not be passed on.")
            if attempt.replica is not None:
                avoid.append(attempt.replica)
            if isinstance(ending, _ELSEWHERE):
                refusals += 1
                if refusals < _REFUSALS and self._pulses.others(avoid):
                    continue
                if ticket.losses:
                    ending = self._lost(ticket)  # which is why there is too little time, or room
            if ending is None:
                ticket.losses += attempt.replica is not None
                if ticket.losses < _LOSSES and self.clock.now() < ticket.deadline:
                    await asyncio.sleep(0 if attempt.replica else _AGAIN_S)
                    continue
                ending = self._lost(ticket)
            self._end(ticket, ending)
            return

    async def _try(self, attempt: Attempt, avoid: Sequence[str]) -> messages.Result | ServiceError | None:
        """Have one replica answer; None if it was lost."""
        remaining_ms = self._remaining_ms(attempt.due, attempt.sent_at)
        submit = submit_of(attempt.ticket.id, attempt.ticket.generation, remaining_ms, attempt.sent_at)
        call = self._pack(messages.Call(submit, self._clock_id))
        try:
            async with attempt.patience, aclosing(self._carrier.run(call, [*avoid, *self._pulses.silent()])) as said:
                async for data in said:
                    match self._decoder.decode(data):
                        case messages.Taken(replica=replica):
                            self._taken(attempt, replica)
                        case messages.Preview() as preview:
                            attempt.ticket.show(preview)
                        case messages.Answered() as answered:
                            attempt.answered(answered)
                            return answered.result
                        case messages.Refused() as refused:
                            attempt.replica = refused.replica
                            self._pulses.met(refused.replica)
                            ticket = attempt.ticket
                            return error_of(refused, 1000 * (ticket.deadline - ticket.submitted))
        except (ReplicaLost, TimeoutError) as error:
            _logger.warning("request %s was lost with replica %s: %r", attempt.ticket.id, attempt.replica, error)
        finally:
            attempt.over = True
        return None

    def _taken(self, attempt: Attempt, replica: str) -> None:
        attempt.replica = replica
        self._pulses.follow(replica)
        if attempt.ticket.stopped or attempt.ticket.deadline > attempt.due:
            self._pass_on(attempt.ticket)

    def _pass_on(self, ticket: Ticket) -> None:
        """Tell the replica what its client wants by now; nothing while none has it, since `_taken` will."""
        attempt = ticket.attempt if isinstance(ticket, FleetTicket) else None
        if attempt is None or attempt.replica is None:
            return
        now = self.clock.now()
        if ticket.stopped:
            self._tell(messages.Stop(ticket.id), attempt.replica)
        elif ticket.deadline > attempt.due:
            attempt.due = ticket.deadline
            message = messages.Extend(ticket.id, self._remaining_ms(ticket.deadline, now), now)
            self._tell(message, attempt.replica)

    def _tell(self, message: messages.Extend | messages.Stop, replica: str) -> None:
        async def carry() -> None:
            try:
                async with asyncio.timeout(SILENT_S):
                    await self._carrier.tell(self._pack(messages.Told(message, self._clock_id)), replica)
            except (ReplicaLost, TimeoutError) as error:  # the request is sent to another with what is wanted by then
                _logger.info("replica %s could not be told: %r", replica, error)

        task = asyncio.create_task(carry())
        self._told.add(task)
        task.add_done_callback(self._told.discard)

    def _end(self, ticket: Ticket, ending: messages.Result | ServiceError | None) -> None:
        """Every ending comes through here."""
        del self._tickets[ticket.id]
        task = self._tasks.pop(ticket.id)
        if task is not asyncio.current_task():
            task.cancel()
        if isinstance(ending, DeadlineInfeasible):
            self._reserve.forget_old(self.clock.now())
        ticket.end(ending)
        if not self._tickets:
            self._idle.set()

    def _lost(self, ticket: Ticket) -> ServiceError:
        """Why nobody has answered a request."""
        if ticket.losses:
            return WorkerLost("The replica that had the request was lost, and no other could answer in time.")
        given_ms = 1000 * (ticket.deadline - ticket.submitted)
        least_ms = self.minimum_deadline_ms(ticket.generation.model)
        if least_ms is not None and given_ms < least_ms:
            return DeadlineInfeasible.within(given_ms, least_ms)
        return WorkerLost("No replica took the request in time.")

    def _remaining_ms(self, deadline: float, now: float) -> float:
        return 1000 * (deadline - now - self._reserve.duration.high)

    # All of them.

    def _awaits(self, replica: str) -> bool:
        return any(each.attempt and each.attempt.replica == replica for each in self._tickets.values())

    async def _watch(self) -> None:
        """Give up on replicas that are not heard, and on those that nobody has taken in time."""
        while True:
            await asyncio.sleep(_WATCH_S)
            now = self.clock.now()
            silent = set(self._pulses.silent())
            for ticket in list(self._tickets.values()):
                attempt = ticket.attempt
                if attempt is None or attempt.over:
                    continue
                waits = attempt.replica is None and now - attempt.sent_at > attempt.untaken_s
                if attempt.replica in silent or waits:
                    attempt.give_up()
