"""Which worker has which request: the least busy one that has its model, and another when that one is gone or hangs."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence

from service import messages
from service.clock import Clock
from service.errors import Draining, RequestIsolated, ServiceError, WorkerLost
from service.pool.outlook import Outlook
from service.pool.probation import TRIES, Probation, company
from service.pool.reserve import SendReserve
from service.pool.supervisor import Supervisor
from service.pool.ticket import Ticket

_logger = logging.getLogger(__name__)


class Placement:
    """Every running request is with one worker, or parked while there is hope: until a worker is ready, or, if it was
    with one that died, until it can be tried apart from others (`Probation`).

    Args:
        workers: those that there are; others come and go.
        outlook: what a request will cost.
        reserve: what the way to a worker and back costs.
        clock: of the deadlines.
        end: called with a request that cannot be answered, and why.

    Attributes:
        draining: whether nothing is tried again any more.
    """

    def __init__(
        self,
        workers: Sequence[Supervisor],
        outlook: Outlook,
        reserve: SendReserve,
        clock: Clock,
        end: Callable[[Ticket, ServiceError], None],
    ) -> None:
        self.draining = False
        self._workers = workers
        self._outlook = outlook
        self._reserve = reserve
        self._clock = clock
        self._end = end
        self._holders: dict[str, Supervisor] = {}
        self._hopes: dict[str, asyncio.TimerHandle] = {}  # of those that are parked, when there is none left
        self._probation = Probation(self._try_suspects)

    def holder(self, ticket: Ticket) -> Supervisor | None:
        """The worker that has this request; None if it is parked."""
        return self._holders.get(ticket.id)

    def place(self, ticket: Ticket, now: float, least: float | None = None) -> None:
        """Give a request to the ready worker with the least to do; if there is none, park it while there is hope.

        A request that was just admitted is judged as of then, so that the two judgements cannot differ. There is no
        hope for a model that only a retiring worker had.

        Args:
            least: seconds that its smallest answer takes, if that is known.
        """
        spare = self._spare(ticket, now, least)
        having = self._having(ticket)
        ready = [worker for worker in having if worker.ready]
        self._stop_hoping(ticket)
        if spare < 0 or not (ready or any(not worker.retiring for worker in having)):
            self._end(ticket, _lost())
        elif ready and not ticket.losses:
            self._hand_over(ticket, self._least_busy(ready, ticket), now)
        else:
            if ticket.losses:
                self._probation.add(ticket)
            hope = asyncio.get_running_loop().call_later(spare, lambda: self._end(ticket, _lost()))
            self._hopes[ticket.id] = hope

    def remaining_ms(self, ticket: Ticket, now: float) -> float:
        """What the worker has left of its deadline."""
        return 1000 * (ticket.deadline - ticket.lead - now - self._reserve.duration.high)

    def remove(self, ticket: Ticket) -> None:
        """A request has had its ending."""
        if holder := self._holders.pop(ticket.id, None):
            holder.release(ticket.id)
        if ticket.losses:
            self._probation.ended(ticket)
        self._stop_hoping(ticket)

    def bereave(self, worker: Supervisor) -> None:
        """A worker is gone: what it had goes to another, is parked, or ends."""
        for ticket in _by_deadline(worker):
            self._try_again(ticket)

    def relieve(self, worker: Supervisor) -> None:
        """Take from a worker that says nothing what another can still do in time, and what it has failed to do."""
        now = self._clock.now()
        for ticket in _by_deadline(worker):
            others = any(other.ready and not other.suspect for other in self._having(ticket))
            if others or self._spare(ticket, now) < 0:
                worker.send(messages.Cancel(ticket.id))  # should it wake up
                self._try_again(ticket)

    def _try_again(self, ticket: Ticket) -> None:
        """The worker that had this request is gone, or might as well be."""
        self._holders.pop(ticket.id).release(ticket.id)
        ticket.losses += 1
        if self.draining:
            self._end(ticket, draining())
        elif ticket.losses >= TRIES:
            _logger.error("request %s was with %d workers that died or hung, and is isolated", ticket.id, TRIES)
            self._end(
                ticket, RequestIsolated(f"{TRIES} workers died or hung with this request; it is not tried again.")
            )
        else:
            self.place(ticket, self._clock.now())

    def _try_suspects(self) -> None:
        """Hand over those who wait for their second try, as far as they need not keep apart."""
        now, waiting = self._clock.now(), self._probation.waiting()
        needs = [(self._spare(ticket, now, least), least) for ticket in waiting for least in [self._least(ticket)]]
        together = company(needs, max(sum(worker.ready and not worker.suspect for worker in self._workers), 1))
        tried = Counter({worker: _suspects(worker) for worker in self._workers})
        for ticket in waiting:
            ready = [worker for worker in self._having(ticket) if worker.ready]
            worker = min(ready, key=lambda each: (each.retiring, each.suspect, tried[each], each.index), default=None)
            if worker and tried[worker] < together:
                tried[worker] += 1
                self._probation.remove(ticket)
                self._stop_hoping(ticket)
                self._hand_over(ticket, worker, now)

    def _least_busy(self, ready: Sequence[Supervisor], ticket: Ticket) -> Supervisor:
        if len(ready) == 1:
            return ready[0]
        owed = self._outlook.owed_s
        asked = ticket.generation
        return min(ready, key=lambda each: (each.retiring, each.suspect, owed(each, asked), each.load, each.index))

    def _having(self, ticket: Ticket) -> list[Supervisor]:
        """The workers that have its model, or had it when they were last seen."""
        return [worker for worker in self._workers if ticket.generation.model in worker.slots]

    def _spare(self, ticket: Ticket, now: float, least: float | None = None) -> float:
        """Seconds that it could wait before its smallest answer must be begun."""
        return ticket.deadline - ticket.lead - now - (self._least(ticket) if least is None else least)

    def _least(self, ticket: Ticket) -> float:
        """Seconds that its smallest answer takes."""
        return self._outlook.least(ticket.generation, self._reserve.duration).likely

    def _stop_hoping(self, ticket: Ticket) -> None:
        if hope := self._hopes.pop(ticket.id, None):
            hope.cancel()

    def _hand_over(self, ticket: Ticket, worker: Supervisor, now: float) -> None:
        asked = ticket.generation
        self._holders[ticket.id] = worker
        worker.tickets[ticket.id] = ticket
        ticket.worker = worker.index
        worker.send(
            messages.Submit(
                id=ticket.id,
                model=asked.model,
                remaining_ms=self.remaining_ms(ticket, now),
                n=asked.n,
                sampling=asked.sampling,
                encoding=asked.encoding,
                min_codes=asked.min_codes,
                max_codes=asked.max_codes,
                target_codes=asked.target_codes,
                priority=asked.priority,
                preview_ms=asked.preview_ms,
                sent_at=now,
            )
        )
        if ticket.stopped:
            worker.send(messages.Stop(ticket.id))


def draining() -> Draining:
    """The ending of a request that shutting down leaves unanswered."""
    return Draining("The server is shutting down, and could not answer any more.")


def _by_deadline(worker: Supervisor) -> Sequence[Ticket]:
    return sorted(worker.tickets.values(), key=lambda ticket: ticket.deadline)


def _suspects(worker: Supervisor) -> int:
    """How many it has that were with another when that died."""
    return sum(ticket.losses > 0 for ticket in worker.tickets.values())


def _lost() -> WorkerLost:
    return WorkerLost("The worker died or hangs, and no other can answer in time.")
