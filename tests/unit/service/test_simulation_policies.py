"""What sets the policies apart, on a device that is never slower than it was."""

from __future__ import annotations

import pytest

from service.simulation.durations import Durations
from service.simulation.experiment import House, serve
from service.simulation.tally import Cell
from service.simulation.traces import Arrival

PNG = ("png", 1)
QUALITY = [1.0 - 0.8**n for n in range(11)]


def house(workers: int = 1, queue_limit: int = 100) -> House:
    """A step takes 10 ms, a decode 5 ms, whatever the batch; an encoding 1 ms. Two slots."""
    buckets = (1, 2)
    durations = Durations({each: [0.01] for each in buckets}, {each: [0.005] for each in buckets}, {PNG: [0.001]})
    return House(durations, QUALITY, workers, slots=2, queue_limit=queue_limit)


def arrival(at: float, within: float, samples: int = 1) -> Arrival:
    return Arrival(at, within, samples, 1, 10, PNG)


def run(policy: str, *trace: Arrival, where: House | None = None) -> Cell:
    where = where or house()
    return serve(where, policy, trace, where.bound(trace))


def test_full_length_comes_late_where_others_cut() -> None:
    for policy in ("fifo-full", "edf-full"):
        cell = run(policy, arrival(0.0, 0.05))
        assert (cell.late, cell.codes.mean, cell.quality_per_sent) == (1, 10, 0.0)
        assert cell.overshoot_ms.max == pytest.approx(56)
    for policy in ("fifo-cut", "processor-sharing", "ours"):
        cell = run(policy, arrival(0.0, 0.05))
        assert (cell.on_time, cell.codes.mean) == (1, 4)
        assert cell.quality_per_sent == pytest.approx(QUALITY[4])


def test_the_most_urgent_enters_first_or_whoever_came_first() -> None:
    trace = [arrival(0.0, 9.0), arrival(0.0, 9.0), arrival(0.001, 9.0), arrival(0.002, 9.0), arrival(0.003, 0.22)]
    assert run("fifo-full", *trace).late == 1
    assert run("edf-full", *trace).late == 0


def test_equal_shares_make_room_for_who_waits() -> None:
    trace = [arrival(0.0, 0.4), arrival(0.0, 0.4), arrival(0.015, 0.04)]
    assert run("fifo-cut", *trace).late == 1
    assert run("processor-sharing", *trace).late == 0


def test_a_request_is_answered_with_its_last_sample() -> None:
    cell = run("fifo-full", arrival(0.0, 0.15, samples=3))
    assert (cell.sent, cell.ok, cell.late) == (1, 1, 1)
    assert cell.codes.mean == 10
    assert cell.seconds == pytest.approx(2 * (0.1 + 0.005) + 3 * 0.001)


def test_the_way_back_is_learnt_and_kept_back() -> None:
    trace = [Arrival(at, 0.05, 1, 1, 10, PNG, back=0.006) for at in (0.0, 1.0)]
    cell = run("ours", *trace)
    assert (cell.on_time, cell.late) == (1, 1)
    assert cell.overshoot_ms.max == pytest.approx(2)
    assert cell.codes.mean == 3.5  # the first one drew four, not knowing better


def test_requests_go_to_the_device_with_the_least_to_do() -> None:
    trace = [arrival(0.0, 0.12) for _ in range(4)]
    assert run("fifo-full", *trace).late == 2
    assert run("fifo-full", *trace, where=house(workers=2)).late == 0


def test_the_door_refuses_what_cannot_be_and_what_has_no_place() -> None:
    cell = run("ours", arrival(0.0, 0.0155), arrival(0.0, 0.5))
    assert (cell.infeasible, cell.refused, cell.on_time) == (1, 1, 1)
    crowd = [arrival(0.0, 5.0) for _ in range(5)]
    cell = run("ours", *crowd, where=house(queue_limit=1))
    assert (cell.infeasible, cell.refused, cell.ok) == (0, 2, 3)


def test_places_are_free_again_when_answers_are_out() -> None:
    one = house(queue_limit=1)
    crowd = [arrival(0.0, 5.0) for _ in range(3)]
    assert run("fifo-full", *crowd, arrival(0.1, 5.0), where=one).refused == 1
    assert run("fifo-full", *crowd, arrival(0.11, 5.0), where=one).refused == 0
    assert run("fifo-full", *crowd, where=one).failed == 0


def test_nothing_but_refusals() -> None:
    cell = run("ours", arrival(0.0, 0.001))
    assert (cell.refused, cell.ok, cell.quality_per_sent, cell.bound_share) == (1, 0, 0.0, 1.0)
    assert cell.codes.mean == cell.overshoot_ms.max == 0.0
