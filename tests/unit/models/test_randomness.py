from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.runtime.randomness import code_uniforms


def test_the_numbers_are_these_and_stay_these() -> None:
    """A seed is a promise to the one who kept it: the same picture from every later version."""
    assert code_uniforms(0, 0, 3).tolist() == [946646021 / 2**32, 792391665 / 2**32, 2058592256 / 2**32]
    assert code_uniforms(2**63 - 1, 2**32 - 1, 2).tolist() == [3424838274 / 2**32, 721421460 / 2**32]


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**32 - 1), st.integers(1, 64), st.integers(1, 64))
def test_a_longer_run_begins_with_the_shorter_one(seed: int, sample: int, short: int, more: int) -> None:
    longer = code_uniforms(seed, sample, short + more)
    assert np.array_equal(longer[:short], code_uniforms(seed, sample, short))
    assert longer.min() >= 0
    assert longer.max() < 1


def test_seeds_and_samples_give_unrelated_uniform_numbers() -> None:
    table = np.array([[code_uniforms(seed, sample, 64) for sample in range(20)] for seed in range(20)])
    assert len(np.unique(table)) > 0.99 * table.size
    counts, _ = np.histogram(table, bins=16, range=(0, 1))
    expected = table.size / 16
    assert ((counts - expected) ** 2 / expected).sum() < 50  # chi-squared with 15 degrees of freedom: p < 1e-5
    correlations = np.corrcoef(table.reshape(400, 64)) - np.eye(400)
    assert np.abs(correlations).max() < 0.75
