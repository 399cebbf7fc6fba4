"""Counter-based random numbers: Philox-4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).

The number for a code is a pure function of (seed, sample, code index). Nothing is carried from draw to draw, so it
makes no difference when, where or in whose company a code is drawn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def philox(counter: tuple[Words, Words, Words, Words], key: tuple[int, int]) -> tuple[Words, Words, Words, Words]:
    """Ten rounds of Philox-4x32.

    Args:
        counter: four words of 32 bits, each an array of any one shape, held in uint64.
        key: two words of 32 bits.

    Returns:
        Four words of 32 bits, like the counter.
    """
    first, second, third, fourth = counter
    for round_ in range(10):
        keys = [np.uint64((word + round_ * step) & 0xFFFFFFFF) for word, step in zip(key, _KEY_STEPS, strict=True)]
        left, right = first * _MULTIPLIERS[0], third * _MULTIPLIERS[1]
        first, second = (right >> _HALF) ^ second ^ keys[0], right & _LOW
        third, fourth = (left >> _HALF) ^ fourth ^ keys[1], left & _LOW
    return first, second, third, fourth


def code_uniforms(seed: int, sample: int, codes: int) -> NDArray[np.float64]:
    """The uniform number in [0, 1) that decides each code of one sample.

    Args:
        seed: 0 .. 2**63 - 1, the key.
        sample: 0 .. 2**32 - 1.
        codes: K.

    Returns:
        (K,) multiples of 2**-32. With 32 bits the product of such a number and a total stays strictly below the total.
    """
    zeros = np.zeros(codes, dtype=np.uint64)
    counter = (np.arange(codes, dtype=np.uint64), zeros + np.uint64(sample), zeros, zeros)
    word = philox(counter, (seed & 0xFFFFFFFF, seed >> 32))[0]
    return word.astype(np.float64) * 2.0**-32
