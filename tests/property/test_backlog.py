"""Promises in deadline order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.backlog import Backlog

promises = st.lists(st.tuples(st.integers(0, 50).map(float), st.integers(0, 8).map(float)), max_size=20)


def late(promises: list[tuple[float, float]], start: float) -> set[int]:
    """Which promises are late if they are kept in deadline order, those of one deadline in the order they were made."""
    found, end = set(), start
    for number in sorted(range(len(promises)), key=lambda number: promises[number][0]):
        end += promises[number][1]
        if end > promises[number][0]:
            found.add(number)
    return found


@given(promises, st.integers(0, 50).map(float), st.integers(0, 8).map(float), st.integers(0, 20).map(float))
def test_the_soonest_deadline_makes_nobody_late_and_no_sooner_one_would_do(
    made: list[tuple[float, float]], deadline: float, work: float, start: float
) -> None:
    backlog = Backlog()
    for promise in made:
        backlog.add(*promise)
    soonest = backlog.soonest(start, deadline, work)
    assert soonest >= deadline
    before = late(made, start)
    others = set(range(len(made)))
    assert late([*made, (soonest, work)], start) & others == before
    if soonest > deadline:
        assert late([*made, (soonest - 0.5, work)], start) & others > before


@given(promises, st.data())
def test_what_was_removed_leaves_no_trace(made: list[tuple[float, float]], data: st.DataObject) -> None:
    backlog, kept = Backlog(), Backlog()
    for promise in made:
        backlog.add(*promise)
    gone = data.draw(st.lists(st.sampled_from(range(len(made))), unique=True)) if made else []
    for number in gone:
        backlog.remove(*made[number])
    for number, promise in enumerate(made):
        if number not in gone:
            kept.add(*promise)
    for deadline in range(52):
        assert backlog.before(deadline) == kept.before(deadline)
        assert backlog.soonest(0.0, deadline, 1.0) == kept.soonest(0.0, deadline, 1.0)


@given(st.lists(st.integers(0, 40), max_size=30), st.integers(0, 45), st.integers(1, 6))
def test_a_crowd_is_who_takes_up_all_the_time_before(due: list[int], deadline: int, each: int) -> None:
    backlog = Backlog()
    for when in due:
        backlog.add(float(when), 1.0)
    before = sorted(when for when in due if when <= deadline)
    crowd = backlog.crowd(float(deadline), float(each))
    # Written latest first and one after another, each of these begins after the next one is due: no gap between them.
    assert all(when > deadline - (place + 1) * each for place, when in enumerate(before[::-1][:crowd]))
    assert crowd == len(before) or before[-crowd - 1] <= deadline - (crowd + 1) * each
