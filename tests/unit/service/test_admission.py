from __future__ import annotations

import pytest

from service.admission import Admission, Prospect
from service.errors import DeadlineInfeasible, Draining, Overloaded, WorkerLost


def test_places_are_counted_per_model_until_they_are_left() -> None:
    admission = Admission(queue_limit=3)
    prospect = Prospect(minimum_ms=5.0, safe_ms=10.0, slots=2)
    admission.admit("a", 4, 100.0, prospect)
    with pytest.raises(Overloaded, match="5 places"):
        admission.admit("a", 2, 100.0, prospect)
    assert admission.inside("a") == 4
    admission.admit("b", 5, 100.0, prospect)
    admission.admit("a", 1, 100.0, prospect)
    admission.leave("a", 4)
    admission.admit("a", 4, 100.0, prospect)


def test_an_infeasible_deadline_is_refused_with_the_smallest_that_would_do() -> None:
    admission = Admission(queue_limit=1)
    with pytest.raises(DeadlineInfeasible) as refusal:
        admission.admit("a", 1, 4.999, Prospect(minimum_ms=5.0, safe_ms=10.0, slots=1))
    assert refusal.value.extra == {"minimum_deadline_ms": 10.0}
    assert admission.inside("a") == 0
    admission.admit("a", 1, 5.0, Prospect(minimum_ms=5.0, safe_ms=10.0, slots=1))


def test_without_a_worker_only_who_can_wait_for_one_is_let_in() -> None:
    admission = Admission(queue_limit=1)
    with pytest.raises(WorkerLost):
        admission.admit("a", 1, 1e9, Prospect(minimum_ms=5.0, safe_ms=10.0, slots=1, ready_in_ms=None))
    with pytest.raises(WorkerLost):
        admission.admit("a", 1, 104.0, Prospect(minimum_ms=5.0, safe_ms=10.0, slots=1, ready_in_ms=100.0))
    admission.admit("a", 1, 105.0, Prospect(minimum_ms=5.0, safe_ms=10.0, slots=1, ready_in_ms=100.0))


def test_draining_refuses_everything() -> None:
    admission = Admission(queue_limit=1)
    admission.draining = True
    with pytest.raises(Draining):
        admission.admit("a", 1, 1e9, Prospect(minimum_ms=0.0, safe_ms=0.0, slots=1))
