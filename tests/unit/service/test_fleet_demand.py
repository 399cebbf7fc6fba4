"""How many replicas there should be: by the quality that is shed, not by the number of requests."""

from __future__ import annotations

import pytest
from fake_pool import output

from service import messages
from service.fleet.demand import Busy, Demand, Load, replicas_for
from service.metrics import Metrics

CURVE = (0.0, 0.5, 0.75, 0.9, 1.0)


def load(shed: float, asked: float, drawn: float, busy: float, requests: float = 10.0) -> Load:
    return Load(requests, shed, asked, drawn, busy)


def test_shed_is_what_a_deadline_would_have_bought_alone() -> None:
    demand = Demand()
    demand.answered(0.0, CURVE, 4, [output(codes=4), output(codes=1)])
    demand.answered(1.0, CURVE, 1, [output(codes=1)])  # its deadline was short: nothing was taken from it
    demand.refused(1.0, CURVE, 2, 1)
    demand.refused(1.0, CURVE, 0, 1)  # nobody could have helped it
    seen = demand.load(1.0, 0.5)
    assert seen.shed == pytest.approx((0.0 + 0.5 + 0.0 + 0.75) / 4)
    assert (seen.requests, seen.drawn, seen.busy) == (0.3, 0.6, 0.5)
    assert seen.asked == pytest.approx(1.1)
    assert demand.load(20.0, 0.0) == Load()


def test_a_worker_that_draws_all_the_time_is_busy() -> None:
    busy = Busy(Metrics(), workers=2)
    for second in range(1, 21):
        steps = {"tiny": [messages.StepStat(8, 0.01, 100)]}
        busy.stats(0, messages.Stats(0, 0, steps, {}, {}, 0.0, 0), False)
        share = busy.share(float(second))
    assert share == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(
    ("loads", "current", "wanted"),
    [
        ([load(0.1, 150, 100, 1.0)], 1, 2),
        ([load(0.1, 150, 100, 1.0)] * 4, 4, 6),
        ([load(0.5, 900, 100, 1.0)] * 4, 4, 8),  # not more than twice as many at a time
        ([load(0.9, 100, 0, 1.0)], 1, 2),  # nothing was drawn at all
        ([load(0.05, 100, 99.9, 1.0)] * 10, 10, 11),
        ([load(0.0, 100, 100, 0.9)] * 4, 4, 4),  # nothing is lacking, and three would be too busy
        ([load(0.0, 100, 100, 0.3)] * 4, 4, 3),
        ([load(0.01, 100, 100, 0.3)] * 4, 4, 4),  # something is
        ([load(0.0, 0, 0, 0.0, requests=0)], 1, 1),
        ([load(0.0, 0, 0, 0.0, requests=0)] * 3, 3, 2),
        ([load(0.3, 200, 100, 1.0, requests=1), load(0.0, 100, 100, 0.5, requests=99)], 2, 2),
        ([], 3, 3),
    ],
)
def test_how_many(loads: list[Load], current: int, wanted: int) -> None:
    assert replicas_for(loads, current) == wanted
