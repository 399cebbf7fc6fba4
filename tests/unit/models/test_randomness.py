from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.runtime.randomness import code_uniforms, philox

# Known answers published with the Random123 library.
KNOWN = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_philox_gives_the_published_answers(counter: list[int], key: list[int], answer: list[int]) -> None:
    first, second, third, fourth = (np.array([word], np.uint64) for word in counter)
    words = philox((first, second, third, fourth), (key[0], key[1]))
    assert [int(word[0]) for word in words] == answer


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
