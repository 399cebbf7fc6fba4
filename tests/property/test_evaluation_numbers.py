from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.curve import fit_quality_curve
from training.evaluation.intervals import proportion
from training.evaluation.reconstruction import gains
from training.evaluation.samples import FRACTIONS, codes_for

error = st.floats(0, 1e4, allow_nan=False).map(lambda value: round(value, 6))
error_rows = st.integers(2, 20).flatmap(
    lambda codes: st.lists(st.lists(error, min_size=codes, max_size=codes), min_size=1, max_size=5)
)


@given(error_rows)
def test_gains_telescope(rows: list[list[float]]) -> None:
    errors = torch.tensor(rows, dtype=torch.float64)
    assert torch.allclose(gains(errors).sum(1), errors[:, 0] - errors[:, -1], atol=1e-6)


@given(st.lists(error, min_size=2, max_size=30).filter(lambda errors: errors[0] - errors[-1] > 1e-3))
def test_any_errors_that_fall_overall_make_a_monotone_concave_curve(errors: list[float]) -> None:
    curve = fit_quality_curve(errors)
    steps = [after - before for before, after in pairwise(curve)]
    assert len(curve) == len(errors)
    assert (curve[0], curve[-1]) == (0, 1)
    assert min(steps) >= -1e-9
    assert all(later <= earlier + 1e-9 for earlier, later in pairwise(steps))


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=20), st.floats(0, 100))
def test_errors_whose_gains_shrink_are_kept_as_they_are(falls: list[float], rest: float) -> None:
    falls = sorted(falls, reverse=True)
    errors = [rest + sum(falls[n:]) for n in range(len(falls) + 1)]
    expected = [(errors[0] - e) / (errors[0] - errors[-1]) for e in errors]
    assert fit_quality_curve(errors) == pytest.approx(expected, abs=1e-6)


@given(st.integers(1, 10_000).flatmap(lambda count: st.tuples(st.integers(0, count), st.just(count))))
def test_a_proportion_lies_in_its_interval_which_narrows_with_more_trials(trial: tuple[int, int]) -> None:
    hits, count = trial
    few, many = proportion(hits, count), proportion(10 * hits, 10 * count)
    assert 0 <= few.low <= few.value <= few.high <= 1
    assert many.high - many.low < few.high - few.low


@given(st.integers(1, 1000))
def test_fractions_take_at_least_one_code_and_end_with_all(codes: int) -> None:
    lengths = [codes_for(fraction, codes) for fraction in FRACTIONS]
    assert lengths[0] >= 1
    assert lengths == sorted(lengths)
    assert lengths[-1] == codes
