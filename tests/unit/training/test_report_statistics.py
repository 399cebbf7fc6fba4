from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.report.statistics import Interval, mean_interval, paired_interval, t_quantile
from training.report.verdicts import Verdict, decide, judge, show


@pytest.mark.parametrize(
    ("freedom", "expected"),
    [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (9, 2.2622), (10, 2.2281), (30, 2.0423), (1000, 1.9623)],
)
def test_quantiles_are_those_of_the_tables(freedom: int, expected: float) -> None:
    assert t_quantile(0.975, freedom) == pytest.approx(expected, abs=1e-4)


def test_other_quantiles() -> None:
    assert t_quantile(0.95, 5) == pytest.approx(2.0150, abs=1e-4)
    assert t_quantile(0.995, 2) == pytest.approx(9.9248, abs=1e-4)
    assert t_quantile(0.5, 7) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("probability", "freedom"), [(0.4, 3), (1.0, 3), (0.9, 0)])
def test_no_such_quantile(probability: float, freedom: int) -> None:
    with pytest.raises(ValueError, match="no quantile"):
        t_quantile(probability, freedom)


def test_the_interval_of_a_textbook_case() -> None:
    interval = mean_interval([10.0, 12.0, 14.0])  # standard error 2 / sqrt(3)
    assert (interval.value, interval.count) == (12, 3)
    assert interval.high is not None
    assert interval.high - 12 == pytest.approx(4.302653 * 2 / 3**0.5, abs=1e-4)


def test_one_seed_has_no_interval_and_none_no_mean() -> None:
    assert mean_interval([3.0]) == Interval(value=3, low=None, high=None, count=1)
    with pytest.raises(ValueError, match="the mean of no values"):
        mean_interval([])


def test_pairs_cancel_what_seeds_have_in_common() -> None:
    first, second = {0: 100.0, 1: 200.0, 2: 300.0, 5: 0.0}, {0: 99.0, 1: 198.9, 2: 299.1}
    difference = paired_interval(first, second)
    assert difference.count == 3
    assert difference.value == pytest.approx(1.0)
    assert difference.low is not None
    assert difference.low > 0.7
    with pytest.raises(ValueError, match="no values"):
        paired_interval({0: 1.0}, {1: 1.0})


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=8), st.floats(-1e3, 1e3))
def test_an_interval_moves_with_its_values(values: list[float], shift: float) -> None:
    here, there = mean_interval(values), mean_interval([value + shift for value in values])
    assert here.low is not None
    assert here.high is not None
    assert here.low <= here.value <= here.high
    assert there.value == pytest.approx(here.value + shift, abs=1e-6)
    assert there.low == pytest.approx(here.low + shift, abs=1e-4)


SURE = Interval(value=2, low=1, high=3, count=3)
UNSURE = Interval(value=2, low=-1, high=5, count=3)
ONCE = Interval(value=2, low=None, high=None, count=1)
HARM = Interval(value=-1, low=-2, high=0, count=3)
NEVER = Interval(value=-1, low=None, high=None, count=1)


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        ([SURE, SURE], "holds"),
        ([SURE, UNSURE], "holds on average, not beyond noise"),
        ([SURE, ONCE], "holds on average, not beyond noise"),
        ([ONCE, ONCE], "holds for one seed"),
        ([ONCE, NEVER], "does not hold for one seed"),
        ([SURE, NEVER], "does not hold"),
        ([SURE, HARM], "does not hold"),
        ([Interval(value=0, low=0, high=0, count=2)], "does not hold"),
    ],
)
def test_a_verdict_follows_from_the_worst_difference(found: list[Interval], outcome: str) -> None:
    assert decide("x", {str(place): interval for place, interval in enumerate(found)}).outcome == outcome


def test_a_verdict_says_where_it_fails() -> None:
    verdict = decide("A is below B", {"0.2": SURE, "0.4": HARM})
    assert verdict.sentence == "A is below B: does not hold (not at 0.4; least difference -1 [-2, 0] at 0.4)"
    once = decide("A is below B", {"0.2": ONCE, "0.4": NEVER})
    assert once.sentence == "A is below B: does not hold for one seed (not at 0.4; least difference -1 at 0.4)"
    with pytest.raises(ValueError, match="nothing was measured for 'x'"):
        decide("x", {})


FAILS, HOLDS, HALF = (decide("x", {"a": found}) for found in (HARM, SURE, UNSURE))
OF_ONE, NOT_OF_ONE = (decide("x", {"a": Interval(value=value, low=None, high=None, count=1)}) for value in (1, -1))


@pytest.mark.parametrize(
    ("verdicts", "sentence"),
    [
        ([HOLDS, HOLDS], "Held: 2 of 2 statements hold (3 seeds)."),
        ([HOLDS], "Held: 1 statement holds (3 seeds)."),
        ([HOLDS, HALF], "Not decided with so few seeds: 1 of 2 statements holds, 1 holds on average only (3 seeds)."),
        (
            [HOLDS, HALF, FAILS],
            "Held in part: 1 of 3 statements holds, 1 holds on average only, 1 does not hold (3 seeds).",
        ),
        ([FAILS, FAILS], "Did not hold: 2 of 2 statements do not hold (3 seeds)."),
        ([OF_ONE], "Not decided with so few seeds: 1 statement holds (one seed, no interval is known)."),
        (
            [OF_ONE, NOT_OF_ONE],
            "Not decided with so few seeds: 1 of 2 statements holds, 1 does not hold (one seed, no interval is known).",
        ),
        (
            [HOLDS, OF_ONE],
            "Not decided with so few seeds: 1 of 2 statements holds, 1 holds for one seed (1 to 3 seeds).",
        ),
    ],
)
def test_a_claim_is_judged_by_all_its_statements(verdicts: list[Verdict], sentence: str) -> None:
    judgement = judge(verdicts)
    assert judgement.sentence == sentence
    assert sentence.lower().startswith(f"{judgement.result}:")


def test_numbers_as_text() -> None:
    assert show(SURE) == "2 [1, 3]"
    assert show(ONCE) == "2"
