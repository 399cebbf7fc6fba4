"""The worker's loop with a channel and models of the test's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import pytest
from fake_model import FakeModel
from manual_clock import ManualClock

from service import messages
from service.scheduler import Costs
from service.scheduler.costs import WINDOW
from service.worker.channel import Channel
from service.worker.engine import Engine
from service.worker.loop import Loop
from service.worker.shutdown import Shutdown

QUALITY = [n / 8 for n in range(9)]


class FakeShutdown:
    def __init__(self) -> None:
        self.requested = False


class FakeChannel:
    """Messages that arrive when their time has come; when none are left, the shutdown is requested."""

    def __init__(
        self, clock: ManualClock, shutdown: FakeShutdown, script: list[tuple[float, messages.ToWorker]]
    ) -> None:
        self.sent: list[messages.FromWorker] = []
        self.waits = 0
        self.closed = False
        self._clock = clock
        self._shutdown = shutdown
        self._script = script

    def drain(self) -> Iterator[messages.ToWorker]:
        while self._script and self._script[0][0] <= self._clock.now():
            yield self._script.pop(0)[1]

    def send(self, message: messages.FromWorker) -> None:
        self.sent.append(message)

    def wait(self, seconds: float) -> bool:
        self.waits += 1
        if not self._script:
            self._shutdown.requested = True
        elif self._script[0][0] <= self._clock.now() + seconds:
            self._clock.seconds = max(self._clock.now(), self._script[0][0])
            return True
        self._clock.spend(seconds)
        return False


class Bench:
    def __init__(self, *script: tuple[float, messages.ToWorker], models: tuple[str, ...] = ("fake",)) -> None:
        self.clock = ManualClock(0.0)
        self.shutdown = FakeShutdown()
        self.channel = FakeChannel(self.clock, self.shutdown, list(script))
        self.models = {name: FakeModel(spend=self.clock.spend) for name in models}
        engines = []
        for name, model in self.models.items():
            costs = Costs(model.buckets)
            costs.steps.observe(1, 0.001)
            costs.decodes.observe(1, 0.001)
            encode, usual = (lambda *_: b"x"), ("png", 1)
            engines.append(Engine(name, model, QUALITY, costs, encode, usual, self.clock, self.channel.send))
        self.engines = engines
        self.loop = Loop(
            engines, cast("Channel[messages.ToWorker]", self.channel), self.clock, cast("Shutdown", self.shutdown)
        )

    def results(self) -> dict[str, messages.Result]:
        return {message.id: message for message in self.channel.sent if isinstance(message, messages.Result)}


def submit(
    name: str, remaining_ms: float = 1000.0, model: str = "fake", n: int = 1, sent_at: float | None = None
) -> messages.Submit:
    sampling, encoding = messages.Sampling(1, None, 1.0, 0, 1.0), messages.Encoding("png")
    return messages.Submit(name, model, remaining_ms, n, sampling, encoding, 1, 8, sent_at=sent_at)


def test_requests_are_answered_and_then_the_loop_ends() -> None:
    bench = Bench((0.0, submit("a")), (0.5, submit("b")))
    bench.loop.run()
    assert set(bench.results()) == {"a", "b"}
    assert bench.clock.now() >= 0.5


def test_a_message_that_waited_during_a_step_loses_that_time() -> None:
    """Its remaining time is counted from when the loop last looked, so that it is never answered late for it."""
    bench = Bench((0.0, submit("a")), (0.0005, submit("b", remaining_ms=6.0)))
    bench.loop.run()
    assert bench.results()["b"].timing.total_ms <= 6.0
    assert bench.results()["b"].outputs[0].stop_reason == "deadline"


def test_when_a_message_says_it_was_sent_is_believed_if_that_can_be() -> None:
    """It came during a step that began at 0: a time before that, or yet to come, is that of another clock."""

    def total_ms(sent_at: float | None) -> float:
        bench = Bench((0.0, submit("a")), (0.0005, submit("b", sent_at=sent_at)))
        bench.loop.run()
        return bench.results()["b"].timing.total_ms

    assert total_ms(0.0005) == pytest.approx(total_ms(None) - 0.5)
    assert total_ms(-1.0) == total_ms(7.0) == total_ms(None)


def test_a_new_deadline_counts_from_when_it_was_sent() -> None:
    extended = messages.Extend("a", 6.0, sent_at=0.0005)
    bench = Bench((0.0, submit("a", remaining_ms=2.5)), (0.0005, extended))
    bench.loop.run()
    assert 5.0 < bench.results()["a"].timing.total_ms <= 6.5


def test_an_unknown_model_fails() -> None:
    bench = Bench((0.0, submit("a", model="other")))
    bench.loop.run()
    (failed,) = [message for message in bench.channel.sent if isinstance(message, messages.Failed)]
    assert failed == messages.Failed("a", "No model other is loaded here.")


def test_stop_cancel_and_drain_reach_their_requests() -> None:
    bench = Bench(
        (0.0, submit("a")),
        (0.0, submit("b")),
        (0.0, submit("c")),
        (0.002, messages.Stop("a")),
        (0.002, messages.Cancel("b")),
        (0.004, messages.Drain()),
        (0.2, submit("d")),
    )
    bench.loop.run()
    reasons = {name: result.outputs[0].stop_reason for name, result in bench.results().items()}
    assert reasons == {"a": "client_stop", "c": "drain", "d": "drain"}


def test_models_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench((0.0, submit("a", model="one")), (0.0, submit("b", model="two")), models=("one", "two"))
    order: list[str] = []
    for name, model in bench.models.items():

        def recorded(
            slots: Sequence[int], name: str = name, step: Callable[[Sequence[int]], None] = model.step
        ) -> None:
            order.append(name)
            step(slots)

        monkeypatch.setattr(model, "step", recorded)
    bench.loop.run()
    assert order == ["one", "two"] * 8


def test_a_request_keeps_its_deadline_while_another_model_works() -> None:
    bench = Bench((0.0, submit("a", model="one", n=4)), (0.0, submit("b", 8.0, "two")), models=("one", "two"))
    bench.loop.run()
    assert bench.results()["b"].timing.total_ms <= 8.0
    assert bench.results()["b"].outputs[0].codes


def test_terminated_it_answers_first(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench((0.0, submit("a")), (0.003, messages.Cancel("nobody")))
    drain = bench.channel.drain

    def drain_and_terminate() -> Iterator[messages.ToWorker]:
        bench.shutdown.requested = bench.clock.now() > 0.002
        yield from drain()

    monkeypatch.setattr(bench.channel, "drain", drain_and_terminate)
    bench.loop.run()
    assert bench.results()["a"].outputs[0].stop_reason == "drain"
    assert len(bench.results()["a"].outputs[0].codes) < 8


def test_with_the_api_process_gone_it_ends_at_once() -> None:
    bench = Bench((0.0, submit("a")))
    bench.channel.closed = True
    bench.loop.run()
    assert not bench.channel.sent


def test_numbers_are_sent_now_and_then_and_add_up() -> None:
    bench = Bench(*((index * 0.004, submit(f"{index}")) for index in range(100)))
    bench.loop.run()
    stats = [message for message in bench.channel.sent if isinstance(message, messages.Stats)]
    steps = [step for each in stats for step in each.steps.get("fake", [])]
    assert sum(step.batch for step in steps) == 800
    assert len(stats) <= bench.clock.now() / 0.1 + 2
    assert stats[-1].running == stats[-1].waiting == 0
    assert stats[-1].minimums["fake"].alone.high > 0
    assert all(each.cpu_s >= 0 for each in stats)
    assert 0 < sum(each.cpu_s for each in stats) <= time.process_time()
    assert min(each.memory_bytes for each in stats) > 1 << 20  # a Python process has more than a megabyte


def test_a_model_that_raised_is_tried_when_idle() -> None:
    bench = Bench((0.0, submit("a")))
    bench.models["fake"].poison["step"] = {1}
    bench.loop.run()
    (engine,) = bench.engines
    assert ("step", 1) in bench.models["fake"].calls
    assert not engine.suspect


def test_what_was_refused_for_its_cost_is_measured_again_while_idle_until_nothing_known_of_it_is_old() -> None:
    again = messages.Remeasure("fake", 2, messages.Encoding("png", 8))
    bench = Bench((0.0, again), (100.0, messages.Remeasure("other", 1, messages.Encoding("png"))))
    (engine,) = bench.engines
    for _ in range(WINDOW):
        engine.costs.steps.observe(2, 1.0)
    bench.loop.run()
    assert engine.costs.step(2) == pytest.approx(0.001)
    assert ("png", 8) in engine.costs.encodes.table()
    assert bench.models["fake"].calls.count(("decode", 2)) == WINDOW
    assert not bench.models["fake"].taken
    (last,) = [message for message in bench.channel.sent if isinstance(message, messages.Stats)][-1:]
    assert last.minimums["fake"].further_s < 1.0


def test_nobody_waits_for_a_measurement_that_is_not_yet_due() -> None:
    again = messages.Remeasure("fake", 1, messages.Encoding("png"))
    bench = Bench((0.0, again), *((0.01 * index, submit(f"{index}", 9.0)) for index in range(1, 20)))
    bench.loop.run()
    assert all(result.timing.queue_ms == 0 for result in bench.results().values())
