"""What the pool is made of, without processes."""

from __future__ import annotations

import asyncio
import math

import pytest

from service import messages
from service.errors import WorkerLost
from service.pool.child import WorkerStartError
from service.pool.launcher import Launcher
from service.pool.outlook import minimum
from service.pool.reserve import ANSWER_SEED_S, SEED_S, AnswerCost, SendReserve
from service.pool.ticket import Generation, Ticket
from service.scheduler.costs import Duration, exactly
from service.settings import Settings


def generation(n: int = 1, file_format: str = "png", scale: int = 1, codes: tuple[int, ...] = ()) -> Generation:
    return Generation(
        "tiny",
        n,
        messages.Sampling(1, None, 1.0, 0, 1.0, codes=codes),
        messages.Encoding(file_format, scale),
        min_codes=1,
        max_codes=6,
        preview_ms=None,
    )


class Owner:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def extend(self, ticket: Ticket) -> None:
        self.asked.append(("extend", ticket.id))

    def stop(self, ticket: Ticket) -> None:
        self.asked.append(("stop", ticket.id))

    def cancel(self, ticket: Ticket) -> None:
        self.asked.append(("cancel", ticket.id))
        ticket.end(None)


@pytest.fixture
def owner() -> Owner:
    return Owner()


@pytest.fixture
def ticket(owner: Owner) -> Ticket:
    return Ticket("t", generation(2), 1.0, 0.0, owner)


def preview(index: int, codes: int) -> messages.Preview:
    return messages.Preview("t", messages.Output(index, b"", list(range(codes)), "", 0.5), 1.0)


RESULT = messages.Result("t", [], messages.Timing(0, 0, 0, 0, 0))


async def test_a_reader_gets_the_latest_preview_of_each_sample_and_then_the_result(ticket: Ticket) -> None:
    ticket.show(preview(0, 1))
    ticket.show(preview(1, 1))
    ticket.show(preview(0, 3))
    got = []
    async for message in ticket:
        got.append(message)
        if len(got) == 2:
            ticket.show(preview(0, 4))
            ticket.end(RESULT)
    assert got == [preview(0, 3), preview(1, 1), RESULT]


async def test_an_error_is_raised_in_place_of_the_result(ticket: Ticket) -> None:
    asyncio.get_running_loop().call_soon(ticket.end, WorkerLost("gone"))
    with pytest.raises(WorkerLost, match="gone"):
        await anext(aiter(ticket))


async def test_after_a_cancellation_reading_just_ends(ticket: Ticket, owner: Owner) -> None:
    ticket.show(preview(0, 1))
    ticket.cancel()
    assert [message async for message in ticket] == []
    ticket.stop()
    ticket.cancel()
    assert owner.asked == [("cancel", "t")]


@pytest.mark.parametrize("ending", [RESULT, None])
async def test_who_wants_the_answer_alone_hears_of_nothing_else(ticket: Ticket, ending: messages.Result | None) -> None:
    waiting = asyncio.create_task(ticket.answer())
    await asyncio.sleep(0)
    ticket.show(preview(0, 1))
    await asyncio.sleep(0)
    ticket.show(preview(1, 1))
    assert not waiting.done()
    ticket.end(ending)
    assert await waiting == ending
    assert await ticket.answer() == ending


async def test_an_error_is_raised_in_place_of_the_answer(ticket: Ticket) -> None:
    asyncio.get_running_loop().call_soon(ticket.end, WorkerLost("gone"))
    with pytest.raises(WorkerLost, match="gone"):
        await ticket.answer()


def test_there_is_no_second_ending(ticket: Ticket) -> None:
    ticket.end(RESULT)
    with pytest.raises(RuntimeError, match="ended twice"):
        ticket.end(WorkerLost("gone"))


