from __future__ import annotations

import pytest

from service.simulation.bound import Demand, Work, clairvoyant_quality, gain_of_work, most_work

QUALITY = [0.0, 0.5, 0.8, 0.9]


def test_nobody_gets_more_than_there_is() -> None:
    assert clairvoyant_quality([], Work(1.0, 0.0), QUALITY) == 0.0
    assert clairvoyant_quality([Demand(0, 100, 3, samples=2)], Work(1.0, 1.0), QUALITY) == pytest.approx(1.8)
    assert clairvoyant_quality([Demand(0, 100, 2)], Work(1.0, 1.0), QUALITY) == pytest.approx(0.8)
    assert clairvoyant_quality([Demand(5, 5, 3), Demand(5, 4, 3)], Work(1.0, 0.0), QUALITY) == 0.0


def test_time_goes_where_it_gains_most() -> None:
    one, two = Demand(0, 3, 3), Demand(0, 4, 3)
    assert clairvoyant_quality([one, two], Work(1.0, 0.0), QUALITY) == pytest.approx(0.8 + 0.8)
    late, early = Demand(0, 4, 3), Demand(0, 1, 3)
    assert clairvoyant_quality([late, early], Work(1.0, 0.0), QUALITY) == pytest.approx(0.9 + 0.5)


def test_several_devices_are_one_that_is_as_many_times_as_fast() -> None:
    demands = [Demand(0, 1, 3) for _ in range(4)]
    for devices, best in ((1, 0.5), (4, 2.0), (8, 3.2), (12, 3.6), (100, 3.6)):
        assert clairvoyant_quality(demands, Work(1.0, 0.0), QUALITY, devices) == pytest.approx(best)


def test_codes_of_one_sample_are_drawn_one_after_the_other() -> None:
    alone = [Demand(0.0, 1.0, 3)]
    batched = Work(code_s=0.1, sample_s=0.1)
    assert clairvoyant_quality(alone, batched, QUALITY) == pytest.approx(0.9)
    assert clairvoyant_quality(alone, Work(0.1, 0.1, step_s=0.4, finish_s=0.2), QUALITY) == pytest.approx(0.8)
    assert clairvoyant_quality(alone, Work(0.1, 0.1, step_s=0.4, finish_s=0.7), QUALITY) == 0.0
    assert clairvoyant_quality(alone, Work(0.1, 0.1, finish_s=1.1), QUALITY) == 0.0


def test_the_overhead_of_a_sample_makes_a_few_codes_the_best_bargain() -> None:
    slopes = [(round(each.slope, 9), each.width) for each in gain_of_work(QUALITY, Work(1.0, 2.0))]
    assert slopes == [(0.2, 4.0), (0.1, 1.0)]
    flat = gain_of_work([0.0, 0.5, 0.5], Work(1.0, 0.0))
    assert [(each.slope, each.width) for each in flat] == [(0.5, 1.0)]


def test_the_earliest_deadline_goes_first() -> None:
    assert most_work([0, 0], [4, 1], [4, 1]) == 4
    assert most_work([0, 1], [4, 2], [3, 1]) == 4
    assert most_work([0, 1], [2, 2], [2, 2]) == 2
    assert most_work([0, 10], [2, 11], [1, 5]) == 2


@pytest.mark.parametrize(("quality", "devices"), [([], 1), ([0.1, 0.5], 1), ([0.0, 0.5], 0)])
def test_what_makes_no_sense(quality: list[float], devices: int) -> None:
    with pytest.raises(ValueError, match="must begin at 0"):
        clairvoyant_quality([Demand(0, 1, 1)], Work(1.0, 0.0), quality, devices)


@pytest.mark.parametrize("costs", [(0.0, 1.0, 0.0, 0.0), (1.0, -1.0, 0.0, 0.0), (1.0, 0.0, -1.0, 0.0)])
def test_work_that_is_none(costs: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="must cost something"):
        Work(*costs)
