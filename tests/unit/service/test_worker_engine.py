"""One model's requests in a worker, on a clock moved by hand and a model without arithmetic."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from fake_model import FakeModel, code_of
from manual_clock import ManualClock

from models.runtime.protocol import Decoded
from service import messages
from service.scheduler import Costs
from service.worker import report
from service.worker.engine import Engine

QUALITY = [1 - 0.5**n for n in range(9)]


class Bench:
    """An engine, and everything that it sends."""

    def __init__(self, slots: int = 4, stages: tuple[int, ...] = (0,)) -> None:
        self.clock = ManualClock(100.0)
        self.model = FakeModel(slots=slots, spend=self.clock.spend)
        self.sent: list[messages.FromWorker] = []
        self.unencodable: set[str] = set()
        self.model.stages = stages
        costs = Costs(self.model.buckets, stages)
        for bucket in self.model.buckets:
            costs.steps.observe(bucket, 0.001)
            costs.decodes.observe(bucket, 0.001)
        costs.encodes.observe(("png", 1), 0.0005)
        self.engine = Engine("fake", self.model, QUALITY, costs, self._encode, ("png", 1), self.clock, self.sent.append)

    def _encode(self, _media: object, file_format: str, _scale: int) -> bytes:
        if file_format in self.unencodable:
            raise ValueError("cannot")
        self.clock.spend(0.0005)
        return file_format.encode()

    def submit(self, name: str, remaining_ms: float = 1000.0, **fields: Any) -> None:
        values: dict[str, Any] = {"n": 1, "seed": 1, "min_codes": 1, "max_codes": 8, "preview_ms": None}
        values |= {"index": 0, "codes": (), "whole": ()}
        values |= {"format": "png"} | fields
        self.engine.submit(
            messages.Submit(
                id=name,
                model="fake",
                remaining_ms=remaining_ms,
                n=values["n"],
                sampling=messages.Sampling(
                    values["seed"], None, 1.0, 0, 1.0, values["index"], values["codes"], values["whole"]
                ),
                encoding=messages.Encoding(values["format"]),
                min_codes=values["min_codes"],
                max_codes=values["max_codes"],
                preview_ms=values["preview_ms"],
            ),
            self.clock.now(),
        )

    def turns(self, count: int | None = None) -> None:
        """So many turns; without a number, until there is nothing to do. Everything must be in order after each."""
        while self.engine.busy and (count is None or count > 0):
            self.engine.turn(self.clock.now())
            self.engine.check_integrity()
            count = None if count is None else count - 1
        if not self.engine.busy:
            assert not self.model.taken, "slots are left over"

    def endings(self) -> dict[str, messages.Result | messages.Failed]:
        """What each request ended with; fails if one has two."""
        found: dict[str, messages.Result | messages.Failed] = {}
        for message in self.sent:
            if isinstance(message, messages.Result | messages.Failed):
                assert message.id not in found
                found[message.id] = message
        return found

    def result(self, name: str) -> messages.Result:
        ending = self.endings()[name]
        assert isinstance(ending, messages.Result)
        return ending


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_with_time_enough_it_is_complete(bench: Bench) -> None:
    bench.submit("a", seed=3)
    bench.turns()
    (output,) = bench.result("a").outputs
    assert output.codes == [code_of(3, 0, position) for position in range(8)]
    assert output.stop_reason == "complete"
    assert output.expected_quality == QUALITY[8]
    assert output.data == b"png"


def test_at_its_deadline_it_has_the_codes_that_fitted(bench: Bench) -> None:
    began = bench.clock.now()
    bench.submit("a", remaining_ms=5.6)
    bench.turns()
    (output,) = bench.result("a").outputs
    assert output.stop_reason == "deadline"
    assert len(output.codes) == 4  # and 1 ms of decoding, 0.5 ms of encoding
    assert bench.clock.now() - began <= 0.0056


def test_quick_steps_are_taken_several_upon_one_decision_and_learnt_apart(bench: Bench) -> None:
    bench.model.step_s = 0.0001
    bench.submit("a", seed=3)
    bench.turns()
    bench.engine.costs.repeats.observe(1, 0.0001)  # what a warm-up has measured
    bench.submit("b", seed=4)
    bench.turns(1)
    assert bench.model.position(0) == 6
    bench.turns()
    assert bench.result("b").outputs[0].codes == [code_of(4, 0, position) for position in range(8)]
    assert bench.engine.costs.repeat(1, 0) == pytest.approx(0.0001)
    taken = [step.seconds for step in bench.engine.steps for _ in range(step.times)]
    assert taken == pytest.approx([0.0001] * 16)


def test_what_is_done_between_two_turns_belongs_to_the_costs_of_the_second(bench: Bench) -> None:
    bench.submit("a", max_codes=2)
    free = bench.clock.now()
    bench.clock.spend(0.003)  # reading the request
    free = bench.engine.turn(free)
    assert free == bench.clock.now()
    bench.clock.spend(0.002)  # reporting
    free = bench.engine.turn(free)
    bench.clock.spend(0.001)
    free = bench.engine.turn(free)
    costs = bench.engine.costs
    assert costs.steps.history()[1][1:] == pytest.approx([0.004, 0.003])
    assert costs.decodes.history()[1][1:] == pytest.approx([0.002])
    assert costs.encodes.history()["png", 1][1:] == pytest.approx([0.0005])
    assert bench.result("a").outputs[0].codes
    assert free == bench.clock.now()


def test_what_a_failure_took_is_no_cost_of_what_comes_next(bench: Bench) -> None:
    bench.model.poison["step"] = {13}
    bench.submit("bad", seed=13, max_codes=3)
    bench.submit("good", max_codes=3)
    free = bench.clock.now()
    while bench.engine.busy:
        free = bench.engine.turn(free)
    assert isinstance(bench.endings()["bad"], messages.Failed)
    assert max(bench.engine.costs.steps.history()[1]) == pytest.approx(0.001)


def test_a_request_that_breaks_the_third_of_several_codes_fails_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.model.step_s = 0.0001
    bench.engine.costs.repeats.observe(2, 0.0001)
    bench.submit("good", seed=1)
    bench.submit("bad", seed=13)
    healthy = bench.model.step

    def breaks(slots: Sequence[int], codes: int = 1) -> None:
        for _ in range(codes):
            bad = [slot for slot in slots if bench.model.taken[slot][0].seed == 13]
            if bad and bench.model.position(bad[0]) == 2:
                raise RuntimeError("the third code of seed 13")
            healthy(slots)

    monkeypatch.setattr(bench.model, "step", breaks)
    bench.turns()
    assert isinstance(bench.endings()["bad"], messages.Failed)
    assert bench.result("good").outputs[0].codes == [code_of(1, 0, position) for position in range(8)]


def test_codes_that_are_given_are_gone_on_from(bench: Bench) -> None:
    bench.submit("a", seed=3, index=2, codes=(9, 9, 9))
    bench.turns()
    (output,) = bench.result("a").outputs
    assert output.codes == [9, 9, 9, *(code_of(3, 2, position) for position in range(3, 8))]
    assert bench.engine.costs.steps.duration(1).high == pytest.approx(0.001)  # reading is not taken for a step


def test_every_sample_may_be_given_all_of_its_own(bench: Bench) -> None:
    """More of them than slots: each is decoded as it is, whatever the others have."""
    rows = ((9,), (9, 8, 7), tuple(range(8)), (5, 5), (4,), (3,))
    bench.submit("a", n=len(rows), whole=rows)
    bench.turns()
    (result,) = bench.sent
    assert isinstance(result, messages.Result)
    assert [tuple(output.codes) for output in result.outputs] == list(rows)
    assert {output.stop_reason for output in result.outputs} == {"complete"}
    assert {name for name, _ in bench.model.calls} == {"decode"}


def test_codes_that_are_all_given_are_only_decoded(bench: Bench) -> None:
    bench.submit("whole", codes=(1,) * 8)
    bench.submit("enough", codes=(1,) * 3, max_codes=3)
    bench.submit("hurried", remaining_ms=1.9, codes=(1,) * 3)
    bench.turns()
    reasons = {name: bench.result(name).outputs[0].stop_reason for name in ("whole", "enough", "hurried")}
    assert reasons == {"whole": "complete", "enough": "complete", "hurried": "deadline"}
    assert {kind for kind, _ in bench.model.calls} == {"decode"}


def test_an_extended_request_goes_on(bench: Bench) -> None:
    bench.submit("a", remaining_ms=5.6)
    bench.turns(2)
    bench.engine.extend("a", bench.clock.now() + 1.0)
    bench.engine.extend("gone", bench.clock.now() + 1.0)
    bench.turns()
    assert bench.result("a").outputs[0].stop_reason == "complete"


def test_when_the_clock_jumps_everybody_is_answered_with_what_there_is(bench: Bench) -> None:
    """As after a machine was suspended: those who run have codes, those who wait get their first."""
    for name in "abcdef":  # two more than there are slots
        bench.submit(name, remaining_ms=100.0)
    bench.turns(3)
    bench.clock.spend(3600.0)
    jumped = bench.clock.now()
    bench.submit("later", remaining_ms=100.0)
    bench.turns()
    assert all(1 <= len(bench.result(name).outputs[0].codes) < 8 for name in "abcdef")
    assert bench.result("later").timing.total_ms <= 100.0
    assert bench.clock.now() - jumped < 0.1


def test_timing_adds_up(bench: Bench) -> None:
    bench.submit("a", n=3)
    bench.clock.spend(0.002)
    bench.turns()
    timing = bench.result("a").timing
    assert timing.queue_ms == pytest.approx(2.0)
    assert timing.sample_ms == pytest.approx(8.0)
    assert timing.decode_ms == pytest.approx(1.0)
    assert timing.encode_ms == pytest.approx(1.5)
    assert timing.total_ms == pytest.approx(12.5)


def test_samples_of_a_request_end_as_one_result_in_order_though_they_do_not_fit_the_slots_together() -> None:
    bench = Bench(slots=2)
    bench.submit("a", n=5, seed=9)
    bench.turns()
    outputs = bench.result("a").outputs
    assert [output.index for output in outputs] == list(range(5))
    assert [output.codes[0] for output in outputs] == [code_of(9, index, 0) for index in range(5)]


def test_previews_come_at_their_spacing_and_each_shows_more_than_the_last(bench: Bench) -> None:
    bench.submit("a", preview_ms=3.0)
    bench.turns()
    previews = [message for message in bench.sent if isinstance(message, messages.Preview)]
    lengths = [len(preview.output.codes) for preview in previews]
    assert lengths[0] == 1
    assert lengths == sorted(set(lengths))
    assert len(previews) >= 2
    elapsed = [preview.elapsed_ms for preview in previews]
    assert all(later - earlier >= 3.0 for earlier, later in itertools.pairwise(elapsed))
    assert all(preview.output.stop_reason == "" for preview in previews)
    assert bench.result("a").outputs[0].stop_reason == "complete"


def test_stop_answers_at_the_present_prefix(bench: Bench) -> None:
    bench.submit("a", min_codes=6)
    bench.turns(3)
    bench.engine.stop("a")
    bench.engine.stop("unknown")
    bench.turns()
    (output,) = bench.result("a").outputs
    assert (output.stop_reason, len(output.codes)) == ("client_stop", 3)


def test_cancel_frees_the_slots_and_says_nothing(bench: Bench) -> None:
    bench.submit("a", n=3)
    bench.submit("b", n=3)
    bench.turns(2)
    bench.engine.cancel("a")
    bench.engine.cancel("unknown")
    assert len(bench.model.taken) == 1
    bench.turns()
    assert set(bench.endings()) == {"b"}


def test_drain_answers_everybody_with_at_least_one_code() -> None:
    bench = Bench(slots=2)
    for name in "abcde":
        bench.submit(name)
    bench.turns(2)
    bench.engine.drain()
    bench.turns()
    assert len(bench.endings()) == 5
    for name in "abcde":
        (output,) = bench.result(name).outputs
        assert output.stop_reason == "drain"
        assert output.codes


def test_a_full_table_sheds_whose_next_code_is_worth_least() -> None:
    bench = Bench(slots=2)
    bench.submit("far", remaining_ms=1000.0)
    bench.turns(3)
    bench.submit("near", remaining_ms=1000.0)
    bench.turns(1)
    bench.submit("late comer", remaining_ms=6.0)
    bench.turns()
    assert bench.result("far").outputs[0].stop_reason == "shed"
    assert bench.result("near").outputs[0].stop_reason == "complete"
    assert bench.result("late comer").outputs[0].codes


@pytest.mark.parametrize("where", ["begin", "step", "decode"])
def test_a_request_that_breaks_the_runtime_fails_alone(bench: Bench, where: str) -> None:
    bench.model.poison[where] = {13}
    bench.submit("good", seed=1, n=2)
    bench.submit("bad", seed=13, n=2)
    bench.turns()
    ending = bench.endings()["bad"]
    assert isinstance(ending, messages.Failed)
    assert "13" not in ending.message  # what broke is for the log
    assert [output.codes for output in bench.result("good").outputs] == [
        [code_of(1, index, position) for position in range(8)] for index in range(2)
    ]
    assert bench.engine.suspect


def test_a_sample_that_cannot_be_encoded_fails_its_request_alone(bench: Bench) -> None:
    bench.unencodable = {"webp"}
    bench.submit("bad", format="webp", n=2)
    bench.submit("good")
    bench.turns()
    assert isinstance(bench.endings()["bad"], messages.Failed)
    assert bench.result("good").outputs[0].codes


def test_the_integrity_check_sees_a_slot_that_moved_by_itself(bench: Bench) -> None:
    bench.submit("a")
    bench.turns(2)
    bench.model.step([0])
    with pytest.raises(AssertionError, match="slot 0 is at 3, its job at 2"):
        bench.engine.check_integrity()


def test_what_operations_take_is_learnt(bench: Bench) -> None:
    bench.model.step_s = 0.1
    bench.submit("a", remaining_ms=60_000.0)
    bench.turns()
    assert bench.engine.costs.step(1) == pytest.approx(0.1)
    assert [step.batch for step in bench.engine.steps] == [1] * 8
    assert bench.engine.reserve_s == pytest.approx(0.0015)


def test_where_memory_is_short_batches_become_smaller_and_nobody_notices() -> None:
    bench = Bench(slots=8)
    bench.model.most = {"step": 4, "decode": 2}
    for seed in range(8):
        bench.submit(str(seed), seed=seed)
    bench.turns()
    for seed in range(8):
        assert bench.result(str(seed)).outputs[0].codes == [code_of(seed, 0, position) for position in range(8)]
    for name in ("step", "decode"):
        # The largest bucket that is at most half of the one that failed.
        assert max(size for other, size in bench.model.calls if other == name) == 2
    stats = report.stats([bench.engine], report.Usage())
    assert stats.batches == {"fake": messages.Batches(step=2, decode=2, shortages=2)}
    assert report.stats([bench.engine], report.Usage()).batches["fake"].shortages == 0
    bench.engine.doubt(8, ("png", 1))
    bench.engine.remeasure()


def test_a_batch_that_ran_out_of_memory_half_way_goes_on_where_it_was() -> None:
    bench = Bench(slots=4)
    for batch in (1, 2, 4):
        bench.engine.costs.repeats.observe(batch, 0.00001)
    bench.model.most["step"] = 2
    bench.model.spared["step"] = 1  # the first code comes, the second does not
    for seed in range(4):
        bench.submit(str(seed), seed=seed)
    bench.turns()
    assert bench.model.calls[0] == ("step", 4)
    for seed in range(4):
        assert bench.result(str(seed)).outputs[0].codes == [code_of(seed, 0, position) for position in range(8)]
    assert bench.engine.shortages == 1


def test_one_that_alone_needs_more_memory_than_there_is_fails_alone() -> None:
    bench = Bench()
    bench.model.most["step"] = 0
    bench.submit("a", seed=1)
    bench.turns()
    assert isinstance(bench.endings()["a"], messages.Failed)
    bench.model.most["step"] = 4
    bench.submit("b", seed=2)
    bench.turns()
    assert bench.result("b").outputs[0].stop_reason == "complete"


def test_those_of_each_stage_are_a_batch() -> None:
    """Stepped together and decoded together, and sent in the order of their deadlines."""
    bench = Bench(stages=(0, 2))
    batches: list[set[int]] = []
    step, decode = bench.model.step, bench.model.decode

    def stepped(slots: Sequence[int], codes: int = 1) -> None:
        batches.append({bench.model.position(slot) // 2 for slot in slots})
        step(slots, codes)

    def decoded(slots: Sequence[int]) -> Decoded:
        batches.append({min(bench.model.position(slot) // 2, 1) for slot in slots})
        return decode(slots)

    bench.model.step, bench.model.decode = stepped, decoded  # type: ignore[method-assign]
    for remaining_ms, name in ((900, "second"), (800, "first"), (950, "third")):
        bench.submit(name, remaining_ms=remaining_ms, max_codes=2 if name == "first" else 3)
    for _ in range(2):
        bench.engine.turn(bench.clock.now())
    bench.submit("late comer", remaining_ms=1000, max_codes=3)
    bench.turns()
    assert all(len(batch) == 1 for batch in batches)
    assert {0} in batches[batches.index({1}) :]  # the late comer begins while others are in the second stage
    ended = [message.id for message in bench.sent if isinstance(message, messages.Result)]
    assert ended == ["first", "second", "third", "late comer"]


def test_what_stages_cost_is_learnt_apart() -> None:
    """A request that has come to a cheap stage does not hide what one in the dear stage takes."""
    bench = Bench(stages=(0, 2))
    bench.model.step_s = 0.004
    bench.submit("a", max_codes=2)
    bench.turns()
    bench.model.step_s = 0.0002
    for name in "bcdefghijklmnopqrstuvwxyz":
        bench.submit(name, codes=(1, 2), max_codes=8)
        bench.turns()
    assert bench.engine.costs.step(1) == pytest.approx(0.004, rel=0.3)
