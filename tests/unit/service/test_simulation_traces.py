from __future__ import annotations

from pathlib import Path
from random import Random
from statistics import fmean, median

import pytest

from models.errors import AnytimeError
from service.simulation.traces import ARRIVALS, Arrival, at_rate, deadlines, read_trace, synthetic

MIX = deadlines("20,50")


@pytest.mark.parametrize("process", sorted(ARRIVALS))
def test_arrivals_have_their_rate_and_their_seed(process: str) -> None:
    trace = synthetic(process, MIX, rate=100.0, requests=30_000, codes=16, seed=1)
    times = [each.at for each in trace]
    assert times == sorted(times)
    assert len(trace) / times[-1] == pytest.approx(100.0, rel=0.15)
    assert trace == synthetic(process, MIX, rate=100.0, requests=30_000, codes=16, seed=1)
    assert trace != synthetic(process, MIX, rate=100.0, requests=30_000, codes=16, seed=2)


def test_bursts_are_burstier_than_independent_requests() -> None:
    def variance(process: str) -> float:
        trace = synthetic(process, MIX, rate=100.0, requests=20_000, codes=16, seed=1)
        counts = [0] * (int(trace[-1].at) + 1)
        for each in trace:
            counts[int(each.at)] += 1
        return fmean((count - fmean(counts)) ** 2 for count in counts) / fmean(counts)

    assert variance("poisson") < 2
    assert variance("bursts") > 10


def test_deadlines_are_drawn_as_described() -> None:
    chance = Random(1)
    assert {MIX(chance) for _ in range(50)} == {0.02, 0.05}
    heavy = [deadlines("heavy")(chance) for _ in range(5000)]
    assert median(heavy) == pytest.approx(0.06, rel=0.1)
    assert max(heavy) > 1.0
    assert min(deadlines("pareto")(chance) for _ in range(5000)) == pytest.approx(0.02, rel=0.01)


@pytest.mark.parametrize("text", ["", "fast", "20,", "20,-5", "nan"])
def test_deadlines_that_make_no_sense(text: str) -> None:
    with pytest.raises(AnytimeError, match="deadlines are milliseconds"):
        deadlines(text)


def test_a_recorded_trace_begins_at_0_in_order(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(
        '{"at_s": 7.5, "deadline_ms": 50, "n": 2, "min_codes": 2, "max_codes": 8, "scale": 4, "format": "webp"}\n'
        "\n"
        '{"at_s": 7.0, "deadline_ms": 20, "outcome": "on_time"}\n'
    )
    trace = read_trace(path, codes=16)
    assert trace == [Arrival(0.0, 0.02, 1, 1, 16, ("png", 1)), Arrival(0.5, 0.05, 2, 2, 8, ("webp", 4))]
    assert [each.at for each in at_rate(trace, 60.0)] == pytest.approx([0.0, 0.05])
    with pytest.raises(AnytimeError, match="all come at once"):
        at_rate(trace[:1], 60.0)


def test_the_way_to_a_worker_and_back_is_divided(tmp_path: Path) -> None:
    """And who was refused would have had the way of the one before."""
    path = tmp_path / "trace.jsonl"
    path.write_text('{"at_s": 1, "deadline_ms": 20, "way_ms": 4}\n{"at_s": 2, "deadline_ms": 20, "way_ms": null}\n')
    first, second = read_trace(path, codes=16)
    assert (first.at, first.within, first.back) == pytest.approx((0.0, 0.018, 0.002))
    assert (second.at, second.within, second.back) == pytest.approx((1.0, 0.018, 0.002))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nonsense", "line 1"),
        ('{"at_s": 1}', "deadline_ms"),
        ('{"at_s": 1, "deadline_ms": 0}', "deadline_ms above 0"),
        ('{"at_s": 1, "deadline_ms": 5, "max_codes": 17}', "max_codes <= 16"),
        ('{"at_s": 1, "deadline_ms": 5, "way_ms": -1}', "way_ms must be at least 0"),
        ("", "holds no request"),
    ],
)
def test_a_trace_that_makes_no_sense(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(line)
    with pytest.raises(AnytimeError, match=said):
        read_trace(path, codes=16)
