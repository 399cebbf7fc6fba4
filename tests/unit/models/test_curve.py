from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.curve import fit_quality_curve


@given(st.lists(st.floats(0, 100), min_size=2, max_size=40).filter(lambda e: e[0] - e[-1] > 1e-6))
def test_any_errors_give_a_monotone_concave_curve_from_0_to_1(errors: list[float]) -> None:
    curve = fit_quality_curve(errors)
    gains = [after - before for before, after in pairwise(curve)]
    assert len(curve) == len(errors)
    assert curve[0] == 0
    assert curve[-1] == 1
    assert min(gains) >= -1e-9
    assert all(later <= earlier + 1e-9 for earlier, later in pairwise(gains))


def test_concave_measurements_are_kept_as_they_are() -> None:
    assert fit_quality_curve([10, 5, 3, 2]) == pytest.approx((0, 5 / 8, 7 / 8, 1))


def test_a_late_gain_is_shared_with_the_code_before_it() -> None:
    assert fit_quality_curve([8, 8, 0]) == pytest.approx((0, 0.5, 1))


@pytest.mark.parametrize("errors", [[], [1], [1, 1], [1, 2], [float("nan"), 1]])
def test_errors_that_do_not_fall_have_no_curve(errors: list[float]) -> None:
    with pytest.raises(ValueError, match="fall"):
        fit_quality_curve(errors)
