"""The commands that hurt, soak and end services, in small: strict as to endings and leaks, not as to time."""

from __future__ import annotations

import io
from base64 import b64encode
from pathlib import Path
from typing import cast

import pytest
from bench import chaos, drain, soak
from bench.mischief import Mark
from bench.mixed import Mixed
from bench.processes import API, Holding, growth, leaks
from bench.sent import Sent, Way
from bench.survived import Survived, judge, lines, touches
from PIL import Image, UnidentifiedImageError


def test_chaos_leaves_nothing_behind_and_every_request_has_one_ending(tiny_bundle: Path) -> None:
    scene = chaos.Scene(seconds=10.0, rate=60.0, every=0.7, seed="7", least_on_time=0.0)
    survived = chaos.run(tiny_bundle, scene)
    assert survived.broken == []
    assert survived.untouched["on time"] > 0
    assert sum(times for times, _ in survived.faults.values()) >= 5
    assert survived.untouched.total() + survived.touched.total() > 500
    printed = "\n".join(lines(survived))
    assert "Every promise was kept." in printed
    assert printed.count("| worker ") >= 4


def test_a_soak_finds_every_process(tiny_bundle: Path) -> None:
    # In so short a time memory has not settled: only that it is measured is seen here.
    soaked = soak.run(tiny_bundle, soak.Scene(seconds=6.0, rate=60.0, sample_s=0.2, most_growth=0.5))
    assert soaked.broken == []
    assert soaked.memory.keys() == {"api", "worker 0", "worker 1"}
    assert all(each.first > 1 << 20 for each in soaked.memory.values())
    assert soaked.requests["on time"] > 0
    assert len([line for line in soak.lines(soaked) if line.startswith(("| api", "| worker"))]) == 3


def test_it_drains() -> None:
    (found,) = drain.run(1, 5)
    assert found.wrong == ()
    assert found.answers == 10
    assert list(drain.lines([found]))[-1] == "\n1/1"


def test_what_is_wrong_with_a_drain_is_told() -> None:
    image = io.BytesIO()
    Image.new("L", (2, 2)).save(image, "PNG")
    whole = {"stop_reason": "drain", "codes": [1], "b64": b64encode(image.getvalue()).decode()}
    watch = drain._Watch("http://nowhere")
    watch.answers = [(0.5, 200), (1.5, 503), (2.5, None)]
    assert list(drain._wrong([[whole], [whole]], [1.0, 2.0], watch, 0, 3.0)) == []
    watch.answers = [(0.5, 200), (1.5, 200)]
    bad = [[{**whole, "stop_reason": "complete"}], [{**whole, "codes": []}], []]
    assert list(drain._wrong(bad, [1.0, 2.0, 2.0], watch, -9, 10.5)) == [
        "an answer is complete with 1 codes",
        "an answer is drain with 0 codes",
        "a request was not answered",
        "it said that it was ready after it had begun to end",
        "it ended with status -9",
        "it took 10.5 s",
    ]
    with pytest.raises(UnidentifiedImageError):
        list(drain._wrong([[{**whole, "b64": ""}]], [1.0], watch, 0, 1.0))


def holding(name: str, memory: int = 100 << 20, handles: int = 9, sockets: int = 5) -> Holding:
    return Holding(name, 1, memory, handles, sockets)


def test_what_is_left_behind_is_seen() -> None:
    before = [holding(API), holding("worker 0"), holding("worker 1")]
    assert list(leaks(before, before)) == []
    after = [holding(API, handles=10), holding("worker 0", memory=130 << 20), holding("worker 0", sockets=6)]
    assert list(leaks(before, after)) == [
        "its processes are api, worker 0, worker 0",
        "api: 10 handles, 9 before",
        "worker: 6 sockets, 5 before",
    ]
    survived = Survived(None, 1.0, 1.0, before=before, after=after)
    judge(survived, _traffic([]), 0.99)
    assert survived.broken[-1] == "worker: 130 MiB of memory, 100 before"


def test_what_the_log_confesses_is_seen() -> None:
    usual = '{"level":"error","message":"worker 0 (process 7) exited: -9"}'
    bad = ['{"level":"critical","message":"what looks after the workers has failed"}', "Traceback (most recent call"]
    assert chaos._confessions("\n".join([usual, *bad])) == bad


def test_broken_promises_are_told() -> None:
    survived = Survived(None, 1.0, 1.0)
    survived.untouched.update({"on time": 97, "late": 2, "lost": 1, "refused": 100, "failed": 1})
    judge(survived, _traffic([Sent(Way.HTTP, 0.0, 100.0, endings=2)]), 0.99)
    assert survived.broken == [
        "1 requests had more than one ending",
        "1 requests failed that no fault had touched",
        "96.04% of those that no fault touched were on time",
    ]


class _Traffic:
    strays = 0

    def __init__(self, sent: list[Sent]) -> None:
        self.all = sent


def _traffic(sent: list[Sent]) -> Mixed:
    return cast("Mixed", _Traffic(sent))


@pytest.mark.parametrize(
    ("due", "ended", "touched"),
    [
        *((0.0, 0.9, False), (0.0, 1.0, True), (1.5, 1.6, True), (2.1, 2.2, False), (0.5, 9.0, True)),
        *((0.95, None, True), (0.5, None, False)),
    ],
)
def test_who_was_under_way_is_touched(due: float, ended: float | None, touched: bool) -> None:
    request = Sent(Way.HTTP, due, 100.0, ended=ended)
    assert touches(Mark("worker stopped", 1.0, 2.0), request) is touched
    assert not touches(Mark("bundle added", 1.0, float("-inf")), request)


def test_a_soak_tells_what_is_wrong() -> None:
    before, after = [holding(API)], [holding(API, sockets=6)]
    soaked = soak.Soaked(None, 1.0, 1.0, before=before, after=after)
    soaked.memory = {API: growth([0.0, 1.0], [100.0, 101.9]), "worker 0": growth([0.0, 1.0], [100.0, 102.1])}
    soaked.requests.update({"on time": 9, "failed": 2})
    warm = [(0.0, [holding(API)]), (1.0, [holding(API), Holding("worker 0", 2, 1, 1, 1)])]
    assert list(soak._broken(soaked, warm, 3, 0.02)) == [
        "worker 0 has grown by 2.1%",
        "processes have come or gone",
        "api: 6 sockets, 5 before",
        "3 requests had no ending, or more than one",
        "2 requests failed",
    ]
    assert list(soak._broken(soak.Soaked(None, 1.0, 1.0), warm[:1], 0, 0.02)) == []


def test_what_grows_has_a_slope() -> None:
    flat, steep = growth([0.0, 1.0, 2.0], [5.0, 5.0, 5.0]), growth([0.0, 1800.0, 3600.0], [10.0, 11.0, 12.0])
    assert (flat.share, flat.slope) == (0.0, 0.0)
    assert steep.slope == pytest.approx(2.0)
    assert steep.share == pytest.approx(0.2)
