"""Random numbers without a state: the number for a code is a pure function of (seed, sample, code index).

Nothing is carried from draw to draw, so it makes no difference when, where or in whose company a code is drawn. They
are the words of a SHAKE128 stream (FIPS 202), whose beginning does not depend on how much of it is taken: a single call
that is quick even when it is the first for a while, and as unrelated from seed to seed as a hash can make them.
"""

from __future__ import annotations

import hashlib
import struct

import numpy as np
from numpy.typing import NDArray

_KEY = struct.Struct("<QI")


def code_uniforms(seed: int, sample: int, codes: int) -> NDArray[np.float64]:
    """The uniform number in [0, 1) that decides each code of one sample.

    Args:
        seed: 0 .. 2**63 - 1.
        sample: 0 .. 2**32 - 1.
        codes: K.

    Returns:
        (K,) multiples of 2**-32. With 32 bits the product of such a number and a total stays strictly below the total.
    """
    stream = hashlib.shake_128(_KEY.pack(seed, sample)).digest(4 * codes)
    return np.frombuffer(stream, "<u4") * np.float64(2.0**-32)
