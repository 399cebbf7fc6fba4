"""An executor that computes nothing, to measure what is around a model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.config import Media
from models.runtime.buckets import power_of_two_buckets
from models.runtime.executor import Draw


class NullExecutor:
    """Every code that it draws is 0 and every sample that it decodes is zeros, in next to no time.

    It keeps the table of slots like any other, so all that serves a request does what it does for a real model.
    """

    name = "null"
    weight_bytes = 0

    def __init__(self, media: Media, codes: int, slots: int) -> None:
        self.buckets = power_of_two_buckets(slots)
        self._shape = media.shape
        self._total = codes
        self._codes = [[0] * codes for _ in range(slots)]
        self._positions = [0] * slots

    def begin(self, slot: int, tokens: Sequence[int], _draw: Draw) -> None:
        """See `Executor.begin`."""
        given = list(tokens[1:])
        self._codes[slot] = given + [0] * (self._total - len(given))
        self._positions[slot] = len(given)

    def step(self, slots: Sequence[int]) -> None:
        """See `Executor.step`."""
        for slot in slots:
            self._positions[slot] += 1

    def wait(self) -> None:
        """See `Executor.wait`: there is nothing to wait for."""

    def decode(self, slots: Sequence[int]) -> NDArray[np.float32]:
        """See `Executor.decode`."""
        return np.zeros((len(slots), *self._shape), dtype=np.float32)

    def codes(self, slots: Sequence[int]) -> list[list[int]]:
        """See `Executor.codes`."""
        return [self._codes[slot] for slot in slots]

    def positions(self) -> list[int]:
        """See `Executor.positions`."""
        return list(self._positions)
