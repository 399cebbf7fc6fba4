"""What is done in spare time has the least priority, and nothing else has."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from service.worker.spare_time import in_spare_time

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="priorities of single threads are Linux's")


def test_only_what_is_done_there_has_the_least_priority() -> None:
    def work() -> tuple[int, int]:
        inherited: list[int] = []
        child = threading.Thread(target=lambda: inherited.append(os.sched_getscheduler(0)))
        child.start()
        child.join()
        return os.sched_getscheduler(0), inherited[0]

    before = os.sched_getscheduler(0)
    assert in_spare_time(work) == (os.SCHED_IDLE, os.SCHED_IDLE)
    assert os.sched_getscheduler(0) == before != os.SCHED_IDLE


def test_where_that_is_forbidden_it_is_as_nice_as_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", forbidden)

    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = niceness()
    assert in_spare_time(niceness) == 19
    assert niceness() == before


def test_what_it_raises_is_raised() -> None:
    def work() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        in_spare_time(work)
