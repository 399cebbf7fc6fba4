"""The codec without a process: the queue, deadlines, deaths, starts and ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fake_encoder import FakeEncoders, encoded
from live_server import until
from manual_clock import ManualClock

from service import messages
from service.codec import Codec, Errand, Medium, codec, keeper
from service.codec.timings import Timings
from service.errors import (
    DeadlineInfeasible,
    Draining,
    Overloaded,
    PayloadTooLarge,
    ServiceError,
    UnusableMedia,
    WorkerLost,
)
from service.settings import Settings

SETTINGS = Settings(encoder_queue=3, network_ms=0.0, shutdown_timeout=0.05)
LONG = 3600.0


class Observer:
    def __init__(self) -> None:
        self.ups: list[bool] = []
        self.starts = 0

    def encoder_up(self, up: bool) -> None:
        self.ups.append(up)

    def encoder_started(self) -> None:
        self.starts += 1


class Bench:
    """A codec with encoders that a test acts for, and a clock that it moves."""

    def __init__(self, **changes: Any) -> None:
        self.clock, self.observer, self.encoders = ManualClock(), Observer(), FakeEncoders()
        self.bundles = {"tiny@1#sha": Path("bundles/tiny")}
        settings = SETTINGS.model_copy(update=changes)
        self.codec = Codec(settings, self.observer, self.clock, lambda: self.bundles, self.encoders.start)

    def submit(self, data: bytes = b"file", seconds: float = LONG) -> Errand:
        medium = Medium("tiny@1#sha", data, "image/png", "crop", [4])
        return self.codec.submit(medium, self.clock.now(), self.clock.now() + seconds)

    async def warm(self) -> None:
        """Have an encoder that is ready, and has answered once."""
        await self.submit().answer()


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(keeper, "_FIRST_BACKOFF_S", 0.001)
    monkeypatch.setattr(keeper, "_LAST_BACKOFF_S", 0.001)
    made = Bench()
    made.codec.open()
    yield made
    await made.codec.close()
    assert all(encoder.ended for encoder in made.encoders.started)


async def test_no_encoder_is_started_before_it_is_needed_and_then_one(bench: Bench) -> None:
    await asyncio.sleep(0)
    assert bench.encoders.started == []
    errands = [bench.submit(), bench.submit()]
    for errand in errands:
        answer = await errand.answer()
        assert answer is not None
        assert answer.codes == [0, 1, 2, 3]
    (encoder,) = bench.encoders.started
    assert [asked.id for asked in encoder.asked] == [errand.id for errand in errands]
    assert encoder.asked[0].data == b"file"
    assert encoder.asked[0].most == SETTINGS.max_media_size
    assert bench.observer.ups == [True]


async def test_one_at_a_time_and_in_order(bench: Bench) -> None:
    bench.encoders.keep()
    errands = [bench.submit(bytes([number])) for number in range(3)]
    await until(lambda: bool(bench.encoders.started and bench.encoders.started[0].asked))
    (encoder,) = bench.encoders.started
    for number, errand in enumerate(errands):
        assert [asked.data for asked in encoder.asked] == [bytes([each]) for each in range(number + 1)]
        encoder.reply(encoded(encoder.asked[-1]))
        assert await errand.answer() is not None
        await asyncio.sleep(0.001)


async def test_a_request_that_is_taken_back_while_it_waits_costs_the_encoder_nothing(bench: Bench) -> None:
    await bench.warm()
    bench.encoders.keep()
    first, second, third = (bench.submit(bytes([number])) for number in range(3))
    (encoder,) = bench.encoders.started
    await until(lambda: len(encoder.asked) == 2)
    first.cancel()
    second.cancel()
    second.cancel()
    assert await first.answer() is None
    assert await second.answer() is None
    encoder.reply(encoded(encoder.asked[-1]))  # for the first, which is not listened to
    await until(lambda: len(encoder.asked) == 3)
    assert encoder.asked[-1].data == bytes([2])
    encoder.reply(encoded(encoder.asked[-1]))
    assert await third.answer() is not None


async def test_too_many_are_refused(bench: Bench) -> None:
    bench.encoders.may_start.clear()
    errands = [bench.submit() for _ in range(3)]
    with pytest.raises(Overloaded, match="All 3 places"):
        bench.submit()
    bench.encoders.may_start.set()
    assert all([await errand.answer() for errand in errands])
    assert await bench.submit().answer()


async def test_what_cannot_be_in_time_is_refused_at_once_and_told_what_would_do(bench: Bench) -> None:
    """At first for the start of an encoder, which begins nevertheless; then for what such files have lately taken."""
    with pytest.raises(DeadlineInfeasible) as refused:
        bench.submit(seconds=keeper.START_GUESS_S)
    assert refused.value.extra["minimum_deadline_ms"] == 1000 * keeper.START_GUESS_S + 1000 * codec._ANSWER_S
    await until(lambda: bench.observer.ups == [True])

    def slowly(asked: messages.Encode) -> messages.FromEncoder:
        bench.clock.spend(0.2)
        return encoded(asked)

    bench.encoders.answer_with(slowly)
    await bench.submit(seconds=0.01).answer()  # nothing is known: it is tried
    with pytest.raises(DeadlineInfeasible) as refused:
        bench.submit(seconds=0.1)
    assert refused.value.extra["minimum_deadline_ms"] == pytest.approx(202.0)
    bench.encoders.keep()
    waiting = [bench.submit() for _ in range(2)]
    with pytest.raises(DeadlineInfeasible) as refused:
        bench.submit(seconds=0.5)
    assert refused.value.extra["minimum_deadline_ms"] == pytest.approx(602.0)
    assert bench.submit(data=bytes(100_000), seconds=0.5)  # of such large ones nothing is known but those before it
    assert not any(errand.ended for errand in waiting)


async def test_a_slow_moment_is_forgotten(bench: Bench) -> None:
    timings = Timings()
    assert timings.expected("kind", 0.0) == 0.0
    timings.observe("kind", 0.0, 2.0)
    timings.observe("kind", 5.0, 1.0)
    assert timings.expected("kind", 9.0) == 2.0
    assert timings.expected("other", 9.0) == 0.0
    assert timings.expected("kind", 12.0) == 1.0
    assert timings.expected("kind", 30.0) == 0.0


async def test_at_its_deadline_a_request_is_refused_whatever_the_encoder_does(bench: Bench) -> None:
    await bench.warm()
    bench.encoders.keep()
    at_it, behind_it = bench.submit(seconds=0.03), bench.submit(seconds=0.03)
    for errand in (at_it, behind_it):
        with pytest.raises(DeadlineInfeasible, match="cannot be encoded within 30"):
            await errand.answer()
    later = bench.submit()
    (encoder,) = bench.encoders.started
    encoder.reply(encoded(encoder.asked[-1]))  # too late, and for nobody
    await until(lambda: encoder.asked[-1].id == later.id)
    assert len(encoder.asked) == 3  # the one that waited was never sent
    encoder.reply(encoded(encoder.asked[-1]))
    assert await later.answer() is not None


async def test_when_its_turn_comes_too_late_a_request_is_not_begun(bench: Bench) -> None:
    await bench.warm()
    bench.encoders.keep()
    first, second = bench.submit(), bench.submit(seconds=30.0)
    (encoder,) = bench.encoders.started
    await until(lambda: len(encoder.asked) == 2)
    bench.clock.spend(31.0)
    encoder.reply(encoded(encoder.asked[-1]))
    assert await first.answer() is not None
    with pytest.raises(DeadlineInfeasible):
        await second.answer()
    assert len(encoder.asked) == 2


@pytest.mark.parametrize(
    ("reply", "error", "detail"),
    [
        (lambda asked: messages.Unusable(asked.id, "is odd"), UnusableMedia, "The file is odd."),
        (lambda asked: messages.Unusable(asked.id, "is vast", too_large=True), PayloadTooLarge, "The file is vast."),
        (lambda asked: messages.Failed(asked.id, "It failed."), ServiceError, "It failed."),
        (lambda asked: messages.TimeUp(asked.id), DeadlineInfeasible, "cannot be encoded within"),
    ],
)
async def test_what_the_encoder_says_instead_of_codes(bench: Bench, reply: Any, error: type, detail: str) -> None:
    bench.encoders.answer_with(reply)
    with pytest.raises(error, match=detail):
        await bench.submit().answer()


async def test_a_request_whose_encoder_dies_is_tried_once_more(bench: Bench) -> None:
    deaths = 1

    def die_at_first(asked: messages.Encode, encoder: Any) -> None:
        nonlocal deaths
        deaths -= 1
        encoder.die() if deaths >= 0 else encoder.reply(encoded(asked))

    bench.encoders.on_encode = die_at_first
    errands = [bench.submit(), bench.submit()]
    assert all([await errand.answer() for errand in errands])
    assert bench.observer.starts == 2
    assert bench.observer.ups == [True, False, True]
    deaths = 2
    with pytest.raises(WorkerLost, match="died while it had this request"):
        await bench.submit().answer()
    assert await bench.submit().answer() is not None


async def test_one_that_dies_with_nothing_to_do_is_not_replaced_before_it_is_needed(bench: Bench) -> None:
    await bench.warm()
    bench.encoders.started[0].die()
    await until(lambda: bench.observer.ups == [True, False])
    await asyncio.sleep(0.01)
    assert bench.observer.starts == 1
    assert await bench.submit().answer() is not None
    assert bench.observer.starts == 2


async def test_one_that_hangs_is_killed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "HOPELESS_S", 0.02)
    bench.encoders.keep()
    with pytest.raises(WorkerLost):
        await bench.submit().answer()
    assert [encoder.killed for encoder in bench.encoders.started] == [True, True]


async def test_one_that_cannot_start_fails_who_waits_and_is_tried_again(bench: Bench) -> None:
    bench.encoders.broken = True
    with pytest.raises(WorkerLost, match="cannot be started"):
        await bench.submit().answer()
    bench.encoders.broken = False
    assert await bench.submit().answer() is not None
    assert bench.observer.ups == [True]


async def test_an_idle_encoder_ends_and_another_starts_when_it_is_needed() -> None:
    bench = Bench(encoder_idle=0.01)
    bench.codec.open()
    await bench.warm()
    await until(lambda: bench.observer.ups == [True, False] and bench.encoders.started[0].ended)
    assert await bench.submit().answer() is not None
    assert len(bench.encoders.started) == 2
    await bench.codec.close()


async def test_by_a_setting_there_is_always_one() -> None:
    bench = Bench(encoder="always", encoder_idle=0.001)
    bench.codec.open()
    await until(lambda: bench.observer.ups == [True])
    await asyncio.sleep(0.01)
    assert bench.observer.ups == [True]
    await bench.codec.close()
    assert bench.encoders.started[0].ended


async def test_at_the_end_what_waits_is_refused_and_what_runs_is_answered() -> None:
    bench = Bench(shutdown_timeout=10)
    bench.codec.open()
    await bench.warm()
    bench.encoders.keep()
    running, waiting = bench.submit(), bench.submit()
    (encoder,) = bench.encoders.started
    await until(lambda: len(encoder.asked) == 2)
    closing = asyncio.create_task(bench.codec.close())
    with pytest.raises(Draining):
        await waiting.answer()
    with pytest.raises(Draining):
        bench.submit()
    assert not running.ended
    encoder.reply(encoded(encoder.asked[-1]))
    assert await running.answer() is not None
    await closing
    assert encoder.ended


async def test_what_does_not_end_is_refused_at_last() -> None:
    bench = Bench()
    bench.codec.open()
    bench.encoders.keep()
    errand = bench.submit()
    await until(lambda: bool(bench.encoders.started and bench.encoders.started[0].asked))
    await bench.codec.close()
    with pytest.raises(Draining):
        await errand.answer()


async def test_messages_out_of_turn_change_nothing(bench: Bench) -> None:
    await bench.warm()
    (encoder,) = bench.encoders.started
    encoder.reply(messages.TimeUp("another"))
    encoder.reply(messages.EncoderReady())
    assert await bench.submit().answer() is not None


async def test_a_second_ending_is_an_error(bench: Bench) -> None:
    errand = bench.submit()
    await errand.answer()
    with pytest.raises(RuntimeError, match="ended twice"):
        errand.end(None)


async def test_the_encoder_is_told_which_models_there_are(bench: Bench) -> None:
    bench.codec.changed()  # there is no encoder that could be told
    await bench.warm()
    (encoder,) = bench.encoders.started
    assert encoder.offered == [{"tiny@1#sha": "bundles/tiny"}]
    bench.bundles = {"tiny@2#other": Path("bundles/two")}
    bench.codec.changed()
    assert encoder.offered[1:] == [{"tiny@2#other": "bundles/two"}]
