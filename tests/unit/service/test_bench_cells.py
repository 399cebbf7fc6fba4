from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.errors import AnytimeError
from service.bench.cells import Spread, count_cell, count_detail, nearest_rank, spread
from service.bench.report import trace_line, write_trace
from service.bench.schedule import Ask, Planned
from service.bench.verdicts import Class, Verdict

ASK = Ask("tiny", max_codes=4)


def answered(client_ms: float, codes: int = 4, quality: float = 1.0, send_late_ms: float = 0.0) -> Verdict:
    group = Class.ON_TIME if client_ms <= 50 else Class.LATE
    stop_reason = "complete" if codes == 4 else "deadline"
    planned = Planned(0.25, 50.0, 7)
    worker_ms = client_ms - 3.5
    return Verdict(planned, group, 200, None, client_ms, send_late_ms, (codes,), (stop_reason,), (quality,), worker_ms)


def refused(slug: str, status: int) -> Verdict:
    return Verdict(Planned(0.5, 50.0, 8), Class.REFUSED, status, slug, 1.5, 0.0)


VERDICTS = [
    answered(20.0),
    answered(49.5, codes=2, quality=0.75),
    answered(50.2, codes=1, quality=0.5),
    answered(57.0, codes=1, quality=0.5, send_late_ms=6.0),
    refused("overloaded", 503),
    refused("deadline-infeasible", 504),
    refused("overloaded", 503),
    Verdict(Planned(0.75, 50.0, 9), Class.FAILED, None, "connection closed", None, None),
]


def test_a_cell() -> None:
    cell = count_cell(2.0, VERDICTS, bound=7.0)
    assert (cell.load, cell.sent, cell.ok, cell.on_time, cell.late, cell.refused, cell.failed) == (
        2.0,
        8,
        4,
        2,
        2,
        3,
        1,
    )
    assert cell.overshoot_ms == Spread(p50=-0.5, p99=7.0, p999=7.0, max=7.0)
    assert (cell.codes.mean, cell.codes.p10) == (2.0, 1)
    assert cell.quality_mean == 0.688
    assert cell.bound_share == 0.25  # 1 + 0.75 of 7; what came late does not count


def test_its_detail() -> None:
    detail = count_detail(2.0, 10.0, VERDICTS, [0.1, 0.25], opened=3, busy=0.1)
    assert detail.late_within_noise == 1
    assert detail.refusals == {"overloaded": 2, "deadline-infeasible": 1}
    assert detail.failures == {"connection closed": 1}
    assert detail.stop_reasons == {"complete": 1, "deadline": 3}
    assert detail.send_late_ms.max == 6.0
    assert detail.timer_overshoot_ms.max == 0.25


def test_a_cell_of_nothing() -> None:
    cell = count_cell(1.0, [], bound=0.0)
    assert (cell.sent, cell.overshoot_ms, cell.codes.mean, cell.codes.p10) == (
        0,
        Spread(None, None, None, None),
        None,
        None,
    )
    assert (cell.quality_mean, cell.bound_share) == (None, None)


def test_quantiles_are_values_that_occurred() -> None:
    thousand = [float(each) for each in range(1, 1001)]
    assert spread(thousand) == Spread(p50=500.0, p99=990.0, p999=999.0, max=1000.0)
    assert spread([3.0, 1.0, 2.0]) == Spread(p50=2.0, p99=3.0, p999=3.0, max=3.0)
    assert nearest_rank([1.0, 2.0], 0.1) == 1.0


def test_the_trace_says_what_was_sent_and_what_became_of_it(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    write_trace([trace_line(ASK, 2.0, 10.0, each) for each in VERDICTS], path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == len(VERDICTS)
    asked = {"n": 1, "min_codes": 1, "max_codes": 4, "scale": 1, "format": "png", "load": 2.0}
    assert lines[1] == {
        **asked,
        "at_s": 10.25,
        "deadline_ms": 50.0,
        "seed": 7,
        "outcome": "on_time",
        "status": 200,
        "reason": None,
        "client_ms": 49.5,
        "send_late_ms": 0.0,
        "codes": 2,
        "stop_reason": "deadline",
        "quality": 0.75,
        "way_ms": 3.5,
    }
    assert (lines[4]["outcome"], lines[4]["status"], lines[4]["reason"]) == ("refused", 503, "overloaded")
    assert (lines[7]["status"], lines[7]["codes"], lines[7]["quality"]) == (None, None, None)
    with pytest.raises(AnytimeError, match="cannot write"):
        write_trace([], tmp_path / "nowhere" / "trace.jsonl")
