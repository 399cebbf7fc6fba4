"""What a sample can gain in a limited time: batches are cheap, but it waits for all of a batch, and time runs out.

The clairvoyant bound needs, for each window, a concave function that bounds a sample's expected quality by the expected
device time that it is charged. Such a function is known by its tangents: for a price per second of device time, the
most that quality less charges can come to. That is a small stochastic control problem, solved backwards over codes and
remaining time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, inf

import numpy as np
from numpy.typing import NDArray

_CELLS_PER_STEP, _MOST_CELLS = 24, 2048  # of the time grid: how fine it is, how long it may be
_PRICES, _CHEAPEST = 48, 1e-3  # how many, and the lowest above 0 as a share of the highest
_EXACT = 1e-9  # relative: what floats may be wrong by

Table = NDArray[np.float64]
"""(P, T): by price, and by cell of remaining time."""


@dataclass(frozen=True, slots=True)
class Operations:
    """How long operations take, in seconds: each value as likely as the others, drawn anew each time, all above 0.

    Attributes:
        steps: ways to draw a code, each by batch bucket: upon a decision of its own, or upon that before.
        decodes: by batch bucket.
        encodes: of one sample, by kind.
    """

    steps: Sequence[Mapping[int, Sequence[float]]]
    decodes: Mapping[int, Sequence[float]]
    encodes: Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class _Outcomes:
    """What an operation can take: cells of the grid (rounded down), the chance of each, the least seconds charged."""

    cells: Sequence[int]
    chances: Sequence[float]
    charges: Sequence[float]


class Haste:
    """Tangents to what a sample can gain, by its window.

    V[n, t], with n codes and t cells of time left, is 0 or the best over operations and batch sizes b of the mean of
    max(0, V[n', t - d] - price * seconds / b), where d is the duration in cells. Why V bounds what any scheduler that
    does not know durations in advance makes of a sample, quality less price times charges: an operation for m <= b
    samples charges each at least seconds / b. If it ends within the window, what follows is at most V[n', t - d], by
    induction, for time left is rounded up. If it does not, nothing is gained and no charge is below 0. And to wait only
    takes time.

    Args:
        quality: expected quality after 0 .. n codes, as many as a sample may have.

    Attributes:
        prices: of a second of device time, falling to 0; at the first nobody gains anything.
    """

    def __init__(self, operations: Operations, quality: Sequence[float], prices: Sequence[float]) -> None:
        self.prices = prices
        self._cell, self._last = _grid(operations, len(quality) - 1)
        column = np.array(prices)[:, None]  # (P, 1)
        steps = [self._outcomes(seconds, batch) for each in operations.steps for batch, seconds in each.items()]
        decodes = [self._outcomes(seconds, batch) for batch, seconds in operations.decodes.items()]
        encodes = [self._outcomes(seconds, 1) for seconds in operations.encodes]
        best: Table = np.zeros((len(prices), self._last + 1))
        for codes in range(len(quality) - 1, -1, -1):
            shown = self._best(np.full_like(best, quality[codes]), encodes, column)
            stepped = best if codes == len(quality) - 1 else self._best(best, steps, column)
            best = np.maximum(self._best(shown, decodes, column), stepped) if codes else stepped
        self._best_of_all = best

    def widths(self, windows: Sequence[float]) -> NDArray[np.float64]:
        """How much device time each window asks for at each price, or at a higher one: seconds, (P - 1, windows)."""
        cells = [min(ceil(window / self._cell * (1 + _EXACT)), self._last) for window in windows]
        worth = self._best_of_all[:, cells]  # (P, N)
        steps = -np.diff(np.array(self.prices))[:, None]  # (P - 1, 1)
        return np.maximum.accumulate(np.diff(worth, axis=0) / steps, axis=0)

    def _outcomes(self, seconds: Sequence[float], batch: int) -> _Outcomes:
        """Durations that fall into one cell are charged as the shortest of them, which only loosens the bound."""
        least: dict[int, float] = {}
        count: dict[int, int] = {}
        for each in seconds:
            cell = floor(each / self._cell * (1 - _EXACT))
            least[cell] = min(least.get(cell, inf), each)
            count[cell] = count.get(cell, 0) + 1
        cells = sorted(least)
        return _Outcomes(cells, [count[cell] / len(seconds) for cell in cells], [least[cell] / batch for cell in cells])

    def _best(self, after: Table, choices: Sequence[_Outcomes], prices: Table) -> Table:
        """The best choice at each price and time left, if `after` is what follows it."""
        best = np.zeros_like(after)
        for each in choices:
            mean = np.zeros_like(after)
            for cell, chance, charge in zip(each.cells, each.chances, each.charges, strict=True):
                if cell <= self._last:
                    mean[:, cell:] += chance * np.maximum(after[:, : self._last + 1 - cell] - prices * charge, 0.0)
            np.maximum(best, mean, out=best)
        return best


def prices(operations: Operations, quality: Sequence[float]) -> Sequence[float]:
    """A falling series, from what a second would have to cost for nothing to be worth it, to nothing."""
    least = _least_share(operations.decodes) + min(map(min, operations.encodes))
    code = min(map(_least_share, operations.steps))
    highest = max((quality[codes] / (least + codes * code) for codes in range(1, len(quality))), default=0.0)
    return [*(np.geomspace(highest, highest * _CHEAPEST, _PRICES).tolist() if highest else [1.0]), 0.0]


def _least_share(operation: Mapping[int, Sequence[float]]) -> float:
    return min(min(seconds) / batch for batch, seconds in operation.items())


def _grid(operations: Operations, codes: int) -> tuple[float, int]:
    """Seconds of a cell, and how many cells are more time than a sample can use."""
    steps = [seconds for each in operations.steps for seconds in each.values()]
    longest = codes * max(map(max, steps)) + max(map(max, operations.decodes.values()))
    longest += max(map(max, operations.encodes))
    cell = max(min(map(min, steps)) / _CELLS_PER_STEP, longest / _MOST_CELLS)
    return cell, ceil(longest / cell)
