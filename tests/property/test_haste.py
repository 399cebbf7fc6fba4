"""The bound for limited windows against every schedule of real batches, on cases small enough to try them all."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import combinations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.simulation.bound import Demand, Work, clairvoyant_quality
from service.simulation.haste import Haste, Operations, prices

QUALITY = [0.0, 0.5, 0.8, 0.9]
BUCKETS = (1, 2)

common = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def some_operations(draw: st.DrawFn) -> Operations:
    """Whole seconds, always the same; a batch of two takes at least as long as one."""
    step, decode = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    further = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    return Operations(
        [{1: [step], 2: [step + further[0]]}], {1: [decode], 2: [decode + further[1]]}, [[draw(st.integers(1, 2))]]
    )


@st.composite
def some_demands(draw: st.DrawFn) -> list[Demand]:
    """Up to three samples."""
    demands = []
    for _ in range(draw(st.integers(1, 3))):
        arrival = draw(st.integers(0, 4))
        demands.append(Demand(arrival, arrival + draw(st.integers(1, 14)), draw(st.integers(1, 3))))
    return demands


def least_work(operations: Operations) -> Work:
    return Work(
        code_s=min(each[0] / batch for batch, each in operations.steps[0].items()),
        sample_s=min(each[0] / batch for batch, each in operations.decodes.items()) + operations.encodes[0][0],
    )


def best_by_trying(demands: Sequence[Demand], operations: Operations) -> float:
    """Step or decode any one or two of those who are there, or wait a second, in every order."""

    @cache
    def best(now: float, codes: tuple[int, ...]) -> float:
        here = [i for i, each in enumerate(demands) if codes[i] >= 0 and each.arrival <= now < each.deadline]
        if now >= max(each.deadline for each in demands):
            return 0.0
        found = best(now + 1, codes)
        for batch in BUCKETS:
            for chosen in combinations(here, batch):
                if all(codes[i] < demands[i].max_codes for i in chosen):
                    after = tuple(n + (i in chosen) for i, n in enumerate(codes))
                    found = max(found, best(now + operations.steps[0][batch][0], after))
                after = tuple(-1 if i in chosen else n for i, n in enumerate(codes))
                at, gained = now + operations.decodes[batch][0], 0.0
                for i in sorted(chosen, key=lambda i: demands[i].deadline):
                    at += operations.encodes[0][0]
                    gained += QUALITY[codes[i]] * (at <= demands[i].deadline)
                found = max(found, gained + best(at, after))
        return found

    return best(0, (0,) * len(demands))


@common
@given(some_demands(), some_operations())
def test_no_schedule_of_batches_beats_the_bound(demands: list[Demand], operations: Operations) -> None:
    bound = clairvoyant_quality(demands, least_work(operations), QUALITY, 1, operations)
    assert bound >= best_by_trying(demands, operations) - 1e-9
    assert bound <= clairvoyant_quality(demands, least_work(operations), QUALITY) + 1e-9


@common
@given(some_operations(), st.lists(st.floats(0.0, 40.0), min_size=2, max_size=2))
def test_more_time_gains_no_less(operations: Operations, windows: list[float]) -> None:
    series = prices(operations, QUALITY)
    widths = Haste(operations, QUALITY, series).widths(sorted(windows))  # (P - 1, 2)
    gained = np.array(series[:-1]) @ np.diff(widths, axis=0, prepend=0.0)
    assert gained[0] <= gained[1] + 1e-9
