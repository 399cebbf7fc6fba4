"""When a silent worker is suspected, and for how long."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import cast

from manual_clock import ManualClock

from service import messages
from service.pool.supervisor import Supervisor
from service.pool.vitals import Vitals, look_at
from service.pool.watchdog import Watchdog
from service.scheduler.costs import exactly


@dataclass
class FakeWorker:
    index: int
    silent: float = 0.0
    suspect: bool = False
    killed: bool = False
    hung: bool = False
    pid: int | None = 1
    slots: dict[str, int] = field(default_factory=lambda: {"a": 4, "b": 1})
    minimums: dict[str, messages.Minimum] = field(default_factory=dict)

    def silence_s(self, _now: float) -> float:
        return self.silent

    def kill(self) -> None:
        self.killed = True


class Bench:
    def __init__(self, *workers: FakeWorker) -> None:
        self.relieved: list[int] = []
        self.vitals: Vitals | None = None
        supervisors = cast("list[Supervisor]", workers)
        self.watchdog = Watchdog(supervisors, ManualClock(), self._relieve, 60.0, lambda _pid: self.vitals)

    def _relieve(self, worker: Supervisor) -> None:
        self.relieved.append(worker.index)

    def looks(self, count: int) -> list[int]:
        """Who is relieved at so many looks."""
        self.relieved.clear()
        for _ in range(count):
            self.watchdog.look()
        return self.relieved


def test_only_who_is_silent_at_two_looks_in_a_row_is_suspect() -> None:
    quiet, silent = FakeWorker(0, 0.29), FakeWorker(1, 0.31)
    bench = Bench(quiet, silent)
    assert bench.looks(1) == []
    silent.silent = 0.0
    assert bench.looks(1) == []
    silent.silent = 0.31
    assert bench.looks(3) == [1, 1]
    assert (quiet.suspect, silent.suspect) == (False, True)


def test_a_slow_model_has_more_patience() -> None:
    slow = FakeWorker(0, 1.5)
    slow.minimums["a"] = messages.Minimum(
        exactly(0.1), exactly(0.1), 0.1, (0.0, 0.0), []
    )  # half a second for all of its slots
    bench = Bench(slow)
    assert bench.looks(3) == []
    slow.silent = 1.9
    assert bench.looks(3) == [0, 0]


def test_who_stays_silent_is_killed() -> None:
    hanging = FakeWorker(0, 4.9)
    bench = Bench(hanging)
    bench.looks(2)
    assert not hanging.killed
    hanging.silent = 5.1
    bench.looks(1)
    assert (hanging.killed, hanging.hung) == (True, True)


def slow_worker(silent: float) -> FakeWorker:
    """One that was seen to need six seconds for a turn, on a machine without processor time."""
    worker = FakeWorker(0, silent)
    worker.minimums["a"] = messages.Minimum(exactly(3.0), exactly(3.0), 0.0, (0.0, 0.0), [])
    return worker


def test_who_stands_still_is_suspect_within_a_second_and_killed_after_five_however_slow_it_was() -> None:
    worker = slow_worker(0.4)
    bench = Bench(worker)
    bench.vitals = Vitals(100, runnable=False)
    assert bench.looks(5) == []
    assert bench.looks(2) == [0, 0]
    assert worker.suspect
    assert not worker.killed
    bench.looks(43)
    assert not worker.killed
    bench.looks(1)
    assert (worker.killed, worker.hung) == (True, True)


def test_who_gets_little_time_or_waits_for_it_is_not_killed() -> None:
    waits, works = slow_worker(15.0), slow_worker(15.0)
    bench = Bench(waits)
    bench.vitals = Vitals(100, runnable=True)
    assert bench.looks(200) == []
    bench = Bench(works)
    for ticks in range(100):
        bench.vitals = Vitals(ticks // 5, runnable=False)  # a fiftieth of a processor
        assert bench.looks(1) == []
    assert not waits.killed
    assert not works.killed


def test_who_works_on_beyond_every_deadline_is_killed() -> None:
    worker = slow_worker(59.0)
    worker.minimums["a"] = messages.Minimum(exactly(30.0), exactly(30.0), 0.0, (0.0, 0.0), [])
    bench = Bench(worker)
    bench.vitals = Vitals(100, runnable=True)
    assert bench.looks(3) == []
    worker.silent = 60.1
    bench.looks(2)
    assert worker.killed


def test_where_nothing_is_known_of_a_process_it_has_the_patience_that_was_learnt() -> None:
    worker = slow_worker(15.0)
    assert Bench(worker).looks(100) == []


def test_what_the_system_tells_of_a_process() -> None:
    here = look_at(os.getpid())
    assert here is not None
    assert here.runnable
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"], stdout=-1)
    try:
        assert sleeper.stdout is not None
        sleeper.stdout.readline()
        time.sleep(0.05)
        before, after = look_at(sleeper.pid), look_at(sleeper.pid)
        assert before is not None
        assert before == after
        assert not before.runnable
    finally:
        sleeper.kill()
        sleeper.wait()
        if sleeper.stdout:
            sleeper.stdout.close()
    assert look_at(sleeper.pid) is None
