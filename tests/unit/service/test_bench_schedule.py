from __future__ import annotations

import json
import math
from collections import Counter
from itertools import pairwise

import pytest

from service.bench.schedule import Ask, poisson


def test_the_seed_decides_the_schedule() -> None:
    once, again, other = (poisson(50, 2, [20, 50], seed) for seed in ("a", "a", "b"))
    assert once == again
    assert once != other


def test_arrivals_are_those_of_a_poisson_process() -> None:
    rate, seconds = 100.0, 200.0
    plan = poisson(rate, seconds, [20, 50, 100, 200], "seed")
    assert len(plan) == pytest.approx(rate * seconds, abs=5 * math.sqrt(rate * seconds))
    gaps = [later.at_s - earlier.at_s for earlier, later in pairwise(plan)]
    assert min(gaps) >= 0
    assert plan[-1].at_s < seconds
    # Without memory: of the gaps, a share of exp(-2) is longer than two mean ones.
    assert sum(gap > 2 / rate for gap in gaps) / len(gaps) == pytest.approx(math.exp(-2), rel=0.1)
    deadlines = Counter(each.deadline_ms for each in plan)
    assert set(deadlines) == {20, 50, 100, 200}
    assert min(deadlines.values()) > 0.9 * len(plan) / 4


def test_a_low_rate_may_leave_nothing_to_send() -> None:
    assert poisson(1e-6, 1, [20], "seed") == []


def test_the_body_says_all_that_was_asked_for() -> None:
    ask = Ask("tiny", max_codes=4, n=2, min_codes=2, scale=3, format="webp")
    assert json.loads(ask.body(50.0, 7)) == {
        "model": "tiny",
        "n": 2,
        "min_codes": 2,
        "max_codes": 4,
        "scale": 3,
        "format": "webp",
        "deadline_ms": 50.0,
        "seed": 7,
    }
