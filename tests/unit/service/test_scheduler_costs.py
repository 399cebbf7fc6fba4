from __future__ import annotations

from math import inf

import pytest

from service.scheduler import Costs
from service.scheduler.costs import HIGH, KNOWN, WINDOW, BatchCosts, EncodeCosts, Window, by_pixels, exactly


def test_window_knows_median_and_high_quantile_of_the_last_observations() -> None:
    window = Window(size=100)
    for value in range(1000):
        window.observe(float(value % 250))
    assert len(window) == 100
    assert window.duration.median == 200.0
    assert window.duration.high == 247.0


def test_window_forgets_one_slow_observation_and_heeds_several() -> None:
    window = Window()
    for _ in range(WINDOW):
        window.observe(1.0)
    window.observe(50.0)
    assert window.duration.high == 1.0
    for _ in range(round(WINDOW * (1 - HIGH)) + 1):
        window.observe(10.0)
    assert window.duration.high >= 10.0
    assert window.duration.median == 1.0


def test_a_slowdown_is_followed_and_forgotten() -> None:
    costs = BatchCosts((1, 4))
    for seconds in (1.0, 10.0, 1.0):
        for _ in range(WINDOW):
            costs.observe(1, seconds)
        assert costs.high(1) == seconds


def test_stages_are_learnt_apart_and_the_dearest_is_planned() -> None:
    """However often a cheap one is seen."""
    costs = BatchCosts((1, 4))
    costs.observe(1, 0.005, 0)
    for _ in range(2 * WINDOW):
        costs.observe(1, 0.001, 1)
    assert costs.duration(1) == exactly(0.005)
    for _ in range(2 * WINDOW):
        costs.observe(1, 0.002, 0)
    assert costs.duration(1) == exactly(0.002)
    costs.observe(4, 0.009, 1)
    assert costs.high(4) == pytest.approx(0.009)
    assert len(costs.history()[1]) == 4 * WINDOW + 1


def test_what_a_stage_takes_is_that_of_the_dearest_while_it_is_not_known() -> None:
    costs = Costs((1, 4), stages=(0, 3))
    costs.repeats.observe(1, 0.005, 0)
    assert costs.repeat(1, 1) == 0.005
    costs.repeats.observe(1, 0.001, 1)
    assert [costs.repeat(1, stage) for stage in (0, 1)] == [0.005, 0.001]
    assert costs.repeats.within(2, 1) == exactly(0.001)  # of no larger batch anything is known
    assert costs.repeats.within(9, 1) == costs.repeats.duration(9)  # several calls


def test_samples_are_in_stages() -> None:
    costs = Costs((1,), stages=(0, 3, 8))
    assert [costs.stage_of(position) for position in (0, 2, 3, 7, 8, 99)] == [0, 0, 1, 1, 2, 2]
    assert costs.in_stages([3, 0, 7, 99]) == {0: 1, 1: 2, 2: 1}
    assert (Costs((1,)).in_stages([2, 3]), Costs((1,)).in_stages([])) == ({0: 2}, {0: 0})


def test_what_a_sample_passes_but_once_is_not_planned_ahead() -> None:
    """Else the first pixel's cost would be reserved at every code."""
    costs = Costs((1,), stages=(0, 3, 4))
    for stage, seconds in enumerate((0.001, 0.009, 0.002)):
        costs.steps.observe(1, seconds, stage)
    assert (costs.step(1), costs.usual.step(1)) == (0.002, 0.002)
    assert [costs.step_now(1, stage) for stage in (0, 1, 2)] == [0.001, 0.009, 0.002]
    assert [costs.left_of_stage(position) for position in (0, 2, 3, 4, 99)] == [3, 1, 1, inf, inf]


def test_batches_are_padded_to_buckets_and_never_cost_less_than_smaller_ones() -> None:
    costs = BatchCosts((1, 4, 8))
    costs.observe(1, 3.0)
    costs.observe(4, 2.0)
    costs.observe(7, 5.0)
    assert [costs.high(batch) for batch in (0, 1, 2, 4, 5, 8)] == [0.0, 3.0, 3.0, 3.0, 5.0, 5.0]
    assert costs.high(8 + 8 + 2) == 5.0 + 5.0 + 3.0
    assert costs.duration(4).median == 3.0