def test_only_a_later_deadline_is_passed_on(ticket: Ticket, owner: Owner) -> None:
    ticket.extend(0.5)
    ticket.extend(1.0)
    assert owner.asked == []
    ticket.extend(3.0)
    assert ticket.deadline == 3.0
    ticket.end(RESULT)
    ticket.extend(9.0)
    assert owner.asked == [("extend", "t")]


def test_stopping_is_passed_on(ticket: Ticket, owner: Owner) -> None:
    ticket.stop()
    assert ticket.stopped
    assert owner.asked == [("stop", "t")]


def test_the_send_reserve_is_a_high_quantile_and_forgets_what_is_old() -> None:
    reserve = SendReserve()
    assert reserve.duration.high == SEED_S
    reserve.observe(0.0, 0.0001)
    assert reserve.duration.high == SEED_S
    reserve.observe(0.0, 0.02)
    assert reserve.duration.high == SEED_S
    for _ in range(256):
        reserve.observe(1.0, 0.003)
    assert reserve.duration.high == 0.003
    for _ in range(10):
        reserve.observe(2.0, 0.01)
    assert reserve.duration.high == 0.01
    reserve.forget_old(6.5)
    assert reserve.duration.high == 0.01
    reserve.forget_old(8.0)
    assert reserve.duration.high == SEED_S


def test_what_the_server_cannot_see_is_kept_back_on_top() -> None:
    reserve = SendReserve(network_s=0.25)
    for _ in range(300):
        reserve.observe(0.0, 0.003)
    assert reserve.duration == exactly(0.253)


def test_the_send_reserve_of_a_busy_time_ends_with_it() -> None:
    reserve = SendReserve()
    for _ in range(256):
        reserve.observe(0.0, 0.05)
    assert reserve.duration.high == 0.05
    for second in range(1, 8):
        reserve.observe(float(second), 0.001)
    assert reserve.duration.high == SEED_S


def test_what_an_answer_costs_is_learnt_while_there_are_many() -> None:
    spent = 0.0
    cost = AnswerCost(cpu=lambda: spent)
    assert cost.seconds == ANSWER_SEED_S
    for answer in range(32 * 40):
        spent += 0.001
        cost.count(now=0.002 * answer)
    assert cost.seconds == pytest.approx(0.001, rel=0.02)
    for answer in range(32 * 40):  # one in a second: most of this time went into other things
        spent += 0.5
        cost.count(now=10.0 + answer)
    assert cost.seconds == pytest.approx(0.001, rel=0.02)


def test_the_smallest_deadline_grows_with_samples_and_encoding() -> None:
    small, large = exactly(0.5), exactly(8.0)
    costs = messages.Minimum(
        step=exactly(1.0),
        decode=exactly(3.0),
        further_s=1.0,
        shares_s=(0.0, 0.0),
        encodings=[messages.EncodeCost("png", 1, small), messages.EncodeCost("png", 8, large)],
    )
    assert costs.alone == exactly(4.5)
    assert minimum(generation(), costs, slots=8).high == 4.5
    assert minimum(generation(3), costs, slots=8).high == 7.5
    assert minimum(generation(scale=16), costs, slots=8).high == 36
    assert minimum(generation(9), costs, slots=8).high == 2 * 4 + 8 + 9 * 0.5
    assert minimum(generation(codes=(1, 2)), costs, slots=8).high == 3.5


def test_what_is_rare_in_each_part_is_not_expected_of_all_at_once() -> None:
    png = messages.EncodeCost("png", 1, Duration(1.0, 2.0, 5.0))
    costs = messages.Minimum(exactly(0.0), Duration(2.0, 2.0, 5.0), 0.0, (0.0, 0.0), [png])
    assert minimum(generation(), costs, slots=8) == Duration(3.0, 4.0, 8.0)
    assert minimum(generation(2), costs, slots=2) == Duration(4.0, 6.0, 4.0 + math.hypot(3.0, 8.0))


async def test_no_worker_is_started_without_a_bundle() -> None:
    with pytest.raises(WorkerStartError, match="no bundle that can be loaded"):
        await Launcher(Settings(), list).launch(0)
