from __future__ import annotations

import pytest

from service.admission import Admission, Prospect
from service.errors import DeadlineInfeasible, Draining, Overloaded, WorkerLost


def test_places_are_counted_per_model_until_they_are_left() -> None:
    admission = Admission(queue_limit=3)
    prospect = Prospect(minimum_ms=5.0, safe_ms=10.0, slots=2)
    four = admission.admit("a", 4, 0.0, 0.1, prospect)
    with pytest.raises(Overloaded, match="5 places"):
        admission.admit("a", 2, 0.0, 0.1, prospect)
    assert admission.inside("a") == 4
    admission.admit("b", 5, 0.0, 0.1, prospect)
    admission.admit("a", 1, 0.0, 0.1, prospect)
    admission.leave(four)
    admission.admit("a", 4, 0.0, 0.1, prospect)


def test_an_infeasible_deadline_is_refused_with_the_smallest_that_would_do() -> None:
    admission = Admission(queue_limit=1)
    with pytest.raises(DeadlineInfeasible) as refusal:
        admission.admit("a", 1, 7.0, 7.004999, Prospect(minimum_ms=5.0, safe_ms=10.0, slots=1))
    assert refusal.value.extra == {"minimum_deadline_ms": 10.0}
    assert admission.inside("a") == 0
    admission.admit("a", 1, 7.0, 7.005001, Prospect(minimum_ms=5.0, safe_ms=10.0, slots=1))


def test_without_a_worker_only_who_can_wait_for_one_is_let_in() -> None:
    admission = Admission(queue_limit=1)
    with pytest.raises(WorkerLost):
        admission.admit("a", 1, 0.0, 1e6, Prospect(minimum_ms=5.0, safe_ms=10.0, slots=1, ready_in_ms=None))
    with pytest.raises(WorkerLost):
        admission.admit("a", 1, 0.0, 0.104, Prospect(minimum_ms=5.0, safe_ms=10.0, slots=1, ready_in_ms=100.0))
    admission.admit("a", 1, 0.0, 0.1051, Prospect(minimum_ms=5.0, safe_ms=10.0, slots=1, ready_in_ms=100.0))


def test_draining_refuses_everything() -> None:
    admission = Admission(queue_limit=1)
    admission.draining = True
    with pytest.raises(Draining):
        admission.admit("a", 1, 0.0, 1e6, Prospect(minimum_ms=0.0, safe_ms=0.0, slots=1))


BUSY = Prospect(minimum_ms=10.0, safe_ms=20.0, slots=99, work_ms=4.0)


def test_a_promise_that_cannot_be_kept_beside_the_others_is_not_made() -> None:
    admission = Admission(queue_limit=99)
    places = [admission.admit("a", 1, 0.0, 0.048, BUSY) for _ in range(10)]  # 40 ms of work, and 6 for the last one
    with pytest.raises(DeadlineInfeasible) as refusal:
        admission.admit("a", 1, 0.0, 0.048, BUSY)
    assert refusal.value.extra["minimum_deadline_ms"] == pytest.approx(60.0)
    with pytest.raises(DeadlineInfeasible):  # in time itself, but all the others would be late
        admission.admit("a", 1, 0.0, 0.012, BUSY)
    later = admission.admit("a", 1, 0.0, 0.0601, BUSY)
    admission.leave(places.pop())
    admission.admit("a", 1, 0.0, 0.012, BUSY)
    admission.leave(later)


def test_who_is_late_already_keeps_nobody_out() -> None:
    admission = Admission(queue_limit=99)
    for _ in range(3):
        admission.admit("a", 1, 0.0, 0.02, BUSY)
    admission.admit("a", 1, 0.1, 0.125, BUSY)  # 12 ms for those who are late, and 10 for itself


def test_an_extended_promise_makes_room() -> None:
    admission = Admission(queue_limit=99)
    places = [admission.admit("a", 1, 0.0, 0.048, BUSY) for _ in range(10)]
    moved = admission.extend(places[0], 0.2, BUSY)
    admission.admit("a", 1, 0.0, 0.048, BUSY)
    admission.leave(moved)
    assert admission.inside("a") == 10


def test_answers_that_are_due_together_must_come_one_after_another() -> None:
    admission = Admission(queue_limit=99)
    prospect = Prospect(minimum_ms=5.0, safe_ms=6.0, slots=64, answer_ms=2.0)
    leads = [admission.admit("a", 1, 0.0, 0.1, prospect).lead for _ in range(4)]
    assert leads == pytest.approx([0.0, 0.002, 0.004, 0.006])
    assert admission.admit("a", 1, 0.0, 0.2, prospect).lead == 0.0
    assert admission.admit("a", 1, 0.0, 0.101, prospect).lead == pytest.approx(0.008)
    admission.admit("a", 1, 0.0859, 0.1, prospect)  # 14.1 ms: 8 for those before, and 5 for itself
    with pytest.raises(DeadlineInfeasible, match="would do now is 16"):
        admission.admit("a", 1, 0.0859, 0.1, prospect)


def test_where_many_wait_for_a_slot_everyone_keeps_time_for_a_turn_to_spare() -> None:
    few, many = (Prospect(10.0, 20.0, slots, work_ms=1.0, turn_ms=8.0) for slots in (99, 2))
    for prospect, spare in ((few, 0.0), (many, 0.008)):
        admission = Admission(queue_limit=99)
        for _ in range(6):
            admission.admit("a", 1, 0.0, 1.0, prospect)
        with pytest.raises(DeadlineInfeasible):
            admission.admit("a", 1, 0.0, 0.0099 + spare, prospect)
        admission.admit("a", 1, 0.0, 0.0101 + spare, prospect)


def test_broken_promises_make_the_door_narrower_and_kept_ones_open_it_again() -> None:
    prospect = Prospect(10.0, 20.0, slots=9, work_ms=4.0, turn_ms=4.0)

    def least_ms(admission: Admission) -> float:
        """The smallest deadline that is let in beside one who is inside."""
        place = admission.admit("a", 1, 0.0, 1.0, prospect)
        for tenths in range(1000):
            try:
                admission.leave(admission.admit("a", 1, 0.0, tenths / 10_000, prospect))
            except DeadlineInfeasible:
                continue
            admission.leave(place)
            return tenths / 10
        raise AssertionError("nobody is let in")

    admission = Admission(queue_limit=99)
    assert least_ms(admission) == pytest.approx(10.0, abs=0.11)
    admission.answered("a", late=True, least=True)
    assert least_ms(admission) == pytest.approx(12.0, abs=0.11)
    admission.answered("b", late=True, least=True)
    admission.answered("a", late=True, least=False)  # it could have been stopped sooner: not the door's fault
    for _ in range(250):
        admission.answered("a", late=False, least=True)
    assert least_ms(admission) == pytest.approx(11.0, abs=0.11)
    for _ in range(250):
        admission.answered("a", late=False, least=True)
    assert least_ms(admission) == pytest.approx(10.0, abs=0.11)
    for _ in range(99):
        admission.answered("a", late=True, least=True)
    assert least_ms(admission) == pytest.approx(14.0, abs=0.11)  # who is alone with 4 ms of work waits no longer
    admission.admit("a", 1, 0.0, 0.0101, prospect)
