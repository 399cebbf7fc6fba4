"""When a silent worker is suspected, and for how long."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from manual_clock import ManualClock

from service import messages
from service.pool.supervisor import Supervisor
from service.pool.watchdog import Watchdog
from service.scheduler.costs import exactly


@dataclass
class FakeWorker:
    index: int
    silent: float = 0.0
    suspect: bool = False
    killed: bool = False
    slots: dict[str, int] = field(default_factory=lambda: {"a": 4, "b": 1})
    minimums: dict[str, messages.Minimum] = field(default_factory=dict)

    def silence_s(self, _now: float) -> float:
        return self.silent

    def kill(self) -> None:
        self.killed = True


class Bench:
    def __init__(self, *workers: FakeWorker) -> None:
        self.relieved: list[int] = []
        self.watchdog = Watchdog(cast("list[Supervisor]", workers), ManualClock(), self._relieve)

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
    assert hanging.killed
