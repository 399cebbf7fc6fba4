"""What the pool is made of, without processes."""

from __future__ import annotations

import asyncio

import pytest

from service import messages
from service.errors import WorkerLost
from service.pool.outlook import minimum_s
from service.pool.reserve import SEED_S, SendReserve
from service.pool.ticket import Generation, Ticket


def generation(n: int = 1, file_format: str = "png", scale: int = 1) -> Generation:
    return Generation(
        "tiny",
        n,
        messages.Sampling(1, None, 1.0, 0, 1.0),
        messages.ImageOptions(file_format, scale),
        min_codes=1,
        max_codes=6,
        preview_ms=None,
    )


class Owner:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

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


def test_there_is_no_second_ending(ticket: Ticket) -> None:
    ticket.end(RESULT)
    with pytest.raises(RuntimeError, match="ended twice"):
        ticket.end(WorkerLost("gone"))


def test_stopping_is_passed_on(ticket: Ticket, owner: Owner) -> None:
    ticket.stop()
    assert ticket.stopped
    assert owner.asked == [("stop", "t")]


def test_the_send_reserve_is_a_high_quantile_and_forgets_what_is_old() -> None:
    reserve = SendReserve()
    assert reserve.seconds == SEED_S
    reserve.observe(0.0, 0.0001)
    assert reserve.seconds == SEED_S
    reserve.observe(0.0, 0.02)
    assert reserve.seconds == SEED_S
    for _ in range(200):
        reserve.observe(1.0, 0.003)
    assert reserve.seconds == 0.003
    for _ in range(10):
        reserve.observe(2.0, 0.01)
    assert reserve.seconds == 0.01
    reserve.forget_old(31.5)
    assert reserve.seconds == 0.01
    reserve.forget_old(33.0)
    assert reserve.seconds == SEED_S


def test_the_smallest_deadline_grows_with_samples_and_encoding() -> None:
    minimum = messages.Minimum(
        first_ms=4.0,
        further_ms=1.0,
        encodings=[messages.EncodeCost("png", 1, 0.5), messages.EncodeCost("png", 8, 8.0)],
    )
    assert minimum_s(generation(), minimum, slots=8) == pytest.approx(0.0045)
    assert minimum_s(generation(3), minimum, slots=8) == pytest.approx(0.0075)
    assert minimum_s(generation(scale=16), minimum, slots=8) == pytest.approx(0.036)
    assert minimum_s(generation(9), minimum, slots=8) == pytest.approx((2 * 4 + 8 + 9 * 0.5) / 1000)
