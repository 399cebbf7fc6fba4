from __future__ import annotations

import pytest
import torch

from training.evaluation.intervals import mean_estimate, proportion


def test_wilson_interval_of_a_textbook_case() -> None:
    share = proportion(81, 263)
    assert share.value == pytest.approx(0.3080, abs=1e-4)
    assert (share.low, share.high) == pytest.approx((0.2553, 0.3662), abs=1e-4)


def test_none_and_all_leave_room_on_one_side_only() -> None:
    assert proportion(0, 10).low == 0
    assert proportion(0, 10).high == pytest.approx(0.2775, abs=1e-4)
    assert proportion(10, 10).high == 1
    assert proportion(10, 10).low == pytest.approx(0.7225, abs=1e-4)


@pytest.mark.parametrize(("hits", "count"), [(-1, 3), (4, 3), (0, 0)])
def test_what_is_no_proportion_is_refused(hits: int, count: int) -> None:
    with pytest.raises(ValueError, match="is not a proportion"):
        proportion(hits, count)


def test_mean_interval() -> None:
    estimate = mean_estimate(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert estimate.value == 2.5
    assert estimate.high - estimate.value == pytest.approx(1.959964 * (5 / 3) ** 0.5 / 2)
    assert estimate.value - estimate.low == pytest.approx(estimate.high - estimate.value)
