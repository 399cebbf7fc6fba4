"""Counter-based random numbers: Philox-4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).

The number for a code is a pure function of (seed, sample, code index). Nothing is carried from draw to draw, so it
makes no difference when, where or in whose company a code is drawn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MULTIPLIERS = np.array([0xD2511F53, 0xCD9E8D57], dtype=np.uint64)
_KEY_STEPS = np.array([0x9E3779B9, 0xBB67AE85], dtype=np.uint64)
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


def philox(counter: NDArray[np.uint64], key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Ten rounds of Philox-4x32.

    Args:
        counter: (..., 4) words of 32 bits, held in uint64.
        key: (2,) words of 32 bits, held in uint64.

    Returns:
        (..., 4) words of 32 bits, held in uint64.
    """
    words = counter
    for round_ in range(10):
        round_key = (key + np.uint64(round_) * _KEY_STEPS) & _LOW
        products = words[..., (0, 2)] * _MULTIPLIERS
        high, low = products >> _32, products & _LOW
        words = np.stack(
            [
                high[..., 1] ^ words[..., 1] ^ round_key[0],
                low[..., 1],
                high[..., 0] ^ words[..., 3] ^ round_key[1],
                low[..., 0],
            ],
            axis=-1,
        )
    return words


def code_uniforms(seed: int, sample: int, codes: int) -> NDArray[np.float64]:
    """The uniform number in [0, 1) that decides each code of one sample.

    Args:
        seed: 0 .. 2**63 - 1, the key.
        sample: 0 .. 2**32 - 1.
        codes: K.

    Returns:
        (K,) multiples of 2**-32. With 32 bits the product of such a number and a total stays strictly below the total.
    """
    counter = np.zeros((codes, 4), dtype=np.uint64)
    counter[:, 0] = np.arange(codes)
    counter[:, 1] = sample
    key = np.array([seed & 0xFFFFFFFF, seed >> 32], dtype=np.uint64)
    return philox(counter, key)[:, 0].astype(np.float64) * 2.0**-32
