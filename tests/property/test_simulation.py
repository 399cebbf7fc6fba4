"""The clairvoyant bound against brute force, and policies against the bound, on small random loads."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.simulation.bound import Demand, Work, clairvoyant_quality
from service.simulation.durations import Durations
from service.simulation.experiment import House, serve
from service.simulation.policies import POLICIES
from service.simulation.traces import Arrival

QUALITY = [0.0, 0.5, 0.8, 0.9, 0.95]
KIND = ("png", 1)

common = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def some_demands(draw: st.DrawFn, *, until: int = 5, most: int = 3) -> list[Demand]:
    """Windows between whole seconds."""
    demands = []
    for _ in range(draw(st.integers(1, most))):
        arrival = draw(st.integers(0, until - 1))
        deadline = draw(st.integers(arrival + 1, until))
        demands.append(Demand(arrival, deadline, draw(st.integers(1, 5)), draw(st.integers(1, 2))))
    return demands


def best_by_trying(demands: Sequence[Demand], overhead: int, quality: Sequence[float]) -> float:
    """Give every second of one device to one sample or to nobody, in every way; a code takes one second."""
    samples = [each for each in demands for _ in range(each.samples)]
    seconds = range(max(each.deadline for each in demands).__ceil__())
    choices = [
        [None, *(index for index, each in enumerate(samples) if each.arrival <= second < each.deadline)]
        for second in seconds
    ]
    best = 0.0
    for given_to in product(*choices):
        codes = [max(given_to.count(index) - overhead, 0) for index in range(len(samples))]
        worth = (quality[min(n, each.max_codes, 4)] for n, each in zip(codes, samples, strict=True))
        best = max(best, sum(worth))
    return best


@common
@given(some_demands())
def test_the_bound_is_the_best_there_is_where_work_comes_in_whole_seconds(demands: list[Demand]) -> None:
    best = best_by_trying(demands, 0, QUALITY)
    assert abs(clairvoyant_quality(demands, Work(code_s=1.0, sample_s=0.0), QUALITY) - best) < 1e-9


@common
@given(some_demands(), st.integers(1, 2))
def test_nobody_beats_the_bound_where_samples_cost_more_than_their_codes(demands: list[Demand], overhead: int) -> None:
    best = best_by_trying(demands, overhead, QUALITY)
    assert clairvoyant_quality(demands, Work(code_s=1.0, sample_s=float(overhead)), QUALITY) >= best - 1e-9


@common
@given(some_demands(most=6, until=20), st.integers(1, 3))
def test_more_time_more_devices_and_less_work_never_bound_lower(demands: list[Demand], devices: int) -> None:
    work = Work(code_s=1.0, sample_s=0.5)
    bound = clairvoyant_quality(demands, work, QUALITY, devices)
    longer = [Demand(each.arrival, each.deadline + 1, each.max_codes, each.samples) for each in demands]
    assert clairvoyant_quality(longer, work, QUALITY, devices) >= bound - 1e-9
    assert clairvoyant_quality(demands, work, QUALITY, devices + 1) >= bound - 1e-9
    assert clairvoyant_quality(demands, Work(0.9, 0.5), QUALITY, devices) >= bound - 1e-9
    assert clairvoyant_quality(demands, Work(1.0, 0.5, step_s=1.0, finish_s=0.5), QUALITY, devices) <= bound + 1e-9


@st.composite
def some_house(draw: st.DrawFn) -> House:
    """Devices on which everything always takes as long as ever."""
    buckets, step, decode = (1, 2, 4), draw(st.floats(1e-5, 5e-3)), draw(st.floats(1e-4, 5e-3))
    slope = draw(st.floats(0.0, 1.0))
    durations = Durations(
        {bucket: [step * (1 + slope * (bucket - 1))] for bucket in buckets},
        {bucket: [decode * (1 + slope * (bucket - 1))] for bucket in buckets},
        {KIND: [draw(st.floats(1e-5, 1e-3))]},
        {1: [step * draw(st.floats(0.05, 1.0))]},
    )
    return House(durations, QUALITY, draw(st.integers(1, 2)), slots=4, queue_limit=draw(st.integers(1, 20)))


@st.composite
def some_trace(draw: st.DrawFn) -> list[Arrival]:
    """Up to twenty requests for one to three samples within a tenth of a second."""
    arrivals = []
    for _ in range(draw(st.integers(1, 20))):
        most = draw(st.integers(1, 4))
        floor = draw(st.integers(1, most))
        at, within = draw(st.floats(0.0, 0.1)), draw(st.floats(1e-3, 0.1))
        arrivals.append(Arrival(at, within, draw(st.integers(1, 3)), floor, most, KIND))
    return sorted(arrivals, key=lambda each: each.at)


@common
@given(some_house(), some_trace(), st.sampled_from(sorted(POLICIES)))
def test_everyone_who_is_let_in_is_answered_and_no_policy_beats_the_bound(
    house: House, trace: list[Arrival], policy: str
) -> None:
    cell = serve(house, policy, trace, house.bound(trace))
    assert cell.ok + cell.refused == cell.sent == len(trace)
    assert cell.on_time + cell.late == cell.ok
    assert cell.bound_share <= 1 + 1e-9
    assert serve(house, policy, trace, house.bound(trace)) == cell