def test_a_batch_size_that_is_hardly_used_varies_as_much_as_the_others() -> None:
    costs = BatchCosts((1, 4, 8))
    for seconds in (3.0, 3.0, 3.0, 90.0, 90.0):
        costs.observe(8, seconds)
    assert costs.high(8) == 90.0  # nothing better is known
    for each in range(KNOWN):
        costs.observe(4, 2.0 if each % 10 else 3.0)
    assert costs.duration(8) == (3.0, 3.0, 4.5)
    for _ in range(KNOWN):
        costs.observe(8, 3.0)
    assert costs.high(8) == 3.0


def test_what_was_never_observed_costs_nothing() -> None:
    costs = Costs((1, 2))
    assert costs.step(2) == costs.decode(5) == costs.encode(("png", 3)) == 0.0


def test_unseen_scales_are_estimated_by_their_pixels_until_they_are_measured() -> None:
    costs = EncodeCosts()
    costs.observe(("png", 1), 1.0)
    costs.observe(("png", 8), 10.0)
    assert costs.high(("png", 16)) == 40.0
    assert costs.high(("png", 2)) == 4.0
    assert costs.high(("webp", 1)) == 0.0
    costs.observe(("png", 16), 15.0)
    assert costs.high(("png", 16)) == 15.0
    assert costs.duration(("png", 32)).median == 60.0


def test_by_pixels_never_estimates_below_the_nearest_known_scale() -> None:
    assert by_pixels({("png", 8): exactly(10.0)}, ("png", 4)) == exactly(10.0)


def test_what_a_batch_of_results_reserves() -> None:
    costs = Costs((1, 2, 4))
    for bucket in (1, 2, 4):
        costs.decodes.observe(bucket, float(bucket))
    costs.encodes.observe(("png", 1), 0.25)
    costs.encodes.observe(("jpeg", 1), 0.5)
    assert costs.finish([("png", 1), ("png", 1), ("jpeg", 1)]) == pytest.approx(4 + 1.0)
    assert costs.finish([]) == 0.0


def test_further_samples_cost_what_the_steepest_bucket_says() -> None:
    costs = Costs((1, 2, 4))
    for bucket, seconds in ((1, 1.0), (2, 1.2), (4, 2.5)):
        costs.steps.observe(bucket, seconds)
        costs.decodes.observe(bucket, 0.0)
    assert costs.further() == pytest.approx(0.5)
    assert Costs((1,)).further() == 0.0


def test_a_busy_device_is_not_expected_to_fill_its_largest_batch() -> None:
    costs = Costs((1, 8, 64))
    for bucket, seconds in ((1, 1.0), (8, 4.0), (64, 16.0)):
        costs.steps.observe(bucket, seconds)
        costs.decodes.observe(bucket, 2 * seconds)
    assert costs.share(0) == pytest.approx(1.0)
    assert costs.share(3) == pytest.approx(2.5)
    large = Costs((64,))
    large.steps.observe(64, 64.0)
    large.decodes.observe(64, 64.0)
    assert large.share(1) == pytest.approx(2.0)


def test_batches_that_may_not_be_are_several_calls() -> None:
    costs = BatchCosts((1, 2, 4, 8))
    for batch in (1, 2, 4, 8):
        costs.observe(batch, float(batch))
    assert costs.high(8) == 8.0
    costs.limit(3)
    assert (costs.buckets, costs.largest) == ((1, 2), 2)
    assert [costs.high(batch) for batch in (1, 2, 3, 8)] == [1.0, 2.0, 3.0, 8.0]
    costs.observe(1, 1.0)
    costs.limit(0)
    assert costs.buckets == (1,)


def test_a_batch_of_any_size_is_looked_up_as_it_is_worked_out() -> None:
    costs = BatchCosts([1, 4])
    costs.observe(1, 0.5)
    costs.observe(4, 1.25)
    assert costs.high(100_000) == 25_000 * 1.25  # as many as samples that are given codes may have to read
    for batch in range(12):
        assert costs.high(batch) == costs.duration(batch).high
        assert costs.median(batch) == costs.duration(batch).median
