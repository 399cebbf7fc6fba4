"""The queue between requests that have ended and a collector: nobody waits for it, and what is lost is counted."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from service.telemetry import exporter as exporters
from service.telemetry.exporter import BATCH, BatchExporter
from service.telemetry.tracer import Ended, Identity, Story

ENDED = Ended(Identity("1" * 32, "2" * 16, None), Story("POST /", 1.0, 0.0, (), {}, False), 10**18)


def test_what_is_too_much_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporters, "LIMIT", 100)
    busy, go_on = threading.Event(), threading.Event()
    counts: dict[str, int] = {}

    def send(batch: Sequence[Ended]) -> bool:
        busy.set()
        return go_on.wait(30)

    def count(name: str, requests: int) -> None:
        counts[name] = counts.get(name, 0) + requests

    exporter = BatchExporter(send, count)
    for _ in range(BATCH):
        exporter.offer(ENDED)
    exporter.start()
    assert busy.wait(30)
    for _ in range(107):
        exporter.offer(ENDED)
    assert counts == {"dropped": 7}
    go_on.set()
    exporter.close(30)
    assert counts == {"dropped": 7, "exported": BATCH + 100}


def test_a_defect_costs_its_batch_alone(caplog: pytest.LogCaptureFixture) -> None:
    counts: list[tuple[str, int]] = []
    answers: Iterator[Callable[[], bool]] = iter([lambda: bool(1 // 0), lambda: True])
    exporter = BatchExporter(lambda _batch: next(answers)(), lambda *told: counts.append(told))
    for _ in range(BATCH + 1):
        exporter.offer(ENDED)
    exporter.start()
    exporter.close(30)
    assert counts == [("failed", BATCH), ("exported", 1)]
    assert "ZeroDivisionError" in caplog.text


def test_the_end_does_not_wait_for_long() -> None:
    never = threading.Event()
    exporter = BatchExporter(lambda _batch: never.wait(), lambda *_told: None)
    before = sys.getswitchinterval()
    exporter.offer(ENDED)
    exporter.start()
    assert sys.getswitchinterval() < before
    exporter.close(0.01)
    assert sys.getswitchinterval() == before
    never.set()
