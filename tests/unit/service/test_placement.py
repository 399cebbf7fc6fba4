"""Which worker has which request, with workers that only take notes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import cast

import pytest
from fake_processes import settled
from manual_clock import ManualClock
from real_pool import generation

from service import messages
from service.errors import Draining, RequestIsolated, ServiceError, WorkerLost
from service.pool.outlook import Outlook
from service.pool.placement import Placement
from service.pool.probation import company
from service.pool.reserve import SEED_S, SendReserve
from service.pool.supervisor import Supervisor
from service.pool.ticket import Ticket, TicketOwner
from service.scheduler.costs import exactly


@dataclass(eq=False)
class NotedWorker:
    """Takes notes of what it is sent."""

    index: int
    ready: bool = True
    suspect: bool = False
    retiring: bool = False
    tickets: dict[str, Ticket] = field(default_factory=dict)
    minimums: dict[str, messages.Minimum] = field(default_factory=dict)
    slots: dict[str, int] = field(default_factory=lambda: {"tiny": 8})
    sent: list[messages.ToWorker] = field(default_factory=list)

    @property
    def load(self) -> int:
        return len(self.tickets)

    def release(self, ticket_id: str) -> None:
        del self.tickets[ticket_id]

    def send(self, message: messages.ToWorker) -> None:
        self.sent.append(message)


class House:
    """Two workers, and a placement over them."""

    def __init__(self) -> None:
        self.notes = [NotedWorker(0), NotedWorker(1)]
        self.ended: list[tuple[str, ServiceError]] = []
        self.clock = ManualClock()
        workers = [cast("Supervisor", worker) for worker in self.notes]
        self.placement = Placement(workers, Outlook(workers), SendReserve(), self.clock, self._end)

    def _end(self, ticket: Ticket, error: ServiceError) -> None:
        self.placement.remove(ticket)
        self.ended.append((ticket.id, error))

    def answer(self, ticket: Ticket) -> None:
        """It has its result."""
        self.placement.remove(ticket)

    async def dies(self, worker: NotedWorker) -> None:
        """A worker dies, and another is started in its place."""
        worker.ready = False
        self.placement.bereave(cast("Supervisor", worker))
        await settled()
        worker.ready = True

    def place(self, name: str, within: float, lead: float = 0.0, model: str = "tiny") -> Ticket:
        now = self.clock.now()
        ticket = Ticket(name, generation()._replace(model=model), now + within, now, cast("TicketOwner", self))
        ticket.lead = lead
        self.placement.place(ticket, now)
        return ticket


@pytest.fixture
def house() -> House:
    return House()


def test_the_worker_has_what_the_way_and_those_written_before_leave(house: House) -> None:
    house.place("a", within=0.1)
    house.place("b", within=0.1, lead=0.03)
    told = [message for worker in house.notes for message in worker.sent if isinstance(message, messages.Submit)]
    assert [message.remaining_ms for message in told] == pytest.approx([100 - 1000 * SEED_S, 70 - 1000 * SEED_S])


def test_the_least_busy_worker_is_taken_and_a_suspect_one_last(house: House) -> None:
    tickets = [house.place(name, within=1.0) for name in "abc"]
    assert [worker.load for worker in house.notes] == [2, 1]
    house.notes[1].suspect = True
    house.place("d", within=1.0)
    assert [worker.load for worker in house.notes] == [3, 1]
    assert house.placement.holder(tickets[1]) is cast("Supervisor", house.notes[1])


async def test_who_was_with_two_workers_that_died_is_isolated(house: House) -> None:
    ticket = house.place("a", within=1.0)
    for worker in house.notes:
        assert house.placement.holder(ticket) is cast("Supervisor", worker)
        await house.dies(worker)
    assert house.placement.holder(ticket) is None
    ((name, error),) = house.ended
    assert name == "a"
    assert isinstance(error, RequestIsolated)
    assert sum(isinstance(each, messages.Submit) for worker in house.notes for each in worker.sent) == 2


async def test_who_was_with_a_worker_that_died_is_tried_alone_so_that_only_the_culprit_is_isolated(
    house: House,
) -> None:
    house.notes[1].ready = False
    tickets = [house.place(name, within=10.0) for name in "abc"]
    house.notes[1].ready = True
    await house.dies(house.notes[0])
    house.notes[0].ready = False
    survivor = house.notes[1]
    assert list(survivor.tickets) == ["a"]
    house.answer(tickets[0])
    await settled()
    assert list(survivor.tickets) == ["b"]
    fresh = house.place("d", within=10.0)
    await house.dies(survivor)
    assert [(name, type(error)) for name, error in house.ended] == [("b", RequestIsolated)]
    assert (tickets[2].losses, fresh.losses) == (1, 1)


async def test_a_crowd_in_a_hurry_is_tried_together(house: House) -> None:
    house.notes[1].ready = False
    for name in range(40):
        house.place(str(name), within=0.1)
    house.notes[1].ready = True
    await house.dies(house.notes[0])
    house.notes[0].ready = False
    assert 2 < house.notes[1].load < 40
    house.clock.spend(0.09)
    await asyncio.sleep(0.05)
    assert house.notes[1].load == 40


async def test_nobody_is_tried_with_a_worker_that_hangs(house: House) -> None:
    silent, other = house.notes
    other.ready = False
    for name in "abc":
        house.place(name, within=10.0)
    other.ready, silent.suspect = True, True
    house.placement.relieve(cast("Supervisor", silent))
    await settled()
    assert (silent.load, other.load) == (0, 1)
    house.placement.relieve(cast("Supervisor", silent))
    assert house.ended == []


async def test_who_waits_for_its_second_try_is_told_in_time_if_there_is_none(house: House) -> None:
    house.notes[1].ready = False
    ticket = house.place("a", within=0.05)
    await house.dies(house.notes[0])
    house.notes[0].ready = False
    await asyncio.sleep(0.1)
    ((_, error),) = house.ended
    assert isinstance(error, WorkerLost)
    assert ticket.losses == 1


def test_who_is_slower_gets_fewer(house: House) -> None:
    """Where two have two processors with others, one of them often has less of them for a while."""
    for worker, seconds in zip(house.notes, (0.003, 0.001), strict=True):
        takes = exactly(seconds)
        worker.minimums = {"tiny": messages.Minimum(takes, takes, 0.0, (seconds, seconds), [])}
    for number in range(40):
        house.place(str(number), within=60.0)
    assert [worker.load for worker in house.notes] == [10, 30]


def test_as_few_as_will_do_are_tried_together() -> None:
    assert company([], 1) == 1
    assert company([(10.0, 0.001)] * 3, 1) == 1
    assert company([(0.1, 0.001)] * 50, 1) == 4
    assert company([(0.1, 0.001)] * 50, 2) == 2
    assert company([(-1.0, 0.001)], 1) > 10


def test_nothing_is_tried_again_while_shutting_down(house: House) -> None:
    house.place("a", within=1.0)
    house.placement.draining = True
    house.placement.bereave(cast("Supervisor", house.notes[0]))
    assert [type(error) for _, error in house.ended] == [Draining]


async def test_a_silent_worker_is_relieved_of_what_another_can_do(house: House) -> None:
    ticket = house.place("a", within=1.0)
    silent, other = house.notes
    silent.suspect = True
    house.placement.relieve(cast("Supervisor", silent))
    assert isinstance(silent.sent[-1], messages.Cancel)
    await settled()
    assert house.placement.holder(ticket) is cast("Supervisor", other)
    assert ticket.losses == 1
