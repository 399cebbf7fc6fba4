"""Seconds to be looked up, tens of thousands of times a second; what is missing is worked out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

Kind: TypeAlias = tuple[str, int]
"""How a sample is encoded: format and scale."""


class KindTable(dict[Kind, float]):
    """Seconds by kind."""

    def __init__(self, calculate: Callable[[Kind], float]) -> None:
        self._calculate = calculate

    def __missing__(self, kind: Kind) -> float:
        seconds = self[kind] = self._calculate(kind)
        return seconds


class BatchTable(dict[int, float]):
    """Seconds by batch size; a batch that is larger than any bucket is several calls.

    Args:
        calculate: of every batch from none to the largest bucket.
    """

    def __init__(self, calculate: Callable[[], Sequence[float]]) -> None:
        self._calculate = calculate
        self._largest = 0

    def __missing__(self, batch: int) -> float:
        if not self:
            known = self._calculate()
            self._largest = len(known) - 1
            self.update(enumerate(known))
            return self[batch]
        calls, rest = divmod(batch, self._largest)
        seconds = self[batch] = calls * self[self._largest] + self[rest]
        return seconds
